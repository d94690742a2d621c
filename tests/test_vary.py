"""When images are varied and mirrored: by what they show, how often they are seen, never where a model is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import danlu
from danlu.choose import Decisions
from danlu.data import load_data
from danlu.data.columns import Columns
from danlu.data.prepare import prepare
from danlu.device import kept_randomness
from danlu.plan import Asked, make_plan
from danlu.settings import Settings
from danlu.types import Choice, Field, Schema
from danlu.vary import choose_augment, mirror_question


def signs(rows: int, *, sided: bool) -> tuple[Tensor, Tensor]:
    """Noisy pictures (N, 3, 16, 16) of two classes: bright at the left or the right, or at the top or the bottom."""
    g = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % 2
    x = torch.randint(0, 120, (rows, 3, 16, 16), generator=g)
    for i, k in enumerate(y.tolist()):
        part = slice(0, 8) if k == 0 else slice(8, 16)
        place = (i, slice(None), slice(None), part) if sided else (i, slice(None), part)
        x[place] += 60
    return x.to(torch.uint8), y


def schema_of(x: Tensor, classes: int = 2) -> Schema:
    field = Field("x", "image", "input", shape=tuple(x.shape[1:]), dtype="uint8", mean=(0.4,) * 3, std=(0.2,) * 3)
    names = tuple(map(str, range(classes)))
    return Schema((field, Field("y", "category", "target", classes=names)), "classification", "image", "arrays")


def chosen(x: Tensor, y: Tensor, passes: float = 10, **settings: Any) -> str | None:
    data = load_data((x, y), None, None, Settings(), layout="columns", own_model=False)
    told: list[Choice] = []
    made = Decisions({}, told.append)
    found = choose_augment(Settings(**settings), data, data.schema, passes, made)
    assert (found is None) == (made.made.get("augment", "off") == "off")
    assert all(choice.what == "augment" and choice.why for choice in told)
    return made.made.get("augment")


def test_pictures_that_differ_by_left_and_right_are_not_mirrored() -> None:
    assert chosen(*signs(200, sided=True)) == "zoom"
    assert chosen(*signs(200, sided=False)) == "zoom+mirror"


def test_the_mirror_question_counts_right_answers_to_pictures_and_mirrors() -> None:
    x, y = signs(100, sided=True)
    schema = schema_of(x)
    found = mirror_question(Columns((x, y), prepare=prepare(schema)), schema)
    assert found.rows == 100 and found.plain >= 95 and found.mirrored <= 5 and found.one >= 90 and found.matter
    x, y = signs(100, sided=False)
    found = mirror_question(Columns((x, y), prepare=prepare(schema)), schema)
    assert found.plain >= 95 and abs(found.plain - found.mirrored) <= 3 and not found.matter


def test_grey_pictures_are_never_mirrored_and_few_passes_and_off_change_nothing() -> None:
    x, y = signs(60, sided=False)
    assert chosen(x[:, :1], y) == "jitter"
    assert chosen(x, y, passes=4.9) == "off"
    assert chosen(x, y, augment="off") is None
    assert chosen(x[:, :, :5, :5], y) is None  # too small to be moved


def folder(path: Path) -> Path:
    x, y = signs(80, sided=False)
    for i, (one, k) in enumerate(zip(x, y.tolist())):
        place = path / "photos" / ("top", "bottom")[k] / f"{i:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(one.permute(1, 2, 0).numpy()).save(place)
    return path / "photos"


def test_only_training_sees_varied_images(tmp_path: Path) -> None:
    with kept_randomness():
        plan = make_plan(Asked(str(folder(tmp_path)), settings=Settings(epochs=6)), {}, lambda choice: None)
    assert plan.loader.augment is not None and plan.chosen["augment"] == "zoom+mirror"
    for loader, part in ((plan.val_loader, plan.data.val), (plan.test_loader, plan.data.test)):
        assert loader is not None and loader.augment is None
        seen = torch.cat([batch[0] for batch in loader])
        assert torch.equal(seen, part.gather(torch.arange(len(part)))[0])
    seen = torch.cat([batch[0] for batch in plan.loader])
    rows = torch.tensor(plan.loader.indices(0, 0, len(plan.data.train)))
    assert not torch.equal(seen, plan.data.train.gather(rows)[0])


def test_a_training_with_varied_images_goes_on_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from danlu import session

    data = str(folder(tmp_path))
    options: dict[str, Any] = {"epochs": 6, "batch_size": 16, "precision": "fp32"}
    whole = danlu.train(data, run=tmp_path / "whole", **options)
    stepped = session.Session.stepped

    def stopped(self: session.Session, event: Any) -> None:
        if event.step == 9:  # inside the third epoch
            self.stop.signal = 2
        stepped(self, event)

    monkeypatch.setattr(session.Session, "stepped", stopped)
    with pytest.raises(danlu.Interrupted):
        danlu.train(data, run=tmp_path / "cut", **options)
    monkeypatch.undo()
    again = danlu.resume(tmp_path / "cut")
    assert whole.history[-1]["metrics"] == again.history[-1]["metrics"]
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name


def test_the_page_shows_training_images_as_they_were_varied(tmp_path: Path) -> None:
    pages = []
    for augment in ("auto", "off"):
        run = danlu.train(str(folder(tmp_path / augment)), run=tmp_path / f"run-{augment}", epochs=5, augment=augment)
        pages.append((run.dir / "report.html").read_text())
        events = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
        told = [e["value"] for e in events if e["event"] == "choice" and e["what"] == "augment"]
        assert told == (["zoom+mirror"] if augment == "auto" else [])
        assert "test/accuracy_over_linear_low" in run.metrics
    assert pages[0] != pages[1]


def test_photos_are_seen_often_and_other_images_as_before(tmp_path: Path) -> None:
    with kept_randomness():
        plan = make_plan(Asked(str(folder(tmp_path))), {}, lambda choice: None)
        assert plan.chosen["model"] == "resnet_small" and plan.epochs == 100 and plan.chosen["size"] == 16
        off = make_plan(Asked(str(tmp_path / "photos"), settings=Settings(augment="off")), {}, lambda choice: None)
        assert off.epochs == 30 and off.loader.augment is None
        other = make_plan(Asked(str(tmp_path / "photos"), model="cnn"), {}, lambda choice: None)
        assert other.epochs == 30 and other.loader.augment is not None


def test_the_size_decided_at_the_beginning_holds_on_other_machines(tmp_path: Path) -> None:
    path = tmp_path / "large"
    for i in range(40):
        place = path / "ab"[i % 2] / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (200, 150), (i * 5, 0, 0)).save(place)
    with kept_randomness():
        plan = make_plan(Asked(str(path)), {"size": 32}, lambda choice: None)
    assert plan.schema.inputs[0].shape == (3, 32, 32)
