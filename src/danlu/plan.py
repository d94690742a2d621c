"""Everything decided before the first step: data, model, criterion, optimizer, loaders, precision, length."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from danlu import models, optim, tasks
from danlu.choose import (
    Decisions,
    batch_norm,
    choose_batch_size,
    choose_length,
    choose_workers,
    has_length,
    make_optimizer,
    make_schedule,
    monitored,
    pick_precision,
)
from danlu.data import load_data
from danlu.data.columns import Data
from danlu.data.groups import check_slice
from danlu.data.loader import Loader
from danlu.data.normalise import image_input, scaled
from danlu.device import Precision, pick_device, seed_everything
from danlu.ema import Ema
from danlu.errors import DanluError
from danlu.freeze import Body
from danlu.linear import Linear
from danlu.loaders import HELD_OUT, make_loader, share_limit, tell_way, weigh_classes, without_lonely_row
from danlu.lookup import is_reference, resolve
from danlu.match import begin, make_model, try_metrics, try_one_batch
from danlu.messages import say
from danlu.metrics import OwnMetrics, own_of_heads
from danlu.pretrained import Pretrained, find, tell_images
from danlu.schedule import Schedule
from danlu.settings import Settings, make_settings
from danlu.tasks import Criterion, Head, Task
from danlu.types import Choice, Schema, TaskName
from danlu.vary import choose_augment


@dataclass(frozen=True)
class Asked:
    """What the caller of train() gave, checked but not yet opened."""

    data: Any
    test: Any = None
    val: Any = None
    model: Any = None
    loss: Any = None
    optimizer: Any = None
    settings: Settings = field(default_factory=Settings)
    metrics: Any = None


@dataclass
class Plan:
    """All parts of a training run, ready to go."""

    asked: Asked
    settings: Settings
    data: Data
    schema: Schema
    task: Task
    model: nn.Module
    model_config: dict[str, Any]  # how load() makes the model again
    body: Body  # what is frozen, and until when
    criterion: Criterion | None  # None: the model returns its own loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    ema: Ema | None
    loader: Loader
    val_loader: Loader | None
    test_loader: Loader | None
    device: torch.device
    precision: Precision
    scaler: torch.amp.GradScaler | None  # float16 only
    epochs: int | None
    limit: int | None  # updates after which the loop ends even inside an epoch (steps=, time=)
    total_steps: int | None
    own: dict[str, OwnMetrics] = field(default_factory=dict)  # the user's metrics, by head
    range_test: list[tuple[float, float]] = field(default_factory=list)  # lr="auto" of a new run: (rate, loss)
    trivial: dict[str, Tensor] = field(default_factory=dict)  # at the end: what ignoring the input answers, by head,
    linear: dict[str, Linear] = field(default_factory=dict)  # and the linear model, by head
    chosen: dict[str, Any] = field(default_factory=dict)  # measured or defaulted once; a resumed run reuses them

    @property
    def heads(self) -> tuple[Head, ...]:
        """What the model answers with: one head, or several."""
        return tasks.heads_of(self.schema, self.criterion)


def make_plan(asked: Asked, chosen: dict[str, Any], tell: Callable[[Choice], None]) -> Plan:
    """Open and decide everything. ``chosen`` holds what was decided when this run began (empty for a new one)."""
    decisions = Decisions(chosen, tell)
    settings = asked.settings
    device = pick_device(settings.device)
    seed_everything(settings.seed)  # a file that is run for a name in it may make the model itself
    wanted_model, loss, wanted_optimizer = (_resolved(spec) for spec in (asked.model, asked.loss, asked.optimizer))
    _check_names(wanted_model, loss, wanted_optimizer)
    wanted_metrics = resolved_metrics(asked.metrics)
    _check_freeze(wanted_model, settings)
    _check_weights(settings)
    pretrained = find(wanted_model, settings.weights)
    data, settings = _open(asked, settings, wanted_model, pretrained, decisions)
    check_slice(settings.slice, data.test, data.schema)
    if settings.slice is not None and data.test is None and not chosen:
        tell(Choice("slice", say("slice.no_test"), say("slice.no_test.why")))
    if data.test is None and settings.slice is None and not chosen:
        tell(Choice("test", say("test.none"), say("test.none.why")))
    settings = choose_workers(choose_batch_size(settings, data, decisions), data, decisions)

    seed_everything(settings.seed)
    schema = replace(data.schema, task=cast(TaskName, settings.task)) if settings.task else data.schema
    model, config = make_model(wanted_model, schema, decisions)
    body = begin(model, pretrained, schema, settings, decisions)
    pretrained = None  # the tensors need not stay in memory
    model.to(device)
    loader = make_loader("train", data, settings)
    schema, task, criterion = try_one_batch(loss, settings, schema, model, loader, data, decisions)
    heads = tasks.heads_of(schema, criterion)
    own = own_of_heads(wanted_metrics, [(head.name, head.task.name) for head in heads])
    learnt = criterion is not None and criterion.learnt is not None
    monitored(settings, task, own, heads, learnt=learnt)
    loader = without_lonely_row(loader, model, data, settings, decisions)
    tell_way(loader, _silent if chosen else tell)
    weigh_classes(loader, data, task, schema, settings, _silent if chosen else tell)

    optimizer, settings = make_optimizer(wanted_optimizer, settings, model, body, loader, criterion, decisions)
    ema = Ema(model, settings.ema) if settings.ema is not None else None  # over the body too: it may be thawed
    if body.epochs:
        model.train()
        body.apply(model, 0)
    precision = pick_precision(settings, model, optimizer, loader, criterion, device, decisions)
    steps_per_epoch = math.ceil(len(loader) / settings.accumulate) if has_length(loader) else None
    total = choose_length(settings, steps_per_epoch, model, optimizer, loader, criterion, precision, data, decisions)
    if total is not None and steps_per_epoch:
        loader.augment = choose_augment(settings, data, schema, total / steps_per_epoch, decisions)
    held_out = {part: make_loader(part, data, settings) for part in HELD_OUT if getattr(data, part) is not None}
    share_limit((loader, *held_out.values()))
    limit = total if settings.steps is not None or settings.time is not None else None
    if own and settings.check and not chosen:
        try_metrics(own, model, held_out.get("val") or loader, task, schema, criterion, precision)
    if settings.accumulate > 1 and not chosen and (norm := batch_norm(model)):
        tell(Choice("accumulate", str(settings.accumulate), say("accumulate.batch_norm", layer=norm)))
    return Plan(
        asked=asked,
        settings=settings,
        data=data,
        schema=schema,
        task=task,
        model=model,
        body=body,
        model_config={"model": config, "scale": tasks.scales_of(schema, criterion), "precision": precision.name},
        criterion=criterion,
        optimizer=optimizer,
        schedule=make_schedule(wanted_optimizer, settings, optimizer, total, decisions),
        ema=ema,
        loader=loader,
        val_loader=held_out.get("val"),
        test_loader=held_out.get("test"),
        device=device,
        precision=precision,
        scaler=precision.scaler(),
        epochs=None if limit else settings.epochs or decisions.made.get("epochs"),
        limit=limit,
        total_steps=total,
        own=own,
        range_test=decisions.range_test,
        chosen=decisions.made,
    )


def _open(
    asked: Asked, settings: Settings, model: Any, pretrained: Pretrained | None, decisions: Decisions
) -> tuple[Data, Settings]:
    """The data, with images as large and scaled as the weights expect them where danlu prepares them."""
    expected = pretrained.expected if pretrained is not None else None
    by_weights = settings.size is None and expected is not None and expected.size > 0
    if by_weights and expected is not None:
        settings = replace(settings, size=expected.size)
    own_model = model is not None and not isinstance(model, str)
    if settings.size is None and "size" in decisions.before:  # decided by the device that the run began on
        settings = replace(settings, size=decisions.before["size"])
    layout, asks = models.layout_of(model), models.asked_by(model)
    opened = load_data(asked.data, asked.test, asked.val, settings, layout=layout, own_model=own_model, asks=asks)
    data = replace(opened, table=None)
    given = scaled(data, expected.mean, expected.std) if expected is not None else None
    image = image_input(data.schema) if data.schema.origin in ("images", "table") else None
    if settings.size is None and image is not None and image.shape[1] == image.shape[2]:
        decisions.made["size"] = image.shape[1]
    if not decisions.before:
        for choice in data.choices:
            decisions.tell(replace(choice, why=say("size.weights")) if by_weights and choice.what == "size" else choice)
        if pretrained is not None:
            tell_images(pretrained, data.schema, given is not None, decisions.tell)
    return given or data, settings


def open_again(arguments: dict[str, Any], module: nn.Module, schema: Schema) -> Data:
    """The data of a run as its training saw them, split as they were then."""
    names = {f.name for f in fields(Settings)}
    settings = make_settings({k: v for k, v in arguments.items() if k in names})
    model = arguments.get("model")
    own = isinstance(model, str) and is_reference(model)
    layout, asks = models.layout_of(module if own else model), models.asked_by(module if own else model)
    given = (arguments["data"], arguments.get("test"), arguments.get("val"))
    seen = image_input(schema)
    image = seen if settings.weights is not None else None  # then the weights may have set its scale
    if seen is not None and (image or schema.origin in ("images", "table")) and seen.shape[1] == seen.shape[2]:
        settings = replace(settings, size=seen.shape[1])
    data = replace(load_data(*given, settings, layout=layout, own_model=own, asks=asks), table=None)
    return (scaled(data, image.mean, image.std) if image is not None and image.mean else None) or data


def _check_names(model: Any, loss: Any, optimizer: Any) -> None:
    """A misspelt name is told before the data is read."""
    for spec, check in ((model, models.check_name), (loss, tasks.named_loss), (optimizer, optim.check_name)):
        if isinstance(spec, str):
            check(spec)


def _check_freeze(model: Any, settings: Settings) -> None:
    """DL286: danlu's own and the libraries' models have learnt nothing without weights; a user's may have."""
    if settings.freeze != "none" and settings.weights is None and (model is None or isinstance(model, str)):
        name = model or say("model.chosen")
        raise DanluError("DL286", where=f"freeze={settings.freeze!r}", freeze=settings.freeze, name=name)


def _check_weights(settings: Settings) -> None:
    """DL260 for a weight of no target, where the targets are named: before the data is read."""
    asked = settings.target
    named = [name.strip() for name in asked.split(",")] if isinstance(asked, str) else list(asked or ())
    counted = any(name.lstrip("-").isdecimal() for name in named)  # places of columns, where there is no header
    if isinstance(settings.loss_weights, Mapping) and len(named) > 1 and not counted:
        tasks.refuse_unknown(settings.loss_weights, named)


def _silent(choice: Choice) -> None:
    """A run that goes on has told its choices before."""


def resolved_metrics(spec: Any) -> Any:
    """The objects that "file.py:name" stands for, one or several, by name or by head."""
    if isinstance(spec, (list, tuple)):
        return [resolved_metrics(one) for one in spec]
    if isinstance(spec, dict):
        return {name: resolved_metrics(one) for name, one in spec.items()}
    if isinstance(spec, str) and not is_reference(spec):
        raise DanluError("DL362", where=f"metrics={spec!r}", got=repr(spec), line=say("own.file"))
    return _resolved(spec)


def _resolved(spec: Any) -> Any:
    return resolve(spec) if isinstance(spec, str) and is_reference(spec) else spec
