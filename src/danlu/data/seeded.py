"""Reading a batch of a user's dataset so that its random draws depend on the sample's position only."""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor
from torch.utils.data import Subset, get_worker_info
from torch.utils.data._utils.collate import default_collate

from danlu.data import draws
from danlu.data.order import COLLATE, WORKER, sample_seed, stream_seed
from danlu.data.sampling import Task
from danlu.data.user import user_error
from danlu.errors import DanluError


class Fetched(NamedTuple):
    """What reading one task gave."""

    batch: Any = None
    rows: int = 0  # samples in the batch; 0: there is none
    read: int = 0  # samples the dataset was asked for
    bad: tuple[tuple[Any, str, str], ...] = ()  # left out: (index, where, why)
    failure: Failure | None = None
    ended: bool = False  # an iterable dataset came to its end
    drawn: tuple[str, ...] = ()  # generators the dataset has been seen drawing from


class WorkerTraceback(Exception):
    """The user's traceback as a worker process printed it."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass
class Failure:
    """An error and its cause; the cause stays behind when it travels between processes, its traceback goes along."""

    error: DanluError
    cause: BaseException | None
    text: str = ""

    def __getstate__(self) -> dict[str, Any]:
        text = self.text or ("".join(traceback.format_exception(self.cause)) if self.cause else "")
        return {"error": self.error, "cause": None, "text": text}

    @property
    def origin(self) -> BaseException | None:
        """What to raise ``error`` from."""
        return self.cause or (WorkerTraceback(self.text) if self.text else None)


class Reader:
    """Reads tasks from a dataset, in the training process or in a worker: the same task gives the same batch.

    Generators in ``drawn`` are seeded for each sample. The others start each batch in a known state; when one has
    moved by the end, it joins ``drawn`` and the batch is read again. So nothing depends on what ran before, and a
    dataset that draws nothing pays a few microseconds a batch. Draws on a GPU's own generator are not covered.
    """

    def __init__(
        self, dataset: Any, collate: Callable[[Any], Any], *, iterable: bool, single: bool, skip: bool, drop_last: bool
    ) -> None:
        self.dataset, self.collate = dataset, collate
        self.iterable, self.single, self.skip, self.drop_last = iterable, single, skip, drop_last
        self.drawn: list[str] = []
        self.failure: Failure | None = None  # of the user's worker_init_fn
        self._states = draws.States()
        self._prepared = False
        self._stream: _Stream | None = None

    def __getitems__(self, task: Task) -> Fetched:
        """Called by torch's DataLoader in a worker with what its batch sampler gave."""
        return self.fetch(task)

    def fetch(self, task: Task) -> Fetched:
        if self.failure is not None:
            return Fetched(failure=self.failure)
        saved = None
        if get_worker_info() is None or not self._prepared:  # a worker has nobody to disturb, once it has a twister
            saved, self._prepared = self._states.save(), True
        try:
            return self._fetch_next(task) if self.iterable else self._fetch(task)
        finally:
            if saved is not None and get_worker_info() is None:
                self._states.restore(saved)

    def _fetch(self, task: Task) -> Fetched:
        while True:
            watched = [name for name in draws.GENERATORS if name not in self.drawn]
            mark = draws.watch(watched, sample_seed(task.seed, task.epoch, task.start, COLLATE))
            fetched = self._read(task)
            moved = draws.moved(watched, mark)
            if not moved:
                return fetched._replace(drawn=tuple(self.drawn))
            self.drawn += moved

    def _read(self, task: Task) -> Fetched:
        if not self.single and callable(getattr(innermost(self.dataset), "__getitems__", None)):
            draws.seed(self.drawn, sample_seed(task.seed, task.epoch, task.start))
            try:
                samples = list(self.dataset.__getitems__(task.indices))
            except Exception as error:
                fetched = self._read_each(task)  # which sample was it? one by one they tell
                if fetched.failure is None and not fetched.bad:
                    return Fetched(failure=_failure(None, error))
                return fetched
            return self._collated(task, samples, ())
        return self._read_each(task)

    def _read_each(self, task: Task) -> Fetched:
        samples, bad = [], []
        for position, index in enumerate(task.indices, task.start):
            if self.drawn:
                draws.seed(self.drawn, sample_seed(task.seed, task.epoch, position))
            try:
                samples.append(self.sample(index))
            except Exception as error:
                if not self.skip or isinstance(error, MemoryError):
                    return Fetched(failure=_failure(index_of(self.dataset, index), error))
                bad.append((plain_index(index), *bad_of(self.dataset, index, error)))
        return self._collated(task, samples, tuple(bad))

    def sample(self, index: Any) -> Any:
        """One sample, its generators having been started for it."""
        return self.dataset[index]

    def _collated(self, task: Task, samples: list[Any], bad: tuple[Any, ...]) -> Fetched:
        if not samples:
            return Fetched(read=len(task.indices), bad=bad)
        if self.drawn and self.collate is not default_collate:
            draws.seed(self.drawn, sample_seed(task.seed, task.epoch, task.start, COLLATE))
        try:
            batch = self.collate(samples[0] if self.single else samples)
        except Exception as error:
            return Fetched(failure=self._collate_failure(samples, task, bad, error))
        return Fetched(batch, len(samples), len(task.indices), bad)

    def _collate_failure(
        self, samples: list[Any], task: Task, bad: tuple[tuple[Any, str, str], ...], error: Exception
    ) -> Failure:
        """DL191 for the user's own collate function, DL192 when torch's cannot stack the samples."""
        if isinstance(error, DanluError):
            return Failure(error, error)
        left_out = {row[0] for row in bad}
        rows = [i for i in map(plain_index, task.indices) if i not in left_out]
        if self.collate is default_collate:
            names = [name_of(self.dataset, i) for i in rows]
            where, what = uneven(samples, names)
            return Failure(DanluError("DL192", where=where or names[0], error=what or str(error)), error)
        told = user_error(None, error)
        listed = ", ".join(str(index_of(self.dataset, i)) for i in rows[:8]) + (", …" if len(rows) > 8 else "")
        facts = {"rows": listed, "error": told.facts["error"], "line": told.facts["line"]}
        return Failure(DanluError("DL191", where=told.where, **facts), error)

    # ---- iterable datasets: what they draw goes on from sample to sample

    def _fetch_next(self, task: Task) -> Fetched:
        info = get_worker_info()
        if self._stream is None or self._stream.of != (task.seed, task.epoch) or task.number < self._stream.next:
            part = info.id if info is not None else 0
            draws.seed(draws.GENERATORS, stream_seed(task.seed, task.epoch, WORKER, part))
            self._stream = _Stream((task.seed, task.epoch), None)
        elif self._stream.states is not None:
            self._states.restore(self._stream.states)
        stream = self._stream
        stream.next = task.number + 1
        try:
            fetched = self._read_next(task, stream)
        finally:
            if info is None:
                stream.states = self._states.save()
        return fetched

    def _read_next(self, task: Task, stream: _Stream) -> Fetched:
        samples: list[Any] = []
        bad: list[tuple[Any, str, str]] = []
        failed: Failure | None = None  # the error before the end may be the reason for the end
        while len(samples) + len(bad) < len(task.indices) and not stream.ended:
            try:
                if stream.source is None:
                    stream.source = iter(self.dataset)
                samples.append(next(stream.source))
                failed = None
            except StopIteration:
                stream.ended = True
                if failed is not None:
                    return Fetched(failure=failed)
            except Exception as error:
                failed = _failure(stream.read + len(samples) + len(bad), error)
                if not self.skip or stream.source is None or isinstance(error, MemoryError):
                    return Fetched(failure=failed)
                row = stream.read + len(samples) + len(bad)
                bad.append((row, *bad_of(self.dataset, row, error)))
        read = len(samples) + len(bad)
        stream.read += read
        if task.drop or (self.drop_last and read < len(task.indices)):
            return Fetched(read=read if task.drop else 0, bad=tuple(bad), ended=stream.ended)
        fetched = self._collated(task, samples, tuple(bad))
        return fetched._replace(read=read, ended=stream.ended)


