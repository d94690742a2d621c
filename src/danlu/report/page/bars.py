"""Bars and whiskers that stand in the rows of tables, as wide as their cell."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.charts import n
from danlu.report.page.contents import Interval, Text
from danlu.report.page.scale import Axis
from danlu.report.page.words import finite, tip

WIDTH = 200.0  # SVG units; the picture is stretched to its cell, its strokes are not


def stretched(inside: str) -> str:
    box = f'viewBox="0 0 {n(WIDTH)} 16" preserveAspectRatio="none"'
    return f'<svg class="row" {box} aria-hidden="true">{inside}</svg>'


def bar(axis: Axis, value: float, *, colour: str = "b1", interval: Interval | None = None, said: Text = "") -> str:
    """A bar from 0 (or the axis's low end) to ``value``, its interval as a whisker."""
    if not finite(value):
        return ""
    start = axis.at(max(0.0, axis.low)) if axis.low <= 0 else 0.0
    a, b = sorted((start * WIDTH, axis.at(value) * WIDTH))
    box = f'x="{n(a)}" y="3" width="{n(max(b - a, 0.8))}" height="10"'
    drawn = f'<rect class="bar {colour}" {box}>{tip(said) if said else ""}</rect>'
    zero = f'<path class="zero" d="M{n(start * WIDTH)} 0V16"/>' if axis.low < 0 else ""
    return stretched(drawn + zero + whisker(axis, interval))


def whisker(axis: Axis, interval: Interval | None) -> str:
    if interval is None or not (finite(interval.low) and finite(interval.high)):
        return ""
    low, high = (n(axis.at(v) * WIDTH) for v in (interval.low, interval.high))
    return f'<path class="whisker" d="M{low} 8H{high}M{low} 4V12M{high} 4V12"/>'


def dot(axis: Axis, value: float | None, interval: Interval | None = None, reference: float | None = None) -> str:
    """A dot with its interval, and a dashed upright where ``reference`` lies."""
    if value is None or not finite(value):
        return ""
    line = (
        f'<path class="ref" d="M{n(axis.at(reference) * WIDTH)} 0V16"/>'
        if finite(reference) and reference is not None
        else ""
    )
    return stretched(line + whisker(axis, interval) + f'<path class="dot c1" d="M{n(axis.at(value) * WIDTH)} 8h0"/>')


def stacked(counts: Sequence[int], most: int) -> str:
    """The parts of a class side by side, the longest row as wide as the cell."""
    out, place = [], 0.0
    for i, rows in enumerate(counts):
        wide = max(0.0, WIDTH * rows / most) if most else 0.0
        if wide:
            out.append(f'<rect class="part{i % 3 + 1}" x="{n(place)}" y="3" width="{n(wide)}" height="10"/>')
        place += wide
    return stretched("".join(out))
