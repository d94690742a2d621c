"""Texts on the page: escaped whatever they hold, in both languages at once, and numbers that people can read."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from typing import Any

from danlu.messages import SAYINGS, filled, spoken
from danlu.report.layout import duration, number
from danlu.report.page.contents import Interval, Text, Unit

LANGUAGES = ("en", "zh-CN")
_BIDI = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they would turn text around that is not theirs
_CHINESE = "\u3000-\u303f\u4e00-\u9fff\uff00-\uffef"  # with its punctuation
_BLANK = re.compile(f"(?<=[{_CHINESE}]) (?=[{_CHINESE}])")
_PERCENT = re.compile(r"(?<=\d) %")
_SWAPPED = re.compile(r'<title data-alt="([^"]*)">([^<]*)</title>|aria-label="([^"]*)" data-label="([^"]*)"')


def clean(text: str) -> str:
    """``text`` with characters that HTML forbids, or that reorder their neighbours, written as their codes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(c) for c in text)


def _visible(char: str) -> str:
    if char in "\n\t":
        return char
    forbidden = char in _BIDI or unicodedata.category(char) in ("Cc", "Cs") or ord(char) & 0xFFFE == 0xFFFE
    return ascii(char)[1:-1] if forbidden else char


def escape(text: str) -> str:
    return html.escape(clean(text), quote=True)


def short(text: str, most: int) -> str:
    """The start of a text that may be of any length."""
    return text if len(text) <= most else text[: most - 1] + "…"


def name(text: str, most: int = 80) -> str:
    """A user's text as HTML that cannot touch what stands beside it, also when it reads from right to left."""
    shown = short(text, most)
    full = f' title="{escape(short(text, 200))}"' if shown != text else ""
    return f"<bdi{full}>{escape(shown)}</bdi>"


def both(key: str, /, **facts: Text | int) -> tuple[str, str]:
    """(English, Chinese) of an entry of ``SAYINGS``, filled in; a fact may itself be in two languages."""
    return _filled(key, 0, facts), _filled(key, 1, facts)


def _filled(key: str, side: int, facts: dict[str, Any]) -> str:
    return filled(SAYINGS[key][side], {k: v[side] if isinstance(v, tuple) else v for k, v in facts.items()})


def known(room: str, word: Text) -> Text:
    """A word of danlu's own, such as the kind "image", in both languages; any other word as it is."""
    return SAYINGS.get(f"page.{room}.{word}", word) if isinstance(word, str) else word


def show(text: Text, most: int = 2000) -> str:
    """A text as HTML: one element a language, of which the page's style shows one."""
    if isinstance(text, str):
        return name(text, most) if text else ""
    english, chinese = (escape(short(t, most)) for t in (_held(text[0]), _held(_BLANK.sub("", text[1]))))
    return (
        f'<span class="e" lang="{LANGUAGES[0]}">{english}</span><span class="z" lang="{LANGUAGES[1]}">{chinese}</span>'
    )


def _held(text: str) -> str:
    """A percent sign stays in the line of its number."""
    return _PERCENT.sub("\u202f%", text)


def capital(text: Text) -> Text:
    """A text of danlu's own as a heading or a label; a user's name stays as it is."""
    return text if isinstance(text, str) else (text[0][:1].upper() + text[0][1:], text[1])


def tr(key: str, /, **facts: Text | int) -> str:
    """An entry of ``SAYINGS`` as HTML, in both languages."""
    return show(both(key, **facts))


def sentences(*texts: Text) -> tuple[str, str]:
    """Sentences after each other: with a blank between English ones, without between Chinese ones."""
    sides = [t if isinstance(t, tuple) else (t, t) for t in texts if t]
    return " ".join(s[0] for s in sides), "".join(s[1] for s in sides)


def joined(*texts: Text) -> tuple[str, str]:
    """Several texts in a row as one."""
    sides = [t if isinstance(t, tuple) else (t, t) for t in texts]
    return "".join(s[0] for s in sides), "".join(s[1] for s in sides)


def called(key: str, of: str) -> str:
    """The saying's key on a page of this kind: one of its own where there is one."""
    own = key.replace("page.", f"page.{of}.", 1)
    return own if own in SAYINGS else key


def tip(text: Text) -> str:
    """An SVG tooltip. It stands there in English, with the Chinese beside it: ``in_language`` swaps them."""
    english, chinese = (escape(short(t, 300)) for t in (text if isinstance(text, tuple) else (text, text)))
    return f"<title>{english}</title>" if english == chinese else f'<title data-alt="{chinese}">{english}</title>'


def label(text: Text) -> str:
    """The attributes that name an element for a screen reader."""
    english, chinese = (escape(short(t, 300)) for t in (text if isinstance(text, tuple) else (text, text)))
    return f'aria-label="{english}"' + ("" if english == chinese else f' data-label="{chinese}"')


def in_language(page: str, language: str) -> str:
    """``page`` with its tooltips and labels in the language it opens in. Users' texts are escaped, so none matches."""
    if language != "zh":
        return page
    return _SWAPPED.sub(_swap, page)


def _swap(found: re.Match[str]) -> str:
    chinese, english, label_english, label_chinese = found.groups()
    if label_english is not None:
        return f'aria-label="{label_chinese}" data-label="{label_english}"'
    return f'<title data-alt="{english}">{chinese}</title>'


# ---- numbers


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def value(x: float | None, unit: Unit = "", decimals: int = 1) -> str:
    """A metric as text: "93.1 %" of a share, about four telling digits of anything else, "–" where there is none."""
    if x is None or not math.isfinite(100 * x):
        return "–"
    if unit == "%":
        return f"{100 * x:.{decimals}f}\u202f%".replace("-", "−")
    return (f"{x:.3g}" if 0 < abs(x) < 1e-3 else number(x)).replace("-", "−")


def decimals_for(interval: Interval | None) -> int:
    """Digits of a percentage that its interval does not drown: one, or two where it is narrower than a point."""
    return 2 if interval and interval.high - interval.low < 0.01 else 1


def span(interval: Interval | None, unit: Unit = "") -> str:
    """ "91.2 – 94.8 %"; empty where there is none."""
    if interval is None or not (finite(interval.low) and finite(interval.high)):
        return ""
    digits = decimals_for(interval)
    low, high = value(interval.low, unit, digits), value(interval.high, unit, digits)
    return f"{low.removesuffix(chr(0x202F) + '%')}\u00a0– {high}"


def count(x: int) -> str:
    return f"{x:,}"


def compact(x: float) -> str:
    """A count in at most five characters: "9,999", "12.3k", "4.57M"."""
    if x < 9_999.5:
        return f"{x:,.0f}"
    for power, letter in ((1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")):
        if x < 999.5 * power:
            return f"{x / power:#.3g}".rstrip(".") + letter
    return f"{x:.2e}"


def size(x: int) -> str:
    """Bytes in the unit people use: "3.2 GB"."""
    amount, units = float(x), ["TB", "GB", "MB", "kB", "B"]
    while amount >= 999.5 and len(units) > 1:
        amount /= 1000
        units.pop()
    return f"{amount:.3g}\u202f{units[-1]}"


def lasting(seconds: float) -> Text:
    """ "4.1s", "12m03s" in both languages."""
    out = []
    for language in ("en", "zh"):
        with spoken(language):
            out.append(duration(seconds))
    return out[0], out[1]
