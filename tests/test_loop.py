"""step() and steps() against torch loops written by hand."""

from __future__ import annotations

import copy
import gc
import math
from typing import Any

import psutil
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import danlu
from danlu.data.columns import Columns
from danlu.errors import DanluError
from danlu.guard import Guard, _guards
from danlu.loop import Progress, step, steps
from danlu.types import Epoch, Stepped


def data(rows: int = 37) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 5, generator=generator)
    return x, (x.sum(1, keepdim=True) > 0).float() + x[:, :1]


def net(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), *more, nn.Linear(8, 1))


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_steps_equal_a_hand_written_loop_bit_for_bit(make: Any, clip: float | None) -> None:
    x, y = data()
    batches = [(x[i : i + 8], y[i : i + 8]) for i in range(0, len(x), 8)]
    ours, theirs = net(), net()
    loss = nn.MSELoss()
    optimizer, hand = make(ours.parameters(), lr=0.1), make(theirs.parameters(), lr=0.1)
    losses = [e.loss for e in steps(ours, batches, loss, optimizer, epochs=3, clip_norm=clip) if isinstance(e, Stepped)]
    expected = []
    for _ in range(3):
        for a, b in batches:
            hand.zero_grad()
            value = loss(theirs(a), b)
            value.backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(theirs.parameters(), clip)
            hand.step()
            expected.append(value.detach())
    assert torch.equal(torch.stack(losses), torch.stack(expected))
    assert torch.equal(weights(ours), weights(theirs))


def test_clip_value_is_torchs() -> None:
    x, y = data()
    ours, theirs = net(), net()
    optimizer, hand = torch.optim.SGD(ours.parameters(), lr=1.0), torch.optim.SGD(theirs.parameters(), lr=1.0)
    list(steps(ours, [(x, 100 * y)], nn.MSELoss(), optimizer, epochs=1, clip_value=0.01))
    nn.MSELoss()(theirs(x), 100 * y).backward()
    nn.utils.clip_grad_value_(theirs.parameters(), 0.01)
    hand.step()
    assert torch.equal(weights(ours), weights(theirs))


def test_clipping_gradients_whose_squares_overflow_keeps_their_direction() -> None:
    """Finite gradients of 1e24: torch's float32 norm is infinite, and dividing by it would make the update zero."""
    model = nn.Linear(3, 1, bias=False)
    before = model.weight.detach().clone()
    scale = torch.tensor([3e24, 0.0, 4e24])
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    step(
        model, (torch.ones(1, 3), torch.zeros(1)), lambda out, _: (model.weight * scale).sum(), optimizer, clip_norm=1.0
    )
    moved = before - model.weight.detach()
    assert torch.allclose(moved, torch.tensor([[0.6, 0.0, 0.8]]), atol=1e-6)


def ragged_token_loss(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """A user's loss that says its own weight."""
    weight = target.abs() + 0.5
    return (weight * (output - target) ** 2).sum(), weight.sum()


@pytest.mark.parametrize(
    "loss",
    [nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0)), ragged_token_loss],
    ids=lambda loss: getattr(loss, "__name__", type(loss).__name__),
)
@pytest.mark.parametrize("sizes", [[16, 16, 5], [1, 30, 6], [12, 12, 13]])
def test_accumulated_updates_equal_the_big_batch(loss: Any, sizes: list[int]) -> None:
    x, y = data()
    y = y.clamp(0, 1)
    small = list(zip(x.split(sizes), y.split(sizes)))
    ours, theirs = net(), net()
    optimizer, hand = torch.optim.SGD(ours.parameters(), lr=0.5), torch.optim.SGD(theirs.parameters(), lr=0.5)
    events = list(steps(ours, small, loss, optimizer, epochs=2, accumulate=3))
    whole = list(steps(theirs, [(x, y)], loss, hand, epochs=2))
    assert [type(e) for e in events] == [type(e) for e in whole]
    assert torch.allclose(weights(ours), weights(theirs), rtol=0, atol=1e-6)
    assert math.isclose(float(events[0].loss), float(whole[0].loss), rel_tol=1e-6)


