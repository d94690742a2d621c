"""Label errors planted in scikit-learn's digits are found; the counts are those of the definitions, row by row."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from danlu.suspects import Suspect, find_suspects, thresholds

PLANTED = 90  # of 1,797 digits: 5 %


@cache
def digits(planted: int = PLANTED) -> tuple[Tensor, Tensor, Tensor, set[int]]:
    """Out-of-fold probabilities (N, 10), the labels with errors, the true ones, and the rows that are wrong."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits

    x, truth = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(truth), planted, replace=False)
    given = truth.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 10, planted)) % 10
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    with threadpool_limits(1):  # small matrices: threads only wait for each other
        p = cross_val_predict(LogisticRegression(C=0.3, max_iter=300), x / 16, given, cv=folds, method="predict_proba")
    return torch.from_numpy(p), torch.from_numpy(given), torch.from_numpy(truth), set(wrong.tolist())


def by_definition(p: np.ndarray, labels: np.ndarray) -> dict[int, int]:
    """The suspect rows, written down from the paper's definitions with loops."""
    n, classes = p.shape
    limit = [np.mean([p[i, j] for i in range(n) if labels[i] == j] or [np.inf]) for j in range(classes)]
    suspect = {}
    for i in range(n):
        able = [j for j in range(classes) if p[i, j] >= limit[j] - 1e-12]
        if labels[i] < 0 or not able:
            continue
        best = max(able, key=lambda j: p[i, j])
        if best != labels[i] and p[i, best] > p[i, labels[i]]:
            suspect[i] = best
    return suspect


def test_planted_errors_are_found() -> None:
    p, given, truth, wrong = digits()
    found = find_suspects(p, given)
    rows = {s.row for s in found}
    assert len(rows) == len(found)
    assert len(rows & wrong) / len(wrong) >= 0.7, "recall: where the model is surer than it is on average"
    assert len(rows & wrong) / len(rows) >= 0.93, "precision: some digits are hard to read without an error"
    first = found[: PLANTED // 2]
    assert {s.row for s in first} <= wrong, "the surest ones are all wrong"
    assert all(s.suggested == int(truth[s.row]) for s in first)


def test_without_errors_few_rows_are_suspect() -> None:
    p, given, _, _ = digits(0)
    assert len(find_suspects(p, given)) < 0.02 * len(given)


def test_the_rows_are_those_of_the_definition() -> None:
    p, given, _, _ = digits()
    suspect = by_definition(p.numpy(), given.numpy())
    assert {s.row: s.suggested for s in find_suspects(p, given)} == suspect


@given(st.integers(1, 60), st.integers(2, 5), st.integers(0, 2**31), st.booleans())
def test_the_same_for_any_numbers(rows: int, classes: int, seed: int, single: bool) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(classes, 0.5), rows)
    labels = rng.integers(-1, classes, rows)  # some classes may be empty, some rows unlabelled
    suspect = by_definition(p, labels)
    tensors = torch.from_numpy(p), torch.from_numpy(labels)
    found = find_suspects(*tensors)
    assert {s.row: s.suggested for s in found} == suspect
    margins = [s.margin for s in found]
    assert margins == sorted(margins, reverse=True)
    for s in found:
        assert (s.given_probability, s.suggested_probability) == (p[s.row, s.given], p[s.row, s.suggested])


def test_each_class_is_judged_by_its_own_confidence() -> None:
    """The model is never surer of class 1 than 0.6, so 0.6 is confident there, while class 0 needs 0.9."""
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.4, 0.6], [0.7, 0.3]])
    labels = torch.tensor([0, 0, 1, 1, 0, 1])
    assert thresholds(p, labels).tolist() == pytest.approx([2.2 / 3, 0.5])
    assert [(s.row, s.given, s.suggested) for s in find_suspects(p, labels)] == [(4, 0, 1)]


def test_a_row_says_what_the_model_thinks() -> None:
    p = torch.tensor([[0.8, 0.2], [0.75, 0.25], [0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
    (found,) = find_suspects(p, torch.tensor([0, 0, 1, 1]))
    assert found == Suspect(2, 1, 0, 0.1, 0.9)
    assert found.margin == pytest.approx(0.8)


def test_nothing_to_look_at() -> None:
    assert find_suspects(torch.empty(0, 3), torch.empty(0, dtype=torch.int64)) == ()
    assert find_suspects(torch.tensor([[0.1, 0.9]]), torch.tensor([-1])) == ()
    assert torch.isinf(thresholds(torch.tensor([[0.1, 0.9]]), torch.tensor([1]))).tolist() == [True, False]
