"""What looking found as the terminal's lines: pure functions of what was found and of the page's width."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from danlu.doubts import Doubt
from danlu.errors import DanluError
from danlu.looking.found import Column, Curve, FoundData, FoundModel, FoundRun, figure, one
from danlu.messages import SAYINGS, say
from danlu.report import modules
from danlu.report.layout import cut, cut_middle, number, pad, paint, printable, width, wrap
from danlu.report.lines import Page, choice, labelled, metric_name, problem, results
from danlu.report.page.words import size as amount

MOST_COLUMNS, MOST_CLASSES, MOST_BAD, MOST_COPIES, MOST_FINDINGS = 60, 12, 10, 5, 12
BARS = "▏▎▍▌▋▊▉█"
LEVELS = "▁▂▃▄▅▆▇█"
SPARK = 40  # columns of a curve at most
NARROW = 60  # columns of a page


def of_data(found: FoundData, page: Page, html: str = "") -> list[str]:
    """The whole of it, section by section; what is empty has none."""
    out = [paint(printable(found.source), "bold", page.colour)]
    out += _overview(found, page)
    if found.origin not in ("images", "idx"):  # a picture and its class: all is said above
        out += _section("columns", column_table(found.columns, page), page)
    out += _section("classes", class_bars(found, page), page)
    out += _section("target", histogram(found, page), page)
    out += _section("copies", _copies(found, page), page)
    out += _section("bad", _bad(found, page), page)
    out += _findings(found.findings, page)
    out += _section("chosen", [choice(made, page) for made in found.chosen], page)
    if found.note:
        out += ["", wrap(one(found.note), page.width) if page.columns else one(found.note)]
    return [*out, "", *_ending(found.commands, html, page)]


def _ending(commands: Sequence[str], html: str, page: Page) -> list[str]:
    """The page's place and what to type next, never wrapped, so that it can be copied."""
    rows = [("label.report", html)] if html else []
    rows += [("label.next" if i == 0 else "", command) for i, command in enumerate(commands)]
    if page.width < 56:
        return [line for label, text in rows for line in ([f"  {say(label)}"] if label else []) + [f"    {text}"]]
    return ["  " + pad(say(label) if label else "", 10) + text for label, text in rows]


def _section(name: str, lines: list[str], page: Page) -> list[str]:
    return ["", paint(say(f"look.section.{name}"), "bold", page.colour), *lines] if lines else []


def _overview(found: FoundData, page: Page) -> list[str]:
    rows = " + ".join(say(f"look.rows.{k}", n=f"{n:,}") for k, n in found.rows.items() if n)
    out = [labelled(say("look.fact.kind"), say(f"data.is.{found.origin}"), "", page)] if found.origin else []
    split = next((c.why for c in found.choices if c.what == "split"), "")
    out.append(labelled(say("look.fact.rows"), rows or say("look.rows.unknown"), split, page))
    out += [labelled(say(f"look.fact.{f.name}"), one(f.value), "", page) for f in found.facts]
    said = {"split", "inputs: number", "inputs: category", "left out", "classes", "sample"}  # stand elsewhere
    said |= {c.name for c in found.columns} | {f"column {c.name}" for c in found.columns}
    return out + [choice(c, page) for c in found.choices if c.what not in said]


# ---- columns


