from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from torch.utils.data import TensorDataset

from danlu.data import load_data
from danlu.data.kinds import is_array, is_rows, is_table, named_parts, unpacked
from danlu.errors import DanluError
from danlu.settings import Settings

FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": ["u", "v"]})


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.zeros(3), "array"), (torch.zeros(3), "array"), ([1, 2], "array"), ([[1], [2]], "array"),
        (["a", "b"], "array"), (pd.Series([1]), "array"), (pl.Series([1]), "array"), (pa.array([1]), "array"),
        (FRAME, "table"), (pl.DataFrame({"a": [1]}), "table"), (pa.table({"a": [1]}), "table"),
        ([{"a": 1, "b": "x"}], "table"), ({"a": [1, 2], "b": [3, 4]}, "table"),
        ([(np.zeros(3), 0)], "other"), ([{"image": torch.zeros(2), "label": 1}], "other"), ("path", "other"),
        (Path("path"), "other"), (object(), "other"),
    ],
    ids=lambda v: type(v).__name__,
)  # fmt: skip
def test_what_an_object_is(value: Any, kind: str) -> None:
    assert (is_array(value), is_table(value)) == (kind == "array", kind == "table")


def test_rows() -> None:
    x, y = np.zeros((4, 2)), np.arange(4)
    assert is_rows((x, y))
    assert is_rows(TensorDataset(torch.zeros(4), torch.zeros(4)))
    assert is_rows({"x_train": x, "y_train": y})
    assert not is_rows(TensorDataset(torch.zeros(4)))
    assert not is_rows(("a.csv", "b.csv"))
    assert not is_rows(((x, y), (x, y)))
    assert not is_rows((FRAME, y))


def test_tuples() -> None:
    x, y = np.zeros((4, 2)), np.arange(4)
    assert unpacked((x, y), None, None)[1] is None
    train, test, val = unpacked(((x, y), (x[:2], y[:2])), None, None)
    assert (len(train[0]), len(test[0]), val) == (4, 2, None)
    assert unpacked(("a.csv", "b.csv"), None, "c.csv") == ("a.csv", "b.csv", "c.csv")
    assert unpacked(("a.csv", "b.csv", "c.csv"), None, None) == ("a.csv", "c.csv", "b.csv")  # train, val, test
    frames = unpacked((FRAME, FRAME), None, None)
    assert frames[1] is FRAME
    with pytest.raises(DanluError) as caught:
        unpacked(("a.csv", "b.csv"), "c.csv", None)
    assert caught.value.code == "DL175"
    with pytest.raises(DanluError) as caught:
        unpacked((x, object()), None, None)
    assert caught.value.code == "DL174"


def test_targets_by_name_beside_arrays_are_refused_with_a_line_that_works() -> None:
    x = torch.randn(40, 3)
    y: dict[str, Any] = {"high": (x[:, 0] > 0).long(), "sum": x.sum(1)}
    for given, code in ((y, "[(a, dict"), ({"high": y["high"]}, "(x, y["), ({"high": 1, "sum": 0.5}, "[(x, y)]")):
        with pytest.raises(DanluError) as caught:
            unpacked((x, given), None, None)
        assert caught.value.code == "DL187" and code in caught.value.fix
        assert ", ".join(given) in caught.value.what
        data = eval(caught.value.fix.removeprefix("data="), {"x": x, "y": given})  # as the error says
        unpacked(data, None, None)
        data = load_data(
            data * 20 if code == "[(x, y)]" else data, None, None, Settings(), layout="matrix", own_model=False
        )
        assert data.schema.task == ("classification" if len(given) == 1 else "multitask")
    many = tuple((a, 1) for a in x)
    with pytest.raises(DanluError) as caught:
        unpacked(many, None, None)
    assert caught.value.code == "DL174" and len(caught.value.what) < 80


@pytest.mark.parametrize(
    "labels", [np.array([5, 6]), pd.Series([5, 6], name="price"), [5, 6], pd.DataFrame({"c": [5, 6]})]
)
@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "arrow"])
def test_a_table_beside_its_labels(make: Any, labels: Any) -> None:
    joined = unpacked((make(FRAME), labels), None, None)[0]
    last = list(joined.column_names if isinstance(joined, pa.Table) else joined.columns)[-1]
    assert list(np.asarray(joined[last])) == [5, 6]
    assert list(FRAME.columns) == ["a", "b"]
    expected = "price" if isinstance(labels, pd.Series) else "c" if isinstance(labels, pd.DataFrame) else "target"
    assert last == expected


def test_a_table_and_labels_of_other_length() -> None:
    with pytest.raises(DanluError) as caught:
        unpacked((FRAME, [1, 2, 3]), None, None)
    assert caught.value.code == "DL162"


def npz(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def test_npz(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8), np.arange(60) % 3
    keras = npz(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    data = load_data(keras, None, None, Settings(), layout="matrix", own_model=False)
    assert (data.name, len(data.train), len(data.val), len(data.test)) == ("mnist", 51, 9, 9)
    assert data.test.name(2) == "mnist.npz test row 2"
    medmnist = {f"{p}_{k}": v for p in ("train", "val", "test") for k, v in (("images", x), ("labels", y[:, None]))}
    data = load_data(npz(tmp_path / "med.npz", **medmnist), None, None, Settings(), layout="matrix", own_model=False)
    assert (len(data.train), len(data.val), len(data.test)) == (60, 60, 60)
    assert data.schema.classes == ("0", "1", "2")
    plain = load_data(npz(tmp_path / "p.npz", X=x, y=y), None, None, Settings(), layout="matrix", own_model=True)
    assert (len(plain.train), len(plain.test)) == (42, 9)


def test_npz_that_says_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "evil.npz", x=np.array([{"a": 1}], dtype=object), y=np.zeros(1))  # would need unpickling
    (tmp_path / "cut.npz").write_bytes((tmp_path / "evil.npz").read_bytes()[:100])
    npz(tmp_path / "odd.npz", u=np.zeros((3, 2)), v=np.zeros(3))
    for name in ("evil", "cut", "odd"):
        with pytest.raises(DanluError) as caught:
            load_data(tmp_path / f"{name}.npz", None, None, Settings(), layout="matrix", own_model=False)
        assert caught.value.code == "DL161"
    assert "u (3, 2)" in caught.value.why


def test_named_arrays() -> None:
    x, y = np.zeros((4, 2)), np.arange(4)
    assert set(named_parts({"data": x, "target": y, "DESCR": "text"})) == {"train"}
    assert set(named_parts({"x_train": x, "y_train": y, "x_test": x, "y_test": y})) == {"train", "test"}
    assert named_parts({"x": [1, 2], "y": [3, 4]}) == {}  # two columns of a table
