from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from danlu.data import files as files_room
from danlu.data import load_data
from danlu.data.columns import Columns, Data
from danlu.data.images import ImageFiles
from danlu.errors import DanluError
from danlu.settings import Settings
from pictures import photos, picture


def load(path: Path, *, test: Any = None, val: Any = None, **settings: Any) -> Data:
    return load_data(path, test, val, Settings(**settings), layout="matrix", own_model=False)


def refused(path: Path, **more: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        load(path, **more)
    return caught.value


def said(data: Data, what: str) -> str:
    return next(f"{c.value} ({c.why})" for c in data.choices if c.what == what)


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    photos(tmp_path / "pets", {"dog": 40, "cat": 20})
    (tmp_path / "pets" / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / "pets" / ".hidden").mkdir()
    (tmp_path / "pets" / "bird").mkdir()
    data = load(tmp_path / "pets")
    assert said(data, "ignored") == "bird (no images in there)"
    assert data.name == "pets"
    assert data.schema.classes == ("cat", "dog")
    assert [len(p) for p in (data.train, data.val, data.test)] == [42, 9, 9]
    for part, share in ((data.train, 0.7), (data.val, 0.15), (data.test, 0.15)):
        assert torch.bincount(part.column(1)).tolist() == [round(20 * share), round(40 * share)]
        for i in range(len(part)):  # each row is the file it is named after
            path = Path(part.name(i))
            pixels = np.asarray(Image.open(path)).transpose(2, 0, 1)
            np.testing.assert_array_equal(part.column(0)[i].numpy(), pixels)
            assert data.schema.classes[int(part.column(1)[i])] == path.parent.name
    assert data.schema.inputs[0].shape == (3, 12, 12)


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (("train", "val", "test"), (40, 20, 20)),
        (("Train", "Validation", "TEST"), (40, 20, 20)),
        (("training", "valid", "Testing"), (40, 20, 20)),
        (("train", "dev", None), (34, 20, 6)),
        (("train", None, "test"), (34, 6, 20)),
        (("train", None, None), (28, 6, 6)),
        (("训练集", "验证集", "测试集"), (40, 20, 20)),
    ],
)
def test_parts_on_top(tmp_path: Path, names: tuple[str | None, ...], sizes: tuple[int, ...]) -> None:
    for i, name in enumerate(names):
        if name:
            photos(tmp_path / name, {"a": 20 if i == 0 else 10, "b": 20 if i == 0 else 10}, start=1000 * i)
    data = load(tmp_path)
    assert tuple(len(p) for p in (data.train, data.val, data.test)) == sizes


def test_classes_named_like_parts(tmp_path: Path) -> None:
    photos(tmp_path, {"train": 20, "bus": 20})
    assert load(tmp_path).schema.classes == ("bus", "train")


def test_one_folder_around_all(tmp_path: Path) -> None:
    photos(tmp_path / "download" / "pets", {"cat": 20, "dog": 20})
    assert load(tmp_path / "download").schema.classes == ("cat", "dog")


def test_folders_inside_a_class_and_links(tmp_path: Path) -> None:
    photos(tmp_path / "set" / "cat", {"indoor": 15, "outdoor": 15})
    photos(tmp_path / "elsewhere", {"dogs": 30}, start=500)
    os.symlink(tmp_path / "elsewhere" / "dogs", tmp_path / "set" / "dog")
    os.symlink(tmp_path / "set" / "cat", tmp_path / "set" / "cat" / "indoor" / "loop")
    data = load(tmp_path / "set")
    labels = torch.cat([p.column(1) for p in (data.train, data.val, data.test)])
    assert torch.bincount(labels).tolist() == [30, 30]


def test_numbered_classes_are_in_the_order_of_numbers(tmp_path: Path) -> None:
    assert load(photos(tmp_path, {"10": 20, "9": 20, "1": 20})).schema.classes == ("1", "9", "10")


def test_own_folders_for_test_and_validation(tmp_path: Path) -> None:
    train = photos(tmp_path / "a", {"cat": 20, "dog": 20})
    more = photos(tmp_path / "b", {"cat": 4, "dog": 6}, start=900)
    data = load(train, test=more, val=str(more))
    assert [len(p) for p in (data.train, data.val, data.test)] == [40, 10, 10]
    error = refused(train, test=(np.zeros((2, 2)), [0, 1]))
    assert error.code == "DL179"


def test_unsorted_test_images_are_left_out_and_said(tmp_path: Path) -> None:
    photos(tmp_path / "train", {"a": 20, "b": 20})
    photos(tmp_path, {"test": 5}, start=700)
    data = load(tmp_path)
    assert len(data.train) == 28
    assert "test" in said(data, "ignored")


def test_copies_of_a_file_stay_on_one_side(tmp_path: Path) -> None:
    photos(tmp_path, {"a": 30, "b": 30})
    for path in [*tmp_path.rglob("*.png")]:
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    data = load(tmp_path)
    sides = [{Path(p.name(i)).read_bytes() for i in range(len(p))} for p in (data.train, data.val, data.test)]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


@pytest.mark.parametrize(
    ("size", "wanted", "expected"),
    [((20, 12), None, (12, 20)), ((64, 64), None, (64, 64)), ((65, 65), None, (64, 64)), ((300, 200), None, (64, 64)),
     ((100, 90), None, (64, 64)), ((100, 40), None, (32, 32)), ((300, 200), 48, (48, 48))],
)  # fmt: skip
def test_size_without_a_gpu(
    tmp_path: Path, size: tuple[int, int], wanted: int | None, expected: tuple[int, int]
) -> None:
    data = load(photos(tmp_path, {"a": 8, "b": 8}, size=size), size=wanted, device="cpu")
    assert data.schema.inputs[0].shape[1:] == expected
    assert f"{expected[1]} x {expected[0]}" in said(data, "size")


