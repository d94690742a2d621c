"""The verbs, from a user's own data to a prediction, in every form data, models and losses may have."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)

import danlu


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Models made in a test begin alike each time."""
    torch.manual_seed(0)


QUICK: dict[str, Any] = {"epochs": 4, "precision": "fp32", "batch_size": 16}


def blobs(rows: int = 160, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Classes that a linear model tells apart."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % classes
    centres = 4 * torch.randn(classes, 6, generator=generator)
    return centres[y] + torch.randn(rows, 6, generator=generator), y


class Net(nn.Module):
    def __init__(self, in_features: int = 6, num_classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(in_features, 16), nn.ReLU(), nn.Linear(16, num_classes))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out


class Own(Dataset[tuple[Tensor, int]]):
    def __init__(self) -> None:
        self.x, self.y = blobs()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.x[i], int(self.y[i])


class Stream(IterableDataset[tuple[Tensor, Tensor]]):
    def __iter__(self) -> Any:
        return iter(zip(*blobs()))


@pytest.mark.parametrize(
    "data",
    [
        blobs(),
        tuple(t.numpy() for t in blobs()),
        TensorDataset(*blobs()),
        Own(),
        DataLoader(Own(), batch_size=8, shuffle=True, drop_last=True),
    ],
    ids=["tensors", "arrays", "TensorDataset", "Dataset", "DataLoader"],
)
def test_every_kind_of_rows_trains_a_users_model(data: Any) -> None:
    settings = {k: v for k, v in QUICK.items() if k != "batch_size"}
    model = Net()
    run = danlu.train(data, TensorDataset(*blobs()), model=model, lr=0.02, **settings)
    assert run.metrics["test/accuracy"] > 0.9 > run.metrics["test/accuracy_baseline"]
    assert run.metrics["test/accuracy_low"] <= run.metrics["test/accuracy"] <= run.metrics["test/accuracy_high"]
    assert run.metrics["test/accuracy_linear"] > 0.9 and len(run.metrics["test/classes"]) == 3
    assert run.model is model and not model.training
    answers = run.predict(blobs()[0][:5])
    assert [a.label for a in answers] == ["0", "1", "2", "0", "1"]
    again = danlu.load(run.dir, model=Net)
    assert [a.scores for a in again.predict(blobs()[0][:5].numpy())] == [a.scores for a in answers]


def test_an_iterable_dataset_trains() -> None:
    run = danlu.train(Stream(), val=TensorDataset(*blobs()), model=Net(), lr=0.02, **QUICK)
    assert run.history[-1]["metrics"]["val/accuracy"] > 0.9


def test_the_model_ends_with_the_saved_weights_of_the_best_epoch() -> None:
    x, y = blobs()
    model = Net()
    run = danlu.train((x, y), val=(x, y), model=model, epochs=4, lr=0.05, batch_size=16)
    best = max(run.history, key=lambda e: (e["metrics"]["val/accuracy"], -e["metrics"]["val/loss"]))
    assert run.best_epoch == best["epoch"]
    with torch.inference_mode():
        loss = nn.CrossEntropyLoss()(model(x), y)
    assert float(loss) == pytest.approx(best["metrics"]["val/loss"], abs=1e-6)
    saved = danlu.load_weights(run.dir / "model" / "weights.safetensors")
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())


def test_a_table_from_file_to_named_predictions(tmp_path: Path, penguins: Path) -> None:
    run = danlu.train(str(penguins), target="species", epochs=5)
    assert run.metrics["test/accuracy"] > 0.8
    frame = pd.read_csv(penguins)
    rows = danlu.load(run.dir).predict(frame.drop(columns="species").iloc[[0, 200]])
    assert [r.label for r in rows] == list(frame.species.iloc[[0, 200]])
    assert sum(rows[0].scores.values()) == pytest.approx(1)
    row = {"island": "Torgersen", "bill_length_mm": 39.1, "bill_depth_mm": 18.7, "flipper_length_mm": 181}
    one = danlu.load(run.dir).predict({**row, "body_mass_g": 3750, "sex": "male", "year": 2007})
    assert one[0].label == "Adelie"
    table = pq.read_table(run.dir / "predictions.parquet")
    assert table.num_rows == run.metrics["test/rows"]
    right = sum(t == p for t, p in zip(table["truth"].to_pylist(), table["prediction"].to_pylist()))
    assert right / table.num_rows == pytest.approx(run.metrics["test/accuracy"])
    assert danlu.test(run.dir)["test/accuracy"] == run.metrics["test/accuracy"]
    assert danlu.test(run.dir, str(penguins))["test/rows"] == 344