@dataclass
class _Stream:
    """A pass over an iterable dataset in this process."""

    of: tuple[int, int]  # (seed, epoch)
    source: Iterator[Any] | None
    next: int = 0  # number of the next task
    read: int = 0  # samples read so far
    ended: bool = False
    states: draws.Saved | None = None  # its generators between two batches (training process only)


def innermost(dataset: Any) -> Any:
    """The dataset behind plain Subsets, which only pass on indices."""
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return dataset


def index_of(dataset: Any, index: Any) -> Any:
    """The index the innermost dataset was asked for."""
    try:
        while type(dataset) is Subset:
            dataset, index = dataset.dataset, dataset.indices[index]
    except Exception:  # an index the Subset does not have: that is the error being told
        pass
    return plain_index(index)


def name_of(dataset: Any, index: Any) -> str:
    """A sample's name in the user's data; danlu's own datasets know the file."""
    inner, index = innermost(dataset), index_of(dataset, index)
    if type(inner).__module__.startswith("danlu."):
        name = getattr(inner, "name", None)
        if callable(name):
            return str(name(index))
    return f"[{index}]"


def bad_of(dataset: Any, index: Any, error: Exception) -> tuple[str, str]:
    """(where, why) of a sample left out."""
    if isinstance(error, DanluError):
        return error.where or name_of(dataset, index), error.what
    return name_of(dataset, index), f"{type(error).__name__}: {error} ({user_error(None, error).where})"


def uneven(samples: list[Any], names: list[str]) -> tuple[str, str]:
    """(name, what) of the first sample whose shapes are not the usual ones; ("", "") if that is not the trouble."""
    shapes = [_shapes(s) for s in samples]
    usual = Counter(shapes).most_common(1)[0][0]
    odd = next((i for i, shape in enumerate(shapes) if shape != usual), None)
    if odd is None:
        return "", ""
    return names[odd], f"{names[shapes.index(usual)]} {usual} ≠ {names[odd]} {shapes[odd]}"


def _shapes(value: Any) -> str:
    """A sample's structure: shapes for arrays, type names for the rest."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_shapes(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_shapes, value)) + ")"
    if isinstance(value, Tensor) or type(value).__module__ == "numpy":
        return str(tuple(value.shape)).replace(" ", "")
    return type(value).__name__


def _failure(index: Any, error: Exception) -> Failure:
    return Failure(error if isinstance(error, DanluError) else user_error(index, error), error)


def plain_index(index: Any) -> Any:
    """An index that travels and compares: tensors and numpy integers as int, anything odd as text."""
    try:
        return index.__index__()
    except (AttributeError, TypeError, RuntimeError):
        return index if isinstance(index, str) else repr(index)
