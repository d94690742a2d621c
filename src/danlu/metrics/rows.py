"""A test's rows by task, and their metrics as functions of weights: ones give the figure, resamples its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from danlu.metrics.meter import label_nats, nats

BINS = 15  # of the calibration error
TOP = 5
AT_ONCE = 65_536  # rows


@dataclass(frozen=True)
class Classes:
    """Rows of one class each, without those that are ignored (negative targets)."""

    scores: Tensor  # (N, C) probabilities
    actual: Tensor  # (N,) int64
    guess: Tensor  # (N,)
    hit: Tensor  # (N,) float64 0/1
    nats: Tensor  # (N,)
    confidence: Tensor  # (N,) float64, of the guess
    bin: Tensor  # (N,) int64
    top: Tensor  # (N,) float64 0/1: the true class is among the TOP most probable

    def ranked(self) -> Iterator[tuple[Tensor, Tensor]]:
        """(score, truth) columns: of the second class where there are two, else of every class against the rest."""
        classes = self.scores.shape[1]
        for c in [1] if classes == 2 else range(classes):
            yield self.scores[:, c], self.actual == c


@dataclass(frozen=True)
class Labels:
    """Rows of any number of labels each."""

    scores: Tensor  # (N, L) probabilities
    actual: Tensor  # (N, L) bool
    guess: Tensor  # (N, L) bool
    nats: Tensor  # (N,), mean over labels

    def ranked(self) -> Iterator[tuple[Tensor, Tensor]]:
        for i in range(self.scores.shape[1]):
            yield self.scores[:, i], self.actual[:, i]


@dataclass(frozen=True)
class Values:
    """Rows of one or several numbers each, in their own unit."""

    guess: Tensor  # (N, T) float64
    actual: Tensor  # (N, T) float64

    def ranked(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from zip(self.guess.T, self.actual.T)


Rows = Classes | Labels | Values
Weighted = Callable[[Any, Tensor], Tensor]  # (rows, weights (B, N) float64) → (B,)


def rows_of(task: str, decoded: Tensor, target: Tensor) -> Rows:
    """What the task's metrics are made of, on the CPU; ``decoded`` and ``target`` as the task's functions give them."""
    decoded, target = decoded.cpu(), target.cpu()
    if task == "regression":
        return Values(decoded.double(), target.double())
    if task == "multilabel":
        actual = target > 0.5
        return Labels(decoded, actual, decoded > 0.5, label_nats(decoded, actual).mean(1))
    keep = target >= 0
    if not bool(keep.all()):
        decoded, target = decoded[keep], target[keep]
    confidence, guess = decoded.max(1)
    before = torch.cat([_before(p, y) for p, y in zip(decoded.split(AT_ONCE), target.split(AT_ONCE))] or [target])
    edges = torch.linspace(0, 1, BINS + 1, dtype=decoded.dtype)
    found = (torch.bucketize(confidence, edges, right=True) - 1).clamp(0, BINS - 1)
    return Classes(
        decoded,
        target,
        guess,
        (guess == target).double(),
        nats(decoded, target),
        confidence.double(),
        found,
        (before < TOP).double(),
    )


def _before(p: Tensor, y: Tensor) -> Tensor:
    """How many classes are guessed ahead of the true one, (B,); of equals those with smaller numbers."""
    own = p.gather(1, y[:, None])
    return (p > own).sum(1) + ((p == own) & (torch.arange(p.shape[1]) < y[:, None])).sum(1)


def class_counts(rows: Classes | Labels, w: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``(hits, guesses, actuals)`` of every class or label, each (B, C)."""
    if isinstance(rows, Labels):
        both = rows.guess & rows.actual
        return w @ both.to(w), w @ rows.guess.to(w), w @ rows.actual.to(w)
    none = w.new_zeros(len(w), rows.scores.shape[1])
    hits = none.clone().index_add_(1, rows.actual, w * rows.hit)
    return hits, none.clone().index_add_(1, rows.guess, w), none.clone().index_add_(1, rows.actual, w)


def f1(hits: Tensor, guesses: Tensor, actuals: Tensor) -> Tensor:
    """Each class's F1, (B, C): 0 where it is neither there nor guessed."""
    both = guesses + actuals
    return torch.where(both > 0, 2 * hits / both.clamp(min=1e-30), 0.0)


def _mean(column: str) -> Weighted:
    return lambda rows, w: w @ getattr(rows, column) / w.sum(1)


def _balanced_accuracy(rows: Classes, w: Tensor) -> Tensor:
    """Mean recall of the classes that are there."""
    hits, _, actuals = class_counts(rows, w)
    there = actuals > 0
    return torch.where(there, hits / actuals.clamp(min=1e-30), 0.0).sum(1) / there.sum(1)


