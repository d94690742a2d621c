"""Reads tasks from kept samples: rows not yet kept are made and kept on the way, the others cost a look-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from danlu.data import draws
from danlu.data.memo.keep import Memo
from danlu.data.memo.kernels import KERNELS
from danlu.data.order import COLLATE, sample_seed, sample_seeds
from danlu.data.sampling import Task
from danlu.data.seeded import Fetched, Reader

WORDS = 2048  # positions whose draws are worked out together


class MemoReader(Reader):
    """A Reader of the same samples and batches, bit for bit. ``spoilt`` is the row that drew where none should."""

    def __init__(self, memo: Memo, dataset: Any, collate: Callable[[Any], Any], *, whole: bool, skip: bool) -> None:
        super().__init__(dataset, collate, iterable=False, single=False, skip=skip, drop_last=False)
        self.memo, self.whole = memo, whole and memo.whole
        self.drawn = list(memo.drawn)
        self._words: tuple[tuple[int, int, int], np.ndarray] | None = None
        self._count = memo.draws if self.whole else 0

    def fetch(self, task: Task) -> Fetched:
        if self.whole and self.failure is None:
            rows = self._rows(task)
            if rows is not None and bool((self.memo.store.known[rows] == 1).all()):
                return self._batch(task, rows)
        return super().fetch(task)

    def _fetch(self, task: Task) -> Fetched:
        rows = self._rows(task)
        if rows is not None:
            new = rows[self.memo.store.known[rows] == 0]
            if len(new):
                self._fill(task, new)
            if self.whole and bool((self.memo.store.known[rows] == 1).all()) and not self.memo.store.given_up:
                return self._batch(task, rows)
        return super()._fetch(task)

    def sample(self, index: Any) -> Any:
        store = self.memo.store
        if type(index) is not int or not 0 <= index < len(store.known) or store.known[index] != 1 or store.given_up:
            return self.dataset[index]
        return self.memo.sample(index)

    def _rows(self, task: Task) -> np.ndarray | None:
        """The task's rows; None where its indices are something else, or the store was given up."""
        if self.memo.store.given_up:
            return None
        try:
            rows = np.asarray(task.indices)
        except ValueError:
            return None
        if rows.dtype.kind not in "iu" or rows.ndim != 1 or not len(rows):
            return None
        if rows.min() < 0 or rows.max() >= len(self.memo.store.known):
            return None
        return rows.astype(np.int64, copy=False)

    def _fill(self, task: Task, rows: np.ndarray) -> None:
        """Keep rows. They must draw nothing: where one does, nothing is kept any more, here or elsewhere."""
        mark = draws.watch(draws.GENERATORS, sample_seed(task.seed, task.epoch, task.start, COLLATE))
        for row in rows.tolist():
            self.memo.fill(row)
        if draws.moved(draws.GENERATORS, mark):
            self.memo.store.give_up(int(rows[0]))

    def _batch(self, task: Task, rows: np.ndarray) -> Fetched:
        with torch.inference_mode(False):
            batch = self.memo.batch(rows, self._draws(task, len(rows)) if self._count else None)
        return Fetched(batch, len(rows), len(rows), drawn=self.memo.drawn)

    def _draws(self, task: Task, count: int) -> np.ndarray:
        """What torch's generator gives to the task's positions, (count, draws); worked out for many at once."""
        first = task.start // WORDS
        parts = []
        for block in range(first, (task.start + count - 1) // WORDS + 1):
            key = (task.seed, task.epoch, block)
            if self._words is None or self._words[0] != key:
                positions = torch.arange(block * WORDS, (block + 1) * WORDS)
                seeds = sample_seeds(task.seed, task.epoch, positions).numpy().astype(np.uint32)
                self._words = key, KERNELS.words(seeds, self._count)
            start = max(0, task.start - block * WORDS)
            parts.append(self._words[1][start : task.start + count - block * WORDS])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
