"""What the page says of the test is what an independent reading of the same answers finds."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve
from torch import Tensor, nn

import danlu
from danlu.data.columns import Columns
from danlu.evaluate import Evaluation
from danlu.messages import SAYINGS
from danlu.report.page import Page, render
from danlu.report.page.samples import tail
from danlu.report.page.words import show
from danlu.showing.retold import LEAST, retold
from danlu.showing.samples import Gallery
from danlu.showing.tested import mistakes_of, results_of
from danlu.showing.texts import interval_of
from danlu.showing.why import summary_of
from danlu.types import Field, Schema
from html_reader import read
from pictures import photos


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page_of(run: Any) -> str:
    assert not (run.dir / "log.txt").exists(), (run.dir / "log.txt").read_text()
    return unescape(run.report().read_text(encoding="utf-8"))


def answered(classes: int, rows: int, seed: int = 0) -> tuple[Schema, Evaluation, Gallery]:
    """Probabilities drawn at random, some of them right; row ``i`` is shown as ``r{i}``."""
    rng = np.random.default_rng(seed)
    target = torch.from_numpy(rng.integers(0, classes, rows))
    logits = torch.from_numpy(rng.normal(size=(rows, classes)))
    logits[torch.arange(rows), target] += 1.5 * rng.random() + torch.linspace(0, 2, classes)[target]
    names = tuple(f"c{i}" for i in range(classes))
    fields = (Field("x", "number", "input"), Field("y", "category", "target", classes=names))
    part = Columns((torch.zeros(rows, 1), target), names=lambda i: f"r{i}")
    schema = Schema(fields, "classification", "columns", "table")
    return schema, Evaluation({}, rows, logits.softmax(1), target), Gallery(part, schema)


def roc_points(truth: np.ndarray, score: np.ndarray) -> list[tuple[float, float]]:
    false, found, _ = roc_curve(truth, score, drop_intermediate=True)
    return list(zip(false.tolist(), found.tolist()))


def pr_points(truth: np.ndarray, score: np.ndarray) -> list[tuple[float, float]]:
    precision, recall, _ = precision_recall_curve(truth, score, drop_intermediate=True)
    return list(zip(recall.tolist(), precision.tolist()))[:-1]  # the last is scikit-learn's own, at no threshold


def test_of_many_classes_the_curves_are_those_of_the_worst() -> None:
    schema, tested, gallery = answered(30, 900)
    found = results_of(schema, {}, tested, gallery)
    assert tested.decoded is not None and tested.target is not None
    truth = tested.target.numpy()[:, None] == np.arange(30)
    for curves, area in ((found.roc, roc_auc_score), (found.pr, average_precision_score)):
        areas = {f"c{i}": float(area(truth[:, i], tested.decoded[:, i].numpy())) for i in range(30)}
        worst = sorted(areas, key=lambda name: areas[name])[:6]
        assert {curve.name for curve in curves} == set(worst)
        assert {str(curve.name): curve.area for curve in curves} == pytest.approx({n: areas[n] for n in worst})
    for curves, points_of in ((found.roc, roc_points), (found.pr, pr_points)):
        for drawn in curves:
            corners = points_of(truth[:, int(str(drawn.name)[1:])], tested.decoded[:, int(str(drawn.name)[1:])].numpy())
            there = {(round(x, 9), round(y, 9)) for x, y in drawn.points}
            assert {(round(x, 9), round(y, 9)) for x, y in corners} <= there  # thinned, but with every corner
            assert len(there) < 700
    page = render(Page("t", tests=(found,)))
    assert page.count("6 of 30 curves: those with the smallest area") == 2


@pytest.mark.parametrize("classes", [3, 20])
def test_every_cell_of_a_readable_matrix_opens_samples_of_its_own(classes: int) -> None:
    schema, tested, gallery = answered(classes, 3000)
    assert tested.decoded is not None and tested.target is not None
    pairs = set(zip(tested.target.tolist(), tested.decoded.argmax(1).tolist()))
    page = render(Page("t", tests=(results_of(schema, {}, tested, gallery),)))
    panels = {n.attributes["id"]: [w.text() for w in n.all("span", "where")] for n in read(page).all("aside")}
    assert set(panels) == {f"cell-0-{truth}-{answer}" for truth, answer in pairs}
    for truth, answer in pairs:
        rows = [int(where.removeprefix("r")) for where in panels[f"cell-0-{truth}-{answer}"]]
        assert rows and all(tested.target[i] == truth and tested.decoded[i].argmax() == answer for i in rows)
    assert len(re.sub(r'href="data:[^"]*"', "", page)) < 1_000_000


def test_the_worst_mistakes_are_mistakes_even_where_right_answers_are_unsure() -> None:
    schema, tested, gallery = answered(200, 4000)
    assert tested.decoded is not None and tested.target is not None
    found, many = mistakes_of(schema, tested, gallery)
    wrong = torch.nonzero(tested.decoded.argmax(1) != tested.target)[:, 0]
    loss = -tested.decoded[wrong, tested.target[wrong]].log()
    worst = wrong[loss.argsort(descending=True)[:24]].tolist()
    assert [m.sample.where for m in found] == [f"r{i}" for i in worst] and many == len(wrong)
    page = render(Page("t", mistakes=found, mistakes_total=many))
    assert f"24 of {many:,} are shown." in page


def test_the_verdict_is_three_sentences() -> None:
    x = torch.randn(600, 4, generator=torch.Generator().manual_seed(0))
    for target in ((x[:, 0] * x[:, 1] > 0).long(), x[:, :1] * x[:, 1:2]):
        run = danlu.train((x, target), model="mlp", epochs=3, lr=0.01)
        (lead,) = read(run.report().read_text(encoding="utf-8")).all("div", "lead")
        assert len(lead.all("p")) == 3
        for p in lead.all("p"):
            for side in ("e", "z"):
                (said,) = p.all("span", side)
                ends = re.findall(r"[.。](?=\s|$|[\u4e00-\u9fff])", said.text())
                assert len(ends) == 1, said.text()


class Partly(nn.Module):
    """Answers some test rows with NaN."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(3, outputs)

    def forward(self, x: Tensor) -> Tensor:
        answer = self.linear(x)
        return answer if self.training else answer.where(x[:, :1] < 1, torch.nan)


