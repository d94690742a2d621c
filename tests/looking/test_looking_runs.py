"""A run looked at: its own records and nothing else; a model: against counts by hand and torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import nn

import danlu
from danlu import models
from danlu.errors import DanluError
from danlu.looking import FoundModel, FoundRun


def run_of(path: str | Path) -> FoundRun:
    found = danlu.look(path).found
    assert isinstance(found, FoundRun)
    return found


def model_of(*args: object, **more: object) -> FoundModel:
    found = danlu.look(*args, **more).found  # type: ignore[arg-type]
    assert isinstance(found, FoundModel)
    return found


@pytest.fixture
def trained(penguins: Path, workdir: Path) -> Path:
    data = workdir / "birds.csv"
    shutil.copy(penguins, data)
    return danlu.train("birds.csv", target="species", epochs=3, lr=0.01, run="runs/birds").dir


def test_a_finished_run_is_told_from_its_records_without_its_data(trained: Path) -> None:
    Path("birds.csv").unlink()
    shutil.rmtree(trained / "checkpoints")
    shutil.rmtree(trained / "model")
    events = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    done = events[-1]["metrics"]
    found = run_of("runs/latest")
    assert run_of(trained / "run.toml") == found == run_of(trained)
    assert found.path == trained and found.state == "finished" and found.epochs == 3
    assert found.best == done["best_epoch"] and dict(found.metrics) == done
    assert dict(found.settings) == {"epochs": 3, "lr": 0.01, "target": "species"}
    epochs = [e["metrics"] for e in events if e["event"] == "epoch"]
    for curve in found.curves:
        assert list(curve.values) == [e[curve.name] for e in epochs]
    assert [c.name for c in found.curves] == ["train/loss", "val/loss", "val/accuracy"]
    assert dict(found.files)["run.toml"] == (trained / "run.toml").stat().st_size
    assert f"{100 * done['test/accuracy']:.1f} %" in str(found.sentences[0])
    assert [f["code"] for f in found.findings] == [e["code"] for e in events if e["event"] == "finding"]
    assert found.commands[-1] == "danlu resume runs/birds --epochs 6"


def test_looking_changes_nothing_in_the_run(trained: Path) -> None:
    def contents() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in trained.rglob("*") if p.is_file() and p.name != ".lock"}

    before = contents()
    danlu.look(trained)
    danlu.look(trained / "model")
    assert contents() == before


def test_a_run_that_stopped_says_how_to_go_on(trained: Path) -> None:
    lines = (trained / "metrics.jsonl").read_text().splitlines(keepends=True)
    epochs = [i for i, line in enumerate(lines) if '"epoch"' in line.split(",")[0]]
    (trained / "metrics.jsonl").write_text("".join(lines[: epochs[1] + 1]) + '{"event": "ep')  # killed while writing
    found = run_of(trained)
    assert found.state == "stopped" and found.epochs == 2 and found.metrics == {}
    assert found.commands == ("danlu resume runs/birds",)
    (trained / "metrics.jsonl").write_text("".join(lines[: epochs[0]]))
    assert run_of(trained).state == "empty"


def test_a_run_in_progress_is_told_as_such(trained: Path) -> None:
    from danlu import lock

    lines = (trained / "metrics.jsonl").read_text().splitlines(keepends=True)
    (trained / "metrics.jsonl").write_text("".join(line for line in lines if '"done"' not in line.split(",")[0]))
    lock.acquire(trained / ".lock", trained)
    try:
        found = run_of(trained)
    finally:
        lock.release(trained / ".lock")
    assert found.state == "training" and found.commands == ()


def test_a_run_folder_from_elsewhere_may_hold_anything(workdir: Path) -> None:
    folder = workdir / "evil"
    folder.mkdir()
    lines = [
        '{"event": "epoch", "metrics": [1, 2]}',
        "[1]",
        '"x"',
        '{"event": "start", "rows": 5, "model": "\\u001b[2Jevil", "parameters": "x", "task": ["a"]}',
        '{"event": "epoch", "epoch": 1, "metrics": {"train/loss": "nan", "val/loss": null}}',
        '{"event": "finding", "code": 7, "severity": "loud", "what": "\\u001b[31m"}',
        '{"event": "done", "metrics": 7}',
    ]
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "run.toml").write_text('data = "x.csv"\nchosen = 7\nepochs = "a\\u001b[2J"\n')
    looked = danlu.look(folder)
    assert "\x1b" not in str(looked)
    (folder / "run.toml").write_text("data = ")
    with pytest.raises(DanluError) as broken:
        danlu.look(folder)
    assert broken.value.code == "DL011"


def test_a_run_of_python_objects_is_used_from_python() -> None:
    x, y = torch.randn(60, 4), torch.arange(60) % 2
    run = danlu.train((x, y), model=nn.Linear(4, 2), epochs=1, run="runs/own")
    found = danlu.look(run).found
    assert isinstance(found, FoundRun) and found.commands == ("danlu.load('runs/own', model=model).predict(x)",)
    assert found.note == ""  # its layers are not to be had without the class


def test_what_a_run_was_given_is_shown_as_it_is_typed(penguins: Path, workdir: Path) -> None:
    (workdir / "mine.py").write_text("def right(prediction, target): return 0.5\n")
    settings = {"target": "species", "epochs": 1, "slice": ["sex", "island"], "class_weights": [1.0, 2.5, 1.0]}
    run = danlu.train(str(penguins), metrics="mine.py:right", run="runs/sliced", **settings)  # type: ignore[arg-type]
    looked = danlu.look(run)
    assert dict(looked.found.settings) == {"metrics": "mine.py:right", **settings}  # type: ignore[union-attr]
    shown = [line.split() for line in str(looked).splitlines()]
    assert ["slice", "sex,", "island"] in shown and ["metrics", "mine.py:right"] in shown
    assert ["class_weights", "1,", "2.5,", "1"] in shown
    own = danlu.train(str(penguins), target="species", epochs=1, model=Wide, check=False, run="runs/objects")
    settings = dict(run_of(own.dir).settings)
    assert settings["model"].endswith("Wide") and settings["check"] is False
    assert ["check", "false"] in [line.split() for line in str(danlu.look(own)).splitlines()]


class Wide(nn.Module):
    def __init__(self, num_classes: int = 3) -> None:
        super().__init__()
        self.head = nn.LazyLinear(num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(x)


# ---- models


class Small(nn.Module):
    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 5)
        self.head = nn.Linear(6 * 12 * 12, num_classes)
        self.conv.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(nn.functional.max_pool2d(self.conv(x).relu(), 2).flatten(1))


@pytest.mark.parametrize("given", [Small, Small(10)], ids=["class", "module"])
def test_layers_are_counted_as_by_hand(given: object) -> None:
    found = model_of(given)
    rows = {row.name: row for row in found.summary.rows}
    assert rows["conv"].shapes == (("", (1, 6, 24, 24)),) and rows["head"].shapes == (("", (1, 10)),)
    assert rows["conv"].parameters == 6 * 25 + 6 and rows["conv"].trainable == 0
    assert rows["head"].parameters == rows["head"].trainable == 864 * 10 + 10
    assert rows["conv"].flops == 2 * 25 * 6 * 24 * 24 and rows["head"].flops == 2 * 864 * 10
    assert found.summary.bytes == 4 * (156 + 8650)


@pytest.mark.parametrize(
    "name", [n for n in models.MODELS if n not in ("resnet50", "convnext_tiny", "resnet34", "mixed")]
)
def test_every_name_is_built_and_counted(name: str) -> None:
    found = model_of(name, size=None if name in ("tabular", "mlp") else 32)
    assert found.summary.parameters == sum(row.parameters for row in found.summary.rows) > 0
    assert found.commands and found.commands[0].endswith((f"--model {name}", "--size 32"))


def test_the_model_of_several_inputs_has_no_size_without_its_table() -> None:
    with pytest.raises(DanluError) as told:
        model_of("mixed", size=32)
    assert told.value.code == "DL272"


def test_resnet18_has_the_parameters_of_torchvisions() -> None:
    torchvision = pytest.importorskip("torchvision", reason="torchvision is an extra")
    theirs = torchvision.models.resnet18(num_classes=10)
    found = model_of("resnet18", size=224)
    assert found.summary.parameters == sum(p.numel() for p in theirs.parameters())
    assert found.summary.rows[-1].shapes == (("", (1, 10)),)


def test_a_sample_decides_the_shapes_and_the_model_stays_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = model_of(model, torch.randn(7, 4))
    assert found.summary.rows[0].shapes == (("", (7, 3)),) and found.summary.samples == 7
    assert model_of(model, sample=torch.randn(5, 4)).summary.samples == 5
    model_of(model)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_models_folder_shows_what_was_trained(trained: Path) -> None:
    found = model_of(trained / "model")
    predictor = danlu.load(trained)
    assert found.summary.parameters == sum(p.numel() for p in predictor.module.parameters())
    assert model_of(trained, kind="model").summary.rows == found.summary.rows
    assert model_of(predictor).summary.rows == found.summary.rows
    assert danlu.look(trained).found.note[0].endswith(f"danlu look {trained / 'model'}")  # type: ignore[union-attr]


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 2), nn.Linear(5, 2)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return self.a(a) + self.b(b)


def test_a_model_that_cannot_be_guessed_asks_for_a_sample() -> None:
    with pytest.raises(DanluError) as asked:
        danlu.look(Two())
    assert asked.value.code == "DL349" and "sample=" in asked.value.fix
    found = model_of(Two(), sample=(torch.zeros(2, 4), torch.zeros(2, 5), torch.zeros(2)))
    assert found.summary.flops == 2 * 2 * 2 * (4 + 5)
    with pytest.raises(DanluError) as wrong:
        danlu.look(Two(), sample=(torch.zeros(2, 9), torch.zeros(2, 5), torch.zeros(2)))
    assert wrong.value.code == "DL349"


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (nn.LSTM(5, 7), (1, 32, 7)),
        (nn.Sequential(nn.Embedding(100, 8), nn.Flatten(), nn.LazyLinear(3)), (1, 3)),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 10)), (1, 10)),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Flatten()), (1, 378)),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)), (1, 2)),
    ],
    ids=["lstm", "embedding", "mlp", "conv1d", "conv2d"],
)
def test_inputs_are_guessed_from_the_first_layer(model: nn.Module, shape: tuple[int, ...]) -> None:
    assert model_of(model).summary.rows[0].shapes[0][1] == shape


# ---- which of the three


def test_what_is_meant_is_told_where_it_could_be_another(workdir: Path) -> None:
    from PIL import Image

    for name in ("a", "b"):
        (workdir / "resnet18" / name).mkdir(parents=True)
        Image.new("L", (8, 8), 7).save(workdir / "resnet18" / name / "0.png")
    looked = danlu.look("resnet18")
    assert looked.what == "data" and "--kind model" in str(looked)
    assert danlu.look("resnet18", kind="model").what == "model"
    (workdir / "photos" / "model").mkdir(parents=True)
    Image.new("L", (8, 8), 7).save(workdir / "photos" / "model" / "0.png")
    assert danlu.look("photos").what == "data"  # a class named "model" makes no run


@pytest.mark.parametrize(
    ("given", "kind", "code", "says"),
    [
        ("brids.csv", None, "DL150", "birds.csv"),
        ("resnet81", None, "DL270", "resnet18"),
        ("birds.csv", "modl", "DL348", "model"),
        ("birds.csv", "run", "DL400", "danlu train DATA"),
        ("runs/latest", None, "DL400", "danlu train DATA"),
        ("my.py:Nte", None, "DL022", "my.py:Net"),
        ("timm/no_such_model", None, "DL270", "timm/"),
    ],
)
def test_mistakes_say_what_is_nearest(given: str, kind: str | None, code: str, says: str, workdir: Path) -> None:
    (workdir / "birds.csv").write_text("a,label\n1,x\n")
    (workdir / "my.py").write_text("class Net: pass\n")
    if given.startswith("timm"):
        pytest.importorskip("timm", reason="timm is an extra")
    with pytest.raises(DanluError) as mistaken:
        danlu.look(given, kind=kind)
    assert mistaken.value.code == code and says in mistaken.value.fix
