"""Runs with several heads: their validation loss, learnt weights, and stopping at any place."""

from __future__ import annotations

import csv
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

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
