"""One class a row, out of two or more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.tasks.base import Task, check_scale, is_probability, last_layer, loss_name, require_rows, scale_of, shape
from danlu.types import Prediction, Schema


def decode(output: Tensor, schema: Schema, loss: Any = None) -> Tensor:
    """Probabilities ``(B, C)``; one output unit is the second class of two."""
    scale = scale_of(loss)
    scores = output.float()
    if scores.ndim == 1:
        scores = scores[:, None]
    if scores.shape[1] == 1:
        p = scores if scale == "probabilities" else scores.sigmoid()
        return torch.cat([1 - p, p], 1)
    if scale == "probabilities":
        return scores
    return scores.exp() if scale == "log_probabilities" else scores.softmax(1)


def target(y: Tensor, schema: Schema) -> Tensor:
    """Class numbers ``(B,)``, int64; rows of class probabilities become the most probable class."""
    if y.ndim == 2 and y.shape[1] > 1:
        return y.argmax(1)
    return (y[:, 0] if y.ndim == 2 else y).long()


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
    units = output.shape[1] if output.ndim > 1 else 1
    if _elementwise(loss):
        if output.numel() != target.numel():
            raise DanluError("DL203", where=last_layer(model), **seen)
        classes = 2 if units == 1 else units
    else:
        if units < 2:
            classes = max(2, len(schema.classes))
            other = "BCELoss" if is_probability(output) else "BCEWithLogitsLoss"
            raise DanluError("DL204", where=last_layer(model), classes=classes, last=classes - 1, other=other, **seen)
        if target.ndim == output.ndim == 2 and target.shape[1] == 1:
            raise DanluError("DL205", where=last_layer(model), **seen)
        soft = target.is_floating_point()
        if (soft and target.shape != output.shape) or (
            not soft and target.shape != output.shape[:1] + output.shape[2:]
        ):
            raise DanluError("DL206" if soft else "DL207", where=last_layer(model), **seen)
        classes = units
    if schema.classes and len(schema.classes) != classes and not _counted_from_one(target, schema, units):
        raise DanluError("DL202", where=last_layer(model), units=units, classes=len(schema.classes), **seen)
    if target.ndim == 1 or not target.is_floating_point():
        check_labels(target, classes, loss, row)
    check_scale(output, loss, model)


def _counted_from_one(target: Tensor, schema: Schema, units: int) -> bool:
    """Labels 1 to C for a model with C outputs: it is not the model that is wrong."""
    numbers = tuple(str(i) for i in range(units + 1))
    return schema.classes == numbers and bool((target > 0).all()) and bool((target == units).any())


def check_labels(target: Tensor, classes: int, loss: Any = None, row: Callable[[int], str] | None = None) -> None:
    """Every label is a class number (or the loss's ``ignore_index``); an error names the first row that is not."""
    bad = (target < 0) | (target >= classes)
    ignored = getattr(loss, "ignore_index", None)
    if isinstance(ignored, int):
        bad &= target != ignored
    rows = bad.flatten(1).any(1) if bad.ndim > 1 else bad
    if not bool(rows.any()):
        return
    i = int(rows.nonzero()[0, 0])
    label = target[bad].flatten()[0].item()
    where = row(i) if row else f"row {i} of the batch"
    raise DanluError("DL208", where=where, label=label, classes=classes, last=classes - 1)


def predictions(decoded: Tensor, schema: Schema) -> list[Prediction]:
    names = schema.classes or tuple(str(i) for i in range(decoded.shape[1]))
    best = decoded.argmax(1).tolist()
    return [
        Prediction(names[k], None, scores[k], dict(zip(names, scores)))
        for k, scores in zip(best, decoded.double().tolist())
    ]


def _elementwise(loss: Any) -> bool:
    module = getattr(loss, "module", loss)
    return isinstance(module, (nn.BCELoss, nn.BCEWithLogitsLoss, nn.MSELoss, nn.SoftMarginLoss))


TASK = Task(
    "classification",
    "CrossEntropyLoss",
    ("accuracy", "macro_f1", "log_loss"),
    "accuracy",
    decode,
    target,
    check,
    predictions,
)
