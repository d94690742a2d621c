"""Line charts and clouds of points as inline SVG: the frame with its ticks, lines with gaps, marks and tooltips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from danlu.report.page.contents import Text
from danlu.report.page.scale import Axis
from danlu.report.page.thin import thin_cloud, thin_line
from danlu.report.page.words import both, escape, finite, joined, label, short, show, tip, value

MOST_POINTS = 400  # a line's points; a chart is about 400 pixels wide
MOST_TIPS = 120  # points of a chart that have a tooltip
FEW_TIPS = 8  # of each line, where there are more than two
MOST_CLOUD = 2000


@dataclass(frozen=True)
class Frame:
    """The place of a chart's axes, in SVG units (about a pixel each)."""

    x: Axis
    y: Axis
    width: float = 400.0
    height: float = 240.0
    left: float = 46.0
    right: float = 14.0
    top: float = 12.0
    bottom: float = 40.0

    def px(self, x: float) -> float:
        return self.left + self.x.at(x) * (self.width - self.left - self.right)

    def py(self, y: float) -> float:
        return self.height - self.bottom - self.y.at(y) * (self.height - self.top - self.bottom)


@dataclass(frozen=True)
class Line:
    """``colour`` is one of the palette's, 1 to 8. A point whose y is None or not finite interrupts the line."""

    name: Text
    points: Sequence[tuple[float, float | None]]
    colour: int = 1
    dashed: bool = False
    star: float | None = None  # the x of the point that is marked ★


def square(x: Axis, y: Axis) -> Frame:
    return Frame(x, y, height=360.0)


def svg(frame: Frame, inside: str, name: Text) -> str:
    """``inside`` in an SVG of the frame's size, named for screen readers."""
    box = f'viewBox="0 0 {n(frame.width)} {n(frame.height)}"'
    return f'<svg class="chart" {box} role="img" {label(name)}>{inside}</svg>'


def axes(frame: Frame, x_name: Text, y_texts: Sequence[str] = (), x_texts: Sequence[str] = ()) -> str:
    """Grid lines, tick labels, and the name of the x axis below it."""
    left, right = n(frame.left), n(frame.width - frame.right)
    foot = frame.height - frame.bottom
    out = []
    for tick, text in zip(frame.y.ticks, y_texts or frame.y.labels):
        y = n(frame.py(tick))
        out.append(f'<path class="grid" d="M{left} {y}H{right}"/>')
        out.append(f'<text class="ty" x="{n(frame.left - 6)}" y="{y}">{escape(text)}</text>')
    for tick, text in apart(frame, x_texts or frame.x.labels):
        x = n(frame.px(tick))
        out.append(f'<path class="tick" d="M{x} {n(foot)}v4"/>')
        out.append(f'<text class="tx" x="{x}" y="{n(foot + 16)}">{escape(text)}</text>')
    out.append(f'<path class="axis" d="M{left} {n(foot)}H{right}"/>')
    return "".join(out) + words(x_name, (frame.left + frame.width - frame.right) / 2, frame.height - 5, "tn")


def apart(frame: Frame, texts: Sequence[str]) -> list[tuple[float, str]]:
    """The ticks of x with their texts, without those that would touch the one before."""
    out: list[tuple[float, str]] = []
    end = -math.inf
    for tick, text in zip(frame.x.ticks, texts):
        half = 3.6 * len(text)
        if frame.px(tick) - half >= end:
            out.append((tick, text))
            end = frame.px(tick) + half + 6
    return out


def words(text: Text, x: float, y: float, kind: str) -> str:
    """A text in a chart, in both languages."""
    place = f'x="{n(x)}" y="{n(y)}"'
    if isinstance(text, str):
        return f'<text class="{kind}" {place}>{escape(short(text, 60))}</text>' if text else ""
    english, chinese = (escape(short(t, 60)) for t in text)
    return (
        f'<text class="{kind} e" lang="en" {place}>{english}</text>'
        f'<text class="{kind} z" lang="zh-CN" {place}>{chinese}</text>'
    )


def line(frame: Frame, drawn: Line, x_name: Text, *, unit: str = "", tips: int = MOST_TIPS) -> str:
    """The line, a dot on each of few points, and tooltips "name, x_name 3: 0.412"."""
    stretches = [thin_line(s, MOST_POINTS) for s in unbroken(frame, drawn.points)]
    path = "".join("M" + "L".join(xy(frame, p) for p in stretch) for stretch in stretches if len(stretch) > 1)
    look = f"l c{drawn.colour}" + (" d" if drawn.dashed else "")
    out = [f'<path class="{look}" d="{path}"/>'] if path else []
    points = [p for stretch in stretches for p in stretch]
    if len(points) <= 30 or any(len(s) == 1 for s in stretches):
        lone = "".join(f"M{xy(frame, p)}h0" for s in stretches if len(s) == 1 or len(points) <= 30 for p in s)
        out.append(f'<path class="dots c{drawn.colour}" d="{lone}"/>')
    for x, y in thin_line(points, tips):
        said = joined(drawn.name, ", ", x_name, f" {plain(x)}: {value(y, '%' if unit == '%' else '')}")
        out.append(f'<circle class="hit" cx="{n(frame.px(x))}" cy="{n(frame.py(y))}" r="6">{tip(said)}</circle>')
    return "".join(out) + star(frame, drawn, points)


