from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler

from danlu.data import load_data
from danlu.data.arrays import split_choice
from danlu.data.columns import Data
from danlu.errors import DanluError
from danlu.settings import Settings


def load(data: Any, *, own: bool = False, test: Any = None, val: Any = None, **settings: Any) -> Data:
    return load_data(data, test, val, Settings(**settings), layout="matrix", own_model=own)


def rows(part: Any) -> tuple[Any, ...]:
    return part.gather(torch.arange(len(part)))


def test_numbers_are_standardised_by_the_training_rows() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal([0, 1e9, 5], [1, 3, 0.001], (300, 3))  # a large mean must not cost digits
    before = x.copy()
    y = rng.integers(0, 3, 300)
    data = load((x, y))
    np.testing.assert_array_equal(x, before)  # the user's own array is not written to
    assert [len(p) for p in (data.train, data.val, data.test)] == [210, 45, 45]
    train = x[data.train.index.numpy()]
    scaler = StandardScaler().fit(train)
    for part in (data.train, data.val, data.test):
        np.testing.assert_allclose(rows(part)[0].numpy(), scaler.transform(x[part.index.numpy()]), rtol=1e-4, atol=1e-4)
        assert rows(part)[1].tolist() == y[part.index.numpy()].tolist()
    assert rows(data.train)[0].dtype == torch.float32
    np.testing.assert_allclose(data.schema.inputs[0].mean, scaler.mean_)


def test_pixels_share_one_scale() -> None:
    digits = load_digits()
    flat = load((digits.data, digits.target))
    assert len(flat.schema.inputs[0].mean) == 1
    assert flat.schema.layout == "matrix"
    images = load((digits.images, digits.target))
    assert images.schema.layout == "image"
    assert images.schema.inputs[0].shape == (1, 8, 8)
    assert torch.allclose(rows(images.train)[0].flatten(1), rows(flat.train)[0], atol=1e-6)
    bunch = load(digits)
    assert torch.equal(rows(bunch.train)[0], rows(flat.train)[0])


@pytest.mark.parametrize("order", ["NHW", "NHWC", "NCHW"])
def test_byte_images_in_any_order_of_axes(order: str) -> None:
    planes = torch.randint(0, 256, (60, 1 if order == "NHW" else 3, 12, 10), dtype=torch.uint8)
    x = {"NHW": planes[:, 0], "NHWC": planes.permute(0, 2, 3, 1), "NCHW": planes}[order].numpy()
    y = np.arange(60) % 2
    data = load((x, y), test=(x, y), val=(x, y))
    values = planes.double() / 255
    mean, std = values.mean((0, 2, 3), keepdim=True), values.std((0, 2, 3), keepdim=True, correction=0)
    assert data.schema.inputs[0].shape == tuple(planes.shape[1:])
    assert torch.allclose(rows(data.train)[0].double(), (values - mean) / std, atol=1e-5)
    own = load((x, y), own=True, test=(x, y), val=(x, y))
    assert torch.allclose(rows(own.train)[0], planes / 255, atol=1e-7)
    assert any(order in c.why for c in own.choices)


def test_a_users_model_gets_values_as_they_are() -> None:
    x = torch.randn(100, 3, 32, 32)
    y = torch.randint(0, 10, (100,))
    data = load((x, y), own=True)
    assert torch.equal(rows(data.val)[0], x[data.val.index])
    assert torch.equal(rows(data.val)[1], y[data.val.index])
    wide = load((x.double().numpy(), y), own=True)
    assert torch.equal(rows(wide.val)[0], x[wide.val.index])
    assert any("float64" in c.why for c in wide.choices)
    tokens = torch.randint(0, 50, (100, 7))
    assert torch.equal(rows(load((tokens, y), own=True).val)[0], tokens[data.val.index])


def test_a_tensor_dataset_is_not_touched_for_a_users_model() -> None:
    x, y = torch.rand(100, 4, dtype=torch.float64), torch.rand(100, 1, dtype=torch.float64)
    data = load(torch.utils.data.TensorDataset(x, y), own=True)
    assert data.test is None
    assert [len(data.train), len(data.val)] == [90, 10]
    got = rows(data.val)
    assert torch.equal(got[0], x[data.val.index])
    assert torch.equal(got[1], y[data.val.index])
    assert data.schema.task == "regression"


def test_random_split_of_a_tensor_dataset() -> None:
    whole = torch.utils.data.TensorDataset(torch.arange(50.0)[:, None], torch.arange(50) % 2)
    train, val = torch.utils.data.random_split(whole, [40, 10], torch.Generator().manual_seed(0))
    data = load(train, own=True, val=val)
    assert rows(data.train)[0].flatten().tolist() == [float(i) for i in train.indices]
    assert rows(data.val)[0].flatten().tolist() == [float(i) for i in val.indices]


