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
    assert (data.schema.origin, data.schema.layout) == ("table", "image")
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
    weights = pictures(60, weight=[i / 7 for i in range(60)])
    number = opened(weights, target="weight")
    assert (number.schema.task, number.schema.parts, total(number)) == ("regression", ("image", "categories"), 60)
    assert opened(weights, target="weight", ignore="label").schema.layout == "image"
    tags = opened(pictures(60, tags=[["a"], ["b", "c"], []] * 20), target="tags", ignore="label")
    assert (tags.schema.task, tags.schema.layout) == ("multilabel", "image")
    assert tags.schema.classes == ("a", "b", "c")
    assert tags.train.tensors[-1].sum(0).tolist() == [20, 20, 20]


def test_a_broken_image_is_named_by_its_row() -> None:
    whole = pictures(40).cast_column("image", hub.Image(decode=False))
    cells = [dict(cell) for cell in whole["image"]]
    cells[9] = {"bytes": b"no image", "path": "broken.png"}
    dataset = hub.Dataset.from_dict({"image": cells, "label": whole["label"]}).cast_column("image", hub.Image())
    error = refused(dataset)
    assert (error.code, error.where) == ("DL132", "row 9")
    assert "image (broken.png)" in error.why
    data = opened(dataset, on_bad="skip", bad_limit=0.05)
    assert [b.where for b in data.bad] == ["row 9"]
    assert total(data) == 39
    assert len(opened(pictures(), cache="off").train) == 42  # read one by one


def test_the_other_columns_are_inputs_too_and_several_columns_hold_images() -> None:
    other = [dataset_row["image"] for dataset_row in pictures(60).select(range(59, -1, -1))]
    dataset = pictures(60, weight=[float(i) + 0.5 for i in range(60)], colour=["a", "b"] * 30)
    back = hub.Dataset.from_dict({"back": other}, hub.Features({"back": hub.Image()}))
    dataset = hub.concatenate_datasets([dataset, back], axis=1)
    data = opened(dataset)
    assert data.schema.parts == ("image", "back", "numbers", "categories")
    assert [f.kind for f in data.schema.inputs] == ["image", "number", "category", "image"]
    for i in range(len(data.train)):
        row = dataset[int(data.train.name(i).rpartition(" ")[2])]
        at = int(data.train.index[i])
        for stored, name in zip(data.train.tensors, ("image", "back")):
            assert np.array_equal(stored[at].numpy().transpose(1, 2, 0), np.asarray(row[name]))
        weight = data.schema.inputs[1]
        scaled = (row["weight"] - weight.mean[0]) / weight.std[0]
        assert data.train[i][2].item() == pytest.approx(scaled, abs=1e-6)
        assert data.train[i][3].item() == ["a", "b"].index(row["colour"]) + 1


@pytest.mark.parametrize("how", ["shuffle", "select", "filter", "concatenated", "columns"])
def test_images_in_another_order_stay_where_they_lie(how: str) -> None:
    from danlu.data.objects import apart

    whole = pictures(30, x=list(range(30)))
    dataset = {
        "shuffle": lambda d: d.shuffle(seed=1),
        "select": lambda d: d.select([7, 3, 29, 3]),
        "filter": lambda d: d.filter(lambda x: x % 3 == 1, input_columns="x"),
        "concatenated": lambda d: hub.concatenate_datasets([d.select(range(9)), d.select(range(9, 30))]).shuffle(
            seed=2
        ),
        "columns": lambda d: d.shuffle(seed=3).with_format("torch", columns=["x", "image"]),
    }[how](whole)
    table = read_table(dataset, Settings())
    plain = dataset.with_format(None).cast_column("image", hub.Image(decode=False))
    assert table.columns.column("x").to_pylist() == list(plain["x"])
    assert [image.read_bytes() for image in table.images["image"]] == [cell["bytes"] for cell in plain["image"]]
    assert table.names == (("image", "x") if how == "columns" else ("image", "label", "x"))
    held = {c.field("bytes").buffers()[2].address for c in dataset.data.column("image").chunks}
    assert {i.cells.field("bytes").buffers()[2].address for i in table.images["image"]} <= held
    assert set(apart(dataset)[1]) == {"image"}, "nothing was gathered"


@pytest.mark.parametrize("form", ["object", "saved", "shards"])
def test_images_stay_in_the_table_without_a_cache(form: str, workdir: Path) -> None:
    from danlu.data.image_columns import PictureRows

    dataset: Any = pictures(60, x=[i / 7 for i in range(60)])
    source: Any = dataset
    if form == "saved":
        dataset.save_to_disk("saved", num_shards=3)
        source = "saved"
    if form == "shards":
        Path("shards").mkdir()
        for i in range(3):
            dataset.shard(3, i).to_parquet(f"shards/train-0000{i}-of-00003.parquet")
        source = "shards"
    kept, read = opened(source), opened(source, cache="off")
    assert isinstance(read.train, PictureRows) and kept.schema == read.schema
    for part in ("train", "val", "test"):
        a, b = getattr(kept, part), getattr(read, part)
        assert [a.name(i) for i in range(len(a))] == [b.name(i) for i in range(len(b))]
        for i in range(len(a)):
            assert all(torch.equal(x, y) for x, y in zip(a[i], b[i], strict=True))


