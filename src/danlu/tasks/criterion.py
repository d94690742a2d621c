"""The criterion: any loss behind one call giving a mean, and the same loss as a sum and its count for accumulation."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.tasks.base import Scale, Task, loss_name, scale_of, shape
from danlu.tasks.losses import from_settings, make_loss
from danlu.types import Schema

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
    by_rows: Callable[[Any], bool]  # for this target, is the count in proportion to the number of rows?


@dataclass(frozen=True)
class Criterion:
    """``criterion(output, target)`` is the mean loss, a 0-d tensor, as the loss itself would give it.

    ``scale`` says what the model's output is to be read as. ``parts`` names the losses of a dict of losses.
    """

    name: str
    scale: Scale
    mean: Mean
    loss: Any  # what ``mean`` calls: a module, a callable, or a dict of them
    part: Part | None = None
    parts: tuple[tuple[str, Part, float], ...] = ()

    def __call__(self, output: Any, target: Any) -> Tensor:
        return self.mean(output, target)

    @property
    def module(self) -> nn.Module | None:
        return self.loss if isinstance(self.loss, nn.Module) else None

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Every loss that is a module: they may hold weights to move, or parameters to train."""
        losses = [self.loss] if self.part else [part.loss for _, part, _ in self.parts]
        return tuple(loss for loss in losses if isinstance(loss, nn.Module))

    @property
    def ignore_index(self) -> int | None:
        value = getattr(self.loss, "ignore_index", None)
        return value if isinstance(value, int) else None

    def to(self, device: torch.device | str) -> Criterion:
        """Moves class weights and the like to where the model is."""
        for module in self.modules:
            module.to(device)
        return self

    def tallies(self) -> list[tuple[str, float, Sums]]:
        """Each loss by itself, as (name, its share in the whole, sum and count): evaluation adds them up one by one."""
        if self.part is not None:
            return [("", 1.0, self.part.sums)]
        names = [name for name, _, _ in self.parts]

        def of(i: int) -> Sums:
            part = self.parts[i][1]
            return lambda o, t: part.sums(_by_name(o, names, "output")[i], _by_name(t, names, "target")[i])

        return [(name, share, of(i)) for i, (name, _, share) in enumerate(self.parts)]

    def match(self, output: Any, target: Any) -> list[tuple[Any, Any]]:
        """The output and target of each loss of a dict of losses."""
        names = [name for name, _, _ in self.parts]
        return [*zip(_by_name(output, names, "output"), _by_name(target, names, "target"))] if names else []


def criterion(
    spec: Any,
    task: Task,
    schema: Schema,
    settings: Settings,
    train_targets: Tensor | None = None,
) -> Criterion:
    """The criterion for a loss given as None, a name of torch.nn, a module, a callable, or a dict of these.

    A dict's values are losses or ``(loss, weight)``; outputs and targets are matched by key, or by order.
    ``train_targets`` are needed for ``class_weights="balanced"`` only.
    """
    if isinstance(spec, Mapping):
        return _several(spec, task, settings)
    made_here = spec is None or isinstance(spec, str)
    loss = make_loss(spec, task.default_loss)
    if made_here:
        loss = from_settings(loss, task, schema, settings, train_targets)
    else:
        _refuse_settings(loss, settings)
    part = _part(loss)
    return Criterion(loss_name(loss), scale_of(loss), part.mean, loss, part)


def sums(loss: Any) -> Sums:
    """A criterion, module or callable as ``(sum, count)``.

    Gradients of sums, added up and divided once by the added counts, are those of the mean over all rows together.
    A count of 0.0 means the loss is a sum by itself: ``divisor`` then says 1.
    """
    if not isinstance(loss, Criterion):
        return _part(loss).sums
    if loss.part is not None:
        return loss.part.sums
    names = [name for name, _, _ in loss.parts]

    def both(output: Any, target: Any) -> tuple[Tensor, float]:
        for (name, part, _), one in zip(loss.parts, _by_name(target, names, "target")):
            if not part.by_rows(one):  # one division cannot serve two counts
                raise DanluError("DL215", where=f"loss[{name!r}]", name=name, loss=loss_name(part.loss))
        rows = _rows(target)
        return loss.mean(output, target) * rows, float(rows)

    return both


def divisor(count: Tensor | float) -> Tensor | float:
    """What to divide accumulated gradients by: the added counts, or 1 when they are 0. Does not wait for the GPU."""
    if isinstance(count, Tensor):
        return torch.where(count == 0, torch.ones_like(count), count)
    return count or 1.0


def check_value(value: Any, loss: Any) -> None:
    """A loss has to be one number that depends on the model; an error says what it is instead."""
    if not isinstance(value, Tensor):
        raise DanluError("DL216", where=loss_name(loss), got=shape(value))
    if value.ndim != 0 and value.numel() != 1:
        raise DanluError("DL217", where=loss_name(loss), got=shape(value))
    if torch.is_grad_enabled() and not value.requires_grad:
        raise DanluError("DL218", where=loss_name(loss))