def photos(folder: Path, size: int = 12) -> Path:
    """Three classes of photographs: one colour each, with noise."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(["红", "green", "blue"]):
        (folder / name).mkdir(parents=True)
        for i in range(30):
            pixels = rng.integers(0, 90, (size, size, 3))
            pixels[..., k] += 120
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_photos_kept_in_memory_and_read_every_epoch_train_the_same_bits(tmp_path: Path) -> None:
    folder = str(photos(tmp_path / "photos"))
    kept, read = (danlu.train(folder, epochs=3, cache=cache, run=f"r-{cache}") for cache in ("auto", "off"))
    assert all(map(torch.equal, kept.model.state_dict().values(), read.model.state_dict().values()))
    assert Path("r-auto/predictions.parquet").read_bytes() == Path("r-off/predictions.parquet").read_bytes()
    assert [e["metrics"]["val/loss"] for e in kept.history] == [e["metrics"]["val/loss"] for e in read.history]


def test_a_folder_of_photos_from_train_to_predict(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    run = danlu.train(str(folder), epochs=4, precision="fp32")
    assert run.metrics["test/accuracy"] > 0.8
    files = [str(folder / "红" / "3.png"), str(folder / "blue" / "4.png")]
    assert [a.label for a in run.predict(files)] == ["红", "blue"]
    broken = folder / "green" / "broken.png"
    broken.write_bytes(b"no image")
    out = tmp_path / "out.csv"
    bad = danlu.api.predict_files(run.dir, [files[0], str(broken), files[1]], out)
    assert [b.where for b in bad] == [str(broken)]
    with open(out, encoding="utf-8-sig") as file:
        assert [row["prediction"] for row in csv.DictReader(file)] == ["红", "blue"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_predictions_keep_their_order_in_every_format(tmp_path: Path, penguins: Path, suffix: str) -> None:
    run = danlu.train(str(penguins), target="body_mass_g", epochs=1, on_bad="skip", bad_limit=0.01)
    assert run.metrics["test/rmse_baseline"] > 0
    out = tmp_path / f"out{suffix}"
    danlu.api.predict_files(run.dir, str(penguins), out)
    frame = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[suffix](
        out
    )
    expected = danlu.load(run.dir).predict(str(penguins))
    assert np.allclose(frame["prediction"], [a.value for a in expected])
    assert list(frame["input"]) == [f"{penguins}:{i + 2}" for i in range(344)]


LOSSES = [
    ("CrossEntropyLoss", None),
    (nn.CrossEntropyLoss(label_smoothing=0.1), None),
    (lambda output, target: nn.functional.cross_entropy(output, target), None),
    (lambda output, target: (nn.functional.cross_entropy(output, target, reduction="sum"), len(target)), None),
]


@pytest.mark.parametrize("loss", [loss for loss, _ in LOSSES], ids=["name", "module", "mean", "sum and weight"])
def test_every_kind_of_loss(loss: Any) -> None:
    run = danlu.train(blobs(), val=blobs(), model=Net(), loss=loss, lr=0.02, **QUICK)
    assert run.metrics["val/accuracy"] > 0.9


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.size = nn.Linear(6, 16), nn.Linear(16, 3), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).relu()
        return {"kind": self.kind(h), "size": self.size(h)[:, 0]}


class TwoTargets(Own):
    def __getitem__(self, i: int) -> Any:
        return self.x[i], {"kind": int(self.y[i]), "size": self.x[i].sum()}


def test_two_heads_with_two_losses() -> None:
    model = TwoHeads()
    losses = {"kind": "CrossEntropyLoss", "size": (nn.MSELoss(), 0.1)}
    run = danlu.train(TwoTargets(), model=model, loss=losses, lr=0.02, epochs=3, precision="fp32")
    first, last = run.history[0]["metrics"]["val/loss"], run.history[-1]["metrics"]["val/loss"]
    assert last < first
    x, y = blobs()
    assert (model(x)["kind"].argmax(1) == y).float().mean() > 0.9


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd", "muon", "RMSprop", "factory", "instance"])
def test_every_kind_of_optimizer(optimizer: Any) -> None:
    model = Net()
    made = {
        "factory": lambda params: torch.optim.Adam(params, lr=0.02),
        "instance": torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    }.get(optimizer, optimizer)
    settings = QUICK if optimizer in ("factory", "instance") else {**QUICK, "lr": 0.02}
    run = danlu.train(blobs(), val=blobs(), model=model, optimizer=made, **settings)
    assert run.metrics["val/accuracy"] > 0.9


def test_a_returned_loss_is_used() -> None:
    class WithLoss(Net):
        def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:  # type: ignore[override]
            logits = self.body(x)
            loss = nn.functional.cross_entropy(logits, labels) if labels is not None else None
            return {"loss": loss, "logits": logits}

    class Named(Own):
        def __getitem__(self, i: int) -> Any:
            return {"x": self.x[i], "labels": int(self.y[i])}

    run = danlu.train(Named(), model=WithLoss(), lr=0.02, **QUICK)
    assert run.history[-1]["metrics"]["val/loss"] < run.history[0]["metrics"]["train/loss"]


def test_lr_auto_time_and_class_weights_and_smoothing() -> None:
    run = danlu.train(
        blobs(), val=blobs(), model=Net(), lr="auto", time=1.5, class_weights="balanced", label_smoothing=0.1
    )
    chosen = (run.dir / "run.toml").read_text()
    assert "lr = " in chosen and "total_steps = " in chosen
    assert run.metrics["val/accuracy"] > 0.9


def test_bf16_trains() -> None:
    run = danlu.train(blobs(), val=blobs(), model=Net(), lr=0.02, epochs=2, precision="bf16")
    assert run.metrics["val/accuracy"] > 0.9
    assert all(p.dtype == torch.float32 for p in run.model.parameters())


def losses(run: danlu.Run) -> list[float]:
    events = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    return [e["loss"] for e in events if e["event"] == "step"]


def test_the_same_seed_gives_the_same_loss_curve_bit_for_bit(digits: Path) -> None:
    first, again, other = (danlu.train(str(digits), steps=40, precision="fp32", seed=seed) for seed in (11, 11, 12))
    assert len(losses(first)) == 40
    assert losses(first) == losses(again) != losses(other)


def test_a_finished_run_is_trained_further_with_a_fresh_schedule(penguins: Path, capsys: Any) -> None:
    run = danlu.train(str(penguins), target="species", epochs=2, run="r", precision="fp32")
    steps = run.history[-1]["step"]
    more = danlu.resume("r", epochs=5)
    assert [e["epoch"] for e in more.history] == [1, 2, 3, 4, 5]
    assert more.history[-1]["step"] == steps // 2 * 5
    assert "fresh schedule" in capsys.readouterr().err
    again = danlu.resume("r")
    assert again.metrics == more.metrics


def test_another_command_on_the_same_folder_is_refused(penguins: Path) -> None:
    danlu.train(str(penguins), target="species", epochs=1, run="r")
    with pytest.raises(danlu.DanluError, match="DL311") as caught:
        danlu.train(str(penguins), target="species", epochs=3, run="r")
    assert "danlu resume r --epochs 3" in caught.value.fix
    with pytest.raises(danlu.DanluError, match="DL311"):
        danlu.resume("r", lr=0.5)


def test_runs_from_python_objects_say_how_they_go_on() -> None:
    run = danlu.train(blobs(), model=Net(), run="own", **QUICK)
    with pytest.raises(danlu.DanluError, match="DL312") as caught:
        danlu.resume(run.dir)
    assert "run='own'" in caught.value.fix
    with pytest.raises(danlu.DanluError, match="DL314"):
        danlu.load(run.dir)


def test_predicting_on_what_the_command_line_names(tmp_path: Path, digits: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))\n"
        "data = TensorDataset(x, (x.sum(1) > 0).long())\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.l = torch.nn.Linear(6, 2)\n"
        "    def forward(self, x):\n        return self.l(x)\n"
    )
    run = danlu.train(f"{own}:data", model=f"{own}:Net", epochs=2, run="mine")
    assert Path("runs/latest").resolve() == Path("mine").resolve() and not Path("latest").exists()
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(danlu.DanluError, match="DL314") as caught:
        danlu.load(run.dir)
    assert f"--model {own}:Net" in caught.value.fix
    predictor = danlu.load(run.dir, model=f"{own}:Net")
    by_file, by_array = predictor.predict([str(tmp_path / "x.npy")]), predictor.predict(x)
    assert [a.scores for a in by_file] == [a.scores for a in by_array]
    assert len(predictor.predict([f"{own}:data"])) == 64
    with pytest.raises(danlu.DanluError, match="DL150"):
        predictor.predict([str(tmp_path / "nothere.npy")])


def test_predicting_on_an_mnist_folder_and_on_a_missing_table(digits: Path, penguins: Path) -> None:
    images = danlu.train(str(digits), steps=5, precision="fp32")
    assert len(danlu.load(images.dir).predict(str(digits))) == 1797
    table = danlu.train(str(penguins), target="species", epochs=1)
    with pytest.raises(danlu.DanluError, match="DL150"):
        danlu.load(table.dir).predict(["nothere.csv"])


def held_out(train: Any, val: Any) -> list[tuple[int, float]]:
    """Every validation batch's rows and mean as the model got them."""
    seen: list[tuple[int, float]] = []

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            if not self.training:
                seen.append((len(x), float(x.mean())))
            return self.layer(x)

    danlu.train(train, val=val, model=Net(), loss="CrossEntropyLoss", epochs=1, check=False, device="cpu")
    return seen


