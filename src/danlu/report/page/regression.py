"""Predicted numbers: against the true ones, and how far off."""

from __future__ import annotations

from danlu.report.page.charts import MOST_CLOUD, axes, cloud, columns, diagonal, square, svg, upright, widened
from danlu.report.page.contents import Target
from danlu.report.page.scale import close, counts_axis
from danlu.report.page.tables import figure, heading, shown_of
from danlu.report.page.words import both, count, finite, joined, name, show, tr, value


def regression(target: Target, level: int | None) -> str:
    """Predicted against true, and the residuals; under a heading of ``level`` where there are several targets."""
    out = []
    unit = f" ({target.unit})" if target.unit else ""
    kept = [p for p in target.points if finite(p[0]) and finite(p[1])]
    if kept:
        both_axes = close([v for p in kept for v in p])
        frame = widened(square(both_axes, both_axes), both_axes.labels)
        inside = axes(frame, joined(both("page.true"), unit)) + diagonal(frame) + cloud(frame, kept)
        up = f' <span class="soft">{show(joined(both("page.predicted"), unit), 60)}</span>'
        drawn = svg(frame, inside, both("page.scatter"))
        out.append(
            figure(tr("page.scatter") + up, drawn, shown_of(min(len(kept), MOST_CLOUD), max(target.total, len(kept))))
        )
    if target.counts and len(target.edges) == len(target.counts) + 1:
        out.append(histogram(target, unit))
    title = heading(name(target.name, 60), level) if level else ""
    return title + f'<div class="charts">{"".join(out)}</div>' if out else ""


def histogram(target: Target, unit: str) -> str:
    x, y = close(target.edges), counts_axis(target.counts)
    frame = widened(square(x, y), y.labels)
    edges = list(zip(target.edges, target.edges[1:]))
    tips = [f"{value(low)} … {value(high)}: {count(c)}" for (low, high), c in zip(edges, target.counts)]
    bars = columns(frame, target.edges, [float(c) for c in target.counts], tips)
    zero = upright(frame, 0.0, "0") if x.low < 0 < x.high else ""
    inside = axes(frame, joined(both("page.residual"), unit)) + bars + zero
    up = f' <span class="soft">{tr("page.rows_unit")}</span>'
    note = f'<p class="note">{tr("page.residual.beyond", count=count(target.beyond))}</p>' if target.beyond else ""
    return figure(tr("page.residuals") + up, svg(frame, inside, both("page.residuals")), note)
