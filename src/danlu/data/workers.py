"""Worker processes of torch's DataLoader: started, watched and ended without leaving one behind."""

from __future__ import annotations

import atexit
import os
import signal
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch.utils.data import DataLoader
from torch.utils.data._utils import worker as torch_worker

from danlu.data.order import WORKER, stream_seed
from danlu.data.sampling import Task
from danlu.data.seeded import Failure, Fetched, Reader, index_of
from danlu.data.user import user_error
from danlu.errors import DanluError

GRACE_SECONDS = 1.0  # for workers in the middle of a sample that nobody will look at
Init = Callable[[int], None] | None  # worker_init_fn


class Workers:
    """Processes that read one loader's tasks; ``persistent`` ones serve several passes."""

    def __init__(self, reader: Reader, seed: int, epoch: int, init: Init, **options: Any) -> None:
        self._tasks = _Tasks()
        self._loader: DataLoader[Any] = DataLoader(
            reader,  # type: ignore[arg-type]  # has what torch's fetcher asks for: __getitems__
            batch_sampler=self._tasks,  # type: ignore[arg-type]
            collate_fn=_unchanged,  # type: ignore[arg-type]  # the reader has collated
            worker_init_fn=_Init(init),
            generator=torch.Generator("cpu").manual_seed(stream_seed(seed, epoch, WORKER)),  # worker_info.seed
            **options,
        )
        self._torch: Any = None
        self._owner = os.getpid()
        self._passes = 0

    def read(self, tasks: Iterator[Task]) -> Generator[tuple[Task, Fetched]]:
        """The tasks, read, in their order. An error ends the workers."""
        pending: deque[Task] = deque()
        self._passes += 1
        mine = self._passes
        self._tasks.source = _noted(tasks, pending)
        try:
            self._torch = iter(self._loader)
            _LIVE.add(self)
            self._keep_signals_away()
            while True:
                fetched = self._next(pending)
                if fetched is None:
                    return
                yield pending.popleft(), fetched
                if mine != self._passes:
                    raise _Superseded("the loader's next pass has taken over its persistent workers")
        except (GeneratorExit, _Superseded):
            raise
        except BaseException:
            self.close()
            raise
        finally:
            if mine == self._passes:
                self._tasks.source = iter(())

    def _next(self, pending: deque[Task]) -> Fetched | None:
        if not all(w.is_alive() for w in self._torch._workers):
            raise self._died()
        try:
            fetched: Fetched = next(self._torch)
            return fetched
        except StopIteration:
            return None
        except (ConnectionError, EOFError, FileNotFoundError) as error:  # a batch whose memory its dead worker held
            if self._soon_dead():
                raise self._died() from error
            raise
        except RuntimeError as error:  # torch has no classes for these
            if not all(w.is_alive() for w in self._torch._workers):
                raise self._died() from error
            if "timed out after" in str(error):
                dataset = self._loader.dataset.dataset  # type: ignore[attr-defined]  # the reader's
                rows = ", ".join(str(index_of(dataset, i)) for i in pending[0].indices[:8]) if pending else ""
                _kill(self._torch)  # the stuck one would be waited for
                raise DanluError("DL196", where=f"[{rows}]", seconds=self._loader.timeout) from error
            raise

    def _soon_dead(self) -> bool:
        """Whether a worker is dead; its connections break a moment before the system tells that it ended."""
        deadline = time.monotonic() + GRACE_SECONDS
        while all(w.is_alive() for w in self._torch._workers):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _keep_signals_away(self) -> None:
        """torch raises a worker's death wherever the main thread happens to be, in the user's code; ``_next`` tells."""
        if self._torch._worker_pids_set:
            with suppress(ValueError):
                torch._C._remove_worker_pids(id(self._torch))
            self._torch._worker_pids_set = False

    def _died(self) -> DanluError:
        dead = next(w for w in self._torch._workers if not w.is_alive())
        code = dead.exitcode
        names = {int(s): s.name for s in signal.Signals}
        how = names.get(-code, str(code)) if code is not None and code < 0 else f"exit code {code}"
        _kill(self._torch)
        return DanluError("DL195", where=f"pid {dead.pid}", how=how, workers=self._loader.num_workers)

    def close(self, *, now: bool = False) -> None:
        """End the processes: by agreement, and by force those that do not listen (``now``: all of them)."""
        ended, self._torch = self._torch, None
        self._loader._iterator = None  # torch's own hold on persistent workers
        _LIVE.discard(self)
        if ended is None or os.getpid() != self._owner:  # a forked child holds a copy, not the workers
            return
        if not now and not ended._pin_memory:  # with pinning torch has its own order of doing this
            _ask_to_end(ended)
        if now or not ended._pin_memory:
            _kill(ended)  # torch would wait ten seconds a worker
        ended._shutdown_workers()
        _kill(ended)
        for w in ended._workers:
            w.join(5)

    def __del__(self) -> None:
        with suppress(Exception):  # at interpreter exit parts may be gone; the exit hook has closed by then
            self.close()


def _ask_to_end(started: Any) -> None:
    """What torch's own shutdown does first; when the garbage collector calls us the queues may be gone already."""
    started._workers_done_event.set()
    for queue in started._index_queues:
        with suppress(Exception):
            queue.put(None)
    deadline = time.monotonic() + GRACE_SECONDS
    for w in started._workers:
        w.join(max(0.0, deadline - time.monotonic()))


def _kill(started: Any) -> None:
    for w in started._workers:
        w.kill()


class _Superseded(RuntimeError):
    """Two passes at once over the same persistent workers: the older one cannot go on."""


class _Tasks:
    """What torch takes for a batch sampler: the tasks of the pass that is being started."""

    def __init__(self) -> None:
        self.source: Iterator[Task] = iter(())

    def __iter__(self) -> Iterator[Task]:
        return self.source


def _noted(tasks: Iterator[Task], pending: deque[Task]) -> Iterator[Task]:
    for task in tasks:
        pending.append(task)
        yield task


class _Init:
    """Runs in each worker first: the user's dataset and ``worker_init_fn`` find what torch promises them.

    Ctrl-C and a SIGTERM to the whole group are the training process's to answer: it saves, then ends the workers.
    """

    def __init__(self, users: Callable[[int], None] | None) -> None:
        self.users = users

    def __call__(self, worker_id: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        info = torch_worker._worker_info
        assert info is not None
        reader: Any = info.dataset
        torch_worker._worker_info = replace(info, dataset=reader.dataset)
        if self.users is not None:
            try:
                self.users(worker_id)
            except Exception as error:
                told = user_error(None, error)
                facts = {"worker": worker_id, "error": told.facts["error"], "line": told.facts["line"]}
                reader.failure = Failure(DanluError("DL193", where=told.where, **facts), error)


def _unchanged(fetched: Fetched) -> Fetched:
    return fetched


_LIVE: weakref.WeakSet[Workers] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Before multiprocessing's own exit hook, which waits for ever for a worker that ignores SIGTERM."""
    for workers in list(_LIVE):
        workers.close(now=True)
