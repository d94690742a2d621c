"""Each doubt is raised by the case it is about, and not by its neighbour."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import danlu
from danlu.data.columns import Columns, Data
from danlu.data.duplicates import Copies
from danlu.doubts import Trained, doubts_of_data, doubts_of_results
from danlu.metrics import wilson
from danlu.types import Schema


def trained(accuracy: float = 0.9, *, rows: int = 5000, history: Any = (), **results: Any) -> Trained:
    low, high = wilson(accuracy, rows)
    found = {"test/accuracy": accuracy, "test/accuracy_low": low, "test/accuracy_high": high, "test/rows": rows}
    found |= {"test/accuracy_baseline": 0.2, "test/accuracy_linear": 0.5, "val/accuracy": accuracy, "best_epoch": 2}
    found |= {k.replace("__", "/"): v for k, v in results.items()}
    return Trained(
        "classification",
        "val/accuracy",
        found,
        history,
        5000,
        "danlu test runs/r MORE_DATA",
        "danlu resume runs/r --epochs 20",
    )


def epochs(accuracies: list[float], train: list[float] | None = None, val: list[float] | None = None) -> Any:
    losses = zip(train or [0.5] * len(accuracies), val or [0.5] * len(accuracies), strict=True)
    return [
        {"epoch": i + 1, "metrics": {"val/accuracy": a, "train/loss": t, "val/loss": v}}
        for i, (a, (t, v)) in enumerate(zip(accuracies, losses, strict=True))
    ]


def codes(case: Trained) -> list[str]:
    return [doubt.told.code for doubt in doubts_of_results(case)]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (trained(), []),
        (trained(val__accuracy=0.915), ["DL330"]),
        (trained(val__accuracy=0.91), []),  # two parts of 5,000: 0.0118 is chance
        (trained(test__accuracy_linear=0.9), ["DL331"]),
        (trained(test__accuracy_linear=0.899), []),
        (trained(test__accuracy_over_linear_low=-0.001, test__accuracy_over_linear_high=0.8), ["DL331"]),
        (trained(test__accuracy_over_linear_low=0.001, test__accuracy_over_linear_high=0.8), []),
        (trained(0.21, test__accuracy_linear=0.1), ["DL332"]),
        (trained(0.22, test__accuracy_linear=0.1), []),
        (trained(rows=100), ["DL333"]),
        (trained(test__classes=[{"name": "a", "rows": 4}, {"name": "b", "rows": 900}]), ["DL339"]),
        (trained(test__classes=[{"name": "a", "rows": 5}, {"name": "b", "rows": 0}]), []),
        (trained(rows=200), []),
        (trained(history=epochs([0.8, 0.9, 0.9], [0.4, 0.2, 0.1], [0.4, 0.3, 0.4])), ["DL334"]),
        (trained(history=epochs([0.8, 0.9, 0.9], [0.4, 0.2, 0.25], [0.4, 0.3, 0.31])), []),
        (trained(history=epochs([0.6, 0.7, 0.8, 0.9]), best_epoch=4), ["DL335"]),
        (trained(history=epochs([0.6, 0.7, 0.899, 0.9]), best_epoch=4), []),
        (trained(history=epochs([0.6, 0.7, 0.9, 0.8]), best_epoch=3), []),
    ],
)
def test_each_doubt_has_its_limit(case: Trained, expected: list[str]) -> None:
    assert codes(case) == expected


def test_a_text_names_the_figures_in_both_languages() -> None:
    (doubt,) = doubts_of_results(trained(0.21, test__accuracy_linear=0.1))
    assert "0.2100" in doubt.told.what and "0.2000" in doubt.told.what
    assert "--epochs 20" in doubt.told.fix and doubt.severity == "warning"


def test_numbers_are_better_when_smaller() -> None:
    results = {"test/rmse": 2.0, "test/rmse_low": 1.9, "test/rmse_high": 2.1, "test/rows": 900, "test/rmse_linear": 1.8}
    case = Trained("regression", "val/rmse", results | {"test/rmse_baseline": 3.0}, (), 900, "r", "line")
    assert codes(case) == ["DL331"]
    assert (
        codes(Trained("regression", "val/rmse", results | {"test/rmse_baseline": 2.0}, (), 900, "r", "l"))[0] == "DL332"
    )


def test_a_task_of_the_users_own_is_not_doubted() -> None:
    assert codes(Trained("custom", "val/loss", {"val/loss": 1.0}, (), 9, "r", "line")) == []


def test_unequal_classes() -> None:
    rows = torch.tensor([0] * 60 + [1] * 3 + [2] * 30)
    data = Data("d", Columns((torch.zeros(93, 1), rows)), None, None, Schema((), "classification"))
    (doubt,) = doubts_of_data(data, ("cat", "emu", "dog"), rows, (), weighted=False)
    assert doubt.told.code == "DL337" and doubt.told.where == "emu" and "20" in doubt.told.what
    assert doubts_of_data(data, ("cat", "emu", "dog"), rows, (), weighted=True) == []
    assert doubts_of_data(data, ("cat", "emu", "dog"), rows[1:], (), weighted=False) == []


def test_copies_are_told_before_training_and_kept_with_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(80, 3, generator=g), torch.arange(80) % 2
    test_x = torch.cat([torch.randn(10, 3, generator=g), x[:5]])
    run = danlu.train((x, y), (test_x, torch.arange(15) % 2), model="mlp", epochs=1)
    said = capsys.readouterr().err
    assert "DL336" in said and said.index("DL336") < said.index("epoch 1/1")
    events = (run.dir / "metrics.jsonl").read_text()
    assert '"code": "DL336"' in events


@pytest.mark.parametrize(("count", "severity", "share"), [(2, "note", "0.2%"), (60, "warning", "6%")])
def test_a_few_copies_among_many_rows_are_a_note(count: int, severity: str, share: str) -> None:
    rows = Columns((torch.zeros(1000, 1), torch.zeros(1000, dtype=torch.int64)), names=str)
    data = Data("d", rows, None, rows, Schema((), "classification"))
    (doubt,) = doubts_of_data(data, (), None, [Copies("test", count, 1000, ((0, 1),))], weighted=False)
    assert doubt.severity == severity and f"by heart: {share} of" in doubt.told.why


def test_what_no_guess_reaches_is_no_guessing() -> None:
    guessing = trained(0.75, test__accuracy_baseline=0.76)
    assert "DL332" in codes(guessing)
    ranks = {"test__auroc": 0.8, "test__auroc_low": 0.78, "test__auroc_high": 0.82, "test__auroc_baseline": 0.5}
    assert "DL332" not in codes(trained(0.75, test__accuracy_baseline=0.76, **ranks))
    assert "DL332" in codes(trained(0.75, test__accuracy_baseline=0.76, **{**ranks, "test__auroc_low": 0.49}))


@pytest.mark.parametrize(("low", "high", "how"), [(-0.2, -0.1, "is clearly better"), (-0.2, 0.1, "does as well")])
def test_a_linear_model_that_is_better_is_not_called_as_good(low: float, high: float, how: str) -> None:
    paired = {"test__accuracy_over_linear_low": low, "test__accuracy_over_linear_high": high}
    found = doubts_of_results(trained(0.8, test__accuracy_linear=0.9, **paired))
    assert [how in doubt.told.what for doubt in found if doubt.told.code == "DL331"] == [True]
