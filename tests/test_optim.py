"""Optimizers equal torch's own, decay only what should decay, and refuse what cannot work."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from danlu.device import Precision
from danlu.errors import DanluError
from danlu.muon import MuonAdamW, hidden_matrices
from danlu.optim import build_optimizer, describe
from danlu.settings import Settings
from danlu.trial import range_test


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(7, 5)
        self.conv = nn.Conv1d(5, 5, 3, padding=1)
        self.norm = nn.LayerNorm(5)
        self.hidden = nn.Linear(5, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.conv(self.words(x).mT).mT).mean(1)
        return self.head(self.hidden(y).tanh())  # type: ignore[no-any-return]


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def update(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3, seed: int = 0) -> None:
    g = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        x, y = torch.randint(0, 7, (8, 4), generator=g), torch.randint(0, 2, (8,), generator=g)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        (None, lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True)),
        ("adamw", lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True)),
        ("Adam", lambda groups: torch.optim.Adam(groups, lr=1e-2, fused=True)),
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=1e-2, momentum=0.9)),  # see optim.py: never fused
        ("RMSprop", lambda groups: torch.optim.RMSprop(groups, lr=1e-2)),
        (torch.optim.NAdam, lambda groups: torch.optim.NAdam(groups, lr=1e-2)),
    ],
)
def test_names_are_torchs_optimizers_without_decay_on_norms_and_biases(name: Any, theirs: Any) -> None:
    a, b = net(), net()
    update(a, build_optimizer(name, a, Settings(lr=1e-2, weight_decay=0.1)))
    wide = [p for p in b.parameters() if p.ndim > 1]
    narrow = [p for p in b.parameters() if p.ndim <= 1]
    update(b, theirs([{"params": wide, "weight_decay": 0.1}, {"params": narrow, "weight_decay": 0.0}]))
    assert same(a, b)


def test_every_parameter_once() -> None:
    model = net()
    model.conv.requires_grad_(False)
    model.head.weight = nn.Parameter(model.words.weight[:2].detach().repeat(1, 2)[:, :6].clone())
    held = [p for g in build_optimizer(None, model, Settings()).param_groups for p in g["params"]]
    assert {id(p) for p in held} == {id(p) for p in model.parameters()}  # the frozen ones may be thawed
    assert len(held) == len({id(p) for p in held})


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("adamw", lambda groups: torch.optim.AdamW(groups, lr=1e-2, fused=True)),
        ("sgd", lambda groups: torch.optim.SGD(groups, lr=1e-2, momentum=0.9)),
        ("Rprop", lambda groups: torch.optim.Rprop(groups, lr=1e-2)),  # without weight decay
    ],
)
def test_the_body_has_its_own_rate(name: str, theirs: Any) -> None:
    a, b = net(), net()
    body = [n for n, _ in a.named_parameters() if not n.startswith("head")]
    decay = {} if name == "Rprop" else {"weight_decay": 0.1}
    update(a, build_optimizer(name, a, Settings(lr=1e-2, body_lr=0.2, **decay), body))
    named = dict(b.named_parameters())
    groups = [
        {
            "params": [p for n, p in named.items() if (n in body) is inside and (p.ndim > 1) is wide],
            "weight_decay": 0.1 if wide else 0.0,
            **({"lr": 2e-3} if inside else {}),
        }
        for inside in (False, True)
        for wide in (False, True)
    ]
    update(b, theirs([g for g in groups if g["params"]]))
    assert same(a, b)


def test_muons_body_has_its_own_rate_in_both_halves() -> None:
    model = net()
    body = [n for n, _ in model.named_parameters() if not n.startswith("head")]
    optimizer = build_optimizer("muon", model, Settings(lr=1e-2, body_lr=0.5), body)
    names = {id(p): n for n, p in model.named_parameters()}
    rates = {names[id(p)]: g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert rates == {n: 5e-3 if n in body else 1e-2 for n in names.values()}
    update(model, optimizer)


def test_a_rate_is_looked_for_with_the_parts_shares_kept() -> None:
    model = net()
    body = [n for n, _ in model.named_parameters() if not n.startswith("head")]
    optimizer = build_optimizer("sgd", model, Settings(body_lr=0.25), body)
    seen: list[list[float]] = []

    class Watch(type(optimizer)):  # type: ignore[misc]
        def step(self, closure: Any = None) -> Any:
            seen.append([g["lr"] for g in self.param_groups])
            return super().step(closure)

    optimizer.__class__ = Watch
    batch = (torch.arange(32).reshape(8, 4) % 7, torch.arange(8) % 2)
    range_test(model, optimizer, [batch], nn.functional.cross_entropy, Precision())
    assert len(seen) > 10 and all(min(rates) == pytest.approx(0.25 * max(rates)) for rates in seen)


def test_momentum_reaches_sgd() -> None:
    assert build_optimizer("sgd", net(), Settings(momentum=0.5)).param_groups[0]["momentum"] == 0.5


def test_sparse_embeddings_take_torchs_sparse_optimizer() -> None:
    model = nn.Sequential(nn.Embedding(7, 2, sparse=True))
    optimizer = build_optimizer("SparseAdam", model, Settings(lr=0.1))
    model(torch.tensor([1, 2])).sum().backward()
    optimizer.step()
    plain = build_optimizer(
        "sgd", model, Settings(lr=0.1, momentum=0.0, weight_decay=0.0)
    )  # fused takes no sparse ones
    plain.step()


def test_muon_is_torchs_on_hidden_matrices_and_adamw_elsewhere() -> None:
    a, b = net(), net()
    assert [id(p) for p in hidden_matrices(a)] == [id(a.hidden.weight)]
    update(a, build_optimizer("muon", a, Settings(lr=1e-2, weight_decay=0.1)))
    muon = torch.optim.Muon([b.hidden.weight], lr=1e-2, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    rest = [p for p in b.parameters() if p is not b.hidden.weight]
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
    ]
    adamw = torch.optim.AdamW(groups, lr=1e-2, fused=True)
    g = torch.Generator().manual_seed(0)
    for _ in range(3):
        x, y = torch.randint(0, 7, (8, 4), generator=g), torch.randint(0, 2, (8,), generator=g)
        b.zero_grad()
        nn.functional.cross_entropy(b(x), y).backward()
        muon.step()
        adamw.step()
    assert same(a, b)


@pytest.mark.parametrize("how", ["state_dict", "pickle"])
def test_muon_goes_on_after_its_state_was_saved(how: str) -> None:
    a = net()
    first = build_optimizer("muon", a, Settings())
    update(a, first)
    if how == "state_dict":
        b = copy.deepcopy(a)
        second = build_optimizer("muon", b, Settings(lr=0.5))  # the saved rate counts
        second.load_state_dict(copy.deepcopy(first.state_dict()))
    else:
        b, second = pickle.loads(pickle.dumps((a, first)))
    update(a, first, seed=1)
    update(b, second, seed=1)
    assert same(a, b)
    assert second.state[b.hidden.weight].keys() == {"momentum_buffer"}
    assert "exp_avg" in second.state[b.head.weight]


def test_muon_follows_the_groups_rates() -> None:
    model = net()
    optimizer = build_optimizer("muon", model, Settings(weight_decay=0.0))
    before = [p.clone() for p in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    update(model, optimizer)
    assert all(torch.equal(p, q) for p, q in zip(before, model.parameters()))


def test_muon_without_hidden_matrices_is_adamw() -> None:
    model = nn.Linear(3, 2)
    optimizer = build_optimizer("muon", model, Settings())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert isinstance(optimizer, MuonAdamW) and "exp_avg" in optimizer.state[model.weight]


def test_a_factory_and_an_instance() -> None:
    model = net()
    made = build_optimizer(lambda params: torch.optim.SGD(params, lr=0.3), model, Settings())
    assert made.param_groups[0]["lr"] == 0.3
    assert build_optimizer(made, model, Settings(lr="auto")) is made
    part = torch.optim.SGD(model.head.parameters(), lr=0.1)  # the rest is left as it is: the user's choice
    assert build_optimizer(part, model, Settings()) is part
    extra = torch.optim.SGD([*model.parameters(), nn.Parameter(torch.ones(2))], lr=0.1)  # a loss's own parameter
    assert build_optimizer(extra, model, Settings()) is extra


def test_describe() -> None:
    said = describe(build_optimizer(None, net(), Settings(lr=0.01)))
    assert said == "AdamW, lr 0.01, weight decay 0.01 on 4 of 9 tensors, fused"


def frozen() -> nn.Module:
    return net().requires_grad_(False)


@pytest.mark.parametrize(
    ("code", "build"),
    [
        ("DL250", lambda: build_optimizer(None, frozen(), Settings())),
        ("DL251", lambda: build_optimizer(3, net(), Settings())),
        ("DL252", lambda: build_optimizer(lambda params: None, net(), Settings())),
        ("DL253", lambda: build_optimizer("LBFGS", net(), Settings())),
        ("DL253", lambda: build_optimizer(torch.optim.LBFGS, net(), Settings())),
        ("DL253", lambda: build_optimizer(lambda p: torch.optim.LBFGS(p), net(), Settings())),
        ("DL254", lambda: build_optimizer("AdmaW", net(), Settings())),
        ("DL255", lambda: build_optimizer("adamw", net(), Settings(momentum=0.9))),
        ("DL255", lambda: build_optimizer("SparseAdam", net(), Settings(weight_decay=0.1))),
        ("DL256", lambda: build_optimizer(lambda p: torch.optim.SGD(p, 0.1), net(), Settings(lr=0.1))),
        ("DL257", lambda: build_optimizer(torch.optim.SGD(net().parameters(), 0.1), net(), Settings())),
    ],
)
def test_what_cannot_optimize_is_said(code: str, build: Any) -> None:
    with pytest.raises(DanluError) as error:
        build()
    assert error.value.code == code and len(str(error.value).splitlines()) <= 8
    if code == "DL254":
        assert "AdamW" in str(error.value) or "adamw" in str(error.value)
