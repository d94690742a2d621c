"""The linear baseline is scikit-learn's, however the rows are cut into batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

import danlu
from danlu.errors import DanluError
from danlu.linear import FEATURES, features, fit, restored


def digits() -> tuple[Tensor, Tensor]:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return torch.as_tensor(x[order]).float(), torch.as_tensor(y[order])


def cut(x: Tensor, y: Tensor, size: int) -> list[tuple[Tensor, Tensor]]:
    return list(zip(x.split(size), y.split(size)))


@pytest.mark.parametrize("size", [57, 5000])
def test_classes_are_discriminant_analysis(size: int) -> None:
    x, y = digits()
    x, y = x[:1200], y[:1200]
    model = fit("classification", 10, cut(x, y, size))
    assert model is not None
    scale = x[:size].std(0, correction=0).numpy()  # its own units: the shrinkage depends on them
    scaled = (x.numpy() - x[:size].mean(0).numpy()) / np.where(scale > 0, scale, 1)
    means = np.stack([scaled[y == c].mean(0) for c in range(10)])
    within = sum(np.cov(scaled[y == c].T, bias=True) * int((y == c).sum()) for c in range(10)) / len(y)
    shrunk = 0.9 * within + 0.1 * np.trace(within) / 64 * np.eye(64)
    inverse = np.linalg.inv(shrunk)
    scores = scaled @ inverse @ means.T - 0.5 * np.einsum("cd,de,ce->c", means, inverse, means)
    scores = scores + np.log(np.bincount(y) / len(y))
    expected = np.exp(scores - scores.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    assert np.abs(model.answer(x).numpy() - expected).max() < 1e-3


def test_classes_are_answered_as_well_as_scikit_learns_linear_models_do() -> None:
    x, y = digits()
    model = fit("classification", 10, cut(x[:1000], y[:1000], 128), cut(x[1000:1300], y[1000:1300], 300))
    assert model is not None
    ours = float((model.answer(x[1300:]).argmax(1) == y[1300:]).double().mean())
    lda = LinearDiscriminantAnalysis().fit(x[:1000], y[:1000]).score(x[1300:], y[1300:])
    logistic = LogisticRegression(max_iter=2000).fit(x[:1000] / 16, y[:1000]).score(x[1300:] / 16, y[1300:])
    assert ours > max(lda, logistic) - 0.03


def test_numbers_are_ridge_regression() -> None:
    x, y = (torch.as_tensor(v).float() for v in load_diabetes(return_X_y=True))
    target = torch.stack([y, 3 - y], 1).double()
    model = fit("regression", 2, cut(x, target, 10_000))
    assert model is not None
    scaled = ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()
    values = np.linalg.eigvalsh(np.cov(scaled.T, bias=True))
    expected = Ridge(alpha=0.1 / 0.9 * values.mean() * len(x)).fit(scaled, target.numpy())
    assert model.weight.numpy() * 0.9 == pytest.approx(expected.coef_.T, rel=1e-3, abs=1e-2)
    found = fit("regression", 2, cut(x[:300], target[:300], 64), cut(x[300:], target[300:], 64))
    assert found is not None and found.answer(x[300:]).shape == (142, 2)
    wrong = float((found.answer(x[300:]) - target[300:]).square().mean())
    assert wrong < 0.6 * float((target[:300].mean(0) - target[300:]).square().mean())


def test_labels_get_probabilities() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(500, 4, generator=g)
    y = (x[:, :2] > 0).float()
    model = fit("multilabel", 2, cut(x, y, 100))
    assert model is not None
    answer = model.answer(x)
    assert bool(((answer > 0) & (answer < 1)).all()) and float(((answer > 0.5) == (y > 0.5)).double().mean()) > 0.95


def test_ignored_rows_and_rows_of_nan_are_left_out() -> None:
    x, y = digits()
    whole = fit("classification", 10, [(x[:500], y[:500])])
    x2, y2 = torch.cat([x[:500], x[500:510] * torch.nan, x[510:600]]), torch.cat([y[:510], torch.full((90,), -100)])
    holed = fit("classification", 10, [(x2[:500], y2[:500]), (x2[500:], y2[500:])])
    assert whole is not None and holed is not None
    assert torch.equal(whole.weight, holed.weight)


def test_nothing_to_learn_from() -> None:
    assert fit("classification", 2, []) is None
    assert fit("classification", 2, [(torch.ones(9, 3), torch.zeros(9, dtype=torch.long))]) is None


def test_features_of_every_kind_of_input() -> None:
    image = torch.arange(2 * 3 * 40 * 40).float().reshape(2, 3, 40, 40)
    small = features([image])
    assert small is not None and small.shape == (2, 3 * 18 * 18)
    assert small[0, 0] == pytest.approx(float(image[0, 0, :3, :3].mean()))
    assert torch.equal(features([image[:, :1, :8, :8]]), image[:, :1, :8, :8].reshape(2, 64))  # type: ignore[arg-type]
    long = features([torch.ones(2, 5000)])
    assert long is not None and long.shape == (2, FEATURES)
    table = features([torch.randn(2, 3), torch.tensor([[0, 2], [1, 0]])], (2, 3))
    assert table is not None and table[:, 3:].tolist() == [[1, 0, 0, 0, 1], [0, 1, 1, 0, 0]]
    wide = features([torch.randn(2, 3), torch.tensor([[0, 2], [1, 0]])], (2000, 3))
    assert wide is not None and wide.shape == (2, 6)
    assert features([torch.ones(2, 7, dtype=torch.long)]) is None  # words
    assert features([{"x": torch.ones(2)}]) is None and features([]) is None
    one = features([torch.ones(4)])
    assert one is not None and one.shape == (4, 1)


def test_the_linear_model_is_kept_with_the_run_and_stands_beside_every_later_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, colour = rng.normal(size=400), rng.choice(["red", "blue"], 400)
    table = pd.DataFrame({"x": x, "colour": colour, "label": np.where(x + (colour == "red") > 0.5, "yes", "no")})
    table.to_csv("data.csv", index=False)
    run = danlu.train("data.csv", target="label", epochs=1, run="r")
    assert (tmp_path / "r/model/linear.safetensors").stat().st_size < 2000
    again = danlu.test("r")
    for name in ("accuracy", "log_loss", "auroc"):
        assert again[f"test/{name}_linear"] == pytest.approx(run.metrics[f"test/{name}_linear"])
    table.assign(colour="green").to_csv("other.csv", index=False)
    other, own = danlu.test("r", "other.csv"), run.test("other.csv")
    assert other["test/accuracy_linear"] == own["test/accuracy_linear"] > 0.5
    assert own["test/accuracy_baseline"] == other["test/accuracy_baseline"]
    capsys.readouterr()
    model = danlu.load("r")
    model.predict("other.csv")
    model.predict("other.csv")
    told = capsys.readouterr()
    assert (told.err + told.out).count("green") == 1 and "400" in told.err + told.out
    (tmp_path / "r/model/linear.safetensors").write_bytes(b"changed")
    with pytest.raises(DanluError) as caught:
        danlu.load("r")
    assert caught.value.code == "DL424"


def test_tensors_of_other_sizes_are_no_linear_model() -> None:
    model = fit("classification", 10, [digits()])
    assert model is not None
    kept = model.tensors()
    again = restored("classification", kept)
    assert again is not None and torch.equal(again.answer(digits()[0]), model.answer(digits()[0]))
    assert restored("classification", kept | {"bias": kept["bias"][:3]}) is None
    assert restored("classification", {}) is None
