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


# ---- what is said


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("heads")
    path = table(folder / "t.csv", lacking=True)
    command = ["train", str(path), "--target", "kind,price,flags", "--epochs", "8", "--run", str(folder / "run")]
    assert main([*command, "--quiet", "--lr", "0.02"]) == 0
    return folder / "run"


def test_the_verdict_is_three_sentences_and_a_line_for_each_head(shown: Path) -> None:
    page = read((shown / "report.html").read_text("utf-8"))
    (lead,) = page.all("div", "lead")
    assert len(lead.all("p")) == 3 and not page.all("div", "headline")
    results = next(e for e in events(shown) if e["event"] == "done")["metrics"]
    (heads,) = page.all("div", "heads")
    text = unescape(heads.text())
    for head, metric in (("kind", "accuracy"), ("price", "rmse"), ("flags", "macro_f1")):
        assert head in text
        value = results[f"test/{head}/{metric}"]
        assert (f"{100 * value:.1f}" if metric == "accuracy" else f"{value:.4g}"[:4]) in text
    rows = [th.text() for th in heads.all("th") if th.attributes.get("scope") == "row"]
    assert [row[:4] for row in rows] == ["kind", "pric", "flag"]


def test_a_finding_names_its_head(shown: Path) -> None:
    found = [e for e in events(shown) if e["event"] == "finding"]
    assert found, "eight epochs of 210 rows leave something in doubt"
    for one in found:
        head = one["where"].removeprefix("test/").removeprefix("val/").partition("/")[0]
        if head in ("kind", "price", "flags"):
            assert one["what"].startswith(f"{head}: ")


def test_missing_targets_are_told_part_by_part(shown: Path) -> None:
    (choice,) = told(shown, "missing targets")
    assert choice["value"].startswith("price: ") and "training rows" in choice["value"]
    rows = next(e for e in events(shown) if e["event"] == "start")["rows"]
    numbers = [int(word.replace(",", "")) for word in choice["value"].split() if word[0].isdigit()]
    assert sum(numbers[::2]) == len(range(3, 300, 7))
    assert set(numbers[1::2]) <= set(rows.values())


def test_class_weights_name_the_heads_they_reach(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv")
    options: dict[str, Any] = {"epochs": 1, "model": "mlp", "class_weights": "balanced"}
    danlu.train(path, target="kind,price", run=tmp_path / "run", **options)
    (choice,) = told(tmp_path / "run", "class_weights")
    assert choice["value"] == "kind: balanced" and "kind: an error on" in choice["why"]
    danlu.train(path, target="kind,price", run=tmp_path / "own", **{**options, "class_weights": [1.0, 2.0, 3.0]})
    assert told(tmp_path / "own", "class_weights")[0]["value"] == "kind"
    wrong = refused("DL228", lambda: danlu.train(path, target="kind,price", class_weights=[1.0, 2.0]))
    assert wrong.where.startswith("kind: ")


class Rows(Dataset[Any]):
    def __init__(self, rows: int = 96) -> None:
        made = torch.Generator().manual_seed(1)
        self.x = torch.randn(rows, 4, generator=made)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        return self.x[i], {"kind": int(self.x[i, :3].argmax()), "price": float(self.x[i, 3])}


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kind, self.price = nn.Linear(4, 3), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"kind": self.kind(x), "price": self.price(x)[:, 0]}


def test_balanced_weights_of_unread_samples_are_refused_with_a_dict_of_losses_that_works() -> None:
    wrong = refused("DL265", lambda: danlu.train(Rows(), model=TwoHeads(), class_weights="balanced"))
    line = wrong.fix.partition(": ")[2]
    assert line == "loss={'kind': nn.CrossEntropyLoss(weight=…), 'price': nn.MSELoss()}"
    made = eval(f"dict({line.replace('…', 'torch.ones(3)')})", {"nn": nn, "torch": torch})
    run = danlu.train(Rows(), model=TwoHeads(), epochs=1, **made)
    assert "val/kind/accuracy" in run.metrics


def test_a_weight_for_no_target_is_told_before_the_data_is_read() -> None:
    wrong = refused("DL260", lambda: danlu.train("nowhere.csv", target="kind,price", loss_weights={"prise": 2.0}))
    assert wrong.facts["near"] == "price"
    refused("DL150", lambda: danlu.train("nowhere.csv", target="kind,price", loss_weights={"price": 2.0}))
    for text in ("price", "price=much", "price=1,price=2", "price=-1"):
        assert main(["train", "nowhere.csv", "--target", "kind,price", "--loss-weights", text]) == 2


# ---- metrics of one's own


def macro(prediction: Tensor, target: Tensor) -> float:
    return float(f1_score(target, prediction.argmax(1), average="macro"))


