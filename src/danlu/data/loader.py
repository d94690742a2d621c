"""danlu.Loader: torch's DataLoader signature, with an order that is a function of (seed, epoch, position)."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, IterDataPipe
from torch.utils.data._utils import pin_memory as torch_pin
from torch.utils.data._utils.collate import default_collate

from danlu.data import memory, order, sampling
from danlu.data.augment import Augment
from danlu.data.balance import Balance, balance_of
from danlu.data.columns import most_bad
from danlu.data.memo.kernels import KERNELS
from danlu.data.memo.path import Samples
from danlu.data.memo.reader import MemoReader
from danlu.data.memory import Place
from danlu.data.sampling import Task
from danlu.data.seeded import Fetched, Reader, plain_index
from danlu.data.workers import Workers
from danlu.errors import DanluError, did_you_mean
from danlu.types import Bad


class Loader:
    """A drop-in for ``torch.utils.data.DataLoader``: same arguments, same batches, order and draws by ``seed``.

    Each ``iter()`` is the next epoch; after ``load_state_dict`` the first one goes on where the state was taken.
    ``seed=None`` takes one draw from ``generator`` (or torch's global generator) when it is first needed.
    Rows held in memory (``Columns``, ``TensorDataset``, a ``Subset`` of them, with torch's own collate) are gathered
    by the batch; all else is read by torch's DataLoader, with the same batches for any number of workers.
    ``cache="auto"`` keeps what is the same every time of a map-style dataset's samples, where that is proven; ``way``
    tells.
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
        _check_options(dataset, shuffle, on_bad, cache)
        template: DataLoader[Any] = DataLoader(  # says what is wrong with the arguments as torch does
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
        self.dataset, self.num_workers, self.generator = dataset, num_workers, generator
        self.batch_size, self.drop_last, self.shuffle = template.batch_size, drop_last, bool(shuffle)
        self.sampler, self.batch_sampler = template.sampler, template.batch_sampler
        self.collate_fn: Callable[[Any], Any] = template.collate_fn
        self.worker_init_fn, self.persistent_workers = worker_init_fn, persistent_workers
        self.pin_memory, self.pin_memory_device, self.in_order = pin_memory, pin_memory_device, in_order
        self.timeout, self.prefetch_factor = timeout, template.prefetch_factor
        self.multiprocessing_context = template.multiprocessing_context
        self.cache, self.on_bad, self.bad_limit = cache, on_bad, bad_limit
        self.left_out: dict[Any, Bad] = {}  # samples that could not be read, by index, each told once
        # the loaders of one data set, whose limit is for all together; weak, so that a dropped one ends its workers
        self.siblings: tuple[weakref.ref[Loader], ...] = ()
        self.fixed = False
        self.augment: Augment | None = None  # images of danlu's own sources, varied after they are prepared
        self._balance: Balance | None = None
        self._template, self._seed = template, seed
        self._iterable = isinstance(dataset, IterableDataset)
        self._own_order = sampler is None and batch_sampler is None
        batched = self.collate_fn is default_collate and self.batch_sampler is not None
        self._columns = memory.columns_of(dataset) if batched else None
        self._samples: Samples | None = None  # of a user's map-style dataset: kept, where that is proven
        if cache == "auto" and not self._iterable and self._columns is None and self.batch_sampler is not None:
            self._samples = Samples(
                dataset, workers=num_workers, context=self.multiprocessing_context, init=worker_init_fn
            )
        self._place, self._begun = Place(), False
        self._permutation: tuple[tuple[int, int], Tensor] | None = None
        self._seen: list[Any] = []  # indices a user's sampler gave this epoch
        self._told = 0  # epoch last told to a user's sampler
        self._missing: set[int] = set()  # positions of this pass that gave no sample
        self._drawn: list[str] = []
        self.check: Callable[[Any], None] | None = None  # looks at every batch of a user's dataset before it goes out
        self._workers: Workers | None = None

    @property
    def seed(self) -> int:
        if self._seed is None:
            source = self.generator
            if source is None:
                source = sampling.generator_of(self.sampler if self.batch_sampler is None else self.batch_sampler)
            self._seed = int(torch.empty((), dtype=torch.int64, device="cpu").random_(generator=source).item())
        return self._seed

    @property
    def epoch(self) -> int:
        """The epoch being read, or to be read by the first ``iter()``."""
        return self._place.epoch

    @property
    def bad(self) -> list[Bad]:
        """What could not be read and was left out, in the order in which it was met."""
        return list(self.left_out.values())

    @property
    def _pin(self) -> bool:
        return self.pin_memory and torch.accelerator.is_available()

    @property
    def _options(self) -> dict[str, Any]:
        names = "num_workers pin_memory timeout multiprocessing_context prefetch_factor persistent_workers"
        return {name: getattr(self, name) for name in names.split()}

    def __len__(self) -> int:
        return len(self._template)

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
        self._begun, self._seen, self._missing = True, [], set()
        place = self._place
        if self._columns is None:
            return self._read(place)
        if not self._own_order:
            return memory.picked(self._columns, self._tasks(place), place, pin=self._pin, after=self._after(place))
        assert self.batch_size is not None
        rows = self._order(place.epoch) if self.shuffle else None
        stop, after = self._stop(), self._after(place)
        return memory.batches(self._columns, rows, self.batch_size, stop, place, pin=self._pin, after=after)

    def _after(self, place: Place) -> memory.After | None:
        """What is done to gathered rows: images varied by their positions in this epoch."""
        if self.augment is None:
            return None  # without asking for a seed: nothing else needs one where nothing is shuffled
        augment, seed, epoch = self.augment, self.seed, place.epoch
        return lambda parts, at: augment.batch(parts, seed, epoch, at)

    def indices(self, epoch: int, start: int, stop: int) -> list[Any]:
        """Row numbers at positions ``start`` to ``stop`` of ``epoch``: which samples a batch was made of.

        With a sampler of the user's these are known for what has been read of the current epoch only.
        """
        if self._iterable:
            return list(range(start, stop))
        if not self._own_order:
            known = self._seen if epoch == self._place.epoch else []
            return known[start:stop]
        if not self.shuffle:
            return list(range(len(self.dataset))[start:stop])
        rows: list[int] = self._order(epoch)[start:stop].tolist()
        return rows

    def way(self) -> tuple[str, str]:
        """How samples are read, and why, in words: kept after they were made once, or made every time.

        Known once the first pass has begun; until then, and for rows in memory anyway, two empty texts.
        """
        return self._samples.way() if self._samples is not None else ("", "")

    def as_torch(self) -> DataLoader[Any]:
        """torch's own loader with the same arguments; danlu's (seed, cache, on_bad, bad_limit) it does not know."""
        return self._template

    def handed_out(self, first: int | None = None) -> list[Any]:
        """Row numbers of the samples this pass gave, in order: those it read, less those left out.

        ``first``: only so many. With one batch a sample (``batch_size=None``) the numbers are those of the batches.
        """
        stop = self._place.consumed if first is None else first + len(self._missing)
        rows = self.indices(self._place.epoch, 0, stop)
        return [row for at, row in enumerate(rows) if at not in self._missing][:first]

    def draw_equally(self, labels: Tensor) -> None:
        """From now on every class of ``labels`` (N,) is drawn equally often; see ``data.balance``."""
        self._balance, self._permutation = balance_of(labels), None

    def close(self) -> None:
        """End persistent workers now, not when the loader is dropped."""
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()

    # ---- reading

    def _read(self, place: Place) -> Iterator[Any]:
        """Batches of one pass through the user's dataset, in this process or by workers."""
        reader, workers = self._reader(place.epoch), None
        if self.num_workers and not (isinstance(reader, MemoReader) and reader.whole and reader.memo.full):
            KERNELS.settle()
            workers = self._workers or Workers(reader, self.seed, place.epoch, self.worker_init_fn, **self._options)
            self._workers = workers if self.persistent_workers else None
        tasks = self._tasks(place)
        results = workers.read(tasks) if workers else ((task, reader.fetch(task)) for task in tasks)
        skip, ended = place.consumed, set()
        if self._iterable:
            place.consumed = 0
        try:
            for task, fetched in results:
                if fetched.failure is not None:
                    failure = fetched.failure
                    results.close()
                    try:
                        raise failure.error from failure.origin
                    finally:  # an error must not refer to itself by way of its traceback: it would keep the workers
                        del failure, fetched
                self._drawn = list(fetched.drawn)
                place.consumed += fetched.read
                if fetched.bad:
                    self._leave_out(task, fetched.bad, place.consumed)
                if fetched.ended:
                    ended.add(task.number % max(1, self.num_workers))
                if fetched.rows and place.consumed > skip * self._iterable:
                    batch = fetched.batch
                    if self.augment is not None:
                        batch = self.augment.batch(batch, self.seed, place.epoch, _positions(task, fetched))
                    if self.check is not None:
                        self.check(batch)
                    yield _pinned(batch) if self._pin and not workers else batch
                if len(ended) == max(1, self.num_workers):
                    return
        finally:
            if workers is not None and not self.persistent_workers:
                workers.close()

    def _reader(self, epoch: int) -> Reader:
        memo = self._samples.begin(epoch) if self._samples is not None else None
        if memo is not None:
            whole = self.collate_fn is default_collate
            return MemoReader(memo, self.dataset, self.collate_fn, whole=whole, skip=self.on_bad == "skip")
        reader = Reader(
            self.dataset,
            self.collate_fn,
            iterable=self._iterable,
            single=self.batch_sampler is None,
            skip=self.on_bad == "skip",
            drop_last=self.drop_last,
        )
        reader.drawn = list(self._drawn)
        return reader

    def _tasks(self, place: Place) -> Iterator[Task]:
        """What to read, from ``place`` on."""
        size = self.batch_size or 1
        if self._iterable:
            return sampling.endless(self.seed, place.epoch, place.consumed, size)
        if self._own_order:
            rows = self._order(place.epoch) if self.shuffle else None
            return sampling.ordered(self.seed, place.epoch, rows, place.consumed, self._stop(), size)
        sampler = self.sampler if self.batch_sampler is None else self.batch_sampler
        parts = [sampler, getattr(sampler, "sampler", None)]
        self._told = sampling.set_epoch(parts, place.epoch, self._told)
        note, single = self._seen.extend, self.batch_sampler is None
        return sampling.sampled(self.seed, place.epoch, sampler, place.consumed, note, single=single)

    def _leave_out(self, task: Task, bad: tuple[tuple[Any, str, str], ...], consumed: int) -> None:
        """Note samples that could not be read; DL194 when more of the data set is bad than may be left out."""
        gone = {index for index, _, _ in bad}
        if self._iterable:
            self._missing |= gone
        else:
            self._missing.update(at for at, i in enumerate(task.indices, task.start) if plain_index(i) in gone)
        new = {index: Bad(where, why) for index, where, why in bad if index not in self.left_out}
        self.left_out |= new
        parts = [part for ref in self.siblings if (part := ref()) is not None] or [self]
        found = [one for part in parts for one in part.bad]
        total = consumed if self._iterable else sum(len(part.dataset) for part in parts)
        if new and len(found) > most_bad(total, self.bad_limit):
            facts = {"count": len(found), "total": total, "limit": f"{self.bad_limit:.4g}", "why": found[-1].why}
            facts["enough"] = f"{min(1.0, math.ceil(200 * len(found) / total) / 100):g}"  # more of them may follow
            raise DanluError("DL194", where=", ".join(b.where for b in found[:5]), **facts)

    def _stop(self) -> int:
        """Samples an epoch in danlu's own order hands out."""
        n = len(self.dataset)
        return n // self.batch_size * self.batch_size if self.drop_last and self.batch_size else n

    def _order(self, epoch: int) -> Tensor:
        key = (self.seed, epoch)
        if self._permutation is None or self._permutation[0] != key:
            shuffled = (
                order.permutation(*key, len(self.dataset)) if self._balance is None else self._balance.order(*key)
            )
            self._permutation = key, shuffled
        return self._permutation[1]


def _positions(task: Task, fetched: Fetched) -> Tensor:
    """The places in the epoch of the samples that a task gave, (B,) int64."""
    gone = {index for index, _, _ in fetched.bad}
    kept = [at for at, i in enumerate(task.indices, task.start) if not gone or plain_index(i) not in gone]
    return torch.tensor(kept, dtype=torch.int64)


def _pinned(batch: Any) -> Any:
    return torch_pin.pin_memory(batch)


def _check_options(dataset: Any, shuffle: bool | None, on_bad: str, cache: str) -> None:
    """What torch's DataLoader does not check, or says less clearly."""
    for name, value, known in (("on_bad", on_bad, ("stop", "skip")), ("cache", cache, ("auto", "off"))):
        if value not in known:
            raise DanluError("DL198", where=f"{name}={value!r}", name=name, meant=did_you_mean(str(value), known))
    if isinstance(dataset, IterDataPipe):
        raise DanluError("DL199", where=type(dataset).__name__)
    if shuffle and hasattr(dataset, "__len__") and len(dataset) == 0:
        raise DanluError("DL197", where=type(dataset).__name__)
