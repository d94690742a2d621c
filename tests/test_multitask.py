"""Several targets of different kinds: each head's loss, metrics, answers and weights against independent truth."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss, mean_absolute_error, r2_score, root_mean_squared_error
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

import danlu
from conftest import DEMO
from danlu.cli import main
from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.tasks import criterion_of, heads_of
from danlu.tasks.criterion import criterion, several
from danlu.tasks.custom import TASK as CUSTOM
from danlu.tasks.parts import masked, part_of
from danlu.tasks.uncertainty import Uncertainty
from danlu.types import Field, Schema

PENGUINS = DEMO / "penguins.csv"
KINDS = ("a", "b", "c")


def schema(origin: str = "table") -> Schema:
    fields = (
        Field("x", "number", "input"),
        Field("kind", "category", "target", classes=KINDS),
        Field("price", "number", "target", mean=(10.0,), std=(2.0,)),
        Field("tags", "multilabel", "target", classes=("u", "v")),
    )
    return Schema(fields, "multitask", "columns", origin)


def batch(rows: int = 12) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    torch.manual_seed(0)
    output = {"kind": torch.randn(rows, 3), "price": torch.randn(rows, 1), "tags": torch.randn(rows, 2)}
    target = {"kind": torch.arange(rows) % 3, "price": torch.randn(rows), "tags": (torch.rand(rows, 2) > 0.5).float()}
    return output, target


def refused(code: str, make: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        make()
    assert caught.value.code == code
    return caught.value


# ---- the loss


def test_the_loss_is_the_weighted_sum_of_torchs_losses() -> None:
    output, target = batch()
    each = [
        nn.CrossEntropyLoss()(output["kind"], target["kind"]),
        nn.MSELoss()(output["price"][:, 0], target["price"]),
        nn.BCEWithLogitsLoss()(output["tags"], target["tags"]),
    ]
    plain = criterion_of(None, schema(), Settings(), lambda head: None)
    assert torch.equal(plain(output, target), each[0] + each[1] + each[2])
    weighed = criterion_of(None, schema(), Settings(loss_weights={"price": 0.5, "tags": 2}), lambda head: None)
    torch.testing.assert_close(weighed(output, target), each[0] + 0.5 * each[1] + 2 * each[2])
    assert weighed.shares() == {"kind": 1.0, "price": 0.5, "tags": 2.0}


def test_rows_without_a_target_are_left_out_of_one_heads_loss_alone() -> None:
    output, target = batch()
    target["kind"][[1, 4]] = -100
    target["price"][[0, 5, 7]] = math.nan
    target["tags"][2] = math.nan
    found = criterion_of(None, schema(), Settings(), lambda head: None, ["kind", "price", "tags"])
    for name, output_of_head in output.items():
        output[name] = output_of_head.requires_grad_()
    found(output, target).backward()
    kept = {"kind": target["kind"] != -100, "price": ~target["price"].isnan(), "tags": ~target["tags"][:, 0].isnan()}
    losses = {"kind": nn.CrossEntropyLoss(), "price": nn.MSELoss(), "tags": nn.BCEWithLogitsLoss()}
    for name, rows in kept.items():
        alone = output[name].detach().clone().requires_grad_()
        answer = alone[rows][:, 0] if name == "price" else alone[rows]
        losses[name](answer, target[name][rows]).backward()
        assert alone.grad is not None
        torch.testing.assert_close(output[name].grad, alone.grad)
        assert not alone.grad[~rows].any()


def test_a_batch_without_any_target_of_a_head_teaches_it_nothing() -> None:
    output = torch.randn(4, 3, requires_grad=True)
    value = masked(part_of(nn.CrossEntropyLoss())).mean(output, torch.full((4,), -100))
    value.backward()
    assert float(value) == 0 and output.grad is not None and not output.grad.any()
    total, count = masked(part_of(nn.MSELoss())).sums(output[:, 0], torch.full((4,), math.nan))
    assert float(total) == 0 and count == 0.0


def test_class_weights_and_label_smoothing_reach_the_heads_with_classes() -> None:
    output, target = batch()
    both = Settings(class_weights="balanced", label_smoothing=0.1)
    one = Schema(schema().fields[:3], "multitask", "columns", "table")
    found = criterion_of(None, one, both, lambda head: target[head])
    expected = nn.CrossEntropyLoss(weight=torch.ones(3), label_smoothing=0.1)(output["kind"], target["kind"])
    expected = expected + nn.MSELoss()(output["price"][:, 0], target["price"])
    torch.testing.assert_close(found({k: output[k] for k in ("kind", "price")}, target), expected)


# ---- learnt weights


def test_learnt_weights_are_the_papers_formula() -> None:
    weights = Uncertainty([nn.CrossEntropyLoss(), nn.MSELoss(), nn.L1Loss()])
    with torch.no_grad():
        weights.log_variance.copy_(torch.tensor([0.3, -0.7, 1.1]))
    losses = [torch.tensor(v) for v in (0.9, 2.5, 0.4)]
    sigma = [math.exp(s / 2) for s in (0.3, -0.7, 1.1)]
    expected = 0.9 / sigma[0] ** 2 + 2.5 / (2 * sigma[1] ** 2) + 0.4 / sigma[2] ** 2 + sum(map(math.log, sigma))
    assert float(weights(losses).detach()) == pytest.approx(expected, rel=1e-6)
    assert weights.shares() == pytest.approx([1 / sigma[0] ** 2, 1 / (2 * sigma[1] ** 2), 1 / sigma[2] ** 2])


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 16)
        self.kind, self.price = nn.Linear(16, 3), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.body(x).relu()
        return {"kind": self.kind(h), "price": self.price(h)[:, 0]}


class Rows(Dataset[Any]):
    """Rows with two targets: a dict, or a tuple, or all of it one dict."""

    def __init__(self, form: str = "dict", rows: int = 96) -> None:
        made = torch.Generator().manual_seed(1)
        self.x = torch.randn(rows, 4, generator=made)
        self.kind = self.x[:, :3].argmax(1)
        self.price = self.x[:, 3] * 2 + 1
        self.form = form

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        two = {"kind": int(self.kind[i]), "price": float(self.price[i])}
        forms = {"dict": (self.x[i], two), "pair": (self.x[i], tuple(two.values())), "sample": {"x": self.x[i], **two}}
        return forms[self.form] if self.form in forms else (self.x[i], self.kind[i], self.price[i])


def test_training_with_learnt_weights_equals_a_hand_written_loop(workdir: Path) -> None:
    torch.manual_seed(0)
    model = TwoHeads()
    mine = TwoHeads()
    mine.load_state_dict(model.state_dict())
    rows = Rows()
    options: dict[str, Any] = {"batch_size": 32, "steps": 6, "schedule": "constant", "lr": 0.01, "check": False}
    losses = {"kind": nn.CrossEntropyLoss(), "price": nn.MSELoss()}
    run = danlu.train(rows, val=Rows(rows=32), model=model, loss=losses, loss_weights="learnt", **options, run="r")
    loader = danlu.Loader(Rows(), 32, shuffle=True, seed=0)
    s = nn.Parameter(torch.zeros(2))
    matrices = [p for p in mine.parameters() if p.ndim >= 2]
    groups = [
        {"params": matrices, "weight_decay": 0.01},
        {"params": [p for p in mine.parameters() if p.ndim < 2], "weight_decay": 0.0},
        {"params": [s], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.01, fused=True)
    half = torch.tensor([1.0, 0.5])
    for _ in range(2):
        for x, target in loader:
            optimizer.zero_grad()
            out = mine(x)
            each = [losses["kind"](out["kind"], target["kind"]), losses["price"](out["price"], target["price"].float())]
            (half * (-s).exp() * torch.stack(each) + s / 2).sum().backward()
            optimizer.step()
    told = [e for e in events(Path(run.dir)) if e["event"] == "choice" and e["what"] == "loss weights"]
    shares = dict(pair.split("=") for pair in told[-1]["value"].split(", "))
    assert list(shares.values()) == [f"{v:.3g}" for v in (half * (-s.detach()).exp()).tolist()]
    best = run.metrics["best_epoch"]
    assert best == 2
    for name, value in mine.state_dict().items():
        assert torch.equal(model.state_dict()[name], value), name


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


# ---- a table, by the command line


@pytest.fixture(scope="module")
def penguins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("multitask") / "run"
    command = ["train", str(PENGUINS), "--target", "species,body_mass_g", "--epochs", "3", "--run", str(run)]
    assert main([*command, "--quiet"]) == 0
    return run


def table(run: Path) -> dict[str, list[Any]]:
    return pq.read_table(run / "predictions.parquet").to_pydict()


def absent(text: str) -> int:
    """How many rows lack a target, over all parts that are told."""
    return sum(int(n) for n in re.findall(r"(\d+) of", text))


def done(run: Path) -> dict[str, Any]:
    return next(e for e in events(run) if e["event"] == "done")["metrics"]


def test_each_heads_metrics_are_scikit_learns(penguins: Path) -> None:
    found, rows = done(penguins), table(penguins)
    truth, guess = rows["species_truth"], rows["species"]
    assert found["test/species/accuracy"] == pytest.approx(accuracy_score(truth, guess))
    assert found["test/species/macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))
    assert found["test/species/accuracy_low"] < found["test/species/accuracy"] < found["test/species/accuracy_high"]
    pairs = [(t, p) for t, p in zip(rows["body_mass_g_truth"], rows["body_mass_g"]) if t is not None]
    actual, answered = np.array(pairs).T
    assert found["test/body_mass_g/rmse"] == pytest.approx(root_mean_squared_error(actual, answered))
    assert found["test/body_mass_g/mae"] == pytest.approx(mean_absolute_error(actual, answered))
    assert found["test/body_mass_g/r2"] == pytest.approx(r2_score(actual, answered))
    assert found["test/body_mass_g/rows"] == len(pairs)
    for name in ("species/accuracy", "body_mass_g/rmse"):
        assert {f"test/{name}_{part}" for part in ("baseline", "linear", "interval")} <= found.keys()
    majority = max(truth.count(c) for c in set(truth)) / len(truth)
    assert found["test/species/accuracy_baseline"] == pytest.approx(majority)


def test_validation_has_the_metrics_of_every_head(penguins: Path) -> None:
    epoch = next(e for e in events(penguins) if e["event"] == "epoch")["metrics"]
    assert {"val/loss", "val/species/accuracy", "val/body_mass_g/rmse", "val/loss_species"} <= epoch.keys()
    assert epoch["val/loss"] == pytest.approx(epoch["val/loss_species"] + epoch["val/loss_body_mass_g"])
    told = {e["what"]: e["value"] for e in events(penguins) if e["event"] == "choice"}
    assert told["monitor"] == "loss" and told["loss weights"] == "species=1, body_mass_g=1"
    assert told["missing targets"].startswith("body_mass_g: ") and absent(told["missing targets"]) == 2


def test_the_saved_model_answers_and_tests_as_at_the_end_of_training(penguins: Path, tmp_path: Path) -> None:
    again, then = danlu.test(penguins), done(penguins)
    for name in ("species/accuracy", "species/log_loss_low", "body_mass_g/rmse", "body_mass_g/rmse_baseline"):
        assert again[f"test/{name}"] == pytest.approx(then[f"test/{name}"], rel=1e-6)
    other = danlu.test(penguins, str(PENGUINS))
    assert other["test/rows"] == other["test/species/rows"] == 344 and other["test/body_mass_g/rows"] == 342
    rows = table(penguins)
    answers = dict(zip(rows["row"], zip(rows["species"], rows["body_mass_g"])))
    assert main(["predict", str(penguins), str(PENGUINS), "-o", str(tmp_path / "out.csv"), "--quiet"]) == 0
    with open(tmp_path / "out.csv", encoding="utf-8-sig", newline="") as file:
        written = list(csv.DictReader(file))
    assert len(written) == 344
    assert {"input", "species", "species_score", "p(species=Adelie)", "body_mass_g"} <= written[0].keys()
    seen = {row["input"]: (row["species"], float(row["body_mass_g"])) for row in written}
    for row, (species, mass) in answers.items():
        assert seen[row][0] == species and seen[row][1] == pytest.approx(mass, rel=1e-4)
    one = danlu.load(penguins).predict(str(PENGUINS))[0]
    assert one.label is None and one.heads["species"].label == written[0]["species"]
    assert one.heads["body_mass_g"].value == pytest.approx(float(written[0]["body_mass_g"]), rel=1e-4)


def test_the_report_and_the_card_name_every_head(penguins: Path) -> None:
    page = (penguins / "report.html").read_text("utf-8")
    assert 'id="head-0"' in page and 'id="head-1"' in page and 'id="head-2"' not in page
    assert "species accuracy " in page and "body_mass_g RMSE " in page and "test rows that training never saw: " in page
    card = (penguins / "README.md").read_text("utf-8")
    assert "- **species**: classification (Adelie, Chinstrap, Gentoo)" in card
    assert "| species accuracy |" in card and "| body_mass_g RMSE |" in card


def test_look_tells_of_every_head(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", str(penguins)]) == 0
    shown = capsys.readouterr()
    both = " ".join((shown.out + shown.err).split())
    assert "that training never saw: species accuracy " in both and ", body_mass_g RMSE " in both
    assert main(["look", str(PENGUINS), "--target", "species,body_mass_g", "--lang", "en"]) == 0
    shown = capsys.readouterr()
    assert "multitask (a head for each column" in shown.out + shown.err


def test_slices_are_told_for_each_head(workdir: Path) -> None:
    targets = ["species", "body_mass_g"]
    run = danlu.train(str(PENGUINS), target=targets, slice="island", epochs=1, model="mlp", run="r")
    seen = table(workdir / "r")
    for head in targets:
        groups = run.metrics[f"test/{head}/slices"]
        known = [t for t in seen[f"{head}_truth"] if t is not None]
        assert {g["column"] for g in groups} == {"island"} and sum(g["rows"] for g in groups) == len(known)


def test_a_heads_metric_can_name_the_best_epoch(workdir: Path) -> None:
    run = danlu.train(
        str(PENGUINS), target=["species", "body_mass_g"], epochs=3, model="mlp", monitor="species/accuracy", run="r"
    )
    values = [e["metrics"]["val/species/accuracy"] for e in events(workdir / "r") if e["event"] == "epoch"]
    assert values[run.metrics["best_epoch"] - 1] == max(values)
    wrong = refused("DL310", lambda: danlu.train(str(PENGUINS), target=["species", "body_mass_g"], monitor="accuracy"))
    assert "species/accuracy" in str(wrong.facts["known"])


def test_rows_without_one_target_count_for_the_other_alone(workdir: Path) -> None:
    made = np.random.default_rng(0)
    x = made.normal(size=120)
    kind = [None if i % 5 == 0 else ("hi" if v > 0 else "lo") for i, v in enumerate(x)]
    price = [None if i % 4 == 0 else round(3 * v + 7, 3) for i, v in enumerate(x)]
    with open("rows.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", "kind", "price"])
        writer.writerows([f"{v:.5f}", k or "", "" if p is None else p] for v, k, p in zip(x, kind, price))
    both = sum(k is None and p is None for k, p in zip(kind, price))
    refused("DL115", lambda: danlu.train("rows.csv", target="kind,price"))  # rows with neither target
    run = danlu.train("rows.csv", target="kind,price", on_bad="skip", bad_limit=1.0, epochs=2, run="r")
    told = {e["what"]: e["value"] for e in events(workdir / "r") if e["event"] == "choice"}
    seen = table(workdir / "r")
    known = [t is not None for t in seen["kind_truth"]]
    right = [t == p for t, p in zip(seen["kind_truth"], seen["kind"]) if t is not None]
    assert run.metrics["test/kind/accuracy"] == pytest.approx(sum(right) / len(right))
    assert run.metrics["test/kind/rows"] == sum(known) < run.metrics["test/rows"] == len(known)
    pairs = np.array([(t, p) for t, p in zip(seen["price_truth"], seen["price"]) if t is not None])
    assert run.metrics["test/price/rmse"] == pytest.approx(root_mean_squared_error(pairs[:, 0], pairs[:, 1]))
    lines = [e["value"] for e in events(workdir / "r") if e["event"] == "choice" and e["what"] == "missing targets"]
    kinds, prices = sum(k is None for k in kind) - both, sum(p is None for p in price) - both
    assert [(line.partition(":")[0], absent(line)) for line in lines] == [("kind", kinds), ("price", prices)]
    assert told["task"] == "multitask"


# ---- a user's own Dataset


@pytest.mark.parametrize("form", ["dict", "pair", "sample", "flat"])
def test_every_form_of_a_users_samples_has_its_heads(workdir: Path, form: str) -> None:
    torch.manual_seed(0)
    model, test = TwoHeads(), Rows(form, 40)
    run = danlu.train(Rows(form), test, model=model, epochs=2, lr=0.02, run="r")
    with torch.inference_mode():
        out = model(test.x)
    right = accuracy_score(test.kind, out["kind"].argmax(1))
    kind = next(k for k in run.metrics if k.endswith("/accuracy") and k.startswith("test/"))
    assert run.metrics[kind] == pytest.approx(right)
    assert run.metrics[f"{kind.removesuffix('accuracy')}log_loss"] == pytest.approx(
        log_loss(test.kind, out["kind"].softmax(1).double()), rel=1e-4
    )
    error = root_mean_squared_error(test.price, out["price"])
    assert any(v == pytest.approx(error, rel=1e-5) for k, v in run.metrics.items() if k.endswith("/rmse"))
    assert run.metrics["test/loss"] == pytest.approx(run.metrics[f"{kind.removesuffix('accuracy')}log_loss"] + error**2)


def test_one_loss_for_all_heads_stays_the_users_own_business(workdir: Path) -> None:
    def whole(output: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
        return nn.functional.cross_entropy(output["kind"], target["kind"]) + output["price"].square().mean()

    run = danlu.train(Rows(), Rows(rows=40), model=TwoHeads(), loss=whole, epochs=1, run="r")
    assert not any(k.startswith("test/kind/") for k in run.metrics) and "test/loss" in run.metrics


# ---- what is refused


def test_weights_that_fit_nothing_are_refused(workdir: Path) -> None:
    two = {"price": nn.MSELoss(), "kind": nn.CrossEntropyLoss()}
    assert refused("DL260", lambda: several(two, {"prise": 0.5})).facts["near"] == "price"
    refused("DL262", lambda: several({"price": (nn.MSELoss(), 2.0)}, {"price": 0.5}))
    one = TensorDataset(torch.randn(40, 4), torch.randn(40))
    refused("DL261", lambda: danlu.train(one, model=nn.Linear(4, 1), loss_weights="learnt"))
    refused("DL261", lambda: criterion(nn.MSELoss(), CUSTOM, schema(), Settings(loss_weights={"price": 1.0})))


def test_one_named_loss_cannot_serve_a_tables_heads(workdir: Path) -> None:
    wrong = refused("DL263", lambda: danlu.train(str(PENGUINS), target="species,body_mass_g", loss="mse"))
    assert wrong.facts["heads"] == "species, body_mass_g"


def test_heads_know_their_own_task() -> None:
    assert [(h.name, h.task.name, h.schema.outputs) for h in heads_of(schema())] == [
        ("kind", "classification", 3),
        ("price", "regression", 1),
        ("tags", "multilabel", 2),
    ]
    assert schema().outputs == 6 and schema().classes == ()
