"""Everything decided before the first step: data, model, criterion, optimizer, loaders, precision, length."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from danlu import models, tasks
from danlu.batch import answer_of, split_batch
from danlu.data import load_data
from danlu.data.columns import Columns, Data
from danlu.data.loader import Loader
from danlu.data.user import known_targets
from danlu.device import Precision, pick_device, seed_everything
from danlu.ema import Ema
from danlu.errors import DanluError
from danlu.lookup import is_reference, resolve
from danlu.loop import row_names
from danlu.messages import say
from danlu.optim import build_optimizer
from danlu.schedule import Schedule, build_schedule
from danlu.settings import Settings, make_settings, parse_time
from danlu.tasks import Criterion, Task
from danlu.tasks.classification import check_labels
from danlu.trial import choose_precision, few_batches, multiplications, one_batch, range_test, trial_steps
from danlu.types import Choice, Field, Schema, TaskName

EVAL_BYTES = 4 * 2**20  # inputs of one evaluation batch
TRIAL_BATCHES = 4
SMALL_WORK = 30e6  # multiplications of one batch's forward pass that one thread does as fast as several
WARMUP = 0.05  # share of all updates


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
    criterion: Criterion | None  # None: the model returns its own loss
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    ema: Ema | None
    loader: Loader
    val_loader: Loader | None
    test_loader: Loader | None
    device: torch.device
    precision: Precision
    epochs: int | None
    limit: int | None  # updates after which the loop ends even inside an epoch (steps=, time=)
    total_steps: int | None
    steps_per_epoch: int | None
    chosen: dict[str, Any] = field(default_factory=dict)  # measured or defaulted once; a resumed run reuses them

    def evaluation_loader(self, dataset: Any) -> Loader:
        return make_loader(dataset, self.data, self.settings, evaluation=True)


class Decisions:
    """Choices made on the way: told at once, and remembered for run.toml and for resuming."""

    def __init__(self, before: dict[str, Any], tell: Callable[[Choice], None]) -> None:
        self.before, self.tell, self.made = before, tell, dict(before)

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


def make_plan(asked: Asked, chosen: dict[str, Any], tell: Callable[[Choice], None]) -> Plan:
    """Open and decide everything. ``chosen`` holds what was decided when this run began (empty for a new one)."""
    decisions = Decisions(chosen, tell)
    settings = asked.settings
    device = pick_device(settings.device)
    if "size" in chosen:
        settings = replace(settings, size=chosen["size"])
    asked = replace(
        asked, model=_resolved(asked.model), loss=_resolved(asked.loss), optimizer=_resolved(asked.optimizer)
    )
    own_model = asked.model is not None and not isinstance(asked.model, str)
    data = load_data(
        asked.data, asked.test, asked.val, settings, layout=models.layout_of(asked.model), own_model=own_model
    )
    for choice in data.choices:
        if not chosen:
            tell(choice)
    settings = _with_batch_size(settings, data, decisions)

    seed_everything(settings.seed)
    schema = replace(data.schema, task=cast(TaskName, settings.task)) if settings.task else data.schema
    model, config = _make_model(asked.model, schema, decisions)
    model.to(device)
    loader = make_loader(data.train, data, settings)
    schema, task, criterion = _try_one_batch(asked, settings, schema, model, loader, data, device, decisions)
    loader = _without_lonely_row(loader, model, data, settings, decisions)

    optimizer, settings = _make_optimizer(asked, settings, model, loader, criterion, decisions)
    precision = _pick_precision(settings, model, optimizer, loader, criterion, device, decisions)
    steps_per_epoch = math.ceil(len(loader) / settings.accumulate) if _has_length(loader) else None
    total = _total_steps(settings, steps_per_epoch, model, optimizer, loader, criterion, precision, data, decisions)
    limit = total if settings.steps is not None or settings.time is not None else None
    if settings.accumulate > 1 and not chosen and (norm := _batch_norm(model)):
        tell(Choice("accumulate", str(settings.accumulate), say("accumulate.batch_norm", layer=norm)))
    return Plan(
        asked=asked,
        settings=settings,
        data=data,
        schema=schema,
        task=task,
        model=model,
        model_config={"model": config, "scale": tasks.scale_of(criterion), "precision": precision.name},
        criterion=criterion,
        optimizer=optimizer,
        schedule=_make_schedule(asked, settings, optimizer, total, decisions),
        ema=Ema(model, settings.ema) if settings.ema is not None else None,
        loader=loader,
        val_loader=make_loader(data.val, data, settings, evaluation=True) if data.val is not None else None,
        test_loader=make_loader(data.test, data, settings, evaluation=True) if data.test is not None else None,
        device=device,
        precision=precision,
        epochs=None if limit else settings.epochs or decisions.made.get("epochs"),
        limit=limit,
        total_steps=total,
        steps_per_epoch=steps_per_epoch,
        chosen=decisions.made,
    )


def open_again(arguments: dict[str, Any], module: nn.Module) -> Data:
    """The data of a run as its training saw them, split as they were then."""
    names = {f.name for f in fields(Settings)}
    settings = make_settings({k: v for k, v in arguments.items() if k in names})
    model = arguments.get("model")
    own = isinstance(model, str) and is_reference(model)
    layout = models.layout_of(module if own else model)
    given = (arguments["data"], arguments.get("test"), arguments.get("val"))
    return load_data(*given, settings, layout=layout, own_model=own)


def _resolved(spec: Any) -> Any:
    return resolve(spec) if isinstance(spec, str) and is_reference(spec) else spec


# data ---------------------------------------------------------------------------------------------------------------


def _has_length(loader: Any) -> bool:
    try:
        len(loader)
    except TypeError:
        return False
    return True


def _with_batch_size(settings: Settings, data: Data, decisions: Decisions) -> Settings:
    def default() -> tuple[int | None, str]:
        if "batch_sampler" in data.loader:
            return None, ""
        if "batch_size" in data.loader:
            return data.loader["batch_size"], say("batch_size.loader")
        rows = len(data.train) if hasattr(data.train, "__len__") else 10_000
        size = 32 if rows < 2_000 else 64 if rows < 20_000 else 128
        return size, say("batch_size.rows", rows=f"{rows:,}")

    if settings.batch_size is not None:
        return settings
    size = decisions.choose("batch_size", default)
    return settings if size is None else replace(settings, batch_size=size)


def make_loader(dataset: Any, data: Data, settings: Settings, *, evaluation: bool = False) -> Loader:
    """The loader of a part: shuffled for training, in order and with larger batches for evaluation."""
    brought = dict(data.loader)
    options: dict[str, Any] = {"seed": settings.seed, "on_bad": settings.on_bad, "bad_limit": settings.bad_limit}
    if settings.workers is not None:
        brought["num_workers"] = settings.workers
        if settings.workers == 0:
            for name in ("prefetch_factor", "persistent_workers", "timeout", "multiprocessing_context"):
                brought.pop(name, None)
    size = settings.batch_size or brought.get("batch_size") or 1
    if evaluation:
        for name in ("sampler", "batch_sampler", "shuffle", "drop_last", "generator"):
            brought.pop(name, None)
        brought |= {"batch_size": _evaluation_rows(dataset, size), "shuffle": False}
        loader = Loader(dataset, **brought, **options)
        loader.fixed = True
        return loader
    if "batch_sampler" not in brought:
        brought["batch_size"] = size
        if "sampler" not in brought and "shuffle" not in brought:
            brought["shuffle"] = not isinstance(dataset, torch.utils.data.IterableDataset)
    return Loader(dataset, **brought, **options)


def _evaluation_rows(dataset: Any, batch_size: int) -> int:
    if not isinstance(dataset, Columns):
        return batch_size
    row = sum(t[:1].numel() * 4 for t in dataset.tensors)
    return max(batch_size, min(1024, EVAL_BYTES // max(1, row)))


def _without_lonely_row(
    loader: Loader, model: nn.Module, data: Data, settings: Settings, decisions: Decisions
) -> Loader:
    """BatchNorm cannot normalise one row; a last batch of one row is left out (another row each epoch)."""
    size, rows = settings.batch_size, len(data.train) if hasattr(data.train, "__len__") else 0
    if not size or size < 2 or rows % size != 1 or rows <= size or {"drop_last", "batch_sampler"} & data.loader.keys():
        return loader
    if not any(isinstance(m, nn.BatchNorm1d) for m in model.modules()):
        return loader
    decisions.choose("drop_last", lambda: (True, say("drop_last.batch_norm")))
    return make_loader(data.train, replace(data, loader={**data.loader, "drop_last": True}), settings)


# model and task -----------------------------------------------------------------------------------------------------


def _make_model(spec: Any, schema: Schema, decisions: Decisions) -> tuple[nn.Module, dict[str, Any]]:
    """The module, and what load() needs to make it again; a user's own class is only named there, never imported."""
    if spec is None:
        spec = decisions.choose("model", lambda: models.default_name(schema))
    if isinstance(spec, str):
        arguments = models.arguments(spec, schema)
        return models.build(spec, arguments), {"name": spec, "arguments": arguments}
    if isinstance(spec, type):
        module = models.instantiate(spec, schema)
    elif isinstance(spec, nn.Module):
        module = spec
    elif callable(spec):
        module = spec()
    else:
        raise DanluError("DL307", where="model", got=type(spec).__name__)
    if not isinstance(module, nn.Module):
        raise DanluError("DL307", where="model", got=type(module).__name__)
    return module, {"class": f"{type(module).__module__}.{type(module).__qualname__}"}


