"""Metrics over samples (never means of batch means), their 95 % intervals, and the trivial baseline to beat."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.messages import say

GREATER_IS_BETTER = {
    "accuracy": True,
    "macro_f1": True,
    "exact_match": True,
    "r2": True,
    "log_loss": False,
    "mae": False,
    "rmse": False,
    "loss": False,
}
Z = 1.959963984540054  # 97.5 % point of the normal distribution
RESAMPLES = 1000


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
            self._add(nats=(_nats(decoded, actual) * keep).sum())

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
            self._add(nats=_label_nats(decoded, actual).mean(1).sum())

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


def intervals(names: Sequence[str], decoded: Tensor, target: Tensor) -> dict[str, tuple[float, float, str]]:
    """95 % intervals ``name → (low, high, kind)`` of the metrics of these samples.

    A share of samples (accuracy of classes, exact match) gets Wilson's score interval; everything else the 2.5 % and
    97.5 % points of the metric over seeded resamples of the samples (percentile bootstrap).
    """
    decoded, target = decoded.cpu(), target.cpu()
    if target.ndim == 1 and not {"mae", "rmse", "r2"} & set(names):
        keep = target >= 0
        decoded, target = decoded[keep], target[keep]
    n = len(target)
    if not n:
        return {}
    point = Meter(names, decoded.shape[1])
    point.update(decoded, target)
    value = point.compute()
    shares = {"exact_match"} | ({"accuracy"} if target.ndim == 1 else set())
    found = {name: (*wilson(value[name], n), say("interval.wilson")) for name in names if name in shares}
    rest = [name for name in names if name not in shares]
    if rest and n > 1:
        resamples = max(200, min(RESAMPLES, 200_000_000 // n))
        kind = say("interval.bootstrap", resamples=resamples)
        found |= {k: (low, high, kind) for k, (low, high) in _bootstrap(rest, decoded, target, resamples).items()}
    return {name: found[name] for name in names if name in found}


def wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in ``n`` samples (Wilson, 1927)."""
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def trivial_answer(task: str, train_target: Tensor, outputs: int) -> Tensor | None:
    """What a model that ignores its input had best answer, learned from the training targets, float64.

    Classes: their shares as probabilities ``(C,)``, hence always the majority class; labels: the share of each
    ``(L,)``; numbers: the means ``(T,)``. Targets are in the form of the task's ``target``. None for other tasks.
    """
    if task not in _TASK_METRICS or not len(train_target):
        return None
    if task != "classification":
        return train_target.double().mean(0).cpu()
    known = train_target[train_target >= 0].cpu()
    return torch.bincount(known, minlength=outputs).double() / max(1, len(known))


def baseline(task: str, trivial: Tensor, test_target: Tensor) -> dict[str, Any]:
    """The metrics of the trivial answer on the test targets; ``"what"`` says in words what it is."""
    if task not in _TASK_METRICS or not len(test_target):
        return {}
    target = test_target.cpu()
    outputs = max(len(trivial), int(target.max()) + 1) if task == "classification" else len(trivial)
    answer = torch.nn.functional.pad(trivial, (0, outputs - len(trivial)))
    meter = Meter(_TASK_METRICS[task], outputs)
    meter.update(answer.expand(len(target), -1), target)
    return {**meter.compute(), "what": say(f"baseline.{task}")}


