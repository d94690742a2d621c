"""Rules: times, flags' texts, and the words that say what a setting takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.messages import set_language
from danlu.rules import RULES, expected, parse_time, read_text


@given(st.integers(0, 9), st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
def test_times_add_up(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = 86400 * days + 3600 * hours + 60 * minutes + seconds
    assert parse_time(f"{days}d{hours}h{minutes}m{seconds}s") == total
    assert parse_time(f"{hours}小时 {minutes}分钟") == 3600 * hours + 60 * minutes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("1.5h", 5400), (" 10M ", 600), ("90", 90), ("2min", 120), ("1e3", 1000), ("10分", 600), (7, 7)],
)
def test_times(text: str | float, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "10x", "m", "10m!", "ten", "1h 30", "-", "1:30"])
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("epochs", "3", 3),
        ("steps", "1e3", 1000.0),
        ("lr", "1e-3", 0.001),
        ("lr", "auto", "auto"),
        ("lr", "fast", "fast"),  # left for make_settings to refuse
        ("target", "007", "007"),  # a column's name stays text
        ("time", "90", "90"),
        ("class_weights", "0.2,0.8", [0.2, 0.8]),
        ("class_weights", "balanced", "balanced"),
        ("class_weights", "1,b", "1,b"),
    ],
)
def test_flags_texts(name: str, text: str, value: object) -> None:
    assert read_text(name, text) == value


def test_what_a_setting_takes() -> None:
    assert expected(RULES["epochs"]) == "a whole number (≥ 1)"
    assert expected(RULES["lr"]) == "a number (> 0), or auto"
    assert expected(RULES["ema"]) == "a number (> 0, < 1)"
    assert expected(RULES["on_bad"]) == "one of stop, skip"
    set_language("zh")
    assert expected(RULES["lr"]) == "数字（> 0），或 auto"
    assert expected(RULES["on_bad"]) == "stop, skip 之一"