def test_several_inputs() -> None:
    a, b, y = torch.randn(80, 4), torch.randint(0, 9, (80, 2)), torch.randint(0, 2, (80,))
    data = load((a, b, y), own=True)
    assert [f.name for f in data.schema.inputs] == ["x0", "x1"]
    got = rows(data.val)
    assert torch.equal(got[0], a[data.val.index])
    assert torch.equal(got[1], b[data.val.index])
    assert len(got) == 3


def test_regression_target_in_its_own_unit_for_a_users_model() -> None:
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.linspace(100, 200, 100)
    kept = load((x, y), own=True)
    assert rows(kept.val)[1].tolist() == pytest.approx(y[kept.val.index.numpy()].tolist())
    assert kept.schema.targets[0].mean == ()
    scaled = load((x, y))
    field = scaled.schema.targets[0]
    back = rows(scaled.val)[1].double() * field.std[0] + field.mean[0]
    assert back.tolist() == pytest.approx(y[scaled.val.index.numpy()].tolist(), rel=1e-5)
    assert field.mean[0] == pytest.approx(y[scaled.train.index.numpy()].mean())


def test_copies_of_a_row_stay_on_one_side() -> None:
    rng = np.random.default_rng(1)
    x = np.repeat(rng.normal(size=(100, 5)), 3, axis=0)
    data = load((x, np.arange(300) % 2))
    train = {r.tobytes() for r in x[data.train.index.numpy()]}
    assert not any(r.tobytes() in train for p in (data.val, data.test) for r in x[p.index.numpy()])


def test_few_possible_rows_are_no_copies() -> None:
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 50, dtype=np.float32)
    data = load((x, (x[:, 0] != x[:, 1]).astype(int)))
    assert [len(p) for p in (data.train, data.val, data.test)] == [140, 30, 30]


def test_same_seed_same_split() -> None:
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 4
    first, again, other = (load((x, y), seed=s).train.index for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_rows_without_label_or_with_nan() -> None:
    x, y = np.random.default_rng(0).normal(size=(1000, 3)), np.linspace(0, 1, 1000)
    y[17] = np.nan
    with pytest.raises(DanluError) as caught:
        load((x, y))
    assert caught.value.code == "DL164"
    assert "row 17" in str(caught.value)
    data = load((x, y), on_bad="skip")
    assert [b.where for b in data.bad] == ["row 17"]
    assert len(data.train) + len(data.val) + len(data.test) == 999
    x[3, 1] = np.inf
    with pytest.raises(DanluError) as caught:
        load((x, np.arange(1000) % 2))
    assert caught.value.code == "DL165"
    assert "row 3" in str(caught.value)
    with pytest.raises(DanluError) as caught:
        load((x, y), on_bad="skip")  # two of 1,000 are over the limit
    assert caught.value.code == "DL158"
    assert "--bad-limit 0.002" in caught.value.fix
    assert len(load((x, y), on_bad="skip", bad_limit=0.002).bad) == 2


def refused(data: Any, **more: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        load(data, **more)
    return caught.value


def test_arrays_that_do_not_fit() -> None:
    x = np.zeros((5, 2))
    assert refused((x, np.zeros(4))).code == "DL162"
    assert "5, 4" in refused((x, np.zeros(4))).why
    ragged = refused(([[1, 2], [3]], [0, 1]))
    assert ragged.code == "DL163"
    assert "(2,), (1,)" in ragged.why
    assert refused((np.array([["a"], ["b"]]), [0, 1])).code == "DL163"
    assert refused((np.zeros((0, 2)), np.zeros(0))).code == "DL173"
    assert refused(np.zeros((5, 2))).code == "DL167"
    assert refused(torch.zeros(5, 2)).code == "DL167"


def test_test_rows_must_fit_the_training_rows() -> None:
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 2
    shape = refused((x, y), test=(x[:, :2], y))
    assert shape.code == "DL168"
    assert "(3,)" in shape.why
    assert refused((x, y), test=(x, y + 1)).code == "DL155"
    pixels = np.zeros((50, 8, 8), np.uint8)
    pixels[::2, 3] = 200
    assert refused((pixels, np.arange(50) % 2), test=(pixels.astype(np.float32) - 5, np.arange(50) % 2)).code == "DL169"


def test_names_of_rows() -> None:
    x, y = np.random.default_rng(0).normal(size=(100, 3)), np.arange(100) % 2
    data = load((x, y), test=(x, y))
    assert data.val.name(0) == f"row {int(data.val.index[0])}"
    assert data.test.name(5) == "test row 5"


def test_what_is_said_about_a_split(monkeypatch: pytest.MonkeyPatch) -> None:
    choice = split_choice(1049, 225, 0, stratified=True)
    assert choice.value == "1,049 train, 225 validation"
    assert choice.why.endswith("rows by seed, the same share of each class")
    monkeypatch.setenv("DANLU_LANG", "zh")
    assert split_choice(1, 1, 1, stratified=True).why.endswith("同一边，各类别比例相同")
