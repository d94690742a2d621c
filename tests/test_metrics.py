"""Metrics agree with scikit-learn on anything, however the samples are cut into batches."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn import metrics as sk
from torch import Tensor

from danlu.metrics import Meter, baseline, intervals, trivial_answer, wilson

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


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (885, 1000), (50, 50)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_intervals_of_classes() -> None:
    g = torch.Generator().manual_seed(1)
    y = torch.randint(0, 3, (400,), generator=g)
    p = (torch.nn.functional.one_hot(y, 3) * 2 + torch.randn(400, 3, generator=g)).softmax(1)
    value, found = streamed(CLASS, p, y, []), intervals(CLASS, p, y)
    assert list(found) == list(CLASS)
    for name, (low, high, _) in found.items():
        assert low < value[name] < high
    assert found["accuracy"][2] == "Wilson" and "1000" in found["macro_f1"][2]
    assert found == intervals(CLASS, p, y)  # seeded


def test_the_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    g = torch.Generator().manual_seed(2)
    y = torch.randn(2000, 1, generator=g).double()
    wrong = torch.rand(2000, 1, generator=g).double()
    low, high, _ = intervals(("mae",), y + wrong, y)["mae"]
    half = 1.96 * float(wrong.std()) / math.sqrt(2000)
    assert (low, high) == pytest.approx((float(wrong.mean()) - half, float(wrong.mean()) + half), abs=0.1 * half)


@pytest.mark.parametrize("names", [("log_loss",), LABEL, VALUE])
def test_the_bootstrap_computes_the_metrics_themselves(names: tuple[str, ...]) -> None:
    """Each resample's value is what a Meter says of the same picked samples."""
    from danlu.metrics import _METRICS, _resampled, _sample_columns

    g = torch.Generator().manual_seed(3)
    n, pick = 40, torch.randint(40, (40,), generator=g)
    decoded = torch.rand(n, 3, generator=g).double()
    target = (
        torch.randn(n, 3, generator=g).double() if names is VALUE else (torch.rand(n, 3, generator=g) > 0.5).float()
    )
    if names == ("log_loss",):
        decoded, target = decoded.softmax(1), torch.randint(0, 3, (n,), generator=g)
    names = tuple(name for name in names if name != "exact_match")  # a share: Wilson, no bootstrap
    sums = _resampled(_sample_columns(decoded, target, names), pick)
    expected = streamed(names, decoded[pick], target[pick], [])
    assert {name: _METRICS[name](sums) for name in names} == pytest.approx(expected, abs=1e-9)


def beside(task: str, train: Tensor, test: Tensor, outputs: int) -> dict[str, Any]:
    trivial = trivial_answer(task, train, outputs)
    assert trivial is not None
    return baseline(task, trivial, test)


def test_baselines() -> None:
    test = torch.tensor([0, 1, 0, 2, 0, 0])
    found = beside("classification", torch.tensor([0, 0, 0, 1, 2]), test, 3)
    assert found["accuracy"] == pytest.approx(4 / 6)
    assert found["log_loss"] == pytest.approx(sk.log_loss(test, [[0.6, 0.2, 0.2]] * 6, labels=[0, 1, 2]))
    assert "majority" in found["what"]
    numbers = beside("regression", torch.tensor([[1.0], [3.0]]), torch.tensor([[2.0], [4.0]]), 1)
    assert numbers["mae"] == 1.0 and numbers["rmse"] == pytest.approx(math.sqrt(2)) and numbers["r2"] == -1.0
    labels = beside("multilabel", torch.tensor([[1.0, 0], [1, 0], [1, 1]]), torch.tensor([[1.0, 0], [0, 0]]), 2)
    assert labels["accuracy"] == 0.75 and labels["exact_match"] == 0.5


def test_where_there_is_no_baseline() -> None:
    assert trivial_answer("custom", torch.ones(3), 1) is None
    assert trivial_answer("classification", torch.empty(0, dtype=torch.long), 2) is None
    assert baseline("custom", torch.ones(1), torch.ones(3)) == {}


def test_a_class_only_in_test_has_a_baseline_too() -> None:
    found = beside("classification", torch.tensor([0, -100, 0, 1]), torch.tensor([2, 0]), 2)
    assert found["accuracy"] == 0.5 and found["log_loss"] > 10


def test_one_sample_and_none() -> None:
    assert intervals(CLASS, torch.tensor([[1.0, 0.0]]), torch.tensor([0])).keys() == {"accuracy"}
    assert intervals(CLASS, torch.empty(0, 2), torch.empty(0, dtype=torch.long)) == {}


def test_the_bootstrap_of_counts_agrees_with_resampling_the_rows_themselves() -> None:
    rng = np.random.default_rng(5)
    n, classes = 150, 4
    actual = rng.integers(0, classes, n)
    guess = np.where(rng.random(n) < 0.7, actual, rng.integers(0, classes, n))
    decoded = torch.nn.functional.one_hot(torch.as_tensor(guess), classes).double()
    low, high, _ = intervals(["macro_f1"], decoded, torch.as_tensor(actual))["macro_f1"]
    values = []
    for _ in range(1500):
        pick = rng.integers(0, n, n)
        values.append(sk.f1_score(actual[pick], guess[pick], average="macro"))
    assert low == pytest.approx(np.quantile(values, 0.025), abs=0.015)
    assert high == pytest.approx(np.quantile(values, 0.975), abs=0.015)
