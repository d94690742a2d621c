"""What looking found, as plain values: of data, of a run, of a model; texts in both languages where danlu says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from danlu.doubts import Doubt
from danlu.errors import DanluError
from danlu.messages import language
from danlu.report.page.contents import Sample, Text
from danlu.types import Bad, Choice

if TYPE_CHECKING:
    from danlu.summary import Summary

What = Literal["data", "run", "model"]


@dataclass(frozen=True)
class Column:
    """A column of a table, or an element of a sample. ``values``: its range, its most frequent values, its shape."""

    name: str
    kind: str
    role: str
    why: str = ""
    missing: int | None = None  # of all rows that were read; None where nobody counted
    distinct: int | None = None
    values: Text = ""


@dataclass(frozen=True)
class Fact:
    name: str  # a key of SAYINGS below "look.fact."
    value: Text


@dataclass(frozen=True)
class Copies:
    """Rows with the very inputs of an earlier row: in the same part, and with another answer than that one."""

    inside: Mapping[str, int] = field(default_factory=dict)  # part -> rows
    examples: tuple[tuple[str, str, str], ...] = ()  # (part, row, the earlier one)
    conflicts: int = 0
    conflict_examples: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True)
class FoundData:
    """``counts`` has a tuple a class, with a number for each part in ``rows``."""

    name: str
    source: str  # as it was given
    origin: str  # the schema's: table, images, idx, arrays, dataset
    rows: Mapping[str, int]
    task: str = ""
    target: str = ""
    classes: tuple[str, ...] = ()
    counts: tuple[tuple[int, ...], ...] = ()
    histogram: tuple[tuple[float, float, int], ...] = ()  # of a target of numbers: (from, to, rows)
    columns: tuple[Column, ...] = ()
    facts: tuple[Fact, ...] = ()
    choices: tuple[Choice, ...] = ()  # decided while opening
    chosen: tuple[Choice, ...] = ()  # what training would choose
    bad: tuple[Bad, ...] = ()
    copies: Copies = Copies()
    findings: tuple[Doubt | DanluError, ...] = ()  # an error keeps training from beginning
    gallery: tuple[Sample, ...] = ()
    commands: tuple[str, ...] = ()  # to type next
    note: Text = ""


@dataclass(frozen=True)
class Curve:
    """One metric, epoch by epoch."""

    name: str  # "train/loss", "val/accuracy"
    values: tuple[float, ...]


@dataclass(frozen=True)
class FoundRun:
    path: Path
    state: Literal["finished", "stopped", "training", "empty"]
    sentences: tuple[Text, ...] = ()
    facts: tuple[Fact, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)  # of the test
    best: int | None = None
    epochs: int = 0
    curves: tuple[Curve, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # that differ from the defaults
    chosen: Mapping[str, Any] = field(default_factory=dict)
    findings: tuple[Mapping[str, str], ...] = ()
    files: tuple[tuple[str, int], ...] = ()  # (name, bytes)
    page: Path | None = None
    commands: tuple[str, ...] = ()
    note: Text = ""


@dataclass(frozen=True)
class FoundModel:
    name: str
    summary: Summary
    inputs: Text  # the batch it was run on, in words
    note: Text = ""
    commands: tuple[str, ...] = ()


Found = FoundData | FoundRun | FoundModel


def one(text: Text) -> str:
    """A text in the language in use."""
    return text if isinstance(text, str) else text[language() == "zh"]


def figure(value: float) -> str:
    """A value of a column: four telling digits, whole numbers whole."""
    if value == round(value) and abs(value) < 1e15:
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.0f}"  # a year is no 2,026
    return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