def _bootstrap(names: Sequence[str], decoded: Tensor, target: Tensor, resamples: int) -> dict[str, tuple[float, float]]:
    """Percentiles of the metrics over resamples; each sample is first reduced to what it adds to the sums."""
    values: dict[str, list[float]] = {name: [] for name in names}
    counted = [name for name in names if target.ndim == 1 and name in ("accuracy", "macro_f1")]
    if counted:
        for sums in _recounted(decoded.argmax(1), target, decoded.shape[1], resamples):
            for name in counted:
                values[name].append(_METRICS[name](sums))
    summed = [name for name in names if name not in counted]
    rows = _sample_columns(decoded, target, summed) if summed else {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(resamples if rows else 0):
        sums = _resampled(rows, torch.randint(len(target), (len(target),), generator=generator))
        for name in summed:
            values[name].append(_METRICS[name](sums))
    points = torch.tensor([0.025, 0.975], dtype=torch.float64)
    ends = {k: torch.tensor(v, dtype=torch.float64).quantile(points).tolist() for k, v in values.items()}
    return {name: (low, high) for name, (low, high) in ends.items()}


def _recounted(guess: Tensor, actual: Tensor, classes: int, resamples: int) -> Iterator[dict[str, Tensor]]:
    """The sums of each resample, counts only: drawing n samples again draws a multinomial confusion table."""
    n = len(actual)
    cells, counts = torch.unique(actual * classes + guess, return_counts=True)
    actual, guess = cells // classes, cells % classes
    shares, rng = (counts.double() / n).numpy(), np.random.default_rng(0)
    for _ in range(resamples):  # one at a time: a thousand tables of many classes would not fit
        row = torch.from_numpy(rng.multinomial(n, shares)).double()
        yield {
            "n": torch.tensor(float(n), dtype=torch.float64),
            "hits": torch.bincount(actual, row * (actual == guess), minlength=classes),
            "guesses": torch.bincount(guess, row, minlength=classes),
            "actuals": torch.bincount(actual, row, minlength=classes),
        }


def _sample_columns(decoded: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """One row a sample: what it adds to each sum."""
    if {"mae", "rmse", "r2"} & set(names):
        wrong, actual = decoded.double() - target.double(), target.double()
        centred = actual - actual.mean(0)  # keeps the sum of squares far from cancelling
        return {"absolute": wrong.abs(), "squares": wrong.square(), "centred": centred, "centred2": centred.square()}
    if target.ndim == 1:
        return {"nats": _nats(decoded, target)}
    guess, actual = decoded > 0.5, target > 0.5
    right = (guess == actual).double().mean(1)
    rows = {"hits": guess & actual, "guesses": guess, "actuals": actual, "right": right}
    return {**rows, "nats": _label_nats(decoded, actual).mean(1)} if "log_loss" in names else rows


def _resampled(rows: dict[str, Tensor], pick: Tensor) -> dict[str, Tensor]:
    """The sums a Meter would have after seeing the picked samples."""
    n = torch.tensor(float(len(pick)), dtype=torch.float64)
    sums = {key: value[pick].sum(0, dtype=torch.float64) for key, value in rows.items()}
    if "centred" in sums:
        sums["spread"] = sums["centred2"] - sums["centred"].square() / n
    return {"n": n, **sums}


def _class_columns(decoded: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    keep = target >= 0
    guess = decoded.argmax(1)
    return (guess == target) & keep, guess, target.clamp(min=0), keep


def _count(numbers: Tensor, classes: int) -> Tensor:
    """How often each of 0 … classes-1 is there, float64; negative numbers are not counted."""
    counts = torch.zeros(classes + 1, dtype=torch.float64, device=numbers.device)
    ones = torch.ones(len(numbers), dtype=torch.float64, device=numbers.device)
    return counts.scatter_add_(0, numbers + 1, ones)[1:]


def _nats(decoded: Tensor, actual: Tensor) -> Tensor:
    """−ln of the true class's probability, kept off 0 as scikit-learn does; float64 ``(B,)``."""
    p = decoded.gather(1, actual[:, None])[:, 0]
    eps = torch.finfo(decoded.dtype).eps
    return -p.double().clamp(eps, 1 - eps).log()


def _label_nats(decoded: Tensor, actual: Tensor) -> Tensor:
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

_TASK_METRICS: dict[str, tuple[str, ...]] = {
    "classification": ("accuracy", "macro_f1", "log_loss"),
    "multilabel": ("macro_f1", "accuracy", "exact_match"),
    "regression": ("rmse", "mae", "r2"),
}
