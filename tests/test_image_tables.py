"""Runs on tables with images: they learn from either side, go on bit for bit, and answer as their module does."""

from __future__ import annotations

import csv
import gc
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from PIL import Image
from torch import nn

import danlu
from danlu.cli import main
from danlu.data import load_data
from danlu.errors import DanluError
from danlu.settings import make_settings


def shop(folder: Path, n: int, label: str, *, two: bool = False) -> Path:
    """Pictures light or dark, a number high or low; ``label`` says which of the two tells the class."""
    draw = np.random.default_rng(0)
    (folder / "图片").mkdir(parents=True)
    rows = []
    for i in range(n):
        light, high = bool(draw.integers(2)), bool(draw.integers(2))
        pixels = draw.integers(0, 100, (12, 12, 3)) + 120 * light
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "图片" / f"{i}.png")
        known = light if label == "image" else high
        row = [f"{i}.png", round(float(draw.normal(5 if high else -5)), 3), "ab"[int(draw.integers(2))]]
        rows.append(row[:1] * (1 + two) + row[1:] + ["是" if known else "否"])
    names = ["照片", *(["背面"] if two else []), "价格", "颜色", "标签"]
    with open(folder / "数据.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
    return folder / "数据.csv"


def packed(path: Path) -> Path:
    """The same table as Parquet, its images inside it as Hugging Face's ``Image`` keeps them."""
    rows = list(csv.DictReader(path.open(encoding="utf-8")))
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for name in columns:
        if name in ("照片", "背面"):
            cells = [{"bytes": (path.parent / "图片" / v).read_bytes(), "path": v} for v in columns[name]]
            columns[name] = pa.array(cells, kind)
        elif name == "价格":
            columns[name] = pa.array([float(v) for v in columns[name]])
    pa.parquet.write_table(pa.table(columns), path.with_suffix(".parquet"), row_group_size=25)
    return path.with_suffix(".parquet")


@pytest.mark.parametrize("label", ["image", "number"])
def test_it_learns_whether_the_images_or_the_numbers_carry_the_label(tmp_path: Path, label: str) -> None:
    run = danlu.train(shop(tmp_path, 240, label), epochs=6, run="r", device="cpu")
    assert run.metrics["test/accuracy"] > 0.9
    page = run.report().read_text(encoding="utf-8")
    assert "价格" in page and "照片" in page
    assert "test/accuracy_linear" in run.metrics


def test_a_saved_runs_answers_are_its_modules_on_tensors_made_by_hand(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "image", two=True)
    run = danlu.train(path, epochs=1, run="r", device="cpu")
    model = danlu.load("r")
    rows = list(csv.DictReader(path.open(encoding="utf-8")))[:5]
    left, right, price, colour, label = model.schema.fields

    def pixels(field: Any) -> torch.Tensor:
        found = []
        for row in rows:
            with Image.open(tmp_path / "图片" / row[field.name]) as file:
                values = np.asarray(file).transpose(2, 0, 1) / 255
            found.append((values - np.reshape(field.mean, (-1, 1, 1))) / np.reshape(field.std, (-1, 1, 1)))
        return torch.from_numpy(np.stack(found)).float()

    numbers = torch.tensor([[(float(r["价格"]) - price.mean[0]) / price.std[0]] for r in rows]).float()
    codes = torch.tensor([[colour.classes.index(r["颜色"]) + 1] for r in rows])
    with torch.no_grad():
        want = model.module(pixels(left), pixels(right), numbers, codes).softmax(1)
    given = [
        {**r, "照片": str(tmp_path / "图片" / r["照片"]), "背面": str(tmp_path / "图片" / r["背面"])} for r in rows
    ]
    for answer, row in zip(model.predict(given), want):
        np.testing.assert_allclose([answer.scores[c] for c in label.classes], row.numpy(), atol=1e-5)
    whole = model.predict(path)
    assert [a.label for a in whole[:5]] == [a.label for a in model.predict(given)]
    assert danlu.test("r", path)["test/rows"] == 80
    assert run.predict(given[0])[0].label == whole[0].label


@pytest.mark.parametrize(("inside", "cache"), [(False, "auto"), (True, "auto"), (True, "off")])
def test_a_stopped_run_goes_on_to_the_same_bits(tmp_path: Path, inside: bool, cache: str) -> None:
    path = shop(tmp_path, 60, "image")
    path = packed(path) if inside else path
    options: dict[str, Any] = {"cache": cache, "batch_size": 8, "seed": 3, "device": "cpu", "checkpoint_steps": 3}
    whole = danlu.train(path, epochs=3, run="whole", **options)

    class Stop(Exception):
        pass

    from danlu.session import Session

    stepped = Session.stepped

    def stopping(self: Session, event: Any) -> None:
        stepped(self, event)
        if event.step == 8:
            self.saver.wait()
            raise Stop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "stepped", stopping)
        with pytest.raises(Stop):
            danlu.train(path, epochs=3, run="cut", **options)
    cut = danlu.resume("cut")
    a, b = whole.model.state_dict(), cut.model.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    assert {k: v for k, v in whole.metrics.items() if k.startswith("test/accuracy")} == {
        k: v for k, v in cut.metrics.items() if k.startswith("test/accuracy")
    }


