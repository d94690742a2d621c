"""What the test gave: metrics beside their baselines, classes, curves, calibration, slices, and predicted numbers."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.bars import dot
from danlu.report.page.charts import (
    Frame,
    Line,
    axes,
    cloud,
    columns,
    diagonal,
    legend,
    line_chart,
    square,
    svg,
    widened,
)
from danlu.report.page.confusion import confusion
from danlu.report.page.contents import Calibration, ClassScore, Curve, Interval, Metric, Results, Slices, Target, Text
from danlu.report.page.scale import axis, shares
from danlu.report.page.tables import figure, heading, shown_of, table
from danlu.report.page.words import both, count, decimals_for, escape, finite, joined, name, show, span, tr, value

MOST_CLASSES, MOST_CURVES, MOST_SLICES = 300, 6, 120


def results(found: Results, place: int, heads: int) -> str:
    """One of ``heads``; ``place`` makes its anchors unique."""
    out = [heading(show(found.name or str(place + 1), 80), 3, f"head-{place}")] if heads > 1 else []
    if found.rows is not None:
        out.append(f'<p class="note">{tr("page.test.rows", count=count(found.rows))}</p>')
    if found.metrics:
        out.append(metrics(found.metrics))
    for target in found.targets:
        out.append(regression(target, len(found.targets) > 1))
    if found.confusion:
        out.append(confusion(found.confusion, place, heads))
    if found.classes:
        out += [heading(tr("page.per_class"), 4), per_class(found.classes)]
    charts = share_curves(found.roc, "roc") + share_curves(found.pr, "pr")
    charts += calibration(found.calibration) if found.calibration else ""
    out.append(f'<div class="charts">{charts}</div>' if charts else "")
    if found.slices and found.slices.rows:
        out += [heading(tr("page.slices"), 4), slices(found.slices)]
    return "".join(out)


# ---- tables


def metrics(found: Sequence[Metric]) -> str:
    """Columns of baselines only where any metric has one."""
    linear = any(m.linear is not None for m in found)
    trivial = any(m.trivial is not None for m in found)
    heads = [tr("page.metric"), tr("page.value"), tr("page.interval")]
    heads += [tr("page.linear")] * linear + [tr("page.trivial")] * trivial
    rows = []
    for m in found:
        digits = decimals_for(m.interval)
        arrow = f'<span class="arrow" aria-hidden="true">{"↑" if m.better == "higher" else "↓"}</span>'
        note = f'<p class="note">{show(m.note, 400)}</p>' if m.note else ""
        row = [f"{show(m.name, 80)}{arrow}{note}", f"<b>{escape(value(m.value, m.unit, digits))}</b>", ranged(m)]
        row += [escape(value(m.linear, m.unit, digits))] * linear + [escape(value(m.trivial, m.unit, digits))] * trivial
        rows.append(row)
    below = f'<p class="note">{tr("page.metric.note")}</p>'
    return table(heads, rows, name=both("page.metrics"), kinds="tnn" + "n" * (linear + trivial), look="wide") + below


def ranged(m: Metric) -> str:
    text = span(m.interval, m.unit)
    kind = (
        f'<span class="soft under">{show(m.interval.kind, 60)}</span>'
        if m.interval and m.interval.kind and text
        else ""
    )
    return escape(text) + kind


def per_class(found: Sequence[ClassScore]) -> str:
    """The classes as they are numbered; F1 also as a dot with its interval."""
    scale = shares()
    heads = [tr("page.class"), tr("page.rows"), tr("page.precision"), tr("page.recall"), "F1", tr("page.f1.drawn")]
    rows = []
    for c in found[:MOST_CLASSES]:
        cells = [name(c.name, 40), count(c.rows)]
        cells += [
            score(c.precision, c.precision_interval),
            score(c.recall, c.recall_interval),
            score(c.f1, c.f1_interval),
        ]
        rows.append([*cells, dot(scale, c.f1, c.f1_interval)])
    below = shown_of(len(rows), len(found))
    return table(heads, rows, name=both("page.per_class"), kinds="tnnnnb", look="wide") + below


def score(number: float | None, interval: Interval | None) -> str:
    around = span(interval, "%")
    under = f'<span class="soft under">{escape(around)}</span>' if around else ""
    return escape(value(number, "%")) + under


def slices(found: Slices) -> str:
    """Grouped by column; the dashed line is the metric over all rows."""
    shown = found.rows[:MOST_SLICES]
    ends = [v for s in shown if s.interval for v in (s.interval.low, s.interval.high)]
    numbers = [s.metric for s in shown] + ends + ([found.overall] if found.overall is not None else [])
    inside = found.unit == "%" and all(0 <= v <= 1 for v in numbers if finite(v))
    scale = shares() if inside else axis(numbers)
    rows, before = [], None
    for s in shown:
        column = name(s.field, 40) if s.field != before else ""
        before = s.field
        drawn = dot(scale, s.metric, s.interval, found.overall)
        figures = f"<b>{escape(value(s.metric, found.unit))}</b>"
        rows.append(
            [f"{name(s.value, 40)}", column, count(s.rows), figures, escape(span(s.interval, found.unit)), drawn]
        )
    heads = [tr("page.slice"), tr("page.column"), tr("page.rows"), show(found.metric, 60), tr("page.interval"), ""]
    overall = tr("page.slices.note", value=value(found.overall, found.unit)) if found.overall is not None else ""
    note = f'<p class="note">{overall}</p>' if overall else ""
    return (
        note
        + table(heads, rows, name=both("page.slices"), kinds="ttnnnb", look="wide")
        + shown_of(len(rows), len(found.rows))
    )


# ---- charts


def share_curves(found: Sequence[Curve], kind: str) -> str:
    """ROC or precision–recall curves in one square; of many those with the smallest areas."""
    if not found:
        return ""
    shown = list(found)
    if len(shown) > MOST_CURVES:
        shown = sorted(shown, key=lambda c: c.area if c.area is not None else 1.0)[:MOST_CURVES]
    frame = widened(square(shares(), shares()), ["0.75"])
    lines = [Line(with_area(c), c.points, i + 1) for i, c in enumerate(shown)]
    title = both(f"page.{kind}")
    under = diagonal(frame) if kind == "roc" else ""
    drawn = line_chart(frame, lines, both(f"page.{kind}.x"), name=title, under=under)
    keys = legend(lines) if len(lines) > 1 else f'<p class="note">{show(lines[0].name, 120)}</p>'
    note = f'<p class="note">{tr("page.curves.worst", shown=str(len(shown)), total=count(len(found)))}</p>'
    up = f' <span class="soft">{tr(f"page.{kind}.y")}</span>'
    return figure(show(title) + up, keys + drawn, note if len(shown) < len(found) else "")


def with_area(curve: Curve) -> Text:
    if curve.area is None:
        return curve.name
    around = f" ({span(curve.interval)})" if curve.interval else ""
    return joined(curve.name, " · ", both("page.area"), f" {curve.area:.3f}{around}")


def calibration(found: Calibration) -> str:
    """Bars of how often each bin was right, against the diagonal; below them how many rows each bin has."""
    bins = [b for b in found.bins if b.count]
    if not bins:
        return ""
    frame = widened(square(shares(), shares()), ["0.75"])
    tips = [
        both("page.bin", count=count(b.count), confidence=value(b.confidence, "%"), right=value(b.accuracy, "%"))
        for b in bins
    ]
    drawn = "".join(columns(frame, (b.low, b.high), (b.accuracy,), (tips[i],), 6) for i, b in enumerate(bins))
    points: list[tuple[float, float | None]] = [(b.confidence, b.accuracy) for b in bins]
    means = Line(both("page.accuracy_of_bin"), points, 1)
    inside = drawn + diagonal(frame)
    title = both("page.calibration")
    main = line_chart(frame, [means], both("page.confidence"), name=title, under=inside)
    error = tr("page.calibration.error", value=value(found.error, "%")) + " " if found.error is not None else ""
    note = f'<p class="note">{error}{tr("page.calibration.note")}</p>'
    up = f' <span class="soft">{tr("page.accuracy_of_bin")}</span>'
    return figure(show(title) + up, main + bin_counts(frame, found), note)


def bin_counts(above: Frame, found: Calibration) -> str:
    """How many rows lie in each bin, under the calibration chart and on its x axis."""
    y = axis([float(b.count) for b in found.bins], zero=True, ticks=2)
    frame = Frame(above.x, y, width=above.width, height=84, left=above.left, bottom=16)
    bins = [b for b in found.bins if b.count]
    bars = "".join(columns(frame, (b.low, b.high), (float(b.count),), (f"{count(b.count)}",), 0) for b in bins)
    return svg(frame, axes(frame, "", x_texts=[""] * len(above.x.ticks)) + bars, both("page.bin_counts"))


def regression(target: Target, named: bool) -> str:
    """Predicted against true, and the residuals."""
    out = []
    unit = f" ({target.unit})" if target.unit else ""
    kept = [p for p in target.points if finite(p[0]) and finite(p[1])]
    if kept:
        both_axes = axis([v for p in kept for v in p])
        frame = widened(square(both_axes, both_axes), both_axes.labels)
        inside = axes(frame, joined(both("page.true"), unit)) + diagonal(frame) + cloud(frame, kept)
        up = f' <span class="soft">{show(joined(both("page.predicted"), unit), 60)}</span>'
        out.append(figure(tr("page.scatter") + up, svg(frame, inside, both("page.scatter"))))
    if target.counts and len(target.edges) == len(target.counts) + 1:
        out.append(histogram(target, unit))
    title = heading(name(target.name, 60), 4) if named else ""
    return title + f'<div class="charts">{"".join(out)}</div>' if out else ""


def histogram(target: Target, unit: str) -> str:
    x, y = axis(target.edges), axis([float(c) for c in target.counts], zero=True)
    frame = widened(square(x, y), y.labels)
    edges = list(zip(target.edges, target.edges[1:]))
    tips = [f"{value(low)} … {value(high)}: {count(c)}" for (low, high), c in zip(edges, target.counts)]
    bars = columns(frame, target.edges, [float(c) for c in target.counts], tips)
    zero = (
        f'<path class="ref" d="M{frame.px(0.0):.1f} {frame.top:.0f}V{frame.height - frame.bottom:.0f}"/>'
        if x.low < 0 < x.high
        else ""
    )
    inside = axes(frame, joined(both("page.residual"), unit)) + bars + zero
    up = f' <span class="soft">{tr("page.rows")}</span>'
    return figure(tr("page.residuals") + up, svg(frame, inside, both("page.residuals")))
