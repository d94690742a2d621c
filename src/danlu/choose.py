"""What danlu decides by itself, each choice with its reason: batch size, rates, precision, length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import IterableDataset

from danlu.data.columns import Data
from danlu.data.loader import Loader
from danlu.device import Precision
from danlu.errors import DanluError, nearest
from danlu.freeze import Body
from danlu.messages import say
from danlu.metrics import OwnMetrics
from danlu.optim import build_optimizer
from danlu.schedule import Schedule, build_schedule
from danlu.settings import Settings, parse_time
from danlu.tasks import Criterion, Head, Task
from danlu.trial import choose_precision, few_batches, range_test, trial_steps
from danlu.types import Choice

TRIAL_BATCHES = 4
WARMUP = 0.05  # share of all updates
PHOTOS_SEEN = 60_000  # images of all epochs, each one varied: two to four minutes of two cores at 64 px
LESS_IS_BETTER = ("loss", "log_loss", "mae", "rmse", "mse")
BODY_LR = 0.1  # of the head's rate, for weights that were trained before


class Decisions:
    """Choices made on the way: told at once, and remembered for run.toml and for resuming."""

    def __init__(self, before: dict[str, Any], tell: Callable[[Choice], None]) -> None:
        self.before, self.tell, self.made = before, tell, dict(before)
        self.range_test: list[tuple[float, float]] = []  # (learning rate, loss), where it was made

    def choose(self, what: str, make: Callable[[], tuple[Any, str]]) -> Any:
        """The value decided when the run began, or a new one made now: ``make() -> (value, why)``."""
        if what in self.before:
            return self.before[what]
        value, why = make()
        self.made[what] = value
        if why:
            self.tell(Choice(what, _short(value), why))
        return value


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def monitored(
    settings: Settings,
    task: Task,
    own: Mapping[str, OwnMetrics] | None = None,
    heads: Sequence[Head] = (),
    *,
    learnt: bool = False,
) -> tuple[str, bool]:
    """The metric that names the best epoch, and whether more of it is better.

    Of several ``heads`` it is the loss of all together: the weighted one, or the balanced one where the weights are
    ``learnt``, because these move the loss too.
    DL310 for one that is not measured; DL366 where nothing says which direction is better ("+NAME", "-NAME" do).
    """
    usual = "balanced_loss" if learnt else task.monitor
    asked = settings.monitor or usual
    name = asked.lstrip("+-").removeprefix("val/")
    several = [head.key(metric) for head in heads if head.name for metric in head.task.metrics]
    mine = {f"{h}/{one.name}" if h else one.name: one for h, of in (own or {}).items() for one in of.metrics}
    known = ["loss", *(["balanced_loss"] if learnt else []), *task.metrics, *several, *mine]
    if name not in known:
        line = nearest(name, known) or usual
        raise DanluError("DL310", where=f"monitor={name!r}", known=", ".join(known), line=line)
    if asked[0] in "+-":
        return name, asked[0] == "+"
    users = mine.get(name)
    if users is None:
        return name, name.rpartition("/")[2] not in (*LESS_IS_BETTER, "balanced_loss")
    if users.greater is None:
        raise DanluError("DL366", where=f"monitor={name!r}", name=name)
    return name, users.greater


def default_batch_size(rows: int) -> int:
    return 32 if rows < 2_000 else 64 if rows < 20_000 else 128


def default_epochs(rows: int, *, photos: bool = False) -> tuple[int, str]:
    """How many, and why; more for few ``photos``, each of which is seen a little differently every time."""
    found = min(30, max(10, round(150_000 / rows))) if rows else 10
    longer = min(100, round(PHOTOS_SEEN / rows)) if rows and photos else 0
    return max(found, longer), say("epochs.photos" if longer > found else "epochs.rows", rows=f"{rows:,}")


def choose_batch_size(settings: Settings, data: Data, decisions: Decisions) -> Settings:
    def default() -> tuple[int | None, str]:
        if "batch_sampler" in data.loader:
            return None, ""
        if "batch_size" in data.loader:
            return data.loader["batch_size"], say("batch_size.loader")
        rows = len(data.train) if hasattr(data.train, "__len__") else 10_000
        return default_batch_size(rows), say("batch_size.rows", rows=f"{rows:,}")

    if settings.batch_size is not None:
        return settings
    size = decisions.choose("batch_size", default)
    return settings if size is None else replace(settings, batch_size=size)


def choose_workers(settings: Settings, data: Data, decisions: Decisions) -> Settings:
    """An iterable dataset gives other rows to each number of workers: a resumed run keeps the number it began with."""
    if not isinstance(data.train, IterableDataset):
        return settings

    def default() -> tuple[int, str]:
        asked = settings.workers if settings.workers is not None else data.loader.get("num_workers", 0)
        return asked, say("workers.iterable", n=asked) if asked > 1 else ""

    return replace(settings, workers=decisions.choose("workers", default))


def make_optimizer(
    spec: Any, settings: Settings, model: nn.Module, body: Body, loader: Loader, criterion: Any, decisions: Decisions
) -> tuple[torch.optim.Optimizer, Settings]:
    """Over all parameters, those that begin frozen too: thawing changes no group."""
    named = spec is None or isinstance(spec, str)
    if settings.weights is not None and settings.body_lr is None and named and math.isfinite(body.epochs):
        settings = replace(settings, body_lr=decisions.choose("body_lr", lambda: (BODY_LR, say("body_lr.default"))))
    if settings.lr != "auto":
        return _with_learnt(build_optimizer(spec, model, settings, body.names), criterion), settings

    def measure() -> tuple[float, str]:
        optimizer = build_optimizer(spec, model, replace(settings, lr=None), body.names)
        body.apply(model, 0)
        rate, curve = range_test(model, optimizer, few_batches(loader, 100), criterion, Precision())
        decisions.range_test = curve
        body.thaw(model)
        return rate, say("lr.range_test", steps=len(curve))

    settings = replace(settings, lr=decisions.choose("lr", measure))
    return _with_learnt(build_optimizer(spec, model, settings, body.names), criterion), settings


def _with_learnt(optimizer: torch.optim.Optimizer, criterion: Any) -> torch.optim.Optimizer:
    """The weights of several losses, where they are learnt, join the optimizer as a group without weight decay."""
    if isinstance(criterion, Criterion) and criterion.learnt is not None:
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if id(criterion.learnt.log_variance) not in held:
            decays = any("weight_decay" in group for group in optimizer.param_groups)
            group = {"params": [criterion.learnt.log_variance]} | ({"weight_decay": 0.0} if decays else {})
            optimizer.add_param_group(group)
    return optimizer


def make_schedule(asked: Any, settings: Settings, optimizer: Any, total: int | None, decisions: Decisions) -> Schedule:
    """Cosine with a short warm-up for danlu's own optimizers; a user's optimizer is left at the rate he gave it."""
    spec, began = settings.schedule, decisions.made.get("schedule_from", 0)
    if spec is None:
        ours = asked is None or isinstance(asked, str)
        spec = "cosine" if ours and total is not None else "constant"
        if spec == "cosine" and settings.warmup is None:
            settings = replace(settings, warmup=WARMUP)
        if not decisions.before:
            why = "schedule.cosine" if spec == "cosine" else "schedule.unknown" if ours else "schedule.yours"
            decisions.tell(Choice("schedule", spec, say(why)))
    return build_schedule(spec, optimizer, settings, steps=None if total is None else total - began)


def pick_precision(
    settings: Settings,
    model: nn.Module,
    optimizer: Any,
    loader: Loader,
    criterion: Any,
    device: Any,
    decisions: Decisions,
) -> Precision:
    if settings.precision != "auto":
        return Precision(settings.precision, device.type)

    def measure() -> tuple[str, str]:
        batches = few_batches(loader, TRIAL_BATCHES)
        precision, choice = choose_precision(model, optimizer, batches, criterion, device)
        return precision.name, choice.why

    return Precision(decisions.choose("precision", measure), device.type)


def choose_length(
    settings: Settings,
    per_epoch: int | None,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Loader,
    criterion: Any,
    precision: Precision,
    data: Data,
    decisions: Decisions,
) -> int | None:
    """Updates in all; None when neither the caller nor the data's length tells."""
    if settings.steps is not None:
        return settings.steps
    if settings.time is not None:
        seconds = parse_time(settings.time)

        def measure() -> tuple[int, str]:
            each = trial_steps(model, optimizer, few_batches(loader, TRIAL_BATCHES), criterion, 8, precision)
            each *= settings.accumulate
            rows = len(data.train) if hasattr(data.train, "__len__") else 0
            seen = len(data.val) if data.val is not None and hasattr(data.val, "__len__") else 0
            share = seen / rows / 3 if rows else 0.1  # a forward pass takes about a third of an update
            return max(1, int(seconds * 0.95 / (each * (1 + share)))), say("steps.time", each=f"{each * 1e3:.3g}")

        return int(decisions.choose("total_steps", measure))
    if settings.epochs is not None:
        return settings.epochs * per_epoch if per_epoch else None

    def default() -> tuple[int, str]:
        rows = len(data.train) if per_epoch else 0
        photos = decisions.made.get("model") == "resnet_small" and settings.augment != "off"
        return default_epochs(rows, photos=photos)

    epochs = decisions.choose("epochs", default)
    return epochs * per_epoch if per_epoch else None


def has_length(loader: Any) -> bool:
    try:
        len(loader)
    except TypeError:
        return False
    return True


def batch_norm(model: nn.Module) -> str:
    return next((name for name, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)), "")
