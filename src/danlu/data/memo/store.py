"""What is kept of every row: one column a leaf, equal shapes side by side, others one by one."""

from __future__ import annotations

import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from danlu.data.memo.leaves import Kind, Unkept, kind_of, made_again, stored


class Column:
    """A leaf of all rows. ``shape`` is that of every row, or None where they differ."""

    def __init__(self, kind: Kind, shape: tuple[int, ...] | None, dtype: Any, rows: int) -> None:
        self.kind, self.shape = kind, shape
        self.cells: Any = [None] * rows if shape is None else room((rows, *shape), dtype)

    def fits(self, cells: np.ndarray) -> bool:
        return self.shape is None or cells.shape == self.shape

    def value(self, row: int) -> Any:
        return made_again(self.cells[row], self.kind)

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self.cells if c is not None) if self.shape is None else int(self.cells.nbytes)


class Store:
    """Rows of leaves; ``known[i]`` is 1 once row ``i`` is kept, 2 for a row that is unlike the others and is not."""

    def __init__(self, rows: int, samples: Sequence[Sequence[Any]]) -> None:
        """``samples``: the leaves of a few rows, by which the columns are laid out. Raises Unkept."""
        kinds = [[kind_of(leaf) for leaf in leaves] for leaves in samples]
        self.columns: list[Column] = []
        for k, kind in enumerate(kinds[0]):
            if any(other[k] != kind for other in kinds):
                raise Unkept(f"{kind.what} and {next(o[k].what for o in kinds if o[k] != kind)}")
            cells = [stored(leaves[k], kind) for leaves in samples]
            shapes = {c.shape for c in cells}
            self.columns.append(Column(kind, cells[0].shape if len(shapes) == 1 else None, cells[0].dtype, rows))
        self.known = room((rows,), np.uint8)
        self._given_up = room((1,), np.int64)  # 1 + the row that was another one

    @property
    def given_up(self) -> int:
        """0 while the store is good."""
        return int(self._given_up[0])

    def give_up(self, row: int) -> None:
        """Nothing is read from it any more, in any process."""
        self._given_up[0] = 1 + row

    def put(self, row: int, leaves: Sequence[Any]) -> bool:
        """Keep a row; False where it is unlike the others."""
        cells = []
        for leaf, column in zip(leaves, self.columns, strict=True):
            try:
                if kind_of(leaf) != column.kind:
                    break
            except Unkept:
                break
            found = stored(leaf, column.kind)
            if not column.fits(found):
                break
            cells.append(found)
        if len(cells) < len(self.columns):
            self.known[row] = 2
            return False
        for column, found in zip(self.columns, cells):
            column.cells[row] = found if column.shape is not None else np.array(found, copy=True)
        self.known[row] = 1
        return True

    def leaves(self, row: int) -> list[Any]:
        return [column.value(row) for column in self.columns]

    @property
    def nbytes(self) -> int:
        return sum(c.nbytes for c in self.columns)


def room(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Zeros in memory that forked processes share; a page of it is taken when it is first written."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return np.frombuffer(mmap.mmap(-1, max(1, size)), dtype, math.prod(shape)).reshape(shape)


def bytes_of(leaves: Sequence[Any]) -> int:
    """What a row takes when it is kept. Raises Unkept."""
    return sum(stored(leaf, kind_of(leaf)).nbytes for leaf in leaves)