def test_a_val_loader_keeps_its_own_rows_and_collate() -> None:
    x = torch.arange(40.0)[:, None].expand(40, 3).contiguous()
    rows = TensorDataset(x, (x[:, 0] > 20).long())
    calls: list[str] = []

    def mixing(samples: list[Any]) -> Any:
        calls.append("train")
        a, y = default_collate(samples)
        return a + 1000, y

    def plain(samples: list[Any]) -> Any:
        calls.append("val")
        return default_collate(samples)

    picked = SubsetRandomSampler([3, 5, 37])
    train = DataLoader(rows, batch_size=8, sampler=SubsetRandomSampler(range(30)), collate_fn=mixing)
    expected = [(3, 15.0)]
    assert held_out(train, DataLoader(rows, batch_size=8, sampler=picked))[-1:] == expected
    assert calls
    assert set(calls) == {"train"}
    assert held_out(train, DataLoader(rows, batch_size=8, sampler=picked, collate_fn=plain))[-1:] == expected
    assert set(calls) == {"train", "val"}
    assert held_out(train, DataLoader(rows, batch_sampler=BatchSampler(picked, 8, False)))[-1:] == expected


def test_a_val_loader_with_a_sampler_of_its_own_is_read_in_its_order() -> None:
    x = torch.arange(40.0)[:, None].expand(40, 3).contiguous()
    rows = TensorDataset(x, (x[:, 0] > 20).long())

    class Every4th(Sampler[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(range(0, 40, 4))

        def __len__(self) -> int:
            return 10

    seen = held_out(rows, DataLoader(rows, batch_size=4, sampler=Every4th()))
    assert seen[-1] == (10, sum(range(0, 40, 4)) / 10)


def test_a_table_model_says_that_it_answers_from_columns(tmp_path: Path) -> None:
    rows = [f"{i / 10},{i % 7},{'yes' if i > 30 else 'no'}" for i in range(60)]
    Path("t.csv").write_text("\n".join(["a,b,label", *rows]))
    run = danlu.train("t.csv", epochs=1)
    Image.new("RGB", (8, 8)).save("x.png")
    with pytest.raises(danlu.DanluError, match="a, b") as caught:
        danlu.api.predict_files(run.dir, "x.png")
    assert caught.value.code == "DL183"


@pytest.mark.parametrize("kind", ["mlp", "class", "file:class", "file:instance"])
def test_what_was_drawn_before_does_not_reach_the_first_weights(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()

    class Net(torch.nn.Linear):
        def __init__(self) -> None:
            super().__init__(4, 2)

    ends = []
    for state in (1, 2):
        lines = [
            "import torch",
            "class Net(torch.nn.Linear):",
            "    def __init__(self):",
            "        super().__init__(4, 2)",
        ]
        source = "\n".join([*lines, f"net = Net()  # {state}"])
        Path(f"net{state}.py").write_text(source)
        model = {"mlp": "mlp", "class": Net, "file:class": f"net{state}.py:Net", "file:instance": f"net{state}.py:net"}
        torch.manual_seed(state)
        run = danlu.train((x, y), model=model[kind], epochs=1, run=f"r{state}")
        ends.append(run.model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(ends[0].values(), ends[1].values()))


def test_a_finished_run_does_not_say_that_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    danlu.train((x, (x[:, 0] > 0).long()), model="mlp", epochs=1, run="r", lang="en")
    capsys.readouterr()
    danlu.train((x, (x[:, 0] > 0).long()), model="mlp", epochs=1, run="r", lang="en")
    told = capsys.readouterr().err
    assert "trained to its end (step 2)" in told and "going on" not in told
