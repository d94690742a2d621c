"""Image columns of a table as rows: decoded into memory once where they fit, else read from their files row by row."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.utils.data import Dataset

from danlu.data.columns import Columns, Prepare
from danlu.data.encode import BadRow, Cells
from danlu.data.files import LOOKED_AT, MEMORY_SHARE, file_content, gigabytes, image_shape
from danlu.data.images import decode, decode_all, read_header, threaded
from danlu.data.mixed import image_inputs
from danlu.data.prepare import byte_statistics
from danlu.data.split import content_of
from danlu.data.stored import StoredImage
from danlu.data.table import Table
from danlu.data.user import spread
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Choice, Field


@dataclass(frozen=True)
class Pictures:
    """The images of a table's rows without a fault: ``sources`` a column, and its pixels where they are in memory."""

    shape: tuple[int, ...]  # (C, H, W), the same for every column: one trunk sees them all
    sources: tuple[tuple[Any, ...], ...]  # paths, images inside the table, or Pillow images
    pixels: tuple[Tensor, ...] | None  # (N, C, H, W) uint8
    max_pixels: int


def open_pictures(
    fields: Sequence[Field], cells: Cells, table: Table, settings: Settings, shape: tuple[int, ...] | None = None
) -> tuple[Cells, Pictures | None, list[Choice]]:
    """The images of the rows that are ok so far, and the cells with the rows bad whose images cannot be read.

    ``shape``: that of training; by default it is decided by these images, see ``files.image_shape``.
    """
    names = [f.name for f in image_inputs(fields)]
    if not names or not cells.ok.any():
        return cells, None, []
    kept = np.flatnonzero(cells.ok)
    columns = [[cells.images[name][i] for i in kept.tolist()] for name in names]
    choices: list[Choice] = []
    if shape is None:
        shape, choices = image_shape(tuple(source for column in columns for source in column), settings)
    size, room = len(names) * len(kept) * math.prod(shape), int(psutil.virtual_memory().available * MEMORY_SHARE)
    if (settings.cache == "off" or size > room) and _in_files(columns):
        off = settings.cache == "off"
        why = say("data.cache.off") if off else say("data.cache.large", size=gigabytes(size), room=gigabytes(room))
        choices.append(Choice("cache", "off", why))
        wrong = _unopened(columns, shape, settings)
        pixels = None
    else:
        pixels, wrong = decode_columns(columns, shape, settings.max_pixels)
    cells = _without(cells, table, {int(kept[i]): text for i, text in wrong.items()})
    if wrong:
        good = [i for i in range(len(kept)) if i not in wrong]
        columns = [[column[i] for i in good] for column in columns]
        pixels = None if pixels is None else tuple(x[good] for x in pixels)
    return cells, Pictures(shape, tuple(map(tuple, columns)), pixels, settings.max_pixels), choices


