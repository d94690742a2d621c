"""Learning rates as functions of the step, or a torch scheduler, behind one small interface."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CyclicLR, LRScheduler, OneCycleLR, ReduceLROnPlateau

from danlu.errors import DanluError, did_you_mean
from danlu.messages import say
from danlu.settings import Settings

Shape = Callable[[int, int, int], float]  # (step, steps, warm-up steps) -> what the base rate is multiplied by
NAMES = ("constant", "cosine", "one-cycle")

ONE_CYCLE_WARMUP = 0.3  # the shares and factors of torch's OneCycleLR
ONE_CYCLE_START, ONE_CYCLE_END = 1 / 25, 1 / 25 / 1e4


class Schedule(Protocol):
    """What the loop calls. ``moves`` is False when ``before_step`` has nothing to do, ever."""

    moves: bool

    def before_step(self, step: int) -> None: ...
    def after_step(self) -> None: ...
    def after_epoch(self, metric: float | None = None, loss: float | None = None) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def load(self, state: Mapping[str, Any]) -> None: ...
    def describe(self) -> str: ...


def build_schedule(
    spec: str | Callable[[Optimizer], Any] | None,
    optimizer: Optimizer,
    settings: Settings,
    *,
    steps: int | None,
) -> Schedule:
    """A schedule over ``steps`` updates by name, or of ``spec(optimizer)``, a torch scheduler.

    ``steps`` may be None (unknown) for ``constant`` and torch's schedulers. A torch scheduler is stepped once an
    epoch, OneCycleLR and CyclicLR once an update, ReduceLROnPlateau with the validation result; a function that
    returns ``(scheduler, "step")`` or ``(scheduler, "epoch")`` says itself which.
    """
    if spec is None or isinstance(spec, str):
        name = (spec or "constant").lower().replace("_", "-")
        if name not in NAMES:
            raise DanluError("DL350", where=f"schedule={spec!r}", name=spec, near=did_you_mean(name, NAMES))
        if steps is None and name != "constant":
            raise DanluError("DL351", where=f"schedule={spec!r}", name=name)
        warmup = _warmup_steps(settings.warmup, name, steps)
        return ByStep(optimizer, name, steps or 0, warmup)
    if not callable(spec):
        raise DanluError("DL352", where="schedule", got=type(spec).__name__)
    if settings.warmup:
        raise DanluError("DL353", where=f"warmup={settings.warmup}")
    try:
        made = spec(optimizer)
    except TypeError as error:  # most often a function that takes something else
        raise DanluError("DL352", where="schedule", got=f"{type(error).__name__}: {error}") from error
    every: Literal["step", "epoch"] | None = None
    if isinstance(made, tuple) and len(made) == 2 and made[1] in ("step", "epoch"):
        made, every = made
    if not isinstance(made, LRScheduler):
        raise DanluError("DL352", where="schedule", got=type(made).__name__)
    if made.optimizer is not optimizer:
        raise DanluError("DL354", where="schedule", name=type(made).__name__)
    return Torch(made, every or ("step" if isinstance(made, OneCycleLR | CyclicLR) else "epoch"))


def constant(step: int, steps: int, warmup: int) -> float:
    """Up in ``warmup`` equal parts, then 1."""
    return (step + 1) / warmup if step < warmup else 1.0


def cosine(step: int, steps: int, warmup: int) -> float:
    """Up in ``warmup`` equal parts, then half a cosine down to 0 after the last update."""
    if step < warmup:
        return (step + 1) / warmup
    done = min(1.0, (step - warmup) / max(1, steps - warmup))
    return 0.5 * (1 + math.cos(math.pi * done))


def one_cycle(step: int, steps: int, warmup: int) -> float:
    """From 1/25 up to 1 and down to nearly 0, both along a cosine: torch's OneCycleLR with its defaults."""
    top = warmup - 1
    if step <= top:
        return 1 + (ONE_CYCLE_START - 1) * 0.5 * (1 + math.cos(math.pi * step / max(1, top)))
    done = min(1.0, (step - top) / max(1, steps - 1 - top))
    return ONE_CYCLE_END + (1 - ONE_CYCLE_END) * 0.5 * (1 + math.cos(math.pi * done))


_SHAPES: dict[str, Shape] = {"constant": constant, "cosine": cosine, "one-cycle": one_cycle}


