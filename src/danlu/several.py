"""Several targets in a user's own samples: which heads there are, told by a batch, the model's answer and the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from danlu import tasks
from danlu.types import Field, Kind, Schema

_KINDS: dict[str, Kind] = {"classification": "category", "multilabel": "multilabel", "regression": "number"}


def with_heads(schema: Schema, batch: Any, target: Any, output: Any, loss: Any) -> Schema:
    """The schema with a target for each head, where the batch has several and the model answers as many.

    As it was where the loss is one for all of them, or where danlu knows the task of none: that is the user's own
    business, ``custom``. Heads have the names of the targets, else those of the losses, else those of the answer.
    """
    targets = _parts(target)
    answers = _parts(output)
    if len(targets) < 2 or len(answers) != len(targets) or not (loss is None or isinstance(loss, Mapping)):
        return schema
    names = [list(part) for part in (target, loss, output) if isinstance(part, Mapping)]
    own = _own_names(schema, batch, target)
    heads = names[0] if names else own or [f"y{i}" for i in range(len(targets))]
    if any(sorted(given) != sorted(heads) for given in names) or not all(isinstance(name, str) for name in heads):
        return schema
    given = {name: tasks.first_of(value) for name, value in (loss or {}).items()}
    fields = [_field(n, _of(n, i, target), _of(n, i, output), given.get(n)) for i, n in enumerate(heads)]
    if not any(f.kind in _KINDS.values() for f in fields):
        return schema
    left_out = {*heads, *own}
    inputs = tuple(f for f in schema.fields if f.role != "target" and f.name not in left_out)
    return replace(schema, fields=(*inputs, *fields), task="multitask")


def _parts(value: Any) -> Sequence[Any]:
    parts = list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else ()
    return parts if all(isinstance(part, Tensor) and part.ndim for part in parts) else ()


def _own_names(schema: Schema, batch: Any, target: Any) -> list[str]:
    """What the sample's elements behind the model's inputs are called: ``(x, a, b)`` for a model of one input."""
    alone = isinstance(batch, (tuple, list)) and isinstance(target, (tuple, list)) and isinstance(batch[-1], Tensor)
    return [f.name for f in schema.fields[-len(target) :]] if alone else []


def _of(name: str, place: int, value: Any) -> Tensor:
    """A head's own part, of a dict by its name and of a tuple by its place."""
    part: Tensor = value[name] if isinstance(value, Mapping) else value[place]
    return part


def _field(name: str, target: Tensor, answer: Tensor, loss: Any) -> Field:
    """A head's kind by its targets in one batch, and by its loss where that says more."""
    task = tasks.infer_task(target[0], loss) if loss is not None else _task(target)
    classes: tuple[str, ...] = ()
    if task in ("classification", "multilabel"):
        units = answer.shape[1] if answer.ndim > 1 else 1
        classes = tuple(map(str, range(units if units > 1 or task == "multilabel" else 2)))
    shape = () if task == "classification" else tuple(target.shape[1:])
    dtype = str(target.dtype).removeprefix("torch.")
    return Field(name, _KINDS.get(task, "tensor"), "target", "", shape, dtype, classes)


def _task(target: Tensor) -> str:
    """Integers are classes, rows of 0 and 1 are labels, other floats are numbers."""
    if target.ndim == 2 and target.shape[1] > 1 and bool(((target == 0) | (target == 1)).all()):
        return "multilabel"
    if not target.is_floating_point() and target.ndim == 1:
        there = target[target != tasks.MISSING] if target.dtype is not torch.bool else target.long()
        return "classification" if bool((there >= 0).all()) else "custom"
    return "regression" if target.is_floating_point() and target.ndim <= 2 else "custom"