def _try_one_batch(
    asked: Asked,
    settings: Settings,
    schema: Schema,
    model: nn.Module,
    loader: Loader,
    data: Data,
    device: torch.device,
    decisions: Decisions,
) -> tuple[Schema, Task, Criterion | None]:
    """The criterion; and the task, where only the loss and the model's answer can tell it (a user's own data)."""
    batch = next(iter(few_batches(loader, 1)), None)
    if batch is None:
        raise DanluError("DL304")
    output, target, own_loss = one_batch(model, batch, None, device)
    _set_threads(model, batch, device, decisions)
    answer = answer_of(output)
    if not settings.task and data.schema.origin in ("dataset", "arrays") and asked.loss is not None:
        told = tasks.infer_task(target[0] if isinstance(target, Tensor) else target, asked.loss)
        schema = replace(schema, task=told)
    if schema.task in ("classification", "multilabel") and not schema.classes:
        schema = _with_classes(schema, answer)
    task = tasks.TASKS[schema.task]
    if asked.loss is None and own_loss is not None:
        return schema, task, None
    criterion = tasks.criterion(asked.loss, task, schema, settings, _train_targets(data, schema)).to(device)
    if settings.check:
        task.check(answer, target, schema, criterion, model=model)
        one_batch(model, batch, criterion, device)
        if schema.task == "classification" and isinstance(answer, Tensor):
            _check_all_labels(model, loader, data, criterion, answer)
    return schema, task, criterion