@pytest.mark.parametrize("task", ["numbers", "classes"])
def test_answers_that_are_no_numbers_are_told_first(task: str) -> None:
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    y = x @ torch.tensor([[1.0], [2.0], [3.0]]) if task == "numbers" else (x[:, 1] > 0).long()
    model, loss = Partly(1 if task == "numbers" else 2), "MSELoss" if task == "numbers" else "CrossEntropyLoss"
    page = page_of(danlu.train((x[:300], y[:300]), (x[300:], y[300:]), model=model, loss=loss, lr=0.01, epochs=1))
    broken = int((x[300:, 0] >= 1).sum())
    assert broken and f"{broken} of 100 answers are not numbers" in page and "no test part" not in page
    assert "Nothing that danlu checks" not in page


class Edges(nn.Module):
    """Pairs of rows by their numbers: a batch cannot be cut."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor, pair: Tensor) -> Tensor:
        return self.linear(x + x[pair])


def test_a_model_is_written_down_from_few_rows_or_from_a_whole_batch_that_cannot_be_cut() -> None:
    for few in (nn.Linear(3, 2), Edges()):
        batch = (torch.randn(40, 3), torch.arange(40).flip(0), torch.zeros(40, dtype=torch.long))
        given = batch if isinstance(few, Edges) else batch[::2]
        plan = SimpleNamespace(model=few, test_loader=[given], val_loader=None, loader=None)
        summary = summary_of(plan)  # type: ignore[arg-type]
        assert summary is not None and summary.flops is not None
        assert (summary.parameters, summary.flops / summary.samples) == (8, 12)
        assert summary.samples == (40 if isinstance(few, Edges) else 16)


class Sees(nn.Module):
    """Two classes by the sign of the first column."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def test_importances_are_of_all_kinds_of_rows_though_the_file_is_in_order() -> None:
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0))
    y = (x[:, 0] > 0).long()
    order = y.argsort(stable=True)  # the first 1,000 rows are of one class: there shuffling changes no answer
    page = page_of(danlu.train((x[:500], y[:500]), (x[order], y[order]), model=Sees(), epochs=8, lr=0.05))
    table = page[page.index('id="why"') : page.index('id="model"')]
    (first,) = re.findall(r'<th scope="row" class="t"><bdi>0</bdi></th>.*?<td class="n">([^<]*)</td>', table)
    assert 40 < float(first) < 60  # percentage points: half the answers turn wrong


def test_what_it_looked_at_is_shown_for_several_classes(tmp_path: Path) -> None:
    photos(tmp_path / "photos", dict.fromkeys(("a", "b", "c", "d"), 30))
    photos(tmp_path / "test", dict.fromkeys(("a", "b", "c", "d"), 10), start=500)
    page = page_of(danlu.train(tmp_path / "photos", tmp_path / "test", epochs=1, size=16))
    looked = page[page.index('id="why"') : page.index('id="model"')]
    assert len(set(re.findall(r"\b([abcd])/\d+\.png", looked))) >= 3


def test_rows_of_each_label_are_counted() -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    labels = (x[:, :3] > torch.tensor([0.0, 0.5, 1.0])).float()
    run = danlu.train((x, labels), (x[:50], labels[:50]), model=nn.Linear(5, 3), loss="BCEWithLogitsLoss", epochs=1)
    (bars,) = [t for t in read(run.report().read_text(encoding="utf-8")).all("table") if "Validation" in t.text()]
    last = [int(row.children[-1].text()) for row in bars.all("tr")[1:]]
    assert last == labels[:50].sum(0).int().tolist()