class ByStep:
    """The rate of every group is its base rate times a function of the step: nothing else to remember."""

    def __init__(self, optimizer: Optimizer, name: str, steps: int, warmup: int) -> None:
        self.name, self.steps, self.warmup = name, steps, warmup
        self._shape = _SHAPES[name]
        self._groups = optimizer.param_groups
        self._optimizer = optimizer
        self.base = [g["lr"].item() if isinstance(g["lr"], Tensor) else g["lr"] for g in optimizer.param_groups]
        self.moves = name != "constant" or warmup > 0

    def shape(self, step: int) -> float:
        """What the base rates are multiplied by for the update with this many updates before it."""
        return self._shape(step, self.steps, self.warmup)

    def before_step(self, step: int) -> None:
        """Set the rates for the update with this many updates before it."""
        if not self.moves:
            return
        factor = self.shape(step)
        for group, base in zip(self._optimizer.param_groups, self.base):
            rate = base * factor
            if type(group["lr"]) is float:
                group["lr"] = rate
            else:
                _set(group, rate)

    def after_step(self) -> None:
        """Nothing: the next rate follows from the next step's number."""

    def after_epoch(self, metric: float | None = None, loss: float | None = None) -> None:
        """Nothing: the next rate follows from the next step's number."""

    def state(self) -> dict[str, Any]:
        return {"name": self.name, "base": list(self.base), "steps": self.steps, "warmup": self.warmup}

    def load(self, state: Mapping[str, Any]) -> None:
        self.base, self.steps, self.warmup = list(state["base"]), state["steps"], state["warmup"]
        self.name, self._shape = state["name"], _SHAPES[state["name"]]
        self.moves = self.name != "constant" or self.warmup > 0

    def describe(self) -> str:
        if self.warmup and self.name != "one-cycle":
            return say("schedule.warmup", name=self.name, warmup=self.warmup)
        return self.name


class Torch:
    """A torch scheduler, stepped after each update or each epoch."""

    def __init__(self, scheduler: LRScheduler, every: Literal["step", "epoch"]) -> None:
        self.scheduler, self.every = scheduler, every
        self.moves = False  # before a step
        self._by_step = every == "step"
        self._last = getattr(scheduler, "total_steps", None)  # OneCycleLR refuses to go further

    def before_step(self, step: int) -> None:
        """Nothing: torch's schedulers set the next rate after a step."""

    def after_step(self) -> None:
        if self._by_step and (self._last is None or self.scheduler.last_epoch + 1 < self._last):
            self.scheduler.step()

    def after_epoch(self, metric: float | None = None, loss: float | None = None) -> None:
        """``metric`` is the monitored one, ``loss`` the validation loss: a plateau of mode "min" watches the loss."""
        if self._by_step:
            return
        if isinstance(self.scheduler, ReduceLROnPlateau):
            watched = loss if self.scheduler.mode == "min" and loss is not None else metric
            if watched is None:
                raise DanluError("DL355", where="schedule")
            self.scheduler.step(watched)
        else:
            self.scheduler.step()

    def state(self) -> dict[str, Any]:
        """What of the scheduler's state is plain: numbers, texts, lists. The rest its factory makes again."""
        return {"class": type(self.scheduler).__name__, "state": _plain(self.scheduler.state_dict())}

    def load(self, state: Mapping[str, Any]) -> None:
        if state.get("class") != type(self.scheduler).__name__:
            raise DanluError("DL356", where="schedule", saved=state.get("class"), now=type(self.scheduler).__name__)
        self.scheduler.load_state_dict(_merged(self.scheduler.state_dict(), state["state"]))

    def describe(self) -> str:
        return say(f"schedule.{self.every}", name=type(self.scheduler).__name__)


def _set(group: dict[str, Any], rate: float) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _warmup_steps(warmup: float | None, name: str, steps: int | None) -> int:
    """Below 1 a share of all updates, else a number of updates."""
    if warmup is None:
        warmup = ONE_CYCLE_WARMUP if name == "one-cycle" else 0.0
    if warmup >= 1:
        if name != "constant" and steps is not None and warmup >= steps:
            raise DanluError("DL357", where=f"warmup={warmup:g}", warmup=int(warmup), steps=steps)
        return int(warmup)
    if warmup and steps is None:
        raise DanluError("DL351", where=f"warmup={warmup:g}", name=f"warmup={warmup:g}")
    return max(1, round(warmup * (steps or 0))) if warmup else 0


def _plain(value: Any) -> Any:
    """What JSON can hold of a state: ``_DROP`` for anything else, and for dicts whose keys are not texts."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, list | tuple):
        items = [_plain(v) for v in value]
        return _DROP if any(v is _DROP for v in items) else items
    if isinstance(value, dict) and not isinstance(value, Counter) and all(isinstance(k, str) for k in value):
        return {k: kept for k, v in value.items() if (kept := _plain(v)) is not _DROP}
    return _DROP


def _merged(now: Any, saved: Any) -> Any:
    if isinstance(now, dict) and isinstance(saved, dict):
        return {**now, **{k: _merged(now.get(k), v) for k, v in saved.items()}}
    if isinstance(now, list | tuple) and isinstance(saved, list) and len(now) == len(saved):
        return type(now)(_merged(a, b) for a, b in zip(now, saved))
    if isinstance(now, Tensor):
        return torch.as_tensor(saved, dtype=now.dtype, device=now.device)
    return saved


_DROP = object()