def test_photos_are_larger_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_room, "pick_device", lambda name: torch.device("cuda"))
    data = load(photos(tmp_path, {"a": 8, "b": 8}, size=(300, 200)))
    assert data.schema.inputs[0].shape[1:] == (128, 128)


def test_small_images_of_several_sizes(tmp_path: Path) -> None:
    photos(tmp_path, {"a": 8}, size=(20, 20))
    photos(tmp_path, {"b": 8}, size=(25, 30))
    assert load(tmp_path).schema.inputs[0].shape == (3, 32, 32)


def test_grey_stays_one_channel(tmp_path: Path) -> None:
    photos(tmp_path, {"a": 10, "b": 10}, mode="L")
    assert load(tmp_path).schema.inputs[0].shape[0] == 1
    picture(tmp_path / "a" / "x.png", 999)
    assert load(tmp_path).schema.inputs[0].shape[0] == 3


def test_from_files_or_memory_the_same_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos(tmp_path, {"a": 30, "b": 30}, size=(40, 30))
    in_memory = load(tmp_path, size=16)
    by_file = load(tmp_path, size=16, cache="off")
    monkeypatch.setattr(files_room, "MEMORY_SHARE", 0.0)
    too_large = load(tmp_path, size=16)
    assert isinstance(in_memory.train, Columns)
    assert "fit" in said(too_large, "cache")
    for data in (by_file, too_large):
        assert isinstance(data.train, ImageFiles)
        assert data.schema == in_memory.schema
        for part, other in ((data.train, in_memory.train), (data.val, in_memory.val), (data.test, in_memory.test)):
            assert len(part) == len(other)
            for i in range(len(part)):
                assert part.name(i) == other.name(i)
                assert all(torch.equal(a, b) for a, b in zip(part[i], other[i]))


def test_standardised_by_the_training_images(tmp_path: Path) -> None:
    data = load(photos(tmp_path, {"a": 30, "b": 30}))
    x = data.train.gather(torch.arange(len(data.train)))[0]
    np.testing.assert_allclose(x.mean((0, 2, 3)).numpy(), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((0, 2, 3), correction=0).numpy(), 1, atol=1e-5)


def test_unreadable_images(tmp_path: Path) -> None:
    photos(tmp_path, {"a": 30, "b": 30})
    (tmp_path / "a" / "003.png").write_bytes(b"")
    cut = tmp_path / "b" / "004.png"
    cut.write_bytes(cut.read_bytes()[:100])
    error = refused(tmp_path)
    assert error.code == "DL156"
    assert Path(error.where).name in ("003.png", "004.png")
    assert refused(tmp_path, on_bad="skip").code == "DL158"
    data = load(tmp_path, on_bad="skip", bad_limit=0.05)
    assert {Path(b.where).name for b in data.bad} == {"003.png", "004.png"}
    assert sum(len(p) for p in (data.train, data.val, data.test)) == 58
    names = [p.name(i) for p in (data.train, data.val, data.test) for i in range(len(p))]
    assert not {str(tmp_path / "a" / "003.png"), str(cut)} & set(names)
    assert refused(tmp_path, cache="off").code == "DL156"
    assert load(tmp_path, cache="off", on_bad="skip", bad_limit=0.05).schema == data.schema


def test_a_bomb_in_the_folder(tmp_path: Path) -> None:
    photos(tmp_path, {"a": 10, "b": 10})
    picture(tmp_path / "b" / "large.png", 5, size=(200, 200))
    error = refused(tmp_path, max_pixels=30_000)
    assert error.code == "DL157"
    assert "large.png" in error.where


def test_folders_that_hold_no_classes(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert refused(empty).code == "DL152"
    assert "empty" in refused(empty).why
    (empty / "cat").mkdir()
    assert "no file" in refused(empty).why
    (empty / "a.bin").write_bytes(b"1")
    assert ".bin" in refused(empty).why
    one = photos(tmp_path / "one", {"cat": 10})
    assert refused(one).code == "DL154"
    assert "cat" in refused(one).what
    flat = tmp_path / "flat"
    picture(flat / "x.png", 1)
    assert refused(flat).code == "DL153"


def test_a_class_only_in_test(tmp_path: Path) -> None:
    photos(tmp_path / "train", {"cat": 10, "dog": 10})
    photos(tmp_path / "test", {"cat": 5, "dgo": 3}, start=100)
    error = refused(tmp_path)
    assert error.code == "DL155"
    assert "'dgo'" in error.what
    assert "3 samples" in error.why
    assert error.where == str(tmp_path / "test" / "dgo")
    assert "'dog'" in error.why


def test_nothing_is_written(tmp_path: Path) -> None:
    photos(tmp_path / "set", {"a": 10, "b": 10})
    before = Counter((p, p.stat().st_mtime_ns) for p in (tmp_path / "set").rglob("*"))
    load(tmp_path / "set")
    assert Counter((p, p.stat().st_mtime_ns) for p in (tmp_path / "set").rglob("*")) == before


def test_a_folder_of_tables(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    rows = "".join(f"{i % 7},{i % 3},{'ab'[i % 2]}\n" for i in range(60))
    (folder / "train.csv").write_text("u,v,label\n" + rows)
    (folder / "Test.csv").write_text("u,v,label\n" + rows[:60])
    data = load(folder)
    assert data.schema.origin == "table"
    assert len(data.test) == 10


def test_cifar(danlu_data: Path) -> None:
    data = load(danlu_data / "images_cifar10")
    assert [len(p) for p in (data.train, data.val, data.test)] == [3400, 600, 1000]
    assert data.schema.inputs[0].shape == (3, 32, 32)
    assert torch.bincount(data.train.column(1)).tolist() == [340] * 10
