"""Runs with several heads: their validation loss, learnt weights, and stopping at any place."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu
from danlu.checkpoint import load_step
from danlu.session import Session

ROWS = 240
KINDS = ("a", "b", "c")


def table(path: Path, *, lacking: bool = False) -> list[dict[str, Any]]:
    """Rows whose kind and price follow from two numbers; every seventh price and ninth kind may be empty."""
    draw = np.random.default_rng(0)
    rows = []
    for i in range(ROWS):
        u, v = draw.normal(size=2)
        kind = KINDS[int(np.digitize(u + 0.3 * draw.normal(), (-0.5, 0.5)))]
        price = 100 + 30 * v + 10 * u + draw.normal()
        row = {"u": u, "v": v, "kind": kind, "price": price}
        if lacking:
            row |= {"price": ""} if i % 7 == 3 else {"kind": ""} if i % 9 == 4 else {}
        rows.append(row)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return rows


def train(path: Path, run: Path, **settings: Any) -> danlu.Run:
    return danlu.train(str(path), run=run, target="kind,price", epochs=2, batch_size=32, **settings)


def test_the_validation_loss_is_that_of_the_heads_together(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", lacking=True)
    run = train(tmp_path / "t.csv", tmp_path / "run", loss_weights={"kind": 2.0, "price": 0.5})
    for epoch in run.history:
        m = epoch["metrics"]
        assert m["val/loss"] == pytest.approx(2 * m["val/loss_kind"] + 0.5 * m["val/loss_price"], rel=1e-9)
        assert m["val/loss_kind"] == pytest.approx(m["val/kind/log_loss"], rel=1e-5)


def test_learnt_weights_move_and_no_warning_is_given(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    table(tmp_path / "t.csv")
    run = train(tmp_path / "t.csv", tmp_path / "run", loss_weights="learnt", monitor="kind/accuracy")
    told = (run.dir / "metrics.jsonl").read_text("utf-8")
    assert '"loss weights"' in told
    assert [str(w.message) for w in recwarn if "tensor" in str(w.message)] == []
    best = max(run.history, key=lambda e: (e["metrics"]["val/kind/accuracy"], -e["metrics"]["val/loss"]))
    assert run.best_epoch == best["epoch"]


@pytest.mark.parametrize("stop", [1, 6, 8])
def test_a_stopped_run_with_learnt_weights_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    table(tmp_path / "t.csv", lacking=True)
    whole = train(tmp_path / "t.csv", tmp_path / "whole", loss_weights="learnt", lr=0.02)
    stepped = Session.stepped

    def interrupted(self: Session, event: danlu.Stepped) -> None:
        if event.step == stop:
            self.stop.signal = signal.SIGINT
        stepped(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(Session, "stepped", interrupted)
        with pytest.raises(danlu.Interrupted):
            train(tmp_path / "t.csv", tmp_path / "run", loss_weights="learnt", lr=0.02)
    again = danlu.resume(tmp_path / "run")
    assert again.history[-1]["metrics"] == whole.history[-1]["metrics"]
    ends = [load_step(run.dir / "checkpoints", 2 * whole.history[0]["step"]) for run in (whole, again)]
    assert ends[0] is not None and ends[1] is not None
    assert ends[0].tensors.keys() == ends[1].tensors.keys()
    assert all(torch.equal(value, ends[1].tensors[name]) for name, value in ends[0].tensors.items())
    learnt = [value for name, value in ends[0].tensors.items() if name.endswith("log_variance")]
    assert learnt and learnt[0].abs().min() > 0.01
    files = [(run.dir / "model" / "weights.safetensors").read_bytes() for run in (whole, again)]
    assert files[0] == files[1]


@pytest.mark.parametrize("weights", [None, "learnt"])
def test_two_accumulated_batches_train_as_one_of_twice_the_size(tmp_path: Path, weights: str | None) -> None:
    table(tmp_path / "t.csv", lacking=True)
    options: dict[str, Any] = {"target": "kind,price", "model": "mlp", "lr": 0.1, "optimizer": "sgd", "steps": 4}
    options |= {"loss_weights": weights, "schedule": "constant", "clip_norm": 1e9}
    sizes = {"one": {"batch_size": 32}, "two": {"batch_size": 16, "accumulate": 2}}
    runs = [danlu.train(str(tmp_path / "t.csv"), run=tmp_path / k, **options, **size) for k, size in sizes.items()]
    for (name, one), other in zip(runs[0].model.state_dict().items(), runs[1].model.state_dict().values()):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5, msg=name)
    losses = [
        [e["loss"] for e in map(json.loads, (r.dir / "metrics.jsonl").open()) if e["event"] == "step"] for r in runs
    ]
    assert len(losses[0]) == 4 and losses[0] == pytest.approx(losses[1], rel=1e-5)


# ---- a user's own samples


class Samples(Dataset[tuple[Tensor, Any]]):
    """Small pictures with their brightness, whether it is above nought, and what holds in two of their corners."""

    def __init__(self, rows: int, seed: int, form: str) -> None:
        self.x = torch.randn(rows, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
        self.form, self.wrong = form, -1

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Any]:
        x = self.x[i]
        bright = float(x.mean()) * 8
        sign = 7 if i == self.wrong else int(bright > 0)
        if self.form == "tuple":
            return x, (bright, sign)
        return x, {"bright": bright, "sign": sign, "corners": (x[0, 0, [0, 7]] > 0).float()}


@pytest.mark.parametrize(("form", "model"), [("dict", "cnn"), ("tuple", "mlp")])
def test_danlus_own_models_have_the_heads_of_a_users_samples(tmp_path: Path, form: str, model: str) -> None:
    run = danlu.train(Samples(200, 0, form), Samples(50, 1, form), model=model, epochs=1, run=tmp_path / "run")
    heads = {"dict": ("bright", "sign", "corners"), "tuple": ("y0", "y1")}[form]
    sizes = [1, 2, 2][: len(heads)]
    x = Samples(50, 1, form).x
    with torch.inference_mode():
        out = run.model(x)
    assert {name: tuple(o.shape) for name, o in out.items()} == dict(zip(heads, [(50, n) for n in sizes]))
    truth = x.mean((1, 2, 3)) * 8
    right = (out[heads[1]].argmax(1) == (truth > 0).long()).double().mean()
    assert run.metrics[f"test/{heads[1]}/accuracy"] == pytest.approx(float(right), abs=1e-12)
    wrong = (out[heads[0]][:, 0].double() - truth.double()).square().mean().sqrt()
    assert run.metrics[f"test/{heads[0]}/rmse"] == pytest.approx(float(wrong), rel=1e-5)
    answers = danlu.load(run.dir).predict(x[:3])
    assert [a.heads[heads[1]].label for a in answers] == [str(k) for k in out[heads[1]][:3].argmax(1).tolist()]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bright, self.sign, self.corners = nn.Linear(64, 1), nn.Linear(64, 2), nn.Linear(64, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        flat = x.flatten(1)
        return {"bright": self.bright(flat), "sign": self.sign(flat), "corners": self.corners(flat)}


def test_a_label_that_is_no_class_is_named_in_whatever_batch_it_comes(tmp_path: Path) -> None:
    data = Samples(200, 0, "dict")
    data.wrong = 123
    with pytest.raises(danlu.DanluError) as raised:
        danlu.train(data, val=Samples(40, 1, "dict"), model=Net(), epochs=1, batch_size=16, run=tmp_path / "run")
    assert raised.value.code == "DL208" and "[123]" in raised.value.where
