"""Rows held in memory as equally long tensors, gathered a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from danlu.types import Bad, Choice, Schema


def most_bad(total: int, limit: float) -> int:
    """How many of ``total`` samples may be left out under ``bad_limit``: its share, and one in any case but 0."""
    return math.ceil(limit * total - 1e-9)  # 0.07 * 100 is a little more than 7


def skip_flags(bad: int, total: int, limit: float) -> str:
    """The flags that leave out ``bad`` of ``total`` samples, the share too where ``limit`` does not allow for them."""
    enough = min(1.0, -(-bad * 1000 // max(1, total)) / 1000)
    return "--on-bad skip" + (f" --bad-limit {enough:g}" if enough > limit else "")


Prepare = Callable[[tuple[Tensor, ...]], tuple[Any, ...]]


class Columns(Dataset[tuple[Any, ...]]):
    """Equally long tensors; row ``i`` of each is sample ``i``.

    ``index`` picks and orders rows without copying them. ``prepare`` turns the gathered rows of all
    tensors into a batch; it works row by row, so that any grouping of rows gives the same values.
    ``names`` tells a row's place in the user's data ("photos/cat/3.jpg", "adult.csv row 17").
    ``exact``: the target numbers as the user has them, float64 ``(N, T)``; the stored ones are rounded.
    ``aside``: cells that a test is sliced by, a column (N,) by name.
    ``heads``: the names of the last tensors, where several targets are answered each by a head of its own; a batch
    has them as one dict at its end.
    """

    def __init__(
        self,
        tensors: tuple[Tensor, ...],
        index: Tensor | None = None,
        prepare: Prepare | None = None,
        names: Callable[[int], str] | None = None,
        exact: Tensor | None = None,
        aside: Mapping[str, Any] | None = None,
        heads: tuple[str, ...] = (),
    ) -> None:
        self.tensors, self.index, self.prepare, self.names = tensors, index, prepare, names
        self.exact, self.aside, self.heads = exact, aside or {}, heads

    def __len__(self) -> int:
        return len(self.tensors[0]) if self.index is None else len(self.index)

    def gather(self, rows: Tensor) -> tuple[Any, ...]:
        """The parts of the batch of ``rows`` (int64, shape ``(B,)``), in that order; ``packed`` makes the batch."""
        if self.index is not None:
            rows = self.index.index_select(0, rows)
        raw = tuple(t.index_select(0, rows) for t in self.tensors)
        return raw if self.prepare is None else self.prepare(raw)

    def packed(self, parts: Sequence[Any]) -> list[Any]:
        """Gathered parts as a batch: the targets of several heads go into one dict."""
        if not self.heads:
            return list(parts)
        first = len(parts) - len(self.heads)
        return [*parts[:first], dict(zip(self.heads, parts[first:]))]

    @property
    def inputs(self) -> int:
        """How many of the tensors are inputs, where all rows have a target."""
        return len(self.tensors) - max(1, len(self.heads))

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        size = len(self)
        if not -size <= i < size:
            raise IndexError(i)
        return tuple(self.packed([part[0] for part in self.gather(torch.tensor([i % size]))]))

    def take(self, rows: Tensor) -> Columns:
        """The rows ``rows`` as Columns of their own; nothing is copied."""
        index = rows if self.index is None else self.index.index_select(0, rows)
        return Columns(self.tensors, index, self.prepare, self.names, self.exact, self.aside, self.heads)

    def column(self, i: int) -> Tensor:
        """All rows of the ``i``-th tensor as stored, before ``prepare``."""
        return self.tensors[i] if self.index is None else self.tensors[i].index_select(0, self.index)

    def truth(self, rows: Tensor) -> Tensor | None:
        """``exact`` of the rows ``rows``."""
        at = rows if self.index is None else self.index.index_select(0, rows)
        return None if self.exact is None else self.exact.index_select(0, at)

    def name(self, i: int) -> str:
        row = i if self.index is None else int(self.index[i])
        return self.names(row) if self.names else f"row {row}"


@dataclass(frozen=True)
class Data:
    """What the data room hands over: the parts, what a sample is, and what was decided on the way."""

    name: str  # for the run folder
    train: Any  # Columns, or the user's own map-style or iterable dataset
    val: Any | None
    test: Any | None
    schema: Schema
    choices: tuple[Choice, ...] = ()
    bad: tuple[Bad, ...] = ()
    loader: dict[str, Any] = field(default_factory=dict)  # arguments the user's training DataLoader brought along
    held_out: dict[str, dict[str, Any]] = field(default_factory=dict)  # the same of his "val" and "test" DataLoaders
    labels: dict[str, Any] = field(
        default_factory=dict
    )  # part -> the labels its dataset carries, (N,), or a dict by head
    path: str | None = None  # None when made from Python objects: such a run resumes from its script
    table: Any = None  # the Table the rows were made from, with all its cells, for those who look; training drops it

    def targets(self, part: str, head: str = "") -> Tensor | None:
        """All targets of a part as batches have them, (N, …): held in memory, or carried by its dataset as numbers.

        Of several heads those of one; None where the rows of a user's dataset would have to be read for them.
        """
        rows, known = getattr(self, part), self.labels.get(part)
        if head:
            if isinstance(known, dict):  # of images that stay in their files
                return torch.as_tensor(known[head]) if head in known else None
            of = rows.heads if isinstance(rows, Columns) else ()
            return rows.column(of.index(head) - len(of)) if head in of else None
        if isinstance(rows, Columns):
            return rows.column(-1)
        numbers = known is not None and not isinstance(known, dict) and known.dtype.kind in "iufb"
        return torch.as_tensor(known) if numbers else None
