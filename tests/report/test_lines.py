"""Lines: what a choice, an epoch, an error and the end of a run look like, at every width, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import DanluError
from danlu.messages import set_language
from danlu.report import lines
from danlu.report.events import Start
from danlu.report.layout import width
from danlu.report.lines import Now, Page
from danlu.types import Choice, Epoch

FILE = Page()
METRICS = {"val/loss": 0.5, "val/accuracy": 0.8, "val/macro_f1": 0.75}
END = Epoch(3, 300, 1.25, 2596, 4.0, 0.3)
RESULTS: dict[str, Any] = {
    "best_epoch": 2,
    "val/loss": 0.3,
    "test/accuracy": 0.9123,
    "test/accuracy_low": 0.886,
    "test/accuracy_high": 0.934,
    "test/accuracy_interval": "Wilson",
    "test/accuracy_baseline": 0.245,
    "test/macro_f1": 0.91,
    "test/rows": 537,
    "test/baseline": "always tulips",
}
START = Start(
    "runs/p", "photos", "classification", "cnn", 1234567, {"train": 2596, "val": 0}, 3, 120, 64, "cpu", "fp32", 0
)


def widest(text: str) -> int:
    return max(width(line) for line in text.split("\n"))


def test_a_choice_says_why() -> None:
    assert lines.choice(Choice("lr", "0.001", "AdamW's default"), FILE) == "  lr        0.001 (AdamW's default)"
    set_language("zh")
    assert lines.choice(Choice("lr", "0.001", "AdamW 的默认值"), FILE) == "  学习率    0.001（AdamW 的默认值）"


def test_a_reason_that_does_not_fit_goes_under_the_value() -> None:
    made = Choice("split", "70/15/15", "no val and no test folder: seeded, stratified")
    assert lines.choice(made, Page(60)) == (
        "  split     70/15/15\n            no val and no test folder: seeded, stratified"
    )
    assert lines.choice(made, Page(30)).split("\n")[0] == "  split 70/15/15"


def test_escapes_in_a_name_stay_text() -> None:
    assert "\x1b" not in lines.choice(Choice("data", "a\x1b[2Jb", "c\x07"), FILE)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_everything_fits(lang: str, columns: int) -> None:
    set_language(lang)
    page = Page(columns)
    cells = lines.epoch_cells(END, 10, METRICS, 83.0)
    shown = [
        lines.start(START, page),
        lines.epoch_line(cells, True, page),
        lines.live(Now("3/10", 100, 1000, 0.5, 12345.0, 83.0), columns),
        "\n".join(lines.results(RESULTS, page)),
        lines.error(DanluError("DL004", "--epochs 3", names="a and b " * 9, line="x"), page),
    ]
    for text in shown:
        assert widest(text) <= columns, text


def test_an_epoch_as_a_table() -> None:
    page = Page(80)
    cells = lines.epoch_cells(END, 10, METRICS, 83.0)
    widths = lines.epoch_widths(cells)
    head, row = lines.epoch_head(cells, widths, page), lines.epoch_row(cells, widths, True, page)
    assert head == "epoch     loss  val loss  accuracy  macro-F1  samples/s  data wait     left"
    assert row == " 3/10   1.2500    0.5000    0.8000    0.7500        649         8%    1m23s  ★"


def test_an_epoch_in_a_file() -> None:
    cells = lines.epoch_cells(END, 10, METRICS, 0.0)
    assert lines.epoch_line(cells, False, FILE) == (
        "epoch 3/10  loss 1.2500  val loss 0.5000  accuracy 0.8000  macro-F1 0.7500  649 samples/s  data wait 8%"
    )
    assert lines.epoch_line(cells, True, FILE).endswith("  ★")


def test_an_epoch_of_no_time() -> None:
    assert lines.epoch_cells(Epoch(1, 1, 0.1, 1, 0.0, 0.0), None, {}, None)[0].value == "1"


@given(
    st.integers(0, 10**9),
    st.none() | st.integers(1, 10**9),
    st.none() | st.floats(allow_nan=True),
    st.floats(0, 1e9),
    st.none() | st.floats(0, 1e9),
    st.integers(20, 200),
)
def test_the_live_line_is_one_line(
    step: int, total: int | None, loss: float | None, speed: float, left: float | None, columns: int
) -> None:
    text = lines.live(Now("3/10", step, total, loss, speed, left), columns)
    assert width(text) < columns
    assert text.startswith("epoch 3/10")


def test_the_live_line_keeps_the_most_telling() -> None:
    now = Now("3/10", 450, 1000, 0.5, 12345.0, 83.0)
    assert lines.live(now, 24) == "epoch 3/10   45%"
    assert lines.live(now, 42) == "epoch 3/10   45%  loss 0.5000  1m23s left"
    assert "━" in lines.live(now, 100)
    assert "━" not in lines.live(now, 100, bar=False)


def test_results_with_interval_and_baseline() -> None:
    assert lines.results(RESULTS, FILE) == [
        "  test      accuracy  0.9123  95% 0.8860 – 0.9340  baseline 0.2450",
        "            macro-F1  0.9100",
        "  interval  Wilson for accuracy",
        "  baseline  always tulips",
    ]
    assert lines.results({"best_epoch": 1, "val/loss": 0.5}, FILE) == []


def test_the_same_number_is_not_shown_twice() -> None:
    both = {"val/loss": 0.5, "val/log_loss": 0.50000001}
    assert [c.heading for c in lines.epoch_cells(END, 10, both, None)][:3] == ["epoch", "loss", "val loss"]
    assert "log loss" not in [c.heading for c in lines.epoch_cells(END, 10, both, None)]
    weighted = {"val/loss": 0.5, "val/log_loss": 0.6}
    assert "log loss" in [c.heading for c in lines.epoch_cells(END, 10, weighted, None)]
    assert len(lines.results({"test/loss": 0.5, "test/log_loss": 0.5}, FILE)) == 1


def test_next_commands_are_never_wrapped() -> None:
    command = "danlu predict runs/a-very-long-name-of-a-run-1121-2331 photos-of-flowers/test/rose.jpg"
    for columns in (40, 80, None):
        assert any(line.strip().endswith(command) for line in lines.done("runs/a", [command, "x"], Page(columns)))
    assert lines.done("runs/a", [], FILE) == ["  files     runs/a"]
    assert lines.done("runs/a", [], FILE, "runs/a/report.html")[1] == "  report    runs/a/report.html"


def test_an_error_has_one_shape() -> None:
    error = DanluError("DL004", "--epochs 3 --steps 5", names="--epochs and --steps", line="--epochs 3")
    assert lines.error(error, FILE) == (
        "DL004 --epochs and --steps cannot be given together\n"
        "  where  --epochs 3 --steps 5\n"
        "  why    each of them alone says how long to train\n"
        "  fix    --epochs 3"
    )
    set_language("zh")
    assert lines.error(error, FILE).split("\n")[3] == "  办法  --epochs 3"


def test_a_fix_stays_in_one_line_and_empty_parts_are_left_out() -> None:
    fix = "danlu train a/very/long/path/to/photos --epochs 10 --batch-size 64"
    text = lines.problem("DL007", "what", [("where", ""), ("fix", fix)], "red", Page(40))
    assert text == f"DL007 what\n  where  {fix}".replace("where", "fix  ")


def test_colours_are_only_paint() -> None:
    plain = lines.choice(Choice("lr", "0.001", "why"), Page(80))
    painted = lines.choice(Choice("lr", "0.001", "why"), Page(80, True))
    assert painted != plain
    assert painted.replace("\x1b[36m", "").replace("\x1b[2m", "").replace("\x1b[0m", "") == plain


def test_diagnosis() -> None:
    assert lines.diagnosis("disk", "full", "error", "rm x", FILE) == "  ✗ disk           full\n" + " " * 19 + "rm x"
    assert widest(lines.diagnosis("disk", "word " * 20, "ok", "", Page(40))) <= 40