def star(frame: Frame, drawn: Line, points: Sequence[tuple[float, float]]) -> str:
    """★ on the marked point."""
    if drawn.star is None:
        return ""
    found = [(x, y) for x, y in drawn.points if x == drawn.star and y is not None and finite(y)]
    if not found or not points:
        return ""
    x, y = frame.px(found[0][0]), frame.py(found[0][1])
    return f'<text class="star" x="{n(x)}" y="{n(y)}">★{tip(both("page.best"))}</text>'


def unbroken(frame: Frame, points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The stretches of points that can be drawn: finite, and above 0 on a logarithmic axis."""
    out: list[list[tuple[float, float]]] = [[]]
    for x, y in points:
        drawable = (
            y is not None and finite(y) and finite(x) and (y > 0 or not frame.y.log) and (x > 0 or not frame.x.log)
        )
        if drawable and y is not None:
            out[-1].append((x, y))
        elif out[-1]:
            out.append([])
    return [stretch for stretch in out if stretch]


def cloud(frame: Frame, points: Sequence[tuple[float, float]], colour: int = 1) -> str:
    """Dots, as one path."""
    kept = thin_cloud([p for p in points if finite(p[0]) and finite(p[1])], MOST_CLOUD)
    return f'<path class="cloud c{colour}" d="{"".join(f"M{xy(frame, p)}h0" for p in kept)}"/>'


def diagonal(frame: Frame) -> str:
    """The line y = x, as far as both axes hold it."""
    low, high = max(frame.x.low, frame.y.low), min(frame.x.high, frame.y.high)
    return f'<path class="ref" d="M{xy(frame, (low, low))}L{xy(frame, (high, high))}"/>' if low < high else ""


def upright(frame: Frame, x: float, said: Text) -> str:
    """A dashed line from top to bottom."""
    place = n(frame.px(x))
    return f'<path class="ref" d="M{place} {n(frame.top)}V{n(frame.height - frame.bottom)}">{tip(said)}</path>'


def columns(
    frame: Frame, edges: Sequence[float], heights: Sequence[float], tips: Sequence[Text], colour: int = 1
) -> str:
    """Bars between neighbouring edges, from 0 up."""
    out = []
    for low, high, height, said in zip(edges, edges[1:], heights, tips):
        if not (finite(low) and finite(high) and finite(height)) or height <= 0:
            continue
        left, right, top, foot = frame.px(low), frame.px(high), frame.py(height), frame.py(0.0)
        box = f'x="{n(left + 0.5)}" y="{n(top)}" width="{n(max(right - left - 1, 0.5))}" height="{n(foot - top)}"'
        out.append(f'<rect class="bar b{colour}" {box}>{tip(said)}</rect>')
    return "".join(out)


def legend(lines: Sequence[Line]) -> str:
    """What each line is, as HTML; nothing for a single one."""
    if len(lines) < 2:
        return ""
    keys = "".join(
        f'<li><svg class="key" viewBox="0 0 22 8" aria-hidden="true">'
        f'<path class="l c{one.colour}{" d" if one.dashed else ""}" d="M1 4H21"/></svg>{show(one.name, 100)}</li>'
        for one in lines
    )
    return f'<ul class="legend">{keys}</ul>'


def line_chart(
    frame: Frame, lines: Sequence[Line], x_name: Text, *, name: Text, unit: str = "", under: str = ""
) -> str:
    """Axes and lines; ``under`` is drawn below the lines."""
    texts = [f"{value_in_percent(t)}" for t in frame.y.ticks] if unit == "%" else []
    tips = MOST_TIPS // max(1, len(lines)) if len(lines) < 3 else FEW_TIPS
    drawn = "".join(line(frame, one, x_name, unit=unit, tips=tips) for one in lines)
    stars = [one for one in lines if one.star is not None]
    mark = "".join(upright(frame, one.star, both("page.best")) for one in stars[:1] if one.star is not None)
    return svg(frame, axes(frame, x_name, texts) + under + mark + drawn, name)


def value_in_percent(share: float) -> str:
    return f"{100 * share:.4g}\u202f%".replace("-", "−")


def plain(x: float) -> str:
    return f"{x:,.0f}" if x == int(x) and abs(x) < 1e15 else f"{x:.3g}"


def xy(frame: Frame, point: tuple[float, float]) -> str:
    return f"{n(frame.px(point[0]))} {n(frame.py(point[1]))}"


def n(x: float) -> str:
    """A coordinate: a tenth of a unit is as fine as it is seen."""
    text = f"{x:.1f}".removesuffix(".0")
    return "0" if text == "-0" else text


def widened(frame: Frame, y_texts: Sequence[str]) -> Frame:
    """``frame`` with room for its longest y label."""
    return replace(frame, left=max(30.0, 12 + 6.6 * max((len(t) for t in y_texts), default=0)))