def _refuse_settings(loss: Any, settings: Settings) -> None:
    for key, used in (
        ("class_weights", settings.class_weights is not None),
        ("label_smoothing", settings.label_smoothing > 0),
    ):
        if used:
            raise DanluError("DL219", where=key, setting=key, loss=loss_name(loss))


def _several(spec: Mapping[str, Any], task: Task, settings: Settings) -> Criterion:
    if not spec:
        raise DanluError("DL220", where="loss={}")
    _refuse_settings(dict(spec), settings)
    parts: list[tuple[str, Part, float]] = []
    for name, value in spec.items():
        loss, weight = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value, 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise DanluError("DL221", where=f"loss[{name!r}]", weight=weight)
        parts.append((name, _part(make_loss(loss, "")), float(weight)))
    names = [name for name, _, _ in parts]
    means = [(part.mean, weight) for _, part, weight in parts]

    def mean(output: Any, target: Any) -> Tensor:
        outputs, targets = _by_name(output, names, "output"), _by_name(target, names, "target")
        total: Tensor | None = None
        for (one, weight), o, t in zip(means, outputs, targets):
            value = one(o, t) if weight == 1.0 else one(o, t) * weight
            total = value if total is None else total + value
        assert total is not None
        return total

    title = " + ".join(
        f"{n}: {loss_name(p.loss)}" if w == 1 else f"{n}: {w:g}·{loss_name(p.loss)}" for n, p, w in parts
    )
    return Criterion(title, "logits", mean, dict(spec), None, tuple(parts))


def _by_name(value: Any, names: Sequence[str], what: str) -> Sequence[Any]:
    """The values for ``names``: of a mapping by key, of a tuple by order; one target serves every loss."""
    if isinstance(value, Mapping):
        missing = [n for n in names if n not in value]
        if missing:
            raise DanluError("DL222", missing=missing, what=what, have=list(value), names=list(names))
        return [value[n] for n in names]
    if isinstance(value, (tuple, list)):
        if len(value) != len(names):
            raise DanluError("DL223", have=len(value), what=what, names=list(names))
        return value
    if len(names) == 1 or what == "target":
        return [value] * len(names)
    raise DanluError("DL223", have=1, what=what, names=list(names))


def _part(loss: Any) -> Part:
    kind = type(loss)
    if kind in _BY_CLASS_WEIGHT:
        return _class_part(loss)
    if kind in _BY_ELEMENT:
        return _plain_part(loss, _fit, lambda output, target: float(output.numel()))
    if kind in _BY_ROW:
        return _plain_part(loss, lambda output, target: target, lambda output, target: float(_rows(target)))
    return _callable_part(loss)


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

    def by_rows(target: Any) -> bool:
        if loss.reduction == "sum" or loss.weight is not None:
            return False
        return target.is_floating_point() or not bool((target == loss.ignore_index).any())

    return Part(loss, mean, both, by_rows)


def _plain_part(loss: Any, fit: Callable[[Any, Any], Any], count: Callable[[Any, Any], float]) -> Part:
    twin = _summed(loss)

    def mean(output: Tensor, target: Tensor) -> Tensor:
        return loss(output, fit(output, target))  # type: ignore[no-any-return]

    def both(output: Tensor, target: Tensor) -> tuple[Tensor, float]:
        return twin(output, fit(output, target)), 0.0 if loss.reduction == "sum" else count(output, target)

    return Part(loss, mean, both, lambda target: loss.reduction != "sum")


def _callable_part(loss: Any) -> Part:
    """A callable returns a mean over rows, or ``(sum, weight)``."""

    def mean(output: Any, target: Any) -> Tensor:
        value = loss(output, target)
        return value[0] / value[1] if type(value) is tuple else value  # type: ignore[no-any-return]

    def both(output: Any, target: Any) -> tuple[Tensor, Tensor | float]:
        value = loss(output, target)
        if type(value) is tuple:
            return value
        if getattr(loss, "reduction", "mean") == "sum":
            return value, 0.0
        rows = _rows(target)
        return value * rows, float(rows)

    return Part(loss, mean, both, lambda target: True)


def _fit(output: Tensor, target: Tensor) -> Tensor:
    """Targets of element-wise losses in the output's shape, ``(B,)`` for ``(B, 1)`` and back, and as floats.

    Without this torch would spread ``(B, 1)`` against ``(B,)`` to ``(B, B)`` and train on nonsense.
    """
    if target.dtype is not output.dtype and (not target.is_floating_point() or target.dtype is torch.float64):
        target = target.to(output.dtype if output.dtype is torch.float64 else torch.float32)
    if target.shape != output.shape and output.numel() == target.numel():
        return target.reshape(output.shape)
    return target


def _rows(target: Any) -> int:
    while not isinstance(target, Tensor):
        target = next(iter(target.values())) if isinstance(target, Mapping) else target[0]
    return len(target)
