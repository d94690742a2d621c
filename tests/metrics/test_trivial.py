"""The baseline of a model that ignores its input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from danlu.metrics import baseline, trivial_answer


def beside(task: str, train: Tensor, test: Tensor, outputs: int) -> dict[str, Any]:
    trivial = trivial_answer(task, train, outputs)
    assert trivial is not None
    return baseline(task, trivial, test)


def test_baselines() -> None:
    test = torch.tensor([0, 1, 0, 2, 0, 0])
    found = beside("classification", torch.tensor([0, 0, 0, 1, 2]), test, 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["balanced_accuracy"] == pytest.approx(1 / 3) and found["auroc"] == 0.5
    assert found["average_precision"] == pytest.approx((4 / 6 + 1 / 6 + 1 / 6) / 3)  # each class's share
    assert found["log_loss"] == pytest.approx(sk.log_loss(test, [[0.6, 0.2, 0.2]] * 6, labels=[0, 1, 2]))
    assert "majority" in found["what"]
    numbers = beside("regression", torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [4.0]]), 1)
    assert numbers["mae"] == 1.0 and numbers["rmse"] == pytest.approx(math.sqrt(2)) and numbers["r2"] == -1.0
    assert math.isnan(numbers["spearman"])  # a constant has no order
    labels = beside("multilabel", torch.tensor([[1.0, 0], [1, 0], [1, 1]]), torch.tensor([[1.0, 0], [0, 0]]), 2)
    assert labels["accuracy"] == 0.75 and labels["exact_match"] == 0.5


def test_where_there_is_no_baseline() -> None:
    assert trivial_answer("custom", torch.ones(3), 1) is None
    assert trivial_answer("classification", torch.empty(0, dtype=torch.long), 2) is None
    assert baseline("custom", torch.ones(1), torch.ones(3)) == {}


def test_a_class_only_in_test_has_a_baseline_too() -> None:
    found = beside("classification", torch.tensor([0, -100, 0, 1]), torch.tensor([2, 0]), 2)
    assert found["accuracy"] == 0.5 and found["log_loss"] > 10
