"""Anything else: the user's loss is all that danlu knows about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.tasks.base import Task, last_layer, shape
from danlu.types import Prediction, Schema


def decode(output: Any, schema: Schema, loss: Any = None) -> Tensor:
    """The model's output as it is; of several the first."""
    while not isinstance(output, Tensor):
        parts = list(output.values()) if isinstance(output, dict) else output
        if not isinstance(parts, (tuple, list)) or not parts:
            raise DanluError("DL212", where=type(output).__name__, output=shape(output))
        output = parts[0]
    return output


def target(y: Any, schema: Schema) -> Tensor:
    return decode(y, schema)


def check(
    output: Any,
    target: Any,
    schema: Schema,
    loss: Any,
    *,
    model: nn.Module | None = None,
    row: Callable[[int], str] | None = None,
) -> None:
    """A dict of losses finds its outputs and targets; nothing else is known here."""
    match = getattr(loss, "match", None)
    if match is not None:
        try:
            match(output, target)
        except DanluError as error:
            raise DanluError(error.code, error.where or last_layer(model), **error.facts) from None


def predictions(decoded: Tensor, schema: Schema) -> list[Prediction]:
    """The numbers the model gave, row by row."""
    rows = decoded.double().reshape(len(decoded), -1).tolist()
    return [Prediction(None, values[0] if len(values) == 1 else tuple(values)) for values in rows]


TASK = Task("custom", "", (), "loss", decode, target, check, predictions)
