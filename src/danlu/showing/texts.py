"""Texts of a page in both languages at once, and its metrics out of a run's results."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from danlu.messages import SAYINGS, say, spoken
from danlu.metrics import METRICS
from danlu.report.lines import metric_name
from danlu.report.page.contents import Interval, Metric, Text, Unit
from danlu.showing.retold import retold

PERCENT = frozenset({"accuracy", "balanced_accuracy", "exact_match", "top5_accuracy", "calibration_error", "mape"})


def both(make: Callable[[], str]) -> Text:
    """What ``make`` says in English and in Chinese."""
    with spoken("en"):
        english = make()
    with spoken("zh"):
        chinese = make()
    return english if english == chinese else (english, chinese)


def told(key: str, **facts: Any) -> Text:
    """A saying in both languages; facts that are pairs themselves are taken in the same language."""

    def one(language: int) -> str:
        return say(key, **{k: v[language] if isinstance(v, tuple) else v for k, v in facts.items()})

    with spoken("en"):
        english = one(0)
    with spoken("zh"):
        chinese = one(1)
    return english if english == chinese else (english, chinese)


def name_of_metric(name: str) -> Text:
    return both(lambda: metric_name(name))


def before_chinese(name: Text) -> Text:
    """With a space behind a name that ends in Latin letters, where a Chinese word follows it."""
    english, chinese = name if isinstance(name, tuple) else (name, name)
    spaced = f"{chinese} " if chinese[-1:].isascii() else chinese
    return english if english == spaced else (english, spaced)


def listed(parts: Sequence[Text], mark: str = "list.names") -> Text:
    """Several texts in a row, parted as each language does."""
    sides = [part if isinstance(part, tuple) else (part, part) for part in parts]
    english, chinese = SAYINGS[mark]
    return english.join(one for one, _ in sides), chinese.join(other for _, other in sides)


def head_and(head: str, name: Text) -> Text:
    """A metric's name with its head in front, where there are several."""
    return told("line.head", head=head, metric=name) if head else name


def unit_of(name: str) -> Unit:
    return "%" if name in PERCENT else ""


def metrics_of(task: str, results: Mapping[str, Any], also: Mapping[str, Text]) -> tuple[Metric, ...]:
    """Every metric of the test; ``also`` has the intervals' kinds in both languages by what they are called in one."""
    found = []
    for name, known in METRICS.get(task, {}).items():
        value = results.get(f"test/{name}")
        if value is None or math.isnan(value):
            continue
        better: Literal["higher", "lower"] = "higher" if known.greater else "lower"
        traps = [key for key in (f"page.trap.{task}.{name}", f"page.trap.{name}") if key in SAYINGS]
        note = told(traps[0]) if traps else ""
        trivial, linear = (_known(results.get(f"test/{name}_{part}")) for part in ("baseline", "linear"))
        interval = interval_of(results, f"test/{name}", also)
        found.append(Metric(name_of_metric(name), value, interval, trivial, linear, better, unit_of(name), note))
    for one in results.get("test/own", ()):
        name, value = one["name"], results.get(f"test/{one['name']}")
        if value is not None and not math.isnan(value):
            trivial, linear = (_known(results.get(f"test/{name}_{part}")) for part in ("baseline", "linear"))
            interval = interval_of(results, f"test/{name}", also)
            found.append(Metric(name, value, interval, trivial, linear, one["better"], note=told("showing.own")))
    return tuple(found)


def interval_of(row: Mapping[str, Any], key: str, also: Mapping[str, Text] | None = None) -> Interval | None:
    low, high = _known(row.get(f"{key}_low")), _known(row.get(f"{key}_high"))
    kind = str(row.get(f"{key}_interval", ""))
    named = (also or {}).get(kind, retold(kind))
    if low is None or high is None or (low == high and named != told("interval.wilson")):
        return None  # all resamples alike, as of few rows that are all right: that says nothing about other rows
    return Interval(low, high, named)


def kinds_of_interval() -> dict[str, Text]:
    """The names that intervals have in either language, each with both."""
    named = [told("interval.wilson"), told("interval.jackknife"), told("interval.bootstrap", resamples="1,000")]
    return {one: pair for pair in named for one in (pair if isinstance(pair, tuple) else (pair,))}


def _known(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
