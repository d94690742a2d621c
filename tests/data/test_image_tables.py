"""Tables whose columns name image files: found, joined, decoded as a folder would be, and named when broken."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from danlu.data import load_data
from danlu.data.columns import Columns
from danlu.data.groups import groups_of
from danlu.data.image_columns import PictureRows
from danlu.data.mixed import parts_for
from danlu.data.raw import raw_batches
from danlu.errors import DanluError
from danlu.settings import make_settings
from pictures import photos, picture


def write(path: Path, header: list[str], rows: list[list[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)
    return path


def shop(folder: Path, n: int = 40, suffix: str = ".png", where: str = "images") -> tuple[Path, list[list[Any]]]:
    """A folder of ``n`` pictures and a table of them with a price, a colour and a label."""
    rows: list[list[Any]] = []
    for i in range(n):
        picture(folder / where / f"p{i:03}{suffix}", i)
        rows.append([f"p{i:03}", round(i * 1.5, 1), "rg"[i % 2], ("cat", "dog")[(i // 2) % 2]])
    return folder, rows


def opened(path: Any, *, asks: Any = (), test: Any = None, **settings: Any) -> Any:
    return load_data(path, test, None, make_settings(settings), layout="columns", own_model=bool(asks), asks=asks)


def table(tmp_path: Path, **options: Any) -> Path:
    folder, rows = shop(tmp_path, **options)
    return write(folder / "t.csv", ["photo", "price", "colour", "label"], [[f"{r[0]}.png", *r[1:]] for r in rows])


# ---- found


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("photo", "images/{}.png"),
        ("photo", "{}.png"),
        ("photo", "images\\{}.png"),
        ("photo", "C:\\Users\\her\\images\\{}.png"),
        ("photo", "/home/her/pets/images/{}.png"),
        ("id", "{}"),
        ("编号", "{}"),
    ],
)
def test_a_column_of_paths_is_an_image_wherever_its_files_lie(tmp_path: Path, column: str, cell: str) -> None:
    folder, rows = shop(tmp_path)
    data = opened(write(folder / "t.csv", [column, "label"], [[cell.format(r[0]), r[3]] for r in rows]))
    assert [(f.name, f.kind, f.role) for f in data.schema.fields] == [
        (column, "image", "input"),
        ("label", "category", "target"),
    ]
    said = next(c for c in data.choices if c.what == f"images: {column}")
    assert "images/" in said.why and "40" in said.why


def test_numbers_that_files_are_called_by_are_only_files_under_the_name_of_an_id(tmp_path: Path) -> None:
    for i in range(40):
        picture(tmp_path / "images" / f"{i}.png", i)
    rows = [[39 - i, i % 7, "ab"[i % 2]] for i in range(40)]
    data = opened(write(tmp_path / "t.csv", ["age", "size", "label"], rows))
    assert [f.kind for f in data.schema.inputs] == ["number", "number"]
    data = opened(write(tmp_path / "t.csv", ["image_id", "size", "label"], rows))
    assert [f.kind for f in data.schema.inputs] == ["image", "number"]


def test_files_of_equal_names_in_two_folders_are_told(tmp_path: Path) -> None:
    folder, rows = shop(tmp_path, where="train_images")
    shop(tmp_path, where="test_images")
    data = opened(write(folder / "train.csv", ["id", "label"], [[r[0], r[3]] for r in rows]))
    said = next(c for c in data.choices if c.what == "images: id")
    assert "train_images/<id>.png" in said.why and "test_images" in said.why


def test_files_outside_the_tables_folder_are_told(tmp_path: Path) -> None:
    _, rows = shop(tmp_path / "elsewhere")
    cells = [[str(tmp_path / "elsewhere" / "images" / f"{r[0]}.png"), r[3]] for r in rows]
    data = opened(write(tmp_path / "tables" / "t.csv", ["photo", "label"], cells))
    why = next(c for c in data.choices if c.what == "images: photo").why
    assert "40 of them lie outside" in why and str(tmp_path / "elsewhere") in why


def test_a_file_without_a_header_begins_with_a_file(tmp_path: Path) -> None:
    folder, rows = shop(tmp_path)
    data = opened(write(folder / "t.csv", [], [[f"images/{r[0]}.png", r[3]] for r in rows]), target="2")
    assert sum(len(p) for p in (data.train, data.val, data.test)) == 40


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "frame"])
def test_other_tables_name_files_as_well(tmp_path: Path, kind: str) -> None:
    folder, rows = shop(tmp_path)
    frame = pd.DataFrame([[str(folder / "images" / f"{r[0]}.png"), *r[1:]] for r in rows])
    frame.columns = pd.Index(["photo", "price", "colour", "label"])
    source: Any = frame
    if kind == "parquet":
        frame.to_parquet(source := folder / "t.parquet")
    elif kind == "jsonl":
        frame.to_json(source := folder / "t.jsonl", orient="records", lines=True)
    data = opened(source)
    assert [f.kind for f in data.schema.inputs] == ["image", "number", "category"]
    assert data.schema.parts == ("photo", "numbers", "categories")


# ---- pixels


def test_pixels_scale_and_size_are_those_of_the_same_files_in_a_folder(tmp_path: Path) -> None:
    for name, start in (("train", 0), ("val", 100), ("test", 200)):
        photos(tmp_path / "f" / name, {"cat": 12, "dog": 9}, start, size=(20, 14))
    folder = opened(str(tmp_path / "f"))
    parts = {}
    for name in ("train", "val", "test"):
        files = sorted((tmp_path / "f" / name).rglob("*.png"))
        rows = [[str(p.relative_to(tmp_path)), p.parent.name] for p in files]
        parts[name] = write(tmp_path / f"{name}.csv", ["image", "label"], rows)
    found = load_data(
        str(parts["train"]), str(parts["test"]), str(parts["val"]), make_settings({}), layout="columns", own_model=False
    )
    assert found.schema.layout == folder.schema.layout == "image"
    ours, theirs = found.schema.inputs[0], folder.schema.inputs[0]
    assert (ours.shape, ours.mean, ours.std) == (theirs.shape, theirs.mean, theirs.std)
    for name in parts:
        a, b = getattr(found, name), getattr(folder, name)
        assert torch.equal(a.column(0), b.column(0)) and torch.equal(a.column(-1), b.column(-1))
        for x, y in zip(a.gather(torch.arange(len(a))), b.gather(torch.arange(len(b)))):
            assert torch.equal(x, y)


def test_rows_read_from_their_files_are_those_in_memory(tmp_path: Path) -> None:
    path = table(tmp_path)
    kept, read = opened(path), opened(path, cache="off")
    assert isinstance(kept.train, Columns) and isinstance(read.train, PictureRows)
    assert kept.schema == read.schema
    for part in ("train", "val", "test"):
        a, b = getattr(kept, part), getattr(read, part)
        assert [a.name(i) for i in range(len(a))] == [b.name(i) for i in range(len(b))]
        assert torch.equal(kept.targets(part), read.targets(part))
        for i in range(len(a)):
            assert all(torch.equal(x, y) for x, y in zip(a[i], b[i], strict=True))


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_a_test_can_be_sliced_by_a_column_of_the_table(tmp_path: Path, cache: str) -> None:
    path = table(tmp_path)
    data = opened(path, slice="colour", cache=cache)
    lines = path.read_text().splitlines()
    (found,) = groups_of("colour", data.test, data.schema, range(len(data.test)))
    for i, group in enumerate(found.of):
        row = lines[int(data.test.name(i).rpartition(":")[2]) - 1].split(",")
        assert found.names[group] == row[2]


def test_a_batch_is_the_pixels_numbers_and_codes_of_its_rows(tmp_path: Path) -> None:
    path = table(tmp_path)
    data = opened(path)
    by_name = {line.split(",")[0]: line.strip().split(",") for line in path.read_text().splitlines()[1:]}
    image, number, colour, label = data.schema.fields
    lines = path.read_text().splitlines()
    for i in range(len(data.train)):
        x, numbers, codes, y = data.train[i]
        row = by_name[lines[int(data.train.name(i).rpartition(":")[2]) - 1].split(",")[0]]
        with Image.open(tmp_path / "images" / row[0]) as file:
            pixels = np.asarray(file).transpose(2, 0, 1) / 255
        want = (pixels - np.reshape(image.mean, (3, 1, 1))) / np.reshape(image.std, (3, 1, 1))
        np.testing.assert_allclose(x.numpy(), want, atol=1e-5)
        np.testing.assert_allclose(numbers.item(), (float(row[1]) - number.mean[0]) / number.std[0], atol=1e-6)
        assert colour.classes[codes.item() - 1] == row[2] and label.classes[y] == row[3]


def test_rows_with_the_same_picture_stay_in_one_part(tmp_path: Path) -> None:
    folder, rows = shop(tmp_path, n=60)
    cells = [[f"{r[0]}.png", k, r[3]] for r in rows for k in (1.0, 2.5)]
    data = opened(write(folder / "t.csv", ["photo", "x", "label"], cells))
    lines = (folder / "t.csv").read_text().splitlines()
    where = {
        part: {lines[int(p.name(i).rpartition(":")[2]) - 1].split(",")[0] for i in range(len(p))}
        for part, p in (("train", data.train), ("val", data.val), ("test", data.test))
    }
    assert not (where["train"] & where["val"] or where["train"] & where["test"] or where["val"] & where["test"])
    assert len(data.train) + len(data.val) + len(data.test) == 120


# ---- what a model gets


def fields_of_pairs(tmp_path: Path) -> Any:
    _, rows = shop(tmp_path)
    cells = [[f"{r[0]}.png", f"p{(i * 7) % 40:03}.png", *r[1:]] for i, r in enumerate(rows)]
    return opened(write(tmp_path / "p.csv", ["left", "right", "price", "colour", "label"], cells))


def test_two_columns_of_images_share_one_scale(tmp_path: Path) -> None:
    data = fields_of_pairs(tmp_path)
    left, right = data.schema.inputs[:2]
    assert (left.mean, left.std, left.shape) == (right.mean, right.std, right.shape)
    assert data.schema.parts == ("left", "right", "numbers", "categories")
    a, b, numbers, codes, _ = data.train.gather(torch.arange(3))
    assert a.shape == b.shape == (3, 3, 12, 12) and numbers.shape == codes.shape == (3, 1)


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["right", "price", "left"], ("right", "price", "left")),
        (["image", "image2", "numbers"], ("image", "image2", "numbers")),
        (["colour", "numbers", "left"], ("colour", "numbers", "left")),
        (["a", "b", "c", "d"], ("left", "right", "numbers", "categories")),
    ],
)
def test_a_model_gets_what_its_forward_names(tmp_path: Path, names: list[str], parts: tuple[str, ...]) -> None:
    data = fields_of_pairs(tmp_path)
    assert parts_for(data.schema.inputs, [(n, True) for n in names], "p.csv") == parts


@pytest.mark.parametrize("names", [["left", "weight"], ["a"], ["a", "b", "c", "d", "e"]])
def test_a_model_that_asks_for_something_else_is_told_what_there_is(tmp_path: Path, names: list[str]) -> None:
    data = fields_of_pairs(tmp_path)
    with pytest.raises(DanluError) as told:
        parts_for(data.schema.inputs, [(n, True) for n in names], "p.csv")
    assert told.value.code == "DL134" and "left, right, numbers, categories" in told.value.why
    assert "def forward(self, image, image2, numbers, categories)" in told.value.fix


# ---- broken


def code_of(path: Path, **settings: Any) -> DanluError:
    with pytest.raises(DanluError) as told:
        opened(path, **settings)
    return told.value


def test_a_missing_file_is_named_with_its_row_and_the_nearest_name(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "images" / "p007.png").rename(tmp_path / "images" / "p007x.png")
    error = code_of(path)
    assert error.code == "DL131" and error.where.endswith("t.csv:9")
    assert "images/p007.png" in error.why and "p007x.png" in error.why
    data = opened(path, on_bad="skip", bad_limit=0.1)
    assert len(data.bad) == 1 and len(data.train) + len(data.val) + len(data.test) == 39


def test_an_empty_cell_and_a_damaged_file_are_named_with_their_rows(tmp_path: Path) -> None:
    path = table(tmp_path)
    (tmp_path / "images" / "p003.png").write_bytes(b"no picture")
    error = code_of(path)
    assert error.code == "DL132" and error.where.endswith("t.csv:5") and "p003.png" in error.why
    assert code_of(path, cache="off").code == "DL132"
    path.write_text(path.read_text().replace("p010.png", ""))
    assert code_of(path).code == "DL131"
    data = opened(path, on_bad="skip", bad_limit=0.1)
    assert sorted(b.where.rpartition(":")[2] for b in data.bad) == ["12", "5"]


def test_addresses_are_refused_and_nothing_is_downloaded(tmp_path: Path) -> None:
    rows = [[f"https://example.org/{i}.jpg", i % 9, "ab"[i % 2]] for i in range(40)]
    path = write(tmp_path / "t.csv", ["image", "x", "label"], rows)
    error = code_of(path)
    assert error.code == "DL133" and "https://example.org/0.jpg" in error.why
    assert [f.name for f in opened(path, ignore="image").schema.inputs] == ["x"]


def test_a_column_of_which_no_file_is_found_is_an_error_with_the_place(tmp_path: Path) -> None:
    rows = [[f"pics/{i}.jpg", i % 9, "ab"[i % 2]] for i in range(40)]
    error = code_of(write(tmp_path / "t.csv", ["image", "x", "label"], rows))
    assert error.code == "DL135" and str(tmp_path / "pics" / "0.jpg") in error.fix


# ---- predict


def test_rows_for_predict_may_hold_paths_images_or_arrays(tmp_path: Path) -> None:
    data = opened(table(tmp_path))
    path = tmp_path / "images" / "p005.png"
    with Image.open(path) as file:
        pixels = np.asarray(file)
        cells = [str(path), file.copy(), pixels, torch.from_numpy(pixels.transpose(2, 0, 1).copy())]
    made = [
        next(iter(raw_batches(data.schema, [{"photo": cell, "price": 7.5, "colour": "g"}]))).tensors for cell in cells
    ]
    assert made[0] is not None
    for other in made[1:]:
        assert other is not None and all(torch.equal(a, b) for a, b in zip(made[0], other, strict=True))


def test_a_row_that_predict_cannot_read_is_left_out_and_named(tmp_path: Path) -> None:
    data = opened(table(tmp_path))
    (tmp_path / "images" / "p003.png").write_bytes(b"no picture")
    (tmp_path / "images" / "p004.png").unlink()
    found = list(raw_batches(data.schema, str(tmp_path / "t.csv"), batch_size=16))
    bad = sorted(b.where.rpartition(":")[2] for raw in found for b in raw.bad)
    assert bad == ["5", "6"] and sum(len(raw.keys) for raw in found) == 38
    assert all(len(t) == len(raw.keys) for raw in found for t in raw.tensors or ())
