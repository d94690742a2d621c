"""Worker processes: what torch promises about them, how their death is told, and that none stays behind."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import IterableDataset, get_worker_info

from danlu.data.loader import Loader
from danlu.errors import DanluError
from loader_sets import Failing, Made, Stream, Stuck, Suicidal, init_failing, init_seen


def children() -> list[int]:
    return [p.pid for p in multiprocessing.active_children() if p.pid]


def who(i: int) -> Any:
    info = get_worker_info()
    assert info is not None
    return i, info.id, info.num_workers, info.seed % (1 << 31), os.getpid()


# ---- what torch promises


def test_worker_info_is_torchs_and_a_function_of_the_seed() -> None:
    def run() -> list[Any]:
        return [[part.tolist() for part in batch[:4]] for batch in Loader(Made(who, 8), 2, num_workers=2, seed=4)]

    before = torch.get_rng_state()
    once = run()
    assert once == run()
    assert [row[1] for row in once] == [[0, 0], [1, 1], [0, 0], [1, 1]]
    assert once[0][3] != once[1][3]
    assert torch.equal(before, torch.get_rng_state())


class Sized(Made):
    def __getitem__(self, i: int) -> int:
        return self.n


def test_worker_init_fn_finds_the_users_dataset() -> None:
    loader = Loader(Sized(None, 6), 1, num_workers=2, worker_init_fn=init_seen)
    assert [int(b) for b in loader] == [102, 202, 102, 202, 102, 202]


def test_a_failing_worker_init_fn_is_told() -> None:
    with pytest.raises(DanluError, match="OSError: no such camera") as told:
        list(Loader(Made(who), num_workers=1, worker_init_fn=init_failing))
    assert told.value.code == "DL193" and "loader_sets.py" in told.value.where
    assert children() == []


@pytest.mark.parametrize("persistent", [False, True])
def test_persistent_workers_live_on_and_others_do_not(persistent: bool) -> None:
    loader = Loader(Made(who, 8), 2, num_workers=2, persistent_workers=persistent, seed=1)
    pids = [{int(p) for batch in loader for p in batch[4]} for _ in range(3)]
    assert (pids[0] == pids[1] == pids[2]) == persistent
    assert len(children()) == (2 if persistent else 0)
    loader.close()
    assert children() == []


def test_persistent_workers_give_the_same_batches_after_breaking_off() -> None:
    def noisy(i: int) -> Any:
        return i, torch.rand(())

    for data, size in ((Made(noisy, 12), 2), (Stream(12), 2)):
        some: dict[str, Any] = {"seed": 1, "num_workers": 2}
        loader, other = Loader(data, size, persistent_workers=True, **some), Loader(data, size, **some)
        for broken_off in (True, False, True, False):
            a, b = iter(loader), iter(other)
            for k, (one, two) in enumerate(zip(a, b)):
                assert [x.tolist() for x in one] == [x.tolist() for x in two]
                if broken_off and k == 1:
                    break
        loader.close()


def test_a_pass_over_persistent_workers_ends_when_the_next_begins() -> None:
    loader = Loader(Made(lambda i: i, 20), 2, num_workers=1, persistent_workers=True)
    first = iter(loader)
    next(first)
    second = iter(loader)
    assert next(second).tolist() == [0, 1]
    with pytest.raises(RuntimeError, match="persistent"):
        next(first)
    assert next(second).tolist() == [2, 3]
    loader.close()


def test_spawned_workers() -> None:
    loader = Loader(Failing((3,), 8), 2, num_workers=1, multiprocessing_context="spawn", on_bad="skip", bad_limit=1.0)
    assert [i for b in loader for i in b[1].tolist()] == [0, 1, 2, 4, 5, 6, 7]


# ---- death and delay


def test_a_killed_worker_is_told_in_the_loader_not_in_the_training_step() -> None:
    loader = Loader(Suicidal(), 4, num_workers=2)
    started, got = time.monotonic(), 0
    with pytest.raises(DanluError) as told:
        for _ in loader:
            got += 1
            time.sleep(0.1)  # the death falls into the step
    assert told.value.code == "DL195" and "SIGKILL" in told.value.what
    assert 1 <= got <= 15 and time.monotonic() - started < 30
    assert children() == []


def test_a_worker_killed_while_the_loader_waits() -> None:
    with pytest.raises(DanluError) as told:
        list(Loader(Suicidal(), 100, num_workers=1))
    assert told.value.code == "DL195"
    assert children() == []


@pytest.mark.parametrize("error", [ConnectionResetError, EOFError, FileNotFoundError])
def test_a_batch_that_lay_with_a_dead_worker_tells_of_the_worker(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storages come by a connection to the worker that made them; it may have died with the batch on the way."""
    from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter as Torch

    def broken(self: Any) -> Any:
        self._workers[0].kill()
        raise error

    loader = Loader(Made(float), 2, num_workers=1)
    monkeypatch.setattr(Torch, "__next__", broken)
    with pytest.raises(DanluError) as told:
        list(loader)
    assert told.value.code == "DL195" and "SIGKILL" in told.value.what
    assert children() == []


