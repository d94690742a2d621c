"""Samples kept: what is the same every time in a store, the rest made from it anew, a sample or a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.data.memo.cut import Call, Log, Marker, Touched, Unlike, finished, place_of
from danlu.data.memo.kernels import KERNELS
from danlu.data.memo.leaves import Node, collated, collates_alike, column_of, put_together, taken_apart
from danlu.data.memo.steps import Tail
from danlu.data.memo.store import Column, Store


@dataclass(frozen=True)
class Layout:
    """How a row's leaves make a sample: ``node`` is of (sample, the calls' arguments); some leaves are of calls."""

    node: Node
    marks: tuple[tuple[int, tuple[int, int]], ...]  # leaf -> (call, part of its answer)
    kept: tuple[int, ...]  # the other leaves: the store's columns
    calls: tuple[Any, ...]  # what is called
    answers: tuple[Node, ...]


@dataclass(frozen=True)
class Cut:
    """A dataset's twin whose random calls are only noted, in ``log``."""

    twin: Any
    log: Log

    def row(self, i: int) -> tuple[Layout, list[Any]]:
        """Sample ``i`` without its random calls: how it is laid out, and the leaves to keep."""
        self.log.calls = []
        value = self.twin[i]
        calls = self.log.calls
        node, leaves = taken_apart((value, [(c.args, c.kwargs) for c in calls]), also=Marker)
        marks = tuple((k, place_of(leaf)) for k, leaf in enumerate(leaves) if type(leaf) is Marker)
        kept = tuple(k for k, leaf in enumerate(leaves) if type(leaf) is not Marker)
        layout = Layout(node, marks, kept, tuple(c.what for c in calls), tuple(c.answer for c in calls))
        return layout, [leaves[k] for k in kept]


class Memo:
    """The kept samples of one dataset. ``tails``: each call as a move and a table, where all are such; else ()."""

    def __init__(self, cut: Cut, layout: Layout, store: Store, drawn: tuple[str, ...], proven: int) -> None:
        self.cut, self.layout, self.store, self.drawn = cut, layout, store, drawn
        self.proven = proven  # rows it was proven on
        self.tails: tuple[Tail, ...] = ()
        self.whole = False  # whether batches are made in one piece
        self._of_call = {call: leaf for leaf, (call, _) in layout.marks}

    @property
    def full(self) -> bool:
        return bool((self.store.known == 1).all())

    def fill(self, i: int) -> None:
        """Keep row ``i``; one that is made otherwise than the others, or fails, is noted as not kept."""
        try:
            layout, leaves = self.cut.row(i)
        except (Exception, Touched):  # the plain way tells what is wrong, if anything is
            self.store.known[i] = 2
            return
        if layout == self.layout:
            self.store.put(i, leaves)
        else:
            self.store.known[i] = 2

    def sample(self, i: int) -> Any:
        """Sample ``i`` of a kept row; its random calls draw from the generators as they are now."""
        layout = self.layout
        leaves: list[Any] = [None] * (len(layout.kept) + len(layout.marks))
        for k, value in zip(layout.kept, self.store.leaves(i)):
            leaves[k] = value
        for k, (call, part) in layout.marks:
            leaves[k] = Marker(call, part)
        value, arguments = put_together(layout.node, leaves)
        if not layout.calls:
            return value
        given = zip(layout.calls, arguments, layout.answers, strict=True)
        return finished(value, [Call(what, args, kwargs, answer) for what, (args, kwargs), answer in given])

    # ---- a batch in one piece

    def compile(self, tails: Sequence[Tail]) -> bool:
        """Whether batches can be made in one piece, with ``tails`` in the calls' place."""
        layout = self.layout
        sources = [self._source(k) for k in range(len(layout.calls))]
        single = all(answer.kind == "leaf" for answer in layout.answers)
        if len(tails) != len(layout.calls) or not single or any(s is None for s in sources):
            return False
        if not collates_alike(layout.node.parts[0]):
            return False
        self.tails, self.whole = tuple(tails), True
        for tail in tails:
            KERNELS.warm(tail.table.dtype)
        return True

    def _source(self, call: int) -> Column | None:
        """The column of bytes that a call gets as its only argument."""
        args, kwargs = self.layout.node.parts[1].parts[call].parts
        if len(args.parts) != 1 or args.parts[0].kind != "leaf" or kwargs.parts:
            return None
        leaf = args.parts[0].leaf
        if leaf not in self.layout.kept:
            return None
        column = self.store.columns[self.layout.kept.index(leaf)]
        return (
            column if column.shape is not None and len(column.shape) == 3 and column.cells.dtype == np.uint8 else None
        )

    @property
    def draws(self) -> int:
        """Numbers of torch's generator that a sample takes, where batches are made in one piece."""
        found = 0
        for k, tail in enumerate(self.tails):
            source = self._source(k)
            assert source is not None and source.shape is not None
            found += tail.draws(*source.shape[1:])
        return found

    def batch(self, rows: np.ndarray, words: np.ndarray | None) -> Any:
        """The batch of kept rows (B,); ``words`` (B, draws) are what torch's generator would give each of them."""
        made: dict[int, Tensor] = {}
        at = 0
        for k, tail in enumerate(self.tails):
            source = self._source(k)
            assert source is not None and source.shape is not None
            count = tail.draws(*source.shape[1:])
            mine = words[:, at : at + count] if words is not None else np.zeros((len(rows), 0), np.uint32)
            at += count
            made[self._of_call[k]] = _looked_up(source, tail, rows, mine)
        columns = dict(zip(self.layout.kept, self.store.columns))

        def column(leaf: int) -> Any:
            return made[leaf] if leaf in made else _gathered(columns[leaf], rows)

        return collated(self.layout.node.parts[0], column)


def _looked_up(source: Column, tail: Tail, rows: np.ndarray, words: np.ndarray) -> Tensor:
    assert source.shape is not None
    channels, height, width = source.shape
    out = np.empty((len(rows), channels, *tail.side(height, width)), tail.table.dtype)
    KERNELS.moved(source.cells, rows, tail.places(height, width, words), tail.table, out)
    found = torch.from_numpy(out)
    return found.view(torch.bfloat16) if tail.bfloat else found


_NUMBERS = {"int": torch.int64, "float": torch.float64, "bool": torch.bool}


def _gathered(column: Column, rows: np.ndarray) -> Any:
    kind = column.kind
    if column.shape is not None and kind.what in ("tensor", "array", *_NUMBERS):
        found = torch.from_numpy(column.cells.take(rows, 0))
        return found.view(torch.bfloat16) if kind.dtype is torch.bfloat16 else found
    return column_of([column.value(int(i)) for i in rows])


__all__ = ["Cut", "Layout", "Memo", "Unlike"]
