"""One or several numbers a row, answered in the targets' own unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.tasks.base import Task, last_layer, loss_name, require_rows, scale_of, shape
from danlu.types import Prediction, Schema


def decode(output: Tensor, schema: Schema, loss: Any = None) -> Tensor:
    """Values ``(B, T)`` in the targets' own unit, float64."""
    values = output.exp() if scale_of(loss) == "log_values" else output
    return _in_unit(values, schema)


def target(y: Tensor, schema: Schema) -> Tensor:
    """True values ``(B, T)`` in their own unit, float64."""
    return _in_unit(y, schema)


def _in_unit(values: Tensor, schema: Schema) -> Tensor:
    wide = values.double() if values.device.type != "mps" else values.cpu().double()  # MPS has no float64
    flat = wide.reshape(len(wide), -1)
    mean = [m for f in schema.targets for m in f.mean]
    std = [s for f in schema.targets for s in f.std]
    if not std:
        return flat
    unit = {"dtype": flat.dtype, "device": flat.device}
    return flat * torch.tensor(std, **unit) + torch.tensor(mean, **unit)  # type: ignore[arg-type]


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
    if isinstance(getattr(loss, "module", loss), nn.PoissonNLLLoss) and bool((target < 0).any()):
        raise DanluError("DL210", where=seen["loss"], **seen)
    bad = ~torch.isfinite(target) if target.is_floating_point() else torch.zeros_like(target, dtype=torch.bool)
    if bool(bad.any()):
        i = int(bad.nonzero()[0, 0])
        raise DanluError("DL211", where=row(i) if row else f"row {i} of the batch", value=target[bad][0].item())


def predictions(decoded: Tensor, schema: Schema) -> list[Prediction]:
    rows = decoded.double().tolist()
    return [Prediction(None, values[0] if len(values) == 1 else tuple(values)) for values in rows]


TASK = Task(
    "regression",
    "MSELoss",
    ("rmse", "mae", "r2"),
    "rmse",
    decode,
    target,
    check,
    predictions,
)
