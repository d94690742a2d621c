from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from danlu.data import load_data
from danlu.data.columns import Data
from danlu.data.raw import RawBatch, raw_batches
from danlu.errors import DanluError
from danlu.settings import Settings


def load(data: Any, *, own: bool = False, layout: Any = "matrix", **settings: Any) -> Data:
    return load_data(data, None, None, Settings(**settings), layout=layout, own_model=own)


def read(data: Data, inputs: Any, **more: Any) -> RawBatch:
    """All batches joined: keys, tensors and bad ones in order."""
    batches = list(raw_batches(data.schema, inputs, **more))
    good = [b.tensors for b in batches if b.tensors is not None]
    tensors = tuple(torch.cat(t) for t in zip(*good)) if good else None
    bad = tuple(b for batch in batches for b in batch.bad)
    return RawBatch(tuple(k for b in batches for k in b.keys), tensors, bad)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir()
        for i in range(20):
            Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)).save(folder / name / f"{i:02}.png")
    return folder


def test_images_are_prepared_as_in_training(photos: Path) -> None:
    data = load(photos, size=16)
    rows = torch.arange(len(data.test))
    expected = data.test.gather(rows)[0]
    paths = [data.test.name(i) for i in rows.tolist()]
    for inputs in (paths, [Path(p) for p in paths], [Image.open(p) for p in paths]):
        got = read(data, inputs, batch_size=4)
        assert torch.equal(got.tensors[0], expected)
    assert read(data, paths).keys == tuple(paths)
    assert torch.equal(read(data, paths[0]).tensors[0], expected[:1])
    assert torch.equal(read(data, Image.open(paths[0])).tensors[0], expected[:1])


def test_folders_and_patterns_in_name_order(photos: Path) -> None:
    data = load(photos, size=16)
    everything = sorted(str(p) for p in photos.rglob("*.png"))
    assert list(read(data, photos, batch_size=7).keys) == everything
    assert list(read(data, str(photos / "*" / "0*.png")).keys) == [p for p in everything if Path(p).name[0] == "0"]
    assert [len(b.keys) for b in raw_batches(data.schema, photos, batch_size=16)] == [16, 16, 8]


def test_an_input_without_files_is_no_success(photos: Path, tmp_path: Path) -> None:
    data = load(photos, size=16)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    for inputs, found in ((tmp_path / "empty", "no file"), (tmp_path / "emp*", "no file"), (tmp_path, "1 .txt")):
        with pytest.raises(DanluError) as caught:
            read(data, inputs)
        assert caught.value.code == "DL182" and found in caught.value.why
    good = sorted(map(str, photos.rglob("*.png")))[:1]
    assert [b.where for b in read(data, [*good, str(tmp_path / "empty")]).bad] == [str(tmp_path / "empty")]


def test_one_bad_table_of_several_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": range(40), "b": [i % 3 / 7 for i in range(40)], "y": ["p", "q"] * 20})
    frame.to_csv(tmp_path / "good.csv", index=False)
    (tmp_path / "bad.csv").write_text("hello\n1\n")
    data = load(str(tmp_path / "good.csv"), target="y")
    names = [str(tmp_path / n) for n in ("bad.csv", "nowhere.csv", "good.csv")]
    got = read(data, names)
    assert len(got.keys) == 40 and [b.where for b in got.bad] == names[:2]
    with pytest.raises(DanluError):
        read(data, names[:1])


def test_bad_files_are_reported_and_left_out(photos: Path, tmp_path: Path) -> None:
    data = load(photos, size=16)
    good = sorted(str(p) for p in photos.rglob("*.png"))[:2]
    (tmp_path / "zero.jpg").write_bytes(b"")
    (tmp_path / "table.csv").write_text("a,b\n")
    inputs = [good[0], str(tmp_path / "zero.jpg"), str(tmp_path / "nowhere.jpg"), str(tmp_path / "table.csv"), good[1]]
    got = read(data, inputs)
    assert list(got.keys) == good
    assert [Path(b.where).name for b in got.bad] == ["zero.jpg", "nowhere.jpg", "table.csv"]
    assert "0 bytes" in got.bad[0].why
    only_bad = list(raw_batches(data.schema, [str(tmp_path / "zero.jpg")]))
    assert [(b.keys, b.tensors) for b in only_bad] == [((), None)]
    assert read(data, good[0], max_pixels=100).bad[0].where == good[0]
    with pytest.raises(DanluError) as caught:
        read(data, str(photos / "cat" / "00.pgn"))
    assert caught.value.code == "DL150"
    assert "00.png" in str(caught.value)


