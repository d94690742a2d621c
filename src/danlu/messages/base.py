"""Two texts for everything said: the language in use decides which one a person reads."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Text = tuple[str, str]  # (English, Chinese); {names} are filled by ``filled``
ErrorText = tuple[Text, Text, Text]  # what, why, fix

_language: str | None = None


def set_language(name: str | None) -> None:
    """``"en"``, ``"zh"``, or None: decide by DANLU_LANG, then LC_ALL, LC_MESSAGES, LANG."""
    global _language
    _language = name


def language() -> str:
    if _language:
        return _language
    for variable in ("DANLU_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@contextmanager
def spoken(name: str) -> Iterator[None]:
    """Inside, texts are in this language: for pages that hold both."""
    before = _language
    set_language(name)
    try:
        yield
    finally:
        set_language(before)


class _Counting(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        one, bar, several = format_spec.partition("|")
        if bar:
            return one if str(value) == "1" else several
        return str(super().format_field(value, format_spec))


_counting = _Counting()


def filled(sentence: str, facts: Mapping[str, Any]) -> str:
    """As ``str.format`` does; and ``{n:cell|cells}`` is the word for so many: the first for 1, else the second."""
    return _counting.vformat(sentence, (), facts) if "|" in sentence else sentence.format_map(facts)


def text(both: Text, **facts: Any) -> str:
    """The text in the language in use, filled in."""
    return filled(both[language() == "zh"], facts)


def merge(*rooms: dict[str, Any]) -> dict[str, Any]:
    """One catalogue of several; a key used twice is a mistake of ours."""
    out: dict[str, Any] = {}
    for room in rooms:
        twice = out.keys() & room.keys()
        if twice:
            raise KeyError(f"used twice: {sorted(twice)}")
        out |= room
    return out
