"""All metrics of a test at once: each with its 95 % interval, and every class's own beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from danlu.messages import say
from danlu.metrics.ranked import auroc_and_precision, blocks, spearman
from danlu.metrics.resample import Interval, f1_interval, jackknife, percentiles, resampled, wilson
from danlu.metrics.rows import Metric, Rows, Values, class_counts, metrics_for, rows_of

SMALL = 8_000  # rows × classes: up to here the bootstrap takes well under a second


@dataclass(frozen=True)
class Measured:
    """Metrics of one test: values by name, ``(low, high, kind)`` by name, and a row for each class, label or target."""

    values: dict[str, float]
    intervals: dict[str, Interval] = field(default_factory=dict)
    parts: list[dict[str, Any]] = field(default_factory=list)


def values(task: str, decoded: Tensor, target: Tensor, only: Sequence[str] | None = None) -> dict[str, float]:
    """Every metric of the task (``only`` these) for the rows; NaN where one is undefined (no rows, a missing class)."""
    known = _known(task, decoded.shape[1], only)
    rows = rows_of(task, decoded, target)
    if not len(rows.actual):
        return dict.fromkeys(known, math.nan)
    ones = torch.ones(1, len(rows.actual), dtype=torch.float64)
    found = weighted(known, rows, ones)
    return {name: float(found[name][0]) for name in known}


CLASS_MEANS = ("balanced_accuracy", "macro_f1", "auroc", "average_precision")


def _known(task: str, outputs: int, only: Sequence[str] | None) -> dict[str, Metric]:
    return {k: m for k, m in metrics_for(task, outputs).items() if only is None or k in only}


def measure(
    task: str,
    decoded: Tensor,
    target: Tensor,
    names: tuple[str, ...] = (),
    *,
    bootstrap: int | None = None,
    only: Sequence[str] | None = None,
) -> Measured:
    """The same with intervals, and with what each class, label or target has alone (``names`` are theirs).

    A share of samples gets Wilson's score interval, everything else the bootstrap's: the metric over seeded resamples
    of the rows; of more than ``bootstrap`` (``SMALL``) rows × classes the jackknife's, which agrees. All hold for rows
    drawn independently from where the model will be used. With ``only`` some metrics, nothing is told of classes.
    """
    known = _known(task, decoded.shape[1], only)
    found, rows = values(task, decoded, target, only), rows_of(task, decoded, target)
    n = len(rows.actual)
    if n < 2:
        return Measured(found)
    intervals: dict[str, Interval | None] = {}
    spread = {name: metric for name, metric in known.items() if not metric.share}
    if n * (rows.actual if isinstance(rows, Values) else rows.scores).shape[1] <= (
        SMALL if bootstrap is None else bootstrap
    ):
        intervals |= {name: percentiles(v) for name, v in weighted(spread, rows, resampled(n)).items()}
    else:
        ones = torch.ones(1, n, dtype=torch.float64, requires_grad=True)
        lonely = has_lonely_class(rows)  # its one row weighs a whole class, and its own weight changes nothing
        for name, value in weighted(spread, rows, ones).items():
            if not (lonely and name in CLASS_MEANS):
                intervals[name] = jackknife(value[0], ones, known[name].low, known[name].high)
    intervals |= {k: (*wilson(found[k], n), say("interval.wilson")) for k, metric in known.items() if metric.share}
    told = {name: interval for name in known if (interval := intervals.get(name)) is not None}
    return Measured(found, told, _parts(rows, names) if only is None else [])


def has_lonely_class(rows: Rows) -> bool:
    """Whether some class or label has one row only: nothing tells how its share of a mean would vary."""
    if isinstance(rows, Values):
        return False
    actuals = class_counts(rows, torch.ones(1, len(rows.actual), dtype=torch.float64))[2]
    return bool((actuals == 1).any())


def weighted(known: dict[str, Metric], rows: Rows, weights: Tensor) -> dict[str, Tensor]:
    """The metrics of the rows under each row of ``weights`` (R, N): (R,) each."""
    over: dict[str, list[Tensor]] = {name: [] for name, metric in known.items() if metric.of is not None}
    for block in blocks(weights):
        for name, parts in over.items():
            of = known[name].of
            assert of is not None
            parts.append(of(rows, block))
    ranked = _ranked(known, rows, weights)
    return {name: torch.cat(parts) for name, parts in over.items()} | {k: v for k, v in ranked.items() if k in known}


def _ranked(known: dict[str, Metric], rows: Rows, weights: Tensor) -> dict[str, Tensor]:
    """AUROC and average precision, or Spearman's correlation, (R,): the mean over the columns that have one."""
    if all(metric.of is not None for metric in known.values()):
        return {}
    if isinstance(rows, Values):
        return {"spearman": torch.stack([spearman(a, b, blocks(weights)) for a, b in rows.ranked()]).mean(0)}
    mixed = [(score, truth) for score, truth in rows.ranked() if bool(truth.any())]
    if not mixed:
        return dict.fromkeys(("auroc", "average_precision"), weights.new_full((len(weights),), math.nan))
    pairs = [auroc_and_precision(score, truth, blocks(weights)) for score, truth in mixed]
    areas = [area for (area, _), (_, truth) in zip(pairs, mixed) if not bool(truth.all())]
    return {
        "auroc": torch.stack(areas).nanmean(0) if areas else pairs[0][0],
        "average_precision": torch.stack([precision for _, precision in pairs]).nanmean(0),
    }


def _parts(rows: Rows, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each class's precision, recall and F1; each target's own errors where there are several."""
    if isinstance(rows, Values):
        return _targets(rows, names) if rows.actual.shape[1] > 1 else []
    counts = class_counts(rows, torch.ones(1, len(rows.actual), dtype=torch.float64))
    found = []
    for c, (hits, guesses, actuals) in enumerate(zip(*(each[0].tolist() for each in counts))):
        part: dict[str, Any] = {"name": names[c] if c < len(names) else str(c), "rows": int(actuals)}
        for name, count in (("precision", guesses), ("recall", actuals)):
            if count:
                low, high = wilson(hits / count, count)
                part |= {name: hits / count, f"{name}_low": low, f"{name}_high": high}
        if guesses + actuals:
            low, high = f1_interval(hits, guesses, actuals)
            part |= {"f1": 2 * hits / (guesses + actuals), "f1_low": low, "f1_high": high}
        found.append(part)
    return found


def _targets(rows: Values, names: tuple[str, ...]) -> list[dict[str, Any]]:
    found = []
    for t in range(rows.actual.shape[1]):
        alone = measure("regression", rows.guess[:, t : t + 1], rows.actual[:, t : t + 1])
        part: dict[str, Any] = {"name": names[t] if t < len(names) else str(t), **alone.values}
        for name, (low, high, _) in alone.intervals.items():
            part |= {f"{name}_low": low, f"{name}_high": high}
        found.append(part)
    return found
