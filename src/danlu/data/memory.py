"""Batches of rows held in memory: several gathered at once, then split without copying."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from danlu.data.columns import Columns
from danlu.data.sampling import Task

CHUNK_BYTES = 1 << 20  # what one kept batch may hold on to; stays in the second-level cache
CHUNK_BATCHES = 512  # splitting so many takes about a millisecond: the longest pause between two batches


After = Callable[[tuple[Any, ...], Tensor], tuple[Any, ...]]  # (rows of a batch, their positions) → the batch


@dataclass
class Place:
    """Where a pass over the data stands: ``consumed`` samples of ``epoch`` have been handed out."""

    epoch: int = 0
    consumed: int = 0


def columns_of(dataset: Any) -> Columns | None:
    """The dataset as Columns giving the very same samples, or None when only its own code can tell them."""
    if type(dataset) is Columns:
        return dataset
    if type(dataset) is TensorDataset and dataset.tensors and all(map(_plain, dataset.tensors)):
        return Columns(dataset.tensors)
    if type(dataset) is Subset:
        inner = columns_of(dataset.dataset)
        rows = _rows(dataset.indices, len(inner)) if inner is not None else None
        if inner is not None and rows is not None:
            return inner.take(rows.to(inner.tensors[0].device if inner.index is None else inner.index.device))
    return None


def _plain(t: Tensor) -> bool:
    return type(t) is Tensor and t.layout is torch.strided and not t.is_quantized and not t.requires_grad


def _rows(indices: Any, n: int) -> Tensor | None:
    """Row numbers as int64 ``(B,)`` with negative ones counted from the end; None if they are something else."""
    try:
        numbers = indices if isinstance(indices, Tensor) else [i.__index__() for i in indices]
        rows = torch.as_tensor(numbers, device=None if isinstance(indices, Tensor) else "cpu")
    except (AttributeError, TypeError, ValueError):
        return None
    if rows.dtype is torch.bool or rows.is_floating_point() or rows.ndim != 1:
        return None if rows.numel() else torch.empty(0, dtype=torch.int64)
    rows = rows.to(torch.int64)
    if len(rows) and (int(rows.min()) < -n or int(rows.max()) >= n):
        return None
    return torch.where(rows < 0, rows + n, rows)


def batches(
    columns: Columns,
    order: Tensor | None,
    size: int,
    stop: int,
    place: Place,
    *,
    pin: bool = False,
    after: After | None = None,
) -> Iterator[list[Any]]:
    """Batches of ``size`` rows in ``order`` (None: as they lie), from ``place`` on to position ``stop``.

    ``after`` is done to gathered rows, of several batches at once, before they are split.

    A chunk starts at one batch and doubles, so the first batch comes at once. Batches of a chunk share memory but
    no elements, and ``unsafe_split`` gives each its own version counter: changing one in place is safe.
    """
    device = columns.tensors[0].device if columns.index is None else columns.index.device
    if order is not None:
        order = order.to(device)
    start, chunk = place.consumed, size
    while start < stop:
        end = min(start + chunk, stop)
        with torch.inference_mode(False):  # a chunk may outlive the caller's inference block
            rows = torch.arange(start, end, device=device) if order is None else order[start:end]
            parts = columns.gather(rows)
            if after is not None:
                parts = after(parts, torch.arange(start, end))
            if pin:
                parts = tuple(p.pin_memory() for p in parts)
            split = [torch.unsafe_split(p, size) for p in parts] if end - start > size else [(p,) for p in parts]
        limit = _limit(parts, end - start, size)
        for batch in zip(*split):
            place.consumed = min(place.consumed + size, stop)
            yield columns.packed(batch)
        start, chunk = end, min(2 * chunk, limit)


def picked(
    columns: Columns, tasks: Iterator[Task], place: Place, *, pin: bool = False, after: After | None = None
) -> Iterator[list[Any]]:
    """Batches of the rows a user's sampler names, each gathered when it is due."""
    device = columns.tensors[0].device if columns.index is None else columns.index.device
    for task in tasks:
        rows = _rows(task.indices, len(columns))
        if rows is None:
            raise IndexError(f"a sampler of {len(columns)} rows gave {task.indices}")
        with torch.inference_mode(False):
            parts = columns.gather(rows.to(device))
            if after is not None:
                parts = after(parts, torch.arange(place.consumed, place.consumed + len(rows)))
        place.consumed += len(rows)
        yield columns.packed([p.pin_memory() for p in parts] if pin else parts)


def _limit(parts: tuple[Tensor, ...], rows: int, size: int) -> int:
    """Rows of the largest chunk, a whole number of batches."""
    row_bytes = max(1, sum(p.nbytes for p in parts) // rows)
    return size * max(1, min(CHUNK_BATCHES, CHUNK_BYTES // (row_bytes * size)))
