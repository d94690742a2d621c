"""The frozen settings: keyword arguments, flags and run.toml's keys are the fields of one dataclass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train. ``None`` (or "auto") means: danlu decides and says why."""

    # how long
    epochs: int | None = None
    steps: int | None = None
    time: str | float | None = None  # "10m", "1h30m", "45s", or seconds
    # how to update
    batch_size: int | None = None
    lr: float | str | None = None  # a number, or "auto": a range test of at most 100 steps
    weight_decay: float | None = None
    momentum: float | None = None  # SGD and Muon
    schedule: str | Callable[..., Any] | None = None  # constant, cosine, one-cycle, or optimizer -> torch scheduler
    warmup: float | None = None  # < 1: share of all steps; >= 1: steps
    clip_norm: float | None = None
    clip_value: float | None = None
    accumulate: int = 1  # batches an update
    ema: float | None = None  # decay of the averaged weights, such as 0.999
    patience: int | None = None  # epochs without a better validation result before stopping
    monitor: str | None = None  # the validation metric that names the best epoch
    class_weights: str | Sequence[float] | None = None  # "balanced", or one weight a class
    label_smoothing: float = 0.0
    # the machine
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"  # auto, fp32, bf16, fp16 (GPU)
    workers: int | None = None  # processes reading a user's Dataset
    checkpoint_steps: int | None = None  # save every so many updates (None: at each epoch's end)
    cache: str = "auto"  # auto: keep decoded samples in memory when they fit; off
    # the data
    target: str | Sequence[str] | None = None
    task: str | None = None  # classification, multilabel, regression, custom
    ignore: str | Sequence[str] | None = None  # columns to leave out
    size: int | None = None  # side of the square images the model sees, in pixels
    on_bad: str = "stop"  # stop, skip: what to do with an unreadable sample
    bad_limit: float = 0.001  # share of samples that may be skipped
    max_pixels: int = 100_000_000  # larger images are refused before they are decoded
    # the rest
    check: bool = True  # try one batch before training
    lang: str | None = None  # zh, en


class SettingsDict(TypedDict, total=False):
    """``Settings`` as keyword arguments, for type checkers; a test keeps the two alike."""

    epochs: int | None
    steps: int | None
    time: str | float | None
    batch_size: int | None
    lr: float | str | None
    weight_decay: float | None
    momentum: float | None
    schedule: str | Callable[..., Any] | None
    warmup: float | None
    clip_norm: float | None
    clip_value: float | None
    accumulate: int
    ema: float | None
    patience: int | None
    monitor: str | None
    class_weights: str | Sequence[float] | None
    label_smoothing: float
    seed: int
    device: str
    precision: str
    workers: int | None
    checkpoint_steps: int | None
    cache: str
    target: str | Sequence[str] | None
    task: str | None
    ignore: str | Sequence[str] | None
    size: int | None
    on_bad: str
    bad_limit: float
    max_pixels: int
    check: bool
    lang: str | None
