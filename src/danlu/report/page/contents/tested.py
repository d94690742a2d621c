"""What a page shows of what came out: the test's scores, curves and slices, the mistakes, and why it answers so."""

from __future__ import annotations

from dataclasses import dataclass

from danlu.report.page.contents.shared import Interval, Metric, Picture, Sample, Text, Unit

# ---- test


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
    total: int = 0  # rows, where points are only some of them
    beyond: int = 0  # rows beyond the outermost edges, which the outermost counts hold


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
    curves: int = 0  # how many classes have a curve, where roc and pr are only those with the smallest areas
    calibration: Calibration | None = None
    slices: Slices | None = None
    targets: tuple[Target, ...] = ()
    labels: tuple[LabelCounts, ...] = ()
    threshold: float = 0.5  # of the labels: claimed above it


# ---- mistakes


@dataclass(frozen=True)
class Mistake:
    """A test sample with a large loss. ``probability`` is that of the answer; None for numbers."""

    sample: Sample
    truth: str
    answer: str
    probability: float | None = None
    loss: float | None = None
    off: str = ""  # of numbers: answer − truth


@dataclass(frozen=True)
class LabelError:
    """A sample whose given label is probably wrong; ``sure`` is the probability of the suggested one."""

    sample: Sample
    given: str
    suggested: str
    sure: float


# ---- why


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
    unit: Unit = ""


@dataclass(frozen=True)
class Why:
    attributions: tuple[Attribution, ...] = ()
    method: Text = ""  # how the attributions were made
    importances: tuple[Importances, ...] = ()
