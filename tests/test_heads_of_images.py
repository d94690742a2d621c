"""Several targets from a table with images: one trunk for all, heads over images, numbers and categories together."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from sklearn.metrics import accuracy_score, root_mean_squared_error
from torch import nn

import danlu
from danlu.cli import main
from danlu.models.heads import Heads
from danlu.models.mixed import Mixed


def shop(folder: Path, rows: int = 200, *, alone: bool = False) -> Path:
    """Pictures light or dark, a number high or low: the first tells the class, both the price, which some lack."""
    draw = np.random.default_rng(0)
    (folder / "pics").mkdir(parents=True)
    lines = []
    for i in range(rows):
        light, high = bool(draw.integers(2)), bool(draw.integers(2))
        pixels = draw.integers(0, 100, (12, 12, 3)) + 120 * light
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "pics" / f"{i}.png")
        price = "" if i % 9 == 4 else round(20 * light + 10 * high * (not alone) + draw.normal(), 3)
        row = [f"pics/{i}.png", round(float(draw.normal(5 if high else -5)), 3), "xy"[int(draw.integers(2))]]
        lines.append([*(row[:1] if alone else row), "light" if light else "dark", price])
    names = ["photo", "size", "colour", "shade", "price"]
    with open(folder / "shop.csv", "w", newline="") as file:
        csv.writer(file).writerows([[n for n in names if not alone or n not in ("size", "colour")], *lines])
    return folder / "shop.csv"


@pytest.mark.parametrize("alone", [False, True], ids=["beside numbers", "an image alone"])
@pytest.mark.parametrize("cache", ["auto", "off"])
def test_both_heads_learn_and_answer_as_they_were_tested(tmp_path: Path, alone: bool, cache: str) -> None:
    path = shop(tmp_path, alone=alone)
    options: dict[str, Any] = {
        "epochs": 8,
        "lr": 0.005,
        "model": "cnn",
        "device": "cpu",
        "cache": cache,
        "batch_size": 16,
    }
    run = danlu.train(path, target="price,shade", run=tmp_path / "run", **options)
    assert isinstance(run.model, Heads) and isinstance(run.model.trunk, Mixed) is not alone
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pydict()
    assert run.metrics["test/shade/accuracy"] == pytest.approx(accuracy_score(rows["shade_truth"], rows["shade"]))
    assert run.metrics["test/shade/accuracy"] > 0.9
    pairs = np.array([(t, p) for t, p in zip(rows["price_truth"], rows["price"]) if t is not None])
    assert run.metrics["test/price/rmse"] == pytest.approx(root_mean_squared_error(*pairs.T), rel=1e-5)
    assert run.metrics["test/price/rmse"] < 0.7 * run.metrics["test/price/rmse_baseline"]
    answers = danlu.load(run.dir).predict(str(path))
    lines = list(csv.DictReader(path.open()))
    assert len(answers) == len(lines)
    seen = {str(name): (s, p) for name, s, p in zip(rows["row"], rows["shade"], rows["price"])}
    for name, (shade, price) in seen.items():
        one = answers[int(name.rpartition(":")[2]) - 2].heads
        assert one["shade"].label == shade and one["price"].value == pytest.approx(price, rel=1e-3, abs=1e-3)
    again = danlu.test(run.dir)
    assert again["test/price/rmse"] == pytest.approx(run.metrics["test/price/rmse"], rel=1e-5)
    assert not (run.dir / "log.txt").exists(), (run.dir / "log.txt").read_text()


def test_images_in_memory_and_in_their_files_train_alike(tmp_path: Path) -> None:
    path = shop(tmp_path, 80)
    options: dict[str, Any] = {"steps": 3, "model": "cnn", "device": "cpu", "batch_size": 16}
    runs = [
        danlu.train(path, target="shade,price", run=tmp_path / cache, cache=cache, **options)
        for cache in ("auto", "off")
    ]
    for one, other in zip(runs[0].model.state_dict().values(), runs[1].model.state_dict().values()):
        assert torch.equal(one, other)


def test_weights_of_an_image_model_go_into_the_trunk(tmp_path: Path) -> None:
    path = shop(tmp_path, 30)
    images = danlu.train(
        path, target="shade", ignore="size,colour,price", model="resnet18", steps=1, run=tmp_path / "a"
    )
    options: dict[str, Any] = {"model": "resnet18", "weights": str(images.dir), "freeze": "body", "steps": 2}
    run = danlu.train(path, target="shade,price", run=tmp_path / "b", **options)
    trunk = run.model.trunk.trunk
    same = [n for n, p in trunk.named_parameters() if torch.equal(p, images.model.get_parameter(n))]
    assert "conv1.weight" in same and not any(n.startswith("fc") for n in same)


class Own(nn.Module):
    """A model of the user's that asks for its parts by name."""

    def __init__(self) -> None:
        super().__init__()
        self.shade, self.price = nn.Linear(3, 2), nn.Linear(4, 1)

    def forward(self, photo: torch.Tensor, numbers: torch.Tensor) -> dict[str, torch.Tensor]:
        mean = photo.mean((2, 3))
        return {"shade": self.shade(mean), "price": self.price(torch.cat([mean, numbers], 1))}


def test_a_users_own_model_answers_for_both_heads(tmp_path: Path) -> None:
    path = shop(tmp_path, 120)
    run = danlu.train(path, target="shade,price", model=Own(), epochs=10, lr=0.05, run=tmp_path / "run")
    assert run.metrics["test/shade/accuracy"] > 0.9
    assert run.metrics["test/price/rmse"] < run.metrics["test/price/rmse_baseline"]


def test_images_stored_in_the_table_itself_have_heads_too(tmp_path: Path) -> None:
    lines = list(csv.DictReader(shop(tmp_path, 90, alone=True).open()))
    rows = [
        {"photo": {"bytes": (tmp_path / r["photo"]).read_bytes(), "path": r["photo"]}, "shade": r["shade"]}
        | {"price": float(r["price"]) if r["price"] else None}
        for r in lines
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "shop.parquet")
    options: dict[str, Any] = {"model": "cnn", "epochs": 3, "lr": 0.005, "batch_size": 16, "seed": 1}
    one = danlu.train(str(tmp_path / "shop.parquet"), target="shade,price", run=tmp_path / "one", **options)
    other = danlu.train(str(tmp_path / "shop.csv"), target="shade,price", run=tmp_path / "other", **options)
    assert [f.kind for f in one.predictor.schema.inputs] == ["image"]
    assert one.history[-1]["metrics"] == other.history[-1]["metrics"]  # the same pictures, the same split
    answers = one.predict(str(tmp_path / "shop.parquet"))
    assert main(["look", str(tmp_path / "shop.parquet"), "--target", "shade,price", "--quiet"]) == 0
    assert len(answers) == 90 and set(answers[0].heads) == {"shade", "price"}
    assert danlu.test(one.dir)["test/shade/accuracy"] == one.metrics["test/shade/accuracy"]
