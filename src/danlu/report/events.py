"""The events of a run as plain dicts: what metrics.jsonl keeps and ``--json`` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the help pages import this file
    from torch import Tensor

    from danlu import types

Event = dict[str, Any]


@dataclass(frozen=True)
class Start:
    """What a run begins with. ``steps`` is the total, ``step`` where a resumed run goes on."""

    run: str
    data: str
    task: str
    model: str
    parameters: int
    rows: Mapping[str, int]  # {"train": 1257, "val": 270, "test": 270}
    epochs: int | None
    steps: int | None
    batch_size: int | None
    device: str
    precision: str
    seed: int
    step: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)


def start(facts: Start) -> Event:
    return {"event": "start", **asdict(facts)}


def choice(made: types.Choice) -> Event:
    return {"event": "choice", "what": made.what, "value": made.value, "why": made.why}


def finding(code: str, severity: str, where: str, why: str, fix: str, what: str = "") -> Event:
    """``severity`` is "error", "warning" or "note"."""
    event = {"event": "finding", "code": code, "severity": severity, "where": where, "why": why, "fix": fix}
    return event | ({"what": what} if what else {})


def step(number: int, loss: float | Tensor) -> Event:
    return {"event": "step", "step": number, "loss": loss}


def epoch(end: types.Epoch, metrics: Mapping[str, float], best: bool, memory: int | None = None) -> Event:
    """``end.seconds`` include validation; the training loss is among the metrics as train/loss.

    ``memory``: the peak in bytes, of a GPU's tensors in this epoch, else of the process so far.
    """
    values = {"train/loss": end.loss, **metrics}
    facts = {"epoch": end.epoch, "step": end.step, "seconds": round(end.seconds, 6), "waited": round(end.waited, 6)}
    peak = {} if memory is None else {"memory": memory}
    return {"event": "epoch", **facts, **peak, "rows": end.rows, "best": best, "metrics": values}


def range_test(points: Sequence[tuple[float, float]], chosen: float) -> Event:
    """What the range test of ``lr="auto"`` saw, as (learning rate, smoothed loss), and the rate that was taken."""
    return {"event": "range_test", "points": [list(point) for point in points], "chosen": chosen}


def saved(number: int, path: str) -> Event:
    return {"event": "saved", "step": number, "path": path}


def bad(row: types.Bad) -> Event:
    return {"event": "bad", "where": row.where, "why": row.why}


def notice(text: str) -> Event:
    return {"event": "notice", "text": text}


def stopped(step: int, resume: str) -> Event:
    """The run was interrupted after ``step`` and is saved; ``resume`` is the command that goes on."""
    return {"event": "stopped", "step": step, "resume": resume}


def done(metrics: Mapping[str, Any], run: str) -> Event:
    return {"event": "done", "metrics": dict(metrics), "run": run}


def line(event: Event) -> str:
    """One line of JSON without the newline. JSON knows no NaN and no infinity: they become null."""
    text = json.dumps(_finite(event), ensure_ascii=False, allow_nan=False)
    if text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text):
        return text
    return json.dumps(_finite(event), allow_nan=False)  # a file name that is not UTF-8: escaped, so it can be written


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    return [_finite(v) for v in value] if isinstance(value, list | tuple) else value
