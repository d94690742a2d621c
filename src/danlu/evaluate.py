"""Evaluation: batched, without gradients or randomness, the model put back as it was."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.batch import answer_of, forward, returned_loss, rows_of, to_device
from danlu.device import Precision, kept_randomness
from danlu.metrics import Meter, OwnMetrics
from danlu.tasks import Criterion, Task
from danlu.tasks.criterion import divisor, sums
from danlu.types import Schema

KEPT_BYTES = 64 * 2**20
Beside = Callable[[nn.Module, Any], Tensor]  # (model, batch) → answers in the form of ``decoded``


@dataclass(frozen=True)
class Evaluation:
    """Means over samples (never of batch means), and what they were made of when it was asked for."""

    metrics: dict[str, float]
    rows: int
    decoded: Tensor | None = None  # probabilities (N, C) or (N, L), or values (N, T) in the target's own unit
    target: Tensor | None = None  # (N,), (N, L) or (N, T)
    linear: Tensor | None = None  # what the linear model answers, in the form of ``decoded``


class Kept:
    """Rows collected batch by batch; past ``KEPT_BYTES`` they lie in a file without a name, mapped into memory."""

    def __init__(self) -> None:
        self._parts: list[Tensor] = []
        self._bytes = 0
        self._file: Any = None
        self._rows = 0

    def add(self, rows: Tensor) -> None:
        self._parts.append(rows.cpu())
        self._bytes += rows.nbytes
        if self._bytes > KEPT_BYTES:
            self._spill()

    def tensor(self) -> Tensor | None:
        """All rows as one tensor; None when there were none."""
        if self._file is None:
            return torch.cat(self._parts) if self._parts else None
        shape, dtype = self._parts[-1].shape[1:], self._parts[-1].numpy().dtype
        self._spill()
        return torch.from_numpy(np.memmap(self._file, dtype, "r+", shape=(self._rows, *shape)))

    def _spill(self) -> None:
        self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the rows
        for part in self._parts:
            part.contiguous().numpy().tofile(self._file)
            self._rows += len(part)
        self._file.flush()
        self._parts, self._bytes = [self._parts[-1][:0]], 0


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
    linear: Beside | None = None,
    own: OwnMetrics | None = None,
) -> Evaluation:
    """The task's metrics and the loss over everything the loader gives.

    ``scale`` says what the outputs are where there is no loss to tell (see ``tasks.base.Scale``).
    ``keep`` returns all predictions and targets too (the test set's file, intervals); many of them lie in a file, so
    that memory stays constant. ``linear`` answers the same inputs (their features), to stand beside the model; ``own``
    are the user's metrics. Models that draw random numbers are given the same ones at every evaluation, and training's
    are put back.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    precision = precision or Precision(device=device.type)
    meter = Meter(task.metrics, schema.outputs) if task.metrics else None
    tally = Tally(loss)
    rows, kept = 0, (Kept(), Kept(), Kept())
    if own is not None:
        own.start(device)
    with kept_randomness(seed=0), evaluating(model):
        for batch in loader:
            count = rows_of(batch)
            rows += count
            if device.type != "cpu":
                batch = to_device(batch, device)
            with precision.autocast():
                output, target = forward(model, batch)
                tally.add(output, target, count)
            if meter is None and own is None:
                continue
            decoded = task.decode(answer_of(output), schema, scale or loss)
            truth = task.target(target, schema)
            if meter is not None:
                meter.update(decoded, truth)
            if own is not None:
                own.update(decoded, truth)
            if (keep and meter is not None) or (own is not None and own.whole):
                kept[0].add(decoded)
                kept[1].add(truth)
                if linear is not None:
                    kept[2].add(linear(model, batch))
    answers, truths, beside = (part.tensor() for part in kept)  # ordinary tensors, outside the inference mode
    metrics = {**tally.means(), **(meter.compute() if meter is not None else {})}
    if own is not None:
        with kept_randomness(seed=0):
            metrics |= own.compute(answers, truths)
    return Evaluation(metrics, rows, *((answers, truths, beside) if keep and meter is not None else ()))
