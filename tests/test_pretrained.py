"""Trained weights laid into a model: what is taken, what stays random, what is refused, and what a run makes of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import danlu
from danlu.errors import DanluError
from danlu.models import build, library
from danlu.models.library import Expected
from danlu.pretrained import Pretrained, fill_in, find

CLASSES = ("a", "b", "c")
QUICK: dict[str, Any] = {"epochs": 1, "precision": "fp32", "batch_size": 8, "size": 32}


def resnet(outputs: int = 3, channels: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build("resnet18", {"channels": channels, "outputs": outputs, "small": True})


def of(tensors: dict[str, Tensor], classes: tuple[str, ...] = ()) -> Pretrained:
    return Pretrained("file.pth", tensors, None, "", classes)


class Net(nn.Module):
    def __init__(self, num_classes: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.linear = nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear(torch.relu(self.bn1(self.conv1(x))).mean((2, 3)))
        return out


def coloured(folder: Path, classes: int = 2, each: int = 12, mode: str = "RGB") -> str:
    """Pictures whose class is their brightness."""
    draw = np.random.default_rng(0)
    for k in range(classes):
        (folder / f"k{k}").mkdir(parents=True)
        for i in range(each):
            pixels = draw.integers(60 * k, 60 * k + 80, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(mode).save(folder / f"k{k}" / f"{i}.png")
    return str(folder)


# ---- into a model


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "_orig_mod.module.", "backbone.net."])
def test_all_but_the_head_is_taken_whatever_wrapped_the_names(prefix: str) -> None:
    theirs = resnet(outputs=1000, seed=1).state_dict()
    model = resnet()
    head = model.fc.weight.clone()  # type: ignore[union-attr, operator]
    filled = fill_in(model, of({prefix + name: t for name, t in theirs.items()}), CLASSES)
    own = model.state_dict()
    assert all(torch.equal(own[name], theirs[name]) for name in own if not name.startswith("fc."))
    assert torch.equal(own["fc.weight"], head)
    assert (filled.taken, filled.all, filled.head) == (len(own) - 2, len(own), "shape")
    assert filled.new == {"fc.weight", "fc.bias"}
    told = filled.choice("file.pth")
    assert told.value == "120 of 122 tensors" and "fc.weight float32 (1000, 512) → float32 (3, 512)" in told.why


def test_a_head_of_the_same_size_is_kept_only_for_the_same_classes() -> None:
    theirs = resnet(seed=1).state_dict()
    for classes, kept in ((("a", "b", "c"), True), (("a", "c", "b"), False), ((), False)):
        model = resnet()
        filled = fill_in(model, of(theirs, classes), CLASSES)
        assert torch.equal(model.state_dict()["fc.weight"], theirs["fc.weight"]) == kept
        assert filled.head == ("kept" if kept else "unknown")
        assert bool(filled.new) != kept


def test_files_from_before_batches_were_counted() -> None:
    theirs = {k: t for k, t in resnet(seed=1).state_dict().items() if not k.endswith("num_batches_tracked")}
    filled = fill_in(resnet(), of(theirs), CLASSES)
    assert filled.taken == filled.all - 2 and "num_batches" not in filled.choice("x").why


def test_half_precision_is_widened_and_unknown_names_are_counted() -> None:
    theirs = {k: t.half() if t.is_floating_point() else t for k, t in resnet(seed=1).state_dict().items()}
    model = resnet()
    told = fill_in(model, of(theirs | {"ema.decay": torch.ones(1)}), CLASSES).choice("file.pth")
    assert model.state_dict()["conv1.weight"].dtype == torch.float32
    assert torch.equal(model.state_dict()["conv1.weight"], theirs["conv1.weight"].float())
    assert "ema.decay" in told.why


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_equal_channels_give_what_three_equal_colours_gave(channels: int) -> None:
    trained = resnet(seed=1).eval()
    model = resnet(channels=channels, seed=2)
    filled = fill_in(model, of(trained.state_dict()), CLASSES)
    assert filled.channels == ("conv1.weight",) and "conv1.weight" not in filled.new
    grey = torch.rand(2, 1, 16, 16)
    with torch.inference_mode():
        found = model.conv1(grey.expand(-1, channels, -1, -1))  # type: ignore[operator]
        truth = trained.conv1(grey.expand(-1, 3, -1, -1))  # type: ignore[operator]
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)


def test_weights_of_another_model_are_refused_and_change_nothing() -> None:
    model = resnet()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(DanluError) as error:
        fill_in(model, of(Net().state_dict()), CLASSES)
    assert error.value.code == "DL284"
    assert "linear.weight" in error.value.why or "conv1" in error.value.why
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())


def test_positions_of_a_vit_are_brought_to_its_size() -> None:
    sizes = {"size": [224, 224], "patch": 16}
    theirs = build("vit_tiny", {"channels": 3, "outputs": 1000, **sizes}).state_dict()
    model = build("vit_tiny", {"channels": 3, "outputs": 3, "size": [128, 96], "patch": 16})
    filled = fill_in(model, of(theirs), CLASSES)
    assert filled.new == {"head.weight", "head.bias"}


# ---- found


def test_what_is_found_where(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    danlu.save_weights(resnet(1000), "imagenet.safetensors")
    danlu.save_weights(resnet(3), "other.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in Net().state_dict().items()}, "epoch": 3}, "net.th")
    imagenet = find("resnet18", "imagenet.safetensors")
    assert imagenet is not None and imagenet.expected == Expected((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224)
    for model, path in (("resnet18", "other.pth"), (Net, "net.th"), (Net(), "net.th"), (Net, "imagenet.safetensors")):
        found = find(model, path)
        assert found is not None and found.expected is None
    assert find("resnet18", None) is None
    monkeypatch.setattr(library, "hub_tensors", lambda name: {"name": name})
    pytest.importorskip("torchvision")
    assert find("resnet18", "default").source == "torchvision/resnet18"  # type: ignore[union-attr]
    found = find("torchvision/efficientnet_b1", "default")
    assert found is not None and found.expected is not None and found.expected.size == 240


@pytest.mark.parametrize(
    ("model", "weights", "code"),
    [
        ("cnn", "default", "DL283"),
        (Net, "default", "DL283"),
        (None, "x.pth", "DL285"),
        ("resnet18", "nothing.pth", "DL422"),
        ("resnet18", ".", "DL424"),
    ],
)
def test_what_cannot_be_found_is_said(model: Any, weights: str, code: str) -> None:
    with pytest.raises(DanluError) as error:
        find(model, weights)
    assert error.value.code == code and error.value.fix


# ---- in a run


def choices(run: Path) -> dict[str, dict[str, Any]]:
    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {e["what"]: e for e in events if e["event"] == "choice"}


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_librarys_model_is_fine_tuned_loaded_and_tested_without_its_file(workdir: Path, mode: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    data = coloured(workdir / "photos", mode=mode)
    theirs = torchvision.models.squeezenet1_1().state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.items()}}, "squeeze.pth")
    settings = {**QUICK, "freeze": "body", "run": "run", "weights": "squeeze.pth"}
    run = danlu.train(data, model="torchvision/squeezenet1_1", **settings)
    own = run.model.state_dict()
    body = [k for k in own if not k.startswith(("classifier.1", "features.0"))]
    assert len(body) == 48 and all(torch.equal(own[k], theirs[k]) for k in body)
    field = run.predictor.schema.inputs[0]  # type: ignore[union-attr]
    assert field.mean == pytest.approx((0.485, 0.456, 0.406) if mode == "RGB" else (0.449,))
    assert field.std == pytest.approx((0.229, 0.224, 0.225) if mode == "RGB" else (0.226,))
    told = choices(run.dir)
    assert told["weights"]["value"] == "50 of 52 tensors" and told["head"]["value"] == "classifier.1"
    assert "usually trained" in told["normalise"]["why"] and "body_lr" not in told
    Path("squeeze.pth").unlink()
    loaded = danlu.load("run")
    photo = str(workdir / "photos" / "k1" / "0.png")
    assert loaded.predict([photo]) == run.predict([photo])
    tested = danlu.test("run")
    assert {k: tested[k] for k in tested if k != "test/baseline"} == {
        k: v for k, v in run.metrics.items() if k in tested and k != "test/baseline"
    }


def test_photos_are_as_large_as_the_weights_expect_unless_size_is_given(workdir: Path) -> None:
    data = coloured(workdir / "photos", each=4)
    danlu.save_weights(resnet(1000), "imagenet.safetensors")
    settings = {**QUICK, "freeze": "body", "weights": "imagenet.safetensors", "model": "resnet18", "steps": 1}
    settings = {k: v for k, v in settings.items() if k not in ("size", "epochs")}
    run = danlu.train(data, run="run", **settings)
    assert run.predictor.schema.inputs[0].shape == (3, 224, 224)  # type: ignore[union-attr]
    assert choices(run.dir)["size"]["why"].startswith("what the weights were trained on")
    assert danlu.test("run")["test/rows"] == run.metrics["test/rows"]
    given = danlu.train(data, size=16, **settings)
    assert given.predictor.schema.inputs[0].shape == (3, 16, 16)  # type: ignore[union-attr]


def test_a_users_class_begins_with_a_file_and_keeps_its_datas_scale(workdir: Path) -> None:
    (workdir / "net.py").write_text(SOURCE)
    data = coloured(workdir / "photos")
    torch.manual_seed(5)
    theirs = Net(num_classes=10).state_dict()
    torch.save({"state_dict": {f"module.{k}": v for k, v in theirs.items()}, "best_prec1": 91.7}, "net.th")
    plain = danlu.train(data, model="net.py:Net", **QUICK)
    run = danlu.train(data, model="net.py:Net", weights=Path("net.th"), freeze="body", run="run", **QUICK)  # type: ignore[arg-type]
    assert all(torch.equal(run.model.state_dict()[k], theirs[k]) for k in theirs if not k.startswith("linear"))
    assert run.predictor.schema == plain.predictor.schema  # type: ignore[union-attr]
    assert "do not tell" in choices(run.dir)["normalise"]["why"]
    assert danlu.load("run", model="net.py:Net").predict([data + "/k0/0.png"])[0].label in ("k0", "k1")


def test_a_users_dataset_is_left_alone_and_told_what_the_weights_expect(workdir: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    danlu.save_weights(torchvision.models.squeezenet1_1(), "squeeze.pth")

    class Own(torch.utils.data.Dataset[tuple[Tensor, int]]):
        classes = ("a", "b")

        def __len__(self) -> int:
            return 24

        def __getitem__(self, i: int) -> tuple[Tensor, int]:
            return torch.full((3, 32, 32), i / 24), i % 2

    rows = Own()
    settings = {k: v for k, v in QUICK.items() if k != "size"}
    run = danlu.train(rows, model="torchvision/squeezenet1_1", weights="squeeze.pth", run="run", **settings)
    told = choices(run.dir)["normalise"]
    assert told["value"] == "as without weights" and "0.485" in told["why"]
    assert not run.predictor.schema.inputs[0].mean  # type: ignore[union-attr]


SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, num_classes=2):
        super().__init__()
        self.conv1, self.bn1, self.linear = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, num_classes)

    def forward(self, x):
        return self.linear(torch.relu(self.bn1(self.conv1(x))).mean((2, 3)))
"""


