"""``load_data``: what a path, a name in a file or an object is opened as."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from danlu.data import load_data
from danlu.data.columns import Columns, Data
from danlu.errors import DanluError
from danlu.settings import Settings


def load(data: Any, *, own: bool = False, test: Any = None, val: Any = None, **settings: Any) -> Data:
    return load_data(data, test, val, Settings(**settings), layout="matrix", own_model=own)


def refused(data: Any, **more: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        load(data, **more)
    return caught.value


@pytest.fixture
def table(workdir: Path) -> Path:
    rows = "".join(f"{i % 9},{i % 4},{'ab'[i // 2 % 2]}\n" for i in range(80))
    (workdir / "data.csv").write_text("u,v,label\n" + rows)
    return Path("data.csv")


def test_a_table_by_path_and_by_object(table: Path) -> None:
    by_path = load(table)
    assert (by_path.name, by_path.path, by_path.schema.origin) == ("data", "data.csv", "table")
    by_object = load(pd.read_csv(table))
    assert (by_object.name, by_object.path) == ("table", None)
    both = load(("data.csv", "data.csv"))
    assert (both.path, len(both.test)) == ("data.csv", 80)
    assert len(load(table, test="data.csv", val=table).val) == 80
    assert load(table, test=pd.read_csv(table)).path is None  # another process cannot open that
    frame = pd.read_csv(table)
    beside = load((frame.drop(columns="label"), frame["label"]))
    assert beside.schema.targets[0].name == "label"


FILE = """
import numpy as np, torch
from torch.utils.data import TensorDataset
x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
arrays = (x, y)
rows = TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
def both():
    return rows, TensorDataset(torch.zeros(9, 3), torch.zeros(9))
def needs(folder):
    return rows
def broken():
    return len(5)
class Mine(torch.utils.data.Dataset):
    def __len__(self): return 50
    def __getitem__(self, i): return torch.full((3,), float(i)), i % 2
path = "data.csv"
"""


def test_names_in_a_users_file(workdir: Path, table: Path) -> None:
    (workdir / "my.py").write_text(FILE)
    assert len(load("my.py:arrays").train) == 42
    data = load("my.py:rows", own=True)
    assert (data.name, data.path, len(data.val)) == ("rows", "my.py:rows", 6)
    assert len(load("my.py:both", own=True).test) == 9
    assert len(load("my.py:rows", own=True, test="my.py:arrays").test) == 60
    mine = load("my.py:Mine", own=True)
    assert (mine.name, len(mine.train)) == ("Mine", 45)
    assert load("my.py:path").schema.origin == "table"
    error = refused("my.py:needs")
    assert error.code == "DL177"
    assert "folder" in error.why
    with pytest.raises(TypeError, match="len"):
        load("my.py:broken")


def test_paths_that_do_not_exist(workdir: Path, table: Path) -> None:
    error = refused("dta.csv")
    assert error.code == "DL150"
    assert error.fix == "data.csv"
    (workdir / "photos" / "train").mkdir(parents=True)
    assert refused("photoss/train").fix == "photos/train"
    assert refused("zzzzz/qqq").code == "DL150" and refused("zzzzz/qqq").fix == "ls ."
    assert refused((np.zeros((4, 2)), [0, 1, 0, 1]), test="nowhere.npz").code == "DL150"


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.pt", "a.npy", "photo.jpg"])
def test_files_that_are_no_data(workdir: Path, name: str) -> None:
    (workdir / name).write_bytes(b"\x00\x01\x02\xff")
    error = refused(name)
    assert error.code == "DL151"
    assert error.fix


def test_things_that_are_no_data() -> None:
    assert refused(5).code == "DL174"
    assert refused(object()).code == "DL174"
    assert refused((np.zeros((4, 2)), [0, 1, 0, 1]), test=5).code == "DL174"
    assert refused(torch.zeros(4, 2)).code == "DL167"


def test_a_loader_as_test_beside_arrays() -> None:
    x, y = torch.randn(80, 3), torch.arange(80) % 2
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 16)
    data = load((x, y), test=loader, val=loader)
    assert [len(p) for p in (data.train, data.val, data.test)] == [80, 80, 80]
    assert isinstance(data.test, Columns)


def test_files_of_arrays_as_test(workdir: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(80, 3)), np.arange(80) % 2
    np.savez(workdir / "test.npz", x=x[:8], y=y[:8])
    assert len(load((x, y), test="test.npz").test) == 8


def test_lists() -> None:
    x, y = [[float(i), 1.0, 2.0] for i in range(60)], [i % 2 for i in range(60)]
    assert load((x, y)).schema.inputs[0].shape == (3,)
    samples = [(torch.tensor(a), b) for a, b in zip(x, y)]
    data = load(samples, own=True)
    assert (data.name, len(data.train)) == ("samples", 54)
    assert load([{"u": a[0], "label": "ab"[b]} for a, b in zip(x, y)]).schema.origin == "table"
