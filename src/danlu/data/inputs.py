"""Inputs of arrays: images recognised, fields and statistics made, values as they are stored."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from danlu.data.prepare import byte_statistics
from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Choice, Field

Treatment = Literal["standardise", "keep", "untouched"]  # danlu's model | a user's own | a user's TensorDataset

_BLOCK = 1 << 18  # numbers converted at once, so that a block stays in cache
POOLED_FEATURES = 64  # columns of one scale from this many on are pixels: one mean and std for all of them


def as_tensor(value: Any, where: str = "row") -> Tensor:
    """An array-like as a tensor on the CPU, its dtype kept; memory is shared where it can be."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if hasattr(value, "toarray"):  # scipy's sparse matrices
        value = value.toarray()
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Tensor):
        value = [t.detach().cpu().numpy() for t in value]
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise DanluError("DL163", where=where, found=_shapes(value)) from error
    if array.dtype == object:
        array = _from_objects(array, where)
    if array.dtype.kind not in "biuf":
        raise DanluError("DL163", where=where, found=f"{array.dtype} {array.ravel()[:1].tolist()}")
    if array.dtype == np.uint16 or array.dtype == np.uint32 or array.dtype == np.uint64:
        array = array.astype(np.int64)  # torch computes little with these
    native = array.astype(array.dtype.newbyteorder("="), copy=False)
    if not native.flags.writeable or any(s < 0 for s in native.strides):
        native = native.copy()  # torch wants writable memory
    return torch.from_numpy(native)


def _from_objects(array: np.ndarray, where: str) -> np.ndarray:
    try:
        return np.stack([np.asarray(v) for v in array]) if array.ndim == 1 else array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise DanluError("DL163", where=where, found=_shapes(array)) from error


def _shapes(value: Any) -> str:
    seen = [str(np.shape(v)) if np.shape(v) else type(v).__name__ for v in list(value)[:50]]
    return ", ".join(dict.fromkeys(seen))


def input_fields(
    inputs: Sequence[Tensor], train: Tensor, treatment: Treatment
) -> tuple[tuple[Field, ...], list[Choice]]:
    fields: list[Field] = []
    choices: list[Choice] = []
    for i, x in enumerate(inputs):
        name = "x" if len(inputs) == 1 else f"x{i}"
        field = _input_field(name, x, train, treatment)
        fields.append(field)
        if field.why:
            choices.append(Choice(name, f"{field.kind} {list(field.shape)}", field.why))
    return tuple(fields), choices


def _input_field(name: str, x: Tensor, train: Tensor, treatment: Treatment) -> Field:
    """The field of one input: what it is and how it is scaled, by the training rows."""
    if treatment == "untouched":
        return Field(name, "tensor", "input", "", tuple(x.shape[1:]), str(x.dtype).removeprefix("torch."))
    bytes_ = x.dtype == torch.uint8
    axes = image_axes(x.shape, bytes_=bytes_, any_float=treatment == "standardise")
    if axes is not None:
        c, h, w = image_shape(x.shape, axes)
        if treatment == "keep":
            kind_why = say("data.image.keep", order=axes, c=c, h=h, w=w)
            return Field(name, "image", "input", kind_why, (c, h, w), "uint8")
        planes = channels_first(x, axes)
        mean, std = byte_statistics(planes, train) if bytes_ else _float_statistics(planes, train, (0, 2, 3))
        why = say("data.image.standardise", order=axes, c=c, h=h, w=w)
        return Field(name, "image", "input", why, (c, h, w), "uint8" if bytes_ else "float32", mean=mean, std=std)
    if treatment == "keep" and not (bytes_ and x.ndim == 2 and x.shape[1] >= POOLED_FEATURES):
        wide = x.dtype in (torch.float64, torch.float16, torch.bfloat16)
        dtype = "float32" if wide else str(x.dtype).removeprefix("torch.")
        why = say("data.float64") if x.dtype == torch.float64 else ""
        return Field(name, "tensor", "input", why, tuple(x.shape[1:]), dtype)
    x = x.reshape(len(x), -1)
    pooled = x.shape[1] >= POOLED_FEATURES and _one_scale(x)
    if treatment == "keep":
        return Field(name, "number", "input", say("data.pixels.keep", n=x.shape[1]), (x.shape[1],), "uint8")
    if bytes_ and pooled:
        mean, std = byte_statistics(x[:, None], train)
    else:
        bytes_ = False
        mean, std = _float_statistics(x, train, (0, 1) if pooled else (0,))
    why = say("data.matrix.pooled" if pooled else "data.matrix", n=x.shape[1])
    return Field(name, "number", "input", why, (x.shape[1],), "uint8" if bytes_ else "float32", mean=mean, std=std)


