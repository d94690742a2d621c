"""Training, validation and test rows: stratified, seeded, identical content on one side."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from danlu.errors import DanluError

VAL_SHARE = TEST_SHARE = 0.15  # of danlu's own sources without a split
DATASET_VAL_SHARE = 0.10  # of a user's Dataset without val=

_HASHED_AT_ONCE = 1 << 20  # bytes, so that the passes of one block stay in cache


def split(
    n: int, *, strata: Tensor | None, content: Tensor | None, seed: int, val: float, test: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Row numbers of (train, val, test), each ascending; ``val`` and ``test`` are shares of ``n``.

    ``strata`` (N,) int64 gives each row's class: every class is divided in the same shares. ``content`` (N,) int64
    gives equal numbers to rows of equal content: such rows stay together, so a test row is never a copy of a
    training row. Every stratum leaves at least one row in train. DL166 when a part asked for would stay empty.
    """
    groups, sizes, order = _groups(n, strata, content, seed)
    _, bounds, stratum = np.unique(order, return_index=True, return_inverse=True)
    counts = np.add.reduceat(sizes, bounds) if n else sizes
    take_test, take_val = _quotas(counts, test, val)
    reached = sizes.cumsum()
    end = reached - (reached - sizes)[bounds][stratum]  # rows of its stratum up to and with this group
    part = np.where(end <= take_test[stratum], 2, np.where(end <= (take_test + take_val)[stratum], 1, 0))
    of_row = part[groups]
    parts = tuple(torch.from_numpy(np.flatnonzero(of_row == p)) for p in range(3))
    if not len(parts[0]) or (val and not len(parts[1])) or (test and not len(parts[2])):
        raise DanluError("DL166", rows=n)
    return parts[0], parts[1], parts[2]


def _numbered(values: Tensor) -> np.ndarray:
    """0, 1, … for each different value, ascending."""
    return np.unique(values.numpy(), return_inverse=True)[1].reshape(-1)


def _groups(
    n: int, strata: Tensor | None, content: Tensor | None, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each row's group; each group's size and stratum. Groups come in random order within ascending strata.

    By numpy, which does not stall on a busy machine as torch's threads do.
    """
    kind = np.zeros(n, dtype=np.int64) if strata is None else _numbered(strata)
    group = np.arange(n) if content is None else _by_first_row(content)
    many = int(group.max()) + 1 if n else 0
    size = np.bincount(group, minlength=many)
    of_group = np.full(many, n)
    np.minimum.at(of_group, group, kind)  # copies may disagree
    shuffled = torch.randperm(many, generator=torch.Generator().manual_seed(seed)).numpy()
    order = shuffled[np.argsort(of_group[shuffled], kind="stable")]
    place = np.empty_like(order)
    place[order] = np.arange(many)
    return place[group], size[order], of_group[order]


def _by_first_row(content: Tensor) -> np.ndarray:
    """Groups numbered in the order of their first rows: without copies, the split is the same for any content."""
    _, first, group = np.unique(content.numpy(), return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[first.argsort()] = np.arange(len(first))
    return rank[group.reshape(-1)]


def _quotas(counts: np.ndarray, test: float, val: float) -> tuple[np.ndarray, np.ndarray]:
    """Rows of each stratum for test and val: shares rounded so that their running totals stay right."""
    total = counts.cumsum()
    for_test = np.diff(np.floor(total * test + 0.5).astype(np.int64), prepend=0)
    for_val = np.diff(np.floor(total * val + 0.5).astype(np.int64), prepend=0)
    for_test = np.minimum(for_test, counts - 1)
    return for_test, np.minimum(for_val, counts - 1 - for_test)


def content_of(*tensors: Tensor) -> Tensor:
    """A 64-bit number for each row (N,) int64: equal rows get equal numbers; others differ but for chance 2^-64."""
    out = np.zeros(len(tensors[0]), dtype=np.uint64)
    for k, tensor in enumerate(tensors):
        rows = tensor.reshape(len(tensor), -1).contiguous()
        out = _mix(out + np.uint64(k + 1)) + _hash_rows(rows.view(torch.uint8).numpy())
    return torch.from_numpy(out.view(np.int64))


def _hash_rows(rows: np.ndarray) -> np.ndarray:
    """Sum of each row's mixed 8-byte words, every word mixed with its place. ``rows``: (N, bytes) uint8."""
    n, width = rows.shape
    words = -(-width // 8)
    place = (np.arange(1, words + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    out = np.empty(n, dtype=np.uint64)
    step = max(1, _HASHED_AT_ONCE // max(1, words * 8))
    padded = np.zeros((min(step, n), words * 8), dtype=np.uint8)
    for i in range(0, n, step):
        block = rows[i : i + step]
        padded[: len(block), :width] = block
        out[i : i + step] = _mix(padded[: len(block)].view(np.uint64) + place).sum(axis=1, dtype=np.uint64)
    return out


def _mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output bit."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)))
