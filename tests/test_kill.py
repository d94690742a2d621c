"""Killed anywhere with SIGKILL: the same command goes on and ends identically."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fork_server import ForkServer
from test_resume import outcome

KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def checkpoints(run: Path) -> list[str]:
    folder = run / "checkpoints"
    return sorted(p.name for p in folder.iterdir() if ".tmp" not in p.name) if folder.is_dir() else []


def kill_between_checkpoints(server: ForkServer, run: Path, seconds: float) -> bool:
    """Start, wait for the first checkpoint and ``seconds`` more, kill; False when the run ended before."""
    pid = server.start("train_until_killed", run=str(run))
    limit = time.monotonic() + 60
    while not checkpoints(run) and time.monotonic() < limit:
        time.sleep(0.002)
    time.sleep(seconds)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    return server.wait() == KILLED


def campaign(server: ForkServer, folder: Path, kills: int) -> None:
    """Half of the kills at a random moment between the first and the last checkpoint, half inside a save."""
    rng = random.Random(5)
    whole = folder / "whole"
    began = time.monotonic()
    assert server.run("train_until_killed", run=str(whole)) == 0
    length = time.monotonic() - began
    expected = outcome(whole)
    done = 0
    while done < kills:
        run = folder / f"run-{done}"
        if done % 2:
            killed = kill_between_checkpoints(server, run, rng.uniform(0, 0.4 * length))
        else:
            place = {"kill_at_save": rng.randint(2, 30), "kill_at_call": rng.randint(1, 8)}
            killed = server.run("train_until_killed", run=str(run), **place) == KILLED
        if killed and rng.random() < 0.5:  # and once more, on the way back
            kill_between_checkpoints(server, run, rng.uniform(0, 0.2 * length))
        assert server.run("train_until_killed", run=str(run)) == 0
        weights, events, predictions = outcome(run)
        assert events == expected[1]
        assert weights == expected[0]
        assert predictions == expected[2]
        shutil.rmtree(run)
        done += killed


@pytest.mark.timeout(1200)
def test_fifty_kills_change_nothing(server: ForkServer, tmp_path: Path) -> None:
    campaign(server, tmp_path, 50)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_thousand_kills_change_nothing(server: ForkServer, tmp_path: Path) -> None:
    campaign(server, tmp_path, 1000)
