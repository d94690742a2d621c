"""A torchvision Compose read step by step: the steps that only move pixels, and those that only change their values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from danlu.data.memo.leaves import Kind, made_again, raw

LEVELS, FILL = 256, 256  # values of a byte; the column of a table that pixels outside the picture get


@dataclass(frozen=True)
class Crop:
    """RandomCrop, after ``pad`` = (left, top, right, bottom). ``both``: it draws two numbers if it draws one (v1)."""

    height: int
    width: int
    pad: tuple[int, int, int, int]
    fill: Any
    both: bool


@dataclass(frozen=True)
class Flip:
    """RandomVerticalFlip (axis 0) or RandomHorizontalFlip (axis 1)."""

    p: float
    axis: int


Move = Crop | Flip


def steps_of(what: Any) -> list[Callable[[Any], Any]]:
    """The steps of a Compose or Sequential, those inside others too; anything else is one step."""
    named = _name(what)
    if named == "Compose":
        return [s for step in what.transforms for s in steps_of(step)]
    if type(what) is nn.Sequential:
        return [s for step in what for s in steps_of(step)]
    return [what]


def after(steps: Sequence[Callable[[Any], Any]], value: Any) -> Any:
    for step in steps:
        value = step(value)
    return value


def _name(step: Any) -> str:
    """The name of a class of torchvision's transforms itself, not of one derived from it."""
    kind = type(step)
    return kind.__name__ if kind.__module__.startswith("torchvision.transforms.") else ""


