"""What a report page shows, as plain numbers, texts and bytes: whatever is None or empty has no section."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from danlu.report.page.contents.shared import Fact, Interval, Metric, Picture, Sample, Severity, Text, Unit
from danlu.report.page.contents.tested import (
    Attribution,
    Bin,
    Calibration,
    Cell,
    ClassScore,
    Confusion,
    Curve,
    Importance,
    Importances,
    LabelCounts,
    LabelError,
    Mistake,
    Results,
    SliceRow,
    Slices,
    Target,
    Why,
)
from danlu.report.page.contents.trained import (
    BadRow,
    ClassBars,
    Curves,
    Data,
    Duplicate,
    EpochPoint,
    FieldRow,
    Part,
    RangeTest,
)

__all__ = [
    "Attribution", "BadRow", "Bin", "Calibration", "Cell", "ClassBars", "ClassScore", "Confusion", "Curve", "Curves",
    "Data", "Duplicate", "EpochPoint", "Fact", "FieldRow", "Finding", "HeadScore", "Importance", "Importances",
    "Interval", "LabelCounts", "LabelError", "Layer", "Metric", "Mistake", "Model", "Page", "Part", "Picture",
    "RangeTest", "Reproduce", "Results", "Sample", "Severity", "SliceRow", "Slices", "Target", "Text", "Unit",
    "Verdict", "Why",
]  # fmt: skip


# ---- verdict


@dataclass(frozen=True)
class Finding:
    """Something to know before believing the result. ``where`` is a place: a file and line, a setting, a class."""

    code: str
    severity: Severity
    what: Text
    where: Text = ""
    why: Text = ""
    fix: Text = ""


@dataclass(frozen=True)
class HeadScore:
    """The main metric of one of several heads; ``trivial`` says what its trivial answer is."""

    head: str
    metric: Metric
    trivial: Text = ""


@dataclass(frozen=True)
class Verdict:
    """``sentences``: how good, against what, can it be trusted. ``trivial``/``linear`` say what the baselines are.

    One task has a ``headline``, several heads have a line each in ``heads``.
    """

    sentences: tuple[Text, ...] = ()
    headline: Metric | None = None
    trivial: Text = ""  # "always the most frequent class"
    linear: Text = ""  # "logistic regression on the pixels"
    findings: tuple[Finding, ...] = ()
    heads: tuple[HeadScore, ...] = ()


# ---- model, to reproduce


@dataclass(frozen=True)
class Layer:
    name: str
    type: str
    shape: tuple[int, ...] | str = ""  # of the output, without the batch
    parameters: int = 0
    flops: int | None = None  # for one sample


@dataclass(frozen=True)
class Model:
    """``totals`` beside the sums of the layers: trainable parameters, bytes, whatever there is to say."""

    name: str = ""
    layers: tuple[Layer, ...] = ()
    parameters: int | None = None
    flops: int | None = None
    totals: tuple[Fact, ...] = ()


@dataclass(frozen=True)
class Reproduce:
    command: str = ""
    config: str = ""  # the text of run.toml
    versions: tuple[tuple[str, str], ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()  # (file, sha256)
    facts: tuple[Fact, ...] = ()  # seed, device, date


# ---- the page


@dataclass(frozen=True)
class Page:
    """``language`` is the one the page opens in; ``facts`` stand below the title: data, model, date, duration."""

    title: Text
    language: Literal["en", "zh"] = "en"
    facts: tuple[Fact, ...] = ()
    verdict: Verdict = Verdict()
    data: Data = field(default_factory=Data)
    curves: Curves = field(default_factory=Curves)
    tests: tuple[Results, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    label_errors: tuple[LabelError, ...] = ()
    why: Why = field(default_factory=Why)
    model: Model = Model()
    reproduce: Reproduce = Reproduce()
    of: Literal["run", "look"] = "run"  # a look's sections are called otherwise
    mistakes_total: int | None = None  # where ``mistakes`` are only the worst of them