def column_table(columns: Sequence[Column], page: Page) -> list[str]:
    """A line a column; its reason beside it where there is room, else below; dimmed what no model sees."""
    shown = columns[:MOST_COLUMNS]
    rows = [
        (
            printable(c.name),
            say(f"page.role.{c.role}"),
            say(f"page.kind.{c.kind}") if f"page.kind.{c.kind}" in SAYINGS else say("look.kind.date"),
            f"{c.missing:,}" if c.missing else "",
            printable(one(c.values)),
            printable(c.why),
        )
        for c in shown
    ]
    names = ("name", "role", "kind", "missing", "values", "why")
    heads = [say(f"look.column.{n}") if n == "values" else say(f"page.field.{n}") for n in names]
    room = page.width if page.columns is not None else 10**6
    most = (max(12, room // 4 if room >= NARROW else room - 20), 10, 10, 9, max(20, 2 * room // 5), 10**6)
    sizes = [min(max(width(r[i]) for r in [heads, *rows]), most[i]) for i in range(6)] if rows else []
    if not rows:
        return []
    keep = [i for i in range(6) if i < 3 or any(r[i] for r in rows)]
    beside = page.columns is None or 2 + sum(sizes[i] + 2 for i in keep if i < 5) + 24 <= page.width
    if page.columns is not None and page.width < NARROW:  # a narrow page: name, role and kind; the rest below
        keep = [i for i in keep if i < 3]
        beside = False
    inline = [i for i in keep if i < 5]
    out = [paint("  " + _row(heads, inline, sizes, heads[5] if beside else ""), "dim", page.colour)]
    for column, row in zip(shown, rows):
        text = "  " + _row(row, inline, sizes, row[5] if beside and page.columns is None else "")
        if beside and page.columns is not None and row[5]:
            indent = 2 + sum(sizes[i] + 2 for i in inline)
            text = pad(text, indent) + wrap(row[5], page.width, indent)
        out += _painted(text, column.role, page)
        below = [] if beside else [row[5]]
        if 4 not in inline:
            below = [row[4], *below] if not row[3] else [row[4], f"{heads[3]} {row[3]}", *below]
        for part in below:
            if part:
                out.append("    " + paint(wrap(part, page.width, 4, 4), "dim", page.colour))
    return out + _more(len(columns) - len(shown))


def _painted(text: str, role: str, page: Page) -> list[str]:
    colour = "dim" if role in ("ignored", "id") else "green" if role == "target" else ""
    return [paint(line, colour, page.colour) if colour else line for line in text.split("\n")]


def _row(cells: Sequence[str], keep: Sequence[int], sizes: Sequence[int], last: str) -> str:
    short = [_ended(cells[i], sizes[i]) if i == 4 else cut_middle(cells[i], sizes[i]) for i in keep]
    shown = [pad(text, sizes[i], right=i == 3) for text, i in zip(short, keep)]
    return "  ".join([*shown, last] if last else shown).rstrip()


def _ended(text: str, columns: int) -> str:
    return text if width(text) <= columns else cut(text, columns - 1) + "…"


def _more(count: int, detail: str = "") -> list[str]:
    return ["  " + say("look.more", n=f"{count:,}") + detail] if count > 0 else []


# ---- classes and the target


def class_bars(found: FoundData, page: Page) -> list[str]:
    """The largest classes with their rows in all parts; of many, the rest in one line. No rows in a part: said."""
    if not found.counts:
        return (
            ["  " + wrap(", ".join(map(printable, found.classes[:MOST_CLASSES])), page.width, 2)]
            + _more(len(found.classes) - MOST_CLASSES)
            if found.classes
            else []
        )
    totals = [sum(c) for c in found.counts]
    order = sorted(range(len(totals)), key=lambda k: (-totals[k], k))
    many = len(order) > MOST_CLASSES
    shown = order[: MOST_CLASSES - 2] if many else list(range(len(totals)))
    names = [printable(found.classes[k]) for k in shown]
    room = min(max(map(width, names)), max(8, page.width // 3), 32)
    digits = max(len(f"{totals[k]:,}") for k in shown)
    whole, most = max(1, sum(totals)), max(1, max(totals))
    bar_room = max(4, min(40, page.width - room - digits - 13))
    out = []
    for k, name in zip(shown, names):
        bar = pad(_bar(totals[k] / most, bar_room), bar_room)
        empty = [say(f"look.rows.{part}", n="").strip() for part, n in zip(found.rows, found.counts[k]) if not n]
        note = say("look.none_in", parts=say("list.names").join(empty)) if empty else ""
        share = f"{100 * totals[k] / whole:.1f} %"
        label = pad(cut_middle(name, room), room)
        figure = f"{totals[k]:>{digits},} {share:>7}"
        out.append(f"  {label} {paint(bar, 'cyan', page.colour)} {figure}")
        if note:
            before = "  " if width(f"{label}{bar}{figure}{note}") + 6 <= page.width else "\n    "
            out[-1] += before + paint(note, "red", page.colour)
    if many:
        rest = [totals[k] for k in order[MOST_CLASSES - 2 :]]
        out += _more(len(rest), say("look.more.rows", low=f"{min(rest):,}", high=f"{max(rest):,}"))
    return out


def _bar(share: float, room: int) -> str:
    eighths = round(share * room * 8)
    eighths = max(eighths, 1) if share > 0 else 0
    return "█" * (eighths // 8) + (BARS[eighths % 8 - 1] if eighths % 8 else "")


def histogram(found: FoundData, page: Page) -> list[str]:
    """A target of numbers: how often it lies where."""
    if not found.histogram:
        return []
    most = max(n for _, _, n in found.histogram)
    bars = "".join(LEVELS[round(n / max(1, most) * 7)] if n else " " for _, _, n in found.histogram)
    low, high = found.histogram[0][0], found.histogram[-1][1]
    return ["  " + f"{figure(low)} {paint(bars, 'cyan', page.colour)} {figure(high)}"]


# ---- what is doubtful


def _copies(found: FoundData, page: Page) -> list[str]:
    parts = [say(f"look.rows.{k}", n=f"{n:,}") for k, n in found.copies.inside.items()]
    if not parts:
        return []
    text = say("look.copies", parts=" + ".join(parts))
    lines = ["  " + (wrap(text, page.width, 2, 2) if page.columns else text)]
    for _, one_, other in found.copies.examples[:MOST_COPIES]:
        first, second = (printable(_inside(name, found.source)) for name in (one_, other))
        room = page.width - 6 if page.columns is not None else 10**6
        if width(first) + width(second) + 1 <= room:
            lines.append(f"    {first} = {second}")
        else:
            lines += [f"    {cut_middle(first, room)}", f"    = {cut_middle(second, room)}"]
    return lines


def _inside(name: str, source: str) -> str:
    """A row's name without the folders that lead to the data."""
    folders = source.rstrip("/").rpartition("/")[0]
    return name.removeprefix(folders + "/") if folders else name


def _bad(found: FoundData, page: Page) -> list[str]:
    said = [printable(say("line.note", text=b.where, note=b.why)) for b in found.bad[:MOST_BAD]]
    lines = ["  " + (wrap(text, page.width, 4, 2) if page.columns else text) for text in said]
    return lines + _more(len(found.bad) - MOST_BAD)


def _findings(found: Sequence[Doubt | DanluError], page: Page) -> list[str]:
    out: list[str] = []
    for finding in found[:MOST_FINDINGS]:
        raised = finding if isinstance(finding, DanluError) else finding.told
        severity = "error" if isinstance(finding, DanluError) else finding.severity
        colour = {"error": "red", "warning": "yellow"}.get(severity, "bold")
        rows = [("where", raised.where), ("why", raised.why), ("fix", raised.fix)]
        head = f"{say('severity.' + severity)} {raised.what}"
        out += ["", problem(raised.code, head, rows, colour, page)]
    return out + _more(len(found) - MOST_FINDINGS)


# ---- a run


def of_run(found: FoundRun, page: Page) -> list[str]:
    out = [paint(printable(str(found.path)), "bold", page.colour)]
    state = say(f"look.state.{found.state}", epochs=found.epochs, best=found.best or "–")
    out.append(labelled(say("look.fact.state"), state, "", page))
    out += [labelled(say(f"look.fact.{f.name}"), one(f.value), "", page) for f in found.facts]
    out += [""] if found.sentences else []
    for sentence in found.sentences:
        out += ["  " + (wrap(one(sentence), page.width, 2, 2) if page.columns else one(sentence))]
    tested = results(found.metrics, page) if found.metrics else []
    out += ["", *tested] if tested else []
    out += _section("curves", [curve_line(c, found.curves, page) for c in found.curves], page)
    given = [labelled(name, _plain(value), "", page) for name, value in found.settings.items()]
    out += _section("settings", given, page)
    made = [labelled(_named(k), _plain(v), "", page) for k, v in found.chosen.items() if not isinstance(v, dict)]
    out += _section("decided", made, page)
    for told in found.findings[:MOST_FINDINGS]:
        rows = [(name, told.get(name, "")) for name in ("where", "why", "fix")]
        severity = told.get("severity", "note")
        severity = severity if f"severity.{severity}" in SAYINGS else "note"
        colour = {"error": "red", "warning": "yellow"}.get(severity, "bold")
        head = f"{say('severity.' + severity)} {told.get('what', '')}".strip()
        out += ["", problem(told.get("code", ""), head, rows, colour, page)]
    files = [f"{name} ({amount(n)})".replace("\u202f", " ") for name, n in found.files]
    listed = "  " + wrap(printable(", ".join(files)), page.width, 2, 2) if page.columns else "  " + ", ".join(files)
    out += _section("files", [listed] if files else [], page)
    if found.note:
        out += ["", wrap(one(found.note), page.width) if page.columns else one(found.note)]
    return [*out, "", *_ending(found.commands, str(found.page) if found.page else "", page)]


def _named(what: str) -> str:
    return say(f"what.{what}") if f"what.{what}" in SAYINGS else what


def _plain(value: object) -> str:
    """A value of run.toml as a person would type it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={_plain(part)}" for key, part in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_plain, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def curve_line(curve: Curve, beside: Sequence[Curve], page: Page) -> str:
    """A metric's name, its first and last value, and its course between, low to high."""
    room = max(8, min(SPARK, page.width - 40))
    size = max(width(metric_name(c.name)) for c in beside)
    known = [v for v in curve.values if not math.isnan(v)]
    values = _thinned(curve.values, room)
    low, high = min(known), max(known)
    drawn = "".join(" " if math.isnan(v) else LEVELS[_level(v, low, high)] for v in values)
    ends = f"{number(known[0])} → {number(known[-1])}"
    return f"  {pad(metric_name(curve.name), size)}  {paint(drawn, 'cyan', page.colour)}  {ends}"


def _level(value: float, low: float, high: float) -> int:
    return round((value - low) / (high - low) * 7) if high > low else 3


def _thinned(values: Sequence[float], most: int) -> Sequence[float]:
    """At most so many of them, the first and the last among them."""
    if len(values) <= most:
        return values
    return [values[i * (len(values) - 1) // (most - 1)] for i in range(most)]


# ---- a model


def of_model(found: FoundModel, page: Page) -> list[str]:
    out = [
        paint(printable(found.name), "bold", page.colour),
        labelled(say("look.fact.input"), one(found.inputs), "", page),
    ]
    out += ["", *modules.table(found.summary, page)]
    if found.note:
        out += ["", wrap(one(found.note), page.width) if page.columns else one(found.note)]
    return [*out, "", *_ending(found.commands, "", page)] if found.commands else out
