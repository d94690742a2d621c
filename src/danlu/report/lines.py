"""The terminal's lines as pure functions: a choice, an epoch, the live line, an error, the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from danlu.errors import DanluError
from danlu.messages import SAYINGS, say
from danlu.report.events import Start
from danlu.report.layout import cut, duration, number, pad, paint, printable, rate, width, wrap
from danlu.types import Choice, Epoch

LABEL = 10  # columns of the label before a choice or a result
_NARROW = 56  # below this, what does not fit beside its label goes under it


@dataclass(frozen=True)
class Page:
    """What lines are made for: ``columns`` of a terminal, or None for a file, where a line is never wrapped."""

    columns: int | None = None
    colour: bool = False

    @property
    def width(self) -> int:
        return max(20, (self.columns or 100) - 1)


def metric_name(key: str) -> str:
    """ "val/macro_f1" in words: macro-F1, and 验证损失 for val/loss."""
    for name in (key, key.rpartition("/")[2]):
        if f"metric.{name}" in SAYINGS:
            return say(f"metric.{name}")
    return key.rpartition("/")[2] if key.startswith("val/") else key


def labelled(label: str, text: str, note: str, page: Page) -> str:
    """``label  text (note)``; on a terminal the note goes under the text when both do not fit in one line."""
    text, note = printable(text), printable(note)
    both = say("line.note", text=text, note=note) if note else text
    if page.columns is None:
        return say("line.plain", label=label, text=both) if label else both
    indent = LABEL + 2 if page.width >= _NARROW else 4
    head = "  " + pad(label, indent - 3) + " "
    if width(head) + width(both) <= page.width:
        return paint(head, "cyan", page.colour) + _split_note(text, both, page)
    lines = wrap(text, page.width, indent, width(head)).split("\n")
    if note:
        lines += [" " * indent + paint(part.strip(), "dim", page.colour) for part in _lines(note, page.width, indent)]
    return paint(head, "cyan", page.colour) + "\n".join(lines)


def _split_note(text: str, both: str, page: Page) -> str:
    return text + paint(both[len(text) :], "dim", page.colour) if both.startswith(text) else both


def _lines(text: str, columns: int, indent: int) -> list[str]:
    return wrap(text, columns, indent).split("\n")


def choice(made: Choice, page: Page) -> str:
    return labelled(made.what, made.value, made.why, page)


def start(facts: Start, page: Page) -> str:
    """Two lines: what is trained on what, and where it goes."""
    rows = " + ".join(say(f"rows.{k}", n=f"{n:,}") for k, n in facts.rows.items() if n)
    length = say("start.epochs", n=facts.epochs) if facts.epochs else ""
    if facts.steps and not facts.epochs:
        length = say("start.steps", n=f"{facts.steps:,}")
    parts = [say("start.model", model=facts.model, n=f"{facts.parameters:,}"), f"{facts.device} {facts.precision}"]
    parts += [say("start.rows", rows=rows), length]
    if facts.step:
        parts.append(say("start.resumed", step=f"{facts.step:,}"))
    text = printable(" · ".join(part for part in parts if part))
    body = wrap(text, page.width) if page.columns else text
    return body + "\n" + labelled(say("label.run"), facts.run, "", page)


def epoch_cells(
    end: Epoch, epochs: int | None, metrics: Mapping[str, float], eta: float | None
) -> list[tuple[str, str]]:
    """(heading, value) of an epoch's columns."""
    cells = [(say("epoch.epoch"), f"{end.epoch}/{epochs}" if epochs else str(end.epoch))]
    cells.append((metric_name("train/loss"), number(end.loss)))
    cells += [(metric_name(k), number(v)) for k, v in metrics.items() if k != "train/loss"]
    cells.append((say("epoch.rate"), rate(end.rows / end.seconds) if end.seconds > 0 else "?"))
    cells.append((say("epoch.wait"), f"{end.waited / end.seconds:.0%}" if end.seconds > 0 else "0%"))
    if eta is not None:
        cells.append((say("epoch.left"), duration(eta)))
    return cells


def epoch_widths(cells: Sequence[tuple[str, str]]) -> list[int]:
    """Column widths that hold from the first epoch to the last."""
    first, *rest = cells
    return [max(width(first[0]), width(first[1]), 5)] + [max(width(h), width(v), 7) for h, v in rest]


def epoch_head(cells: Sequence[tuple[str, str]], widths: Sequence[int], page: Page) -> str:
    row = "  ".join(pad(heading, w, right=True) for (heading, _), w in zip(cells, widths))
    return paint(row, "dim", page.colour)


def epoch_row(cells: Sequence[tuple[str, str]], widths: Sequence[int], best: bool, page: Page) -> str:
    row = "  ".join(pad(value, w, right=True) for (_, value), w in zip(cells, widths))
    return row + ("  " + paint("★", "yellow", page.colour) if best else "")


