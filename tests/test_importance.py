"""Importances of columns whose use is known, against scikit-learn, scipy and cells shuffled before encoding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.data.encode import prepare_table
from danlu.importance import Importance, groups_of, permutation_importance, score_of, single_columns, t_quantile
from danlu.types import Field, Schema


def accuracy(decoded: Tensor, target: Tensor) -> float:
    return float((decoded.argmax(1) == target).double().mean())


def test_only_the_column_that_is_used_counts() -> None:
    class Third(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([-x[:, 2], x[:, 2]], 1)

    x = torch.randn(500, 5, generator=torch.Generator().manual_seed(0))
    y = (x[:, 2] > 0).long()
    score = score_of(Third(), y, accuracy, lambda out: out, batch_size=64)
    assert score((x,)) == 1.0
    found = permutation_importance(score, (x,), single_columns(x, "abcde"), repeats=6)
    assert [i.name for i in found] == list("abcde")
    for i in found:
        if i.name == "c":
            assert 0.4 < i.low < i.drop < i.high < 0.6 and len(i.drops) == 6
        else:
            assert (i.drop, i.low, i.high) == (0.0, 0.0, 0.0)


def test_metrics_that_should_be_small_count_the_other_way_round() -> None:
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    score = score_of(nn.Identity(), x[:, 0], lambda out, y: float((out[:, 0] - y).abs().mean()), lambda out: out)
    used, unused = permutation_importance(score, (x,), single_columns(x), greater=False)
    assert used.low > 0.5 and (unused.drop, unused.high) == (0, 0)


def test_importances_of_a_linear_model_agree_with_scikit_learn() -> None:
    from sklearn.inspection import permutation_importance as sk_importance
    from sklearn.linear_model import LinearRegression
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 4))
    y = x @ np.array([3.0, 1.0, 0.3, 0.0]) + rng.normal(size=400)
    model = LinearRegression().fit(x, y)
    net = nn.Linear(4, 1).double()
    with torch.no_grad():
        net.weight.copy_(torch.from_numpy(model.coef_)[None])
        net.bias.copy_(torch.tensor([model.intercept_]))
    inputs = torch.from_numpy(x)
    score = score_of(net, torch.from_numpy(y), lambda out, truth: float(r2_score(truth, out)), lambda out: out[:, 0])
    ours = permutation_importance(score, (inputs,), single_columns(inputs), repeats=30)
    theirs = sk_importance(model, x, y, n_repeats=30, random_state=1, scoring="r2")
    for i, mean, std in zip(ours, theirs.importances_mean, theirs.importances_std):
        noise = ((i.high - i.low) / 4) ** 2 + std**2 / 30
        assert abs(i.drop - mean) < 4 * noise**0.5
    assert ours[0].drop > ours[1].drop > ours[2].drop > abs(ours[3].drop)


def test_what_a_column_is_worth_does_not_depend_on_the_others_asked_for() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    score = score_of(nn.Identity(), x[:, 1], lambda out, y: -float((out[:, 1] - y).abs().mean()), lambda out: out)
    groups = single_columns(x, "abc")
    assert permutation_importance(score, (x,), groups)[1] == permutation_importance(score, (x,), {"b": groups["b"]})[0]


def schema(layout: Any) -> Schema:
    fields = (
        Field("age", "number", "input", mean=(0.0,), std=(1.0,), missing=3),
        Field("town", "category", "input", dtype="int64", classes=("a", "b", "c")),
        Field("id", "number", "ignored"),
        Field("height", "number", "input", mean=(0.0,), std=(1.0,)),
        Field("income", "number", "input", mean=(0.0,), std=(1.0,), missing=1),
        Field("sex", "category", "input", dtype="int64", classes=("f", "m")),
        Field("y", "number", "target"),
    )
    return Schema(fields, "regression", layout, "table")


@pytest.mark.parametrize("layout", ["columns", "matrix"])
def test_a_columns_flag_and_codes_move_with_it(layout: Any) -> None:
    """Permuting the prepared parts equals permuting the stored cell and preparing it anew."""
    generator = torch.Generator().manual_seed(0)
    numbers = torch.randn(40, 3, generator=generator)
    numbers[torch.rand(40, 3, generator=generator) < 0.2] = torch.nan
    codes = torch.stack([torch.randint(0, size, (40,), generator=generator) for size in (4, 3)], 1)
    numbers[:, 1] = torch.randn(40, generator=generator)  # height has no missing values and no flag
    prepare = prepare_table(schema(layout))
    seen: list[tuple[Tensor, ...]] = []

    def score(inputs: tuple[Tensor, ...]) -> float:
        seen.append(inputs)
        return 0.0

    groups = groups_of(schema(layout))
    assert list(groups) == ["age", "town", "height", "income", "sex"]
    found = permutation_importance(score, prepare((numbers, codes)), groups, repeats=2, seed=9)
    assert all((i.drop, i.low, i.high) == (0, 0, 0) for i in found)
    orders = torch.Generator().manual_seed(9)
    permutations = [torch.randperm(40, generator=orders) for _ in range(2)]
    cells = {"age": (0, 0), "height": (0, 1), "income": (0, 2), "town": (1, 0), "sex": (1, 1)}
    expected = [prepare((numbers, codes))]
    for name in groups:
        for order in permutations:
            raw = [numbers.clone(), codes.clone()]
            which, column = cells[name]
            raw[which][:, column] = raw[which][order, column]
            expected.append(prepare((raw[0], raw[1])))
    assert len(seen) == len(expected)
    for got, wanted in zip(seen, expected):
        assert len(got) == len(wanted) and all(torch.equal(a, b) for a, b in zip(got, wanted))


def test_students_t_agrees_with_scipy() -> None:
    from scipy.stats import t

    for freedom in range(4, 60):
        assert t_quantile(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=2e-3)


def test_the_interval_holds_the_mean_of_very_many_repeats() -> None:
    """95 % intervals from six repeats each: of a hundred, about ninety-five."""
    x = torch.randn(60, 1, generator=torch.Generator().manual_seed(0))

    def score(inputs: tuple[Tensor, ...]) -> float:
        return -float((inputs[0] - x).square().mean())

    def importance(repeats: int, seed: int) -> Importance:
        return permutation_importance(score, (x,), single_columns(x), repeats=repeats, seed=seed)[0]

    truth = importance(3000, 1).drop
    held = [found.low <= truth <= found.high for found in (importance(6, 100 + seed) for seed in range(100))]
    assert 88 <= sum(held) <= 100
