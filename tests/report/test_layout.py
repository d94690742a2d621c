"""Layout: widths of Chinese, wrapping that loses nothing, numbers and durations people can read."""

from __future__ import annotations

import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.messages import set_language
from danlu.report import layout

TEXT = st.text(st.sampled_from("ab x训练（，。）「/.%"), max_size=60)


@pytest.mark.parametrize(
    ("text", "columns"),
    [("abc", 3), ("训练", 4), ("，", 2), ("e\u0301", 1), ("★ ·", 3), ("한국어", 6), ("a\u200db", 2), ("", 0), ("━", 1)],
)
def test_width(text: str, columns: int) -> None:  # as xterm, tmux and Windows Terminal show them
    assert layout.width(text) == columns


@given(TEXT, st.integers(0, 20))
def test_pad_and_cut(text: str, columns: int) -> None:
    assert layout.width(layout.pad(text, columns)) == max(columns, layout.width(text))
    assert layout.pad(text, columns, right=True).endswith(text)
    short = layout.cut(text, columns)
    assert text.startswith(short)
    assert layout.width(short) <= columns
    assert short == text or layout.width(text[: len(short) + 1]) > columns


@given(TEXT, st.integers(12, 40), st.integers(0, 6))
def test_wrapping_loses_nothing(text: str, columns: int, indent: int) -> None:
    lines = layout.wrap(text, columns, indent).split("\n")
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(line.startswith(" " * indent) for line in lines[1:])


@given(st.lists(st.text("ab训练", min_size=1, max_size=6), min_size=1), st.integers(14, 40), st.integers(0, 4))
def test_wrapped_lines_fit(words: list[str], columns: int, indent: int) -> None:
    for i, line in enumerate(layout.wrap(" ".join(words), columns, indent).split("\n")):
        assert layout.width(line) + (indent if i == 0 else 0) <= columns


def test_marks_stay_with_their_words() -> None:
    text = "按类别分层随机划分，内容相同的图片（照片）放在同一边。"
    for columns in range(8, 50):
        lines = layout.wrap(text, columns).split("\n")
        assert not any(line[0] in "，。）" or line[-1] == "（" for line in lines)
        assert columns < 10 or all(len(line) > 1 for line in lines)  # no character alone in a line


def test_paths_and_commands_stay_whole() -> None:
    path = "runs/a-long-name-1121-2331/model/weights.safetensors"
    assert path in layout.wrap(f"saved to {path} now", 20).split("\n")


def test_join_breaks_between_parts_only() -> None:
    parts = ["loss 0.1", "val loss 0.2", "3 left"]
    assert layout.join(parts, "  ", None) == "loss 0.1  val loss 0.2  3 left"
    assert layout.join(parts, "  ", 16) == "loss 0.1\n  val loss 0.2\n  3 left"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.91234, "0.9123"),
        (0.0, "0.0000"),
        (-3.14159, "-3.1416"),
        (123.456, "123.46"),
        (50123.4, "50,123"),
        (0.0000123, "1.23e-05"),
        (0.00024, "0.000240"),
        (-2.5e10, "-2.50e+10"),
        (math.nan, "nan"),
        (math.inf, "inf"),
    ],
)
def test_numbers(value: float, text: str) -> None:
    assert layout.number(value) == text


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [
        (0.04, "0.0s", "0.0秒"),
        (9.94, "9.9s", "9.9秒"),
        (9.96, "10s", "10秒"),
        (59.6, "1m00s", "1分00秒"),
        (723, "12m03s", "12分03秒"),
        (3600, "1h00m", "1小时00分"),
        (7500, "2h05m", "2小时05分"),
        (86400 * 3 + 4 * 3600, "3d04h", "3天04小时"),
        (math.inf, "?", "?"),
        (-1, "0.0s", "0.0秒"),
    ],
)
def test_durations(seconds: float, en: str, zh: str) -> None:
    assert layout.duration(seconds) == en
    set_language("zh")
    assert layout.duration(seconds) == zh


def test_nothing_a_terminal_would_act_on() -> None:
    assert layout.printable("a\x1b[2Jb\rc\td\x07") == r"a\x1b[2Jb\rc\td\x07"
    assert layout.printable("两行\n文字") == "两行\n文字"
    assert "\u202e" not in layout.printable("txt.\u202egpj")  # right-to-left override


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk", "utf-8"])
def test_every_console_gets_something_it_can_show(encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    text = layout.encodable("★ 3 · 训练 – ✓ 😀", stream)
    stream.write(text)
    assert encoding not in ("gbk", "utf-8") or "训练" in text


def test_colours_only_where_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert layout.colours(Terminal())
    assert not layout.colours(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not layout.colours(Terminal())
    monkeypatch.setenv("TERM", "dumb")
    assert not layout.is_terminal(Terminal())


def test_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert layout.columns(io.StringIO()) == 80
    monkeypatch.setenv("COLUMNS", "40")
    assert layout.columns(io.StringIO()) == 40
