"""Any number of labels a row, each there or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.tasks.base import Task, check_scale, last_layer, loss_name, require_rows, scale_of, shape
from danlu.types import Prediction, Schema


def decode(output: Tensor, schema: Schema, loss: Any = None) -> Tensor:
    """Each label's probability, ``(B, L)``."""
    scores = output.float()
    scores = scores[:, None] if scores.ndim == 1 else scores
    return scores if scale_of(loss) == "probabilities" else scores.sigmoid()


def target(y: Tensor, schema: Schema) -> Tensor:
    """1 where a label is there, 0 where not, ``(B, L)`` float32."""
    return (y[:, None] if y.ndim == 1 else y).float()


def check(
    output: Any,
    target: Any,
    schema: Schema,
    loss: Any,
    *,
    model: nn.Module | None = None,
    row: Callable[[int], str] | None = None,
) -> None:
    output, target = require_rows(output, target, model)
    seen = {"output": shape(output), "target": shape(target), "loss": loss_name(loss)}
    if output.shape != target.shape and output.squeeze(-1).shape != target.squeeze(-1).shape:
        raise DanluError("DL203", where=last_layer(model), **seen)
    units = output.shape[1] if output.ndim > 1 else 1
    if schema.classes and len(schema.classes) != units:
        raise DanluError("DL202", where=last_layer(model), units=units, classes=len(schema.classes), **seen)
    bad = (target < 0) | (target > 1)
    if bool(bad.any()):
        i = int(bad.nonzero()[0, 0])
        where = row(i) if row else f"row {i} of the batch"
        raise DanluError("DL209", where=where, value=target[bad].flatten()[0].item())
    check_scale(output, loss, model)


def predictions(decoded: Tensor, schema: Schema) -> list[Prediction]:
    """The labels with a probability above one half; ``score`` is the probability that exactly these are there."""
    names = schema.classes or tuple(str(i) for i in range(decoded.shape[1]))
    there = decoded > 0.5
    scores = decoded.double()
    joint = scores.where(there, 1 - scores).prod(1).tolist()
    return [
        Prediction(tuple(n for n, yes in zip(names, row) if yes), None, score, dict(zip(names, values)))
        for row, score, values in zip(there.tolist(), joint, scores.tolist())
    ]


TASK = Task(
    "multilabel",
    "BCEWithLogitsLoss",
    ("macro_f1", "accuracy", "exact_match"),
    "macro_f1",
    decode,
    target,
    check,
    predictions,
)
