"""Event files read back with TensorBoard's own reader: the run's numbers, each step once, whatever happened."""

from __future__ import annotations

import errno
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import danlu
import jobs
from danlu.report.tensorboard import Scalars
from fork_server import ForkServer
from test_resume import STOPPED, outcome

KILLED = -9
Curves = dict[str, list[tuple[int, float]]]


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def curves(run: Path) -> Curves:
    """Every scalar as (step, value), as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def logged(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def train(run: Path, **settings: Any) -> danlu.Run:
    torch.manual_seed(0)
    settings = {"epochs": 3, "batch_size": 8, "lr": 0.01, "workers": 0, **settings}
    return danlu.train(
        jobs.Noisy(40, 0), jobs.Noisy(16, 2), val=jobs.Noisy(16, 1), model=jobs.Net(), run=run, **settings
    )


def test_the_numbers_are_those_of_the_run(workdir: Path) -> None:
    run = train(workdir / "run", log="tensorboard", schedule="cosine", warmup=0)
    found, events = curves(run.dir), logged(run.dir)
    steps = [(e["step"], e["loss"]) for e in events if e["event"] == "step"]
    assert [s for s, _ in steps] == list(range(1, 16))
    assert found["train/loss"] == [(step, pytest.approx(loss, rel=1e-6)) for step, loss in steps]
    rates = [0.01 * 0.5 * (1 + math.cos(math.pi * k / 15)) for k in range(15)]
    assert found["lr"] == [(k + 1, pytest.approx(rate, rel=1e-5)) for k, rate in enumerate(rates)]
    epochs = [e for e in events if e["event"] == "epoch"]
    for name in epochs[0]["metrics"]:
        tag = "train/epoch_loss" if name == "train/loss" else name
        assert found[tag] == [(e["step"], pytest.approx(e["metrics"][name], rel=1e-6)) for e in epochs]
    for name in ("test/loss", "test/accuracy", "test/macro_f1"):
        assert found[name] == [(15, pytest.approx(run.metrics[name], rel=1e-6))]
    assert {tag.partition("/")[0] for tag in found} == {"train", "val", "test", "lr"}


@pytest.mark.parametrize("kind", ["log", "log_torch"])
def test_stopped_and_resumed_it_writes_each_step_once(server: ForkServer, tmp_path: Path, kind: str) -> None:
    whole = tmp_path / "whole"
    assert server.run("train", kind=kind, run=str(whole)) == 0
    expected, ends = curves(whole), outcome(whole)
    assert len(expected["train/loss"]) == 15
    for step in (1, 5, 7, 15):
        run = tmp_path / f"stopped-{step}"
        assert server.run("train", kind=kind, run=str(run), stop_at=step) == STOPPED
        assert server.run("train", kind=kind, run=str(run)) == 0
        assert curves(run) == expected, f"stopped at {step}"
        assert outcome(run) == ends, f"stopped at {step}"


PLACES = [
    ("step", 3, 2),
    ("step", 7, 2),
    ("step", 12, 0),
    ("step", 2, 0),
    ("hard", 7, 2),
    ("epoch", 5, 5),
    ("epoch", 10, 5),
    ("test", 0, 0),
]


@pytest.mark.parametrize(("place", "at", "every"), PLACES)
def test_killed_and_resumed_it_writes_each_step_once_and_metrics_jsonl_loses_nothing(
    server: ForkServer, tmp_path: Path, place: str, at: int, every: int
) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert server.run("train", kind="log_torch", run=str(whole), checkpoint_steps=every) == 0
    died = {"kind": "log_torch", "run": str(run), "place": place, "at": at, "checkpoint_steps": every}
    assert server.run("train_and_die", **died) == KILLED
    left = len(list((run / "tensorboard").iterdir()))
    assert left == 1
    assert server.run("train", kind="log_torch", run=str(run), checkpoint_steps=every) == 0
    assert curves(run) == curves(whole)
    assert outcome(run) == outcome(whole)
    assert len(list((run / "tensorboard").iterdir())) == 2


def test_log_changes_no_result_and_may_be_turned_on_later(server: ForkServer, tmp_path: Path) -> None:
    plain, run = tmp_path / "plain", tmp_path / "run"
    assert server.run("train", kind="log", run=str(run)) == 0
    assert jobs.SETTINGS["log"] == {**jobs.SETTINGS["plain_cosine"], "log": "tensorboard"}
    assert server.run("train", kind="plain_cosine", run=str(plain), stop_at=7) == STOPPED
    assert not (plain / "tensorboard").exists()
    assert server.run("train", kind="log", run=str(plain)) == 0  # the same command with --log
    ours, theirs = outcome(plain), outcome(run)
    assert ours == theirs
    later = [(step, value) for step, value in curves(run)["val/loss"] if step > 7]
    assert curves(plain)["val/loss"] == later


def test_a_longer_run_goes_on_in_the_same_curves(workdir: Path, penguins: Path) -> None:
    settings: dict[str, Any] = {"target": "species", "log": "tensorboard", "run": workdir / "run", "batch_size": 64}
    first = danlu.train(str(penguins), epochs=2, **settings)
    before = curves(first.dir)
    danlu.resume(first.dir, epochs=4)
    after = curves(first.dir)
    for tag in ("train/loss", "lr", "val/loss"):
        steps = [step for step, _ in after[tag]]
        assert steps == sorted(set(steps)) and steps[-1] == 2 * before[tag][-1][0]
        assert after[tag][: len(before[tag])] == before[tag]
    assert [step for step, _ in after["test/accuracy"]] == [after["train/loss"][-1][0]], "the test of the whole"


def test_without_tensorboard_it_is_refused_before_anything_is_made(
    workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as if it were not installed
    with pytest.raises(danlu.DanluError, match="DL030") as caught:
        train(workdir / "run", log="tensorboard")
    assert caught.value.fix == 'pip install "danlu[log]"'
    assert not (workdir / "run").exists()
    with pytest.raises(danlu.DanluError, match="DL005"):
        train(workdir / "run", log="tensorbored")


def test_training_without_it_imports_nothing_of_it(penguins: Path) -> None:
    code = f"import sys, danlu; danlu.train({str(penguins)!r}, target='species', steps=2)"
    code += "; print('\\0', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "\0" in done.stdout, done.stderr
    assert not {"tensorboard", "torch.utils.tensorboard"} & set(done.stdout.rpartition("\0")[2].split())


def test_a_full_disk_is_told_with_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scalars = Scalars(tmp_path / "tensorboard")
    scalars.scalar("a", torch.tensor(1.0), 1)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    writer = scalars._writer
    monkeypatch.setattr(writer, "flush", full)
    with pytest.raises(danlu.DanluError, match="DL401") as caught:
        scalars.flush()
    assert str(tmp_path) in str(caught.value)
    monkeypatch.setattr(writer, "close", full)
    scalars.close()  # the first error stands; closing adds none
    monkeypatch.undo()
    writer.close()


def test_a_missing_number_is_left_out_and_nan_is_kept(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path / "tensorboard")
    scalars.scalar("a", None, 1)
    scalars.scalar("a", math.nan, 2)
    scalars.scalar("a", torch.tensor(0.5), 3)
    scalars.close()
    (first, second) = curves(tmp_path)["a"]
    assert first[0] == 2 and math.isnan(first[1]) and second == (3, 0.5)
    scalars.scalar("a", 1.0, 4)  # closed: nothing happens
    Scalars().scalar("a", 1.0, 1)  # off: nothing happens
    assert len(curves(tmp_path)["a"]) == 2