class Own(nn.Module):
    """A user's model that names what it wants, in its own order."""

    def __init__(self, numbers: int, num_classes: int) -> None:
        super().__init__()
        self.seen: list[tuple[int, ...]] = []
        self.layer = nn.Linear(3 + numbers, num_classes)

    def forward(self, numbers: torch.Tensor, 照片: torch.Tensor) -> torch.Tensor:
        self.seen.append((*numbers.shape[1:], *照片.shape[1:]))
        return self.layer(torch.cat([照片.mean((2, 3)), numbers], 1))  # type: ignore[no-any-return]


def test_a_users_model_gets_what_its_forward_names(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "number")
    run = danlu.train(path, model=Own, epochs=2, run="r", device="cpu", lr=0.05)
    assert set(run.model.seen) == {(1, 3, 12, 12)}  # type: ignore[arg-type]
    model = danlu.load("r", model=Own)
    assert model.schema.parts == ("numbers", "照片")
    assert [a.label for a in model.predict(path)] == [a.label for a in run.predict(path)]


def test_several_labels_and_numbers_are_predicted_from_images_too(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "number")
    run = danlu.train(path, target="价格", ignore="标签", epochs=1, run="r", device="cpu")
    assert "test/r2" in run.metrics and run.predictor is not None
    assert isinstance(run.predictor.predict(path)[0].value, float)
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    lists = [[*rows[0][:3], "labels"], *([*r[:3], "x|y" if i % 2 else "y"] for i, r in enumerate(rows[1:]))]
    (tmp_path / "m.csv").write_text("\n".join(",".join(r) for r in lists), encoding="utf-8")
    run = danlu.train(tmp_path / "m.csv", task="multilabel", epochs=1, run="m", device="cpu")
    assert run.model(*(torch.zeros(2, 3, 12, 12), torch.zeros(2, 1), torch.zeros(2, 1).long())).shape == (2, 2)


def test_the_command_line_trains_tests_and_predicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = shop(tmp_path, 60, "image")
    assert main(["train", str(path), "--epochs", "1", "--run", "r", "--cache", "off"]) == 0
    assert main(["test", "r", str(path)]) == 0
    assert main(["predict", "r", str(path), "-o", "a.csv"]) == 0
    with open("a.csv", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 60
    schema = json.loads(Path("r/model/schema.json").read_text(encoding="utf-8"))
    assert schema["layout"] == "mixed" and schema["parts"] == ["照片", "numbers", "categories"]
    out = capsys.readouterr()
    assert "图片/<照片>" in out.out + out.err


@pytest.mark.parametrize("ignore", [[], ["--ignore", "价格,颜色"]])
def test_look_shows_a_table_with_images(tmp_path: Path, capsys: pytest.CaptureFixture[str], ignore: list[str]) -> None:
    path = shop(tmp_path, 80, "number")
    assert main(["look", str(path), *ignore]) in (0, 1)
    out = capsys.readouterr().out
    assert "照片" in out and "DL099" not in out


def test_one_image_column_is_a_model_of_an_image(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "image")
    run = danlu.train(path, ignore=["价格", "颜色"], epochs=1, run="r", device="cpu")
    assert run.predictor is not None and run.predictor.schema.layout == "image"
    assert type(run.model).__name__ != "Mixed"
    by_table = [a.label for a in run.predict(path)]
    files = [tmp_path / "图片" / f"{i}.png" for i in range(80)]
    assert [a.label for a in run.predict(files)] == by_table
    assert run.predict(Image.open(files[0]))[0].label == by_table[0]
    for i, name in enumerate(("是", "否") * 5):
        (tmp_path / "类" / name).mkdir(parents=True, exist_ok=True)
        files[i].rename(tmp_path / "类" / name / f"{i}.png")
    assert danlu.test("r", tmp_path / "类")["test/rows"] == 10


def test_a_model_for_rows_alone_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(DanluError) as told:
        danlu.train(shop(tmp_path, 60, "image"), model="tabular", run="r")
    assert told.value.code == "DL272"


def test_weights_of_an_image_model_begin_the_trunk(tmp_path: Path) -> None:
    path = shop(tmp_path, 60, "image")
    first = danlu.train(path, ignore=["价格", "颜色"], model="cnn", epochs=1, run="first", device="cpu")
    run = danlu.train(path, model="cnn", weights="first", freeze="body", epochs=1, run="r", device="cpu")
    own, theirs = run.model.state_dict(), first.model.state_dict()
    same = [k for k in theirs if k.startswith("features.") and k.endswith("weight")]
    assert same and all(torch.equal(own[f"trunk.{k}"], theirs[k]) for k in same)


def test_images_are_varied_alone_and_beside_other_columns(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "image")
    alone = danlu.train(path, ignore=["价格", "颜色"], epochs=5, run="alone", device="cpu")
    beside = danlu.train(path, epochs=5, run="beside", device="cpu")
    told = ['"what": "augment"' in (run.dir / "metrics.jsonl").read_text() for run in (alone, beside)]
    assert told == [True, True]
    assert '"what": "augment", "value": "zoom"' in (beside.dir / "metrics.jsonl").read_text()


def test_images_inside_a_table_are_those_of_their_files(tmp_path: Path) -> None:
    path = shop(tmp_path, 80, "image", two=True)
    options: dict[str, Any] = {"epochs": 1, "device": "cpu", "seed": 1}
    beside, inside = danlu.train(path, run="beside", **options), danlu.train(packed(path), run="inside", **options)
    a, b = beside.model.state_dict(), inside.model.state_dict()
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)
    answers = [x.scores for x in beside.predict(path)]
    assert answers == [x.scores for x in inside.predict(packed(path))] == [x.scores for x in inside.predict(path)]
    assert danlu.test("inside", path) == danlu.test("beside", packed(path))
    assert danlu.test("inside", slice="颜色")["test/rows"] == inside.metrics["test/rows"]


