"""Evaluation: batched, without gradients or randomness, the model put back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import forward, returned_loss, rows_of, to_device
from danlu.device import Precision, kept_randomness
from danlu.metrics import Meter
from danlu.tasks import Task
from danlu.tasks.criterion import sums
from danlu.types import Schema


@dataclass(frozen=True)
class Evaluation:
    """Means over samples (never of batch means), and what they were made of when it was asked for."""

    metrics: dict[str, float]
    rows: int
    decoded: Tensor | None = None  # probabilities (N, C) or (N, L), or values (N, T) in the target's own unit
    target: Tensor | None = None  # (N,), (N, L) or (N, T)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """eval() and inference mode inside; afterwards every module's train/eval flag is what it was."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in flags:
            module.training = training


def evaluate(
    model: nn.Module,
    loader: Iterable[Any],
    task: Task,
    schema: Schema,
    loss: Callable[..., Any] | None,
    *,
    precision: Precision | None = None,
    keep: bool = False,
    scale: str = "",
) -> Evaluation:
    """The task's metrics and the loss over everything the loader gives.

    ``scale`` says what the outputs are where there is no loss to tell (see ``tasks.base.Scale``).
    ``keep`` returns all predictions and targets too (the test set's file, intervals); else memory stays constant.
    Models that draw random numbers are given the same ones at every evaluation, and training's are put back.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    precision = precision or Precision(device=device.type)
    meter = Meter(task.metrics, schema.outputs) if task.metrics else None
    parts = sums(loss) if loss is not None else None
    total = torch.zeros((), dtype=torch.float64)
    weight = torch.zeros((), dtype=torch.float64)
    rows = 0
    kept: list[tuple[Tensor, Tensor]] = []
    with kept_randomness(seed=0), evaluating(model):
        for batch in loader:
            count = rows_of(batch)
            if device.type != "cpu":
                batch = to_device(batch, device)
            with precision.autocast():
                output, target = forward(model, batch)
                own = returned_loss(output) if parts is None else None
                batch_sum, batch_weight = parts(output, target) if parts is not None else (own, 1)
            if own is not None:
                batch_sum, batch_weight = own * count, count
            if batch_sum is not None:
                total = total + batch_sum.double()
                weight = weight + batch_weight
            rows += count
            if meter is not None:
                decoded = task.decode(output, schema, scale or loss)
                truth = task.target(target, schema)
                meter.update(decoded, truth)
                if keep:
                    kept.append((decoded.cpu(), truth.cpu()))
    metrics = meter.compute() if meter is not None else {}
    if float(weight):
        metrics = {"loss": float(total / weight), **metrics}
    if not kept:
        return Evaluation(metrics, rows)
    return Evaluation(metrics, rows, torch.cat([d for d, _ in kept]), torch.cat([t for _, t in kept]))