def test_the_last_group_of_an_epoch_may_be_smaller() -> None:
    x, y = data(20)
    model = net()
    events = list(
        steps(
            model,
            list(zip(x.split(4), y.split(4))),
            nn.MSELoss(),
            torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=2,
            accumulate=2,
        )
    )
    assert [e.rows for e in events if isinstance(e, Stepped)] == [8, 8, 4, 8, 8, 4]


def test_epoch_loss_is_a_mean_over_samples_not_over_batches() -> None:
    x, y = data(9)
    model = net()
    batches = list(zip(x.split(8), y.split(8)))  # 8 rows, then 1
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    end = next(e for e in steps(model, batches, nn.MSELoss(), optimizer, epochs=1) if isinstance(e, Epoch))
    assert math.isclose(end.loss, nn.MSELoss()(model(x), y).item(), rel_tol=1e-6)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_guard_stops_within_the_step_and_names_the_row(bad: float) -> None:
    x, y = data(32)
    x[21, 2] = bad
    model = net()
    rows = Columns((x, y), names=lambda i: f"table.csv row {i}")
    loader = danlu.Loader(rows, batch_size=4, shuffle=True, seed=5)
    before = copy.deepcopy(model.state_dict())
    done = 0
    with pytest.raises(danlu.DanluError) as caught:
        for event in steps(model, loader, nn.MSELoss(), torch.optim.AdamW(model.parameters(), lr=0.1), epochs=1):
            done += isinstance(event, Stepped)
            before = copy.deepcopy(model.state_dict())
    assert caught.value.code == "DL301"
    assert "table.csv row 21" in caught.value.where and "row 20" not in caught.value.where
    assert caught.value.facts["step"] == done + 1
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]) and torch.isfinite(value).all()


@pytest.mark.parametrize(
    "shapes", [[(3, 2), (2,)], [(100, 90), (90,)], [(2,)] * 40, [(80, 80)] * 3 + [(7,)] * 30], ids=len
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_the_guard_finds_one_bad_value_anywhere_and_nothing_else(shapes: list[Any], dtype: torch.dtype) -> None:
    params = [nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in shapes]
    optimizer = torch.optim.SGD(params, lr=0.1)
    guard = Guard.of(optimizer)
    assert not guard._any_bad(optimizer)  # no gradients at all
    for p in params[::2]:
        p.grad = (
            torch.randn(p.shape, dtype=dtype).t().contiguous().t() if p.ndim == 2 else torch.randn(p.shape).to(dtype)
        )
    kept = [p.grad.clone() for p in params[::2]]
    assert not guard._any_bad(optimizer)
    for p in params[::2]:
        for bad in (math.nan, math.inf, -math.inf):
            grad = p.grad.clone()
            p.grad[(-1,) * p.ndim] = bad
            assert guard._any_bad(optimizer)
            p.grad = grad
            assert not guard._any_bad(optimizer)  # it forgets what was told
    assert all(torch.equal(p.grad, grad) for p, grad in zip(params[::2], kept))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.0])
def test_the_guard_judges_sparse_complex_and_mixed_gradients_too(bad: float) -> None:
    def found(*grads: Tensor) -> bool:
        params = [nn.Parameter(torch.zeros(g.shape, dtype=g.dtype)) for g in grads]
        for p, g in zip(params, grads):
            p.grad = g
        optimizer = torch.optim.SGD(params, lr=0.1)
        return Guard.of(optimizer)._any_bad(optimizer)

    expected = not math.isfinite(bad)
    assert found(torch.sparse_coo_tensor([[1]], [bad], (3,), check_invariants=True)) == expected
    assert found(torch.tensor([1 + 1j, complex(0, bad)])) == expected
    assert found(torch.ones(3), torch.tensor([1.0, bad], dtype=torch.float64), torch.ones(2).bfloat16()) == expected
    assert found(torch.ones(3).bfloat16(), torch.ones(70_000), torch.tensor([bad])) == expected


