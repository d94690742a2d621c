"""Arrays and tensors: images recognised, numbers standardised for danlu's models, left alone for a user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from danlu.data.columns import Columns, Data
from danlu.data.prepare import byte_statistics, prepare
from danlu.data.split import TEST_SHARE, VAL_SHARE, content_of, split
from danlu.data.targets import as_values, bad_labels, encode_target, infer_target, with_statistics
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice, Field, Schema

Treatment = Literal["standardise", "keep", "untouched"]  # danlu's model | a user's own | a user's TensorDataset

POOLED_FEATURES = 64  # columns of one scale from this many on are pixels: one mean and std for all of them
MIN_DISTINCT, MAX_COPIES = 20, 0.05  # fewer different rows, or one row more often: copies are no leak but the data


@dataclass(frozen=True)
class Arrays:
    """Rows as they came: inputs (N, ...) each, labels (N, ...) or None, and what to call a row."""

    inputs: tuple[Tensor, ...]
    target: np.ndarray | None
    where: str = "row"

    def __len__(self) -> int:
        return len(self.inputs[0])


def as_arrays(values: Sequence[Any], where: str = "row") -> Arrays:
    """``(x, y)`` or ``(a, b, y)`` of anything array-like; DL162 when lengths differ, DL163 when no numbers."""
    inputs = tuple(as_tensor(value, where) for value in values[:-1])
    target = as_values(values[-1])
    lengths = [len(t) if t.ndim else 0 for t in (*inputs, target)]
    if len(set(lengths)) > 1:
        raise DanluError("DL162", where=where, lengths=", ".join(map(str, lengths)))
    if not lengths[0]:
        raise DanluError("DL173", where=where, where_from=where)
    return Arrays(inputs, target, where)


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


def open_arrays(
    train: Arrays,
    test: Arrays | None,
    val: Arrays | None,
    settings: Settings,
    *,
    name: str,
    origin: Literal["arrays", "idx"] = "arrays",
    treatment: Treatment = "standardise",
    shares: tuple[float, float] = (VAL_SHARE, TEST_SHARE),
) -> Data:
    """The data of in-memory rows; val and test are split off by ``shares`` where they are not given."""
    if train.target is None:
        raise DanluError("DL167", where=name)
    parts = [train, test, val]
    bad: list[Bad] = []
    for i, part in enumerate(parts):
        if part is not None:
            parts[i], dropped = drop_bad(part, settings)
            bad += dropped
    first = parts[0]
    assert first is not None and first.target is not None
    rows, choices = _split(
        first, settings, val=0.0 if parts[2] is not None else shares[0], test=0.0 if parts[1] is not None else shares[1]
    )
    target = infer_target(first.target, settings.task, keep=treatment != "standardise")
    inputs, notes = _input_fields(first.inputs, rows[0], treatment)
    label = target.field
    if treatment == "standardise" and label.kind == "number":
        label = with_statistics(label, first.target[rows[0].numpy()])
    schema = Schema(
        (*inputs, label), target.task, _layout(inputs, treatment), "dataset" if treatment == "untouched" else origin
    )
    whole = encode(schema, first)
    out = [whole.take(r) if len(r) else None for r in rows]
    for i, part in ((1, parts[2]), (2, parts[1])):
        if part is not None:
            out[i] = encode(schema, part)
    return Data(name, out[0], out[1], out[2], schema, (*target.choices, *notes, *choices), tuple(bad))


def _split(
    train: Arrays, settings: Settings, *, val: float, test: float
) -> tuple[tuple[Tensor, Tensor, Tensor], list[Choice]]:
    n, none = len(train), torch.zeros(0, dtype=torch.int64)
    if not val and not test:
        return (torch.arange(n), none, none), []
    assert train.target is not None
    flat = train.target.ndim == 1 or train.target.shape[1:] == (1,)
    classes = (flat and train.target.dtype.kind in "iubU") or (flat and bool(np.isin(train.target, (0, 1)).all()))
    strata = torch.from_numpy(np.unique(train.target, return_inverse=True)[1].reshape(-1)) if classes else None
    rows = split(n, strata=strata, content=_content(train.inputs), seed=settings.seed, val=val, test=test)
    return rows, [split_choice(*(len(r) for r in rows), stratified=strata is not None)]


def _content(inputs: tuple[Tensor, ...]) -> Tensor | None:
    """Equal numbers for equal rows; None where rows repeat because few different ones are possible."""
    content = content_of(*inputs)
    counts = torch.unique(content, return_counts=True)[1]
    few = len(counts) < len(content) and (len(counts) < MIN_DISTINCT or int(counts.max()) > MAX_COPIES * len(content))
    return None if few else content


def split_choice(train: int, val: int, test: int, *, stratified: bool) -> Choice:
    """What is said about a split danlu made."""
    why = [say("data.split.asked_val" if not test else "data.split.asked_test" if not val else "data.split.asked_both")]
    if stratified:
        why.append(say("data.split.stratified"))
    return Choice("split", say("data.split", train=train, val=val, test=test), " ".join(why))


def drop_bad(part: Arrays, settings: Settings) -> tuple[Arrays, list[Bad]]:
    """The rows without a missing label or a NaN input; DL164/DL165 when on_bad is "stop", DL158 over the limit."""
    bad = [] if part.target is None else bad_labels(part.target, part.where)
    if bad and settings.on_bad != "skip":
        raise DanluError("DL164", where=bad[0].where, count=len(bad), rows=some([b.where for b in bad]))
    keep = torch.ones(len(part), dtype=torch.bool)
    for b in bad:
        keep[int(b.where.rsplit(" ", 1)[1])] = False
    for x in part.inputs:
        if x.is_floating_point() and not bool(x.sum().isfinite()) and not bool(x.isfinite().all()):
            wrong = (~x.isfinite()).reshape(len(x), -1).any(1) & keep
            named = [Bad(f"{part.where} {r}", say("data.not_finite")) for r in wrong.nonzero().flatten().tolist()]
            if named and settings.on_bad != "skip":
                raise DanluError("DL165", where=named[0].where, count=len(named), rows=some([b.where for b in named]))
            keep &= ~wrong
            bad += named
    if not bad:
        return part, bad
    check_limit(bad, len(part), settings)
    target = None if part.target is None else part.target[keep.numpy()]
    return Arrays(tuple(x[keep] for x in part.inputs), target, part.where), bad


def check_limit(bad: Sequence[Bad], total: int, settings: Settings) -> None:
    """DL158 when more samples are bad than may be skipped."""
    if len(bad) > settings.bad_limit * total:
        share = len(bad) / max(total, 1)
        raise DanluError(
            "DL158",
            where=bad[0].where,
            count=len(bad),
            total=total,
            why=bad[0].why,
            share=f"{share:.2%}",
            limit=f"{settings.bad_limit:.2%}",
            enough=f"{min(1.0, -(-share * 1000 // 1) / 1000):g}",
        )


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" (+{len(names) - most})" if len(names) > most else "")


def _layout(inputs: Sequence[Field], treatment: Treatment) -> Literal["image", "matrix", "tensor"]:
    if treatment == "untouched":
        return "tensor"
    if len(inputs) == 1 and inputs[0].kind == "image":
        return "image"
    return "matrix" if treatment == "standardise" and len(inputs) == 1 else "tensor"


def _input_fields(
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
    """Mean and std over the axes ``over``, float64; a constant column keeps the scale 1."""
    rows = x.index_select(0, train).double()
    mean, std = rows.mean(over).reshape(-1), rows.std(over, correction=0).reshape(-1)
    return tuple(mean.tolist()), tuple(torch.where(std > 0, std, torch.ones_like(std)).tolist())


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


def encode(schema: Schema, part: Arrays) -> Columns:
    """A part's rows under the training schema; DL168 when an input's shape is another."""
    names: Callable[[int], str] = _Names(part.where)
    if schema.origin == "dataset":  # a user's TensorDataset is not touched
        labels = () if part.target is None else (torch.from_numpy(part.target),)
        return Columns((*part.inputs, *labels), names=names)
    inputs = tuple(encode_input(f, x, part.where) for f, x in zip(schema.inputs, part.inputs, strict=True))
    columns = inputs
    if part.target is not None:
        columns = (*inputs, encode_target(schema.targets[0], part.target, part.where))
    return Columns(columns, prepare=prepare(schema), names=names)


@dataclass(frozen=True)
class _Names:
    """``row 17``; a class, so that it travels to worker processes."""

    where: str

    def __call__(self, row: int) -> str:
        return f"{self.where} {row}"


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
    step = max(1, (1 << 18) // max(1, x[0].numel()))
    for some_in, some_out in zip(x.split(step), out.split(step)):
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