def _macro_f1(rows: Classes, w: Tensor) -> Tensor:
    """Mean F1 of the classes seen or guessed."""
    hits, guesses, actuals = class_counts(rows, w)
    return f1(hits, guesses, actuals).sum(1) / (guesses + actuals > 0).sum(1)


def _calibration_error(rows: Classes, w: Tensor) -> Tensor:
    """Expected calibration error (Guo et al., 2017): |share right − confidence| in 15 equal bins, mean over rows."""
    gap = w.new_zeros(len(w), BINS).index_add_(1, rows.bin, w * (rows.hit - rows.confidence))
    return gap.abs().sum(1) / w.sum(1)


def _labels_accuracy(rows: Labels, w: Tensor) -> Tensor:
    return w @ (rows.guess == rows.actual).double().mean(1) / w.sum(1)


def _exact_match(rows: Labels, w: Tensor) -> Tensor:
    return w @ (rows.guess == rows.actual).all(1).double() / w.sum(1)


def _labels_micro_f1(rows: Labels, w: Tensor) -> Tensor:
    hits, guesses, actuals = (c.sum(1, keepdim=True) for c in class_counts(rows, w))
    return f1(hits, guesses, actuals)[:, 0]


def _absolute(rows: Values, w: Tensor) -> Tensor:
    return (w @ (rows.guess - rows.actual).abs()).mean(1) / w.sum(1)


def _root_square(rows: Values, w: Tensor) -> Tensor:
    return (w @ (rows.guess - rows.actual).square() / w.sum(1, keepdim=True)).sqrt().mean(1)


def _r2(rows: Values, w: Tensor) -> Tensor:
    """1 − squared error / spread, mean over targets; a constant target gives 1 if it is met exactly, else 0."""
    n = w.sum(1, keepdim=True)
    centred = rows.actual - rows.actual.mean(0)  # keeps the sum of squares far from cancelling
    spread = w @ centred.square() - (w @ centred).square() / n
    squares = w @ (rows.guess - rows.actual).square()
    flat = spread <= 1e-14 * (w @ centred.square()).clamp(min=1e-300)
    exact = (squares == 0).to(w)
    found = torch.where(flat, exact, 1 - squares / spread.where(~flat, 1.0)).mean(1)
    return found.where(n[:, 0] > 1, torch.nan)


def _percentage(rows: Values, w: Tensor) -> Tensor:
    """Mean of |error| / |truth|; where the truth is 0, scikit-learn's smallest divisor makes it enormous."""
    share = (rows.guess - rows.actual).abs() / rows.actual.abs().clamp(min=torch.finfo(torch.float64).eps)
    return (w @ share).mean(1) / w.sum(1)


@dataclass(frozen=True)
class Metric:
    """How a metric is made of weighted rows (None: of their order, see ranked.py) and what it can be."""

    of: Weighted | None
    greater: bool = True  # more is better
    low: float = 0.0
    high: float = 1.0
    share: bool = False  # a share of samples: Wilson's interval


HEADLINES = {"classification": "accuracy", "multilabel": "macro_f1", "regression": "rmse"}  # the one that is judged

METRICS: dict[str, dict[str, Metric]] = {
    "classification": {
        "accuracy": Metric(_mean("hit"), share=True),
        "balanced_accuracy": Metric(_balanced_accuracy),
        "macro_f1": Metric(_macro_f1),
        "micro_f1": Metric(_mean("hit"), share=True),  # one class a row: the same as accuracy
        "auroc": Metric(None),
        "average_precision": Metric(None),
        "log_loss": Metric(_mean("nats"), greater=False, high=math.inf),
        "calibration_error": Metric(_calibration_error, greater=False),
        "top5_accuracy": Metric(_mean("top"), share=True),
    },
    "multilabel": {
        "macro_f1": Metric(lambda rows, w: f1(*class_counts(rows, w)).mean(1)),
        "micro_f1": Metric(_labels_micro_f1),
        "accuracy": Metric(_labels_accuracy),
        "exact_match": Metric(_exact_match, share=True),
        "auroc": Metric(None),
        "average_precision": Metric(None),
        "log_loss": Metric(_mean("nats"), greater=False, high=math.inf),
    },
    "regression": {
        "rmse": Metric(_root_square, greater=False, high=math.inf),
        "mae": Metric(_absolute, greater=False, high=math.inf),
        "r2": Metric(_r2, low=-math.inf),
        "spearman": Metric(None, low=-1.0),
        "mape": Metric(_percentage, greater=False, high=math.inf),
    },
}


def metrics_for(task: str, outputs: int) -> dict[str, Metric]:
    """The metrics that mean something: the five most probable of five classes or fewer are always right."""
    found = METRICS.get(task, {})
    return {k: m for k, m in found.items() if k != "top5_accuracy" or outputs > TOP}