def test_residuals_say_what_is_not_drawn_and_what_lies_beyond() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=20_000), "y": 0.0})
    frame["y"] = frame.a * 3 + rng.standard_t(2, 20_000)
    run = danlu.train(frame, target="y", epochs=1)
    page = page_of(run)
    rows = pq.read_table(run.dir / "predictions.parquet").to_pydict()
    wrong = np.array(rows["prediction"]) - np.array(rows["truth"])
    low, high = np.quantile(wrong, [0.001, 0.999])
    beyond = int(((wrong < low) | (wrong > high)).sum())
    assert f"2,000 of {len(wrong):,} are shown." in page
    assert f"rows there: {beyond}." in page


# ---- sentences that were said once


@pytest.mark.parametrize("key", sorted(k for k in SAYINGS if k.startswith(("table.", "data.", "kind."))))
def test_what_was_said_in_one_language_is_told_in_both(key: str) -> None:
    english, chinese = SAYINGS[key]
    if "{" in re.sub(r"\{\w+\}", "", english) or english == chinese:
        return  # formatted facts: any text stands for them below
    facts = {name: f"Q{i}" for i, name in enumerate(re.findall(r"\{(\w+)\}", english))}
    pair = english.format(**facts), chinese.format(**facts)
    words, characters = (re.sub(r"\{\w+\}", "", text) for text in (english, chinese))
    if len(re.findall("[A-Za-z]", words)) >= LEAST[0] and len(re.findall("[\u4e00-\u9fff]", characters)) >= LEAST[1]:
        assert retold(pair[0])[0] == pair[0] and retold(pair[1])[1] == pair[1]


def test_a_page_made_in_chinese_reads_in_english_too(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"a": np.arange(60) / 7, "c": ["x", "y", "z"] * 20, "y": ["n", "m"] * 30, "same": "k"})
    monkeypatch.setenv("DANLU_LANG", "zh")
    page = read(danlu.train(frame, target="y", epochs=1, model="mlp").report().read_text(encoding="utf-8"))
    why = [row.children[-1] for row in page.all("table")[0].all("tr")[1:]]
    for cell in why:
        english, chinese = (" ".join(n.text() for n in cell.all("span", side)) for side in ("e", "z"))
        assert re.search("[a-z]{3}", english) and not re.search("[\u4e00-\u9fff]", english)
        assert re.search("[\u4e00-\u9fff]", chinese)


def test_what_is_no_sentence_of_danlus_stays_as_it_is() -> None:
    for text in ("", "Private", "Q7: 1.5", "any user's own words, however long they may be: 3", "用户自己的话"):
        assert retold(text) == text


# ---- words and figures


def test_samples_of_numbers_show_theirs_in_the_users_unit() -> None:
    frame = pd.DataFrame({"a": np.arange(200) / 7, "price": 50_000 + 1000.0 * np.arange(200)})
    run = danlu.train(frame, target="price", epochs=1)
    data = read(run.report().read_text(encoding="utf-8"))
    (table,) = [t for t in data.all("table", "rows") if "Label" in t.text()][:1]
    for row in table.all("tr")[1:]:
        shown = float(row.children[1].text().replace(",", ""))
        assert shown % 1000 == 0 and 50_000 <= shown < 250_000


def test_an_interval_that_all_resamples_agree_on_is_none() -> None:
    row = {"a": 1.0, "a_low": 1.0, "a_high": 1.0, "a_interval": "bootstrap of 1,000"}
    assert interval_of(row, "a") is None
    found = interval_of({**row, "a_low": 0.3, "a_interval": "bootstrap of 200"}, "a")
    assert found is not None and found.kind == ("bootstrap of 200", "自助法 200 次")


def test_the_card_is_written_in_words_and_readable_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).normal(size=200)
    frame = pd.DataFrame({"a": np.arange(200) / 7, "price": 50_000 + 1000.0 * (np.arange(200) + noise)})
    monkeypatch.setenv("DANLU_LANG", "zh")
    card = (danlu.train(frame, target="price", epochs=1).dir / "README.md").read_text("utf-8")
    assert "任务：回归" in card and "| 均方根误差 |" in card
    assert not re.search(r"\de[+-]?\d", card) and not re.search("regression|rmse", card.partition("# ")[2])


def test_a_place_is_cut_at_the_beginning_of_a_word() -> None:
    assert tail("t10k-images-idx3-ubyte.gz row 8914", 20) == "…ubyte.gz row 8914"
    assert tail("469-bcf87b9f53ed.jpg", 20) == "469-bcf87b9f53ed.jpg"
    assert len(tail("x" * 90, 20)) == 20


def test_percentages_stay_in_a_line_and_chinese_has_no_blanks() -> None:
    assert show(("95 % of 3", "准确率 为 95 %")).count("95\u202f%") == 2
    assert "准确率为 95" in show(("a", "准确率 为 95 %")) and "macro-F1 为" in show(("a", "macro-F1 为"))
