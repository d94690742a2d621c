"""Child processes that are killed, made from a server that has imported torch and run nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any


@cache
def server() -> Any:
    """A context whose processes start in milliseconds; no process of it inherits a thread or a lock."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "danlu.checkpoint", "danlu.run", "children"])
    return context


def run_child(target: Any, *args: Any, timeout: float = 60) -> int:
    """Run ``target(*args)`` in a process of its own; its exit code, -9 when it was killed."""
    child = server().Process(target=target, args=args)
    child.start()
    child.join(timeout)
    assert child.exitcode is not None, "the child hangs"
    return int(child.exitcode)


def tensors_of(step: int) -> dict[str, Any]:
    """A state that tells its step: six tensors, about 8 kB."""
    import torch

    generator = torch.Generator().manual_seed(step)
    shapes = ((), (3,), (0, 2), (17, 5), (1000,), (2, 3, 4))
    return {f"layer.{i}": torch.randn(shape, generator=generator) for i, shape in enumerate(shapes)}


def save_for_ever(folder: str, first: int) -> None:
    """Save step after step until somebody kills the process."""
    from danlu.checkpoint import Saver

    saver, step = Saver(Path(folder)), first
    while True:
        saver.snapshot(step, tensors_of(step), {"step": step})
        step += 1


def save_until_call(folder: str, step: int, call: int) -> None:
    """Save once and die, as by kill -9, at the ``call``-th call that changes the disk."""
    import pytest

    from crashes import Op, Recorder
    from danlu.checkpoint import save

    left = [call]

    def die(op: Op) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    Recorder(Path(folder), pytest.MonkeyPatch(), die)
    save(Path(folder), step, tensors_of(step), {"step": step})


def save_with_limit(folder: str, step: int, limit: int) -> None:
    """Save once where no file may grow beyond ``limit`` bytes; exit code 3 means: refused with DL401."""
    import resource

    from danlu.checkpoint import save
    from danlu.errors import DanluError

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        save(Path(folder), step, tensors_of(step), {"step": step})
    except DanluError as error:
        good = error.code == "DL401" and folder in str(error) and f"{error.facts['done']:,}" in str(error)
        os._exit(3 if good else 4)


def hold_lock(folder: str, ready: str, with_child: bool) -> None:
    """Lock a run folder, then wait to be killed; ``with_child``: a forked process goes on living after that."""
    from danlu.run import RunFolder

    RunFolder(folder).lock()
    if with_child:
        pid = os.fork()
        if pid == 0:
            time.sleep(60)
            os._exit(0)
        Path(f"{ready}.child").write_text(str(pid))
    Path(f"{ready}.tmp").write_text(str(os.getpid()))
    os.replace(f"{ready}.tmp", ready)
    time.sleep(60)


def lock_once(folder: str) -> None:
    """Exit code 0: locked; 3: refused."""
    from danlu.errors import DanluError
    from danlu.run import RunFolder

    try:
        RunFolder(folder).lock()
    except DanluError as error:
        os._exit(3 if error.code == "DL403" else 4)