def test_the_command_line_takes_a_table_with_its_images_inside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(packed(shop(tmp_path, 60, "image")))
    assert main(["look", path]) in (0, 1)
    assert main(["train", path, "--epochs", "1", "--run", "r", "--cache", "off", "--slice", "颜色"]) == 0
    assert main(["test", "r", path]) == 0
    assert main(["predict", "r", path, "-o", "a.csv"]) == 0
    with open("a.csv", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == 60
    out = capsys.readouterr()
    assert "its cells are images" in out.out + out.err and "DL099" not in out.out + out.err


def test_a_users_model_that_takes_the_image_alone_is_told_of_the_other_columns(tmp_path: Path) -> None:
    class Alone(nn.Module):
        def __init__(self, num_classes: int) -> None:
            super().__init__()
            self.layer = nn.Linear(3, num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x.mean((2, 3)))  # type: ignore[no-any-return]

    path = packed(shop(tmp_path, 60, "image"))
    with pytest.raises(DanluError) as told:
        danlu.train(path, model=Alone, run="r")
    assert told.value.code == "DL134" and "forward(self, image, numbers, categories)" in told.value.fix
    run = danlu.train(path, model=Alone, ignore="价格,颜色", epochs=1, run="s", device="cpu")
    assert run.metrics["test/rows"] == 9


def test_the_tables_bytes_are_let_go_when_its_images_are_decoded(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "图片").mkdir()
    for i in range(60):
        Image.fromarray(draw.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "图片" / f"{i}.png")
    text = "\n".join(["照片,标签", *(f"{i}.png,{'是否'[i % 2]}" for i in range(60))])
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    path = packed(tmp_path / "t.csv")
    gc.collect()
    before = pa.total_allocated_bytes()
    for cache, least, most in (("auto", 0, 0.1), ("off", 0.9, 1.5)):
        data = load_data(path, None, None, make_settings({"cache": cache}), layout="columns", own_model=False)
        data = replace(data, table=None)  # as a run does; `danlu look` keeps the cells
        gc.collect()
        held = (pa.total_allocated_bytes() - before) / path.stat().st_size
        assert least <= held <= most, (cache, held)
        del data


def test_a_table_to_predict_whose_images_are_gone_is_not_told_to_leave_the_column_out(tmp_path: Path) -> None:
    run = danlu.train(shop(tmp_path, 60, "image"), steps=1, run="r", device="cpu")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "new.csv").write_text("照片,价格,颜色\n没有1.png,1.5,a\n没有2.png,2.5,b\n", encoding="utf-8")
    with pytest.raises(DanluError) as caught:
        run.predict(str(tmp_path / "else" / "new.csv"))
    assert caught.value.code == "DL135" and "--ignore" not in caught.value.fix
    with pytest.raises(DanluError) as caught:
        danlu.train(str(tmp_path / "else" / "new.csv"), target="颜色")
    assert caught.value.code == "DL135" and caught.value.fix.endswith("--ignore '照片'")
