"""Which way a loader reads its samples: kept ones, or by the dataset's own code; decided once, checked every epoch."""

from __future__ import annotations

import multiprocessing
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from danlu.data import draws
from danlu.data.memo.keep import Memo
from danlu.data.memo.kernels import KERNELS
from danlu.data.memo.leaves import same
from danlu.data.memo.marks import mark
from danlu.data.memo.probes import Refusal
from danlu.data.memo.proof import prove
from danlu.data.order import SAMPLE, sample_seed, uniforms
from danlu.data.seeded import innermost
from danlu.messages import say

FEW = 200  # samples that are not worth looking at
RECHECKED = 16  # kept samples that are made anew at the start of an epoch


class Samples:
    """The samples of one map-style dataset, as one loader reads them."""

    def __init__(self, dataset: Any, *, workers: int, context: Any, init: Any) -> None:
        self.dataset = dataset
        self._workers, self._context, self._init = workers, context, init
        self._memo: Memo | None = None
        self._refusal: Refusal | None = None
        self._mark = b""

    @property
    def memo(self) -> Memo | None:
        """What is kept; None where samples are made by the dataset's code every time."""
        return self._memo if self.decided and self.refusal is None else None

    @property
    def decided(self) -> bool:
        return self._memo is not None or self._refusal is not None

    @property
    def refusal(self) -> Refusal | None:
        """Why nothing is kept, once that is known."""
        if self._refusal is None and self._memo is not None and self._memo.store.given_up:
            self._refusal, self._memo = Refusal("drew", {"row": self._memo.store.given_up - 1}), None
        return self._refusal

    def way(self) -> tuple[str, str]:
        """How samples are read, and why, in words; empty until that is decided."""
        if self.refusal is not None:
            return say("memo.plain"), say(f"memo.not.{self.refusal.key}", **self.refusal.facts)
        if self._memo is None:
            return "", ""
        key = "whole" if self._memo.whole else "random" if self._memo.drawn else "same"
        return say("memo.kept"), say(f"memo.why.{key}", rows=self._memo.proven)

    def begin(self, epoch: int) -> Memo | None:
        """Before each pass: decide, or see whether all is as it was."""
        if not self.decided:
            self._decide()
        elif self.memo is not None:
            self._audit(epoch)
        return self.memo

    def _decide(self) -> None:
        dataset, found = self.dataset, None
        if len(dataset) < FEW:
            found = Refusal("few", {"rows": len(dataset)})
        elif callable(getattr(innermost(dataset), "__getitems__", None)):
            found = Refusal("getitems")
        elif self._workers and (self._init is not None or not self._forks()):
            found = Refusal("processes")
        if found is None:
            proven = prove(dataset, shared=bool(self._workers))
            if isinstance(proven, Memo):
                self._memo, self._mark = proven, mark(dataset)
                return
            found = proven
        self._refusal = found

    def _forks(self) -> bool:
        context = self._context
        if context is None:
            return multiprocessing.get_start_method() == "fork"
        name = context if isinstance(context, str) else context.get_start_method()
        return bool(name == "fork")

    def _audit(self, epoch: int) -> None:
        """The dataset's whole state, and some kept samples against its own code."""
        memo = self._memo
        assert memo is not None
        try:
            changed = mark(self.dataset) != self._mark
        except Exception:  # Unmarked, or whatever the user's objects do when they are looked at
            changed = True
        if changed:
            self._refusal, self._memo = Refusal("changed"), None
            return
        states = draws.States()
        saved = states.save()
        try:
            kept = np.flatnonzero(memo.store.known == 1)
            places = uniforms(1, epoch, torch.arange(min(RECHECKED, len(kept))), 1, SAMPLE)[:, 0].double()
            rows = kept[(places * len(kept)).long().numpy()].tolist()
            wrong = self._unlike(memo, rows, [sample_seed(1, epoch, k) for k in range(len(rows))])
            if wrong is not None:
                self._refusal, self._memo = Refusal("recheck", {"row": wrong}), None
        finally:
            states.restore(saved)

    def _unlike(self, memo: Memo, rows: list[int], seeds: list[int]) -> int | None:
        """A row that is no longer what its code makes, one by one or in a batch; None if all are."""
        made = []
        for row, value in zip(rows, seeds):
            try:
                draws.seed(draws.GENERATORS, value)
                kept = memo.sample(row)
                draws.seed(draws.GENERATORS, value)
                made.append(self.dataset[row])
            except Exception:  # what it was made of is gone
                return row
            if not same(kept, made[-1]):
                return row
        if not memo.whole or not rows:
            return None
        numbers = KERNELS.words(np.array(seeds, np.uint32), memo.draws) if memo.draws else None
        alike = same(memo.batch(np.array(rows), numbers), default_collate(made))
        return None if alike else rows[0]
