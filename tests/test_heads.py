"""Several targets as a person meets them: their order, what is said of each, metrics of one's own, what columns do."""

from __future__ import annotations

import csv
import json
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import f1_score, mean_absolute_error
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu
from danlu.cli import main
from danlu.data import load_data
from danlu.errors import DanluError
from danlu.metrics import values
from danlu.settings import Settings
from html_reader import read

KINDS = ("a", "b", "c")


def table(path: Path, rows: int = 300, *, lacking: bool = False) -> Path:
    """The kind follows from u, the price from v, the flags from w; every seventh price may be empty."""
    draw = np.random.default_rng(0)
    u, v, w = draw.normal(size=(3, rows))
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["u", "v", "w", "price", "kind", "flags"])
        for i in range(rows):
            kind = KINDS[int(np.digitize(u[i], (-0.5, 0.5)))]
            price = "" if lacking and i % 7 == 3 else round(100 + 30 * v[i] + draw.normal(), 3)
            flags = "|".join(["m"] * bool(w[i] > 0) + ["n"] * bool(w[i] < 0.5))
            writer.writerow([f"{u[i]:.4f}", f"{v[i]:.4f}", f"{w[i]:.4f}", price, kind, flags])
    return path


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def told(run: Path, what: str) -> list[dict[str, Any]]:
    return [e for e in events(run) if e["event"] == "choice" and e["what"] == what]


def refused(code: str, make: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        make()
    assert caught.value.code == code
    return caught.value


# ---- the order


def test_heads_come_in_the_order_they_were_named_in(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    run = danlu.train(path, target="kind,price", epochs=1, run=tmp_path / "run", model="mlp")
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet")
    assert rows.column_names == ["row", "kind_truth", "kind", "kind_score", "price_truth", "price"]
    answers = danlu.load(run.dir).predict(path)
    assert list(answers[0].heads) == ["kind", "price"]
    truth = {str(r["row"]): r for r in rows.to_pylist()}
    lines = list(csv.DictReader(path.open()))
    for name, row in truth.items():
        at = int(name.rpartition(":")[2]) - 2
        assert row["kind_truth"] == lines[at]["kind"] and row["price_truth"] == pytest.approx(float(lines[at]["price"]))
        assert row["kind"] == answers[at].heads["kind"].label
        assert row["price"] == pytest.approx(answers[at].heads["price"].value, rel=1e-4)


@pytest.mark.parametrize("asked", ["no,yes", "yes,no"])
def test_yes_no_columns_keep_their_names_whatever_order_they_are_named_in(tmp_path: Path, asked: str) -> None:
    rows = ["x,no,yes", *(f"{i},{int(i % 3 == 0)},{int(i % 5 == 0)}" for i in range(90))]
    (tmp_path / "t.csv").write_text("\n".join(rows))
    data = load_data(str(tmp_path / "t.csv"), None, None, Settings(target=asked), layout="columns", own_model=False)
    assert ",".join(data.schema.classes) == asked
    numbers = [int(data.train.name(i).rpartition(":")[2]) - 2 for i in range(len(data.train))]
    known = data.targets("train")
    assert known is not None
    for name, column in zip(data.schema.classes, known.T.tolist()):
        assert column == [float(i % (3 if name == "no" else 5) == 0) for i in numbers]
