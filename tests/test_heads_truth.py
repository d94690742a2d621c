"""Several heads against independent truth: hand-written sums and loops, scikit-learn, and runs that are stopped."""

from __future__ import annotations

import csv
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, r2_score, root_mean_squared_error
from torch import Tensor, nn

import danlu
from danlu.checkpoint import load_step
from danlu.session import Session
from danlu.tasks import has_target
from danlu.tasks.criterion import several

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


def batch() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    outputs = {"kind": torch.randn(6, 3, generator=draw), "price": torch.randn(6, 1, generator=draw)}
    return outputs, {"kind": torch.tensor([0, 2, 1, 0, 1, 2]), "price": torch.randn(6, generator=draw)}


# ---- the loss


def test_the_loss_of_several_heads_is_the_weighted_sum_written_by_hand() -> None:
    outputs, targets = batch()
    by_hand = 0.25 * nn.functional.cross_entropy(outputs["kind"], targets["kind"])
    by_hand = by_hand + 3 * ((outputs["price"][:, 0] - targets["price"]) ** 2).mean()
    loss = several({"kind": "CrossEntropyLoss", "price": "MSELoss"}, {"kind": 0.25, "price": 3.0})
    assert torch.equal(loss(outputs, targets), by_hand)


def test_rows_without_a_target_count_in_the_other_heads_only() -> None:
    outputs, targets = batch()
    lacking = {"kind": targets["kind"].clone(), "price": targets["price"].clone()}
    lacking["kind"][[1, 4]] = -100
    lacking["price"][0] = float("nan")
    loss = several({"kind": "CrossEntropyLoss", "price": "MSELoss"}, None, ("kind", "price"))
    kinds, prices = [0, 2, 3, 5], [1, 2, 3, 4, 5]
    by_hand = nn.functional.cross_entropy(outputs["kind"][kinds], targets["kind"][kinds])
    by_hand = by_hand + ((outputs["price"][prices, 0] - targets["price"][prices]) ** 2).mean()
    assert torch.equal(loss(outputs, lacking), by_hand)
    assert has_target(lacking["kind"]).tolist() == [True, False, True, True, False, True]


def test_a_batch_without_any_target_of_a_head_neither_spoils_nor_moves_it() -> None:
    outputs, targets = batch()
    price = outputs["price"].requires_grad_()
    targets["price"] = torch.full((6,), float("nan"))
    loss = several({"kind": "CrossEntropyLoss", "price": "MSELoss"}, None, ("price",))
    value = loss({**outputs, "price": price}, targets)
    value.backward()
    assert torch.equal(value, nn.functional.cross_entropy(outputs["kind"], targets["kind"]))
    assert price.grad is not None and not price.grad.any()


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.kind, self.price = nn.Linear(2, 8), nn.Linear(8, 3), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).tanh()
        return {"kind": self.kind(h), "price": self.price(h).squeeze(1)}