def test_guard_names_the_batch_when_the_loss_itself_grows_too_large() -> None:
    x, y = data(8)
    model = net()
    loader = danlu.Loader(Columns((x, y)), batch_size=4, seed=0)

    def exploding(output: Tensor, target: Tensor) -> Tensor:
        return (output.sum() * 1e30) ** 2

    with pytest.raises(danlu.DanluError) as caught:
        list(steps(model, loader, exploding, torch.optim.SGD(model.parameters(), lr=0.1), epochs=1))
    assert caught.value.code == "DL301"
    assert "row 0, row 1, row 2, row 3" in caught.value.where
    assert "inf" in caught.value.why


@pytest.mark.parametrize("mode", ["fused", "later"])
def test_on_a_device_the_flag_is_read_later_and_fused_updates_are_skipped(mode: str) -> None:
    """The GPU's way, run on the CPU: the fused kernel obeys found_inf there too."""
    x, y = data(8)
    model = net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=True)
    guard = _guards[optimizer] = Guard(mode, torch.device("cpu"))
    danlu.step(model, (x, y), nn.MSELoss(), optimizer)
    before = weights(model).clone()
    with pytest.raises(danlu.DanluError) as caught:
        danlu.step(model, (x * float("nan"), y), nn.MSELoss(), optimizer)
        danlu.step(model, (x, y), nn.MSELoss(), optimizer)  # later updates are skipped too: the first bad one is sticky
        guard.settle()
    assert caught.value.code == ("DL301" if mode == "fused" else "DL302")
    assert caught.value.facts["step"] == 2
    assert torch.equal(weights(model), before) == (mode == "fused")


def test_train_and_eval_flags_are_put_back_after_each_event() -> None:
    x, y = data(16)
    model = net(nn.Dropout(0.5))
    model[2].eval()  # somebody's frozen layer
    seen = []
    model[0].register_forward_hook(lambda *_: seen.append((model.training, model[2].training)))
    for _ in steps(model, [(x, y)] * 3, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=1):
        model.eval()
    assert seen == [(True, False)] * 3


class Slow(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 64

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return torch.ones(5), torch.ones(1)


def test_a_closed_generator_leaves_no_worker_behind() -> None:
    model = net()
    loader = danlu.Loader(Slow(), batch_size=4, num_workers=2)
    events = steps(model, loader, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1))
    mine = psutil.Process()
    before = {c.pid for c in mine.children()}
    next(events)
    workers = [c for c in mine.children() if c.pid not in before and "tracker" not in " ".join(c.cmdline())]
    assert len(workers) == 2
    events.close()
    gc.collect()
    left = [c for c in workers if c.is_running()]
    psutil.wait_procs(left, timeout=10)
    assert not [c for c in left if c.is_running() and c.status() != psutil.STATUS_ZOMBIE]


def test_steps_may_end_inside_an_epoch_and_go_on_from_there() -> None:
    x, y = data(40)
    ours, theirs = net(), net()
    hand = torch.optim.SGD(theirs.parameters(), lr=0.1)
    whole = danlu.Loader(TensorDataset(x, y), batch_size=8, shuffle=True, seed=1)
    expected = list(steps(theirs, whole, nn.MSELoss(), hand, epochs=2))
    optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    loader = danlu.Loader(TensorDataset(x, y), batch_size=8, shuffle=True, seed=1)
    progress = Progress()
    first = list(steps(ours, loader, nn.MSELoss(), optimizer, steps=3, progress=progress))
    assert [type(e).__name__ for e in first] == ["Stepped"] * 3 + ["Epoch"]
    loader.load_state_dict(loader.state_dict())
    progress.epoch = 0
    rest = list(steps(ours, loader, nn.MSELoss(), optimizer, epochs=2, progress=progress))
    assert [e.step for e in rest if isinstance(e, Stepped)] == list(range(4, 11))
    assert torch.equal(weights(ours), weights(theirs))
    assert expected[-1].step == rest[-1].step


