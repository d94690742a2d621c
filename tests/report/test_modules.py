"""The table of a model's modules: what it shows, at every width, in both languages."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from danlu.messages import set_language
from danlu.report.layout import cut_middle, width
from danlu.report.lines import Page
from danlu.report.modules import quantity, table
from danlu.summary import Row, Summary, summarise


def small() -> Summary:
    torch.manual_seed(0)
    block = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    net = nn.Sequential(block, nn.Flatten(), nn.Linear(4 * 6 * 6, 10))
    block[0].requires_grad_(False)
    return summarise(net, torch.randn(2, 1, 8, 8))


def test_a_table_for_a_file() -> None:
    assert "\n".join(table(small(), Page())) == (
        "module   class       output         parameters  FLOPs\n"
        "(model)  Sequential  2 × 10                  –      –\n"
        "  0      Sequential  2 × 4 × 6 × 6           –      –\n"
        "    0    Conv2d      2 × 4 × 6 × 6   40 frozen  5.18k\n"
        "    1    ReLU        2 × 4 × 6 × 6           –      –\n"
        "  1      Flatten     2 × 144                 –      –\n"
        "  2      Linear      2 × 10              1,450  5.76k\n"
        "1,490 parameters, 1,450 of them trained; 5.96kB in memory\n"
        "10.9k FLOPs for a batch of 2 (5.47k a sample): matrix products, convolutions and attention only"
    )


def test_the_same_in_chinese_lines_up() -> None:
    set_language("zh")
    lines = table(small(), Page())
    assert lines[0].startswith("模块") and lines[1].startswith("（整个模型）")
    assert len({width(line) for line in lines[:7]}) == 1
    assert lines[-2] == "共 1,490 个参数，其中 1,450 个参与训练；占内存 5.96kB"


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_rows_fit_a_terminal_and_keep_both_ends_of_long_names(columns: int, lang: str) -> None:
    set_language(lang)
    long = "a_very_long_name_of_a_module_that_nobody_would_write_but_some_library_does_anyway"
    rows = (
        Row("", "Net", (("", (2, 10)),), 0, 0, 0, 1),
        Row(long, "Linear", (("", (2, 10)),), 1_234_567, 1_234_567, 99_000, 3),
        Row(
            f"{long}.inner",
            "NonDynamicallyQuantizableLinear",
            (("logits", (2, 10)), ("hidden.0", (2, 7)), ("c", ())),
            5,
            5,
            None,
            1,
        ),
        Row("unused", "Linear", (), 5, 5, 0, 0),
    )
    lines = table(Summary(rows, 1_234_577, 1_234_577, 99_000, 4_938_308, 2), Page(columns))
    assert all(width(line) < columns for line in lines[:5])
    assert "a_v" in lines[2] and "anyway ×3"[-4:] in lines[2] and "1,234,567" in lines[2]
    assert lines[3].startswith("    inner")
    assert ("logits: 2 × 10, hidden.0: 2 × 7, +1" in lines[3]) == (columns >= 80)
    assert ("NonDynamica…ableLinear" in lines[3]) == (columns == 200)
    assert lines[4].startswith("  unused")


def test_a_module_that_runs_elsewhere_is_named_in_full() -> None:
    rows = (
        Row("", "Net", (), 0, 0, 0, 1),
        Row("decoder", "Decoder", (), 0, 0, 0, 1),
        Row("encoder.shared", "Linear", (), 5, 5, 0, 1),
        Row("decoder.last", "Linear", (), 5, 5, 0, 1),
    )
    lines = table(Summary(rows, 10, 10, 0, 40, 1), Page())
    assert [line.split("  Linear")[0].rstrip() for line in lines[3:5]] == ["  encoder.shared", "  decoder.last"]


def test_escapes_in_a_name_stay_text() -> None:
    rows = (Row("", "Net", (), 0, 0, 0, 1), Row("a\x1b[2J", "Bad\x07", (), 5, 5, 0, 1))
    assert not any("\x1b" in line or "\x07" in line for line in table(Summary(rows, 5, 5, 0, 20, 1), Page()))


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P"]), max_size=40), st.integers(3, 30))
def test_the_middle_goes_first(text: str, columns: int) -> None:
    shown = cut_middle(text, columns)
    assert width(shown) <= columns
    if width(text) > columns:
        start, dots, end = shown.partition("…") if "…" not in text else (shown, "…", "")
        assert dots and (("…" in text) or (text.startswith(start) and text.endswith(end)))
    else:
        assert shown == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1k"),
        (12_345, "12.3k"),
        (999_600, "1M"),
        (2.5e9, "2.5G"),
        (3e15, "3e+03T"),
    ],
)
def test_quantities_have_three_digits(value: float, text: str) -> None:
    assert quantity(value) == text