def test_a_dict_of_splits_with_images_is_trained_tested_and_answered(workdir: Path) -> None:
    whole = pictures(150, x=[i % 7 + 0.5 for i in range(150)])
    splits = hub.DatasetDict(train=whole.select(range(90)), validation=whole.select(range(90, 120)))
    splits["test"] = whole.select(range(120, 150))
    splits.save_to_disk("all")
    run = danlu.train("all", epochs=6, model="cnn", lr=0.01, run="r")
    assert run.metrics["test/rows"] == 30 and run.metrics["test/accuracy"] > 0.9
    assert danlu.test("r", "all")["test/accuracy"] == run.metrics["test/accuracy"]
    assert danlu.test("r", splits)["test/accuracy"] == run.metrics["test/accuracy"]
    answers = [a.label for a in run.predict("all")]
    assert (
        answers
        == [a.label for a in run.predict(splits)]
        == [a.label for a in run.predict(whole.select(range(120, 150)))]
    )
    rows = [{"image": row["image"], "x": row["x"]} for row in splits["test"]]
    assert [a.label for a in run.predict(rows)] == answers
    again = danlu.train(splits, epochs=6, model="cnn", lr=0.01, run="again")
    assert again.metrics["test/accuracy"] == run.metrics["test/accuracy"]


def test_one_column_of_images_is_trained_like_the_same_files_in_a_folder(workdir: Path) -> None:
    dataset = pictures(90)
    for i, row in enumerate(dataset):
        folder = Path("photos") / ("red", "green", "blue")[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        row["image"].save(folder / f"{i:03}.png")
    settings: dict[str, Any] = {"epochs": 12, "device": "cpu", "batch_size": 16}
    photos, table = danlu.train("photos", run="p", **settings), danlu.train(dataset, run="t", **settings)
    choices = []
    for run in (photos, table):
        events = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
        choices.append({e["what"]: e["value"] for e in events if e["event"] == "choice"})
    for what in ("augment", "size", "model", "lr", "optimizer", "precision"):
        assert choices[0].get(what) == choices[1].get(what), what
    assert "augment" in choices[0]
    assert photos.predictor is not None and table.predictor is not None
    ours, theirs = table.predictor.schema.inputs[0], photos.predictor.schema.inputs[0]
    assert ours.shape == theirs.shape
    page = (table.dir / "README.md").read_text()
    assert "image-classification" in page and "photo.jpg" in page


@pytest.mark.parametrize("how", ["parquet", "object", "csv"])
def test_a_model_of_a_folder_is_tested_on_and_answers_for_a_table_of_images(how: str, workdir: Path) -> None:
    dataset = pictures(90)
    for i, row in enumerate(dataset):
        folder = Path("photos") / ("red", "green", "blue")[row["label"]]
        folder.mkdir(parents=True, exist_ok=True)
        row["image"].save(folder / f"{i:03}.png")
    run = danlu.train("photos", epochs=6, model="cnn", lr=0.01, run="r")
    source: Any = dataset.rename_columns({"image": "picture", "label": "class"})
    if how == "parquet":
        source.to_parquet("t.parquet")
        source = "t.parquet"
    if how == "csv":
        rows = [f"{p},{p.parent.name}" for p in sorted(Path("photos").rglob("*.png"), key=lambda p: p.name)]
        Path("t.csv").write_text("\n".join(["picture,class", *rows]))
        source = "t.csv"
    expected = [a.label for a in run.predict([row["image"] for row in dataset])]
    assert [a.label for a in run.predict(source)] == expected
    right = sum(e == ("red", "green", "blue")[row["label"]] for e, row in zip(expected, dataset))
    tested = danlu.test("r", source)
    assert tested["test/rows"] == 90 and tested["test/accuracy"] == pytest.approx(right / 90)


@pytest.mark.parametrize("task", ["classification", "regression", "multilabel"])
def test_a_model_of_arrays_is_tested_on_and_answers_for_a_table_of_images(task: str, workdir: Path) -> None:
    weights = [i % 7 + 0.25 for i in range(90)]
    tags = [["a"], ["b", "c"], []] * 30
    dataset = pictures(90, weight=weights, tags=tags)
    dataset = dataset.cast_column("label", hub.ClassLabel(names=["0", "1", "2"]))
    pixels = np.stack([np.asarray(row["image"]) for row in dataset])
    column = {"classification": "label", "regression": "weight", "multilabel": "tags"}[task]
    y: Any = {"label": np.arange(90) % 3, "weight": np.array(weights), "tags": tags}[column]
    run = danlu.train((pixels, y), epochs=2, model="cnn", run="r", device="cpu")
    rest = [c for c in ("label", "weight", "tags") if c != column]
    dataset.remove_columns(rest).to_parquet("t.parquet")
    answers, tested = run.predict("t.parquet"), danlu.test("r", "t.parquet")
    assert [a.scores for a in answers] == [a.scores for a in run.predict(pixels)]
    assert tested["test/rows"] == 90
    if task == "classification":
        assert tested["test/accuracy"] == pytest.approx(np.mean([a.label == str(i % 3) for i, a in enumerate(answers)]))
    elif task == "regression":
        wrong = np.array([float(a.value) for a in answers]) - np.array(weights)
        assert tested["test/rmse"] == pytest.approx(float(np.sqrt((wrong**2).mean())), rel=1e-5)
    else:
        found = np.array([[(a.scores[c] > 0.5) == (c in row) for c in "abc"] for a, row in zip(answers, tags)])
        assert tested["test/exact_match"] == pytest.approx(found.all(1).mean())


def test_metadata_of_others_is_no_feature() -> None:
    import pyarrow as pa

    from danlu.data.typed import features_of

    for text in (b"no json", b"[]", json.dumps({"info": []}).encode(), json.dumps({"info": {"features": 3}}).encode()):
        assert features_of(pa.table({"a": [1]}).replace_schema_metadata({b"huggingface": text})) == {}
