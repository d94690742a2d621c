"""One loss taken apart: its mean as torch gives it, and the same as a sum with the count that the mean divides by."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

MISSING = -100  # torch's ignore_index: the class number of a row without a class
Mean = Callable[[Any, Any], Tensor]
Sums = Callable[[Any, Any], tuple[Tensor, "Tensor | float"]]

# How torch divides a mean, by the exact class: a subclass may divide by anything, so it counts as a callable.
_BY_CLASS_WEIGHT = (nn.CrossEntropyLoss, nn.NLLLoss)
_BY_ELEMENT = (
    nn.BCELoss,
    nn.BCEWithLogitsLoss,
    nn.HuberLoss,
    nn.L1Loss,
    nn.MSELoss,
    nn.PoissonNLLLoss,
    nn.SmoothL1Loss,
    nn.SoftMarginLoss,
)
_BY_ROW = (nn.MultiLabelMarginLoss, nn.MultiLabelSoftMarginLoss, nn.MultiMarginLoss)


@dataclass(frozen=True)
class Part:
    """One loss: its mean, its sum with the count that the mean divides by, and the module or callable itself."""

    loss: Any
    mean: Mean
    sums: Sums
    count: Callable[[Any], Tensor | float | None]  # by the target alone, up to a constant factor; None: no mean
    free: bool = False  # a callable: it may return (sum, weight), and what it counts is its own business


def part_of(loss: Any) -> Part:
    """The part of a module or callable; exact classes of torch.nn are known, all else is a callable."""
    kind = type(loss)
    if kind in _BY_CLASS_WEIGHT:
        return _class_part(loss)
    if kind in _BY_ELEMENT:
        return _plain_part(loss, _fit, lambda output, target: float(output.numel()), _numbers)
    if kind in _BY_ROW:
        return _plain_part(loss, lambda output, target: target, lambda output, target: _rows(target), _rows)
    return _callable_part(loss)


def masked(part: Part) -> Part:
    """The same loss over the rows that have a target; of a batch without any it is 0, and no gradient.

    Counting the rows waits for the device: only where some target is known to be missing.
    """

    def kept(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor] | None:
        known = has_target(target)
        if bool(known.all()):
            return output, target
        return (output[known], target[known]) if bool(known.any()) else None

    def mean(output: Tensor, target: Tensor) -> Tensor:
        pair = kept(output, target)
        return part.mean(*pair) if pair is not None else output.sum() * 0.0

    def both(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        pair = kept(output, target)
        return part.sums(*pair) if pair is not None else (output.sum() * 0.0, 0.0)

    return Part(part.loss, mean, both, lambda target: part.count(target[has_target(target)]), part.free)


def has_target(target: Tensor) -> Tensor:
    """Which rows have a target, (B,) bool: not the class number -100 (torch's ignore_index), and no NaN."""
    flat = target.reshape(len(target), -1)
    return ~flat.isnan().any(1) if target.is_floating_point() else (flat != MISSING).all(1)


def _summed(loss: Any) -> Any:
    """The same loss (same weights) with ``reduction="sum"``."""
    twin = copy.copy(loss)
    twin.reduction = "sum"
    return twin


def _class_part(loss: Any) -> Part:
    """CrossEntropyLoss and NLLLoss divide by the weights of the targets that count (torch's docs)."""
    twin = _summed(loss)

    def fit(output: Tensor, target: Tensor) -> Tensor:
        return target if target.dtype is torch.int64 or target.is_floating_point() else target.long()

    def mean(output: Tensor, target: Tensor) -> Tensor:
        return loss(output, target if target.dtype is torch.int64 else fit(output, target))  # type: ignore[no-any-return]

    def both(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor | float]:
        target = fit(output, target)
        total = twin(output, target)
        if loss.reduction == "sum":
            return total, 0.0
        if target.is_floating_point():  # class probabilities: every row counts as one
            return total, float(output.numel() // output.shape[1 if output.ndim > 1 else 0])
        counts = target != loss.ignore_index
        if loss.weight is None:
            return total, counts.sum()
        return total, (loss.weight[target.where(counts, 0)] * counts).sum()

    def count(target: Tensor) -> Tensor | float | None:
        if loss.reduction == "sum":
            return None
        if target.is_floating_point():
            return float(target.numel() // target.shape[1 if target.ndim > 1 else 0])
        counts = target != loss.ignore_index
        one = counts if loss.weight is None else loss.weight[target.long().where(counts, 0)] * counts
        return one.sum()  # type: ignore[no-any-return]

    return Part(loss, mean, both, count)


def _plain_part(
    loss: Any, fit: Callable[[Any, Any], Any], count: Callable[[Any, Any], float], alone: Callable[[Any], float]
) -> Part:
    """``alone``: the count by the target, without the output that may have more numbers a row."""
    twin = _summed(loss)

    def mean(output: Tensor, target: Tensor) -> Tensor:
        return loss(output, fit(output, target))  # type: ignore[no-any-return]

    def both(output: Tensor, target: Tensor) -> tuple[Tensor, float]:
        return twin(output, fit(output, target)), 0.0 if loss.reduction == "sum" else count(output, target)

    return Part(loss, mean, both, lambda target: None if loss.reduction == "sum" else alone(target))


def _callable_part(loss: Any) -> Part:
    """A callable returns a mean over rows, or ``(sum, weight)``."""
    summed = getattr(loss, "reduction", "mean") == "sum"

    def mean(output: Any, target: Any) -> Tensor:
        value = loss(output, target)
        if type(value) is tuple:
            return value[0] / value[1]  # type: ignore[no-any-return]
        return value  # type: ignore[no-any-return]

    def both(output: Any, target: Any) -> tuple[Tensor, Tensor | float]:
        value = loss(output, target)
        if type(value) is tuple:
            return value
        if summed:
            return value, 0.0
        rows = rows_of(target)
        return value * rows, float(rows)

    return Part(loss, mean, both, lambda target: None if summed else _rows(target), free=True)


def _fit(output: Tensor, target: Tensor) -> Tensor:
    """Targets of element-wise losses in the output's shape, ``(B,)`` for ``(B, 1)`` and back, and as floats.

    Without this torch would spread ``(B, 1)`` against ``(B,)`` to ``(B, B)`` and train on nonsense.
    """
    if target.dtype is not output.dtype and (not target.is_floating_point() or target.dtype is torch.float64):
        target = target.to(output.dtype if output.dtype is torch.float64 else torch.float32)
    if target.shape != output.shape and output.numel() == target.numel():
        return target.reshape(output.shape)
    return target


def _numbers(target: Tensor) -> float:
    return float(target.numel())


def _rows(target: Any) -> float:
    return float(rows_of(target))


def rows_of(target: Any) -> int:
    """How many samples a target has."""
    while not isinstance(target, Tensor):
        target = next(iter(target.values())) if isinstance(target, Mapping) else target[0]
    return len(target)
