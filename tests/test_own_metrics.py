"""The user's metrics: the same numbers as the functions and objects give by themselves, and never a training lost."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as sk
import torch
import torchmetrics
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import danlu
from danlu.cli import main
from danlu.errors import DanluError
from danlu.metrics import own_metrics


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(n: int, classes: int = 3, seed: int = 0) -> TensorDataset:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return TensorDataset(x, x[:, :classes].argmax(1))


def answers(model: nn.Module, data: TensorDataset) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        return model(data.tensors[0]).softmax(1), data.tensors[1]


def brier(prediction: Tensor, target: Tensor) -> Tensor:
    assert prediction.device.type == target.device.type == "cpu" and len(prediction) > 32  # a whole part at once
    return (prediction - nn.functional.one_hot(target, 3)).square().sum(1).mean()


def trained(metrics: Any, **settings: Any) -> tuple[Any, nn.Module, TensorDataset]:
    torch.manual_seed(0)
    model, test = nn.Linear(5, 3), rows(150, seed=1)
    settings = {"epochs": 2, "batch_size": 32, "lr": 0.05, "run": "r"} | settings
    return danlu.train(rows(400), test, val=rows(120, seed=2), model=model, metrics=metrics, **settings), model, test


def test_each_kind_of_metric_gives_what_it_gives_by_itself() -> None:
    collection = torchmetrics.MetricCollection(
        {
            "f1": torchmetrics.F1Score(task="multiclass", num_classes=3, average="macro"),
            "ece": torchmetrics.CalibrationError(task="multiclass", num_classes=3),
        }
    )
    given = [
        brier,
        sk.cohen_kappa_score,
        functools.partial(sk.roc_auc_score, multi_class="ovr"),
        {"nats": sk.log_loss},
        collection,
    ]
    run, model, test = trained([*given, {"top2": functools.partial(sk.top_k_accuracy_score, k=2)}])
    p, y = answers(model, test)
    q = p.double().numpy() / p.double().numpy().sum(1, keepdims=True)
    expected = {
        "brier": float(brier(p, y)),
        "cohen_kappa_score": sk.cohen_kappa_score(y, p.argmax(1)),
        "roc_auc_score": sk.roc_auc_score(y, q, multi_class="ovr"),
        "nats": sk.log_loss(y, q),
        "top2": sk.top_k_accuracy_score(y, q, k=2),
        "f1": float(torchmetrics.functional.f1_score(p, y, task="multiclass", num_classes=3, average="macro")),
        "ece": float(torchmetrics.functional.calibration_error(p, y, task="multiclass", num_classes=3)),
    }
    for name, value in expected.items():
        assert run.metrics[f"test/{name}"] == pytest.approx(value, rel=1e-5), name
        assert f"val/{name}" in run.history[0]["metrics"]
    assert run.metrics["test/cohen_kappa_score_baseline"] == pytest.approx(0.0)
    low, high = run.metrics["test/brier_low"], run.metrics["test/brier_high"]
    spread = (p - nn.functional.one_hot(y, 3)).square().sum(1).std() / math.sqrt(len(y))
    assert high - low == pytest.approx(2 * 1.96 * float(spread), rel=0.2)  # the bootstrap's of a mean
    page = run.report().read_text(encoding="utf-8")
    assert "cohen_kappa_score" in page and "Your own metric." in page


def test_a_metric_with_a_state_starts_anew_every_epoch() -> None:
    class Rows:
        higher_is_better = True

        def reset(self) -> None:
            self.seen = 0

        def update(self, prediction: Tensor, target: Tensor) -> None:
            self.seen += len(target)

        def compute(self) -> int:
            return self.seen

    run, _, _ = trained({"seen": Rows()}, epochs=3)
    assert [e["metrics"]["val/seen"] for e in run.history] == [120.0] * 3
    assert run.metrics["test/seen"] == 150.0


def test_two_classes_numbers_and_labels_come_in_the_form_that_metrics_ask_for() -> None:
    x = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    two, model = TensorDataset(x, (x[:, 0] > 0).long()), nn.Linear(4, 2)
    run = danlu.train(
        two, two, model=model, epochs=1, metrics=[torchmetrics.AUROC(task="binary"), sk.roc_auc_score, sk.f1_score]
    )
    p, y = answers(model, two)
    assert run.metrics["test/BinaryAUROC"] == pytest.approx(sk.roc_auc_score(y, p[:, 1]), abs=1e-5)
    assert run.metrics["test/roc_auc_score"] == pytest.approx(sk.roc_auc_score(y, p[:, 1]))
    assert run.metrics["test/f1_score"] == pytest.approx(sk.f1_score(y, p.argmax(1)))

    numbers, line = TensorDataset(x, x[:, :1] * 3 + 100), nn.Linear(4, 1)
    shapes: list[Any] = []

    def bias(prediction: Tensor, target: Tensor) -> Tensor:
        shapes.append((tuple(prediction.shape), tuple(target.shape)))
        return (prediction - target).mean()

    run = danlu.train(
        numbers, numbers, model=line, epochs=1, metrics=[bias, sk.median_absolute_error, torchmetrics.R2Score()]
    )
    with torch.no_grad():
        guess, truth = line(x)[:, 0].double(), numbers.tensors[1][:, 0].double()
    assert shapes[-1] == ((200,), (200,))
    assert run.metrics["test/bias"] == pytest.approx(float((guess - truth).mean()), rel=1e-5)
    assert run.metrics["test/median_absolute_error"] == pytest.approx(sk.median_absolute_error(truth, guess))
    assert run.metrics["test/R2Score"] == pytest.approx(sk.r2_score(truth, guess), rel=1e-3)

    labels, many = TensorDataset(x, (x > 0).float()), nn.Linear(4, 4)
    run = danlu.train(
        labels,
        labels,
        model=many,
        loss="BCEWithLogitsLoss",
        epochs=1,
        metrics=[torchmetrics.F1Score(task="multilabel", num_labels=4), sk.hamming_loss],
    )
    with torch.no_grad():
        probability = many(x).sigmoid()
    assert run.metrics["test/hamming_loss"] == pytest.approx(sk.hamming_loss(x > 0, probability > 0.5))
    assert run.metrics["test/MultilabelF1Score"] == pytest.approx(
        sk.f1_score(x > 0, probability > 0.5, average="micro"), rel=1e-5
    )


def test_a_custom_task_gets_its_metrics_this_way() -> None:
    x = torch.randn(120, 3, 8, generator=torch.Generator().manual_seed(0))
    pixels = TensorDataset(x, (x[:, 0] > 0).long())  # a class for each of 8 places
    model = nn.Conv1d(3, 2, 1)

    def places(output: Tensor, target: Tensor) -> Tensor:
        assert output.shape == (len(target), 2, 8)
        return (output.argmax(1) == target).double().mean()

    run = danlu.train(
        pixels, pixels, model=model, loss=nn.CrossEntropyLoss(), metrics=places, monitor="+places", epochs=2
    )
    with torch.no_grad():
        assert run.metrics["test/places"] == pytest.approx(
            float((model(x).argmax(1) == pixels.tensors[1]).double().mean())
        )


@pytest.mark.parametrize(("monitor", "wanted"), [("-brier", min), ("+brier", max)])
def test_the_users_direction_names_the_best_epoch(monitor: str, wanted: Any) -> None:
    run, _, _ = trained(brier, monitor=monitor, epochs=4)
    values = [e["metrics"]["val/brier"] for e in run.history]
    assert run.best_epoch == values.index(wanted(values)) + 1


def test_known_directions_need_no_sign_and_unknown_ones_are_asked_for() -> None:
    run, _, _ = trained(
        torchmetrics.HammingDistance(task="multiclass", num_classes=3), monitor="MulticlassHammingDistance", epochs=3
    )
    values = [e["metrics"]["val/MulticlassHammingDistance"] for e in run.history]
    assert values[run.best_epoch - 1] == min(values)
    with pytest.raises(DanluError) as caught:
        trained(brier, monitor="brier", run="other")
    assert caught.value.code == "DL366" and "-brier" in caught.value.fix
    assert [
        o.greater for o in own_metrics([sk.accuracy_score, sk.zero_one_loss, sk.max_error, brier], "classification")
    ] == [
        True,
        False,
        False,
        None,
    ]


def test_a_metric_that_cannot_work_is_told_before_training_with_the_users_line() -> None:
    def wrong(prediction: Tensor, target: Tensor) -> float:
        return prediction.no_such_thing()

    with pytest.raises(DanluError) as caught:
        trained(wrong)
    assert caught.value.code == "DL365" and "prediction.no_such_thing()" in caught.value.where
    assert not Path("r").exists()
    with pytest.raises(DanluError) as caught:
        trained(sk.f1_score)  # three classes: scikit-learn wants to know how to average
    assert caught.value.code == "DL365" and "average" in caught.value.why
    with pytest.raises(DanluError) as caught:
        trained({"matrix": lambda p, y: p.T @ p})
    assert caught.value.code == "DL365" and "(3, 3)" in caught.value.why


def test_a_metric_that_fails_later_costs_no_training(capsys: pytest.CaptureFixture[str]) -> None:
    calls = []

    def late(prediction: Tensor, target: Tensor) -> float:
        calls.append(len(target))
        if len(calls) > 2:
            raise ValueError("nothing left to divide")
        return 1.0

    run, _, _ = trained(late, epochs=3)
    assert len(run.history) == 3 and math.isnan(run.metrics["test/late"])
    events = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    found = [e for e in events if e["event"] == "finding" and e["code"] == "DL365"]
    assert len(found) == 1 and "raise ValueError" in found[0]["where"] and "nothing left" in found[0]["why"]


def test_outputs_of_several_sizes_end_a_metric_of_all_rows_and_not_the_training() -> None:
    class Seen:
        def reset(self) -> None:
            self.n = 0

        def update(self, output: Tensor, target: Tensor) -> None:
            self.n += output.numel()

        def compute(self) -> int:
            return self.n

    def padded(rows: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        longest = max(len(x) for x, _ in rows)
        return tuple(torch.stack([nn.functional.pad(r[k], (0, longest - len(r[k]))) for r in rows]) for k in (0, 1))  # type: ignore[return-value]

    texts = [(torch.ones(n), torch.ones(n)) for n in (4, 4, 4, 4, 6, 6, 6, 6)]
    loader = torch.utils.data.DataLoader(texts, batch_size=4, collate_fn=padded)  # type: ignore[arg-type]

    class Same(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.w

    metrics = {"mean": lambda p, y: (p - y).mean(), "seen": Seen()}
    run = danlu.train(
        loader, loader, val=loader, model=Same(), loss=nn.MSELoss(), task="custom", metrics=metrics, epochs=2, run="r"
    )
    assert len(run.history) == 2 and run.history[0]["metrics"]["val/seen"] == 40.0
    assert math.isnan(run.history[0]["metrics"]["val/mean"])


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (lambda p, y: 1.0, "DL364"),
        ({"accuracy": brier}, "DL363"),
        ([brier, brier], "DL363"),
        ({"a_low": brier}, "DL363"),
        (torchmetrics.MeanSquaredError, "DL362"),
        (3, "DL362"),
        ("accuracy", "DL362"),
    ],
)
def test_what_is_no_metric_or_has_no_free_name_is_refused(given: Any, code: str) -> None:
    with pytest.raises(DanluError) as caught:
        trained(given)
    assert caught.value.code == code


def test_a_name_that_is_no_metric_is_told_before_the_data_are_opened() -> None:
    with pytest.raises(DanluError) as caught:
        danlu.train("there-is-no-such.csv", metrics="accuracy")
    assert caught.value.code == "DL362"


def test_metrics_of_a_file_are_taken_up_again_by_resume() -> None:
    Path("mine.py").write_text("def hits(p, y):\n    return (p.argmax(1) == y).double().mean()\n")
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    np.savez("data.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    run = danlu.train("data.npz", metrics="mine.py:hits", monitor="+hits", epochs=1, run="r")
    assert run.metrics["test/hits"] == pytest.approx(run.metrics["test/accuracy"])
    longer = danlu.resume("r", epochs=2)
    assert len(longer.history) == 2 and "val/hits" in longer.history[1]["metrics"]
    again = danlu.test("r", "data.npz", metrics="mine.py:hits")
    assert again["test/hits"] == pytest.approx(again["test/accuracy"]) and again["test/hits_low"] < again["test/hits"]
    assert main(["test", "r", "--metrics", "mine.py:hits", "--quiet"]) == 0
    assert main(["test", "r", "--metrics", "mine.py:nothing", "--quiet"]) == 1


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_metric_that_is_no_reference_has_a_fix_for_the_command_line(
    lang: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path / "nowhere.csv"), "--metrics", "accuracy", "--lang", lang]) == 1
    said = capsys.readouterr().err
    assert "DL362" in said and "--metrics my_metrics.py:name" in said and "--metrics accuracy" in said
