"""Evaluation against scikit-learn, and that it leaves no trace on the model or on randomness."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor, nn

from danlu.evaluate import Kept, evaluate
from danlu.tasks import TASKS
from danlu.types import Field, Schema

CLASSES = Schema((Field("y", "category", "target", classes=("a", "b", "c")),), "classification")
NUMBERS = Schema((Field("y", "number", "target", mean=(10.0,), std=(4.0,)),), "regression")


class Restless(nn.Module):
    """Dropout, BatchNorm, a frozen part, and draws in forward even in eval mode."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.drop, self.norm, self.last = nn.Dropout(0.5), nn.BatchNorm1d(6), nn.Linear(6, outputs)
        self.norm.eval()

    def forward(self, x: Tensor) -> Tensor:
        noise = torch.randn(()) + float(np.random.randn()) + random.random()
        out: Tensor = self.last(self.drop(self.norm(x))) + 0.01 * noise
        return out


def rows(n: int = 101) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(n, 6, generator=generator), torch.randint(0, 3, (n,), generator=generator)


@pytest.mark.parametrize("size", [1, 7, 101])
def test_classification_agrees_with_scikit_learn(size: int) -> None:
    x, y = rows()
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    found = evaluate(
        model, list(zip(x.split(size), y.split(size))), TASKS["classification"], CLASSES, nn.CrossEntropyLoss()
    )
    p = model(x).softmax(1).detach().double().numpy()
    assert found.rows == 101
    assert found.metrics["accuracy"] == pytest.approx(sk.accuracy_score(y, p.argmax(1)), abs=1e-12)
    assert found.metrics["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(1), average="macro"), abs=1e-6)
    assert found.metrics["log_loss"] == pytest.approx(sk.log_loss(y, p / p.sum(1, keepdims=True)), abs=1e-6)
    assert found.metrics["loss"] == pytest.approx(float(nn.CrossEntropyLoss()(model(x), y).detach()), abs=1e-6)


@pytest.mark.parametrize("size", [1, 7, 101])
def test_regression_agrees_with_scikit_learn_in_the_targets_own_unit(size: int) -> None:
    x, _ = rows()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 1), nn.Flatten(0))
    y = (x.sum(1) + 0.1 * x[:, 0]) / 3  # standardised, as the data room hands it over
    found = evaluate(model, list(zip(x.split(size), y.split(size))), TASKS["regression"], NUMBERS, nn.MSELoss())
    truth, guess = (y * 4 + 10).double().numpy(), (model(x).detach() * 4 + 10).double().numpy()
    assert found.metrics["mae"] == pytest.approx(sk.mean_absolute_error(truth, guess), abs=1e-6)
    assert found.metrics["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, guess), abs=1e-6)
    assert found.metrics["r2"] == pytest.approx(sk.r2_score(truth, guess), abs=1e-6)


def test_loss_is_weighted_as_torch_weighs_it() -> None:
    x, y = rows()
    model = nn.Linear(6, 3)
    loss = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 0.2]), ignore_index=2)
    found = evaluate(model, list(zip(x.split(8), y.split(8))), TASKS["classification"], CLASSES, loss)
    assert found.metrics["loss"] == pytest.approx(float(loss(model(x), y).detach()), abs=1e-6)


def test_evaluation_leaves_no_trace() -> None:
    x, y = rows()
    model = Restless(3).train()
    model.norm.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    batches = list(zip(x.split(16), y.split(16)))
    first = evaluate(model, batches, TASKS["classification"], CLASSES, nn.CrossEntropyLoss(), keep=True)
    torch.rand(3), np.random.rand(3), random.random()
    again = evaluate(model, batches, TASKS["classification"], CLASSES, nn.CrossEntropyLoss(), keep=True)
    assert first.metrics == again.metrics
    assert first.decoded is not None and again.decoded is not None and torch.equal(first.decoded, again.decoded)
    assert model.training and model.drop.training and not model.norm.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None and not p.is_inference() for p in model.parameters())
    torch.set_rng_state(states[0])
    evaluate(model, batches, TASKS["classification"], CLASSES, nn.CrossEntropyLoss())
    assert torch.equal(torch.get_rng_state(), states[0])


def test_many_rows_lie_in_a_file_and_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    g = torch.Generator().manual_seed(0)
    parts = [torch.randn(n, 3, generator=g) for n in (5, 1, 40, 7)]
    monkeypatch.setattr("danlu.evaluate.KEPT_BYTES", 100)
    spilled = Kept()
    for part in parts:
        with torch.inference_mode():
            spilled.add(part)
    assert sum(p.nbytes for p in spilled._parts) <= 100  # the others are not in memory
    assert torch.equal(spilled.tensor(), torch.cat(parts))  # type: ignore[arg-type]
    whole = Kept()
    assert whole.tensor() is None
    monkeypatch.undo()
    for part in parts:
        whole.add(part)
    assert torch.equal(whole.tensor(), torch.cat(parts))  # type: ignore[arg-type]
    numbers = Kept()
    monkeypatch.setattr("danlu.evaluate.KEPT_BYTES", 10)
    numbers.add(torch.arange(9))
    numbers.add(torch.arange(4))
    assert numbers.tensor().tolist() == [*range(9), *range(4)]  # type: ignore[union-attr]
