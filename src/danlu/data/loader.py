"""danlu.Loader: torch's DataLoader signature, with an order that is a function of (seed, epoch, position)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data._utils.collate import default_collate

from danlu.data import memory, order
from danlu.data.memory import Place
from danlu.types import Bad


class Loader:
    """A drop-in for ``torch.utils.data.DataLoader``: same arguments, same batches, order and draws by ``seed``.

    Each ``iter()`` is the next epoch; after ``load_state_dict`` the first one goes on where the state was taken.
    ``seed=None`` takes one draw from ``generator`` (or torch's global generator) when it is first needed.
    Rows held in memory (``Columns``, ``TensorDataset``, a ``Subset`` of them, with torch's own collate) are gathered
    by the batch; all else is read by torch's DataLoader, with the same batches for any number of workers.
    ``fixed = True`` repeats one epoch: evaluation then sees the same order and draws on every pass.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: torch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        seed: int | None = None,
        cache: str = "auto",
        on_bad: str = "stop",
        bad_limit: float = 0.001,
    ) -> None:
        torch_loader: DataLoader[Any] = DataLoader(  # says what is wrong with the arguments as torch does
            dataset,
            batch_size,
            shuffle,
            sampler,
            batch_sampler,
            num_workers,
            collate_fn,
            pin_memory,
            drop_last,
            timeout,
            worker_init_fn,
            multiprocessing_context,
            generator,
            prefetch_factor=prefetch_factor,
            persistent_workers=persistent_workers,
            pin_memory_device=pin_memory_device,
            in_order=in_order,
        )
        self.torch_loader = torch_loader
        self.dataset, self.batch_size, self.drop_last = dataset, torch_loader.batch_size, torch_loader.drop_last
        self.sampler, self.batch_sampler = torch_loader.sampler, torch_loader.batch_sampler
        self.collate_fn, self.generator = torch_loader.collate_fn, generator
        self.num_workers, self.pin_memory = num_workers, pin_memory
        self.shuffle = bool(shuffle)
        self.own_order = sampler is None and batch_sampler is None
        self.cache, self.on_bad, self.bad_limit = cache, on_bad, bad_limit
        self.bad: list[Bad] = []
        self.fixed = False
        self._seed = seed
        self._place, self._begun = Place(), False
        self._columns = memory.columns_of(dataset) if self.collate_fn is default_collate else None
        self._permutation: tuple[tuple[int, int], torch.Tensor] | None = None

    @property
    def seed(self) -> int:
        if self._seed is None:
            self._seed = int(torch.empty((), dtype=torch.int64).random_(generator=self.generator).item())
        return self._seed

    @property
    def epoch(self) -> int:
        """The epoch being read, or to be read by the first ``iter()``."""
        return self._place.epoch

    def __len__(self) -> int:
        return len(self.torch_loader)

    def state_dict(self) -> dict[str, int]:
        """All there is to know to go on: ``consumed`` counts this epoch's samples handed out so far."""
        return {"seed": self.seed, "epoch": self._place.epoch, "consumed": self._place.consumed}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next ``iter()`` yields what came after ``state``; after a finished epoch that is nothing."""
        self._seed = state["seed"]
        self._place, self._begun = Place(state["epoch"], state["consumed"]), False

    def __iter__(self) -> Iterator[Any]:
        if self._begun:
            self._place = Place(self._place.epoch + (not self.fixed), 0)
        self._begun = True
        if self._columns is not None and self.own_order and self.batch_size is not None:
            rows = self._order(self._place.epoch) if self.shuffle else None
            pin = self.pin_memory and torch.accelerator.is_available()
            return memory.batches(self._columns, rows, self.batch_size, self._stop(), self._place, pin=pin)
        return iter(self.torch_loader)

    def indices(self, epoch: int, start: int, stop: int) -> list[Any]:
        """Row numbers at positions ``start`` to ``stop`` of ``epoch``: which samples a batch was made of."""
        if not self.shuffle:
            return list(range(len(self.dataset)))[start:stop]
        rows: list[int] = self._order(epoch)[start:stop].tolist()
        return rows

    def _stop(self) -> int:
        """Samples an epoch hands out."""
        n = len(self.dataset)
        return n // self.batch_size * self.batch_size if self.drop_last and self.batch_size else n

    def _order(self, epoch: int) -> torch.Tensor:
        key = (self.seed, epoch)
        if self._permutation is None or self._permutation[0] != key:
            self._permutation = key, order.permutation(*key, len(self.dataset))
        return self._permutation[1]