def _one_scale(x: Tensor) -> bool:
    """Whether all columns are pixels: whole numbers of 0 to 255, or shares of 0 to 1."""
    low, high = (float(v) for v in torch.aminmax(x))
    return low >= 0 and (high <= 1 or (high <= 255 and (not x.is_floating_point() or bool((x == x.round()).all()))))


def _float_statistics(x: Tensor, train: Tensor, over: tuple[int, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std over the axes ``over``, float64, in two passes; a constant column keeps the scale 1."""
    blocks = torch.split(train, max(1, _BLOCK // max(1, x[0].numel())))
    count = len(train) * math.prod(x.shape[i] for i in over if i)
    mean = sum(x.index_select(0, rows).double().sum(over, keepdim=True) for rows in blocks) / count
    squares = sum((x.index_select(0, rows).double() - mean).square_().sum(over, keepdim=True) for rows in blocks)
    assert isinstance(mean, Tensor) and isinstance(squares, Tensor)
    std = (squares / count).sqrt_()
    std = torch.where(std > 0, std, torch.ones_like(std))
    return tuple(mean.flatten().tolist()), tuple(std.flatten().tolist())


def image_axes(shape: Sequence[int], *, bytes_: bool, any_float: bool) -> str | None:
    """The order of an image array's axes, "NHW", "NHWC" or "NCHW"; None when these are no images.

    Bytes of 3 or 4 axes are images; other numbers only where danlu's own model will read them (``any_float``).
    """
    if not (bytes_ or any_float):
        return None
    if len(shape) == 3:
        return "NHW" if min(shape[1:]) > 4 else None
    if len(shape) != 4:
        return None
    first, last = shape[1] in (1, 2, 3, 4), shape[3] in (1, 2, 3, 4)
    if first and last:
        return "NCHW" if shape[2] == shape[3] else "NHWC"
    return "NHWC" if last else "NCHW"


def image_shape(shape: Sequence[int], axes: str) -> tuple[int, int, int]:
    size = dict(zip(axes, shape))
    return size.get("C", 1), size["H"], size["W"]


def channels_first(x: Tensor, axes: str) -> Tensor:
    """(N, C, H, W)"""
    if axes == "NHW":
        return x[:, None]
    return x if axes == "NCHW" else x.permute(0, 3, 1, 2)


def encode_input(field: Field, x: Tensor, where: str = "") -> Tensor:
    """One input (N, ...) as it is stored under ``field``: bytes stay bytes, floats are standardised here, once."""
    if field.kind == "image" and field.dtype in ("uint8", "float32"):
        axes = image_axes(x.shape, bytes_=True, any_float=True)
        if axes is not None and image_shape(x.shape, axes) == field.shape:
            x = channels_first(x, axes)
    elif field.kind == "number":
        x = x.reshape(len(x), -1)
    if tuple(x.shape[1:]) != field.shape:
        raise DanluError("DL168", where=where, expected=field.shape, found=tuple(x.shape[1:]))
    if field.dtype == "uint8" and field.kind != "tensor":
        return _bytes(x, where)
    if not field.mean:
        return x.to(getattr(torch, field.dtype)).contiguous()
    shape = (-1, *(1,) * (len(field.shape) - 1))
    mean, std = (torch.tensor(v, dtype=torch.float64).view(shape) for v in (field.mean, field.std))
    out = torch.empty(x.shape, dtype=torch.float32)
    step = max(1, _BLOCK // max(1, x[0].numel()))
    for some_in, some_out in zip(torch.split(x, step), torch.split(out, step)):
        some_out.copy_((some_in.double() - mean).div_(std))  # a new tensor: the user's own stays as it was
    return out


def _bytes(x: Tensor, where: str) -> Tensor:
    """Pixels as bytes: whole numbers of 0 to 255 as they are, shares of 0 to 1 times 255; DL169 for others."""
    if x.dtype == torch.uint8:
        return x.contiguous()
    low, high = (float(v) for v in torch.aminmax(x))
    if x.is_floating_point() and low >= 0 and high <= 1:
        return (x * 255).round().to(torch.uint8).contiguous()
    if low < 0 or high > 255:
        raise DanluError("DL169", where=where, low=low, high=high)
    return x.to(torch.uint8).contiguous()
