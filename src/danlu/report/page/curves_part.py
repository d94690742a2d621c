"""The curves of the training: losses, the monitored metric, learning rate, range test, throughput, waiting, memory."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.layout import rate as speed
from danlu.report.page.charts import Frame, Line, legend, line_chart, upright, value_in_percent, widened
from danlu.report.page.contents import Curves, EpochPoint, Fact, RangeTest, Text, Unit
from danlu.report.page.scale import Axis, axis
from danlu.report.page.tables import facts, figure
from danlu.report.page.words import both, capital, finite, joined, lasting, show, size, tr, value

WAITING = 0.1  # a tenth of the time: below it a curve would look like much
LOG_RATIO = 50  # losses that fall by more than this are drawn on a logarithmic axis


def curves(contents: Curves) -> str:
    points, best = contents.epochs, contents.best_epoch
    star = float(best) if best is not None else None
    metric = contents.monitor
    losses = [
        Line(both("page.train_loss"), series(points, "train_loss"), 1, dashed=True),
        Line(both("page.val_loss"), series(points, "val_loss"), 5, star=star),
    ]
    monitored = Line(metric or "", series(points, "metric"), 5, star=star)
    if len(points) == 1:  # a chart of one point is a number
        return (f'<div class="charts">{charts_of_steps(contents)}</div>' * bool(charts_of_steps(contents))) + facts(
            [*one_epoch(points[0], contents), *figures(contents)]
        )
    out = [
        epochs_chart(both("page.loss"), losses, log=True),
        epochs_chart(metric, [monitored], unit=contents.monitor_unit) if metric else "",
        charts_of_steps(contents),
        epochs_chart(both("page.rate"), [Line(both("page.rate"), series(points, "rate"), 3)], zero=True),
        epochs_chart(
            both("page.waiting"), [Line(both("page.waiting"), series(points, "waiting"), 2)], unit="%", least=WAITING
        ),
    ]
    charts = "".join(out)
    body = f'<div class="charts">{charts}</div>' if charts else ""
    return body + facts(figures(contents))


def charts_of_steps(contents: Curves) -> str:
    return rates_chart(contents.rates) + (range_chart(contents.range_test) if contents.range_test else "")


def one_epoch(point: EpochPoint, contents: Curves) -> list[Fact]:
    """What an only epoch gave, in figures."""
    named: list[tuple[Text, float | None, Unit]] = [
        (joined(both("page.loss"), " · ", both("page.train_loss")), point.train_loss, ""),
        (joined(both("page.loss"), " · ", both("page.val_loss")), point.val_loss, ""),
        (
            joined(contents.monitor, " · ", both("page.val_loss")),
            point.metric if contents.monitor else None,
            contents.monitor_unit,
        ),
        (both("page.waiting"), point.waiting, "%"),
    ]
    rate = [Fact(both("page.rate"), speed(point.rate))] if point.rate is not None and finite(point.rate) else []
    return [*(Fact(name, value(number, unit)) for name, number, unit in named if finite(number)), *rate]


def series(points: Sequence[EpochPoint], field: str) -> list[tuple[float, float | None]]:
    return [(float(p.epoch), getattr(p, field)) for p in points]


def epochs_chart(
    title: Text, lines: Sequence[Line], *, unit: Unit = "", zero: bool = False, log: bool = False, least: float = 0
) -> str:
    """A chart over the epochs; nothing where no line has a value. ``least``: an axis from 0 reaches at least there."""
    lines = [one for one in lines if any(finite(y) for _, y in one.points)]
    values = [y for one in lines for _, y in one.points if y is not None and finite(y)]
    if not values:
        return ""
    wide = log and min(values) > 0 and max(values) / min(values) > LOG_RATIO
    y = axis([*values, *([0.0, least] if least else [])], log=wide, zero=zero)
    labels = [value_in_percent(t) for t in y.ticks] if unit == "%" else y.labels
    frame = widened(Frame(epoch_axis([x for one in lines for x, _ in one.points]), y), labels)
    drawn = line_chart(frame, lines, both("page.epoch"), name=title, unit=unit)
    note = f' <span class="soft">{tr("page.log")}</span>' if wide else ""
    return figure(show(capital(title), 80) + note + legend(lines), drawn)


def epoch_axis(epochs: Sequence[float]) -> Axis:
    """Whole epochs, without the empty room that round ends leave."""
    low, high = min(epochs), max(epochs)
    if low == high:
        return Axis(low - 1, low + 1, (low,))
    whole = axis([low, high], ticks=6)
    ticks = tuple(t for t in whole.ticks if t == int(t) and low <= t <= high)
    return Axis(low, high, ticks if len(ticks) > 1 else (low, high))


def rates_chart(rates: Sequence[tuple[int, float]]) -> str:
    kept = [(float(step), rate) for step, rate in rates if finite(rate)]
    if len(kept) < 2:
        return ""
    y = axis([rate for _, rate in kept], zero=True)
    frame = widened(Frame(epoch_axis([x for x, _ in kept]), y), y.labels)
    title = both("page.lr")
    return figure(show(title), line_chart(frame, [Line(title, kept, 4)], both("page.step"), name=title))


def range_chart(test: RangeTest) -> str:
    kept = [(x, y) for x, y in test.points if finite(x) and finite(y) and x > 0]
    if len(kept) < 2:
        return ""
    # a range test ends where the loss explodes: the fall before it is what is to be seen
    start, least = kept[0][1], min(y for _, y in kept)
    seen = [y for _, y in kept if y <= start + (start - least) / 2]
    y = axis(seen if len(seen) > 1 and start > least else [y for _, y in kept])
    frame = widened(Frame(axis([x for x, _ in kept], log=True), y), y.labels)
    inside = [(x, v if v <= y.high else None) for x, v in kept]
    mark = (
        upright(frame, test.chosen, both("page.chosen"))
        if test.chosen and finite(test.chosen) and test.chosen > 0
        else ""
    )
    title = both("page.range")
    drawn = line_chart(frame, [Line(both("page.loss"), inside, 4)], both("page.lr_log"), name=title, under=mark)
    note = f'<p class="note">{tr("page.range.chosen", rate=f"{test.chosen:.3g}")}</p>' if mark else ""
    return figure(show(title), drawn, note)


def figures(contents: Curves) -> list[Fact]:
    """Peak memory and the time in all."""
    out = [Fact(both("page.memory", device=known_device), size(peak)) for known_device, peak in contents.memory]
    seconds = [p.seconds for p in contents.epochs if p.seconds is not None and finite(p.seconds)]
    if seconds and finite(sum(seconds)):
        out.append(Fact(both("page.seconds"), lasting(sum(seconds) / len(seconds))))
    if contents.best_epoch is not None:
        out.append(Fact(both("page.best"), f"★ {contents.best_epoch}"))
    return out
