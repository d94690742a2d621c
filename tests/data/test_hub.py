"""Hugging Face datasets as tables and as images, against what ``datasets`` itself gives item by item."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import danlu
from danlu.data import load_data
from danlu.data.table import read_table
from danlu.errors import DanluError
from danlu.settings import Settings

os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
hub = pytest.importorskip("datasets", reason="the package datasets is not installed")
hub.disable_progress_bars()


def rows(n: int = 120) -> Any:
    x = np.random.default_rng(0).normal(size=n).astype(np.float32)
    features = hub.Features(
        {
            "x": hub.Value("float32"),
            "colour": hub.ClassLabel(names=["red", "green"]),
            "label": hub.ClassLabel(names=["zero", "one"]),
        }
    )
    return hub.Dataset.from_dict({"x": x, "colour": [i % 2 for i in range(n)], "label": (x > 0).astype(int)}, features)


def pictures(n: int = 60, **columns: Any) -> Any:
    draw = np.random.default_rng(0)
    images = []
    for i in range(n):
        pixels = draw.integers(0, 60, (12, 10, 3), dtype=np.uint8)
        pixels[:, :, i % 3] += 150  # red, green, blue
        images.append(Image.fromarray(pixels))
    given = {"image": images, "label": [i % 3 for i in range(n)], **columns}
    kinds = {"image": hub.Image(), "label": hub.ClassLabel(names=["red", "green", "blue"])}
    kinds |= {name: hub.Dataset.from_dict({name: column}).features[name] for name, column in columns.items()}
    return hub.Dataset.from_dict(given, hub.Features(kinds))


def opened(data: Any, test: Any = None, *, own: bool = False, **settings: Any) -> Any:
    return load_data(data, test, None, Settings(**settings), layout="columns", own_model=own)


def refused(data: Any, test: Any = None, **settings: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        opened(data, test, **settings)
    assert str(caught.value).count("\n") < 8
    return caught.value


def choice(data: Any, what: str) -> str:
    return next((c.value for c in data.choices if c.what == what), "")


def total(data: Any) -> int:
    return sum(len(part) for part in (data.train, data.val, data.test))


# ---- tables


def test_a_dataset_is_a_table_with_its_classes_by_name() -> None:
    data = opened(rows())
    assert (data.schema.origin, data.schema.classes, total(data)) == ("table", ("one", "zero"), 120)
    assert {f.name: f.kind for f in data.schema.inputs} == {"x": "number", "colour": "category"}


@pytest.mark.parametrize("how", ["select", "shuffle", "filter", "sort", "shard", "torch", "columns"])
def test_rows_are_those_that_the_dataset_gives(how: str) -> None:
    dataset = {
        "select": lambda d: d.select([5, 3, 99]),
        "shuffle": lambda d: d.shuffle(seed=1),
        "filter": lambda d: d.filter(lambda row: row["x"] > 0.5),
        "sort": lambda d: d.sort("x", reverse=True),
        "shard": lambda d: d.shuffle(seed=2).shard(4, 1),
        "torch": lambda d: d.with_format("torch"),
        "columns": lambda d: d.with_format("numpy", columns=["label", "x"]),
    }[how](rows())
    table = read_table(dataset, Settings()).columns
    names = dataset.features["label"].names
    plain = dataset.with_format(None)
    assert table.column("label").to_pylist() == [names[v] for v in plain["label"]]
    assert table.column("x").to_pylist() == list(plain["x"])
    assert table.column_names == (["x", "label"] if how == "columns" else ["x", "colour", "label"])


def test_missing_labels_and_lists_of_labels() -> None:
    features = hub.Features({"x": hub.Value("int64"), "tags": hub.Sequence(hub.ClassLabel(names=["p", "q", "r"]))})
    dataset = hub.Dataset.from_dict({"x": list(range(60)), "tags": [[0], [1, 2], []] * 20}, features)
    data = opened(dataset, target="tags")
    assert (data.schema.task, data.schema.classes) == ("multilabel", ("p", "q", "r"))
    assert data.train.tensors[-1][:3].tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]
    unknown = rows().map(lambda row, i: {"label": -1 if i == 7 else row["label"]}, with_indices=True)
    assert (refused(unknown).code, refused(unknown).where) == ("DL115", "row 7")


def test_splits_are_taken_over_and_said() -> None:
    data = rows()
    splits = hub.DatasetDict(
        train=data.select(range(60)),
        validation=data.select(range(60, 90)),
        test=data.select(range(90, 120)),
        extra=data,
    )
    found = opened(splits)
    assert [len(p) for p in (found.train, found.val, found.test)] == [60, 30, 30]
    assert choice(found, "parts") == "train: train, val: validation, test: test"
    assert choice(found, "left out") == "extra"
    own = opened(splits, own=True)
    assert own.train is splits["train"] and own.val is splits["validation"] and own.test is splits["test"]
    mine = opened(splits, data.select(range(5)))
    assert len(mine.test) == 5


def test_a_test_split_whose_labels_are_kept_secret_is_left_out() -> None:
    hidden = rows().map(lambda row: {"label": -1, "colour": -1})
    found = opened(hub.DatasetDict(train=rows(), test=hidden))
    assert total(found) == 120 and len(found.test) == 18
    assert choice(found, "left out") == "test"


def test_a_dict_without_a_split_to_train_on() -> None:
    assert total(opened(hub.DatasetDict(everything=rows()))) == 120
    error = refused(hub.DatasetDict(one=rows(), two=rows()))
    assert error.code == "DL146"
    assert "one, two" in error.why
    assert refused(rows(), hub.DatasetDict(one=rows(), two=rows())).code == "DL146"
    assert len(opened(rows(), hub.DatasetDict(one=rows(), test=rows(9))).test) == 9


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x.reshape(-1, 1))


def test_a_users_own_model_gets_the_dataset_untouched() -> None:
    dataset = (
        rows()
        .remove_columns("colour")
        .with_transform(lambda batch: {"x": [torch.tensor(v) * 2 for v in batch["x"]], "label": batch["label"]})
    )
    data = opened(dataset, own=True)
    assert data.schema.origin == "dataset"
    assert data.train.dataset is dataset
    run = danlu.train(rows().remove_columns("colour").with_format("torch"), model=Net(), epochs=3, lr=0.1)
    assert run.history[-1]["metrics"]["val/accuracy"] > 0.5


def test_an_iterable_dataset_is_an_iterable() -> None:
    data = opened(rows().remove_columns("colour").with_format("torch").to_iterable_dataset(), own=True)
    assert data.schema.origin == "dataset"
    assert choice(data, "val") == "none"
    splits = hub.IterableDatasetDict(train=rows().to_iterable_dataset(), test=rows(20).to_iterable_dataset())
    assert opened(splits, own=True).test is splits["test"]


# ---- files


def test_saved_folders(workdir: Path) -> None:
    rows().shuffle(seed=0).select(range(100)).save_to_disk("one", num_shards=3)
    data = opened("one")
    assert (data.name, total(data), data.schema.classes) == ("one", 100, ("one", "zero"))
    assert data.train.name(0).startswith("one row ")
    assert read_table("one", Settings()).columns.column("x").to_pylist() == list(hub.load_from_disk("one")["x"])
    hub.DatasetDict(train=rows(), validation=rows(30), test=rows(20)).save_to_disk("all")
    data = opened("all")
    assert [len(p) for p in (data.train, data.val, data.test)] == [120, 30, 20]
    assert len(opened("one", "one").test) == 100


def test_damaged_folders(workdir: Path) -> None:
    rows().save_to_disk("one", num_shards=2)
    file = sorted(Path("one").glob("data-*.arrow"))[1]
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    assert (refused("one").code, refused("one").where) == ("DL145", str(file))
    file.unlink()
    assert file.name in refused("one").why
    (Path("one") / "state.json").write_text("{")
    assert refused("one").code == "DL145"
    hub.DatasetDict(train=rows(), test=rows()).save_to_disk("all")
    (Path("all") / "test" / "state.json").unlink()
    assert "test" in refused("all").why


def test_class_names_come_from_parquet_and_arrow_files_too(workdir: Path) -> None:
    import pyarrow.feather

    rows().to_parquet("a.parquet")
    assert opened("a.parquet").schema.classes == ("one", "zero")
    rows().save_to_disk("one")
    assert opened(str(next(Path("one").glob("*.arrow")))).schema.classes == ("one", "zero")
    pyarrow.feather.write_feather(rows().data.table, "a.feather")
    assert opened("a.feather").schema.classes == ("one", "zero")


# ---- images


@pytest.mark.parametrize("form", ["object", "parquet", "saved"])
def test_images_are_those_that_pillow_decodes(form: str, workdir: Path) -> None:
    dataset = pictures(note=[f"n{i}" for i in range(60)])
    source: Any = dataset
    if form == "parquet":
        dataset.to_parquet("a.parquet")
        source = "a.parquet"
    if form == "saved":
        dataset.save_to_disk("a")
        source = "a"
    data = opened(source)
    assert (data.schema.origin, data.schema.layout) == ("images", "image")
    assert (data.schema.classes, data.schema.inputs[0].shape) == (("blue", "green", "red"), (3, 12, 10))
    assert choice(data, "left out") == "note"
    stored = (
        data.train.tensors[0][int(data.train.index[0])] if data.train.index is not None else data.train.tensors[0][0]
    )
    row = int(data.train.name(0).rsplit(" ", 1)[1])
    assert np.array_equal(stored.numpy().transpose(1, 2, 0), np.asarray(dataset[row]["image"]))


def test_images_are_trained_tested_and_answered(workdir: Path) -> None:
    run = danlu.train(pictures(120), epochs=6, model="cnn", lr=0.01)
    assert run.metrics["test/accuracy"] == 1.0
    assert run.test(pictures(30))["test/accuracy"] == 1.0
    assert [p.label for p in run.predict(pictures(6))] == ["red", "green", "blue"] * 2
    pictures(6).to_parquet("six.parquet")
    assert [p.label for p in danlu.load(run.dir).predict("six.parquet")] == ["red", "green", "blue"] * 2
    pictures(6)[0]["image"].save("red.png")
    assert run.predict("red.png")[0].label == "red"


def test_images_with_numbers_or_several_labels() -> None:
    number = opened(pictures(60, weight=[i / 7 for i in range(60)]), target="weight")
    assert (number.schema.task, number.schema.layout, total(number)) == ("regression", "image", 60)
    tags = opened(pictures(60, tags=[["a"], ["b", "c"], []] * 20), target="tags")
    assert (tags.schema.task, tags.schema.classes) == ("multilabel", ("a", "b", "c"))


def test_a_broken_image_is_named_by_its_row() -> None:
    whole = pictures(40).cast_column("image", hub.Image(decode=False))
    cells = [dict(cell) for cell in whole["image"]]
    cells[9] = {"bytes": b"no image", "path": "broken.png"}
    dataset = hub.Dataset.from_dict({"image": cells, "label": whole["label"]}).cast_column("image", hub.Image())
    error = refused(dataset)
    assert (error.code, error.where) == ("DL156", "row 9")
    data = opened(dataset, on_bad="skip", bad_limit=0.05)
    assert [b.where for b in data.bad] == ["row 9"]
    assert total(data) == 39
    assert len(opened(pictures(), cache="off").train) == 42  # read one by one


def test_metadata_of_others_is_no_feature() -> None:
    import pyarrow as pa

    from danlu.data.typed import features_of

    for text in (b"no json", b"[]", json.dumps({"info": []}).encode(), json.dumps({"info": {"features": 3}}).encode()):
        assert features_of(pa.table({"a": [1]}).replace_schema_metadata({b"huggingface": text})) == {}
