"""Metrics agree with scikit-learn on anything, however the samples are cut into batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch import Tensor

from danlu.metrics import Meter

CLASS = ("accuracy", "macro_f1", "log_loss")
LABEL = ("accuracy", "macro_f1", "exact_match", "log_loss")
VALUE = ("mae", "rmse", "r2")


def streamed(names: tuple[str, ...], decoded: Tensor, target: Tensor, cuts: list[int]) -> dict[str, float]:
    meter = Meter(names, decoded.shape[1])
    for start, stop in zip([0, *cuts], [*cuts, len(target)]):
        meter.update(decoded[start:stop], target[start:stop])
    return meter.compute()


def cuts_of(data: st.DataObject, n: int) -> list[int]:
    return sorted(data.draw(st.sets(st.integers(1, max(1, n - 1)), max_size=5)))


@given(data=st.data(), n=st.integers(1, 60), classes=st.integers(2, 6), seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_classes_agree_with_scikit_learn(data: st.DataObject, n: int, classes: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    sharp = data.draw(st.sampled_from([0.1, 1.0, 30.0]))  # 30: probabilities of exactly 0 and 1 occur
    p = (torch.randn(n, classes, generator=g) * sharp).softmax(1).double()
    y = torch.randint(0, data.draw(st.integers(1, classes)), (n,), generator=g)  # some classes may be absent
    got = streamed(CLASS, p, y, cuts_of(data, n))
    guess, truth = p.argmax(1).numpy(), y.numpy()
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess), abs=1e-12)
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, guess, average="macro", zero_division=0), abs=1e-12)
    assert got["log_loss"] == pytest.approx(sk.log_loss(truth, p.numpy(), labels=range(classes)), abs=1e-6)


@given(data=st.data(), n=st.integers(1, 50), labels=st.integers(2, 5), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_labels_agree_with_scikit_learn(data: st.DataObject, n: int, labels: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    p = torch.rand(n, labels, generator=g).double()
    y = (torch.rand(n, labels, generator=g) < data.draw(st.sampled_from([0.0, 0.1, 0.5]))).float()
    got = streamed(LABEL, p, y, cuts_of(data, n))
    guess, truth = (p > 0.5).numpy(), y.numpy() > 0
    assert got["exact_match"] == pytest.approx(sk.accuracy_score(truth, guess), abs=1e-12)
    assert got["accuracy"] == pytest.approx(1 - sk.hamming_loss(truth, guess), abs=1e-12)
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, guess, average="macro", zero_division=0), abs=1e-12)
    each = [sk.log_loss(truth[:, i], p[:, i].numpy(), labels=[False, True]) for i in range(labels)]
    assert got["log_loss"] == pytest.approx(np.mean(each), abs=1e-6)


@given(data=st.data(), n=st.integers(2, 60), targets=st.integers(1, 4), seed=st.integers(0, 999))
@settings(max_examples=80, deadline=None)
def test_values_agree_with_scikit_learn(data: st.DataObject, n: int, targets: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    centre = data.draw(st.sampled_from([0.0, 1e3, 1e7]))  # far from zero: sums of squares would cancel
    y = torch.randn(n, targets, generator=g).double() + centre
    guess = y + torch.randn(n, targets, generator=g).double() * data.draw(st.sampled_from([0.0, 0.1, 5.0]))
    if data.draw(st.booleans()):
        y[:, 0] = centre  # a constant target
    got = streamed(VALUE, guess, y, cuts_of(data, n))
    truth, answer = y.numpy(), guess.numpy()
    assert got["mae"] == pytest.approx(sk.mean_absolute_error(truth, answer), rel=1e-9, abs=1e-9)
    assert got["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, answer), rel=1e-9, abs=1e-9)
    assert got["r2"] == pytest.approx(sk.r2_score(truth, answer), rel=1e-6, abs=1e-6)


def test_ignored_rows_do_not_count() -> None:
    p = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]).double()
    y = torch.tensor([0, -100, 1])
    assert streamed(CLASS, p, y, []) == pytest.approx(streamed(CLASS, p[[0, 2]], y[[0, 2]], []))


def test_state_goes_on_where_it_was() -> None:
    g = torch.Generator().manual_seed(0)
    y, guess = torch.randn(20, 2, generator=g).double(), torch.randn(20, 2, generator=g).double()
    first = Meter(VALUE, 2)
    first.update(guess[:7], y[:7])
    saved = {k: v.clone() for k, v in first.state().items()}
    first.update(guess[7:], y[7:])
    second = Meter(VALUE, 2)
    second.load(saved)
    second.update(guess[7:], y[7:])
    assert first.compute() == second.compute()
    assert Meter(VALUE, 2).compute()["mae"] != Meter(VALUE, 2).compute()["mae"]  # nothing seen: NaN
    assert streamed(VALUE, guess, y, [7]) == first.compute()