def test_learnt_weights_step_bit_for_bit_as_a_loop_written_by_hand() -> None:
    """Kendall, Gal & Cipolla 2018, equation 10: L₁/(2σ₁²) + L₂/σ₂² + log σ₁ + log σ₂, with s = log σ²."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(40, 2, generator=draw)
    y = {"kind": (x[:, 0] > 0).long() + (x[:, 1] > 0).long(), "price": x.sum(1)}
    torch.manual_seed(0)
    ours, theirs = TwoHeads(), TwoHeads()
    theirs.load_state_dict(ours.state_dict())

    loss = several({"kind": nn.CrossEntropyLoss(), "price": nn.MSELoss()}, "learnt")
    assert loss.learnt is not None
    groups = [{"params": ours.parameters()}, {"params": [loss.learnt.log_variance], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=0.05, weight_decay=0.1)

    s = torch.zeros(2, requires_grad=True)
    by_hand = torch.optim.AdamW(
        [{"params": theirs.parameters()}, {"params": [s], "weight_decay": 0.0}], lr=0.05, weight_decay=0.1
    )
    for _ in range(10):
        danlu.step(ours, (x, y), loss, optimizer)
        by_hand.zero_grad()
        out = theirs(x)
        parts = torch.stack(
            [nn.functional.cross_entropy(out["kind"], y["kind"]), nn.functional.mse_loss(out["price"], y["price"])]
        )
        (torch.tensor([1.0, 0.5]) * (-s).exp() * parts + s / 2).sum().backward()
        by_hand.step()
    assert torch.equal(loss.learnt.log_variance, s)
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))
    assert s.abs().min() > 0.01


# ---- whole runs


@pytest.mark.parametrize("lacking", [False, True])
def test_metrics_of_each_head_are_scikit_learns_on_the_predictions(tmp_path: Path, lacking: bool) -> None:
    table(tmp_path / "t.csv", lacking=lacking)
    run = train(tmp_path / "t.csv", tmp_path / "run")
    told = pq.read_table(run.dir / "predictions.parquet").to_pylist()
    kinds = [row for row in told if row["kind_truth"] is not None]
    prices = [row for row in told if row["price_truth"] is not None]
    assert (len(kinds) < len(told) and len(prices) < len(told)) is lacking
    truth, answer = [row["kind_truth"] for row in kinds], [row["kind"] for row in kinds]
    assert run.metrics["test/kind/accuracy"] == accuracy_score(truth, answer)
    assert run.metrics["test/kind/macro_f1"] == pytest.approx(f1_score(truth, answer, average="macro"), abs=1e-12)
    numbers = [row["price_truth"] for row in prices], [row["price"] for row in prices]
    assert run.metrics["test/price/rmse"] == pytest.approx(root_mean_squared_error(*numbers), rel=1e-6)
    assert run.metrics["test/price/r2"] == pytest.approx(r2_score(*numbers), abs=1e-6)
    assert (run.metrics["test/kind/rows"], run.metrics["test/price/rows"]) == (len(kinds), len(prices))
    assert run.metrics["test/kind/accuracy_low"] < run.metrics["test/kind/accuracy"]


def test_the_validation_loss_is_that_of_the_heads_together(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", lacking=True)
    run = train(tmp_path / "t.csv", tmp_path / "run", loss_weights={"kind": 2.0, "price": 0.5})
    for epoch in run.history:
        m = epoch["metrics"]
        assert m["val/loss"] == pytest.approx(2 * m["val/loss_kind"] + 0.5 * m["val/loss_price"], rel=1e-9)
        assert m["val/loss_kind"] == pytest.approx(m["val/kind/log_loss"], rel=1e-5)


def test_the_loaded_model_answers_by_head_what_the_test_wrote_down(tmp_path: Path) -> None:
    rows = table(tmp_path / "t.csv")
    run = train(tmp_path / "t.csv", tmp_path / "run")
    told = pq.read_table(run.dir / "predictions.parquet").to_pylist()
    answers = danlu.load(run.dir).predict(str(tmp_path / "t.csv"))
    assert len(answers) == len(rows)
    for row in told:
        answer = answers[int(row["row"].rpartition(":")[2]) - 2]
        assert answer.label is None and answer.value is None and list(answer.heads) == ["kind", "price"]
        assert answer.heads["kind"].label == row["kind"]
        assert answer.heads["kind"].score == pytest.approx(row["kind_score"], abs=1e-5)
        assert answer.heads["price"].value == pytest.approx(row["price"], abs=1e-3)
    again = danlu.test(run.dir)
    assert again["test/kind/accuracy"] == run.metrics["test/kind/accuracy"]
    assert again["test/price/rmse"] == pytest.approx(run.metrics["test/price/rmse"], rel=1e-6)
    kind = [[answers[int(r["row"].rpartition(":")[2]) - 2].heads["kind"].scores[k] for k in KINDS] for r in told]
    truth = [row["kind_truth"] for row in told]
    assert run.metrics["test/kind/log_loss"] == pytest.approx(log_loss(truth, kind, labels=KINDS), rel=1e-4)


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
