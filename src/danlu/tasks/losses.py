"""Losses by name, and the settings that shape them: class weights and label smoothing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.settings import Settings
from danlu.tasks.base import Task, loss_name
from danlu.types import Schema

_ALIASES = {"mae": "l1", "bcewithlogit": "bcewithlogits", "ce": "crossentropy", "nllloss": "nll"}


def _key(name: str) -> str:
    """``cross_entropy``, ``CrossEntropyLoss`` and ``cross-entropy`` are one name."""
    key = name.lower().replace("_", "").replace("-", "").removesuffix("loss")
    return _ALIASES.get(key, key)


def _named() -> dict[str, type[nn.Module]]:
    return {_key(n): getattr(nn, n) for n in dir(nn) if n.endswith("Loss") and n[0].isupper()}


def named_loss(name: str) -> type[nn.Module]:
    """The loss class of torch.nn that a name means; DL214 where there is none."""
    known = _named()
    if _key(name) not in known:
        names = [c.__name__ for c in known.values()]
        facts = {"near": did_you_mean(name, names), "line": nearest(name, names) or "CrossEntropyLoss"}
        raise DanluError("DL214", where=f"loss={name!r}", name=name, **facts)
    return known[_key(name)]


def make_loss(spec: Any, default: str) -> Any:
    """The loss a person means: a name of torch.nn, a loss class, a module or a callable; None is the task's own."""
    if spec is None:
        spec = default
        if not spec:
            raise DanluError("DL213", where="loss")
    if isinstance(spec, str):
        spec = named_loss(spec)
    if isinstance(spec, type) and issubclass(spec, nn.Module):
        try:
            return spec()
        except TypeError as error:
            raise DanluError("DL224", where=f"loss={spec.__name__}", name=spec.__name__, reason=error) from None
    if not callable(spec):
        raise DanluError("DL225", where=f"loss={spec!r}", got=type(spec).__name__)
    return spec


def from_settings(loss: Any, task: Task, schema: Schema, settings: Settings, targets: Tensor | None) -> Any:
    """The loss danlu made itself, with the settings' class weights and label smoothing."""
    kind = type(loss)
    extra: dict[str, Any] = {}
    if settings.label_smoothing > 0:
        if kind is not nn.CrossEntropyLoss:
            raise DanluError("DL226", where="label_smoothing", loss=loss_name(loss))
        extra["label_smoothing"] = settings.label_smoothing
    if settings.class_weights not in (None, "sampled"):  # sampled: the loader's business
        if kind not in (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss, nn.BCEWithLogitsLoss):
            raise DanluError("DL227", where="class_weights", loss=loss_name(loss))
        weights = _class_weights(settings.class_weights, task, schema, targets)
        if kind in (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss):
            extra["weight"] = weights
        elif task.name == "classification" and len(weights) == 2:
            extra["pos_weight"] = weights[1:] / weights[:1]  # one output unit: how much more the second class counts
        else:
            extra["pos_weight"] = weights
    return kind(**extra) if extra else loss


def _class_weights(spec: Any, task: Task, schema: Schema, targets: Tensor | None) -> Tensor:
    """One weight a class: the given ones, or n / (C · count), as scikit-learn's "balanced".

    Labels that may come together get (n − count) / count. Classes without a training row get 1.
    """
    if isinstance(spec, str):
        if targets is None:
            raise DanluError("DL229", where='class_weights="balanced"')
        if task.name == "multilabel":
            count = targets.double().sum(0)
            weights = (len(targets) - count) / count
        else:
            labels = task.target(targets, schema)
            labels = labels[labels >= 0]
            count = torch.bincount(labels, minlength=len(schema.classes)).double()
            weights = len(labels) / (len(count) * count)
        return weights.where(count > 0, 1.0).float()
    weights = torch.as_tensor(list(spec), dtype=torch.float32)
    if schema.classes and len(weights) != len(schema.classes):
        raise DanluError("DL228", where="class_weights", given=len(weights), classes=len(schema.classes))
    return weights
