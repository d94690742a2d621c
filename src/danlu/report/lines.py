"""The terminal's lines as pure functions: a choice, an epoch, the live line, an error, the end of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from danlu.errors import DanluError
from danlu.messages import SAYINGS, say
from danlu.report.layout import cut, duration, join, number, pad, paint, printable, rate, width, wrap

if TYPE_CHECKING:  # the help pages import this file
    from danlu.report.events import Start
    from danlu.types import Choice, Epoch

LABEL = 10  # columns of the label before a choice or a result
_PARTS = ("_low", "_high", "_interval", "_baseline", "_linear")  # what belongs to a metric
_LESS_TOLD = ("balanced_accuracy", "micro_f1", "average_precision", "calibration_error", "top5_accuracy", "mape")
_OTHERS = ("rows", "baseline", "linear", "classes", "targets")  # test/… and test/head/… that are no metrics
GROUPS = 6  # of a column, on the terminal
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
    """ "val/macro_f1" in words: macro-F1, and 验证损失 for val/loss; of a head, "val/kind/accuracy", its name too."""
    if f"metric.{key}" in SAYINGS:
        return say(f"metric.{key}")
    part = next((part for part in ("val/", "test/") if key.startswith(part)), "")
    head, slash, name = key.removeprefix(part).rpartition("/")
    known = f"metric.{name}" in SAYINGS
    if slash and (part or known):
        return say("line.head", head=head, metric=say(f"metric.{name}") if known else name)
    return say(f"metric.{name}") if known else name if part else key


def labelled(label: str, text: str, note: str, page: Page) -> str:
    """``label  text (note)``; on a terminal the note goes under the text when both do not fit in one line."""
    text, note = printable(text), printable(note)
    both = say("line.note", text=text, note=note) if note else text
    indent = LABEL + 2 if page.width >= _NARROW else 4
    head = "  " + pad(label, indent - 3) + " "
    if page.columns is None or width(head) + width(both) <= page.width:
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
    name, column = f"what.{made.what}", made.what.removeprefix("column ")
    known = say(name) if name in SAYINGS else made.what
    return labelled(known if column == made.what else say("what.column", name=column), made.value, made.why, page)


def start(facts: Start, page: Page, *, finished: bool = False) -> str:
    """Two lines: what is trained on what, and where it goes; ``finished``: there is nothing left to train."""
    rows = " + ".join(say(f"rows.{k}", n=f"{n:,}") for k, n in facts.rows.items() if n)
    unit, n = ("epoch", facts.epochs) if facts.epochs else ("step", facts.steps or 0)
    length = say(f"start.{unit}" if n == 1 else f"start.{unit}s", n=f"{n:,}") if n else ""
    parts = [say("start.model", model=facts.model, n=f"{facts.parameters:,}"), f"{facts.device} {facts.precision}"]
    parts += [say("start.rows", rows=rows), length]
    if facts.step:
        parts.append(say("start.finished" if finished else "start.resumed", step=f"{facts.step:,}"))
    body = join([printable(part) for part in parts if part], " · ", page.columns and page.width)
    return body + "\n" + labelled(say("label.run"), facts.run, "", page)


@dataclass(frozen=True)
class Cell:
    """One value of an epoch's line: under its heading in a table, as a phrase elsewhere."""

    heading: str
    value: str
    phrase: str


def epoch_cells(end: Epoch, epochs: int | None, metrics: Mapping[str, float], eta: float | None) -> list[Cell]:
    """An epoch's values in order; the first is its number."""
    count = f"{end.epoch}/{epochs}" if epochs else str(end.epoch)
    cells = [Cell(say("epoch.epoch"), count, say("epoch.count", count=count))]
    for key, value in _few(_distinct({"train/loss": end.loss, **metrics})).items():
        name, shown = metric_name(key), number(value)
        cells.append(Cell(name, shown, say("epoch.value", name=name, value=shown)))
    seconds = max(end.seconds, 1e-9)
    speed, waited = rate(end.rows / seconds), f"{end.waited / seconds:.0%}"
    cells.append(Cell(say("epoch.rate"), speed, say("live.rate", rate=speed)))
    cells.append(Cell(say("epoch.wait"), waited, say("epoch.value", name=say("epoch.wait"), value=waited)))
    if eta is not None:
        left = duration(eta) if eta > 0 else "–"
        cells.append(Cell(say("epoch.left"), left, say("live.left", left=left) if eta > 0 else ""))
    return cells


