"""Trainings that tests run in processes of their own; everything random that a user's code may hold is in them."""

from __future__ import annotations

import random
import signal
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu
from danlu import session, state
from danlu.freeze import Body
from danlu.loop import Progress

ROWS = 40


class Noisy(Dataset[tuple[Tensor, int]]):
    """Augments with torch's, numpy's and Python's generators, as users' datasets do."""

    def __init__(self, rows: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(rows, 8, generator=generator)
        self.labels = (self.x.sum(1) > 0).long()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        x = self.x[i] + 0.1 * torch.randn(8)
        x = x * float(np.random.uniform(0.9, 1.1)) + 0.1 * random.random()
        return x, int(self.labels[i])


class Net(nn.Module):
    """Dropout, BatchNorm, and draws from numpy and random in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            x = x + 0.01 * float(np.random.randn()) + 0.01 * random.random()
        out: Tensor = self.body(x)
        return out


class TwoTargets(Noisy):
    def __getitem__(self, i: int) -> Any:
        x, label = super().__getitem__(i)
        return x, {"kind": label, "size": x.sum()}


class TwoHeads(nn.Module):
    """Two heads for their two losses, whose weights are learnt."""

    def __init__(self) -> None:
        super().__init__()
        self.body = Net()
        self.size = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"kind": self.body(x), "size": self.size(x)[:, 0]}


SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"workers": 0},
    "workers": {"workers": 2},
    "ema": {"workers": 0, "ema": 0.9, "schedule": "one-cycle"},
    "accumulate": {"workers": 0, "accumulate": 2, "clip_norm": 0.5},
    "patience": {"workers": 0, "patience": 1},
    "steps": {"workers": 0, "steps": 13, "epochs": None},
    "worse": {"workers": 0, "lr": 10.0},
    "plain_cosine": {"workers": 0, "schedule": "cosine"},
    "log": {"workers": 0, "log": "tensorboard", "schedule": "cosine"},
    "log_torch": {"workers": 0, "log": "tensorboard"},
    "heads": {"workers": 0, "loss_weights": "learnt"},
    "freeze": {"workers": 0, "freeze": 1, "ema": 0.9, "body_lr": 0.5},
}


def step_lr(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
    return torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)


def train(kind: str, run: str, stop_at: int = 0, leave_out: str = "", checkpoint_steps: int = 0) -> int:
    """Three epochs; stopped as by Ctrl-C after ``stop_at`` updates; ``leave_out`` forgets one part of the state."""
    torch.set_num_threads(1)
    torch.manual_seed(7)
    settings: dict[str, Any] = {"epochs": 3, "precision": "fp32", "batch_size": 8, "seed": 3, "lr": 0.01}
    settings |= SETTINGS.get(kind, {"workers": 0})
    settings = {k: v for k, v in settings.items() if v is not None}
    if kind in ("torch_schedule", "log_torch"):
        settings["schedule"] = step_lr
    if checkpoint_steps:
        settings["checkpoint_steps"] = checkpoint_steps
    if stop_at:
        _stop_after(stop_at)
    if leave_out:
        _forget(leave_out)
    try:
        if kind == "heads":
            parts = TwoTargets(ROWS, 0), TwoTargets(16, 2), TwoTargets(16, 1)
            danlu.train(parts[0], parts[1], val=parts[2], model=TwoHeads(), run=run, **settings)
        else:
            danlu.train(Noisy(ROWS, 0), Noisy(16, 2), val=Noisy(16, 1), model=Net(), run=run, **settings)
    except danlu.Interrupted as stopped:
        return 128 + stopped.signal
    return 0


def train_and_die(kind: str, run: str, place: str, at: int = 0, checkpoint_steps: int = 0) -> int:
    """``train``, ended by SIGKILL: after update ``at``, inside its epoch's end before the save, or after the test.

    What is waiting for TensorBoard's files has just been written then; with the place "hard" it has not.
    """
    import os

    from danlu import finish

    def die(self: Any, *args: Any, **more: Any) -> None:
        if place == "test" or self.progress.step >= at:
            if place != "hard":
                self.scalars.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    if place == "test":
        finish.write_predictions = die  # type: ignore[assignment]
    elif place == "epoch":
        judge = session.Session._judge

        def judged_and_died(self: session.Session, *args: Any) -> bool:
            if self.progress.step < at:
                return judge(self, *args)
            session.Session.is_last = die  # type: ignore[assignment]
            self.saver.wait()  # the last checkpoint is from inside this epoch
            return False  # nothing better, nothing saved

        session.Session._judge = judged_and_died  # type: ignore[method-assign]
    else:
        stepped = session.Session.stepped

        def stepped_then_died(self: session.Session, event: Any) -> None:
            stepped(self, event)
            die(self)

        session.Session.stepped = stepped_then_died  # type: ignore[method-assign]
    return train(kind, run, checkpoint_steps=checkpoint_steps)


def _stop_after(step: int) -> None:
    stepped = session.Session.stepped

    def stepped_then_stopped(self: session.Session, event: Any) -> None:
        if event.step == step:
            self.stop.signal = signal.SIGINT
        stepped(self, event)

    session.Session.stepped = stepped_then_stopped  # type: ignore[method-assign]


def _forget(part: str) -> None:
    """Make the restored state lack one part, as if nobody had saved it."""
    restore = state.restore

    def forgetful(
        tensors: Any, values: Any, model: Any, optimizer: Any, schedule: Any, ema: Any, loader: Any, **k: Any
    ) -> Any:
        fresh = {"torch": torch.get_rng_state(), "numpy": np.random.get_state(), "python": random.getstate()}
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        progress = restore(
            tensors,
            values,
            model,
            None if part == "optimizer" else optimizer,
            None if part == "schedule" else schedule,
            None if part == "ema" else ema,
            None if part == "loader" else loader,
            **k,
        )
        if part == "model":
            model.load_state_dict(before)
        if part == "buffers":
            model.load_state_dict({k: before[k] if "running" in k else v for k, v in model.state_dict().items()})
        if part == "torch":
            torch.set_rng_state(fresh["torch"])
        if part == "numpy":
            np.random.set_state(fresh["numpy"])
        if part == "python":
            random.setstate(fresh["python"])
        if part in ("best", "lines"):
            progress[part] = {"best": session.Best().to_json(), "lines": 0}[part]
        if part == "body":
            Body.apply = lambda *_: None  # type: ignore[method-assign, assignment]
        if part in vars(Progress()):
            progress["progress"][part] = getattr(Progress(), part)
        return progress

    state.restore = forgetful  # type: ignore[assignment]


def train_until_killed(run: str, kill_at_save: int = 0, kill_at_call: int = 0) -> int:
    """A run with many checkpoints; ``kill_at_save`` > 0: dies by SIGKILL at a file operation inside that save."""
    if kill_at_save:
        _die_inside(kill_at_save, kill_at_call)
    torch.set_num_threads(1)
    torch.manual_seed(7)
    settings: dict[str, Any] = {"epochs": 8, "precision": "fp32", "batch_size": 4, "seed": 3, "checkpoint_steps": 2}
    danlu.train(Noisy(ROWS, 0), Noisy(16, 2), val=Noisy(16, 1), model=Net(), run=run, workers=0, **settings)
    return 0


def _die_inside(save: int, call: int) -> None:
    """SIGKILL to oneself at the ``call``-th audited file operation of the ``save``-th commit."""
    import os
    import sys
    import threading

    from danlu import checkpoint

    commit = checkpoint._commit
    counts = {"save": 0, "call": 0}

    def counted(*args: Any, **keywords: Any) -> Any:
        counts["save"] += 1
        return commit(*args, **keywords)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        inside = threading.current_thread().name == "danlu-save" and counts["save"] == save
        if inside and event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.listdir", "os.scandir"):
            counts["call"] += 1
            if counts["call"] == call:
                os.kill(os.getpid(), signal.SIGKILL)

    checkpoint._commit = counted
    sys.addaudithook(audit)
