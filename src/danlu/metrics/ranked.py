"""Metrics of an order: AUROC, average precision and Spearman's correlation, exact with ties, for weighted rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

CELLS = 200_000  # numbers in one block of weights: stays in the cache


def blocks(weights: Tensor) -> Iterator[Tensor]:
    """``weights`` (R, N) a few rows at a time, as float64."""
    for block in weights.split(max(1, CELLS // max(1, weights.shape[1]))):
        yield block.double()


def auroc_and_precision(score: Tensor, truth: Tensor, weights: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """``(AUROC, average precision)``, each (R,), of scores (N,) for 0/1 truths (N,); NaN where one side is missing.

    ``weights`` come in blocks (B, N). AUROC is the share of (positive, negative) pairs in the right order, a tie
    counting one half (Mann and Whitney, 1947). Average precision is the sum over thresholds of the precision there
    times the recall gained, as scikit-learn's ``average_precision_score``.
    """
    if len(score) and bool((score == score[0]).all()):
        return _of_a_constant(truth, weights)
    order, group, groups = _sorted(score)
    positive = truth.to(torch.bool)[order]
    areas, precisions = [], []
    for block in weights:
        w = block.index_select(1, order)
        p, n = _grouped(w * positive, group, groups), _grouped(w * ~positive, group, groups)  # (B, groups), ascending
        all_p, all_n = p.sum(1, keepdim=True), n.sum(1, keepdim=True)
        below = n.cumsum(1)  # negatives at or under each score
        area = (p * (below - n / 2)).sum(1, keepdim=True) / (all_p * all_n)
        above_p, above_n = all_p - p.cumsum(1) + p, all_n - below + n  # at or over it
        precision = (p * above_p / (above_p + above_n).clamp(min=1e-30)).sum(1, keepdim=True) / all_p
        areas.append(area.where((all_p > 0) & (all_n > 0), torch.nan)[:, 0])
        precisions.append(precision.where(all_p > 0, torch.nan)[:, 0])
    return torch.cat(areas).double(), torch.cat(precisions).double()


def _of_a_constant(truth: Tensor, weights: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The two of one score for all rows, such as the trivial answer's: one half, and the share of positives."""
    shares = torch.cat([block @ truth.to(block) / block.sum(1) for block in weights])
    return torch.where((shares > 0) & (shares < 1), 0.5, torch.nan).double(), shares.where(shares > 0, torch.nan)


def spearman(one: Tensor, other: Tensor, weights: Iterable[Tensor]) -> Tensor:
    """Pearson's correlation of the mid-ranks of two columns (N,), (R,); NaN where one of them is constant."""
    first, second = _sorted(one), _sorted(other)
    found = []
    for w in weights:
        a, b = _ranks(w, *first), _ranks(w, *second)
        total = w.sum(1, keepdim=True)
        a, b = a - (w * a).sum(1, keepdim=True) / total, b - (w * b).sum(1, keepdim=True) / total
        both = ((w * a * a).sum(1) * (w * b * b).sum(1)).sqrt()
        found.append(((w * a * b).sum(1) / both).where(both > 0, torch.nan))
    return torch.cat(found).double()


def curve(score: Tensor, truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """At each different score, from the highest: ``(threshold, true positives, false positives)`` at or over it."""
    order, group, groups = _sorted(score)
    positive = truth.to(torch.float64)[order][None]
    tp = _grouped(positive, group, groups)[0].flip(0).cumsum(0)
    fp = _grouped(1 - positive, group, groups)[0].flip(0).cumsum(0)
    return score[order].unique_consecutive().flip(0), tp, fp


def _sorted(score: Tensor) -> tuple[Tensor, Tensor | None, int]:
    """``(ascending order, each sorted row's group of equal scores or None without ties, groups)``."""
    order = torch.argsort(score)
    ascending = score[order]
    new = ascending[1:] != ascending[:-1]
    if bool(new.all()):
        return order, None, len(score)
    group = torch.cat([new.new_zeros(1), new]).cumsum(0)
    return order, group, int(group[-1]) + 1


def _grouped(sorted_values: Tensor, group: Tensor | None, groups: int) -> Tensor:
    if group is None:
        return sorted_values
    return sorted_values.new_zeros(len(sorted_values), groups).index_add_(1, group, sorted_values)


def _ranks(w: Tensor, order: Tensor, group: Tensor | None, groups: int) -> Tensor:
    """Each row's mid-rank among the weighted rows, (B, N)."""
    mine = _grouped(w.index_select(1, order), group, groups)
    middle = mine.cumsum(1) - mine / 2
    ranked = middle if group is None else middle.index_select(1, group)
    return torch.empty_like(w).scatter_(1, order.expand(len(w), -1), ranked)
