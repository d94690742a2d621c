"""The data: parts, fields, classes, samples as the model sees them, bad rows, and copies that lie in several parts."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.bars import stacked
from danlu.report.page.contents import BadRow, ClassBars, Data, Duplicate, FieldRow, Part
from danlu.report.page.samples import picture, place, samples
from danlu.report.page.tables import facts, heading, shown_of, table
from danlu.report.page.words import both, called, count, known, name, show, tr

MOST_FIELDS, MOST_CLASSES, MOST_BAD, MOST_SAMPLES = 400, 240, 100, 48
DIM_ROLES = ("ignored", "id")


def data(contents: Data, of: str = "run") -> str:
    """``of``: the kind of page; before training, bad rows have been left out of nothing yet."""
    out = [parts(contents.parts)] if contents.parts else []
    out += [facts(contents.facts)] if contents.facts else []
    if contents.fields:
        out += [heading(tr("page.fields")), fields(contents.fields)]
    most = MOST_CLASSES // max(1, len(contents.classes))
    out += [classes(bars, contents.parts, most) for bars in contents.classes if bars.classes]
    if contents.gallery:
        shown = samples(contents.gallery[:MOST_SAMPLES], both("page.gallery"))
        out += [heading(tr("page.gallery")), f'<p class="note">{tr("page.gallery.note")}</p>', shown]
    if contents.bad:
        out.append(bad(contents.bad, contents.bad_total, of))
    if contents.duplicates:
        out.append(duplicates(contents.duplicates, contents.duplicates_total, of))
    return "".join(out)


def parts(found: Sequence[Part]) -> str:
    """The parts as large numbers, and a bar of their shares."""
    total = sum(p.rows for p in found)
    cells = "".join(
        f'<div><dt><span class="swatch part{i % 3 + 1}"></span>{show(known("part", p.name), 40)}</dt>'
        f"<dd>{count(p.rows)}<span>{tr('page.rows_unit')}</span></dd></div>"
        for i, p in enumerate(found)
    )
    return f'<dl class="figures">{cells}</dl>{stacked([p.rows for p in found], total)}'


def fields(found: Sequence[FieldRow]) -> str:
    """Inputs and targets first as they come; what is left out stays in its place, dimmed."""
    columns = [("name", "t"), ("role", "t"), ("kind", "t"), ("missing", "n"), ("classes", "n"), ("values", "t")]
    columns.append(("why", "w"))
    rows = []
    for f in found[:MOST_FIELDS]:
        dim = "dim" if f.role in DIM_ROLES else "target" if f.role == "target" else ""
        missing = count(f.missing) if f.missing is not None else ""
        number = count(f.classes) if f.classes is not None else ""
        role = f'<span class="role {dim}">{show(known("role", f.role), 40)}</span>'
        rows.append([name(f.name, 60), role, show(known("kind", f.kind), 40), missing, number])
        rows[-1] += [show(f.values, 120), show(f.why, 300)]
    kept = [i for i in range(len(columns)) if i < 3 or any(row[i] for row in rows)]
    heads = [tr(f"page.field.{columns[i][0]}") for i in kept]
    body, kinds = [[row[i] for i in kept] for row in rows], "".join(columns[i][1] for i in kept)
    return table(heads, body, name=both("page.fields"), kinds=kinds) + shown_of(len(rows), len(found))


def classes(found: ClassBars, found_parts: Sequence[Part], most_rows: int) -> str:
    """A row a class: its parts side by side, and their numbers. Of very many classes the largest and smallest."""
    pairs = list(zip(found.classes, found.counts))
    if len(pairs) > most_rows:
        pairs.sort(key=lambda p: -sum(p[1]))
        pairs = pairs[: most_rows // 2] + pairs[-(most_rows // 2) :]
    most = max((sum(c) for _, c in pairs), default=0)
    heads = [tr("page.class"), tr("page.rows")]
    heads += [
        f'<span class="swatch part{i % 3 + 1}"></span>{show(known("part", p.name), 40)}'
        for i, p in enumerate(found_parts)
    ]
    rows = []
    for label, counts in pairs:
        padded = [*counts, *[0] * (len(found_parts) - len(counts))][: len(found_parts)]
        rows.append([name(label, 40), stacked(padded, most), *(zero_marked(c) for c in padded)])
    title = tr("page.classes", count=count(len(found.classes)))
    title += f" · {show(found.target, 60)}" if found.target else ""
    kinds = "tb" + "n" * len(found_parts)
    shown = table(heads, rows, name=both("page.classes", count=count(len(found.classes))), kinds=kinds)
    return heading(title) + shown + shown_of(len(rows), len(found.classes))


def zero_marked(number: int) -> str:
    """A class without rows in a part is worth seeing."""
    return count(number) if number else '<b class="alarm">0</b>'


def bad(found: Sequence[BadRow], total: int | None, of: str) -> str:
    rows = [[place(b.where), show(b.why, 300)] for b in found[:MOST_BAD]]
    number = max(total or 0, len(found))
    shown = table([tr("page.where"), tr("page.why_bad")], rows, name=both("page.bad"), kinds="tw")
    return (
        heading(tr(called("page.bad", of)))
        + f"<p>{tr(called('page.bad.note', of), count=count(number))}</p>"
        + shown
        + shown_of(len(rows), number)
    )


def duplicates(found: Sequence[Duplicate], total: int | None, of: str) -> str:
    number = max(total or 0, len(found))
    rows = "".join(duplicate(d) for d in found[:MOST_BAD])
    note = f"<p>{tr(called('page.duplicates.note', of), count=count(number))}</p>"
    shown = f'<ul class="copies">{rows}</ul>'
    return heading(tr(called("page.duplicates", of))) + note + shown + shown_of(min(len(found), MOST_BAD), number)


def duplicate(d: Duplicate) -> str:
    """Its picture, row or text, and its places."""
    content = seen = ""
    if d.sample:
        content = ", ".join(f"{column}={cell}" for column, cell in d.sample.row) or d.sample.text
        seen = picture(d.sample.picture, d.sample.where) if d.sample.picture else ""
    said = f"<p>{name(content, 160)}</p>" if content else ""
    places = "".join(
        f"<div><dt>{show(known('part', part), 40)}</dt><dd>{name(where, 80)}</dd></div>" for part, where in d.places[:8]
    )
    return f"<li>{seen}<div>{said}<dl>{places}</dl></div></li>"