def _set_threads(model: nn.Module, batch: Any, device: torch.device, decisions: Decisions) -> None:
    """Small batches run on one thread: sharing them out costs more than it saves, and far more on a busy machine."""
    all_of_them = torch.get_num_threads()
    if device.type != "cpu" or all_of_them == 1:
        return

    def count() -> tuple[int, str]:
        work = multiplications(model, batch)
        small = 0 < work < SMALL_WORK
        return (1 if small else all_of_them), say("threads.small", work=f"{work / 1e6:.3g}") if small else ""

    torch.set_num_threads(decisions.choose("threads", count))


def _with_classes(schema: Schema, answer: Any) -> Schema:
    """Name the classes "0", "1", … by the size of the model's answer; one unit stands for two classes."""
    units = answer.shape[1] if isinstance(answer, Tensor) and answer.ndim > 1 else 1
    names = tuple(map(str, range(units if units > 1 or schema.task == "multilabel" else 2)))
    fields = tuple(replace(f, classes=names) if f.role == "target" else f for f in schema.fields)
    if not schema.targets:
        fields += (Field("target", "category", "target", classes=names),)
    return replace(schema, fields=fields)


def _train_targets(data: Data, schema: Schema) -> Tensor | None:
    """All training targets where they lie in memory (class weights need them)."""
    return data.train.column(-1) if isinstance(data.train, Columns) and schema.targets else None


