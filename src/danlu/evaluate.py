"""Evaluation: batched, without gradients or randomness, the model put back as it was."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from danlu.batch import answer_of, forward, returned_loss, rows_of, to_device
from danlu.device import Precision, kept_randomness
from danlu.metrics import Meter, OwnMetrics
from danlu.tasks import Criterion, Head, Task, heads_of, outputs_of, targets_of
from danlu.tasks.criterion import divisor, sums
from danlu.types import Schema

KEPT_BYTES = 64 * 2**20
Beside = Callable[[nn.Module, Any], Mapping[str, Tensor]]  # (model, batch) → by head, in the form of ``decoded``


@dataclass(frozen=True)
class Evaluation:
    """Means over samples (never of batch means), and what they were made of when it was asked for."""

    metrics: dict[str, float]
    rows: int
    decoded: Tensor | None = None  # probabilities (N, C) or (N, L), or values (N, T) in the target's own unit
    target: Tensor | None = None  # (N,), (N, L) or (N, T)
    linear: Tensor | None = None  # what the linear model answers, in the form of ``decoded``
    heads: dict[str, Evaluation] = field(default_factory=dict)  # of several heads each one's own rows, no metrics

    def of(self, head: str) -> Evaluation:
        """What was kept of a head; of the only one, whose name is empty, it is this evaluation itself."""
        return self.heads[head] if head else self

    def known(self) -> tuple[Evaluation, Tensor | None]:
        """The rows that have a target, and which of all rows they are (None: all of them)."""
        if self.decoded is None or self.target is None:
            return self, None
        there = truth_known(self.target)
        if bool(there.all()):
            return self, None
        linear = None if self.linear is None else self.linear[there]
        some = replace(self, rows=int(there.sum()), decoded=self.decoded[there], target=self.target[there])
        return replace(some, linear=linear), there.nonzero()[:, 0]


def truth_known(target: Tensor) -> Tensor:
    """Which rows have a target in the metrics' form, (B,) bool: a class number from 0 on, or numbers that are none."""
    return ~target.isnan().reshape(len(target), -1).any(1) if target.is_floating_point() else target >= 0


def answers_of(heads: Sequence[Head], output: Any) -> Sequence[Any]:
    """What a model answered, head by head; beside a returned loss it is the ``logits``."""
    whole = isinstance(output, Mapping) and all(head.name in output for head in heads)
    return outputs_of(heads, output if whole else answer_of(output))


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
        self.criterion = loss if isinstance(loss, Criterion) else None
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
        """``loss``, and ``loss_<name>`` for each of several losses; ``balanced_loss`` where their weights are learnt.

        The balanced loss is the geometric mean of the heads' losses. Learnt weights move from epoch to epoch, and the
        weighted loss with them; with each weight at its best for these very rows (``exp(s) = 2·c·L``), that loss is
        half the sum of the losses' logarithms and a constant, so it ranks as the geometric mean does.
        """
        if not self.sums:
            return {}
        found = {name: float(total / divisor(self.counts[name])) for name, total in self.sums.items()}
        if self.criterion is None or len(self.parts) < 2:
            return {"loss": next(iter(found.values()))}
        means = {"loss": self.criterion.whole(found), **{f"loss_{name}": value for name, value in found.items()}}
        if self.criterion.learnt is not None:
            logs = [math.log(max(value, 1e-12)) if value == value else math.nan for value in found.values()]
            means["balanced_loss"] = math.exp(math.fsum(logs) / len(logs))
        return means


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
    scale: Any = "",
    linear: Beside | None = None,
    own: Mapping[str, OwnMetrics] | None = None,
) -> Evaluation:
    """The task's metrics and the loss over everything the loader gives.

    ``scale`` says what the outputs are where there is no loss to tell (see ``tasks.scales_of``).
    ``keep`` returns all predictions and targets too (the test set's file, intervals); many of them lie in a file, so
    that memory stays constant. ``linear`` answers the same inputs (their features), to stand beside the model; ``own``
    are the user's metrics by head. Models that draw random numbers are given the same ones at every evaluation, and
    training's are put back.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    precision = precision or Precision(device=device.type)
    every = heads_of(schema, scale or loss) if schema.heads else (Head("", schema, task, scale or loss),)
    absent = schema.origin == "table"
    own = own or {}
    heads = [_Seen(h, own.get(h.name), absent=absent) for h in every if h.task.metrics or h.name in own]
    tally = Tally(loss)
    rows = 0
    for users in own.values():
        users.start(device)
    with kept_randomness(seed=0), evaluating(model):
        for batch in loader:
            count = rows_of(batch)
            rows += count
            if device.type != "cpu":
                batch = to_device(batch, device)
            with precision.autocast():
                output, target = forward(model, batch)
                tally.add(output, target, count)
            if not heads:
                continue
            beside = linear(model, batch) if keep and linear is not None else {}
            answers = {h.name: o for h, o in zip(every, answers_of(every, output))}
            targets = {h.name: t for h, t in zip(every, targets_of(every, target))}
            for seen in heads:
                name = seen.head.name
                seen.add(answers[name], targets[name], beside.get(name), keep=keep)
    metrics = tally.means()
    for seen in heads:
        metrics |= {seen.head.key(name): value for name, value in seen.computed().items()}
    kept = {seen.head.name: seen.evaluation(rows) for seen in heads if keep and seen.head.task.metrics}
    alone = kept.pop("", None)
    return replace(alone, metrics=metrics) if alone is not None else Evaluation(metrics, rows, heads=kept)


class _Seen:
    """What is gathered of one head while the batches come; ``absent``: rows may lack its target."""

    def __init__(self, head: Head, own: OwnMetrics | None, *, absent: bool) -> None:
        self.head, self.own, self.absent = head, own, absent and bool(head.name)
        self.meter = Meter(head.task.metrics, head.schema.outputs)
        self.kept = (Kept(), Kept(), Kept())

    def add(self, output: Any, target: Any, linear: Tensor | None, *, keep: bool) -> None:
        decoded, truth = self.head.decoded(output), self.head.target(target)
        some = self._known(decoded, truth)
        if self.own is not None and (not self.absent or len(some[1])):
            self.own.update(*some)
        if (keep and self.head.task.metrics) or (self.own is not None and self.own.whole):
            for part, value in zip(self.kept, (decoded, truth, linear)):
                if value is not None:
                    part.add(value)
        self.meter.update(*some)

    def _known(self, decoded: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
        """The rows that have this head's target."""
        known = truth_known(truth) if self.absent else None
        return (decoded, truth) if known is None else (decoded[known], truth[known])

    def computed(self) -> dict[str, float]:
        """The task's metrics, and the user's."""
        found = self.meter.compute() if self.head.task.metrics else {}
        if self.own is not None:
            decoded, target, _ = (part.tensor() for part in self.kept)  # ordinary tensors, outside inference mode
            if decoded is not None and target is not None:
                decoded, target = self._known(decoded, target)
            with kept_randomness(seed=0):
                found |= self.own.compute(decoded, target)
        return found

    def evaluation(self, rows: int) -> Evaluation:
        decoded, target, linear = (part.tensor() for part in self.kept)
        return Evaluation({}, rows, decoded, target, linear)
