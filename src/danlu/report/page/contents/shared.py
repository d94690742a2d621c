"""What every part of a page is made of: texts in two languages, intervals, pictures, samples, metrics, facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Text = str | tuple[str, str]
"""A text for both languages: (English, Chinese), or one string that needs no translation (a name, a path, code)."""

Severity = Literal["error", "warning", "note"]
Unit = Literal["", "%"]  # "%": the value is a share 0 … 1, shown as percent


@dataclass(frozen=True)
class Interval:
    """A 95 % interval in the unit of its value; ``kind`` says how it was made, such as "Wilson" or "bootstrap"."""

    low: float
    high: float
    kind: Text = ""


@dataclass(frozen=True)
class Picture:
    """An encoded image. Types other than PNG, JPEG, WebP and GIF are not shown. Equal bytes are stored once."""

    data: bytes
    mime: str = "image/png"


@dataclass(frozen=True)
class Sample:
    """One sample: ``where`` it comes from, then a picture, a row of column=value, or a text, as the model sees it."""

    where: str  # "cat/12.jpg", "test.csv:17", "row 17"
    picture: Picture | None = None
    row: tuple[tuple[str, str], ...] = ()
    text: str = ""
    label: str = ""  # the given answer, shown below it


@dataclass(frozen=True)
class Metric:
    """A metric on the test part. ``trivial`` is what ignoring the input gives, ``linear`` what a linear model gives."""

    name: Text
    value: float
    interval: Interval | None = None
    trivial: float | None = None
    linear: float | None = None
    better: Literal["higher", "lower", ""] = "higher"
    unit: Unit = ""
    note: Text = ""  # a trap of this metric, in a sentence


@dataclass(frozen=True)
class Fact:
    name: Text
    value: Text
