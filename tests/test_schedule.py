"""Schedules are functions of the step, equal to torch's where torch has them, and resume anywhere."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer
from torch.optim import lr_scheduler as lrs

from danlu.errors import DanluError
from danlu.schedule import build_schedule
from danlu.settings import Settings


def sgd(lr: float = 0.4) -> SGD:
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(2))]},
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.1},
    ]
    return SGD(groups, lr=lr)


def rates(schedule: Any, optimizer: Optimizer, steps: int, per_epoch: int = 5) -> list[float]:
    found = []
    for step in range(steps):
        schedule.before_step(step)
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.after_step()
        if (step + 1) % per_epoch == 0:
            schedule.after_epoch(1.0, 1.0)
    return found


def test_constant_does_nothing_at_all() -> None:
    optimizer = sgd()
    schedule = build_schedule(None, optimizer, Settings(), steps=None)
    assert not schedule.moves and rates(schedule, optimizer, 7) == [0.4] * 7


def test_cosine_is_torchs_after_a_linear_warm_up() -> None:
    optimizer, theirs = sgd(), sgd()
    ours = rates(build_schedule("cosine", optimizer, Settings(warmup=4), steps=24), optimizer, 24)
    assert ours[:4] == pytest.approx([0.1, 0.2, 0.3, 0.4])
    scheduler = lrs.CosineAnnealingLR(theirs, T_max=20)
    for rate in ours[4:]:
        assert rate == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12)
        theirs.step()
        scheduler.step()
    assert optimizer.param_groups[1]["lr"] == pytest.approx(ours[-1] / 4)  # groups keep their proportions


def test_one_cycle_is_torchs() -> None:
    optimizer, theirs = sgd(), sgd()
    ours = rates(build_schedule("one-cycle", optimizer, Settings(), steps=50), optimizer, 50)
    scheduler = lrs.OneCycleLR(theirs, max_lr=0.4, total_steps=50, cycle_momentum=False)
    for step, rate in enumerate(ours):
        assert rate == pytest.approx(theirs.param_groups[0]["lr"], abs=1e-12), step
        theirs.step()
        if step < 49:
            scheduler.step()
    assert max(ours) == pytest.approx(0.4)


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 10), (10, 10), (0.001, 1)])
def test_warm_up_as_a_share_or_a_number(warmup: float, steps: int) -> None:
    optimizer = sgd()
    schedule = build_schedule("constant", optimizer, Settings(warmup=warmup), steps=100)
    assert schedule.moves
    assert rates(schedule, optimizer, 12) == pytest.approx([0.4 * min(1.0, (i + 1) / steps) for i in range(12)])


@pytest.mark.parametrize("name", ["constant", "cosine", "one-cycle"])
def test_going_on_needs_only_the_step(name: str) -> None:
    whole, half = sgd(), sgd()
    settings = Settings(warmup=3)
    expected = rates(build_schedule(name, whole, settings, steps=20), whole, 20)
    first = build_schedule(name, half, settings, steps=20)
    rates(first, half, 8)
    again = sgd(lr=9.0)
    second = build_schedule(name, again, Settings(warmup=1), steps=999)
    second.load(json.loads(json.dumps(first.state())))
    got = []
    for step in range(8, 20):
        second.before_step(step)
        got.append(again.param_groups[0]["lr"])
    assert got == expected[8:]


FACTORIES: dict[str, Any] = {
    "StepLR": lambda o: lrs.StepLR(o, 2, 0.5),
    "MultiStepLR": lambda o: lrs.MultiStepLR(o, [1, 3], 0.5),
    "OneCycleLR": lambda o: lrs.OneCycleLR(o, 0.4, total_steps=20),
    "CyclicLR": lambda o: lrs.CyclicLR(o, 0.1, 0.4, 3, cycle_momentum=False),
    "LambdaLR by step": lambda o: (lrs.LambdaLR(o, lambda n: 1 / (1 + n)), "step"),
    "CosineAnnealingLR by step": lambda o: (lrs.CosineAnnealingLR(o, 20), "step"),
    "SequentialLR": lambda o: lrs.SequentialLR(
        o, [lrs.LinearLR(o, 0.1, total_iters=2), lrs.ExponentialLR(o, 0.5)], [2]
    ),
    "ReduceLROnPlateau": lambda o: lrs.ReduceLROnPlateau(o, patience=0),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_torch_schedulers_go_on_where_they_were(name: str) -> None:
    whole, half = sgd(), sgd()
    expected = rates(build_schedule(FACTORIES[name], whole, Settings(), steps=None), whole, 20)
    assert len(set(expected)) > 1
    first = build_schedule(FACTORIES[name], half, Settings(), steps=None)
    began = rates(first, half, 10)
    again = sgd()
    second = build_schedule(FACTORIES[name], again, Settings(), steps=None)
    second.load(json.loads(json.dumps(first.state())))  # what a checkpoint keeps
    again.load_state_dict(half.state_dict())  # rates live in the optimizer's state
    assert began + rates(second, again, 10) == pytest.approx(expected)


def test_by_epoch_or_by_step() -> None:
    optimizer = sgd()
    found = rates(build_schedule(lambda o: lrs.ExponentialLR(o, 0.5), optimizer, Settings(), steps=None), optimizer, 12)
    assert found == [0.4] * 5 + [0.2] * 5 + [0.1] * 2


def test_a_plateau_watches_the_loss_or_the_metric() -> None:
    down, up = sgd(), sgd()
    by_loss = build_schedule(lambda o: lrs.ReduceLROnPlateau(o, patience=0), down, Settings(), steps=None)
    by_metric = build_schedule(lambda o: lrs.ReduceLROnPlateau(o, "max", patience=0), up, Settings(), steps=None)
    for metric, loss in [(0.5, 1.0), (0.6, 0.9), (0.7, 0.8)]:  # accuracy rises, the loss falls: all is well
        by_loss.after_epoch(metric, loss)
        by_metric.after_epoch(metric, loss)
    assert down.param_groups[0]["lr"] == up.param_groups[0]["lr"] == 0.4
    by_loss.after_epoch(0.8, 0.9)
    by_metric.after_epoch(0.6, 0.7)
    assert down.param_groups[0]["lr"] == up.param_groups[0]["lr"] == pytest.approx(0.04)


def test_one_cycle_stays_at_its_end() -> None:
    optimizer = sgd()
    schedule = build_schedule(lambda o: lrs.OneCycleLR(o, 0.4, total_steps=6), optimizer, Settings(), steps=None)
    assert rates(schedule, optimizer, 10)[-1] < 1e-5  # torch would raise after total_steps


def test_descriptions() -> None:
    assert build_schedule("cosine", sgd(), Settings(warmup=2), steps=9).describe() == "cosine, warm-up of 2 updates"
    described = build_schedule(lambda o: lrs.StepLR(o, 2), sgd(), Settings(), steps=9).describe()
    assert described == "StepLR, stepped after every epoch"


def test_a_step_costs_little() -> None:
    optimizer = sgd()
    schedule = build_schedule("cosine", optimizer, Settings(warmup=4), steps=100_000)
    best = float("inf")
    for _ in range(20):
        began = time.perf_counter()
        for step in range(1000):
            schedule.before_step(step)
            schedule.after_step()
        best = min(best, time.perf_counter() - began)
    assert best / 1000 < 20e-6  # 1 µs here; the bound only catches a change of kind


def mixed(code: str) -> Any:
    o = sgd()
    return {
        "DL350": lambda: build_schedule("cosin", o, Settings(), steps=10),
        "DL351": lambda: build_schedule("cosine", o, Settings(), steps=None),
        "DL352": lambda: build_schedule(lambda o: 3, o, Settings(), steps=10),
        "DL353": lambda: build_schedule(lambda o: lrs.StepLR(o, 2), o, Settings(warmup=0.1), steps=10),
        "DL354": lambda: build_schedule(lambda _: lrs.StepLR(sgd(), 2), o, Settings(), steps=10),
        "DL355": lambda: build_schedule(lrs.ReduceLROnPlateau, o, Settings(), steps=10).after_epoch(None, None),
        "DL356": lambda: build_schedule(lambda o: lrs.StepLR(o, 2), o, Settings(), steps=9).load({"class": "CyclicLR"}),
        "DL357": lambda: build_schedule("cosine", o, Settings(warmup=10), steps=10),
    }[code]


@pytest.mark.parametrize("code", [f"DL35{i}" for i in range(8)])
def test_what_is_no_schedule_is_said(code: str) -> None:
    with pytest.raises(DanluError) as error:
        mixed(code)()
    assert error.value.code == code and len(str(error.value).splitlines()) <= 8
