"""State: captured, saved, restored into fresh objects, training goes on bit for bit; every part of it is needed."""

from __future__ import annotations

import collections
import copy
import json
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, MultiStepLR, OneCycleLR, ReduceLROnPlateau

from danlu import ema as ema_room
from danlu.checkpoint import latest, save
from danlu.data.loader import Loader
from danlu.errors import DanluError
from danlu.muon import MuonAdamW, muon_groups
from danlu.plain import decode, encode
from danlu.state import capture, restore, restore_weights

State = tuple[dict[str, Tensor], dict[str, Any]]


class Net(nn.Module):
    """Draws from all three generators and its own, counts in a hidden buffer, ties two layers, leaves one unused."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(4, 6)
        self.norm = nn.BatchNorm1d(6)
        self.drop = nn.Dropout(0.3)
        self.twin = nn.Linear(4, 6)
        self.twin.weight = self.stem.weight
        self.head = nn.Linear(6, 1)
        self.unused = nn.Linear(2, 2)
        self.register_buffer("calls", torch.zeros(()), persistent=False)
        self.own = torch.Generator().manual_seed(3)
        self.numpy = np.random.default_rng(4)
        self.plain = random.Random(5)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        noise = float(np.random.rand()) + random.random() + self.numpy.random() + self.plain.random()
        x = x + noise * 1e-2 + torch.rand(x.shape, generator=self.own) * 1e-2 + self.calls * 1e-3
        return self.head(self.drop(torch.relu(self.norm(self.stem(x) + self.twin(x)))))  # type: ignore[no-any-return]


class Training:
    """A small training by hand, with everything a state can hold."""

    def __init__(self, optimizer: Callable[[Net], Any], schedule: Callable[[Any], Any] = MultiStepLR) -> None:
        torch.manual_seed(0)
        np.random.seed(0)
        random.seed(0)
        self.model = Net()
        self.optimizer = optimizer(self.model)
        self.schedule = CosineAnnealingLR(self.optimizer, 20) if schedule is MultiStepLR else schedule(self.optimizer)
        self.ema = ema_room.Ema(self.model, 0.9)
        data = torch.utils.data.TensorDataset(torch.randn(40, 4), torch.randn(40, 1))
        self.loader = Loader(data, batch_size=8, shuffle=True, seed=1)
        self.progress: dict[str, Any] = {"step": 0, "sum": 0.0, "best": None}

    def run(self, steps: int, at: int | None = None) -> Training:
        """``steps`` updates; the state after ``at`` of them is kept in ``captured``."""
        done = 0
        if at == 0:
            self.captured = self.copied()
        while done < steps:
            for x, y in self.loader:
                self.optimizer.zero_grad()
                loss = nn.functional.mse_loss(self.model(x), y)
                loss.backward()  # type: ignore[no-untyped-call]
                self.optimizer.step()
                self.schedule.step()
                self.ema.update()
                self.progress["step"] += 1
                self.progress["sum"] += float(loss.detach())
                done += 1
                if done == at:
                    self.captured = self.copied()
                if done == steps:
                    break
        return self

    def copied(self) -> State:
        tensors, values = self.capture()
        return {k: v.clone() for k, v in tensors.items()}, copy.deepcopy(values)

    def parts(self) -> tuple[Any, ...]:
        return self.model, self.optimizer, self.schedule, self.ema, self.loader

    def capture(self) -> State:
        return capture(*self.parts(), self.progress)

    def restore(self, tensors: Mapping[str, Tensor], values: Mapping[str, Any]) -> Training:
        self.progress = restore(tensors, values, *self.parts())
        return self

    def end(self) -> dict[str, Any]:
        """All that must come out the same."""
        state = {f"model {k}": v.clone() for k, v in self.model.state_dict().items()}
        with self.ema.swapped():
            state |= {f"ema {k}": v.clone() for k, v in self.model.state_dict().items()}
        state |= {"calls": self.model.calls.clone(), "lr": self.optimizer.param_groups[0]["lr"], **self.progress}
        drawn = {"torch": torch.rand(2), "numpy": float(np.random.randn()), "random": random.gauss(0, 1)}
        own = {
            "own": torch.rand(2, generator=self.model.own),
            "g": self.model.numpy.random(),
            "p": self.model.plain.random(),
        }
        return state | drawn | own | {"loader": self.loader.state_dict()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    assert a.keys() == b.keys()
    return all(torch.equal(a[k], b[k]) if isinstance(a[k], Tensor) else a[k] == b[k] for k in a)


def through_disk(
    folder: Path, state: tuple[dict[str, Tensor], dict[str, Any]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    save(folder, 1, *state)
    found = latest(folder)
    assert found is not None
    return found.tensors, found.values


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of a few numbers: more threads only wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


OPTIMIZERS: dict[str, Callable[[Net], Any]] = {
    "adamw": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01),
    "adamw fused": lambda m: torch.optim.AdamW(m.parameters(), lr=0.01, fused=True),
    "adam amsgrad": lambda m: torch.optim.Adam(m.parameters(), lr=0.01, amsgrad=True),
    "sgd": lambda m: torch.optim.SGD(m.parameters(), lr=0.01),
    "sgd momentum": lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9, nesterov=True),
    "rmsprop": lambda m: torch.optim.RMSprop(m.parameters(), lr=0.01, centered=True),
    "nadam": lambda m: torch.optim.NAdam(m.parameters(), lr=0.01),
    "asgd": lambda m: torch.optim.ASGD(m.parameters(), lr=0.01),
    "adafactor": lambda m: torch.optim.Adafactor(m.parameters()),
    "tensor lr": lambda m: torch.optim.AdamW(m.parameters(), lr=torch.tensor(0.01)),
    "muon and adamw": lambda m: MuonAdamW(muon_groups(m, lr=0.01, weight_decay=0.1, momentum=0.95, fused=True), 0.01),
    "two groups": lambda m: torch.optim.AdamW(
        [{"params": [m.head.weight], "lr": 0.1}, {"params": [p for p in m.parameters() if p is not m.head.weight]}],
        lr=0.01,
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("stop", [0, 1, 7])
def test_training_goes_on_bit_for_bit(tmp_path: Path, name: str, stop: int) -> None:
    make = OPTIMIZERS[name]
    first = Training(make).run(13, at=stop)
    straight = first.end()
    state = through_disk(tmp_path, first.captured)
    torch.manual_seed(99)
    resumed = Training(make)
    resumed.run(3)  # restore must undo whatever the objects went through before
    resumed = resumed.restore(*state).run(13 - stop)
    assert same(straight, resumed.end())


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "one-cycle": lambda o: OneCycleLR(o, 0.05, total_steps=30),
    "multi-step": lambda o: MultiStepLR(o, [3, 9]),
    "chained": lambda o: torch.optim.lr_scheduler.SequentialLR(
        o, [torch.optim.lr_scheduler.LinearLR(o, 0.1, total_iters=4), CosineAnnealingLR(o, 9)], [4]
    ),
    "lambda": lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.9**step),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_torch_schedules_go_on(tmp_path: Path, name: str) -> None:
    make = OPTIMIZERS["adamw"]
    first = Training(make, SCHEDULES[name]).run(13, at=5)
    straight = first.end()
    state = through_disk(tmp_path, first.captured)
    assert same(straight, Training(make, SCHEDULES[name]).restore(*state).run(8).end())


def test_plateau_schedule_goes_on(tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    plateau = ReduceLROnPlateau(optimizer, patience=1)
    for metric in (1.0, 1.0):
        plateau.step(metric)
    tensors, values = through_disk(tmp_path, capture(model, optimizer, plateau))
    other = torch.optim.SGD(model.parameters(), lr=1.0)
    again = ReduceLROnPlateau(other, patience=1)
    restore(tensors, values, model, other, again)
    assert vars(again).keys() == vars(plateau).keys() and again.best == plateau.best
    again.step(1.0)
    assert other.param_groups[0]["lr"] == pytest.approx(0.1)


PARTS = ["model", "hidden", "optimizer", "schedule", "ema", "loader", "progress", "torch", "numpy", "random", "own"]


@pytest.mark.parametrize("part", PARTS)
def test_each_part_left_out_breaks_the_resume(part: str) -> None:
    """The state with one part replaced by that of a training that has not begun: the end must differ."""
    make = OPTIMIZERS["adamw"]
    first = Training(make).run(13, at=7)
    straight = first.end()
    tensors, values = first.captured
    whole = Training(make).restore(*copy.deepcopy(first.captured)).run(6)
    assert same(straight, whole.end())
    new = Training(make)
    if part in ("schedule", "ema", "loader"):
        index = ("schedule", "ema", "loader").index(part) + 2
        parts = list(new.parts())
        parts[index] = None
        new.progress = restore(tensors, values, *parts)
    else:
        none_tensors, none_values = Training(make).copied()
        prefix = {"model": "model/", "hidden": "model-hidden"}.get(part)
        if prefix:
            tensors |= {k: v.clone() for k, v in none_tensors.items() if k.startswith(prefix)}
        elif part in ("optimizer", "progress"):
            values[part] = none_values[part]
        else:
            values["rng"][part] = none_values["rng"][part]
            tensors |= {k: v.clone() for k, v in none_tensors.items() if k.startswith(f"rng.{part}")}
        new.restore(tensors, values)
    assert not same(straight, new.run(6).end())


# --- what is in it ---------------------------------------------------------------------------------------------------


def test_names_are_the_parameters_and_tied_ones_are_stored_once() -> None:
    first = Training(OPTIMIZERS["adamw"]).run(2)
    tensors, values = first.capture()
    assert values["model"]["tied"] == {"twin.weight": "stem.weight"}
    assert "model/twin.weight" not in tensors
    assert torch.equal(
        tensors["optimizer/stem.weight.exp_avg"], first.optimizer.state[first.model.stem.weight]["exp_avg"]
    )
    assert not any("unused" in name for name in tensors if name.startswith("optimizer"))  # never had a gradient
    json.dumps(values, allow_nan=False)


def test_sgd_has_no_state_to_store() -> None:
    tensors, values = Training(OPTIMIZERS["sgd"]).run(2).capture()
    assert not any(name.startswith("optimizer/") for name in tensors)
    assert len(values["optimizer"]["groups"][0]["params"]) == len(list(Net().parameters()))


def test_state_in_another_dtype_stays_so(tmp_path: Path) -> None:
    """load_state_dict would cast a float32 slot of a bfloat16 parameter."""

    class Wide(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:  # type: ignore[override]
            for group in self.param_groups:
                for p in group["params"]:
                    slot = self.state[p].setdefault("sum", torch.zeros(p.shape, dtype=torch.float32))
                    slot.add_(p.grad.float() / 3)

    model = nn.Linear(3, 2).bfloat16()
    optimizer = Wide(model.parameters(), lr=0.1)
    model(torch.ones(1, 3, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    tensors, values = through_disk(tmp_path, capture(model, optimizer))
    other = Wide(model.parameters(), lr=0.1)
    restore(tensors, values, model, other)
    slot = other.state[model.weight]["sum"]
    assert slot.dtype == torch.float32 and torch.equal(slot, optimizer.state[model.weight]["sum"])


@pytest.mark.parametrize("fused", [False, True])
def test_channels_last_goes_on(tmp_path: Path, fused: bool) -> None:
    """The fused kernel walks weights and slots in memory order: a slot restored row-major would meet other weights."""

    def make() -> tuple[nn.Conv2d, torch.optim.AdamW]:
        torch.manual_seed(0)
        model = nn.Conv2d(3, 5, 3).to(memory_format=torch.channels_last)
        return model, torch.optim.AdamW(model.parameters(), lr=0.01, fused=fused)

    def run(model: nn.Conv2d, optimizer: torch.optim.AdamW, steps: range) -> Tensor:
        for i in steps:
            optimizer.zero_grad()
            x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(i)).to(
                memory_format=torch.channels_last
            )
            model(x).square().mean().backward()
            optimizer.step()
        return model.weight.detach().clone()

    model, optimizer = make()
    run(model, optimizer, range(3))
    state = through_disk(tmp_path, capture(model, optimizer))
    straight = run(model, optimizer, range(3, 6))
    other, again = make()
    restore(*state, other, again)
    assert again.state[other.weight]["exp_avg"].stride() == other.weight.stride()
    assert torch.equal(run(other, again, range(3, 6)), straight)


def test_a_loss_with_weights_of_its_own(tmp_path: Path) -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.log_variance = nn.Parameter(torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            return (x.square().mean(0) * torch.exp(-self.log_variance) + self.log_variance).sum()

    def make() -> tuple[nn.Module, nn.Module, Any]:
        torch.manual_seed(0)
        model, loss = nn.Linear(3, 2), Weighted()
        return model, loss, torch.optim.Adam([*model.parameters(), *loss.parameters()], lr=0.1)

    def run(model: nn.Module, loss: nn.Module, optimizer: Any) -> Tensor:
        for _ in range(3):
            optimizer.zero_grad()
            loss(model(torch.randn(4, 3))).backward()
            optimizer.step()
        return torch.cat([p.detach().flatten() for p in (*model.parameters(), *loss.parameters())])

    model, loss, optimizer = make()
    run(model, loss, optimizer)
    state = through_disk(tmp_path, capture(model, optimizer, others={"loss": loss}))
    straight = run(model, loss, optimizer)
    for others in (True, False):  # the optimizer's parameters are kept even where nobody names the loss
        model, loss, optimizer = make()
        restore(*state, model, optimizer, others={"loss": loss} if others else None)
        assert torch.equal(run(model, loss, optimizer), straight)


def test_a_scaler_and_extra_state(tmp_path: Path) -> None:
    class Counting(nn.Linear):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count, "seen": torch.arange(self.count)}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]
            assert torch.equal(state["seen"], torch.arange(self.count))

    model = Counting(2, 2)
    model.count = 4
    scaler = torch.amp.GradScaler("cpu", init_scale=7.0)
    tensors, values = through_disk(tmp_path, capture(model, None, others={"scaler": scaler}))
    other, again = Counting(2, 2), torch.amp.GradScaler("cpu")
    restore(tensors, values, other, None, others={"scaler": again})
    assert other.count == 4 and again.state_dict() == scaler.state_dict()


def test_a_lazy_model_takes_its_shapes_from_the_state(tmp_path: Path) -> None:
    model = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.Linear(3, 1))
    with pytest.raises(DanluError) as caught:
        capture(model, None)
    assert caught.value.code == "DL413"
    model(torch.ones(1, 5))
    tensors, values = through_disk(tmp_path, capture(model, None))
    other = nn.Sequential(nn.LazyLinear(3), nn.ReLU(), nn.Linear(3, 1))
    restore(tensors, values, other, None)
    assert torch.equal(other(torch.ones(1, 5)), model(torch.ones(1, 5)))


def test_restore_weights_leaves_the_generators_alone() -> None:
    first = Training(OPTIMIZERS["adamw"]).run(4)
    tensors, values = first.capture()
    tensors = {k: v.clone() for k, v in tensors.items()}
    other = Training(OPTIMIZERS["adamw"])
    before = torch.get_rng_state()
    restore_weights(tensors, values, other.model, other.ema)
    assert torch.equal(before, torch.get_rng_state())
    wanted, got = first.model.state_dict(), other.model.state_dict()
    assert all(torch.equal(got[k], v) for k, v in wanted.items())
    with first.ema.swapped(), other.ema.swapped():
        assert all(torch.equal(other.model.state_dict()[k], v) for k, v in first.model.state_dict().items())


# --- refused ---------------------------------------------------------------------------------------------------------


def test_a_changed_model_is_refused_with_the_names_and_nothing_is_changed() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    tensors, values = capture(model, None)
    other = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2), nn.BatchNorm1d(2))
    before = copy.deepcopy(other.state_dict())
    state = torch.get_rng_state()
    torch.rand(1)
    moved = torch.get_rng_state()
    with pytest.raises(DanluError) as caught:
        restore(tensors, values, other, None)
    assert caught.value.code == "DL410"
    text = str(caught.value)
    assert "2.running_mean" in text and "0.weight float32 (4, 3) ≠ float32 (5, 3)" in text
    assert all(torch.equal(before[k], v) for k, v in other.state_dict().items())
    assert torch.equal(torch.get_rng_state(), moved) and not torch.equal(state, moved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: torch.optim.AdamW(m[0].parameters()), ["only in the file: 1.weight, 1.bias"]),
        (lambda m: torch.optim.SGD(m.parameters()), ["AdamW ≠ SGD"]),
        (
            lambda m: torch.optim.AdamW([{"params": m[0].parameters()}, {"params": m[1].parameters()}]),
            ["of [4] parameters", "[2, 2] now"],
        ),
    ],
)
def test_a_changed_optimizer_is_refused(change: Callable[[Any], Any], words: list[str]) -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    tensors, values = capture(model, torch.optim.AdamW(model.parameters()))
    with pytest.raises(DanluError) as caught:
        restore(tensors, values, model, change(model))
    assert caught.value.code == "DL411"
    for word in words:
        assert word in str(caught.value)


def test_reordered_parameters_find_their_slots() -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(4, 3)).square().sum().backward()
    optimizer.step()
    tensors, values = capture(model, optimizer)
    other = torch.optim.AdamW(list(model.parameters())[::-1])
    restore(tensors, values, model, other)
    for p in model.parameters():
        assert torch.equal(other.state[p]["exp_avg"], optimizer.state[p]["exp_avg"])


def test_what_is_not_plain_is_named() -> None:
    class Odd:
        def state_dict(self) -> Any:
            return {"a": [1, {"b": object()}]}

    with pytest.raises(DanluError, match=r"schedule\.a\.1\.b") as caught:
        capture(nn.Linear(1, 1), None, Odd())
    assert caught.value.code == "DL412"


# --- plain values ----------------------------------------------------------------------------------------------------

ARRAYS = st.sampled_from([np.arange(5), np.zeros((2, 0)), np.array(3.5, dtype=np.float32), np.array([True, False])])
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**130), 2**130),
    st.floats(),
    st.complex_numbers(),
    st.text(),
    st.binary(max_size=20),
    ARRAYS,
    st.sampled_from([torch.arange(3), torch.tensor(1.5, dtype=torch.bfloat16), torch.zeros(0), torch.float16]),
    st.just(torch.device("cpu")),
)
KEYS = st.one_of(st.text(), st.integers(), st.just("$"), st.sampled_from(["a", "a.b", "b"]), st.booleans())
NESTED = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=2).map(collections.OrderedDict),
        st.lists(inner, max_size=3).map(collections.deque),
        st.frozensets(st.integers(), max_size=3),
        st.sets(st.text(), max_size=3),
        st.dictionaries(st.integers(), st.integers(0, 5), max_size=3).map(collections.Counter),
    ),
    max_leaves=12,
)


def alike(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, Mapping):
        return list(a) == list(b) and all(alike(x, y) for x, y in zip(a.values(), b.values()))
    if isinstance(a, (list, tuple, collections.deque)):
        return len(a) == len(b) and all(alike(x, y) for x, y in zip(a, b))
    return bool(a == b) or repr(a) == repr(b)  # NaN


@given(NESTED)
def test_plain_values_come_back_through_json(value: Any) -> None:
    tensors: dict[str, Tensor] = {}
    text = json.dumps(encode(value, "x", tensors), allow_nan=False)
    assert alike(decode(json.loads(text), tensors), value)


@pytest.mark.parametrize("value", [np.float64("nan"), np.float32(1.5), np.int64(7), np.bool_(True)])
def test_numpy_scalars_become_numbers(value: Any) -> None:
    back = decode(json.loads(json.dumps(encode(value, "x", {}), allow_nan=False)), {})
    assert type(back) in (float, int, bool) and (back == value or value != value)
