"""Images shifted and scaled by numbers from elsewhere: those that a pretrained model's weights expect."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from danlu.data.columns import Columns, Data
from danlu.data.images import ImageFiles
from danlu.data.prepare import prepare
from danlu.types import Field, Schema

_NEAR = 1e-3  # how far rounding may bring shares of 0 to 1 out of that range


def scaled(data: Data, mean: Sequence[float], std: Sequence[float]) -> Data | None:
    """``data`` with the one image input as ``(x - mean) / std``, x from 0 to 1; predict follows by the schema.

    Given for three channels they are averaged for any other number. None where danlu does not scale the images: in a
    user's own Dataset, and for numbers that are no shares of 0 to 1.
    """
    field = image_input(data.schema)
    if field is None:
        return None
    means, stds = _channels(mean, field.shape[0]), _channels(std, field.shape[0])
    new = replace(field, mean=means, std=stds)
    own = tuple(replace(f, mean=means, std=stds) if _same_image(f, field) else f for f in data.schema.fields)
    schema = replace(data.schema, fields=own)
    parts = {"train": data.train, "val": data.val, "test": data.test}
    made: dict[int, Tensor] = {}  # parts share their rows: each tensor once
    if field.dtype != "uint8":
        tensors = {id(p.tensors[0]): p.tensors[0] for p in parts.values() if isinstance(p, Columns)}
        raw = {key: _unscaled(t, field) for key, t in tensors.items()}
        if any(float(x.min()) < -_NEAR or float(x.max()) > 1 + _NEAR for x in raw.values()):
            return None
        made = {key: _scaled(x, new) for key, x in raw.items()}
    return replace(data, schema=schema, **{name: _with(part, schema, made) for name, part in parts.items()})


def image_input(schema: Schema) -> Field | None:
    """The image among the inputs that danlu itself prepares: the one input, or of a table's images the first."""
    if schema.origin == "table":
        return next((f for f in schema.inputs if f.kind == "image"), None)
    if schema.origin == "dataset" or len(schema.inputs) != 1 or schema.inputs[0].kind != "image":
        return None
    field = schema.inputs[0]
    return field if field.dtype == "uint8" or field.mean else None


def _same_image(f: Field, field: Field) -> bool:
    """All images of a table are scaled alike: the same trunk sees them."""
    return f.role == "input" and f.kind == "image" and f.shape == field.shape


def _channels(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) if len(values) == channels else (math.fsum(values) / len(values),) * channels


def _with(part: Any, schema: Schema, made: dict[int, Tensor]) -> Any:
    if isinstance(part, Columns):
        tensors = tuple(made.get(id(t), t) for t in part.tensors)
        return Columns(tensors, part.index, prepare(schema), part.names, part.exact, part.aside, part.heads)
    if hasattr(part, "with_prepare"):  # a table's images in their files; naming the class would import pyarrow
        return part.with_prepare(prepare(schema))
    if isinstance(part, ImageFiles):
        other, ready = copy.copy(part), prepare(schema)
        assert ready is not None  # images are stored as bytes
        other.prepare = ready
        return other
    return part


def _unscaled(x: Tensor, field: Field) -> Tensor:
    mean, std = _columns(field)
    return x.double().mul_(std).add_(mean)


def _scaled(x: Tensor, field: Field) -> Tensor:
    mean, std = _columns(field)
    return x.sub(mean).div_(std).float()


def _columns(field: Field) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (field.mean, field.std))
    return mean, std
