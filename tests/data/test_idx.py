from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from danlu.data import load_data
from danlu.data.idx import find_pairs, is_idx, read_idx
from danlu.errors import DanluError
from danlu.settings import Settings

CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array: np.ndarray, code: str = "u1") -> bytes:
    head = bytes([0, 0, CODES[code], array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(f">{code}").tobytes()


def write_pair(folder: Path, part: str, n: int, *, packed: bool = False, seed: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for kind, array in (("images-idx3", rng.integers(0, 256, (n, 6, 5))), ("labels-idx1", np.arange(n) % 3)):
        raw = idx_bytes(array)
        name = f"{part}-{kind}-ubyte" + (".gz" if packed else "")
        (folder / name).write_bytes(gzip.compress(raw, mtime=0) if packed else raw)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("packed", [False, True])
def test_arrays_of_every_type(tmp_path: Path, code: str, packed: bool) -> None:
    array = np.random.default_rng(1).integers(0, 100, (4, 3, 2)).astype(code)
    path = tmp_path / "some.idx"
    raw = idx_bytes(array, code)
    path.write_bytes(gzip.compress(raw, mtime=0) if packed else raw)
    read = read_idx(path)
    np.testing.assert_array_equal(read.numpy(), array)
    read[0] = 1  # a tensor of its own


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0\0", b"PK\3\4 no idx at all", idx_bytes(np.zeros((3, 4, 4)))[:-1], idx_bytes(np.zeros((3, 4, 4))) + b"x",
     gzip.compress(idx_bytes(np.zeros((300, 4, 4))), mtime=0)[:-9], b"\0\0\x08\xff" + b"\xff" * 40],
)  # fmt: skip
def test_damaged_files_are_named(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(raw)
    with pytest.raises(DanluError) as caught:
        read_idx(path)
    assert caught.value.code == "DL159"
    assert "train-images-idx3-ubyte" in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("below", [".", "MNIST/raw", "raw"])
def test_folder_of_pairs(tmp_path: Path, packed: bool, below: str) -> None:
    write_pair(tmp_path / below, "train", 60, packed=packed)
    write_pair(tmp_path / below, "t10k", 12, packed=packed)
    assert set(find_pairs(tmp_path)) == {"train", "test"}
    data = load_data(str(tmp_path), None, None, Settings(), layout="matrix", own_model=False)
    assert (len(data.train), len(data.val), len(data.test)) == (51, 9, 12)
    assert data.schema.classes == ("0", "1", "2")
    assert data.schema.inputs[0].shape == (1, 6, 5)
    x, y = data.train.gather(torch.arange(51))
    assert x.shape == (51, 1, 6, 5)
    assert abs(float(x.mean())) < 1e-5
    assert abs(float(x.std(correction=0)) - 1) < 1e-5
    assert y.dtype == torch.int64


def test_a_pair_by_its_files(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", 60)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    by_one = load_data(images, None, None, Settings(), layout="matrix", own_model=False)
    by_two = load_data((images, labels), None, None, Settings(), layout="matrix", own_model=False)
    assert len(by_one.train) == len(by_two.train) == 42
    assert torch.equal(by_one.train[0][0], by_two.train[0][0])


def test_labels_missing(tmp_path: Path) -> None:
    write_pair(tmp_path, "train", 60)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DanluError) as caught:
        load_data(tmp_path, None, None, Settings(), layout="matrix", own_model=False)
    assert caught.value.code == "DL160"
    assert "train-labels-idx1-ubyte" in caught.value.fix


def test_names() -> None:
    yes = ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte.gz", "train-images.idx3-ubyte", "x.idx", "A.IDX.GZ"]
    assert all(is_idx(Path(n)) for n in yes)
    assert not any(is_idx(Path(n)) for n in ("train.csv", "images", "photo.jpg", "index.html"))


def test_fashion(danlu_data: Path) -> None:
    folder = danlu_data / "images_idx_fashion"
    data = load_data(folder, None, None, Settings(), layout="matrix", own_model=False)
    assert len(data.train) + len(data.val) == 15_000
    assert len(data.test) == 10_000
    raw = np.frombuffer(gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes()), np.uint8, offset=16)
    np.testing.assert_array_equal(data.test.column(0).numpy().ravel(), raw)
    assert torch.bincount(data.test.column(1)).tolist() == [1000] * 10
    both = torch.cat([data.train.column(0), data.val.column(0)]).flatten(1)
    assert len(torch.unique(both, dim=0)) <= 15_000