def test_a_step_function_of_ones_own() -> None:
    calls = []

    def my_step(model: nn.Module, batch: Any, loss: Any, optimizer: Any) -> Tensor:
        calls.append(len(batch[0]))
        return torch.tensor(1.0)

    x, y = data(10)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    events = list(steps(model, [(x, y)], None, optimizer, epochs=2, step=my_step))
    assert calls == [10, 10] and events[1].loss == 1.0
    with pytest.raises(danlu.DanluError, match="DL303"):
        next(steps(model, [(x, y)], None, optimizer, epochs=1, step=my_step, accumulate=2))


def test_an_empty_loader_and_a_loss_per_sample_are_errors() -> None:
    x, y = data(10)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(danlu.DanluError, match="DL304"):
        list(steps(model, [], nn.MSELoss(), optimizer, epochs=1))
    empty = danlu.Loader(TensorDataset(x, y), batch_size=16, drop_last=True)
    with pytest.raises(danlu.DanluError, match="DL304"):
        list(steps(model, empty, nn.MSELoss(), optimizer, epochs=1))
    with pytest.raises(danlu.DanluError, match="DL305"):
        danlu.step(model, (x, y), nn.MSELoss(reduction="none"), optimizer)


class Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 1), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"a": self.a(x), "b": self.b(x)}


def test_a_dict_of_losses_in_step_and_steps() -> None:
    x, y = data(12)
    target = {"a": y, "b": torch.arange(12) % 3}
    losses = {"a": (nn.MSELoss(), 0.5), "b": nn.CrossEntropyLoss()}
    model = Heads()
    expected = 0.5 * nn.MSELoss()(model.a(x), y) + nn.CrossEntropyLoss()(model.b(x), target["b"])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    assert torch.equal(danlu.step(model, (x, target), losses, optimizer), expected.detach())
    event = next(danlu.steps(model, [(x, target)], losses, optimizer, epochs=1))
    assert isinstance(event, Stepped) and torch.equal(event.loss, expected.detach())


def test_rows_behind_a_subset_go_by_the_users_own_index() -> None:
    """danlu's validation split makes a Subset: its positions mean nothing to the user."""
    x = torch.ones(40, 3)
    x[33] = float("nan")

    class Own(Dataset[Any]):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, i: int) -> Any:
            return x[i], i % 2

    with pytest.raises(DanluError) as caught:
        danlu.train(Own(), model=nn.Linear(3, 2), epochs=1, val=Own(), run="a", batch_size=8)
    assert caught.value.where == "[33]"
    some = torch.utils.data.Subset(Own(), [33, *range(20)])
    with pytest.raises(DanluError) as caught:
        danlu.train(some, model=nn.Linear(3, 2), epochs=1, val=Own(), run="b", batch_size=8)
    assert caught.value.where == "[33]" and "rows named above" in caught.value.fix


def test_an_optimizer_may_be_a_name_in_steps_and_is_refused_in_step() -> None:
    x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0))
    batches = [(x[i : i + 16], x[i : i + 16, :1]) for i in range(0, 64, 16)]
    ends = []
    for optimizer in ("adam", torch.optim.Adam, lambda params: torch.optim.Adam(params, lr=2e-3)):
        torch.manual_seed(0)
        model = nn.Linear(3, 1)
        list(danlu.steps(model, batches, nn.MSELoss(), optimizer, epochs=3))
        ends.append(model.weight.detach().clone())
    assert torch.allclose(ends[0], ends[1]) and torch.allclose(ends[0], ends[2], atol=1e-6)
    for wrong in (3, "admm"):
        with pytest.raises(DanluError):
            next(danlu.steps(nn.Linear(3, 1), batches, nn.MSELoss(), wrong, epochs=1))
    with pytest.raises(DanluError) as caught:
        danlu.step(nn.Linear(3, 1), batches[0], nn.MSELoss(), "adam")  # type: ignore[arg-type]
    assert caught.value.code == "DL368" and "before the loop" in caught.value.fix
