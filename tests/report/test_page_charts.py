"""Charts of the report page: values lie where the tick labels say, thinning keeps every peak, gaps stay gaps."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from danlu.report.page import contents as c
from danlu.report.page.bars import bar, dot, stacked
from danlu.report.page.charts import Frame, Line, columns, line_chart, unbroken
from danlu.report.page.curves_part import curves, epoch_axis
from danlu.report.page.regression import regression
from danlu.report.page.scale import Axis, axis, close, nice_step, power_texts, shares, tick_texts
from danlu.report.page.thin import thin_cloud, thin_line
from html_reader import Node, read

NUMBER = st.floats(-1e9, 1e9).map(lambda v: v if abs(v) > 1e-200 else 0.0)
PIXEL = 0.11  # coordinates have one decimal


def numbers(svg: Node, cls: str, place: str) -> list[tuple[float, float]]:
    """(coordinate, value) of the tick labels, their values read from the text."""
    out = []
    for node in svg.all("text", cls):
        text = node.text().replace(",", "").replace("−", "-").replace("\u202f", "")
        scale = {"k": 1e3, "M": 1e6, "G": 1e9, "%": 0.01}.get(text[-1], 1.0)
        power = re.fullmatch(r"10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", text)
        if power:
            text = "1e" + power[1].translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        out.append((float(node.attributes[place]), float(text.rstrip("kMG%")) * scale))
    return out


def by_hand(ticks: list[tuple[float, float]], value: float, log: bool = False) -> float:
    """Where ``value`` lies by the rule of three between the outermost labels."""
    (p, a), (q, b) = ticks[0], ticks[-1]
    if log:
        a, b, value = math.log(a), math.log(b), math.log(value)
    return p + (value - a) / (b - a) * (q - p)


# ---- axes


@given(st.lists(NUMBER, min_size=1, max_size=20))
def test_an_axis_holds_its_values_between_evenly_spaced_round_ticks(values: list[float]) -> None:
    found = axis(values)
    assert found.low <= min(values) and max(values) <= found.high
    assert 2 <= len(found.ticks) <= 9
    steps = [b - a for a, b in pairwise(found.ticks)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6)
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - m) for m in (1, 2, 2.5, 5, 10)) < 1e-6
    assert len(set(found.labels)) == len(found.labels)


@given(st.lists(st.floats(1e-12, 1e12), min_size=1, max_size=20))
def test_a_logarithmic_axis_holds_its_values(values: list[float]) -> None:
    found = axis(values, log=True)
    assert found.low <= min(values) * (1 + 1e-9) and max(values) <= found.high * (1 + 1e-9)
    assert 2 <= len(found.ticks) <= 10
    for value in values:
        want = (math.log(value) - math.log(found.low)) / (math.log(found.high) - math.log(found.low))
        assert found.at(value) == pytest.approx(want, abs=1e-9)


@given(st.lists(st.floats(), max_size=8), st.booleans())
def test_no_values_break_an_axis(values: list[float], log: bool) -> None:
    for found in (axis(values, log=log), axis(values, zero=True), close(values)):
        assert math.isfinite(found.low) and found.low < found.high
        assert all(0 <= found.at(v) <= 1 for v in found.ticks)
        assert all(found.labels)


@given(st.lists(NUMBER, min_size=1, max_size=20))
def test_a_close_axis_wastes_little_room(values: list[float]) -> None:
    found = close(values)
    assert found.low <= min(values) and max(values) <= found.high
    assume(max(values) - min(values) > 1e-6 * max(map(abs, values)) + 1e-12 and len(found.ticks) > 1)
    assert found.high - found.low <= axis(values).high - axis(values).low


@given(st.floats(1e-12, 1e12))
def test_a_nice_step_is_the_least_that_is_enough(rough: float) -> None:
    step = nice_step(rough)
    assert rough * (1 - 1e-6) <= step <= rough * 2.5 * (1 + 1e-6)


def test_tick_texts_are_short_and_tell_ticks_apart() -> None:
    assert tick_texts((0.0, 0.25, 0.5)) == ("0", "0.25", "0.50")
    assert tick_texts((0.0, 5000.0, 10000.0)) == ("0", "5k", "10k")
    assert tick_texts((0.0, 500.0, 1000.0)) == ("0", "500", "1,000")
    assert tick_texts((-2e6, 0.0, 2e6)) == ("−2M", "0", "2M")
    assert tick_texts((0.0, 2e-5)) == ("0", "2e−05")
    assert power_texts((1e-6, 1e-3, 1.0, 1e6)) == ("10⁻⁶", "0.001", "1", "10⁶")


def test_epochs_are_whole_and_begin_and_end_with_the_training() -> None:
    for last in (2, 3, 7, 20, 100, 1234):
        found = epoch_axis([1.0, float(last)])
        assert (found.low, found.high) == (1, last)
        assert all(t == int(t) for t in found.ticks) and 2 <= len(found.ticks) <= 9


# ---- where values lie


@given(st.lists(st.tuples(st.floats(0, 1000), st.floats(-50, 50)), min_size=2, max_size=40))
@settings(deadline=None)
def test_points_lie_where_the_tick_labels_say(points: list[tuple[float, float]]) -> None:
    points = sorted(points)
    frame = Frame(axis([x for x, _ in points]), axis([y for _, y in points]))
    svg = read(line_chart(frame, [Line("a", points)], "x", name="a"))
    xs, ys = numbers(svg, "tx", "x"), numbers(svg, "ty", "y")
    assume(len(xs) > 1)
    tolerance = 60 / len(xs) if min(abs(b - a) for (_, a), (_, b) in pairwise(xs)) < 1e-3 else 0.3
    for hit, (x, y) in zip(svg.all("circle", "hit"), points):
        assert float(hit.attributes["cx"]) == pytest.approx(by_hand(xs, x), abs=tolerance)
        assert float(hit.attributes["cy"]) == pytest.approx(by_hand(ys, y), abs=0.3)


def test_a_range_test_lies_on_a_logarithmic_axis() -> None:
    rates = [10 ** (-6 + i / 10) for i in range(60)]
    test = c.RangeTest(tuple((r, 2 - i / 60) for i, r in enumerate(rates)), 1e-3)
    svg = read(curves(c.Curves(range_test=test)))
    xs = numbers(svg, "tx", "x")
    assert [v for _, v in xs] == pytest.approx([1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1])
    for hit, rate in zip(svg.all("circle", "hit"), rates):
        assert float(hit.attributes["cx"]) == pytest.approx(by_hand(xs, rate, log=True), abs=0.3)
    (chosen,) = re.findall(r'class="ref" d="M([\d.]+) ', curves(c.Curves(range_test=test)))
    assert float(chosen) == pytest.approx(by_hand(xs, 1e-3, log=True), abs=0.3)


def test_the_star_stands_on_the_best_epoch() -> None:
    points = tuple(c.EpochPoint(e, 1 / e, 1.2 / e, 0.5 + e / 100) for e in range(1, 11))
    svg = read(curves(c.Curves(points, 7, "accuracy")))
    stars = svg.all("text", "star")
    charts = svg.all("svg", "chart")
    assert len(stars) == len(charts) == 2
    for star, chart, value in zip(stars, charts, (1.2 / 7, 0.57)):
        assert float(star.attributes["x"]) == pytest.approx(by_hand(numbers(chart, "tx", "x"), 7), abs=0.3)
        assert float(star.attributes["y"]) == pytest.approx(by_hand(numbers(chart, "ty", "y"), value), abs=0.3)


def test_scatter_points_lie_where_the_tick_labels_say() -> None:
    pairs = tuple((float(i), 3.0 * i - 10) for i in range(30))
    svg = read(regression(c.Target("t", pairs), None))
    xs, ys = numbers(svg, "tx", "x"), numbers(svg, "ty", "y")
    drawn = re.findall(r"M([\d.]+) ([\d.]+)h0", svg.all("path", "cloud")[0].attributes["d"])
    assert len(drawn) == 30
    for (x, y), (true, guess) in zip(drawn, pairs):
        assert (float(x), float(y)) == pytest.approx((by_hand(xs, true), by_hand(ys, guess)), abs=0.3)


def test_columns_of_a_histogram_are_as_high_as_their_counts() -> None:
    frame = Frame(axis([0, 4]), axis([0, 8], zero=True))
    bars = read(columns(frame, [0, 1, 2, 4], [8, 0, 2], ["a", "b", "c"])).all("rect")
    heights = [float(b.attributes["height"]) for b in bars]
    assert heights[0] == pytest.approx(frame.height - frame.top - frame.bottom, abs=PIXEL)
    assert heights[1] == pytest.approx(heights[0] / 4, abs=PIXEL)
    assert len(bars) == 2  # an empty bin has no bar


# ---- gaps and lone points


def test_a_missing_value_interrupts_the_line() -> None:
    frame = Frame(axis([0, 9]), axis([0, 9]))
    points = [(0.0, 1.0), (1.0, 2.0), (2.0, None), (3.0, math.nan), (4.0, 5.0), (5.0, 6.0), (6.0, math.inf), (7.0, 3.0)]
    assert unbroken(frame, points) == [[(0.0, 1.0), (1.0, 2.0)], [(4.0, 5.0), (5.0, 6.0)], [(7.0, 3.0)]]
    path = read(line_chart(frame, [Line("a", points)], "x", name="a")).all("path", "l")[0].attributes["d"]
    assert path.count("M") == 2


def test_one_epoch_is_told_in_figures() -> None:
    root = read(
        curves(c.Curves((c.EpochPoint(1, 0.5, 0.6, 0.875, 120.0, 0.004, 3.0),), 1, ("accuracy", "准确率"), "%"))
    )
    assert root.all("svg") == []
    said = [f.text() for f in root.all("dl")[0].all("dd")]
    assert said[:5] == ["0.5000", "0.6000", "87.5\u202f%", "0.4\u202f%", "120"]


def test_a_point_between_gaps_is_a_dot() -> None:
    points = tuple(c.EpochPoint(e, None, None if e % 2 else 0.5) for e in range(1, 60))
    svg = read(curves(c.Curves(points)))
    assert [len(re.findall("h0", p.attributes["d"])) for p in svg.all("path", "dots")] == [29]


def test_a_little_waiting_does_not_look_like_much() -> None:
    points = tuple(c.EpochPoint(e, waiting=0.001 * e) for e in range(1, 4))
    shown = {t.text() for t in read(curves(c.Curves(points))).all("text", "ty")}
    assert {"0\u202f%", "10\u202f%"} <= shown


def test_epochs_without_any_value_have_no_chart() -> None:
    points = (c.EpochPoint(1, math.nan, None), c.EpochPoint(2, math.inf, None))
    assert "<svg" not in curves(c.Curves(points))


def test_losses_that_fall_a_hundredfold_are_drawn_on_a_logarithmic_axis() -> None:
    far = curves(c.Curves(tuple(c.EpochPoint(e, 10.0**-e) for e in range(1, 6))))
    near = curves(c.Curves(tuple(c.EpochPoint(e, 1.0 / e) for e in range(1, 6))))
    assert "logarithmic" in far and "logarithmic" not in near
    ys = numbers(read(far), "ty", "y")
    assert [v for _, v in sorted(ys, reverse=True)] == pytest.approx([1e-5, 1e-4, 1e-3, 1e-2, 1e-1])


# ---- thinning


POINTS = st.lists(st.tuples(NUMBER, NUMBER), max_size=300)


@given(POINTS, st.integers(4, 60))
def test_a_thinned_line_keeps_its_ends_and_extremes(points: list[tuple[float, float]], most: int) -> None:
    points = sorted(points)
    kept = thin_line(points, most)
    assert len(kept) <= most or len(points) <= most
    assert sorted(kept) == kept and set(kept) <= set(points)
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
        assert {min(y for _, y in kept), max(y for _, y in kept)} == {
            min(y for _, y in points),
            max(y for _, y in points),
        }


def test_a_thinned_line_keeps_the_peak_of_every_stretch() -> None:
    points = [(float(i), math.sin(i * i)) for i in range(1000)]
    kept = thin_line(points, 102)
    for i in range(50):
        stretch = points[1 + i * 998 // 50 : 1 + (i + 1) * 998 // 50]
        inside = [p for p in kept if stretch[0][0] <= p[0] <= stretch[-1][0]]
        assert max(inside, key=lambda p: p[1]) == max(stretch, key=lambda p: p[1])
        assert min(inside, key=lambda p: p[1]) == min(stretch, key=lambda p: p[1])


@given(POINTS, st.integers(8, 60))
def test_a_thinned_cloud_keeps_its_extremes(points: list[tuple[float, float]], most: int) -> None:
    kept = thin_cloud(points, most)
    assert len(kept) <= max(most, 0) or len(points) <= most
    for side in (lambda p: p[0], lambda p: p[1], lambda p: p[1] - p[0]):
        if points:
            assert (min(map(side, kept)), max(map(side, kept))) == (min(map(side, points)), max(map(side, points)))


def test_sixty_thousand_points_become_two_thousand() -> None:
    pairs = tuple((float(i), float((i * 7919) % 60_000)) for i in range(60_000))
    drawn = read(regression(c.Target("t", pairs), None)).all("path", "cloud")[0].attributes["d"]
    assert 1_500 <= drawn.count("h0") <= 2_000


# ---- bars in tables


def test_bars_begin_at_zero_and_end_at_their_value() -> None:
    for value, low, wide in ((0.75, 0.0, 150.0), (1.0, 0.0, 200.0)):
        (box,) = read(bar(shares(), value)).all("rect")
        assert (float(box.attributes["x"]), float(box.attributes["width"])) == (low, wide)
    below = Axis(-1.0, 1.0, (-1.0, 0.0, 1.0))
    (box,) = read(bar(below, -0.5)).all("rect")
    assert (float(box.attributes["x"]), float(box.attributes["width"])) == (50.0, 50.0)


def test_whiskers_span_the_interval_and_the_dot_lies_between() -> None:
    drawn = dot(shares(), 0.5, c.Interval(0.25, 0.75), reference=0.1)
    assert re.findall(r'class="whisker" d="M([\d.]+) 8H([\d.]+)', drawn) == [("50", "150")]
    assert re.findall(r'class="dot c1" d="M([\d.]+) ', drawn) == ["100"]
    assert re.findall(r'class="ref" d="M([\d.]+) ', drawn) == ["20"]
    assert dot(shares(), None) == dot(shares(), math.nan) == ""


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=3))
def test_stacked_parts_touch_and_are_as_wide_as_their_rows(counts: list[int]) -> None:
    boxes = read(stacked(counts, 10_000 * 3)).all("rect")
    places = [(float(b.attributes["x"]), float(b.attributes["width"])) for b in boxes]
    assert sum(w for _, w in places) == pytest.approx(200 * sum(counts) / 30_000, abs=0.2)
    for (x, w), (after, _) in pairwise(places):
        assert x + w == pytest.approx(after, abs=0.16)
