"""look.html: what was found in data, or a model's layers, as one offline page; and its place, where nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from danlu.doubts import Doubt
from danlu.errors import DanluError
from danlu.looking.found import Column, FoundData, FoundModel
from danlu.messages import language
from danlu.report.page import contents as c
from danlu.report.page import render
from danlu.run import keep_apart
from danlu.showing.retold import retold
from danlu.showing.texts import both, told
from danlu.showing.why import model_of
from danlu.tensorfile import replace_file, write_error
from danlu.types import Choice

MARK = b'<meta name="generator" content="danlu look">'
MOST_DUPLICATES, MOST_BAD = 50, 100
MOST_TRIED = 1000  # names, of which all belong to others


def page_of_data(found: FoundData) -> str:
    """The page's HTML; equal findings give equal bytes."""
    rows = {name: n for name, n in found.rows.items() if n}
    classes = (c.ClassBars(found.classes, found.counts),) if found.counts else ()
    fields = tuple(
        c.FieldRow(f.name, f.kind, f.role, retold(f.why), f.missing or None, _classes(found, f), f.values)
        for f in found.columns
    )
    pairs = dict.fromkeys((*found.copies.conflict_examples, *found.copies.examples))
    duplicates = tuple(c.Duplicate(((part, one), (part, other))) for part, one, other in pairs)
    facts = [c.Fact(told(f"look.fact.{f.name}"), f.value) for f in found.facts]
    facts += [_choice(made) for made in found.choices if made.what in ("split", "task", "target", "size", "parts")]
    data = c.Data(
        parts=tuple(c.Part(name, n) for name, n in rows.items()),
        facts=tuple(facts),
        fields=fields,
        classes=classes,
        gallery=found.gallery,
        bad=tuple(c.BadRow(b.where, retold(b.why)) for b in found.bad[:MOST_BAD]),
        bad_total=len(found.bad) or None,
        duplicates=duplicates[:MOST_DUPLICATES],
        duplicates_total=sum(found.copies.inside.values()) or None,
    )
    page = c.Page(
        title=found.name,
        language="zh" if language() == "zh" else "en",
        facts=(c.Fact(told("showing.data"), found.source),),
        verdict=c.Verdict(_sentences(found), findings=tuple(_finding(f) for f in found.findings)),
        data=data,
        reproduce=c.Reproduce("\n".join(found.commands), facts=tuple(_choice(made) for made in found.chosen)),
        of="look",
    )
    return render(page)


def page_of_model(found: FoundModel) -> str:
    facts = (c.Fact(told("look.fact.input"), found.inputs),)
    model = model_of(found.name, found.summary)
    lang: Any = "zh" if language() == "zh" else "en"
    return render(c.Page(title=found.name, language=lang, facts=facts, model=model, of="look"))


def _classes(found: FoundData, column: Column) -> int | None:
    """How many a category has; of a target that is no table's column, the classes."""
    if column.name == found.target and found.classes:
        return len(found.classes)
    return column.distinct if column.kind == "category" else None


def _sentences(found: FoundData) -> tuple[c.Text, ...]:
    """What it is, how much of it, and whether anything speaks against training on it."""
    kind = told(f"data.is.{found.origin}")
    first = told("look.short", kind=kind, rows=f"{sum(found.rows.values()):,}")
    task = told(f"look.task.{found.task}", target=found.target, n=len(found.classes)) if found.task else ""
    errors = sum(isinstance(f, DanluError) for f in found.findings)
    warnings = sum(isinstance(f, Doubt) and f.severity == "warning" for f in found.findings)
    key = "look.short.error" if errors else "look.short.warnings" if warnings else "look.short.fine"
    return (first, *([task] if task else []), told(key, n=warnings))


def _choice(made: Choice) -> c.Fact:
    from danlu.messages import SAYINGS, say

    name = both(lambda: say(f"what.{made.what}") if f"what.{made.what}" in SAYINGS else made.what)
    value, why = retold(made.value), retold(made.why)
    return c.Fact(name, told("line.note", text=value, note=why) if made.why else value)


def _finding(found: Doubt | DanluError) -> c.Finding:
    raised = found if isinstance(found, DanluError) else found.told
    severity = "error" if isinstance(found, DanluError) else found.severity

    def text(part: str) -> c.Text:
        return both(lambda: str(getattr(raised, part)))

    return c.Finding(raised.code, severity, text("what"), raised.where, text("why"), text("fix"))


# ---- its place


def write_page(html: str, name: str, output: str | Path | None, sources: list[str | Path]) -> Path | None:
    """Where the page went; None where no place was named and ``runs/`` would lie among the data.

    ``output`` that is somebody else's file is refused (DL347), as is one among the data (DL406).
    """
    if output is not None:
        path = Path(output).expanduser()
        keep_apart(path.parent / f".{path.name}", [s for s in sources if Path(s).expanduser().is_dir()])
        if not _is_free(path):
            raise DanluError("DL347", where=str(path), path=str(path), line=str(path.with_name(f"look-{path.name}")))
    else:
        try:
            keep_apart(None, [s for s in sources if Path(s).expanduser().is_dir()])
        except DanluError:
            return None
        clean = "".join(ch if ch.isalnum() or ch in "-_." else "-" for ch in name).strip("-.")[:60] or "data"
        tried = (Path("runs") / f"look-{clean}{f'-{k}' if k > 1 else ''}.html" for k in range(1, MOST_TRIED))
        path = next(p for p in tried if _is_free(p))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, html.encode())
    except OSError as error:
        raise write_error(path, error) from error
    return path


def _is_free(path: Path) -> bool:
    """Nothing there, or a page that an earlier look made."""
    if not os.path.lexists(path):
        return True
    if path.is_symlink() or not path.is_file():
        return False
    try:
        with open(path, "rb") as file:
            return MARK in file.read(4096 * 16)
    except OSError:
        return False
