"""What a model is asked for: one file a task, and the criterion that training minimises."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from torch import Tensor, nn

from danlu.tasks import multitask
from danlu.tasks.base import Task, last_layer, scale_of
from danlu.tasks.criterion import Criterion, check_value, criterion, divisor, first_of, refuse_unknown, sums
from danlu.tasks.losses import named_loss
from danlu.tasks.multitask import SINGLE, Head, criterion_of, heads_of, outputs_of, scales_of, targets_of
from danlu.tasks.parts import MISSING, has_target
from danlu.types import TaskName

__all__ = [
    "MISSING",
    "TASKS",
    "Criterion",
    "Head",
    "Task",
    "check_value",
    "criterion",
    "criterion_of",
    "divisor",
    "first_of",
    "has_target",
    "heads_of",
    "infer_task",
    "last_layer",
    "named_loss",
    "outputs_of",
    "refuse_unknown",
    "scale_of",
    "scales_of",
    "sums",
    "targets_of",
]

TASKS: dict[str, Task] = {**SINGLE, multitask.TASK.name: multitask.TASK}

_CLASS_LOSSES = ("CrossEntropyLoss", "NLLLoss", "MultiMarginLoss")
_LABEL_LOSSES = ("BCELoss", "BCEWithLogitsLoss", "MultiLabelSoftMarginLoss", "SoftMarginLoss")


def infer_task(sample: Any, loss: Any = None) -> TaskName:
    """The task of a user's dataset, by one sample's target (no batch dimension) and the loss given, if any.

    An integer is a class, a float a number; 0/1 vectors under a binary cross-entropy are labels. A target for each
    pixel or token, several targets, or a dict of losses are the user's own business: ``custom``.
    """
    name = getattr(loss, "name", None) or (loss if isinstance(loss, str) else type(loss).__name__)
    if isinstance(loss, dict) or getattr(loss, "parts", None):
        return "custom"
    if isinstance(sample, Integral):
        return "classification"
    if isinstance(sample, Real):
        return "classification" if name in _LABEL_LOSSES else "regression"
    if not isinstance(sample, Tensor):
        return "custom"
    single = sample.numel() == 1 and sample.ndim <= 1
    if not sample.is_floating_point():
        if single:
            return "classification"
        return "multilabel" if name in _LABEL_LOSSES and sample.ndim == 1 else "custom"
    if name in _CLASS_LOSSES:
        return "classification" if sample.ndim == 1 and sample.numel() > 1 else "custom"
    if name in _LABEL_LOSSES:
        return "classification" if single else "multilabel" if sample.ndim == 1 else "custom"
    if isinstance(loss, nn.Module) or loss is None or isinstance(loss, str):
        return "regression" if sample.ndim <= 1 else "custom"
    return "regression" if single else "custom"
