"""What each setting takes: types, ranges and names in one table, and the words that say so."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from danlu.messages import say


@dataclass(frozen=True)
class Rule:
    """What one setting takes: a value of any of ``kinds`` within ``low`` and ``high``, or one of ``names``."""

    kinds: tuple[str, ...]
    example: Any
    low: float | None = None
    high: float | None = None
    names: tuple[str, ...] = ()
    open: str = ""  # "(": low itself is excluded; ")": high is; "()": both are

    def within(self, value: float) -> bool:
        low, high = self.low, self.high
        above = low is None or (value > low if "(" in self.open else value >= low)
        below = high is None or (value < high if ")" in self.open else value <= high)
        return above and below and abs(value) != float("inf")  # a NaN is neither above nor below


def _whole(example: int, low: int = 1, high: float | None = None) -> Rule:
    return Rule(("whole",), example, low, high)


def _named(*names: str) -> Rule:
    return Rule((), names[0], names=names)


_SCHEDULES = ("constant", "cosine", "one-cycle")
_TASKS = ("classification", "multilabel", "regression", "multitask", "custom")
RULES: dict[str, Rule] = {
    "epochs": _whole(10),
    "steps": _whole(1000),
    "time": Rule(("time",), "10m", 0, open="("),
    "batch_size": _whole(64),
    "lr": Rule(("number",), 0.001, 0, names=("auto",), open="("),
    "weight_decay": Rule(("number",), 0.01, 0),
    "momentum": Rule(("number",), 0.9, 0, 1, open=")"),
    "schedule": Rule(("call", "reference"), "cosine", names=_SCHEDULES),
    "warmup": Rule(("number",), 0.05, 0),
    "clip_norm": Rule(("number",), 1.0, 0, open="("),
    "clip_value": Rule(("number",), 1.0, 0, open="("),
    "accumulate": _whole(4),
    "ema": Rule(("number",), 0.999, 0, 1, open="()"),
    "patience": _whole(5),
    "monitor": Rule(("text",), "accuracy"),
    "class_weights": Rule(("numbers",), "balanced", 0, names=("balanced", "sampled")),
    "label_smoothing": Rule(("number",), 0.1, 0, 1, open=")"),
    "loss_weights": Rule(("pairs",), "learnt", 0, names=("learnt",)),
    "weights": Rule(("path",), "weights.pth", names=("default",)),
    "freeze": Rule(("whole",), "body", 1, names=("body", "none")),
    "body_lr": Rule(("number",), 0.1, 0, open="("),
    "seed": _whole(0, 0, 2**63 - 1),  # TOML's integers have 64 bits
    "device": Rule(("device",), "auto", names=("auto", "cpu", "cuda", "cuda:1", "mps")),
    "precision": _named("auto", "fp32", "bf16", "fp16"),
    "workers": _whole(2, 0),
    "checkpoint_steps": _whole(500),
    "cache": _named("auto", "off"),
    "log": _named("tensorboard"),
    "target": Rule(("text", "texts"), "label"),
    "task": _named(*_TASKS),
    "ignore": Rule(("text", "texts"), "id"),
    "slice": Rule(("text", "texts", "groups"), "sex"),
    "size": _whole(128, 1, 65_535),
    "augment": _named("auto", "off"),
    "on_bad": _named("stop", "skip"),
    "bad_limit": Rule(("number",), 0.001, 0, 1),
    "max_pixels": _whole(100_000_000),
    "check": Rule(("flag",), True),
    "lang": _named("zh", "en"),
}

# What people write for a name of ours; only ever suggested.
ALIASES = {"gpu": "cuda", "float32": "fp32", "float16": "fp16", "half": "fp16", "bfloat16": "bf16"}
ELSEWHERE = {  # a setting's name in tutorials and other toolkits -> here
    "learning_rate": "lr", "num_epochs": "epochs", "n_epochs": "epochs", "max_epochs": "epochs",
    "num_train_epochs": "epochs", "max_steps": "steps", "wd": "weight_decay", "bs": "batch_size",
    "scheduler": "schedule", "lr_scheduler": "schedule", "early_stopping": "patience", "random_state": "seed",
    "gradient_clip_val": "clip_norm", "max_grad_norm": "clip_norm", "max_norm": "clip_norm", "clipnorm": "clip_norm",
    "clipvalue": "clip_value", "accumulate_grad_batches": "accumulate", "gradient_accumulation_steps": "accumulate",
    "criterion": "loss", "loss_fn": "loss", "validation_data": "val", "val_data": "val", "eval_dataset": "val",
}  # fmt: skip
ALIASES |= {"regress": "regression", "classify": "classification", "onecycle": "one-cycle"}


def read_text(name: str, text: str) -> Any:
    """A flag's text as the value it stands for; text that does not fit is left for make_settings to refuse."""
    rule = RULES[name]
    if text in rule.names:
        return text
    if "pairs" in rule.kinds:
        return _pairs(text) or text
    if "numbers" in rule.kinds:
        parts = [_number(part) for part in text.split(",")]
        return text if None in parts else parts
    if "whole" in rule.kinds or "number" in rule.kinds:
        number = _number(text)
        return text if number is None else number
    return text