def move_of(step: Any) -> Move | None:
    """What a step of torchvision does where it only moves pixels; None for all else."""
    name, second = _name(step), ".v2." in type(step).__module__
    if name == "RandomHorizontalFlip":
        return Flip(float(step.p), 1)
    if name == "RandomVerticalFlip":
        return Flip(float(step.p), 0)
    if name != "RandomCrop" or step.pad_if_needed or step.padding_mode != "constant":
        return None
    height, width = step.size
    pad = step.padding
    if pad is None:
        edges = (0, 0, 0, 0)
    elif second:
        left, right, top, bottom = pad
        edges = (left, top, right, bottom)
    else:
        four = [pad] * 4 if isinstance(pad, int) else list(pad) * (4 // len(pad))
        edges = (four[0], four[1], four[2], four[3])
    return Crop(int(height), int(width), edges, step.fill, both=not second)


@dataclass(frozen=True)
class Tail:
    """The last steps of a transform as two things: moves of pixels, and a table from a byte to what becomes of it.

    ``table`` is (C, 257): for every channel the values of 0 to 255 and of what is filled in outside the picture.
    """

    moves: tuple[Move, ...]
    table: np.ndarray
    bfloat: bool = False

    def side(self, height: int, width: int) -> tuple[int, int]:
        """The size of what comes out."""
        for move in self.moves:
            if isinstance(move, Crop):
                height, width = move.height, move.width
        return height, width

    def draws(self, height: int, width: int) -> int:
        """How many numbers of torch's generator one picture takes."""
        count = 0
        for move in self.moves:
            if isinstance(move, Flip):
                count += 1
                continue
            high, wide = _padded(move, height, width)
            vertical, across = high > move.height, wide > move.width
            count += 2 * (vertical or across) if move.both else vertical + across
            height, width = move.height, move.width
        return count

    def places(self, height: int, width: int, words: np.ndarray) -> np.ndarray:
        """Where each picture's pixels come from: int32 (B, 4) with y = a · row + b in its first two, then x."""
        out = np.zeros((len(words), 4), np.int32)
        out[:, 0] = out[:, 2] = 1
        at = 0
        for move in self.moves:
            if isinstance(move, Flip):
                turned = (words[:, at] & np.uint32(0xFFFFFF)).astype(np.float32) * np.float32(2**-24) < np.float32(
                    move.p
                )
                at += 1
                k, side = (0, height) if move.axis == 0 else (2, width)
                out[turned, k + 1] += out[turned, k] * (side - 1)
                out[turned, k] *= -1
                continue
            high, wide = _padded(move, height, width)
            out[:, 1] -= out[:, 0] * move.pad[1]
            out[:, 3] -= out[:, 2] * move.pad[0]
            for k, room, other in (
                (0, high - move.height, wide - move.width),
                (2, wide - move.width, high - move.height),
            ):
                if room > 0 or (move.both and other > 0):
                    out[:, k + 1] += out[:, k] * (words[:, at] % np.uint32(room + 1)).astype(np.int32)
                    at += 1
            height, width = move.height, move.width
        return out


def _padded(move: Crop, height: int, width: int) -> tuple[int, int]:
    left, top, right, bottom = move.pad
    return height + top + bottom, width + left + right


def tail_of(steps: Sequence[Any], kind: Kind, shape: Sequence[int]) -> Tail | None:
    """The steps as a Tail for pictures of ``kind`` and ``shape`` (C, H, W); None where they are something else.

    Steps that are no moves are run on a picture of all 256 values, and on others: where what becomes of a value depends
    on its neighbours, its place or the picture's range, they are no table. The proof then compares whole samples.
    """
    moves = [move_of(step) for step in steps]
    crops = [m for m in moves if isinstance(m, Crop)]
    if sum(any(c.pad) for c in crops) > 1 or (crops and any(any(c.pad) for c in crops[1:])):
        return None  # what a second padding fills in depends on where the first crop was
    height, width = int(shape[1]), int(shape[2])
    for c in crops:
        if min(*(a - b for a, b in zip(_padded(c, height, width), (c.height, c.width)))) < 0:
            return None
        height, width = c.height, c.width
    channels = int(shape[0])
    levels = np.broadcast_to(np.arange(LEVELS, dtype=np.uint8).reshape(1, 16, 16), (channels, 16, 16))
    value, filled = made_again(levels, kind), None
    for step, move in zip(steps, moves):
        if isinstance(move, Crop) and any(move.pad):
            filled = _full(value, move.fill)
        elif move is None:
            value = step(value)
            filled = None if filled is None else step(filled)
    found = _values(value, channels)
    outside = (
        np.zeros((channels, 1), found.dtype) if filled is None and found is not None else _values(filled, channels)
    )
    if found is None or outside is None:
        return None
    if not all(_by_value(steps, moves, cells, kind, found) for cells in _pictures(channels)):
        return None
    table = np.ascontiguousarray(np.concatenate([found, outside[:, :1]], 1))
    return Tail(tuple(m for m in moves if m is not None), table, bfloat=value.dtype is torch.bfloat16)


def _pictures(channels: int) -> Iterator[np.ndarray]:
    """Pictures of other values, orders and ranges than the one that a table is read from: (C, 16, 16) each."""
    draw = np.random.default_rng(0)
    for low, high in ((0, 256), (0, 128), (100, 111), (128, 256)):
        yield draw.integers(low, high, (channels, 16, 16), dtype=np.uint8)
    for value in (0, 7, 255):
        yield np.full((channels, 16, 16), value, np.uint8)


def _by_value(
    steps: Sequence[Any], moves: Sequence[Move | None], cells: np.ndarray, kind: Kind, table: np.ndarray
) -> bool:
    """Whether the steps that are no moves make of a picture what the table (C, 256) says, bit for bit."""
    value = after([step for step, move in zip(steps, moves) if move is None], made_again(cells, kind))
    made = _values(value, len(cells))
    expected = np.stack([of[c.reshape(-1)] for of, c in zip(table, cells)])
    return made is not None and made.dtype == expected.dtype and made.tobytes() == expected.tobytes()


def _full(value: Any, fill: Any) -> Any:
    if isinstance(value, Image.Image):
        return Image.new(value.mode, value.size, fill if not isinstance(fill, list) else tuple(fill))
    return torch.full_like(value, fill)


def _values(value: Any, channels: int) -> np.ndarray | None:
    """(C, 256) of a picture of 16 × 16; None where it has another shape or is no tensor."""
    if not isinstance(value, Tensor) or tuple(value.shape) != (channels, 16, 16) or value.requires_grad:
        return None
    return raw(value.as_subclass(Tensor)).reshape(channels, LEVELS)
