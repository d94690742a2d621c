"""Metrics of a stream of batches in constant memory: sums over samples, never means of batch means."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class Meter:
    """Counts and sums of what was seen so far; ``compute`` turns them into metrics.

    ``decoded`` and ``target`` are what a task's ``decode`` and ``target`` give: probabilities ``(B, C)`` with class
    numbers ``(B,)``; probabilities ``(B, L)`` with 0/1 ``(B, L)``; or values ``(B, T)`` with values ``(B, T)``.
    Sums are float64 and stay on the device, so nothing waits for it before ``compute``.
    """

    def __init__(self, names: Sequence[str], outputs: int) -> None:
        self.names, self.outputs = tuple(names), outputs
        self._sums: dict[str, Tensor] = {}

    def update(self, decoded: Tensor, target: Tensor) -> None:
        """Add a batch. Class rows with a negative target (ignored ones) are left out."""
        if not self.names or not len(target):
            return
        if {"mae", "rmse", "r2"} & set(self.names):
            self._add_values(decoded, target)
        elif target.ndim == 1:
            self._add_classes(decoded, target)
        else:
            self._add_labels(decoded, target)

    def compute(self) -> dict[str, float]:
        """Every metric so far; NaN where nothing was seen."""
        if not self._sums:
            return dict.fromkeys(self.names, math.nan)
        sums = {key: value.cpu() for key, value in self._sums.items()}
        return {name: _METRICS[name](sums) for name in self.names}

    def state(self) -> dict[str, Tensor]:
        """The sums themselves (not copies): what a checkpoint keeps."""
        return dict(self._sums)

    def load(self, state: Mapping[str, Tensor]) -> None:
        self._sums = {key: value.clone() for key, value in state.items()}

    def _add(self, **sums: Tensor) -> None:
        for key, value in sums.items():
            known = self._sums.get(key)
            if known is None:
                self._sums[key] = value.clone()
            else:
                known.add_(value)

    def _add_classes(self, decoded: Tensor, target: Tensor) -> None:
        hit, guess, actual, keep = _class_columns(decoded, target)
        counts = {"hits": target.where(hit, -1), "guesses": guess.where(keep, -1), "actuals": actual.where(keep, -1)}
        self._add(n=keep.sum().double(), **{k: _count(v, self.outputs) for k, v in counts.items()})
        if "log_loss" in self.names:
            self._add(nats=(nats(decoded, actual) * keep).sum())

    def _add_labels(self, decoded: Tensor, target: Tensor) -> None:
        guess, actual = decoded > 0.5, target > 0.5
        self._add(
            n=_number(len(target), decoded),
            right=(guess == actual).double().mean(1).sum(),
            exact=(guess == actual).all(1).double().sum(),
            hits=(guess & actual).double().sum(0),
            guesses=guess.double().sum(0),
            actuals=actual.double().sum(0),
        )
        if "log_loss" in self.names:
            self._add(nats=label_nats(decoded, actual).mean(1).sum())

    def _add_values(self, decoded: Tensor, target: Tensor) -> None:
        wrong, actual = decoded.double() - target.double(), target.double()  # (B, T)
        rows = _number(len(actual), actual)
        mean = actual.mean(0)
        spread = (actual - mean).square().sum(0)
        if self._sums:  # two groups' spreads around their own means → around the common one (Chan et al., 1983)
            before, old = self._sums["n"], self._sums["mean"]
            spread = spread + (mean - old).square() * before * rows / (before + rows)
            self._sums["mean"] = old + (mean - old) * rows / (before + rows)
        else:
            self._sums["mean"] = mean
        self._add(n=rows, absolute=wrong.abs().sum(0), squares=wrong.square().sum(0), spread=spread)


def _class_columns(decoded: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    keep = target >= 0
    guess = decoded.argmax(1)
    return (guess == target) & keep, guess, target.clamp(min=0), keep


def _count(numbers: Tensor, classes: int) -> Tensor:
    """How often each of 0 … classes-1 is there, float64; negative numbers are not counted."""
    counts = torch.zeros(classes + 1, dtype=torch.float64, device=numbers.device)
    ones = torch.ones(len(numbers), dtype=torch.float64, device=numbers.device)
    return counts.scatter_add_(0, numbers + 1, ones)[1:]


def nats(decoded: Tensor, actual: Tensor) -> Tensor:
    """−ln of the true class's probability, kept off 0 as scikit-learn does; float64 ``(B,)``."""
    p = decoded.gather(1, actual[:, None])[:, 0]
    eps = torch.finfo(decoded.dtype).eps
    return -p.double().clamp(eps, 1 - eps).log()


def label_nats(decoded: Tensor, actual: Tensor) -> Tensor:
    eps = torch.finfo(decoded.dtype).eps
    p = decoded.double().clamp(eps, 1 - eps)
    return -torch.where(actual, p, 1 - p).log()


def _number(n: int, like: Tensor) -> Tensor:
    return torch.tensor(float(n), dtype=torch.float64, device=like.device)


def _accuracy(s: dict[str, Tensor]) -> float:
    total = s["right"] if "right" in s else s["hits"].sum()
    return float(total / s["n"])


def _macro_f1(s: dict[str, Tensor]) -> float:
    """Mean F1 of the classes seen or guessed (of all labels, where rows have several); 0 where undefined."""
    both = s["guesses"] + s["actuals"]
    f1 = torch.where(both > 0, 2 * s["hits"] / both.clamp(min=1), 0.0)
    return float(f1.mean() if "right" in s else f1[both > 0].mean())


def _r2(s: dict[str, Tensor]) -> float:
    """1 − squared error / spread, mean over targets; a constant target gives 1 if it is met exactly, else 0."""
    if float(s["n"]) < 2:
        return math.nan
    flat = s["spread"] == 0
    exact = torch.where(s["squares"] == 0, 1.0, 0.0).double()
    return float(torch.where(flat, exact, 1 - s["squares"] / s["spread"].where(~flat, 1.0)).mean())


_METRICS = {
    "accuracy": _accuracy,
    "exact_match": lambda s: float(s["exact"] / s["n"]),
    "macro_f1": _macro_f1,
    "log_loss": lambda s: float(s["nats"] / s["n"]),
    "mae": lambda s: float((s["absolute"] / s["n"]).mean()),
    "rmse": lambda s: float((s["squares"] / s["n"]).sqrt().mean()),
    "r2": _r2,
}