def _pairs(text: str) -> dict[str, float]:
    """``price=0.5,kind=1`` by name; empty for text that is no such list, or has a name twice."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        value = _number(number.strip())
        if not equals or not name.strip() or value is None or name.strip() in found:
            return {}
        found[name.strip()] = float(value)
    return found


def parse_time(text: str | float) -> float:
    """Seconds of "45s", "10m", "1h30m", "1.5h", "2d" or a bare number of seconds; ValueError otherwise."""
    if not isinstance(text, str):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(d|h|min|m|s|天|小时|时|分钟|分|秒)\s*", text.strip().lower())
    rebuilt = re.sub(r"\s+", "", text.lower())
    if not parts or "".join(a + b for a, b in parts) != rebuilt:
        return float(text)
    return sum(float(amount) * _SECONDS[unit] for amount, unit in parts)


_SECONDS = {"s": 1, "秒": 1, "m": 60, "min": 60, "分": 60, "分钟": 60}
_SECONDS |= {"h": 3600, "时": 3600, "小时": 3600, "d": 86400, "天": 86400}


def expected(rule: Rule) -> str:
    """What a setting takes, in words."""
    low, high = rule.low, rule.high
    bounds = "" if low is None else f"{'>' if '(' in rule.open else '≥'} {low:,g}"
    if high is not None and high < 2**31:
        bounds += f", {'<' if ')' in rule.open else '≤'} {high:,g}"
    words = []
    for kind in rule.kinds:
        if kind != "device":
            within = say("rule.within", bounds=bounds) if bounds and kind in ("whole", "number") else ""
            words.append(say(f"rule.{kind}") + within)
    if rule.names:
        names = ", ".join(rule.names)
        words.append(say("rule.names", names=names) if len(rule.names) > 1 else names)
    return say("rule.or").join(words)


def _number(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return None


def convert(rule: Rule, value: Any) -> tuple[Any, str]:
    """(the value in its own type, "") or (None, the code of the error to raise)."""
    kinds = rule.kinds
    if "path" in kinds and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if "device" in kinds and type(value).__name__ == "device":  # a torch.device; torch is not imported here
        value = str(value)
    if "pairs" in kinds and isinstance(value, str) and value not in rule.names and (pairs := _pairs(value)):
        value = pairs
    if isinstance(value, str):
        return _convert_text(rule, value)
    if "pairs" in kinds:
        return _convert_pairs(rule, value)
    if "flag" in kinds:
        return (value, "") if isinstance(value, bool) else (None, "DL002")
    if isinstance(value, Real) and not isinstance(value, bool):
        return _convert_number(rule, value)
    if "call" in kinds and callable(value):
        return value, ""
    if "groups" in kinds and isinstance(value, Mapping):
        good = len(value) > 0 and all(isinstance(v, Sized) and not isinstance(v, str) for v in value.values())
        return (dict(value), "") if good else (None, "DL002")
    if hasattr(value, "tolist"):  # an array or tensor of class weights
        value = value.tolist()
    if ("texts" in kinds or "numbers" in kinds) and isinstance(value, Sequence):
        return _convert_list(rule, value)
    return None, "DL002"


def _convert_text(rule: Rule, value: str) -> tuple[Any, str]:
    kinds = rule.kinds
    if value in rule.names or (("text" in kinds or "path" in kinds) and value.strip()):
        return value, ""
    if "device" in kinds and re.fullmatch(r"(cpu|cuda|mps|xpu):\d+", value):
        return value, ""
    if "reference" in kinds and re.search(r"\.py:[\w.]+$", value):
        return value, ""
    if "time" not in kinds:
        return None, "DL005" if rule.names else "DL002"
    try:
        return (value, "") if rule.within(parse_time(value)) else (None, "DL003")
    except ValueError:
        return None, "DL006"


def _convert_number(rule: Rule, value: Any) -> tuple[Any, str]:
    if "whole" in rule.kinds:
        if not isinstance(value, Integral) and not float(value).is_integer():
            return None, "DL002"
        return (int(value), "") if rule.within(value) else (None, "DL003")
    if "number" in rule.kinds or "time" in rule.kinds:
        return (float(value), "") if rule.within(float(value)) else (None, "DL003")
    return None, "DL002"


def _convert_pairs(rule: Rule, value: Any) -> tuple[Any, str]:
    if not isinstance(value, Mapping) or not value or not all(isinstance(name, str) and name for name in value):
        return None, "DL002"
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in value.values()):
        return None, "DL002"
    found = {name: float(weight) for name, weight in value.items()}
    return (found, "") if all(map(rule.within, found.values())) and any(found.values()) else (None, "DL003")


def _convert_list(rule: Rule, value: Sequence[Any]) -> tuple[Any, str]:
    if "texts" in rule.kinds:
        good = len(value) > 0 and all(isinstance(v, str) and v for v in value)
        return (tuple(value), "") if good else (None, "DL002")
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in value) or not value:
        return None, "DL002"
    return (tuple(map(float, value)), "") if all(rule.within(float(v)) for v in value) else (None, "DL003")
