"""What a report page shows, as plain numbers, texts and bytes: whatever is None or empty has no section."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Text = str | tuple[str, str]
"""A text for both languages: (English, Chinese), or one string that needs no translation (a name, a path, code)."""

Severity = Literal["error", "warning", "note"]
Unit = Literal["", "%"]  # "%": the value is a share 0 … 1, shown as percent


# ---- what many parts use


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


# ---- 1. verdict


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


# ---- 2. data


@dataclass(frozen=True)
class Part:
    name: Text  # "train", "val", "test" are translated
    rows: int


@dataclass(frozen=True)
class FieldRow:
    """A column, or an element of a sample. ``kind`` and ``role`` are those of danlu.types.Field (translated)."""

    name: str
    kind: str
    role: str
    why: Text = ""
    missing: int | None = None  # training rows without a value
    classes: int | None = None  # how many; None where it has none
    values: Text = ""  # its range, or its most frequent values


@dataclass(frozen=True)
class ClassBars:
    """Rows of each class in each of ``Data.parts``; ``target`` names the column where there are several."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # one tuple a class, one number a part
    target: Text = ""


@dataclass(frozen=True)
class BadRow:
    where: str
    why: Text


@dataclass(frozen=True)
class Duplicate:
    """One content that lies in several parts: the places, as (part, where)."""

    places: tuple[tuple[Text, str], ...]
    sample: Sample | None = None


@dataclass(frozen=True)
class Data:
    parts: tuple[Part, ...] = ()
    fields: tuple[FieldRow, ...] = ()
    classes: tuple[ClassBars, ...] = ()
    gallery: tuple[Sample, ...] = ()  # as the model sees them
    bad: tuple[BadRow, ...] = ()
    bad_total: int | None = None  # where ``bad`` is only the beginning
    duplicates: tuple[Duplicate, ...] = ()
    duplicates_total: int | None = None
    facts: tuple[Fact, ...] = ()  # sizes of images, what was decided while opening


# ---- 3. curves


@dataclass(frozen=True)
class EpochPoint:
    epoch: int
    train_loss: float | None = None
    val_loss: float | None = None
    metric: float | None = None  # the monitored one, on the validation part
    rate: float | None = None  # samples per second
    waiting: float | None = None  # share of the time spent waiting for data, 0 … 1
    seconds: float | None = None


@dataclass(frozen=True)
class RangeTest:
    """Loss against learning rate; ``chosen`` is the rate that was taken."""

    points: tuple[tuple[float, float], ...]  # (learning rate, loss)
    chosen: float | None = None


@dataclass(frozen=True)
class Curves:
    epochs: tuple[EpochPoint, ...] = ()
    best_epoch: int | None = None
    monitor: Text = ""  # the name of EpochPoint.metric; empty where the loss is monitored
    monitor_unit: Unit = ""
    rates: tuple[tuple[int, float], ...] = ()  # (step, learning rate)
    range_test: RangeTest | None = None
    memory: tuple[tuple[Text, int], ...] = ()  # peak bytes, one a device: (("GPU", 3_221_225_472),)


# ---- 4. test


@dataclass(frozen=True)
class ClassScore:
    """``rows`` of this class in the test part; None where a score is not defined."""

    name: str
    rows: int
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    f1_interval: Interval | None = None


@dataclass(frozen=True)
class LabelCounts:
    """The 2 × 2 table of one label: there and claimed, there and missed, claimed and not there, neither."""

    name: str
    found: int
    missed: int
    false: int
    neither: int


@dataclass(frozen=True)
class Cell:
    """The samples (a few) of one cell of a confusion matrix."""

    truth: int
    answer: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Confusion:
    """``counts[truth][answer]``."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    cells: tuple[Cell, ...] = ()


@dataclass(frozen=True)
class Curve:
    """ROC: (false positive rate, true positive rate); precision–recall: (recall, precision). ``area`` below it."""

    name: Text
    points: tuple[tuple[float, float], ...]
    area: float | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class Bin:
    """Test rows whose confidence lies in ``low`` … ``high``: their mean confidence and how many were right."""

    low: float
    high: float
    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    bins: tuple[Bin, ...]
    error: float | None = None  # expected calibration error, 0 … 1


@dataclass(frozen=True)
class SliceRow:
    """The rows whose column ``field`` holds ``value``; ``mark``: what to know of it, such as too few rows."""

    field: str
    value: Text
    rows: int
    metric: float
    interval: Interval | None = None
    trivial: float | None = None
    mark: Text = ""


@dataclass(frozen=True)
class Slices:
    metric: Text  # its name
    rows: tuple[SliceRow, ...]
    overall: float | None = None
    unit: Unit = ""
    note: Text = ""


@dataclass(frozen=True)
class Target:
    """One number that is predicted: points (true, predicted), and counts of the residuals predicted − true."""

    name: str
    points: tuple[tuple[float, float], ...] = ()
    edges: tuple[float, ...] = ()  # one more than counts
    counts: tuple[int, ...] = ()
    unit: str = ""  # "kg"


@dataclass(frozen=True)
class Results:
    """What the test of one head gave; several heads have several of these, each with its name."""

    name: Text = ""
    rows: int | None = None
    metrics: tuple[Metric, ...] = ()
    classes: tuple[ClassScore, ...] = ()
    confusion: Confusion | None = None
    roc: tuple[Curve, ...] = ()
    pr: tuple[Curve, ...] = ()
    calibration: Calibration | None = None
    slices: Slices | None = None
    targets: tuple[Target, ...] = ()
    labels: tuple[LabelCounts, ...] = ()
    threshold: float = 0.5  # of the labels: claimed above it


# ---- 5. mistakes


@dataclass(frozen=True)
class Mistake:
    """A test sample with a large loss. ``probability`` is that of the answer; None for numbers."""

    sample: Sample
    truth: str
    answer: str
    probability: float | None = None
    loss: float | None = None


@dataclass(frozen=True)
class LabelError:
    """A sample whose given label is probably wrong; ``sure`` is the probability of the suggested one."""

    sample: Sample
    given: str
    suggested: str
    sure: float


# ---- 6. why


@dataclass(frozen=True)
class Attribution:
    """``sample`` has the picture, ``heat`` what mattered in it, of the same size."""

    sample: Sample
    heat: Picture
    truth: str = ""
    answer: str = ""
    head: str = ""  # whose answer, where there are several


@dataclass(frozen=True)
class Importance:
    """How much the metric falls when this column is shuffled (below 0: it rises)."""

    name: str
    drop: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Importances:
    """What the columns are worth to one head; ``metric``: what they are drops of."""

    columns: tuple[Importance, ...]
    metric: Text = ""


@dataclass(frozen=True)
class Why:
    attributions: tuple[Attribution, ...] = ()
    method: Text = ""  # how the attributions were made
    importances: tuple[Importances, ...] = ()


# ---- 7. model, 8. to reproduce


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
    data: Data = Data()
    curves: Curves = Curves()
    tests: tuple[Results, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    label_errors: tuple[LabelError, ...] = ()
    why: Why = Why()
    model: Model = Model()
    reproduce: Reproduce = Reproduce()
    of: Literal["run", "look"] = "run"  # a look's sections are called otherwise