def test_timeout_names_the_batch_and_ends_the_stuck_worker() -> None:
    started = time.monotonic()
    with pytest.raises(DanluError) as told:
        list(Loader(Stuck(), 2, num_workers=1, timeout=1))
    assert told.value.code == "DL196" and told.value.where == "[4, 5]"
    assert time.monotonic() - started < 20
    assert children() == []


# ---- nothing stays behind


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("how", ["close", "drop", "break", "raise", "failure"])
def test_no_worker_stays_behind(how: str, persistent: bool, request: pytest.FixtureRequest) -> None:
    gc.disable()
    request.addfinalizer(gc.enable)
    data: Any = Failing((9,) if how == "failure" else (), 40)
    loader: Loader | None = Loader(data, 2, num_workers=2, persistent_workers=persistent)
    assert loader is not None
    batches: Any = iter(loader)
    next(batches)
    assert len(children()) == 2
    if how == "failure":
        with pytest.raises(DanluError):
            list(batches)
        if not persistent:
            assert children() == []  # even while the loader and the error live
    elif how == "close":
        batches.close()
        loader.close()
        assert children() == []
    elif how == "break":
        for _ in batches:
            break
    elif how == "raise":
        try:
            for _ in batches:
                raise RuntimeError("in the training step")
        except RuntimeError:
            pass
    loader = batches = None
    assert children() == []  # no reference cycle that would have to wait for the garbage collector


PROGRAM = """
import os, signal, sys, time
import torch
from danlu.data.loader import Loader

class Data:
    def __len__(self): return 1000
    def __getitem__(self, i):
        if {sleep} and i == 3: time.sleep(600)
        return os.getpid()

if __name__ == "__main__":
    loader = Loader(Data(), 2, num_workers=2, persistent_workers=True, prefetch_factor=2)
    batches = iter(loader)
    print(*{{int(p) for _ in range(1 if {sleep} else 4) for p in next(batches)}}, flush=True)
    {then}
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
@pytest.mark.parametrize("stuck", [False, True])
def test_workers_end_with_the_program(stuck: bool, tmp_path: Path) -> None:
    """They ignore SIGTERM, which is how Python ends child processes at its exit."""
    program = tmp_path / "ends.py"
    program.write_text(PROGRAM.format(sleep=stuck, then="pass"))
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not any(alive(int(pid)) for pid in done.stdout.split())


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks processes up in /proc")
def test_signals_to_the_whole_group_are_the_training_process_to_answer(tmp_path: Path) -> None:
    program = tmp_path / "goes_on.py"
    then = (
        "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, lambda *_: None); os.killpg(0, s); time.sleep(0.3)"
    )
    then += "\n    print(sum(1 for _ in batches), flush=True)"
    program.write_text(PROGRAM.format(sleep=False, then=then))
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "496"


class OnlyHere(IterableDataset[Any]):
    def __iter__(self) -> Any:
        info = get_worker_info()
        return iter(range(5)) if info is None or info.id == 1 else iter(())


def test_a_worker_without_rows_does_not_end_the_pass() -> None:
    assert [b.tolist() for b in Loader(OnlyHere(), 2, num_workers=3)] == [[0, 1], [2, 3], [4]]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
