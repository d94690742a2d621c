"""Every metric of a test agrees with scikit-learn or torchmetrics to 1e-6, weighted rows included."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torchmetrics.functional as tm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from torch import Tensor

from danlu.metrics import metrics_for, values
from danlu.metrics.ranked import auroc_and_precision, curve, spearman
from danlu.metrics.rows import METRICS, rows_of


def some_classes(n: int, classes: int, seed: int, coarse: bool) -> tuple[Tensor, Tensor]:
    """Probabilities and classes; ``coarse`` ones hold many ties."""
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, classes, (n,), generator=g)
    p = (torch.randn(n, classes, generator=g) + torch.nn.functional.one_hot(y, classes)).softmax(1).double()
    if coarse:
        p = (p * 4).round() + 1
        p = p / p.sum(1, keepdim=True)
    return p, y


@given(n=st.integers(20, 80), classes=st.integers(2, 9), seed=st.integers(0, 999), coarse=st.booleans())
@settings(max_examples=60, deadline=None)
def test_classes_agree_with_scikit_learn_and_torchmetrics(n: int, classes: int, seed: int, coarse: bool) -> None:
    p, y = some_classes(n, classes, seed, coarse)
    assume(len(y.unique()) == classes)
    got, truth, guess = values("classification", p, y), y.numpy(), p.argmax(1).numpy()
    assert got.keys() == metrics_for("classification", classes).keys()
    assert got["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess), abs=1e-12)
    assert got["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(truth, guess), abs=1e-12)
    assert got["macro_f1"] == pytest.approx(sk.f1_score(truth, guess, average="macro", zero_division=0), abs=1e-12)
    assert got["micro_f1"] == pytest.approx(sk.f1_score(truth, guess, average="micro"), abs=1e-12)
    assert got["log_loss"] == pytest.approx(sk.log_loss(truth, p.numpy(), labels=range(classes)), abs=1e-6)
    one_hot = np.eye(classes)[truth]
    if classes == 2:
        area, precision = sk.roc_auc_score(truth, p[:, 1]), sk.average_precision_score(truth, p[:, 1])
    else:
        area = sk.roc_auc_score(truth, p.numpy(), multi_class="ovr", average="macro")
        precision = sk.average_precision_score(one_hot, p.numpy(), average="macro")
    assert got["auroc"] == pytest.approx(area, abs=1e-6)
    assert got["average_precision"] == pytest.approx(precision, abs=1e-6)
    if coarse:  # confidences on the bins' very edges, and ties at the fifth place: every answer is as good as another
        return
    places = 15 * p.max(1).values
    assume(bool(((places - places.round()).abs() > 1e-6).all()))  # on an edge by chance: torchmetrics rounds to float32
    error = tm.calibration_error(p, y, task="multiclass", num_classes=classes, n_bins=15, norm="l1")
    assert got["calibration_error"] == pytest.approx(float(error), abs=1e-6)
    if classes > 5:
        assert got["top5_accuracy"] == pytest.approx(sk.top_k_accuracy_score(truth, p.numpy(), k=5), abs=1e-12)


@given(n=st.integers(10, 60), labels=st.integers(2, 5), seed=st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_labels_agree_with_scikit_learn(n: int, labels: int, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    p, y = torch.rand(n, labels, generator=g).double(), (torch.rand(n, labels, generator=g) < 0.4).float()
    assume(bool(((y.sum(0) > 0) & (y.sum(0) < n)).all()))
    got, truth, guess = values("multilabel", p, y), y.numpy() > 0, (p > 0.5).numpy()
    for average in ("macro", "micro"):
        expected = sk.f1_score(truth, guess, average=average, zero_division=0)
        assert got[f"{average}_f1"] == pytest.approx(expected, abs=1e-12)
    assert got["accuracy"] == pytest.approx(1 - sk.hamming_loss(truth, guess), abs=1e-12)
    assert got["exact_match"] == pytest.approx(sk.accuracy_score(truth, guess), abs=1e-12)
    assert got["auroc"] == pytest.approx(sk.roc_auc_score(truth, p.numpy(), average="macro"), abs=1e-6)
    assert got["average_precision"] == pytest.approx(sk.average_precision_score(truth, p.numpy()), abs=1e-6)


@given(n=st.integers(3, 60), targets=st.integers(1, 3), seed=st.integers(0, 999), coarse=st.booleans())
@settings(max_examples=40, deadline=None)
def test_numbers_agree_with_scikit_learn_and_scipy(n: int, targets: int, seed: int, coarse: bool) -> None:
    g = torch.Generator().manual_seed(seed)
    y = torch.randn(n, targets, generator=g).double() * 3 + 2
    guess = y + torch.randn(n, targets, generator=g).double()
    if coarse:
        y, guess = y.round(), guess.round()
    assume(all(len(c.unique()) > 1 for c in (*y.T, *guess.T)))
    got, truth, answer = values("regression", guess, y), y.numpy(), guess.numpy()
    assert got["mae"] == pytest.approx(sk.mean_absolute_error(truth, answer), rel=1e-9)
    assert got["rmse"] == pytest.approx(sk.root_mean_squared_error(truth, answer), rel=1e-9)
    assert got["r2"] == pytest.approx(sk.r2_score(truth, answer), abs=1e-9)
    assert got["mape"] == pytest.approx(sk.mean_absolute_percentage_error(truth, answer), rel=1e-9)
    each = [stats.spearmanr(truth[:, t], answer[:, t]).statistic for t in range(targets)]
    assert got["spearman"] == pytest.approx(np.mean(each), abs=1e-9)


@given(n=st.integers(8, 40), seed=st.integers(0, 999), coarse=st.booleans())
@settings(max_examples=40, deadline=None)
def test_a_weight_counts_as_so_many_copies_of_the_row(n: int, seed: int, coarse: bool) -> None:
    """Brute force: every metric of weighted rows is that of the rows repeated."""
    g = torch.Generator().manual_seed(seed)
    w = torch.randint(0, 4, (1, n), generator=g)
    again = torch.repeat_interleave(torch.arange(n), w[0])
    p, y = some_classes(n, 3, seed, coarse)
    labels = (torch.rand(n, 3, generator=g) < 0.5).float()
    numbers = torch.randn(n, 3, generator=g).double()
    for task, decoded, target in (
        ("classification", p, y),
        ("multilabel", p, labels),
        ("regression", numbers.round() if coarse else numbers, numbers + p),
    ):
        expected = values(task, decoded[again], target[again])
        rows = rows_of(task, decoded, target)
        for name, metric in METRICS[task].items():
            if metric.of is not None and name in expected:
                assert float(metric.of(rows, w.double())[0]) == pytest.approx(expected[name], abs=1e-9, nan_ok=True)
    area, precision = auroc_and_precision(p[:, 0], y == 0, [w.double()])
    assume(0 < int((y[again] == 0).sum()) < len(again))
    assert float(area) == pytest.approx(sk.roc_auc_score((y == 0)[again], p[again, 0]), abs=1e-9)
    assert float(precision) == pytest.approx(sk.average_precision_score((y == 0)[again], p[again, 0]), abs=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected_rho = stats.spearmanr(p[again, 0], p[again, 1]).statistic
    assert float(spearman(p[:, 0], p[:, 1], [w.double()])) == pytest.approx(expected_rho, abs=1e-9, nan_ok=True)


def test_a_curve_is_scikit_learns() -> None:
    p, y = some_classes(200, 2, 3, coarse=True)
    threshold, tp, fp = curve(p[:, 1], y == 1)
    fpr, tpr, at = sk.roc_curve(y, p[:, 1], drop_intermediate=False)
    assert np.allclose(threshold, at[1:]) and np.allclose(tp / tp[-1], tpr[1:]) and np.allclose(fp / fp[-1], fpr[1:])


def test_ignored_rows_do_not_count_and_a_missing_class_has_no_area() -> None:
    p, y = some_classes(60, 4, 1, coarse=False)
    y[y == 3] = -100
    got = values("classification", p, y)
    kept = y >= 0
    assert got == pytest.approx(values("classification", p[kept], y[kept]))
    each = [sk.roc_auc_score(y[kept] == c, p[kept, c]) for c in range(3)]  # nobody is of the fourth
    assert got["auroc"] == pytest.approx(np.mean(each), abs=1e-9)


def test_nothing_gives_nan() -> None:
    assert all(v != v for v in values("classification", torch.empty(0, 2), torch.empty(0, dtype=torch.long)).values())


def test_the_fifth_of_equally_probable_classes_is_right_once() -> None:
    p = torch.full((7, 7), 1 / 7)
    assert values("classification", p, torch.arange(7))["top5_accuracy"] == pytest.approx(5 / 7)


def test_one_score_for_all_rows_agrees_with_scikit_learn() -> None:
    g = torch.Generator().manual_seed(1)
    truth, w = torch.rand(50, generator=g) < 0.3, torch.randint(0, 3, (4, 50), generator=g).double()
    areas, precisions = auroc_and_precision(torch.full((50,), 0.2), truth, [w[:3], w[3:]])
    for area, precision, weight in zip(areas, precisions, w):
        score = np.full(50, 0.2)
        assert float(area) == sk.roc_auc_score(truth, score, sample_weight=weight) == 0.5
        expected = sk.average_precision_score(truth, score, sample_weight=weight)
        assert float(precision) == pytest.approx(expected, abs=1e-12)
    none = auroc_and_precision(torch.zeros(5), torch.zeros(5, dtype=torch.bool), [torch.ones(1, 5)])
    assert all(bool(figure.isnan().all()) for figure in none)
