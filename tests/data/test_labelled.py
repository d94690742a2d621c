from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from danlu.data import load_data
from danlu.data.columns import Data
from danlu.data.labelled import open_labelled
from danlu.errors import DanluError
from danlu.settings import Settings
from pictures import photos


def load(data: Any, *, own: bool = False, **settings: Any) -> Data:
    return load_data(data, None, None, Settings(**settings), layout="matrix", own_model=own)


def rows(part: Any) -> tuple[Any, ...]:
    return part.gather(torch.arange(len(part)))


def same(a: Any, b: Any) -> bool:
    return all(torch.equal(x, y) for x, y in zip(rows(a), rows(b), strict=True))


def test_the_test_part_of_the_same_source(digits: Path) -> None:
    data = load(digits)
    assert same(open_labelled(data.schema, digits, Settings()).dataset, data.test)


def test_folders(tmp_path: Path) -> None:
    photos(tmp_path / "set" / "train", {"cat": 20, "dog": 20})
    photos(tmp_path / "set" / "test", {"cat": 5, "dog": 5}, start=500)
    data = load(tmp_path / "set")
    assert same(open_labelled(data.schema, tmp_path / "set", Settings()).dataset, data.test)
    other = photos(tmp_path / "other", {"dog": 7}, start=900)  # one class will do for a test
    found = open_labelled(data.schema, other, Settings())
    assert found.dataset.column(1).tolist() == [1] * 7
    by_file = open_labelled(data.schema, other, Settings(cache="off"))
    assert torch.equal(by_file.dataset[3][0], found.dataset[3][0])
    (other / "dog" / "002.png").write_bytes(b"")
    skipped = open_labelled(data.schema, other, Settings(on_bad="skip", bad_limit=0.5))
    assert (len(skipped.dataset), len(skipped.bad)) == (6, 1)
    photos(other, {"bird": 1}, start=990)
    with pytest.raises(DanluError) as caught:
        open_labelled(data.schema, other, Settings())
    assert caught.value.code == "DL155"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DanluError) as caught:
        open_labelled(data.schema, tmp_path / "empty", Settings())
    assert caught.value.code == "DL152"


def test_arrays() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (200, 5)), rng.integers(0, 3, 200)
    data = load((x, y))
    index = data.test.index.numpy()
    assert same(open_labelled(data.schema, (x[index], y[index]), Settings()).dataset, data.test)
    brought = open_labelled(
        data.schema, DataLoader(TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), 7), Settings()
    )
    assert brought.loader["batch_size"] == 7
    assert len(brought.dataset) == 200
    for wrong in ("nowhere", object(), (x,)):
        with pytest.raises(DanluError):
            open_labelled(data.schema, wrong, Settings())


def test_a_users_dataset() -> None:
    whole = TensorDataset(torch.randn(40, 3), torch.arange(40) % 2)
    data = load([whole[i] for i in range(40)], own=True)
    mine = [whole[i] for i in range(9)]
    assert open_labelled(data.schema, mine, Settings()).dataset is mine
    arrays = open_labelled(data.schema, (whole.tensors[0], whole.tensors[1]), Settings()).dataset
    assert torch.equal(arrays[5][0], whole[5][0])


def test_tables(tmp_path: Path) -> None:
    text = "age,town,label\n" + "".join(f"{20 + i % 9},{'xyz'[i % 3]},{'ab'[i // 2 % 2]}\n" for i in range(90))
    (tmp_path / "train.csv").write_text(text)
    data = load(tmp_path / "train.csv", target="label")
    found = open_labelled(data.schema, tmp_path / "train.csv", Settings())
    assert len(found.dataset) == 90
    lines = [int(data.test.name(i).rpartition(":")[2]) - 2 for i in range(len(data.test))]
    assert same(found.dataset.take(torch.tensor(lines)), data.test)
    assert found.dataset.name(0).endswith("train.csv:2")
