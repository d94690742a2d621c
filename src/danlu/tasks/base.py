"""What a task is: a dataclass of functions, and what the loss says about the scale of a model's output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Prediction, Schema

Scale = Literal["logits", "log_probabilities", "probabilities", "log_values"]
"""What a model's output is: unbounded scores, log-probabilities, probabilities, or logarithms of the value."""


class Check(Protocol):
    def __call__(
        self,
        output: Any,
        target: Any,
        schema: Schema,
        loss: Any,
        *,
        model: nn.Module | None = None,
        row: Callable[[int], str] | None = None,
    ) -> None: ...


@dataclass(frozen=True)
class Task:
    """Functions that know what the numbers mean.

    ``loss`` in the functions below is a ``Criterion``, a loss module, the name of a ``Scale`` (as saved with a model)
    or None. ``decode`` turns the model's output into probabilities, ``(B, C)`` for classes or ``(B, L)`` for labels,
    or into values ``(B, T)`` in the targets' own unit; ``target`` puts a batch's target into the form that the metrics
    compare it with: ``(B,)`` int64, ``(B, L)`` float, ``(B, T)`` float64. ``check`` looks at one batch and raises a
    ``DanluError`` naming both shapes and the model's last layer; ``row`` gives a position in the batch its name.
    """

    name: str
    default_loss: str  # a class of torch.nn; empty: the user has to give one
    metrics: tuple[str, ...]
    monitor: str  # the metric that names the best epoch
    decode: Callable[[Any, Schema, Any], Tensor]
    target: Callable[[Any, Schema], Tensor]
    check: Check
    predictions: Callable[[Tensor, Schema], list[Prediction]]


def scale_of(loss: Any) -> Scale:
    """The scale of outputs that ``loss`` is meant for: a Criterion, a loss module, a scale's name, or None."""
    if isinstance(loss, str):
        return loss if loss in get_args(Scale) else "logits"  # type: ignore[return-value]
    known: Scale | None = getattr(loss, "scale", None)
    if isinstance(known, str) and known in get_args(Scale):
        return known
    if isinstance(loss, nn.BCELoss):
        return "probabilities"
    if isinstance(loss, nn.NLLLoss):
        return "log_probabilities"
    if isinstance(loss, nn.PoissonNLLLoss) and loss.log_input:
        return "log_values"
    return "logits"


def loss_name(loss: Any) -> str:
    """The name a person knows a loss by."""
    name = getattr(loss, "name", None) or getattr(loss, "__name__", None)
    return name if isinstance(name, str) else type(loss).__name__


def last_layer(model: nn.Module | None) -> str:
    """The last layer that holds a matrix, as it is written in code: ``fc2 = Linear(in_features=84, …)``."""
    named = [] if model is None else list(model.named_modules())
    for name, module in reversed(named):
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim >= 2:
            return f"{name} = {module}" if name else str(module)
    return "" if model is None else type(model).__name__


def shape(value: Any) -> str:
    """``(32, 10) float32`` — how shapes are written in messages."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(shape(v) for v in value)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {shape(v)}" for k, v in value.items()) + "}"
    return type(value).__name__


def require_rows(output: Any, target: Any, model: nn.Module | None) -> tuple[Tensor, Tensor]:
    """Both are tensors with one row a sample, or a DanluError says what they are."""
    if not isinstance(output, Tensor) or not isinstance(target, Tensor):
        facts = {"output": shape(output), "target": shape(target), "line": _with_one_each(output, target)}
        raise DanluError("DL200", where=last_layer(model), **facts)
    if not output.ndim or not target.ndim or len(output) != len(target):
        raise DanluError("DL201", where=last_layer(model), output=shape(output), target=shape(target))
    return output, target


def _with_one_each(output: Any, target: Any) -> str:
    """The line that brings outputs and targets to the same number."""
    keys: list[Any] = list(target) if isinstance(target, dict) else []
    keys = list(range(len(target))) if isinstance(target, (tuple, list)) else keys
    if len(keys) == 1:
        return say("heads.entry", key=keys[0])
    if len(keys) > 1 and isinstance(output, Tensor):
        names = keys if isinstance(target, dict) else [f"y{k}" for k in keys]
        return say("heads.forward", parts=", ".join(f"{name!r}: …" for name in names))
    return say("heads.losses")


def check_scale(output: Tensor, loss: Any, model: nn.Module | None) -> None:
    """What BCELoss and NLLLoss take for granted about a model's output; both train on without it, or stop in torch."""
    module = getattr(loss, "module", loss)
    facts = {"loss": loss_name(loss), "low": f"{output.min():.3g}", "high": f"{output.max():.3g}"}
    if isinstance(module, nn.BCELoss) and bool(((output < 0) | (output > 1)).any()):
        raise DanluError("DL230", where=last_layer(model), **facts)
    if isinstance(module, nn.NLLLoss) and bool((output.float().logsumexp(1).abs() > 0.01).any()):
        raise DanluError("DL231", where=last_layer(model), **facts)


def is_probability(output: Tensor) -> bool:
    """Whether every value lies inside (0, 1): a sigmoid stands at the model's end."""
    return bool(((output > 0) & (output < 1)).all())
