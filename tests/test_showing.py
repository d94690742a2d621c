"""The page of a real run: what it says is what the run found, for every kind of data."""

from __future__ import annotations

import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu
from danlu.data.columns import Columns
from danlu.report.page.contents import Finding, Metric
from danlu.showing.samples import Gallery, picture
from danlu.showing.texts import before_chinese
from danlu.showing.verdict import judged, over_linear, verdict
from danlu.types import Field, Schema
from pictures import photos


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page_of(run: Any) -> str:
    text = run.report().read_text(encoding="utf-8")
    assert not (run.dir / "log.txt").exists(), (run.dir / "log.txt").read_text()
    return unescape(text)


def table(n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    width, colour = rng.normal(size=n), rng.choice(["red", "green", "blue"], n)
    return pd.DataFrame(
        {
            "width": np.where(rng.random(n) < 0.1, np.nan, width),
            "colour": colour,
            "noise": rng.normal(size=n),
            "price": 10 + 3 * width + 5 * (colour == "red"),
            "kind": np.where(width + (colour == "red") > 0.3, "大", "小"),
        }
    )


def test_a_table_of_classes_shows_what_the_run_found() -> None:
    run = danlu.train(table().drop(columns="price"), target="kind", epochs=12, lr=0.01)
    page = page_of(run)
    low, high = run.metrics["test/accuracy_low"], run.metrics["test/accuracy_high"]
    assert f"{100 * run.metrics['test/accuracy']:.1f}\u202f%" in page
    shown, least = (f"{100 * v:.1f}\u202f%" for v in (run.metrics["test/accuracy"], low))
    assert f"accuracy is {shown} (95\u202f% interval {least}" in page
    assert f"至 {100 * high:.1f}\u202f%" in page  # the other language is there too
    drops = re.findall(r"(width|colour|noise)", page[page.index('id="why"') :])
    assert drops[0] in ("width", "colour")  # the most important first, never the noise
    assert "大" in page and run.metrics["test/classes"][0]["name"] in page


def test_numbers_show_their_residuals() -> None:
    run = danlu.train(table().drop(columns="kind"), target="price", epochs=5, lr=0.01)
    page = page_of(run)
    assert "RMSE" in page and "Spearman" in page and 'id="mistakes"' in page


def test_photos_are_shown_and_each_only_once(tmp_path: Path) -> None:
    photos(tmp_path / "photos", {"猫": 24, "dog": 24})
    run = danlu.train(tmp_path / "photos", epochs=2, size=32)
    page = page_of(run)
    assert "猫" in page and "Occlusion" in page and "遮挡法" in page
    stored = re.findall(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)", page)
    assert stored and len(stored) == len(set(stored)) and len(page) < 1_000_000 + sum(map(len, stored))


class Own(Dataset[tuple[Tensor, int]]):
    """Counts how often a row is asked for after training."""

    targets: list[int]

    def __init__(self, n: int = 60) -> None:
        self.x = torch.randn(n, 3, 12, 12, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.x[i], int(self.x[i, 0].mean() > 0)


def test_a_users_own_dataset_and_model() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(432, 2))
    train, test = Own(), Own(40)
    train.targets, test.targets = ([part[i][1] for i in range(len(part))] for part in (train, test))
    page = page_of(danlu.train(train, test, model=model, loss="CrossEntropyLoss", epochs=2))
    assert "data:image/png" in page and "Linear" in page and "2 classes" in page


def test_labels_of_several_kinds() -> None:
    x = torch.randn(120, 5, generator=torch.Generator().manual_seed(0))
    run = danlu.train((x, (x[:, :3] > 0).float()), model=nn.Linear(5, 3), loss="BCEWithLogitsLoss", epochs=2)
    assert "AUROC" in page_of(run)


def test_without_a_test_part_it_says_so() -> None:
    run = danlu.train(Own(), model=nn.Sequential(nn.Flatten(), nn.Linear(432, 2)), loss="CrossEntropyLoss", epochs=1)
    assert "no test part" in page_of(run)


def test_a_page_that_cannot_be_made_costs_nothing_but_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no pen")

    monkeypatch.setattr("danlu.showing.write_page", broken)
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    run = danlu.train((x, (x[:, 0] > 0).long()), model="mlp", epochs=1)
    assert "no pen" in (run.dir / "log.txt").read_text() and not run.report().exists()
    events = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    assert events[-1]["event"] == "done" and run.metrics["test/accuracy"] > 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_is_what_the_model_saw(channels: int) -> None:
    pixels = torch.randint(0, 256, (channels, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    field = Field("x", "image", "input", shape=(channels, 8, 8), mean=(0.4,) * channels, std=(0.2,) * channels)
    for image in (pixels, (pixels / 255 - 0.4) / 0.2):
        shown = picture(image, field)
        assert shown is not None
        got = np.asarray(Image.open(io.BytesIO(shown.data)))
        expected = pixels.numpy()[0] if channels == 1 else pixels.numpy().transpose(1, 2, 0)
        assert np.abs(got.astype(int) - expected).max() <= 1
    assert picture(torch.zeros(5, 8, 8), None) is None and picture(torch.zeros(8), None) is None


def test_a_row_of_a_table_is_shown_in_its_own_units() -> None:
    fields = (
        Field("colour", "category", "input", classes=("red", "blue")),
        Field("width", "number", "input", mean=(10.0,), std=(2.0,)),
        Field("y", "category", "target", classes=("a", "b")),
    )
    part = Columns(
        (torch.tensor([[1.5], [torch.nan]]), torch.tensor([[2], [0]]), torch.tensor([0, 1])),
        names=["r1", "r2"].__getitem__,
    )
    gallery = Gallery(part, Schema(fields, "classification", "columns", "table"))
    assert gallery.sample(0).row == (("colour", "blue"), ("width", "13"))
    assert gallery.sample(1, "b").row == (("colour", "–"), ("width", "–"))
    assert (gallery.sample(0).where, gallery.sample(1, "b").label) == ("r1", "b")


def test_a_model_too_large_to_cover_patches_is_explained_by_its_gradient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos(tmp_path / "photos", {"a": 24, "b": 24})
    monkeypatch.setattr("danlu.showing.why.PASSES", 10**9)
    assert "SmoothGrad" in page_of(danlu.train(tmp_path / "photos", epochs=1, size=16, model="cnn"))


def test_pictures_of_a_users_own_dataset_are_explained_and_asked_for_once() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(400, 2))
    train, test = Own(), Own(40)
    train.targets, test.targets = ([part[i][1] for i in range(len(part))] for part in (train, test))
    page = page_of(danlu.train(train, test, model=model, loss="CrossEntropyLoss", epochs=2))
    assert "Occlusion" in page and "image/jpeg" in page  # heat over a picture


def test_a_model_that_cannot_be_asked_why_costs_only_the_explanations(capsys: pytest.CaptureFixture[str]) -> None:
    class Refuses(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(432, 2)

        def forward(self, x: Tensor) -> Tensor:
            if bool((x[:, :, 1, 1] == x[:, :, 0, 0]).all(1).any()):  # a covered corner
                raise RuntimeError("no patches, please")
            return self.head(x.flatten(1))

    train, test = Own(), Own(40)
    train.targets, test.targets = ([part[i][1] for i in range(len(part))] for part in (train, test))
    run = danlu.train(train, test, model=Refuses(), loss="CrossEntropyLoss", epochs=1)
    page = run.report().read_text(encoding="utf-8")
    assert "no patches, please" in capsys.readouterr().err and "confusion" in page and "Occlusion" not in page


def test_labels_have_a_table_of_two_by_two_each() -> None:
    x = torch.randn(400, 5, generator=torch.Generator().manual_seed(0))
    run = danlu.train((x, (x[:, :3] > 0.5).float()), model=nn.Linear(5, 3), loss="BCEWithLogitsLoss", epochs=3, lr=0.05)
    page = page_of(run)
    import pyarrow.parquet as pq

    rows = pq.read_table(run.dir / "predictions.parquet").to_pylist()
    there = np.array([r["truth"] for r in rows]) > 0.5
    said = np.array([[str(k) in r["prediction"] for k in range(3)] for r in rows])
    table = page[page.index("Label by label") :]
    found = re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:4]
    for k, row in enumerate(found):
        cells = [int(v.replace(",", "")) for v in re.findall(r"<td[^>]*>(?:<[^>]*>)*([\d,]+)(?:<[^>]*>)*</td>", row)]
        t, s = there[:, k], said[:, k]
        assert cells[-4:] == [int((t & s).sum()), int((t & ~s).sum()), int((~t & s).sum()), int((~t & ~s).sum())]


def test_the_range_test_and_the_peak_of_memory_are_shown() -> None:
    x = torch.randn(600, 5, generator=torch.Generator().manual_seed(0))
    run = danlu.train((x, (x[:, 0] > 0).long()), model="mlp", epochs=2, lr="auto", run="r")
    events = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text().splitlines()]
    (test,) = [e for e in events if e["event"] == "range_test"]
    rates = [rate for rate, _ in test["points"]]
    assert rates == sorted(rates) and len(rates) >= 10 and test["chosen"] in [r / 10 for r in rates]
    peaks = [e["memory"] for e in events if e["event"] == "epoch"]
    assert peaks == sorted(peaks) and peaks[0] > 100_000_000  # torch alone takes more
    page = page_of(run)
    assert f"Dashed: the chosen rate, {test['chosen']:.3g}" in page and "Peak memory" in page
    longer = danlu.train((x, (x[:, 0] > 0).long()), model="mlp", epochs=2, lr="auto", run="r")  # the page made again
    assert "Dashed: the chosen rate" in longer.report().read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("better", "low", "high", "said"),
    [
        ("higher", 0.1, 0.2, "more than chance"),
        ("higher", -0.1, 0.2, "may be chance"),
        ("higher", -0.2, -0.1, "the linear model is clearly better"),
        ("lower", -0.2, -0.1, "more than chance"),
        ("lower", 0.1, 0.2, "the linear model is clearly better"),
    ],
)
def test_the_verdict_on_the_linear_model_follows_the_interval(better: Any, low: float, high: float, said: str) -> None:
    found = {"test/m_over_linear": (low + high) / 2, "test/m_over_linear_low": low, "test/m_over_linear_high": high}
    english, chinese = over_linear("m", Metric("m", 0.5, better=better, unit="%"), found)
    assert said in english and "percentage points" in english and "个百分点" in chinese


