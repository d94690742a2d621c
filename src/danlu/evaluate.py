"""Evaluation: batched, without gradients or randomness, the model put back as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import answer_of, forward, returned_loss, rows_of, to_device
from danlu.device import Precision, kept_randomness
from danlu.metrics import Meter
from danlu.tasks import Criterion, Task
from danlu.tasks.criterion import divisor, sums
from danlu.types import Schema


@dataclass(frozen=True)
class Evaluation:
    """Means over samples (never of batch means), and what they were made of when it was asked for."""

    metrics: dict[str, float]
    rows: int
    decoded: Tensor | None = None  # probabilities (N, C) or (N, L), or values (N, T) in the target's own unit
    target: Tensor | None = None  # (N,), (N, L) or (N, T)


class Tally:
    """The loss over all samples: every part's sum divided once by its count, as torch divides one whole batch."""

    def __init__(self, loss: Callable[..., Any] | None) -> None:
        self.parts = loss.tallies() if isinstance(loss, Criterion) else [("", 1.0, sums(loss))] if loss else []
        self.sums: dict[str, Tensor | float] = {}
        self.counts: dict[str, Tensor | float] = {}
        self.own = loss is None  # a loss that the model returns itself

    def add(self, output: Any, target: Any, rows: int) -> None:
        for name, _, part in self.parts:
            self._add(name, *part(output, target))
        own = returned_loss(output) if self.own else None
        if own is not None:
            self._add("", own * rows, rows)

    def _add(self, name: str, total: Tensor, count: Tensor | float) -> None:
        self.sums[name] = self.sums.get(name, 0.0) + total.double()
        self.counts[name] = self.counts.get(name, 0.0) + count

    def means(self) -> dict[str, float]:
        """``loss``, and ``loss_<name>`` for each of several losses."""
        if not self.sums:
            return {}
        found = {name: float(total / divisor(self.counts[name])) for name, total in self.sums.items()}
        if len(self.parts) < 2:
            return {"loss": next(iter(found.values()))}
        whole = sum(share * found[name] for name, share, _ in self.parts)
        return {"loss": whole, **{f"loss_{name}": value for name, value in found.items()}}


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
    tally = Tally(loss)
    rows = 0
    kept: list[tuple[Tensor, Tensor]] = []
    with kept_randomness(seed=0), evaluating(model):
        for batch in loader:
            count = rows_of(batch)
            rows += count
            if device.type != "cpu":
                batch = to_device(batch, device)
            with precision.autocast():
                output, target = forward(model, batch)
                tally.add(output, target, count)
            if meter is not None:
                decoded = task.decode(answer_of(output), schema, scale or loss)
                truth = task.target(target, schema)
                meter.update(decoded, truth)
                if keep:
                    kept.append((decoded.cpu(), truth.cpu()))
    metrics = {**tally.means(), **(meter.compute() if meter is not None else {})}
    if not kept:
        return Evaluation(metrics, rows)
    return Evaluation(metrics, rows, torch.cat([d for d, _ in kept]), torch.cat([t for _, t in kept]))
