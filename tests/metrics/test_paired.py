"""Paired differences against independent sums, a published formula, and how often the interval covers the truth."""

from __future__ import annotations

import math

import pytest
import torch

from danlu.metrics import difference
from danlu.metrics.paired import paired_shares


def answers(right: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Probabilities over two classes that are right where ``right`` says so."""
    guess = torch.where(right, target, 1 - target)
    return torch.nn.functional.one_hot(guess, 2) * 0.8 + 0.1


def test_the_interval_is_bonett_and_prices_from_mcnemars_two_counts() -> None:
    target = torch.arange(100) % 2
    one = torch.arange(100) < 60
    two = (torch.arange(100) >= 40) & (torch.arange(100) < 75)  # 40 rows right in one only, 15 in two only
    found = difference("classification", "accuracy", answers(one, target), answers(two, target), target)
    a, b = 41 / 102, 16 / 102
    half = 1.959963984540054 * math.sqrt((a + b - (a - b) ** 2) / 102)
    assert found.value == pytest.approx(0.25) and found.interval is not None
    assert found.interval[:2] == pytest.approx((a - b - half, a - b + half))


def test_equal_answers_differ_by_nothing_and_the_interval_says_so() -> None:
    target = torch.arange(50) % 2
    same = answers(torch.arange(50) < 30, target)
    found = difference("classification", "accuracy", same, same, target)
    assert found.value == 0 and found.interval is not None and found.interval[0] < 0 < found.interval[1]
    values = torch.arange(50.0)[:, None]
    numbers = difference("regression", "rmse", values + 1, values + 1, values)
    assert numbers.value == 0 and numbers.interval is not None and numbers.interval[:2] == (0, 0)


def test_paired_intervals_cover_the_truth_about_as_often_as_they_promise() -> None:
    generator, n, covered = torch.Generator().manual_seed(1), 60, 0
    for _ in range(1000):
        u = torch.rand(n, generator=generator)  # 0.25 right in one only, 0.10 in the other only
        low, high = paired_shares(float((u < 0.25).sum()), float((u > 0.90).sum()), n)
        covered += low <= 0.15 <= high
    assert 930 <= covered <= 985


@pytest.mark.parametrize("rows", [500, 9000])  # the bootstrap's, and the jackknife's
def test_numbers_are_compared_on_the_same_rows(rows: int) -> None:
    g = torch.Generator().manual_seed(0)
    truth = torch.randn(rows, 1, generator=g, dtype=torch.float64) * 10
    shared = torch.randn(rows, 1, generator=g, dtype=torch.float64) * 3  # both are wrong together
    one = truth + shared
    two = truth + shared * 1.05
    found = difference("regression", "mae", one, two, truth)
    each = shared.abs() - (shared * 1.05).abs()
    error = 1.96 * float(each.std()) / math.sqrt(rows)
    assert found.value == pytest.approx(float(each.mean())) and found.interval is not None
    assert found.interval[0] == pytest.approx(found.value - error, abs=0.25 * error)
    assert found.interval[1] == pytest.approx(found.value + error, abs=0.25 * error)


def test_no_rows_have_no_difference_and_one_row_no_interval() -> None:
    one = torch.tensor([[0.9, 0.1]])
    assert math.isnan(difference("classification", "accuracy", one[:0], one[:0], torch.zeros(0).long()).value)
    alone = difference("classification", "accuracy", one, 1 - one, torch.tensor([0]))
    assert alone.value == 1 and alone.interval is None