def test_each_head_has_metrics_of_its_own_over_the_rows_that_have_its_target(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", lacking=True)
    given: dict[str, Any] = {"kind": {"macro": macro}, "price": [mean_absolute_error, nn.L1Loss()]}
    options: dict[str, Any] = {"metrics": given, "epochs": 3, "model": "mlp", "monitor": "+kind/macro"}
    run = danlu.train(path, target="kind,price", run=tmp_path / "run", **options)
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pydict()
    expected = f1_score(rows["kind_truth"], rows["kind"], average="macro")
    assert run.metrics["test/kind/macro"] == pytest.approx(expected)
    pairs = np.array([(t, p) for t, p in zip(rows["price_truth"], rows["price"]) if t is not None])
    absolute = mean_absolute_error(pairs[:, 0], pairs[:, 1])
    assert run.metrics["test/price/mean_absolute_error"] == pytest.approx(absolute)
    assert run.metrics["test/price/L1Loss"] == pytest.approx(absolute, rel=1e-5)
    for name in ("kind/macro", "price/L1Loss"):
        low, high = (run.metrics[f"test/{name}_{end}"] for end in ("low", "high"))
        assert low < run.metrics[f"test/{name}"] < high
        assert {f"test/{name}_baseline", f"test/{name}_linear"} <= run.metrics.keys()
    each = [e["metrics"]["val/kind/macro"] for e in events(tmp_path / "run") if e["event"] == "epoch"]
    assert each[run.metrics["best_epoch"] - 1] == max(each)
    again, lines = danlu.test(run.dir, str(path), metrics=given), list(csv.DictReader(path.open()))
    answers = [a.heads["kind"].label for a in run.predict(str(path))]
    assert again["test/kind/macro"] == pytest.approx(f1_score([r["kind"] for r in lines], answers, average="macro"))
    assert "macro" in (tmp_path / "run" / "report.html").read_text("utf-8")


def test_metrics_of_no_head_are_refused(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", 60)
    for given in (macro, {"macro": macro}, [macro], {}):
        wrong = refused("DL266", lambda given=given: danlu.train(path, target="kind,price", metrics=given))
        assert wrong.facts["heads"] == "kind, price"
    refused("DL366", lambda: danlu.train(path, target="kind,price", metrics={"kind": macro}, monitor="kind/macro"))


def test_a_metric_that_fails_is_named_with_its_head(tmp_path: Path) -> None:
    def broken(prediction: Tensor, target: Tensor) -> float:
        raise ValueError("no")

    path = table(tmp_path / "t.csv", 60)
    wrong = refused("DL365", lambda: danlu.train(path, target="kind,price", metrics={"price": broken}))
    assert wrong.facts["name"] == "price/broken"


# ---- what columns do


def test_columns_are_worth_something_to_the_head_that_needs_them(tmp_path: Path, monkeypatch: Any) -> None:
    found: list[Any] = []
    from danlu import showing

    why = showing.why_of
    monkeypatch.setattr(showing, "why_of", lambda *args: found.append(why(*args)) or found[-1])
    path = table(tmp_path / "t.csv", 600, lacking=True)
    run = danlu.train(path, target="kind,price", epochs=15, lr=0.02, model="mlp", run=tmp_path / "run")
    kind, price = found[0].importances
    assert (kind.columns[0].name, price.columns[0].name) == ("u", "v")
    assert kind.metric[0] == "kind accuracy" and price.metric[0] == "price RMSE"
    rows = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pydict()
    lines = list(csv.DictReader(path.open()))
    at = [int(name.rpartition(":")[2]) - 2 for name in rows["row"]]
    some = [
        {k: lines[i][k] for k in ("u", "v", "w", "flags")} for i, t in zip(at, rows["price_truth"]) if t is not None
    ]
    truth = torch.tensor([[t] for t in rows["price_truth"] if t is not None])

    def error(asked: list[dict[str, str]]) -> float:
        answers = [[float(a.heads["price"].value or 0)] for a in run.predict(asked)]  # type: ignore[arg-type]
        return values("regression", torch.tensor(answers).double(), truth.double(), ["rmse"])["rmse"]

    order, drops = np.random.default_rng(3), []
    for _ in range(10):
        mixed = [{**row, "v": some[k]["v"]} for row, k in zip(some, order.permutation(len(some)))]
        drops.append(error(mixed) - error(some))
    spread = np.std(drops) + 0.1 * np.mean(drops)
    assert abs(price.columns[0].drop - np.mean(drops)) < 3 * spread
    page = unescape((tmp_path / "run" / "report.html").read_text("utf-8"))
    assert "How much kind accuracy gets worse" in page and "How much price RMSE gets worse" in page
