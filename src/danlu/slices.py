"""A test group by group: every metric of the rows that share a column's value, and the groups that do clearly worse."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor

from danlu.data.groups import Groups
from danlu.metrics import METRICS, Z, baseline, measure, metrics_for
from danlu.metrics.resample import wilson

FEW = 30  # rows: a group with fewer says nothing
RANKED = 2_000_000  # rows × classes of the whole test: above it AUROC and the like are left out of the groups

Slice = dict[str, Any]


def sliced(
    task: str, decoded: Tensor, target: Tensor, groups: Sequence[Groups], trivial: Tensor | None, headline: str
) -> list[Slice]:
    """A dict for each group: ``column``, ``group``, ``rows``, and every metric with ``_low``, ``_high``, ``_baseline``.

    Intervals are Wilson's for shares of rows and the jackknife's for all else; ``few`` marks groups of fewer than
    ``FEW`` rows, which have no interval but a share's. ``worse`` is there where the ``headline`` metric is clearly
    worse than that of all other rows (see ``mark_worse``). ``decoded`` and ``target`` as the task's functions give.
    """
    ranked = decoded.numel() <= RANKED
    found = []
    for column in groups:
        for number, name in enumerate(column.names):
            rows = torch.from_numpy((column.of == number).nonzero()[0])
            if not len(rows):
                continue
            part: Slice = {"column": column.column, "group": name, "rows": len(rows)}
            if column.cut:
                part["quarter"] = True
            if len(rows) < FEW:
                part["few"] = True
            found.append(part | _figures(task, decoded[rows], target[rows], trivial, ranked=ranked))
    mark_worse(task, headline, decoded, target, groups, found)
    return found


def _figures(task: str, decoded: Tensor, target: Tensor, trivial: Tensor | None, *, ranked: bool) -> dict[str, float]:
    names = [k for k, m in metrics_for(task, decoded.shape[1]).items() if ranked or m.of is not None]
    alone = measure(task, decoded, target, bootstrap=0, only=names)
    part = {k: v for k, v in alone.values.items() if not math.isnan(v)}
    for name, (low, high, _) in alone.intervals.items():
        if name in part and (len(target) >= FEW or METRICS[task][name].share):
            part |= {f"{name}_low": low, f"{name}_high": high}
    beside = baseline(task, trivial, target, only=names) if trivial is not None else {}
    return part | {f"{k}_baseline": v for k, v in beside.items() if k in part}


def mark_worse(
    task: str, metric: str, decoded: Tensor, target: Tensor, groups: Sequence[Groups], found: Sequence[Slice]
) -> None:
    """``worse``: {metric, rest, rest_low, rest_high, compared} in each group that is surely worse than the other rows.

    Each group of enough rows is held against all others; the interval of the difference is made of both intervals, at
    1 − 0.05 / k for k comparisons (Bonferroni), and has to leave out 0. ``by`` is the end of it that lies nearer to 0.
    """
    columns = {column.column: column for column in groups}
    pairs = [(part, columns[part["column"]]) for part in found if "few" not in part and f"{metric}_low" in part]
    pairs = [(part, column) for part, column in pairs if len(column.of) - part["rows"] >= FEW]
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(pairs)))
    for part, column in pairs:
        others = torch.from_numpy((column.of != column.names.index(part["group"])).nonzero()[0])
        rest, known = measure(task, decoded[others], target[others], bootstrap=0, only=[metric]), METRICS[task][metric]
        if metric not in rest.intervals:
            continue
        low, high, _ = rest.intervals[metric]
        one = _wider((part[metric], part[f"{metric}_low"], part[f"{metric}_high"]), part["rows"], known.share, z)
        two = _wider((rest.values[metric], low, high), len(others), known.share, z)
        by = (difference(two, one) if known.greater else difference(one, two))[0]
        if by > 0:
            facts = {"rest": rest.values[metric], "rest_low": low, "rest_high": high, "compared": len(pairs), "by": by}
            part["worse"] = {"metric": metric, **facts}


Figure = tuple[float, float, float]  # value, low, high


def _wider(figure: Figure, rows: int, share: bool, z: float) -> Figure:
    """The figure with its interval at ``z`` normal deviations instead of 1.96."""
    value, low, high = figure
    if share:
        return value, *wilson(value, rows, z)
    return value, value - (value - low) * z / Z, value + (high - value) * z / Z


def difference(one: Figure, two: Figure) -> tuple[float, float]:
    """The interval of ``one − two`` out of those of two independent figures, each (value, low, high).

    Newcombe's method 10 (1998) for shares; the same "MOVER" for any figure (Zou and Donner, 2008).
    """
    (a, a_low, a_high), (b, b_low, b_high) = one, two
    middle = a - b
    return middle - math.hypot(a - a_low, b_high - b), middle + math.hypot(a_high - a, b - b_low)
