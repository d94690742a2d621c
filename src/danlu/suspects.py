"""Probable label errors: rows whose given label and whose predicted probabilities contradict each other.

Confident learning: Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset Labels,
Journal of Artificial Intelligence Research 70, 2021.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Suspect:
    """A row that probably belongs to another class: class numbers, and the model's probability of each."""

    row: int  # its place among the rows that were given
    given: int
    suggested: int
    given_probability: float
    suggested_probability: float

    @property
    def margin(self) -> float:
        """By how much the model prefers its own answer: 1 when it is as sure as can be that the label is wrong."""
        return self.suggested_probability - self.given_probability


def find_suspects(probabilities: Tensor, labels: Tensor) -> tuple[Suspect, ...]:
    """Rows with a probable label error, the most probable first.

    A row is suspect when the model is confident of another class than the given one (see ``confident_classes``) and
    finds it more probable than that one: the off-diagonal rows of the paper's confident joint, ranked by margin. Only
    rows of more than average confidence are among them: about three of four errors planted in handwritten digits.

    The probabilities must come from a model that was not trained on these rows: a held-out part, or the folds of a
    cross-validation. A model that has learnt a wrong label by heart finds nothing wrong with it.

    Args:
        probabilities: (N, C). labels: (N,) class numbers; rows with a negative one have no label and are left out.
    """
    confident = confident_classes(probabilities, labels)
    p = probabilities.double()
    rows = torch.nonzero((labels >= 0) & (confident >= 0) & (confident != labels))[:, 0]
    given, suggested = labels[rows], confident[rows]
    given_p, suggested_p = p[rows, given], p[rows, suggested]
    order = torch.argsort(given_p - suggested_p, stable=True)  # equal margins stay in the rows' order
    columns = (rows, given, suggested, given_p, suggested_p)
    found = (Suspect(*values) for values in zip(*(column[order].tolist() for column in columns)))
    return tuple(suspect for suspect in found if suspect.margin > 0)


def thresholds(probabilities: Tensor, labels: Tensor) -> Tensor:
    """From what probability on a class counts as confident: its mean over the rows labelled so, (C,) float64.

    Each class has its own, so that one the model is unsure of everywhere is not blamed for it. Infinite for a class
    that no row has.
    """
    p, classes = probabilities.double(), probabilities.shape[1]
    known = labels >= 0
    own = p[known].gather(1, labels[known][:, None])[:, 0]
    totals = torch.zeros(classes, dtype=torch.float64, device=p.device).index_add_(0, labels[known], own)
    counts = torch.bincount(labels[known], minlength=classes)
    return torch.where(counts > 0, totals / counts.clamp(min=1), torch.inf)


def confident_classes(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The most probable class among those that reach their threshold, (N,) int64; -1 where none does."""
    p = probabilities.double()
    reached = p >= thresholds(p, labels) - 1e-12  # a class with one row is its own threshold, rounding or not
    best = p.masked_fill(~reached, -1.0).argmax(1)
    return best.masked_fill(~reached.any(1), -1)
