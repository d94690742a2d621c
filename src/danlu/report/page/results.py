"""What the test gave: metrics beside their baselines, class by class, slice by slice, and the charts between."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.bars import dot
from danlu.report.page.confusion import confusion
from danlu.report.page.contents import ClassScore, Interval, Metric, Results, Slices, Unit
from danlu.report.page.probabilities import calibration, share_curves
from danlu.report.page.regression import regression
from danlu.report.page.scale import Axis, axis, shares
from danlu.report.page.tables import heading, shown_of, table
from danlu.report.page.words import (
    both,
    capital,
    count,
    decimals_for,
    escape,
    finite,
    name,
    sentences,
    show,
    span,
    tr,
    value,
)

MOST_CLASSES, MOST_SLICES = 240, 120  # of classes: over all heads


def results(found: Results, place: int, heads: int) -> str:
    """One of ``heads``; ``place`` makes its anchors unique."""
    out = [heading(show(found.name or str(place + 1), 80), 3, f"head-{place}")] if heads > 1 else []
    level = 4 if heads > 1 else 3
    if found.rows is not None:
        out.append(f'<p class="note">{tr("page.test.rows", count=count(found.rows))}</p>')
    if found.metrics:
        out.append(metrics(found.metrics))
    for target in found.targets:
        out.append(regression(target, level if len(found.targets) > 1 else None))
    if found.confusion:
        out.append(confusion(found.confusion, place, heads))
    if found.classes:
        out += [heading(tr("page.per_class"), level), per_class(found.classes, MOST_CLASSES // heads)]
    if found.labels:
        out += [heading(tr("page.per_label"), level), per_label(found, MOST_CLASSES // heads)]
    charts = share_curves(found.roc, "roc", found.curves) + share_curves(found.pr, "pr", found.curves)
    charts += calibration(found.calibration) if found.calibration else ""
    out.append(f'<div class="charts">{charts}</div>' if charts else "")
    if found.slices and found.slices.rows:
        out += [heading(tr("page.slices"), level), slices(found.slices)]
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
        sign = {"higher": "↑", "lower": "↓"}.get(m.better, "")
        arrow = f'<span class="arrow" aria-hidden="true">{sign}</span>' if sign else ""
        note = f'<p class="note">{show(m.note, 400)}</p>' if m.note else ""
        row = [
            f"{show(capital(m.name), 80)}{arrow}{note}",
            f"<b>{escape(value(m.value, m.unit, digits))}</b>",
            ranged(m),
        ]
        row += [escape(value(m.linear, m.unit, digits))] * linear + [escape(value(m.trivial, m.unit, digits))] * trivial
        rows.append(row)
    below = f'<p class="note">{tr("page.metric.note")}</p>'
    return table(heads, rows, name=both("page.metrics"), kinds="tnn" + "n" * (linear + trivial)) + below


def ranged(m: Metric) -> str:
    text = span(m.interval, m.unit)
    kind = show(m.interval.kind, 60) if m.interval and text else ""
    return escape(text) + (f'<span class="soft under">{kind}</span>' if kind else "")


def per_class(found: Sequence[ClassScore], most: int) -> str:
    """The classes as they are numbered; F1 also as a dot with its interval."""
    ends = [v for c in found if c.f1_interval for v in (c.f1_interval.low, c.f1_interval.high)]
    scale = close_shares([c.f1 for c in found if c.f1 is not None] + ends)
    drawn = tr("page.f1.drawn", low=value(scale.low, "%", 0), high=value(scale.high, "%", 0))
    heads = [tr("page.class"), tr("page.rows"), tr("page.precision"), tr("page.recall"), "F1", drawn]
    rows = []
    for c in found[:most]:
        cells = [name(c.name, 40), count(c.rows)]
        cells += [
            score(c.precision, c.precision_interval),
            score(c.recall, c.recall_interval),
            score(c.f1, c.f1_interval),
        ]
        rows.append([*cells, dot(scale, c.f1, c.f1_interval)])
    below = shown_of(len(rows), len(found))
    return table(heads, rows, name=both("page.per_class"), kinds="tnnnnb", look="scores") + below


def per_label(found: Results, most: int) -> str:
    """Every label's own table of two by two, laid out in a row."""
    heads = [tr(key) for key in ("page.per_label.label", "page.tp", "page.fn", "page.fp", "page.tn")]
    rows = [
        [name(one.name, 40), *(count(n) for n in (one.found, one.missed, one.false, one.neither))]
        for one in found.labels[:most]
    ]
    note = f'<p class="note">{tr("page.per_label.note", threshold=f"{found.threshold:g}")}</p>'
    shown = shown_of(len(rows), len(found.labels))
    return note + table(heads, rows, name=both("page.per_label"), kinds="tnnnn") + shown


def close_shares(numbers: Sequence[float]) -> Axis:
    """An axis for shares that begins near the lowest and ends near the highest of them."""
    near = axis([v for v in numbers if finite(v)])
    return Axis(max(0.0, near.low), min(1.0, near.high), (0.0, 1.0)) if near.low < 1 and near.high > 0 else shares()


def soft_range(scale: Axis, unit: Unit) -> str:
    """What the drawn column begins and ends with."""
    decimals = {"decimals": 0} if unit == "%" else {}
    return escape(f"{value(scale.low, unit, **decimals)} – {value(scale.high, unit, **decimals)}")


def score(number: float | None, interval: Interval | None) -> str:
    around = span(interval, "%")
    under = f'<span class="soft under">{escape(around)}</span>' if around else ""
    return escape(value(number, "%")) + under


def slices(found: Slices) -> str:
    """As they come; the dashed line is the metric over all rows."""
    shown = found.rows[:MOST_SLICES]
    ends = [v for s in shown if s.interval for v in (s.interval.low, s.interval.high)]
    numbers = [s.metric for s in shown] + ends + ([found.overall] if found.overall is not None else [])
    scale = close_shares(numbers) if found.unit == "%" else axis(numbers)
    rows, trivial = [], any(s.trivial is not None for s in shown)
    for s in shown:
        drawn = dot(scale, s.metric, s.interval, found.overall)
        mark = f'<span class="soft under">{show(s.mark, 80)}</span>' if s.mark else ""
        group = (name(s.value, 40) if isinstance(s.value, str) else show(s.value, 40)) + mark
        row = [f'<span class="soft">{name(s.field, 40)}</span>', group, count(s.rows)]
        row += [f"<b>{escape(value(s.metric, found.unit))}</b>", escape(span(s.interval, found.unit)), drawn]
        rows.append(row + [escape(value(s.trivial, found.unit))] * trivial)
    heads = [tr("page.column"), tr("page.slice"), tr("page.rows"), show(capital(found.metric), 60), tr("page.interval")]
    heads += [soft_range(scale, found.unit)]
    heads += [tr("page.trivial")] * trivial
    notes = [both("page.slices.note", value=value(found.overall, found.unit))] if found.overall is not None else []
    said = sentences(*notes, found.note)
    note = f'<p class="note">{show(said, 800)}</p>' if any(said) else ""
    kinds = "ttnnnb" + "n" * trivial
    return (
        note
        + table(heads, rows, name=both("page.slices"), kinds=kinds, look="scores")
        + shown_of(len(rows), len(found.rows))
    )
