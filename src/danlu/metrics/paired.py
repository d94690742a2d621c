"""Two answers to the same rows: the difference of a metric with a 95 % interval that knows they are paired."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.messages import say
from danlu.metrics.measured import SMALL, weighted
from danlu.metrics.resample import Interval, Z, jackknife, percentiles, resampled
from danlu.metrics.rows import METRICS, Classes, Rows, Values, rows_of


@dataclass(frozen=True)
class Difference:
    """``value`` is one metric minus the other's, in its own unit; ``interval`` is None where none can be told."""

    value: float
    interval: Interval | None = None


def difference(task: str, name: str, decoded: Tensor, other: Tensor, target: Tensor) -> Difference:
    """The metric ``name`` of ``decoded`` minus that of ``other``, both answers to the rows of ``target``.

    The share of right classes gets the interval for paired proportions of Bonett and Price (2012, J. Educ. Behav. Stat.
    37:479): McNemar's two counts, each one more, over two rows more. All else gets the bootstrap's with the same rows
    in both; of many rows the jackknife's.
    """
    one, two = rows_of(task, decoded, target), rows_of(task, other, target)
    n, known = len(one.actual), {name: METRICS[task][name]}
    if not n:
        return Difference(math.nan)
    ones = torch.ones(1, n, dtype=torch.float64, requires_grad=True)
    apart = weighted(known, one, ones)[name][0] - weighted(known, two, ones)[name][0]
    value = float(apart.detach())
    if n < 2:
        return Difference(value)
    if name == "accuracy" and isinstance(one, Classes) and isinstance(two, Classes):
        only_one, only_two = float((one.hit > two.hit).sum()), float((two.hit > one.hit).sum())
        return Difference(value, (*paired_shares(only_one, only_two, n), say("interval.paired")))
    if n * _columns(one) <= SMALL:
        weights = resampled(n)
        return Difference(value, percentiles(weighted(known, one, weights)[name] - weighted(known, two, weights)[name]))
    return Difference(value, jackknife(apart, ones, -math.inf, math.inf))


def paired_shares(only_one: float, only_two: float, n: float) -> tuple[float, float]:
    """The 95 % interval of Bonett and Price for ``n`` rows of which so many are right in one answer only."""
    a, b = (only_one + 1) / (n + 2), (only_two + 1) / (n + 2)
    half = Z * math.sqrt((a + b - (a - b) ** 2) / (n + 2))
    return max(-1.0, a - b - half), min(1.0, a - b + half)


def _columns(rows: Rows) -> int:
    return (rows.actual if isinstance(rows, Values) else rows.scores).shape[1]
