"""The criterion: any loss behind one call giving a mean, and the same loss as a sum and its count for accumulation."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError, nearest
from danlu.settings import Settings
from danlu.tasks.base import Scale, Task, loss_name, scale_of, shape
from danlu.tasks.losses import from_settings, make_loss
from danlu.tasks.parts import Mean, Part, Sums, masked, part_of
from danlu.tasks.uncertainty import Uncertainty
from danlu.types import Schema


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
    learnt: Uncertainty | None = None  # the weights of ``parts``, where they are trained together with the model

    def __call__(self, output: Any, target: Any) -> Tensor:
        return self.mean(output, target)

    @property
    def module(self) -> nn.Module | None:
        return self.loss if isinstance(self.loss, nn.Module) else None

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        """Every loss that is a module: they may hold weights to move, or parameters to train."""
        losses = [self.loss] if self.part else [*(part.loss for _, part, _ in self.parts), self.learnt]
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
            return lambda o, t: part.sums(by_name(o, names, "output")[i], by_name(t, names, "target")[i])

        return [(name, share, of(i)) for i, (name, _, share) in enumerate(self.parts)]

    def whole(self, means: Mapping[str, float]) -> float:
        """The loss, of the mean of each of its parts by name."""
        if self.learnt is not None:
            half = math.fsum(self.learnt.log_variance.tolist()) / 2
            return math.fsum(share * means[name] for name, share in self.shares().items()) + half
        return sum(share * means[name] for name, _, share in self.parts) if self.parts else means[""]

    def weighed(self, values: Sequence[Tensor], part: float = 1.0) -> Tensor:
        """The loss, of the value of each of its parts; see ``_weighed``."""
        return _weighed(values, [weight for _, _, weight in self.parts], self.learnt, part)

    def shares(self) -> dict[str, float]:
        """What each loss is multiplied with, as it stands now."""
        if self.learnt is not None:
            return dict(zip([n for n, _, _ in self.parts], self.learnt.shares()))
        return {name: share for name, _, share in self.parts}

    def match(self, output: Any, target: Any) -> list[tuple[Any, Any]]:
        """The output and target of each loss of a dict of losses."""
        names = [name for name, _, _ in self.parts]
        return [*zip(by_name(output, names, "output"), by_name(target, names, "target"))] if names else []


def criterion(
    spec: Any,
    task: Task,
    schema: Schema,
    settings: Settings,
    train_targets: Tensor | None = None,
) -> Criterion:
    """The criterion for a loss given as None, a name of torch.nn, a module, a callable, or a dict of these.

    A dict's values are losses or ``(loss, weight)``; outputs and targets are matched by key, or by order, and
    ``settings.loss_weights`` weighs them.
    ``train_targets`` are needed for ``class_weights="balanced"`` only.
    """
    if isinstance(spec, Mapping):
        _refuse_settings(dict(spec), settings)
        return several(spec, settings.loss_weights)
    if settings.loss_weights is not None:
        raise DanluError("DL261", where=f"loss_weights={settings.loss_weights!r}")
    made_here = spec is None or isinstance(spec, str)
    loss = make_loss(spec, task.default_loss)
    if made_here:
        loss = from_settings(loss, task, schema, settings, train_targets)
    else:
        _refuse_settings(loss, settings)
    part = part_of(loss)
    return Criterion(loss_name(loss), scale_of(loss), part.mean, loss, part)


def sums(loss: Any) -> Sums:
    """A criterion, module or callable as ``(sum, count)``.

    Gradients of sums, added up and divided once by the added counts, are those of the mean over all rows together.
    A count of 0.0 means the loss is a sum by itself: ``divisor`` then says 1. Of several losses, which count each in
    its own way, see ``accumulated``.
    """
    if not isinstance(loss, Criterion):
        return part_of(loss).sums
    assert loss.part is not None
    return loss.part.sums


def accumulated(loss: Any, targets: Sequence[Any]) -> list[Sums]:
    """``(sum, count)`` for each of the batches that make one update, by their ``targets``.

    Added sums over added counts are the loss of all these rows as one batch. Each of several losses has its own count
    (rows that lack one target, labels ignored, class weights), and one division cannot serve them all: what a batch has
    of each loss is divided by that loss's count over all batches, which their targets tell beforehand; the counts given
    here then add up to 1.
    """
    if not isinstance(loss, Criterion) or loss.part is not None:
        return [sums(loss)] * len(targets)
    names = [name for name, _, _ in loss.parts]
    each = [by_name(target, names, "target") for target in targets]
    counts = [[part.count(batch[i]) for batch in each] for i, (_, part, _) in enumerate(loss.parts)]
    wholes = [None if of[0] is None else divisor(sum(of)) for of in counts]  # type: ignore[arg-type]

    def of(k: int) -> Sums:
        def both(output: Any, target: Any) -> tuple[Tensor, float]:
            outputs, own = by_name(output, names, "output"), by_name(target, names, "target")
            values = [_share(one, outputs[i], own[i], counts[i][k], wholes[i]) for i, one in enumerate(loss.parts)]
            first = 0.0 if k else 1.0
            return loss.weighed(values, first), first

        return both

    return [of(k) for k in range(len(targets))]


def _share(
    one: tuple[str, Part, float], output: Any, target: Any, count: Tensor | float | None, whole: Tensor | float | None
) -> Tensor:
    """What a batch adds to one loss over all batches; DL215 for a loss that tells its count only with its value."""
    name, part, _ = one
    total, own = part.sums(output, target)
    if count is None or whole is None:
        return total
    if part.free and (isinstance(own, Tensor) or own != count):
        raise DanluError("DL215", where=f"loss[{name!r}]", name=name, loss=loss_name(part.loss))
    return total * (count / divisor(own)) / whole  # the ratio is 1, or how many numbers a row has


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
        ("class_weights", settings.class_weights not in (None, "sampled")),
        ("label_smoothing", settings.label_smoothing > 0),
    ):
        if used:
            raise DanluError("DL219", where=key, setting=key, loss=loss_name(loss))


def one_loss(loss: Any) -> Any:
    """A dict of losses as one callable, a name or class of torch.nn as a module; anything else as it is."""
    if isinstance(loss, str | type):
        return make_loss(loss, "")
    return several(loss) if isinstance(loss, Mapping) else loss


def several(
    spec: Mapping[str, Any],
    weights: Mapping[str, float] | str | None = None,
    absent: Collection[str] = (),
) -> Criterion:
    """The weighted sum of a dict of losses, each over its own head; values are losses or ``(loss, weight)``.

    ``weights``: a weight for each by name (1 where it says nothing), or "learnt": see ``Uncertainty``. ``absent``
    names the heads that lack the target of some rows: those rows count in the other heads.
    """
    if not spec:
        raise DanluError("DL220", where="loss={}")
    given = weights if isinstance(weights, Mapping) else {}
    refuse_unknown(given, list(spec))
    parts: list[tuple[str, Part, float]] = []
    for name, value in spec.items():
        pair = isinstance(value, (tuple, list)) and len(value) == 2
        loss, weight = value if pair else (value, given.get(name, 1.0))
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise DanluError("DL221", where=f"loss[{name!r}]", weight=weight)
        if pair and weights is not None:
            raise DanluError("DL262", where=f"loss[{name!r}]", weight=weight)
        part = part_of(make_loss(loss, ""))
        parts.append((name, masked(part) if name in absent else part, float(weight)))
    names = [name for name, _, _ in parts]
    means = [part.mean for _, part, _ in parts]
    shares = [weight for _, _, weight in parts]
    learnt = Uncertainty([part.loss for _, part, _ in parts]) if weights == "learnt" else None

    def mean(output: Any, target: Any) -> Tensor:
        outputs, targets = by_name(output, names, "output"), by_name(target, names, "target")
        return _weighed([one(o, t) for one, o, t in zip(means, outputs, targets)], shares, learnt)

    title = " + ".join(
        f"{n}: {loss_name(p.loss)}" if w == 1 else f"{n}: {w:g}·{loss_name(p.loss)}" for n, p, w in parts
    )
    return Criterion(title, "logits", mean, dict(spec), None, tuple(parts), learnt)


def _weighed(
    values: Sequence[Tensor], shares: Sequence[float], learnt: Uncertainty | None, part: float = 1.0
) -> Tensor:
    """The losses added up, each times its weight; ``part``: of what learnt weights add by themselves."""
    if learnt is not None:
        return learnt(values, part)  # type: ignore[no-any-return]
    total: Tensor | None = None
    for value, share in zip(values, shares):
        own = value if share == 1.0 else value * share
        total = own if total is None else total + own
    assert total is not None
    return total


def refuse_unknown(weights: Mapping[str, float], heads: Sequence[str]) -> None:
    """DL260 where a weight is given for no head."""
    unknown = next((name for name in weights if name not in heads), None)
    if unknown is not None:
        facts = {"heads": ", ".join(heads), "near": nearest(unknown, heads) or heads[0]}
        shown = ",".join(f"{name}={weight:g}" for name, weight in weights.items())
        raise DanluError("DL260", where=f"loss_weights={shown!r}", name=unknown, **facts)


def first_of(value: Any) -> Any:
    """The loss of a dict's value: itself, or the first of ``(loss, weight)``; a name or class as a module."""
    loss = value[0] if isinstance(value, (tuple, list)) and len(value) == 2 else value
    return make_loss(loss, "") if isinstance(loss, (str, type)) else loss


def by_name(value: Any, names: Sequence[str], what: str) -> Sequence[Any]:
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
