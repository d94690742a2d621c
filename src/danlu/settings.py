"""The frozen settings: keyword arguments, flags and run.toml's keys are the fields of one dataclass."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypedDict

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.rules import ALIASES, ELSEWHERE, RULES, convert, expected
from danlu.rules import parse_time as parse_time
from danlu.rules import read_text as read_text


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
    loss_weights: str | Mapping[str, float] | None = None  # of several heads: "learnt", or a weight for each by name
    # what is learnt already
    weights: str | None = None  # a file of weights, a run's folder, or "default": those the model's library publishes
    freeze: int | str = "none"  # body: only the head is trained; a number of epochs: the body after them; none
    body_lr: float | None = None  # learning rate of all but the head, as a factor of lr
    # the machine
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"  # auto, fp32, bf16, fp16 (GPU)
    workers: int | None = None  # processes reading a user's Dataset
    checkpoint_steps: int | None = None  # save every so many updates (None: at each epoch's end)
    cache: str = "auto"  # auto: keep decoded samples in memory when they fit; off
    log: str | None = None  # tensorboard: event files in the run folder
    # the data
    target: str | Sequence[str] | None = None
    task: str | None = None  # classification, multilabel, regression, multitask, custom
    ignore: str | Sequence[str] | None = None  # columns to leave out
    slice: str | Sequence[str] | Mapping[str, Any] | None = None  # columns by which the test is told group by group
    size: int | None = None  # side of the square images the model sees, in pixels
    augment: str = "auto"  # auto: images are varied while training where that is safe; off
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
    loss_weights: str | Mapping[str, float] | None
    weights: str | None
    freeze: int | str
    body_lr: float | None
    seed: int
    device: str
    precision: str
    workers: int | None
    checkpoint_steps: int | None
    cache: str
    log: str | None
    target: str | Sequence[str] | None
    task: str | None
    ignore: str | Sequence[str] | None
    slice: str | Sequence[str] | Mapping[str, Any] | None
    size: int | None
    augment: str
    on_bad: str
    bad_limit: float
    max_pixels: int
    check: bool
    lang: str | None


ARGUMENTS = ("data", "test", "val", "model", "loss", "optimizer", "metrics", "run")  # train's own, beside the settings
LENGTHS = ("epochs", "steps", "time")  # each alone says how long to train
Style = Literal["python", "flag"]


def make_settings(values: Mapping[str, Any], style: Style = "python") -> Settings:
    """The one border: keys, types and ranges are checked here and trusted afterwards.

    ``style`` says how errors spell a setting: ``epochs=10`` or ``--epochs 10``. None stands for the default.
    """
    checked: dict[str, Any] = {}
    defaults = {f.name: f.default for f in fields(Settings)}
    for name, value in values.items():
        if name not in RULES:
            raise _unknown(name, value, style)
        checked[name] = defaults[name] if value is None else _check(name, value, style)
    given = [name for name in LENGTHS if checked.get(name) is not None]
    if len(given) > 1:
        where = spell(given[0], checked[given[0]], style)
        both = say("rule.and").join(spell(name, None, style) for name in given)
        raise DanluError("DL004", " ".join(spell(n, checked[n], style) for n in given), names=both, line=where)
    return Settings(**checked)


def merge_settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """``old`` with ``new`` laid over it; a new length of training takes the place of an old one of another kind."""
    replaced = LENGTHS if any(new.get(name) is not None for name in LENGTHS) else ()
    return {k: v for k, v in old.items() if k not in replaced} | dict(new)


def changed(settings: Settings) -> dict[str, Any]:
    """The settings that differ from the defaults."""
    return {f.name: getattr(settings, f.name) for f in fields(settings) if getattr(settings, f.name) != f.default}


def spell(name: str, value: Any, style: Style) -> str:
    """A setting as the user would type it; with the value None only its name."""
    if style == "python":
        return name if value is None else f"{name}={value!r}"
    flag = "--" + name.replace("_", "-")
    if value is None:
        return flag
    if isinstance(value, bool):
        return flag if value else f"--no-{flag[2:]}"
    if isinstance(value, Mapping):
        value = [f"{key}={weight:g}" for key, weight in value.items()]
    if isinstance(value, (list, tuple)):
        value = ",".join(map(str, value))
    return f"{flag} {value}"


def _unknown(name: str, value: Any, style: Style) -> DanluError:
    known = [*RULES, *ARGUMENTS]
    near = ELSEWHERE.get(name.lower().replace("-", "_")) or nearest(name, known)
    why, line = (did_you_mean(near, known), spell(near, value, style)) if near else (say("settings.all"), "")
    return DanluError("DL001", spell(name, value, style), name=name, near=why, line=line)


def _check(name: str, value: Any, style: Style) -> Any:
    """``value`` in its own type, or the error that says what the setting takes."""
    rule = RULES[name]
    converted, code = convert(rule, value)
    if not code:
        return converted
    near = ""
    if isinstance(value, str):
        alias = ALIASES.get(value.lower(), "")
        near = alias if alias in rule.names else nearest(value, rule.names)
    facts = {
        "name": spell(name, None, style),
        "value": value if style == "flag" else repr(value),
        "expected": expected(rule),
        "line": spell(name, near or rule.example, style),
    }
    raise DanluError(code, spell(name, value, style), **facts)


def to_toml(values: Mapping[str, Any], title: str = "") -> str:
    """TOML of plain values: keys first, then a table for each mapping; None is left out. ``title`` becomes a comment.

    tomllib reads back the same values; tuples come back as lists.
    """
    lines = [f"# {line}" for line in title.splitlines()]
    plain = {k: v for k, v in values.items() if not isinstance(v, Mapping) and v is not None}
    lines += [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in plain.items()]
    for name, table in values.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_toml_key(name)}]"]
            lines += [f"{_toml_key(k)} = {_toml_value(v)}" for k, v in table.items() if v is not None]
    return "\n".join(lines) + "\n"


def read_toml(path: str | Path) -> dict[str, Any]:
    """The values of a TOML file; an error names the line where reading stopped."""
    import tomllib  # not for every --help

    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise DanluError("DL011", str(path), path=path, reason=error) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DanluError("DL012", str(path), path=path, reason=error) from None


def _toml_key(key: str) -> str:
    return key if key.isascii() and key.replace("_", "").replace("-", "").isalnum() else _toml_value(key)


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        if any("\ud800" <= c <= "\udfff" for c in value):  # a file name that is not UTF-8
            raise DanluError("DL013", ascii(value), value=ascii(value))
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON leaves DEL raw, TOML may not
    if isinstance(value, int | float):
        return repr(value) if not isinstance(value, float) or math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml_key(k)} = {_toml_value(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")
