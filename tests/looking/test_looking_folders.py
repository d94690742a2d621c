"""A folder of images looked at: its counts, sizes, copies and broken files, against Pillow, hashlib and training."""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import danlu
from danlu.data import load_data
from danlu.errors import DanluError
from danlu.settings import Settings
from looked import codes, fact, found_in


def photos(folder: Path, classes: dict[str, int], sizes: tuple[tuple[int, int], ...] = ((40, 30), (24, 24))) -> Path:
    rng = np.random.default_rng(0)
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            width, height = sizes[i % len(sizes)]
            pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i:04d}.png")
    return folder


def test_counts_and_the_split_are_those_of_training(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"猫": 40, "狗": 31, "bird": 13})
    for i in range(6):
        shutil.copy(folder / "猫" / f"{i:04d}.png", folder / "猫" / f"copy{i}.png")
    found = found_in(folder, seed=3)
    trained = load_data(str(folder), None, None, Settings(seed=3), layout="columns", own_model=False)
    assert found.rows == {"train": len(trained.train), "val": len(trained.val), "test": len(trained.test)}
    assert found.classes == trained.schema.classes == ("bird", "狗", "猫")
    for part, name in enumerate(("train", "val", "test")):
        labels = trained.targets(name)
        assert labels is not None
        assert [c[part] for c in found.counts] == np.bincount(labels.numpy(), minlength=3).tolist()
    assert {"target", "task"} & {c.what for c in found.choices} == set() and found.target == "label"


def test_sizes_and_modes_are_pillows(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 9, "b": 8}, ((50, 20), (20, 50), (8, 8)))
    Image.new("L", (50, 20)).save(folder / "a" / "grey.jpg")
    sizes: Counter[str] = Counter()
    modes: Counter[str] = Counter()
    for path in folder.rglob("*.*"):
        with Image.open(path) as image:
            sizes[f"{image.width} × {image.height}"] += 1
            modes[f"{image.format} {image.mode}"] += 1
    found = found_in(folder)
    assert set(fact(found, "sizes").split(", ")) == {f"{size} ({n})" for size, n in sizes.items()}
    assert set(fact(found, "modes").split(", ")) == {f"{mode} ({n})" for mode, n in modes.items()}
    assert fact(found, "opened") == "all 18 files"


def test_copies_are_those_of_equal_digests(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 30, "b": 30})
    shutil.copy(folder / "a" / "0001.png", folder / "a" / "again.png")
    shutil.copy(folder / "a" / "0002.png", folder / "b" / "other.png")
    shutil.copy(folder / "a" / "0002.png", folder / "b" / "third.png")
    digests = [hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.png")]
    found = found_in(folder)
    assert sum(found.copies.inside.values()) == len(digests) - len(set(digests)) == 3
    assert found.copies.conflicts == 2  # two files of a lie in b
    assert "DL345" in codes(found)
    named = {Path(name).name for _, a, b in found.copies.conflict_examples for name in (a, b)}
    assert named == {"0002.png", "other.png", "third.png"}


def test_copies_across_parts_are_told(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 30, "b": 30})
    test = photos(tmp_path / "test", {"a": 4, "b": 4}, ((11, 11),))
    val = photos(tmp_path / "val", {"a": 4, "b": 4}, ((12, 11),))
    shutil.copy(folder / "a" / "0003.png", test / "a" / "seen.png")
    found = found_in(folder, test, val=val)
    assert found.rows == {"train": 60, "val": 8, "test": 9}
    assert codes(found) == ["DL336"]
    told = found.findings[0]
    assert not isinstance(told, DanluError) and told.told.place == "test" and told.told.facts["count"] == "1"


def test_every_broken_file_is_listed_and_training_would_stop_at_one(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 20, "b": 20})
    good = (folder / "a" / "0000.png").read_bytes()
    (folder / "a" / "half.png").write_bytes(good[: len(good) // 2])
    (folder / "a" / "empty.png").write_bytes(b"")
    (folder / "b" / "text.png").write_bytes(b"not a picture")
    found = found_in(folder)
    assert {Path(b.where).name for b in found.bad} == {"half.png", "empty.png", "text.png"}
    assert "DL346" in codes(found)
    with pytest.raises(DanluError) as stopped:
        danlu.train(folder, epochs=1)
    assert stopped.value.where in {b.where for b in found.bad}
    (command,) = found.commands
    assert command == f"danlu train {folder} --on-bad skip --bad-limit 0.07"  # 3 of 43


def test_of_very_many_files_a_sample_is_opened_and_that_is_said(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 1, "b": 1}, ((8, 8),))
    rng = np.random.default_rng(1)
    for i in range(2_100):
        pixels = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        pixels.save(folder / "a" / f"x{i:05d}.bmp")
    names = sorted(p.name for p in (folder / "a").iterdir())
    (folder / "a" / names[-2]).write_bytes(b"")
    from danlu.data.user import spread

    unopened = sorted(set(range(len(names))) - set(spread(len(names) + 1, 2_000)))[50]
    (folder / "a" / names[unopened]).write_bytes(b"broken but not empty")
    found = found_in(folder)
    assert fact(found, "opened").startswith("2,000 of 2,102 files")
    assert {Path(b.where).name for b in found.bad} == {names[-2]}  # an empty one shows in its size
    assert sum(map(sum, found.counts)) == 2_102
    whole = found_in(folder, whole=True)
    assert {Path(b.where).name for b in whole.bad} == {names[-2], names[unopened]}
    assert fact(whole, "opened") == "all 2,102 files"


def test_a_class_that_only_the_test_has_is_an_error_beside_what_there_is(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"cat": 20, "dog": 20})
    test = photos(tmp_path / "test", {"cat": 5, "dgo": 5})
    found = found_in(folder, test)
    assert codes(found)[0] == "DL155" and isinstance(found.findings[0], DanluError)
    assert found.classes == ("cat", "dog") and sum(map(sum, found.counts)) == 45


def test_one_class_alone_and_empty_folders_are_told(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"cat": 20})
    (folder / "notes").mkdir()
    found = found_in(folder)
    assert codes(found)[0] == "DL154"
    assert any(c.what == "ignored" and c.value == "notes" for c in found.choices)


def test_the_gallery_shows_what_the_model_sees(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos", {"a": 12, "b": 12}, ((200, 100),))
    found = found_in(folder, size=32)
    import io

    assert found.gallery and all(s.picture is not None for s in found.gallery)
    for sample in found.gallery:
        assert sample.picture is not None and sample.label == Path(sample.where).parent.name
        shown = np.asarray(Image.open(io.BytesIO(sample.picture.data)).convert("RGB")).astype(int)
        with Image.open(sample.where) as image:
            wanted = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)).astype(int)
        assert shown.shape == (32, 32, 3) and abs(shown - wanted).max() <= 1


def test_a_folder_without_pictures_is_refused_as_by_training(tmp_path: Path) -> None:
    (tmp_path / "x" / "a").mkdir(parents=True)
    for verb in (danlu.look, danlu.train):
        with pytest.raises(DanluError) as refused:
            verb(tmp_path / "x")
        assert refused.value.code == "DL152"
