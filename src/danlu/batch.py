"""What a batch means: which parts go into the model, which part is the target."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError

TARGET_NAMES = ("target", "targets", "label", "labels", "y")


class Batches(tuple[Any, ...]):
    """Several batches that make one update together (gradient accumulation)."""


def forward(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    """Run the model on a batch: ``(output, target)``.

    ``(x, y)`` → ``model(x)``; ``(a, b, y)`` → ``model(a, b)``, as many as forward takes, what is left is the
    target; a dict or dataclass → its entries matched to forward's arguments by name, the rest is the target.
    The target is None when nothing is left.
    """
    if (type(batch) is tuple or type(batch) is list) and len(batch) == 2:
        return model(batch[0]), batch[1]
    args, kwargs, target = split_batch(model, batch)
    return model(*args, **kwargs), target


def split_batch(model: nn.Module, batch: Any) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """``(positional arguments, keyword arguments, target)`` of a batch for this model's forward."""
    if isinstance(batch, Tensor):
        return (batch,), {}, None
    if isinstance(batch, Mapping):
        return _match_names(model, dict(batch))
    if is_dataclass(batch) and not isinstance(batch, type):
        return _match_names(model, {f.name: getattr(batch, f.name) for f in fields(batch)})
    parts = tuple(batch)
    if len(parts) < 2:
        return parts, {}, None
    most = _signature(_class(model))[1]
    inputs = min(len(parts) - 1, most)
    rest = parts[inputs:]
    return parts[:inputs], {}, rest[0] if len(rest) == 1 else rest


def _match_names(model: nn.Module, batch: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    names, _, takes_any = _signature(_class(model))
    kwargs = {k: v for k, v in batch.items() if k in names}
    rest = {k: v for k, v in batch.items() if k not in names}
    if takes_any:  # forward(**kwargs): everything that is not called a target goes in
        kwargs |= {k: v for k, v in rest.items() if k not in TARGET_NAMES}
        rest = {k: v for k, v in rest.items() if k in TARGET_NAMES}
    if kwargs:
        target = next(iter(rest.values())) if len(rest) == 1 else (rest or None)
        if target is None:  # the model takes the labels itself, to compute its own loss
            target = next((kwargs[k] for k in TARGET_NAMES if k in kwargs), None)
        return (), kwargs, target
    target_name = next((k for k in batch if k in TARGET_NAMES), None)
    args = tuple(v for k, v in batch.items() if k != target_name)
    if target_name is None or len(args) > len(names):  # nothing says which entry is which
        raise DanluError("DL241", entries=", ".join(batch), parameters=", ".join(names), model=type(model).__name__)
    return args, {}, batch[target_name]


def _class(model: nn.Module) -> Any:
    return type(model)


@lru_cache(maxsize=256)
def _signature(cls: Any) -> tuple[tuple[str, ...], int, bool]:
    """(parameter names of forward, how many positional arguments it takes, whether it takes ``**kwargs``)."""
    if cls is nn.Sequential or cls.forward is nn.Module.forward:
        return ("input",), 1, False
    parameters = list(inspect.signature(cls.forward).parameters.values())[1:]
    names = tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        most = 1_000
    else:
        most = sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
    return names, max(1, most), any(p.kind is p.VAR_KEYWORD for p in parameters)


def rows_of(batch: Any) -> int:
    """How many samples a batch holds: the length of its first tensor's first dimension."""
    if isinstance(batch, Tensor):
        return batch.shape[0] if batch.ndim else 1
    if isinstance(batch, Mapping):
        batch = batch.values()
    elif is_dataclass(batch) and not isinstance(batch, type):
        batch = [getattr(batch, f.name) for f in fields(batch)]
    elif not isinstance(batch, (tuple, list)):
        return 0
    for part in batch:
        size = rows_of(part)
        if size:
            return size
    return 0


def to_device(batch: Any, device: torch.device) -> Any:
    """The batch with every tensor on ``device``, its structure unchanged; copies overlap where memory is pinned."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {k: to_device(v, device) for k, v in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(v, device) for v in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(to_device(v, device) for v in batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        return type(batch)(**{f.name: to_device(getattr(batch, f.name), device) for f in fields(batch)})
    return batch


def returned_loss(output: Any) -> Tensor | None:
    """The loss a model computed itself (transformers' outputs have ``.loss``), else None."""
    if type(output) is Tensor:
        return None
    value = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    return value if isinstance(value, Tensor) else None


def answer_of(output: Any) -> Any:
    """The part of a model's output that answers: itself, or the ``logits`` beside a returned loss."""
    if type(output) is Tensor:
        return output
    logits = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", None)
    return output if logits is None else logits
