"""Metrics over samples, their 95 % intervals, and the trivial baseline to beat."""

from danlu.metrics.measured import Measured, measure, values
from danlu.metrics.meter import Meter
from danlu.metrics.own import Own, OwnMetrics, own_metrics, own_of_heads
from danlu.metrics.paired import difference
from danlu.metrics.resample import Z, wilson
from danlu.metrics.rows import HEADLINES, METRICS, metrics_for
from danlu.metrics.trivial import baseline, trivial_answer

__all__ = [
    "HEADLINES",
    "METRICS",
    "Measured",
    "Meter",
    "Own",
    "OwnMetrics",
    "Z",
    "baseline",
    "difference",
    "measure",
    "metrics_for",
    "own_metrics",
    "own_of_heads",
    "trivial_answer",
    "values",
    "wilson",
]
