"""Slices: each group's metrics are scikit-learn's of its rows; only what chance does not explain is called worse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics as sk
import torch
from scipy import stats
from torch import nn
from torch.utils.data import TensorDataset

import danlu
from danlu.data.groups import Groups, grouped
from danlu.doubts import Trained, doubts_of_results
from danlu.errors import DanluError
from danlu.slices import FEW, difference, sliced


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def classes(n: int = 900, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, Groups]:
    g = torch.Generator().manual_seed(seed)
    decoded = torch.randn(n, 3, generator=g).softmax(1)
    target = torch.randint(0, 3, (n,), generator=g)
    return decoded, target, grouped("city", np.array(["a", "b", "c"])[torch.randint(0, 3, (n,), generator=g).numpy()])


def test_each_groups_metrics_are_those_of_scikit_learn() -> None:
    decoded, target, groups = classes()
    trivial = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
    found = sliced("classification", decoded, target, [groups], trivial, "accuracy")
    assert [s["group"] for s in found] == ["a", "b", "c"] and sum(s["rows"] for s in found) == 900
    for k, part in enumerate(found):
        rows = groups.of == k
        y, p = target[rows].numpy(), decoded[rows].numpy().astype(np.float64)
        p /= p.sum(1, keepdims=True)
        assert part["accuracy"] == pytest.approx(sk.accuracy_score(y, p.argmax(1)))
        assert part["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(1), average="macro"))
        assert part["log_loss"] == pytest.approx(sk.log_loss(y, p), rel=1e-5)
        assert part["auroc"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"), rel=1e-6)
        assert part["accuracy_baseline"] == pytest.approx((y == 1).mean())
        exact = stats.binomtest(int((y == p.argmax(1)).sum()), len(y)).proportion_ci(method="wilson")
        assert (part["accuracy_low"], part["accuracy_high"]) == pytest.approx((exact.low, exact.high))


def test_numbers_and_labels_are_sliced_too() -> None:
    rng = np.random.default_rng(0)
    truth, guess, of = rng.normal(size=(200, 1)), rng.normal(size=(200, 1)), grouped("g", rng.integers(0, 2, 200))
    found = sliced("regression", torch.from_numpy(guess), torch.from_numpy(truth), [of], None, "rmse")
    for k, part in enumerate(found):
        y, p = truth[of.of == k], guess[of.of == k]
        assert part["rmse"] == pytest.approx(sk.root_mean_squared_error(y, p))
        assert part["r2"] == pytest.approx(sk.r2_score(y, p))
    labels, scores = torch.from_numpy(rng.integers(0, 2, (200, 4))).float(), torch.from_numpy(rng.random((200, 4)))
    for k, part in enumerate(sliced("multilabel", scores, labels, [of], None, "macro_f1")):
        y, p = labels[of.of == k].numpy(), scores[of.of == k].numpy() > 0.5
        assert part["macro_f1"] == pytest.approx(sk.f1_score(y, p, average="macro"))


def hits(rights: list[int], rows: list[int]) -> tuple[torch.Tensor, torch.Tensor, Groups]:
    """Groups with so many right answers out of so many rows, two classes."""
    right = np.concatenate([np.arange(n) < k for k, n in zip(rights, rows, strict=True)])
    target = torch.from_numpy(np.arange(len(right)) % 2)
    guess = torch.where(torch.from_numpy(right), target, 1 - target)
    decoded = torch.nn.functional.one_hot(guess, 2) * 0.8 + 0.1
    return decoded, target, grouped("g", np.repeat([f"g{i}" for i in range(len(rows))], rows))


def worse(rights: list[int], rows: list[int]) -> dict[str, Any]:
    decoded, target, groups = hits(rights, rows)
    return {
        s["group"]: s for s in sliced("classification", decoded, target, [groups], None, "accuracy") if "worse" in s
    }


def test_only_a_group_that_chance_does_not_explain_is_called_worse() -> None:
    assert set(worse([300, 480, 490], [500, 500, 500])) == {"g0"}
    assert worse([476, 480, 490], [500, 500, 500]) == {}
    assert worse([5, 480], [29, 500]) == {}  # too few rows to say
    told = worse([300, 480, 490], [500, 500, 500])["g0"]["worse"]
    assert told["compared"] == 3 and told["rest"] == pytest.approx(970 / 1000)


def test_groups_that_are_alike_are_seldom_called_worse_however_many_are_compared() -> None:
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(120):
        alarms += bool(worse(rng.binomial(60, 0.8, 12).tolist(), [60] * 12))
    assert alarms <= 12  # 5 % of 120 families are 6; the interval keeps its promise


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe (1998), table II, method 10: 56/70 − 48/80: 0.0524 to 0.3339
    from danlu.metrics import wilson

    one, two = (56 / 70, *wilson(56 / 70, 70)), (48 / 80, *wilson(48 / 80, 80))
    assert difference(one, two) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_a_worse_group_is_a_doubt_that_says_how_many_were_compared() -> None:
    decoded, target, groups = hits([300, 480, 490], [500, 500, 500])
    results = {"test/slices": sliced("classification", decoded, target, [groups], None, "accuracy")}
    doubts = doubts_of_results(Trained("classification", "val/accuracy", results, (), 10, "runs/r", "danlu resume"))
    assert [d.told.code for d in doubts] == ["DL338"]
    assert "g: g0" in doubts[0].told.what and "3 groups" in doubts[0].told.why


def people(n: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x, sex = rng.normal(size=n), rng.choice(["f", "m"], n)
    noisy = np.where(sex == "m", rng.random(n) < 0.4, False)
    return pd.DataFrame(
        {
            "x": x,
            "y": rng.normal(size=n),
            "sex": sex,
            "age": rng.integers(18, 90, n),
            "label": np.where((x > 0) ^ noisy, "yes", "no"),
        }
    )


def test_a_run_is_sliced_by_an_ignored_column_everywhere_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    table = people(1500)
    table.to_csv("people.csv", index=False)
    run = danlu.train("people.csv", target="label", slice="sex,age", ignore="sex", epochs=2, run="r", lang="en")
    shown = capsys.readouterr()
    predictions = pd.read_parquet("r/predictions.parquet")
    lines = predictions["row"].str.rpartition(":")[2].astype(int) - 2
    sex = table["sex"].to_numpy()[lines]
    found = {(s["column"], s["group"]): s for s in run.metrics["test/slices"]}
    for name in ("f", "m"):
        rows = predictions[sex == name]
        assert found["sex", name]["rows"] == len(rows)
        assert found["sex", name]["accuracy"] == pytest.approx(float((rows.truth == rows.prediction).mean()))
    assert sum(s["rows"] for (c, _), s in found.items() if c == "age") == len(predictions)
    assert "worse" in found["sex", "m"] and "! m" in shown.err + shown.out and "quartiles" in shown.err + shown.out
    events = [json.loads(line) for line in Path("r/metrics.jsonl").read_text().splitlines()]
    assert "DL338" in [e["code"] for e in events if e["event"] == "finding"]
    assert events[-1]["metrics"]["test/slices"] == run.metrics["test/slices"]
    page = run.report().read_text(encoding="utf-8")
    assert "clearly worse than all others" in page and "明显差于其余样本" in page
    other = danlu.test("r", "people.csv", slice="sex")
    assert {s["group"] for s in other["test/slices"]} == {"f", "m"} and other["test/rows"] == 1500
    assert danlu.test("r")["test/slices"] == run.metrics["test/slices"]  # the run's own part, sliced as it was
    with pytest.raises(DanluError) as caught:
        danlu.test("r", slice="sexx")
    assert caught.value.code == "DL110" and "--slice" in caught.value.fix


def test_a_users_dataset_is_sliced_by_arrays() -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(300, 4, generator=g)
    y = (x[:, 0] > 0).long()
    camera = np.where(np.arange(100) < 2 * FEW, "old", "new")
    model = nn.Linear(4, 2)
    run = danlu.train(
        TensorDataset(x[:200], y[:200]),
        TensorDataset(x[200:], y[200:]),
        model=model,
        epochs=2,
        slice={"camera": camera},
    )
    with torch.no_grad():
        right = (model(x[200:]).argmax(1) == y[200:]).numpy()
    found = {s["group"]: s for s in run.metrics["test/slices"]}
    for name in ("old", "new"):
        assert found[name]["accuracy"] == pytest.approx(right[camera == name].mean())
    with pytest.raises(DanluError) as caught:
        danlu.train(TensorDataset(x, y), TensorDataset(x, y), model=model, epochs=1, slice={"camera": camera})
    assert caught.value.code == "DL361"
    assert run.test(TensorDataset(x, y), slice={"half": np.arange(300) % 2})["test/slices"][0]["rows"] == 150
