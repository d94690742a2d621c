"""Batches of tables with images: which tensors a model gets, in which order, and how they are made of stored rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from danlu.data.columns import Prepare
from danlu.data.encode import fill_missing, flagged_numbers
from danlu.errors import DanluError, did_you_mean
from danlu.types import Field, Schema

BLOCKS = ("numbers", "categories")
Asks = Sequence[tuple[str, bool]]  # the parameters of a model's forward: name, and whether it must be given


def image_inputs(fields: Sequence[Field]) -> list[Field]:
    """The inputs that are images of files: columns of one size, stored as bytes."""
    return [f for f in fields if f.role == "input" and f.kind == "image"]


def parts_for(fields: Sequence[Field], asks: Asks, path: str) -> tuple[str, ...]:
    """The names of what the model gets, in order: every image, then numbers and categories where there are any.

    A model whose ``forward`` names columns, ``numbers``, ``categories``, or ``image``, ``image2``, … for the images in
    the table's order gets what it names. DL134 for one that asks for something else, or for another number of things.
    """
    known = _known(fields)
    every = [f.name if f.name not in BLOCKS else f"image{i + 1}" for i, f in enumerate(image_inputs(fields))]
    every += [b for b, kind in zip(BLOCKS, ("number", "category")) if _of(fields, kind)]
    named = [name for name, _ in asks if name in known]
    if not named:
        least = sum(required for _, required in asks)
        if asks and not least <= len(every) <= len(asks):
            raise _unfit(fields, asks, path)
        return tuple(every)
    while asks and asks[-1][0] not in known and not asks[-1][1]:
        asks = asks[:-1]
    if len(named) < len(asks):
        raise _unfit(fields, asks, path)
    return tuple(named)


def _known(fields: Sequence[Field]) -> dict[str, tuple[str, int]]:
    """Every name that a model may ask by: ("image" | "block" | "number" | "category", which of them)."""
    known: dict[str, tuple[str, int]] = {}
    for kind in ("number", "category"):
        known |= {f.name: (kind, i) for i, f in enumerate(_of(fields, kind))}
    images = image_inputs(fields)
    known |= {f.name: ("image", i) for i, f in enumerate(images)}
    for i in range(len(images)):
        known.setdefault(f"image{i + 1}", ("image", i))
    known.setdefault("image", ("image", 0))
    return known | {b: ("block", i) for i, b in enumerate(BLOCKS)}


def meaning(schema: Schema) -> list[tuple[str, int]]:
    """What each part of a batch is: ("image" | "block" | "number" | "category", which of the table's)."""
    known = _known(schema.inputs)
    return [known[name] for name in schema.parts]


def _of(fields: Sequence[Field], kind: str) -> list[Field]:
    return [f for f in fields if f.role == "input" and f.kind == kind]


def _unfit(fields: Sequence[Field], asks: Asks, path: str) -> DanluError:
    known = _known(fields)
    every = parts_for(fields, (), path)
    wrong = next((name for name, _ in asks if name not in known), asks[0][0])
    forward = ", ".join(["self", *(name for name, _ in asks)])
    line = ", ".join(["self", *(f"image{i + 1}" if i else "image" for i in range(len(image_inputs(fields))))])
    line += "".join(f", {b}" for b in BLOCKS if b in every)
    near = did_you_mean(wrong, known)
    return DanluError("DL134", where=path, forward=forward, given=", ".join(every), near=near, line=line)


Scales = tuple[tuple[Tensor, Tensor], ...]


def prepare_mixed(schema: Schema, scales: Scales) -> Prepare:
    """The function from stored rows to a batch: (parts in order …[, target]). ``scales``: factor and shift an image.

    Stored are an image column's bytes (B, C, H, W) for each, numbers (B, n) with NaN, codes (B, m)[, target]. Images
    become ``(x / 255 - mean) / std``; ``numbers`` is (B, n + flags); a single number (B,), a single category (B,).
    """
    return partial(_batch, scales, flagged_numbers(schema), tuple(meaning(schema)))


def _batch(
    scales: Scales,
    flagged: Tensor,
    wanted: tuple[tuple[str, int], ...],
    raw: tuple[Tensor, ...],
) -> tuple[Any, ...]:
    images, (numbers, codes, *target) = raw[: len(scales)], raw[len(scales) :]
    filled = fill_missing(flagged, numbers)
    out: list[Tensor] = []
    for kind, i in wanted:
        if kind == "image":
            factor, shift = scales[i]
            out.append(images[i].float().mul_(factor).add_(shift))
        elif kind == "block":
            out.append(codes if i else filled)
        else:
            out.append((filled if kind == "number" else codes)[:, i].contiguous())
    return (*out, *target)
