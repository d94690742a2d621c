"""The baseline that every figure stands beside: the best answer of a model that ignores its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from danlu.messages import say
from danlu.metrics.measured import values
from danlu.metrics.rows import METRICS


def trivial_answer(task: str, train_target: Tensor, outputs: int) -> Tensor | None:
    """What a model that ignores its input had best answer, learned from the training targets, float64.

    Classes: their shares as probabilities ``(C,)``, hence always the majority class; labels: the share of each
    ``(L,)``; numbers: the means ``(T,)``. Targets are in the form of the task's ``target``. None for other tasks.
    """
    if task not in METRICS or not len(train_target):
        return None
    if task != "classification":
        return train_target.double().mean(0).cpu()
    known = train_target[train_target >= 0].cpu()
    return torch.bincount(known, minlength=outputs).double() / max(1, len(known))


def baseline(task: str, trivial: Tensor, test_target: Tensor, only: Sequence[str] | None = None) -> dict[str, Any]:
    """The metrics (``only`` these) of the trivial answer on the test targets; ``"what"`` says in words what it is."""
    if task not in METRICS or not len(test_target):
        return {}
    target = test_target.cpu()
    outputs = max(len(trivial), int(target.max()) + 1) if task == "classification" else len(trivial)
    answer = torch.nn.functional.pad(trivial, (0, outputs - len(trivial)))
    return {**values(task, answer.expand(len(target), -1), target, only), "what": say(f"baseline.{task}")}
