"""The table of a model's modules: nesting by indent, output shapes, parameters and FLOPs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from danlu.messages import say
from danlu.report.layout import cut_middle, pad, paint, printable, width
from danlu.report.lines import Page

if TYPE_CHECKING:
    from danlu.summary import Row, Summary

_SHOWN = 2  # tensors of an output that are written out
_MOST = 22  # columns for a class
_LEAST = 18  # columns for a name; where there are fewer, classes are left out, then shapes


def table(summary: Summary, page: Page) -> list[str]:
    """A line for each module, and below them the sums. Names are cut in the middle to fit into ``page``."""
    heads = [say(f"modules.{name}") for name in ("name", "kind", "output", "parameters", "flops")]
    cells = [[shown, row.kind, _output(row), _parameters(row), _flops(row)] for shown, row in _nested(summary.rows)]
    cells = [[printable(text) for text in line] for line in cells]
    if page.columns is not None:
        cells = [[name, cut_middle(kind, _MOST), *rest] for name, kind, *rest in cells]
    sizes = [max(width(line[i]) for line in [heads, *cells]) for i in range(5)]
    shown = [0, 1, 2, 3, 4]
    for dropped in ((), (1,), (1, 2)):  # classes, then shapes
        shown = [i for i in range(5) if i not in dropped]
        room = page.width - sum(sizes[i] + 2 for i in shown[1:])
        if page.columns is None or room >= min(sizes[0], _LEAST):
            break
    if page.columns is not None:
        sizes[0] = max(min(sizes[0], room), 1)

    def line(texts: list[str]) -> str:
        name = pad(cut_middle(texts[0], sizes[0]), sizes[0])
        return "  ".join([name, *(pad(texts[i], sizes[i], right=i > 2) for i in shown[1:])]).rstrip()

    return [paint(line(heads), "dim", page.colour), *map(line, cells), *_sums(summary)]


def _nested(rows: tuple[Row, ...]) -> Iterator[tuple[str, Row]]:
    """Each row with its name below the module it stands under, indented by how deep that is."""
    above: list[str] = []
    for row in rows:
        while above and above[-1] and not row.name.startswith(above[-1] + "."):
            above.pop()
        parent = above[-1] if above else ""
        name = row.name.removeprefix(parent + ".") if parent else row.name or say("modules.model")
        times = f" ×{row.calls}" if row.calls > 1 else ""
        yield "  " * len(above) + name + times, row
        above.append(row.name)


def _output(row: Row) -> str:
    if not row.calls:
        return say("modules.uncalled")
    shown = [f"{path}: {_shape(shape)}" if path else _shape(shape) for path, shape in row.shapes[:_SHOWN]]
    more = len(row.shapes) - _SHOWN
    return ", ".join(shown + ([f"+{more}"] if more > 0 else [])) or "–"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "1"


def _parameters(row: Row) -> str:
    if not row.parameters:
        return "–"
    return f"{row.parameters:,}" if row.trainable else say("modules.frozen", n=f"{row.parameters:,}")


def _flops(row: Row) -> str:
    return quantity(row.flops) if row.flops else "–"


def _sums(summary: Summary) -> list[str]:
    facts = {"n": f"{summary.parameters:,}", "trainable": f"{summary.trainable:,}", "size": quantity(summary.bytes)}
    lines = [say("modules.total", **facts)]
    if summary.flops is not None and summary.samples:
        each = quantity(summary.flops / summary.samples)
        lines.append(say("modules.work", flops=quantity(summary.flops), samples=f"{summary.samples:,}", each=each))
    return lines


def quantity(value: float) -> str:
    """ "875", "12.3k", "1.23M", "456G": three digits and the SI prefix."""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 999.5 or prefix == "T":
            break
        value /= 1000
    return f"{value:.3g}{prefix}" if prefix else f"{value:.0f}"
