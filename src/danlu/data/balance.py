"""Rows of rare classes more often: every class equally often, as a function of (seed, epoch) like every other order."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from danlu.data.order import BALANCE, permutation, stream_seed


@dataclass(frozen=True)
class Balance:
    """``rows`` holds the row numbers of each class that is there; ``n`` rows make an epoch."""

    rows: tuple[Tensor, ...]
    n: int

    def order(self, seed: int, epoch: int) -> Tensor:
        """The ``n`` rows of an epoch, int64, shuffled; each class has ⌊n/C⌋ or ⌈n/C⌉ of them.

        Over the epochs every class is dealt out as a pack of cards: all its rows come once before one comes again.
        """
        dealt = [self._dealt(c, seed, epoch) for c in range(len(self.rows))]
        return torch.cat(dealt)[permutation(seed, epoch, self.n)]

    def _dealt(self, c: int, seed: int, epoch: int) -> Tensor:
        rows = self.rows[c]
        (first, start), (last, stop) = (divmod(self._before(c, e), len(rows)) for e in (epoch, epoch + 1))
        if first == last:
            return self._pack(c, seed, first)[start:stop]
        whole = rows.repeat(last - first - 1)  # their order is lost in the shuffle
        return torch.cat([self._pack(c, seed, first)[start:], whole, self._pack(c, seed, last)[:stop]])

    def _before(self, c: int, epoch: int) -> int:
        """Rows of the class dealt out before ``epoch``: over all classes that makes epoch · n (Hermite's identity)."""
        return (epoch * self.n + c) // len(self.rows)

    def _pack(self, c: int, seed: int, number: int) -> Tensor:
        generator = torch.Generator("cpu").manual_seed(stream_seed(seed, number, BALANCE, c))
        return self.rows[c][torch.randperm(len(self.rows[c]), generator=generator, device="cpu")]


def balance_of(labels: Tensor) -> Balance:
    """Of class numbers (N,); rows with a negative one (ignored by the loss) are never drawn."""
    labels = labels.cpu()
    there = labels[labels >= 0].unique().tolist()
    return Balance(tuple((labels == c).nonzero()[:, 0] for c in there), len(labels))