def test_image_arrays(photos: Path) -> None:
    data = load(photos, size=16)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    whole = read(data, pixels)
    assert whole.keys == tuple(f"row {i}" for i in range(5))
    for same in (torch.from_numpy(pixels).permute(0, 3, 1, 2), list(pixels), pixels / 255):
        assert torch.equal(read(data, same).tensors[0], whole.tensors[0])
    assert torch.equal(read(data, pixels[0]).tensors[0], whole.tensors[0][:1])
    with pytest.raises(DanluError) as caught:
        read(data, pixels[:, :8])
    assert caught.value.code == "DL168"
    one_is_wrong = read(data, [pixels[0], pixels[1][:8], pixels[2]])
    assert one_is_wrong.keys == ("row 0", "row 2")
    assert one_is_wrong.bad[0].where == "row 1"


def test_grey_images_from_idx_arrays_and_files(digits: Path, tmp_path: Path) -> None:
    data = load(digits)
    expected = data.test.gather(torch.arange(len(data.test)))[0]
    images = data.test.column(0)
    height, width = images.shape[2:]
    file = next(p for p in digits.iterdir() if "images" in p.name and ("t10k" in p.name or "test" in p.name))
    assert torch.equal(read(data, file, batch_size=100).tensors[0], expected)
    assert torch.equal(read(data, images[:, 0]).tensors[0], expected)
    assert torch.equal(read(data, images[3, 0].numpy()).tensors[0], expected[3:4])
    Image.fromarray(images[3, 0].numpy()).save(tmp_path / "three.png")
    assert torch.equal(read(data, tmp_path / "three.png").tensors[0], expected[3:4])
    np.save(tmp_path / "x.npy", images.numpy())
    assert torch.equal(read(data, tmp_path / "x.npy").tensors[0], expected)
    np.savez(tmp_path / "x.npz", y_test=np.zeros(3), x_test=images.numpy())
    assert torch.equal(read(data, tmp_path / "x.npz").tensors[0], expected)
    assert (height, width) == data.schema.inputs[0].shape[1:]


@pytest.mark.parametrize("own", [False, True])
def test_arrays(own: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (200, 5)), rng.integers(0, 3, 200)
    data = load((x, y), own=own)
    rows = data.test.index.numpy()
    expected = data.test.gather(torch.arange(len(rows)))[0]
    for inputs in (x[rows], torch.from_numpy(x[rows]), x[rows].tolist(), list(x[rows])):
        assert torch.equal(read(data, inputs, batch_size=8).tensors[0], expected)
    assert torch.equal(read(data, x[rows[0]]).tensors[0], expected[:1])
    np.save(tmp_path / "new.npy", x[rows])
    assert torch.equal(read(data, str(tmp_path / "new.npy")).tensors[0], expected)
    holes = x[rows].copy()
    holes[[2, 5], 1] = np.nan
    got = read(data, holes, batch_size=4)
    assert [b.where for b in got.bad] == ["row 2", "row 5"]
    keep = [i for i in range(len(rows)) if i not in (2, 5)]
    assert got.keys == tuple(f"row {i}" for i in keep)
    assert torch.equal(got.tensors[0], expected[keep])


def test_files_mean_nothing_to_a_model_of_other_numbers(tmp_path: Path) -> None:
    data = load((np.random.default_rng(0).normal(size=(60, 8, 8)), np.arange(60) % 2))
    image = Image.new("L", (8, 8))
    image.save(tmp_path / "a.png")
    assert "arrays" in read(data, [tmp_path / "a.png"]).bad[0].why
    bad = read(data, image).bad[0]
    assert "not trained on image files" in bad.why  # DL180
    (tmp_path / "evil.npz").write_bytes(b"PK no archive")
    assert read(data, [tmp_path / "evil.npz"]).bad[0].where.endswith("evil.npz")


def test_several_inputs() -> None:
    a, b, y = torch.randn(80, 4), torch.randint(0, 9, (80, 2)), torch.randint(0, 2, (80,))
    data = load((a, b, y), own=True)
    got = read(data, (a, b), batch_size=32)
    assert torch.equal(got.tensors[0], a)
    assert torch.equal(got.tensors[1], b)