def _distinct(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Without the log loss (of a test: the loss) where loss and log loss are the same number twice."""
    left_out = set()
    for part, twin in (("val/", "val/log_loss"), ("test/", "test/loss")):
        loss, log_loss = metrics.get(f"{part}loss"), metrics.get(f"{part}log_loss")
        if loss is not None and log_loss is not None and math.isclose(loss, log_loss, rel_tol=1e-4):
            left_out.add(twin)
    return {key: value for key, value in metrics.items() if key not in left_out}


def _few(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Of several heads each one's first metric and the losses of all together: more do not fit in a line."""
    heads: dict[str, str] = {}
    for key in metrics:
        head, slash, _ = key.removeprefix("val/").rpartition("/")
        if key.startswith("val/") and slash:
            heads.setdefault(head, key)
    if not heads:
        return dict(metrics)
    shown = {"train/loss", "val/loss", "val/balanced_loss", *heads.values()}
    return {key: value for key, value in metrics.items() if key in shown}


def epoch_widths(cells: Sequence[Cell]) -> list[int]:
    """Column widths that hold from the first epoch to the last."""
    smallest = [5, *[7] * (len(cells) - 1)]
    return [max(width(cell.heading), width(cell.value), least) for cell, least in zip(cells, smallest)]


def epoch_head(cells: Sequence[Cell], widths: Sequence[int], page: Page) -> str:
    row = "  ".join(pad(cell.heading, w, right=True) for cell, w in zip(cells, widths))
    return paint(row, "dim", page.colour)


def epoch_row(cells: Sequence[Cell], widths: Sequence[int], best: bool, page: Page) -> str:
    row = "  ".join(pad(cell.value, w, right=True) for cell, w in zip(cells, widths))
    return row + ("  " + paint("★", "yellow", page.colour) if best else "")


def epoch_line(cells: Sequence[Cell], best: bool, page: Page) -> str:
    """An epoch as labelled values: for files, and for terminals too narrow for the table."""
    phrases = [cell.phrase for cell in cells if cell.phrase] + (["★"] if best else [])
    return join(phrases, "  ", page.columns and page.width)


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


def results(metrics: Mapping[str, Any], page: Page) -> list[str]:
    """The test metrics, each with its interval and the trivial baseline beside it.

    "test/accuracy" with "test/accuracy_low", "_high", "_interval" (its kind) and "_baseline"; "test/baseline" says
    what the trivial answer is.
    """
    known = [k for k in _distinct(metrics) if k.startswith("test/") and not k.endswith(_PARTS)]
    known = [k for k in known if k.rpartition("/")[2] not in _OTHERS and not isinstance(metrics[k], list)]
    heads = list(dict.fromkeys(k.removeprefix("test/").rpartition("/")[0] for k in known))
    known = sorted(known, key=lambda k: heads.index(k.removeprefix("test/").rpartition("/")[0]))
    known = [k for k in known if k.removeprefix("test/loss_") not in heads]  # a head's loss is a part of the whole
    own = [k for k in known if k.rpartition("/")[2] not in _LESS_TOLD]
    rows, kinds = [], dict[str, list[str]]()
    for key in own:
        low, high, kind, trivial, linear = (metrics.get(key + part) for part in _PARTS)
        interval = ""
        if low is not None and high is not None:
            interval = say("done.interval", low=number(low), high=number(high))
            kinds.setdefault(kind or "", []).append(key)
        base, cheap = _beside("done.baseline", trivial), _beside("done.linear", linear)
        rows.append((metric_name(key), number(metrics[key]), interval, base, cheap))
    sizes = [max((width(row[i]) for row in rows), default=0) for i in range(5)]
    fits = page.columns is None or LABEL + sum(sizes) + 10 <= page.width
    lines = []
    for i, row in enumerate(rows):
        name, value, *rest = (pad(cell, size, right=j == 1) for j, (cell, size) in enumerate(zip(row, sizes)))
        head = "  " + (pad(say("label.test") if i == 0 else "", LABEL) if page.width >= _NARROW else "")
        first = head + f"{name}  {paint(value, 'bold', page.colour)}"
        if fits:
            lines.append("  ".join([first, *rest]).rstrip())
        else:
            lines += [first] + [" " * (width(head) + 2) + part for part in row[2:] if part]
    said = [(kind, say("list.names").join(_names(kinds, kind))) for kind in kinds if kind]
    how = say("list.parts").join(say("done.kind", kind=kind, names=names) for kind, names in said)
    more = say("list.names").join(dict.fromkeys(_bare(k) for k in known if k not in own))
    notes = (
        ("label.interval", how),
        ("label.baseline", _of_heads(metrics, "baseline")),
        ("label.linear", _of_heads(metrics, "linear")),
        ("label.over", _over(metrics)),
        ("label.also", say("done.more", names=more) if more else ""),
    )
    told = [labelled(say(label), text, "", page) for label, text in notes if text and rows]
    for head in heads:
        start = f"test/{head}/" if head else "test/"
        mine = [f"test/{k.removeprefix(start)}" for k in own if k.startswith(start)]
        told += slices(metrics.get(f"{start}slices") or [], mine, page, head)
    return lines + told


def _names(kinds: Mapping[str, Sequence[str]], kind: str) -> list[str]:
    """The metrics that have this kind of interval, without their heads where every head has it there."""
    others = {_bare(key) for other, keys in kinds.items() if other != kind for key in keys}
    names = [metric_name(key) if _bare(key) in others else _bare(key) for key in kinds[kind]]
    return list(dict.fromkeys(names))


def _bare(key: str) -> str:
    """A metric in words, without the head that it is of."""
    return metric_name(f"test/{key.rpartition('/')[2]}")


def slices(found: Sequence[Mapping[str, Any]], metrics: Sequence[str], page: Page, head: str = "") -> list[str]:
    """A line a column: its groups, those that are clearly worse first (``!``), by the first metric that they have."""
    name = next((k.removeprefix("test/") for k in metrics if any(k.removeprefix("test/") in s for s in found)), "")
    out = []
    for column in dict.fromkeys(s["column"] for s in found):
        groups = sorted((s for s in found if s["column"] == column), key=lambda s: ("worse" not in s, "few" in s))
        shown = [_group(s, name) for s in groups[:GROUPS]]
        if len(groups) > GROUPS:
            shown.append(say("slice.more", count=len(groups) - GROUPS))
        note = say("slice.quarters") if any("quarter" in s for s in groups) else ""
        named = metric_name(f"{head}/{name}" if head else name)
        text = say("slice.line", metric=named, groups=" · ".join(shown))
        out.append(labelled(column, text, note, page))
    return [labelled(say("label.slices"), say("slice.head"), "", page), *out] if out else []


def _group(part: Mapping[str, Any], name: str) -> str:
    low, high = part.get(f"{name}_low"), part.get(f"{name}_high")
    between = f" ({number(low)} – {number(high)})" if low is not None and high is not None else ""
    facts = {"group": part["group"], "value": number(part.get(name, math.nan)), "rows": f"{part['rows']:,}"}
    row = ("! " if "worse" in part else "") + say("slice.row", interval=between, **facts)
    return say("slice.row.few", row=row) if "few" in part else row


def _over(metrics: Mapping[str, Any]) -> str:
    """The difference to the linear model on the same rows, where it was measured with an interval."""
    found = [k for k in metrics if k.endswith("_over_linear") and f"{k}_low" in metrics]
    said, one = [], "done.over" if len(found) < 2 else "done.over.head"
    for key in found:
        value, low, high = (f"{metrics[key + end]:+.4g}" for end in ("", "_low", "_high"))
        name, kind = metric_name(key.removesuffix("_over_linear")), metrics[f"{key}_interval"]
        said.append(say(one, metric=name, value=value, low=low, high=high, kind=kind))
    whole = say("list.parts").join(said)
    return say("done.over.heads", heads=whole) if len(found) > 1 else whole


def _of_heads(metrics: Mapping[str, Any], what: str) -> str:
    """What ``test/baseline`` says; of several heads what each says, once where they say the same."""
    said: dict[str, list[str]] = {}
    for key, text in metrics.items():
        if key.startswith("test/") and key.rpartition("/")[2] == what and isinstance(text, str) and text:
            said.setdefault(text, []).append(key.removeprefix("test/").rpartition("/")[0])
    if len(said) < 2:
        return next(iter(said), "")
    names = say("list.names")
    return say("list.parts").join(say("line.of_heads", heads=names.join(heads), text=t) for t, heads in said.items())


def _beside(key: str, value: float | None) -> str:
    return "" if value is None or math.isnan(value) else say(key, value=number(value))


def done(run: str, commands: Sequence[str], page: Page, report: str = "") -> list[str]:
    """Where everything is, and what to type next: never wrapped, so that it can be copied."""
    lines = [labelled(say("label.files"), run, "", page)]
    if report:
        lines.append(labelled(say("label.report"), report, "", page))
    if page.width < _NARROW:
        return [*lines, "  " + say("label.next"), *("    " + command for command in commands)]
    labels = [say("label.next")] + [""] * (len(commands) - 1) if commands else []
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


def diagnosis(name: str, value: str, state: str, fix: str, page: Page) -> str:
    """A line of ``danlu doctor``: ``state`` is "ok", "note", "warning" or "error"."""
    mark, colour = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "error": ("✗", "red")}.get(state, ("·", "dim"))
    head = f"{pad(name, 13)}  "
    indent = width(head) + 4
    if page.columns is not None and page.width < _NARROW:
        head, indent = name + "  ", 6
    value = printable(value)
    text = value if page.columns is None else wrap(value, page.width, indent, width(head) + 4)
    fixing = f"\n{' ' * indent}{paint(fix, 'bold', page.colour)}" if fix else ""
    return f"  {paint(mark, colour, page.colour)} {head}{text}{fixing}"