def test_a_run_is_gone_on_from_with_its_scale_and_its_head_for_the_same_classes(workdir: Path) -> None:
    first = coloured(workdir / "first")
    more = coloured(workdir / "more")
    other = coloured(workdir / "other", classes=3)
    one = danlu.train(first, model="cnn", run="one", **QUICK)
    run = danlu.train(more, model="cnn", weights="one", lr=1e-12, run="same", **QUICK)
    assert run.predictor.schema.inputs[0].mean == one.predictor.schema.inputs[0].mean  # type: ignore[union-attr]
    for a, b in zip(one.model.parameters(), run.model.parameters()):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-9)
    assert "the same 2 classes" in choices(run.dir)["head"]["why"]
    changed = danlu.train(other, model="cnn", weights="one", run="other_run", **QUICK)
    assert choices(changed.dir)["head"]["value"] == "head"
    assert choices(changed.dir)["body_lr"]["value"] == "0.1"


def test_a_run_that_stopped_goes_on_with_the_same_weights_file(workdir: Path) -> None:
    data = coloured(workdir / "photos")
    danlu.save_weights(resnet(3), "w.pth")
    settings = {**QUICK, "model": "resnet18", "weights": "w.pth", "freeze": 1, "size": 16}
    danlu.train(data, run="run", **settings)
    danlu.resume("run", epochs=2)
    shutil.copytree("run", "copy")
    Path("w.pth").unlink()
    with pytest.raises(DanluError) as error:
        danlu.resume("copy", epochs=3)
    assert error.value.code == "DL422" and "w.pth" in str(error.value)