def epoch_line(cells: Sequence[tuple[str, str]], best: bool, page: Page) -> str:
    """An epoch as labelled values: for files, and for terminals too narrow for the table."""
    (_, count), *rest = cells
    head = say("epoch.count", count=count)
    star = " ★" if best else ""
    if page.columns is None:
        return "  ".join([head + star, *(say("epoch.value", name=n, value=v) for n, v in rest)])
    lines, line = [], head + star
    for name, value in rest:
        part = say("epoch.value", name=name, value=value)
        if width(line) + 2 + width(part) > page.width:
            lines.append(line)
            line = "  " + part
        else:
            line += "  " + part
    return "\n".join([*lines, line])


@dataclass(frozen=True)
class Now:
    """Where training is: ``epoch`` as shown ("3/10"), updates made of how many, samples/s, seconds left."""

    epoch: str
    step: int
    total: int | None
    loss: float | None
    speed: float
    left: float | None


def live(now: Now, columns: int, bar: bool = True) -> str:
    """The one line that is drawn over: the most telling parts that fit, what is left of the width a bar."""
    parts = [(0, say("epoch.count", count=now.epoch))]
    done = min(now.step / now.total, 1) if now.total else 0
    if now.total:
        parts.append((1, f"{done:4.0%}"))
    if now.loss is not None:
        parts.append((2, say("epoch.value", name=metric_name("train/loss"), value=number(now.loss))))
    if now.speed > 0:
        parts.append((4, say("live.rate", rate=rate(now.speed))))
    if now.left is not None:
        parts.append((3, say("live.left", left=duration(now.left))))
    if now.total:
        parts.append((5, say("live.step", step=f"{now.step:,}", total=f"{now.total:,}")))
    while len(parts) > 1 and sum(width(t) + 2 for _, t in parts) - 2 > columns - 1:
        parts.remove(max(parts))
    room = columns - 1 - sum(width(t) + 2 for _, t in parts)
    if bar and now.total and room >= 8:
        size = min(room, 24)
        full = round(size * done)
        parts.insert(1, (9, "━" * full + "─" * (size - full)))
    return cut("  ".join(text for _, text in parts), columns - 1)


def results(
    metrics: Mapping[str, float], kinds: Mapping[str, str], baseline: str, page: Page, prefix: str = "test/"
) -> list[str]:
    """The test metrics, each with its interval and the trivial baseline beside it."""
    parts = ("_low", "_high", "_baseline")
    names = [k for k in metrics if k.startswith(prefix) and not k.endswith(parts)]
    rows = []
    for key in names:
        low, high, base = (metrics.get(key + part) for part in parts)
        interval = ""
        if low is not None and high is not None:
            kind = kinds.get(key, kinds.get(key[len(prefix) :], ""))
            interval = say("done.interval", low=number(low), high=number(high))
            interval += say("done.kind", kind=kind) if kind else ""
        trivial = say("done.baseline", value=number(base)) if base is not None else ""
        rows.append((metric_name(key), number(metrics[key]), interval, trivial))
    sizes = [max((width(row[i]) for row in rows), default=0) for i in range(4)]
    indent = LABEL + 2
    lines = []
    for i, row in enumerate(rows):
        name, value, *rest = (pad(cell, size, right=j == 1) for j, (cell, size) in enumerate(zip(row, sizes)))
        first = "  " + pad(say("label.test") if i == 0 else "", LABEL) + f"{name}  {paint(value, 'bold', page.colour)}"
        one = "  ".join([first, *rest]).rstrip()
        if page.columns is None or indent + sum(sizes) + 6 <= page.width:
            lines.append(one)
        else:
            lines += [first] + ["    " + part for part in row[2:] if part]
    if baseline and rows:
        lines.append(labelled(say("label.baseline"), baseline, "", page))
    return lines


def done(run: str, commands: Sequence[str], page: Page) -> list[str]:
    """Where everything is, and what to type next: never wrapped, so that it can be copied."""
    lines = [labelled(say("label.files"), run, "", page)]
    if page.width < _NARROW:
        return [*lines, "  " + say("label.next"), *("    " + command for command in commands)]
    labels = [say("label.next")] + [""] * (len(commands) - 1)
    return lines + ["  " + pad(label, LABEL) + command for label, command in zip(labels, commands)]


def problem(code: str, what: str, rows: Sequence[tuple[str, str]], colour: str, page: Page) -> str:
    """``DLnnn what`` with its where, why and fix; the fix stays one line, to be pasted."""
    head = printable(f"{code} {what}".strip())
    lines = [paint(wrap(head, page.width, 2) if page.columns else head, colour, page.colour)]
    names = {name: say(f"label.{name}") for name, _ in rows}
    size = max((width(n) for n in names.values()), default=0)
    for name, value in rows:
        if value:
            text = (
                printable(value) if name == "fix" or not page.columns else wrap(printable(value), page.width, size + 4)
            )
            lines.append("  " + paint(pad(names[name], size), "dim", page.colour) + "  " + text)
    return "\n".join(lines)


def error(raised: DanluError, page: Page) -> str:
    rows = [("where", raised.where), ("why", raised.why), ("fix", raised.fix)]
    return problem(raised.code, raised.what, rows, "red", page)