def _in_files(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether each image can be read again whenever it is needed; one given as an object lies in memory already."""
    return all(isinstance(source, Path | StoredImage) for column in columns for source in column)


def decode_columns(
    columns: Sequence[Sequence[Any]], shape: tuple[int, ...], max_pixels: int
) -> tuple[tuple[Tensor, ...], dict[int, str]]:
    """Each column's pixels (N, C, H, W), and by row what is wrong; a file that stands in several cells is read once."""
    known: dict[Any, int] = {}
    places = [[known.setdefault(_key(source), len(known)) for source in column] for column in columns]
    by_key = {_key(source): source for column in columns for source in column}
    pixels, errors = decode_all([by_key[key] for key in known], shape, max_pixels)
    wrong: dict[int, str] = {}
    for column in places:
        for row, place in enumerate(column):
            if place in errors and row not in wrong:
                wrong[row] = told(errors[place])
    if len(known) == len(columns) * len(columns[0]):  # every cell another file: nothing is copied
        return pixels.split(len(columns[0])), wrong
    return tuple(pixels[torch.tensor(column)] for column in places), wrong


def _key(source: Any) -> Any:
    return str(source) if isinstance(source, Path) else id(source)


def told(error: DanluError) -> str:
    """An image's error as the reason why its row cannot be used."""
    return f"{error.where}: {error.what}" + (f": {error.why}" if error.why else "")


def _unopened(columns: Sequence[Sequence[Any]], shape: tuple[int, ...], settings: Settings) -> dict[int, str]:
    """Rows with files that are no images, by their headers; damage further inside is met when the row is read."""
    wrong: dict[int, str] = {}
    for column in columns:
        for row, header in enumerate(threaded(read_header, column)):
            if header is None and row not in wrong:
                try:
                    decode(column[row], shape, settings.max_pixels)
                except DanluError as error:
                    wrong[row] = told(error)
    return wrong


def _without(cells: Cells, table: Table, wrong: dict[int, str]) -> Cells:
    if not wrong:
        return cells
    ok = cells.ok.copy()
    ok[list(wrong)] = False
    bad = [*cells.bad, *(BadRow(table.name(row), text, row, "DL132") for row, text in wrong.items())]
    return replace(cells, ok=ok, bad=tuple(sorted(bad, key=lambda b: b.row)))


def content(pictures: Pictures) -> Tensor:
    """Equal numbers (N,) for rows of equal images, the same whether they are in memory or not."""
    if _in_files(pictures.sources):
        flat = file_content([source for column in pictures.sources for source in column])
        return content_of(*flat.split(len(pictures.sources[0])))
    assert pictures.pixels is not None  # images given as objects are always decoded
    return content_of(*pictures.pixels)


def with_statistics(fields: Sequence[Field], pictures: Pictures, train: Tensor) -> tuple[Field, ...]:
    """The image fields with their shape, and with mean and std of up to ``LOOKED_AT`` training rows, for all the same.

    ``train``: the training rows among the pictures' rows.
    """
    rows = train[spread(len(train), LOOKED_AT)]
    if pictures.pixels is not None:
        seen = torch.cat([x.index_select(0, rows) for x in pictures.pixels])
    else:
        some = [[column[i] for i in rows.tolist()] for column in pictures.sources]
        decoded, wrong = decode_columns(some, pictures.shape, pictures.max_pixels)
        good = [i for i in range(len(rows)) if i not in wrong]
        seen = torch.cat([x[good] for x in decoded])
    mean, std = byte_statistics(seen, torch.arange(len(seen)))
    names = {f.name for f in image_inputs(fields)}
    return tuple(replace(f, shape=pictures.shape, mean=mean, std=std) if f.name in names else f for f in fields)


def rows_of_pictures(pictures: Pictures, rest: Columns, prepare: Prepare) -> Columns | PictureRows:
    """Rows whose stored tensors are each image's bytes, then those of ``rest``."""
    if pictures.pixels is not None:
        return Columns((*pictures.pixels, *rest.tensors), None, prepare, rest.names, rest.exact, rest.aside, rest.heads)
    return PictureRows(pictures, rest, prepare)


class PictureRows(Dataset[tuple[Any, ...]]):
    """Rows whose images stay in their files; sample ``i`` is as in a batch. ``rest`` holds the other columns."""

    def __init__(self, pictures: Pictures, rest: Columns, prepare: Prepare) -> None:
        self.pictures, self.rest, self.prepare = pictures, rest, prepare

    @property
    def targets(self) -> Tensor:
        """Each row's target."""
        return self.rest.column(-1)

    def labels(self) -> Any:
        """All targets, (N, …) arrays; of several heads by name."""
        of = self.rest.heads
        return {h: self.rest.column(i - len(of)).numpy() for i, h in enumerate(of)} if of else self.targets.numpy()

    @property
    def aside(self) -> Mapping[str, Any]:
        """Cells that a test is sliced by; their rows are counted by ``index``."""
        return self.rest.aside

    @property
    def index(self) -> Tensor | None:
        return self.rest.index

    def __len__(self) -> int:
        return len(self.rest)

    def stored(self, i: int) -> tuple[Tensor, ...]:
        """Row ``i`` as it would lie in memory: (1, C, H, W) bytes for each image, then the other columns."""
        row = i if self.rest.index is None else int(self.rest.index[i])
        pixels = []
        for column in self.pictures.sources:
            where = f"{self.name(i)}: {column[row]}"
            made = decode(column[row], self.pictures.shape, self.pictures.max_pixels, where)
            pixels.append(torch.from_numpy(made.copy()[None]))
        return (*pixels, *(t[row : row + 1] for t in self.rest.tensors))

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        return tuple(self.rest.packed([part[0] for part in self.prepare(self.stored(i % len(self)))]))

    def take(self, rows: Tensor) -> PictureRows:
        return PictureRows(self.pictures, self.rest.take(rows), self.prepare)

    def with_prepare(self, prepare: Prepare) -> PictureRows:
        """The same rows, made to batches in another way."""
        other = copy.copy(self)
        other.prepare = prepare
        return other

    def name(self, i: int) -> str:
        return self.rest.name(i)
