"""What a page shows of what went in: the data with its parts, fields and classes, and the training epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass

from danlu.report.page.contents.shared import Fact, Sample, Text, Unit

# ---- data


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


# ---- curves


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