def heads_results(value: float, over: tuple[float, float]) -> dict[str, Any]:
    found = {"test/accuracy": value, "test/accuracy_low": value - 0.02, "test/accuracy_high": value + 0.02}
    found |= {"test/accuracy_baseline": 0.3, "test/accuracy_linear": value - sum(over) / 2}
    ends = {"": sum(over) / 2, "_low": over[0], "_high": over[1]}
    return found | {f"test/accuracy_over_linear{end}": v for end, v in ends.items()}


def test_the_verdict_on_several_heads_says_which_are_better_and_whose_warnings_there_are() -> None:
    cases = {"kind": (0.9, (0.1, 0.2)), "tone": (0.8, (-0.1, 0.1)), "size": (0.7, (-0.3, -0.1))}
    found = [judged(head, "classification", heads_results(*case)) for head, case in cases.items()]
    warned = [Finding("DL331", "warning", (f"{h}: worse", f"{h}：更差")) for h in ("tone", "size")]
    made = verdict([one for one in found if one], 500, tuple(warned), ["tone", "size"])
    assert [s[0] for s in made.sentences] == [
        "On 500 test rows that training never saw: kind accuracy 90.0 %, tone accuracy 80.0 %, size accuracy 70.0 %.",
        "Beside a linear model on the same rows: clearly better in kind; perhaps no better in tone; "
        "clearly worse in size.",
        "Do not rely on tone yet: worse; one more warning below (size).",
    ]
    assert made.sentences[2][1] == "先别急着采信 tone：更差；下面还有一条警告（size）。"
    assert [(one.head, one.metric.value) for one in made.heads] == [("kind", 0.9), ("tone", 0.8), ("size", 0.7)]
    good = [judged(h, "classification", heads_results(0.9, (0.1, 0.2))) for h in "abcdef"]
    many = verdict([one for one in good if one], 500, (), [])
    assert many.sentences[1][0] == "Each of them is clearly better than a linear model on the same rows."
    assert many.sentences[0][0].endswith("d accuracy 90.0 % and 2 more.") and len(many.heads) == 6


def test_a_word_of_chinese_keeps_its_distance_from_latin_letters() -> None:
    assert before_chinese(("macro-F1", "宏平均 F1")) == ("macro-F1", "宏平均 F1 ")
    assert before_chinese(("accuracy", "准确率")) == ("accuracy", "准确率")