def _check_all_labels(model: nn.Module, loader: Loader, data: Data, criterion: Criterion, answer: Any) -> None:
    """Labels out of range are named by row before any device kernel meets them: all at once, or batch by batch."""
    classes = answer.shape[1] if answer.ndim > 1 and answer.shape[1] > 1 else 2
    for part in (data.train, data.val, data.test):
        if isinstance(part, Columns):
            labels = part.column(-1)
            if labels.ndim == 1 and not labels.is_floating_point():
                check_labels(labels, classes, criterion, part.name)
        elif (known := known_targets(part)) is not None and known.dtype.kind in "iu":
            check_labels(torch.as_tensor(known), classes, criterion, lambda i: f"[{i}]")

    def check(batch: Any) -> None:
        target = split_batch(model, batch)[2]
        if isinstance(target, Tensor) and target.ndim == 1 and not target.is_floating_point():
            check_labels(target, classes, criterion, lambda i: row_names(loader, len(target), [i]))

    loader.check = check


def _batch_norm(model: nn.Module) -> str:
    return next((name for name, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)), "")


# optimizer, precision, length ----------------------------------------------------------------------------------------


def _make_optimizer(
    asked: Asked, settings: Settings, model: nn.Module, loader: Loader, criterion: Any, decisions: Decisions
) -> tuple[torch.optim.Optimizer, Settings]:
    if settings.lr != "auto":
        return build_optimizer(asked.optimizer, model, settings), settings

    def measure() -> tuple[float, str]:
        optimizer = build_optimizer(asked.optimizer, model, replace(settings, lr=None))
        rate, curve = range_test(model, optimizer, few_batches(loader, 100), criterion, Precision())
        return rate, say("lr.range_test", steps=len(curve))

    settings = replace(settings, lr=decisions.choose("lr", measure))
    return build_optimizer(asked.optimizer, model, settings), settings


def _make_schedule(
    asked: Asked, settings: Settings, optimizer: Any, total: int | None, decisions: Decisions
) -> Schedule:
    """Cosine with a short warm-up for danlu's own optimizers; a user's optimizer is left at the rate he gave it."""
    spec, began = settings.schedule, decisions.made.get("schedule_from", 0)
    if spec is None:
        ours = asked.optimizer is None or isinstance(asked.optimizer, str)
        spec = "cosine" if ours and total is not None else "constant"
        if spec == "cosine" and settings.warmup is None:
            settings = replace(settings, warmup=WARMUP)
        if not decisions.before:
            why = "schedule.cosine" if spec == "cosine" else "schedule.unknown" if ours else "schedule.yours"
            decisions.tell(Choice("schedule", spec, say(why)))
    return build_schedule(spec, optimizer, settings, steps=None if total is None else total - began)


def _pick_precision(
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


def _total_steps(
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
        return (min(30, max(10, round(150_000 / rows))) if rows else 10), say("epochs.rows", rows=f"{rows:,}")

    epochs = decisions.choose("epochs", default)
    return epochs * per_epoch if per_epoch else None
