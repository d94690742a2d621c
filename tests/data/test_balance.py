"""Rows drawn by class: every class equally often, every row of a class as often as the others, from seed and epoch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, WeightedRandomSampler

import danlu
from danlu.data.balance import balance_of
from danlu.data.loader import Loader
from danlu.errors import DanluError


@given(st.lists(st.integers(-1, 3), min_size=4, max_size=60).filter(lambda y: max(y) >= 0), st.integers(0, 9))
def test_classes_come_equally_often_and_their_rows_in_turn(labels: list[int], seed: int) -> None:
    y = torch.tensor(labels)
    balance, there = balance_of(y), sorted({k for k in labels if k >= 0})
    seen = torch.zeros(len(y), dtype=torch.int64)
    for epoch in range(4):
        order = balance.order(seed, epoch)
        assert len(order) == len(y) and torch.equal(order, balance.order(seed, epoch))
        counts = [int((y[order] == c).sum()) for c in there]
        assert max(counts) - min(counts) <= 1 and sum(counts) == len(y)
        seen += torch.bincount(order, minlength=len(y))
        for c in there:  # over all epochs so far, no row of a class is more than one ahead of another
            times = seen[y == c]
            assert int(times.max() - times.min()) <= 1
    assert int(seen[y < 0].sum()) == 0


def test_a_pass_goes_on_anywhere_without_reading_what_came_before() -> None:
    y = torch.tensor([0] * 40 + [1] * 3)
    data = TensorDataset(torch.arange(43), y)

    def loader() -> Loader:
        made = Loader(data, 5, shuffle=True, seed=3)
        made.draw_equally(y)
        return made

    whole = loader()
    epochs = [torch.cat([x for x, _ in whole]) for _ in range(2)]
    again = loader()
    iterator = iter(again)
    for _ in range(3):
        next(iterator)
    state, other = again.state_dict(), loader()
    other.load_state_dict(state)
    assert torch.equal(torch.cat([x for x, _ in other]), epochs[0][15:])
    assert torch.equal(torch.cat([x for x, _ in other]), epochs[1])
    assert not torch.equal(epochs[0], epochs[1])


class Own(Dataset[tuple[Tensor, int]]):
    """Knows its targets, as torchvision's do."""

    def __init__(self, n: int = 200) -> None:
        self.x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
        self.targets = [int(i % 10 == 0) for i in range(n)]

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.x[i], self.targets[i]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Count(nn.Linear):
    """How many rows of the rare class its forward saw in training, by the mark in the last column."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.rare = getattr(self, "rare", 0) + int((x[:, -1] == 1).sum())
        return super().forward(x)


@pytest.mark.parametrize("kind", ["memory", "own"])
def test_training_sees_half_of_a_rare_class_and_says_what_it_costs(kind: str) -> None:
    own = Own()
    own.x[:, -1] = torch.tensor(own.targets)
    data: Any = own if kind == "own" else TensorDataset(own.x, torch.tensor(own.targets))
    model = Count(3, 2)
    danlu.train(
        data, val=data, model=model, epochs=3, run="r", class_weights="sampled", check=False, lang="en", clip_norm=1.0
    )
    assert model.rare == 300  # 3 epochs of 100
    events = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    (told,) = [e for e in events if e["event"] == "choice" and e["what"] == "class_weights"]
    assert "comes 5 times an epoch" in told["why"] and "44% of the rows of 0" in told["why"]  # 100 of 20; 80 of 180


def test_a_run_that_is_cut_ends_with_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    import danlu.session

    def run(name: str) -> Path:
        torch.manual_seed(0)
        danlu.train(
            Own(),
            val=Own(50),
            model=nn.Linear(3, 2),
            epochs=4,
            batch_size=16,
            run=name,
            class_weights="sampled",
            checkpoint_steps=5,
        )
        return Path(name) / "model" / "weights.safetensors"

    expected = load_file(run("whole"))
    real, steps = danlu.session.Session.stepped, [0]

    def cut(self: Any, event: Any) -> None:
        real(self, event)
        steps[0] += 1
        if steps[0] == 23:
            raise RuntimeError("the power is gone")

    monkeypatch.setattr(danlu.session.Session, "stepped", cut)
    with pytest.raises(RuntimeError):
        run("cut")
    monkeypatch.setattr(danlu.session.Session, "stepped", real)
    found = load_file(run("cut"))
    assert all(torch.equal(found[k], expected[k]) for k in expected)


def test_what_cannot_be_drawn_by_class_is_refused() -> None:
    own = Own()
    sampler = WeightedRandomSampler([1.0] * 200, 200)

    class Unlabelled(Own):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = self.targets
            del self.targets

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            return self.x[i], self.hidden[i]

    numbers = TensorDataset(own.x, own.x[:, :1])
    for data, code in (
        (DataLoader(own, 16, sampler=sampler), "DL367"),
        (DataLoader(own, 16, shuffle=False), "DL367"),
        (numbers, "DL367"),
        (Unlabelled(), "DL229"),
    ):
        model = nn.Linear(3, 1 if data is numbers else 2)
        with pytest.raises(DanluError) as caught:
            danlu.train(data, model=model, epochs=1, class_weights="sampled")
        assert caught.value.code == code


def test_weights_of_the_loss_say_what_they_cost_too() -> None:
    danlu.train(Own(), model=nn.Linear(3, 2), epochs=1, class_weights="balanced", lang="en", run="r")
    events = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    (told,) = [e for e in events if e["event"] == "choice" and e["what"] == "class_weights"]
    assert "counts 9 times one on 0" in told["why"]
