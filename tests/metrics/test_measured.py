"""Intervals: what statistics books say where they say it, brute force elsewhere; and every class's own figures."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from sklearn import metrics as sk
from torch import Tensor

from danlu.metrics import measure, metrics_for, values, wilson
from danlu.metrics.measured import SMALL
from danlu.metrics.resample import f1_interval, resampled


def classes_with_errors(n: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, classes, (n,), generator=g)
    return (torch.nn.functional.one_hot(y, classes) * 2 + torch.randn(n, classes, generator=g)).softmax(1), y


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (885, 1000), (50, 50)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_every_metric_has_an_interval_around_it(task: str) -> None:
    p, y = classes_with_errors(400, 6, 1)
    decoded, target = {
        "classification": (p, y),
        "multilabel": (p, (p + 0.2 * torch.rand(p.shape, generator=torch.Generator().manual_seed(0)) > 0.5).float()),
        "regression": (p.double(), p.double() + torch.randn(p.shape, generator=torch.Generator().manual_seed(0))),
    }[task]
    found = measure(task, decoded, target)
    assert list(found.values) == list(found.intervals) == list(metrics_for(task, 6))
    for name, (low, high, kind) in found.intervals.items():
        assert low < found.values[name] < high and kind
    assert found == measure(task, decoded, target)  # seeded


def test_the_bootstrap_of_a_mean_is_the_normal_interval() -> None:
    g = torch.Generator().manual_seed(2)
    y = torch.randn(2000, 1, generator=g).double()
    wrong = torch.rand(2000, 1, generator=g).double()
    low, high, _ = measure("regression", y + wrong, y).intervals["mae"]
    half = 1.96 * float(wrong.std()) / math.sqrt(2000)
    assert (low, high) == pytest.approx((float(wrong.mean()) - half, float(wrong.mean()) + half), abs=0.1 * half)


@pytest.mark.parametrize("name", ["macro_f1", "auroc", "average_precision", "balanced_accuracy"])
def test_the_bootstrap_is_that_of_rows_drawn_again(name: str) -> None:
    p, y = classes_with_errors(150, 3, 5)
    low, high, _ = measure("classification", p, y).intervals[name]
    rng, drawn = np.random.default_rng(5), []
    for _ in range(600):
        pick = rng.integers(0, len(y), len(y))
        drawn.append(values("classification", p[pick], y[pick])[name])  # itself held to scikit-learn in test_rows
    assert low == pytest.approx(np.quantile(drawn, 0.025), abs=0.015)
    assert high == pytest.approx(np.quantile(drawn, 0.975), abs=0.015)


def test_the_interval_of_an_area_is_delongs() -> None:
    """DeLong, DeLong and Clarke-Pearson (1988): the variance of the two kinds of placements, brute force."""
    g = torch.Generator().manual_seed(9)
    y = (torch.rand(600, generator=g) < 0.4).long()
    s = torch.sigmoid(torch.randn(600, generator=g) + y)
    pos, neg = s[y == 1].numpy(), s[y == 0].numpy()
    wins = (pos[:, None] > neg[None]) + 0.5 * (pos[:, None] == neg[None])
    error = math.sqrt(wins.mean(1).var(ddof=1) / len(pos) + wins.mean(0).var(ddof=1) / len(neg))
    found = measure("classification", torch.stack([1 - s, s], 1).double(), y)
    low, high, _ = found.intervals["auroc"]
    assert (high - low) / 2 == pytest.approx(1.96 * error, rel=0.1)
    assert (high + low) / 2 == pytest.approx(found.values["auroc"], abs=0.2 * error)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_the_jackknife_of_many_rows_agrees_with_the_bootstrap(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    p, y = classes_with_errors(1500, 3, 2)
    noise = torch.randn(p.shape, generator=torch.Generator().manual_seed(0)).double()
    decoded, target = {
        "classification": (p, y),
        "multilabel": (p, (p + 0.2 * noise > 0.5).float()),
        "regression": (p.double() + 2, p.double() + 2 + 0.3 * noise),
    }[task]
    assert p.numel() <= SMALL
    resampled_ones = measure(task, decoded, target).intervals
    monkeypatch.setattr("danlu.metrics.measured.SMALL", 0)
    for name, (low, high, kind) in measure(task, decoded, target).intervals.items():
        was_low, was_high, was = resampled_ones[name]
        assert (kind == was) == (kind == "Wilson")
        biased = name == "calibration_error"  # resampling adds noise to every bin: the bootstrap lies higher
        assert (high - low) == pytest.approx(was_high - was_low, rel=0.35 if biased else 0.15)
        if not biased:
            assert (low, high) == pytest.approx((was_low, was_high), abs=0.15 * (high - low))


def test_a_metric_that_is_perfect_stays_inside_what_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.metrics.measured.SMALL", 0)
    y = torch.arange(40) % 2
    found = measure("classification", torch.stack([1.0 - y, y.float()], 1), y).intervals
    assert found["auroc"][:2] == (1.0, 1.0) and found["accuracy"][0] < 0.95 < found["accuracy"][1] == 1.0


def test_resamples_draw_as_many_rows_as_there_are() -> None:
    counts = resampled(500)
    assert counts.shape == (1000, 500) and torch.equal(counts.sum(1), torch.full((1000,), 500.0))
    share = (counts == 0).double().mean()
    assert float(share) == pytest.approx((1 - 1 / 500) ** 500, abs=0.003)


def test_the_interval_of_an_f1_holds_as_often_as_it_says() -> None:
    """Coverage by simulation, few rows, where symmetric intervals fail."""
    rng, held = np.random.default_rng(0), 0
    true = 2 * 0.5 / (0.8 + 0.625)  # P(both) = 0.5
    for _ in range(2000):
        guessed, there = rng.random(40) < 0.8, rng.random(40) < 0.625
        hits = int((guessed & there).sum())
        low, high = f1_interval(hits, int(guessed.sum()), int(there.sum()))
        held += low <= true <= high
    assert 0.93 <= held / 2000 <= 1
    low, high = f1_interval(0, 5, 5)
    assert low == 0 and high > 0.3


def test_each_class_has_precision_recall_and_f1() -> None:
    p, y = classes_with_errors(300, 4, 3)
    parts = measure("classification", p, y, ("a", "b", "c", "d")).parts
    precision, recall, f1, rows = sk.precision_recall_fscore_support(y, p.argmax(1))
    for c, part in enumerate(parts):
        assert part["name"] == "abcd"[c] and part["rows"] == rows[c]
        for name, expected in (("precision", precision[c]), ("recall", recall[c]), ("f1", f1[c])):
            assert part[name] == pytest.approx(expected)
            assert part[f"{name}_low"] <= part[name] <= part[f"{name}_high"]
    expected = binomtest(round(recall[0] * rows[0]), int(rows[0])).proportion_ci(0.95, method="wilson")
    assert (parts[0]["recall_low"], parts[0]["recall_high"]) == pytest.approx((expected.low, expected.high))


def test_a_class_that_nobody_is_and_nobody_guesses_has_no_recall() -> None:
    p = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.6, 0.4, 0.0]]).double()
    part = measure("classification", p, torch.tensor([0, 1, 1])).parts[2]
    assert part == {"name": "2", "rows": 0}


def test_each_of_several_targets_has_its_own_errors() -> None:
    g = torch.Generator().manual_seed(0)
    y = torch.randn(80, 2, generator=g).double()
    guess = y + torch.tensor([0.1, 1.0]) * torch.randn(80, 2, generator=g).double()
    parts = measure("regression", guess, y, ("width", "height")).parts
    assert [part["name"] for part in parts] == ["width", "height"]
    assert parts[1]["r2"] == pytest.approx(sk.r2_score(y[:, 1], guess[:, 1]))
    assert parts[0]["r2_low"] < parts[0]["r2"] < parts[0]["r2_high"]
    assert measure("regression", guess[:, :1], y[:, :1]).parts == []


def test_one_sample_has_figures_and_no_intervals() -> None:
    found = measure("classification", torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert found.values["accuracy"] == 1 and not found.intervals