FRAME = pd.DataFrame(
    {
        "age": [str(20 + i % 40) for i in range(120)],
        "town": [("Rome", "Oslo", "北京")[i % 3] for i in range(120)],
        "label": [("yes", "no")[i // 5 % 2] for i in range(120)],
    }
)


@pytest.mark.parametrize("layout", ["columns", "matrix"])
def test_tables(tmp_path: Path, layout: str) -> None:
    FRAME.to_csv(tmp_path / "train.csv", index=False)
    data = load(tmp_path / "train.csv", layout=layout, target="label")
    lines = [int(data.test.name(i).rpartition(":")[2]) - 2 for i in range(len(data.test))]
    expected = data.test.gather(torch.arange(len(data.test)))[:-1]
    new = FRAME.iloc[lines].drop(columns="label")
    new.to_csv(tmp_path / "new.csv", index=False)
    rows = new.to_dict("records")
    for inputs in (tmp_path / "new.csv", str(tmp_path / "new.csv"), [str(tmp_path / "new.csv")], new, rows):
        got = read(data, inputs, batch_size=5)
        assert len(got.keys) == len(lines)
        for a, b in zip(got.tensors, expected, strict=True):
            assert torch.equal(a, b)
    assert read(data, tmp_path / "new.csv").keys[1] == f"{tmp_path / 'new.csv'}:3"
    for one in (rows[0], list(rows[0].values())):
        assert all(torch.equal(a, b[:1]) for a, b in zip(read(data, one).tensors, expected))
    with pytest.raises(DanluError) as caught:
        read(data, [[1, 2, 3]])
    assert caught.value.code == "DL168"


def test_bad_rows_of_a_table(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "train.csv", index=False)
    data = load(tmp_path / "train.csv", target="label")
    (tmp_path / "new.csv").write_text("age,town\n30,Rome\nold,Oslo\n31,Rome,extra\n40,Oslo\n")
    got = read(data, tmp_path / "new.csv", batch_size=2)
    assert [k.rpartition(":")[2] for k in got.keys] == ["2", "5"]
    assert sorted(b.where.rpartition(":")[2] for b in got.bad) == ["3", "4"]
    assert len(got.tensors[0]) == 2


class Doubled(Dataset[Any]):
    def __init__(self, n: int, broken: int = -1) -> None:
        self.n, self.broken = n, broken

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i == self.broken:
            raise ValueError("no such sample")
        return torch.full((4,), float(i)), i % 3


def test_a_users_dataset() -> None:
    data = load(Doubled(40), own=True)
    x = torch.randn(9, 4)
    got = read(data, x, batch_size=4)
    assert torch.equal(got.tensors[0], x)
    assert len(got.keys) == 9
    assert torch.equal(read(data, x.numpy()).tensors[0], x)
    assert torch.equal(read(data, x[0]).tensors[0], x[:1])
    for target in (1, torch.tensor(1), {"k": 1}, [0.0, 1.0], "a"):  # one sample, as the dataset itself gives it
        assert torch.equal(read(data, (x[0], target)).tensors[0], x[:1])
    assert torch.equal(read(data, (x[0], x[1])).tensors[0], x[:2]), "two inputs"
    got = read(data, Doubled(7, broken=3), batch_size=2)
    assert got.keys == ("[0]", "[1]", "[2]", "[4]", "[5]", "[6]")
    assert got.tensors[0][:, 0].tolist() == [0, 1, 2, 4, 5, 6]
    assert "no such sample" in got.bad[0].why
    assert torch.equal(read(data, TensorDataset(x)).tensors[0], x)
    assert torch.equal(read(data, torch.utils.data.DataLoader(TensorDataset(x), 3)).tensors[0], x)
    Path("photo.jpg").write_bytes(b"")
    with pytest.raises(DanluError) as caught:
        read(data, "photo.jpg")
    assert caught.value.code == "DL181"
    with pytest.raises(DanluError) as caught:
        read(data, 5)
    assert caught.value.code == "DL174"


def test_a_users_file(workdir: Path) -> None:
    (workdir / "mine.py").write_text("import torch\ndef new():\n    return torch.ones(3, 4)\n")
    data = load(Doubled(40), own=True)
    assert torch.equal(read(data, "mine.py:new").tensors[0], torch.ones(3, 4))
    (workdir / "sets.py").write_text(
        "import torch\nclass New(torch.utils.data.Dataset):\n    def __len__(self):\n        return 3\n"
        "    def __getitem__(self, i):\n        return torch.ones(4), 1\n"
    )
    assert torch.equal(read(data, "sets.py:New").tensors[0], torch.ones(3, 4))  # the line a finished training prints
