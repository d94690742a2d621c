"""danlu's Adam and AdamW give torch's bits, by torch's state, whatever they are asked."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from danlu import lean
from danlu.optim import build_optimizer
from danlu.settings import Settings

PAIRS = [(lean.Adam, torch.optim.Adam), (lean.AdamW, torch.optim.AdamW)]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.BatchNorm1d(30), nn.Linear(30, 3))


def trained(cls: Any, steps: int = 12, watch: Any = None, **options: Any) -> tuple[list[Tensor], Any, Any]:
    model = network()
    groups = [
        {"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in model.parameters() if p.ndim < 2]},
    ]
    optimizer = cls(groups, lr=1e-2, fused=True, **options)
    if watch is not None:
        watch(optimizer)
    for i in range(steps):
        lean.clear(optimizer)
        out = model[:1](torch.full((4, 20), 0.1 * i)) if i % 4 == 3 else model(torch.randn(8, 20))  # some without grad
        out.pow(2).sum().backward()
        optimizer.param_groups[0]["lr"] = 1e-2 / (i + 1)
        optimizer.step()
    return list(model.parameters()), optimizer, model


@pytest.mark.parametrize("pair", PAIRS, ids=["adam", "adamw"])
@pytest.mark.parametrize(
    "options", [{}, {"amsgrad": True}, {"maximize": True}, {"betas": (0.8, 0.9), "eps": 1e-5}], ids=str
)
def test_every_bit_is_torchs(pair: Any, options: dict[str, Any]) -> None:
    (ours, mine, _), (theirs, ref, _) = (trained(cls, **options) for cls in pair)
    assert all(map(torch.equal, ours, theirs))
    a, b = mine.state_dict(), ref.state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for key, slots in a["state"].items():
        assert all(torch.equal(slots[name], value) for name, value in b["state"][key].items())


@pytest.mark.parametrize("pair", PAIRS, ids=["adam", "adamw"])
def test_states_are_exchanged_with_torchs(pair: Any) -> None:
    _, mine, model = trained(pair[0])
    other = copy.deepcopy(model)

    def over(cls: Any, module: nn.Module) -> Any:
        parts = [[p for p in module.parameters() if p.ndim > 1], [p for p in module.parameters() if p.ndim < 2]]
        optimizer = cls([{"params": part} for part in parts], fused=True)
        optimizer.load_state_dict(copy.deepcopy(mine.state_dict()))
        return optimizer

    for module, optimizer in ((model, over(pair[0], model)), (other, over(pair[1], other))):
        for i in range(3):
            optimizer.zero_grad()
            module(torch.full((6, 20), 0.1) + torch.eye(6, 20) * i).pow(2).sum().backward()
            optimizer.step()
    assert all(map(torch.equal, model.parameters(), other.parameters()))


def test_hooks_closures_and_the_profiler_see_what_they_would_see_of_torchs() -> None:
    seen: list[str] = []

    def watch(optimizer: Any) -> None:
        optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
        optimizer.register_step_post_hook(lambda *_: seen.append("after"))

    ours, _, _ = trained(lean.AdamW, watch=watch)
    theirs, _, _ = trained(torch.optim.AdamW)
    assert seen == ["before", "after"] * 12
    assert all(map(torch.equal, ours, theirs))
    p = nn.Parameter(torch.ones(2))
    optimizer = lean.Adam([p], fused=True)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = p.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).detach().item() == 2.0
    with torch.profiler.profile() as profile:
        closure()
        optimizer.step()
    assert any("Optimizer.step#Adam.step" in event.key for event in profile.key_averages())


def test_mixed_dtypes_and_unfused_groups_take_torchs_way() -> None:
    def run(cls: Any, fused: bool) -> list[Tensor]:
        params = [nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3, dtype=torch.float64))]
        optimizer = cls(params, lr=0.1, fused=fused)
        for _ in range(3):
            optimizer.zero_grad()
            sum(p.square().sum() for p in params).backward()
            optimizer.step()
        return [p.detach() for p in params]

    for fused in (True, False):
        assert all(map(torch.equal, run(lean.Adam, fused), run(torch.optim.Adam, fused)))


def test_a_found_infinity_skips_the_update_as_in_torch() -> None:
    def run(cls: Any) -> tuple[Tensor, Tensor]:
        p = nn.Parameter(torch.ones(3))
        optimizer = cls([p], lr=0.1, fused=True)
        for flag in (0.0, 1.0, 0.0):
            p.grad = torch.full_like(p, 0.5)
            optimizer.found_inf = torch.tensor(flag)
            optimizer.step()
        return p.detach(), optimizer.state[p]["step"]

    (ours, steps), (theirs, reference) = run(lean.Adam), run(torch.optim.Adam)
    assert torch.equal(ours, theirs)
    assert torch.equal(steps, reference)
    assert float(steps) == 2


def test_clear_leaves_no_gradient_and_respects_an_own_zero_grad() -> None:
    class Own(torch.optim.SGD):
        called = 0

        def zero_grad(self, set_to_none: bool = True) -> None:
            Own.called += 1
            super().zero_grad(set_to_none)

    for cls in (torch.optim.SGD, lean.AdamW, Own):
        p = nn.Parameter(torch.ones(2))
        p.grad = torch.ones(2)
        lean.clear(cls([p], lr=0.1))
        assert p.grad is None
    assert Own.called == 1


@pytest.mark.parametrize(("name", "cls"), [(None, lean.AdamW), ("adam", lean.Adam), (torch.optim.AdamW, lean.AdamW)])
def test_danlu_builds_them(name: Any, cls: Any) -> None:
    assert type(build_optimizer(name, network(), Settings())) is cls


def test_a_run_imports_neither_pandas_at_its_start_nor_the_compiler(tmp_path: Path) -> None:
    """Nor do its test and its page the compiler."""
    code = """
import sys, torch, danlu, danlu.api
from torch.utils.data import TensorDataset
assert "pandas" not in sys.modules
x = torch.randn(64, 4)
data = TensorDataset(x, (x.sum(1) > 0).long())
run = danlu.train(data, data, model="mlp", epochs=2, run="run")
assert run.report().is_file() and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=tmp_path)
