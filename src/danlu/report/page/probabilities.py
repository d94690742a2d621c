"""What the probabilities are worth: ROC and precision–recall curves, and whether confidence means what it says."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.charts import Frame, Line, axes, columns, diagonal, legend, line_chart, square, svg, widened
from danlu.report.page.contents import Calibration, Curve, Text
from danlu.report.page.scale import counts_axis, shares
from danlu.report.page.tables import figure
from danlu.report.page.words import both, count, finite, joined, sentences, short, show, tr, value

MOST_CURVES = 6


def share_curves(found: Sequence[Curve], kind: str, total: int = 0) -> str:
    """ROC or precision–recall curves in one square; of many, ``total`` in all, those with the smallest areas."""
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
    keys = legend(lines) or f'<p class="note">{show(lines[0].name, 120)}</p>'
    note = f'<p class="note">{tr("page.curves.worst", shown=str(len(shown)), total=count(max(total, len(found))))}</p>'
    up = f' <span class="soft">{tr(f"page.{kind}.y")}</span>'
    return figure(show(title) + up, drawn, keys + (note if len(shown) < max(total, len(found)) else ""))


def with_area(curve: Curve) -> Text:
    if curve.area is None or not finite(curve.area):
        return curve.name
    ends = [curve.interval.low, curve.interval.high] if curve.interval else []
    around = f" ({ends[0]:.3f} – {ends[1]:.3f})" if ends and finite(sum(ends)) else ""
    english, chinese = joined(curve.name)
    return joined((short(english, 28), short(chinese, 28)), " · ", both("page.area"), f" {curve.area:.3f}{around}")


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
    error = both("page.calibration.error", value=value(found.error, "%")) if found.error is not None else ""
    note = f'<p class="note">{show(sentences(error, both("page.calibration.note")))}</p>'
    up = f' <span class="soft">{tr("page.accuracy_of_bin")}</span>'
    return figure(show(title) + up, main + bin_counts(frame, found), note)


def bin_counts(above: Frame, found: Calibration) -> str:
    """How many rows lie in each bin, under the calibration chart and on its x axis."""
    y = counts_axis([b.count for b in found.bins], ticks=2)
    frame = Frame(above.x, y, width=above.width, height=84, left=above.left, bottom=16)
    bins = [b for b in found.bins if b.count]
    bars = "".join(columns(frame, (b.low, b.high), (float(b.count),), (f"{count(b.count)}",), 0) for b in bins)
    return svg(frame, axes(frame, "", x_texts=[""] * len(above.x.ticks)) + bars, both("page.bin_counts"))
