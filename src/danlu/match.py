"""Model, task and criterion matched to the data by one real batch, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from danlu import models, tasks
from danlu.batch import answer_of, split_batch
from danlu.choose import Decisions, monitored
from danlu.data.columns import Columns, Data
from danlu.data.loader import Loader
from danlu.data.seeded import name_of
from danlu.device import Precision
from danlu.errors import DanluError
from danlu.evaluate import answers_of, evaluate
from danlu.freeze import Body, find_body, last_layer
from danlu.loop import row_names
from danlu.messages import say
from danlu.metrics import OwnMetrics
from danlu.models.heads import Heads
from danlu.models.mixed import Mixed
from danlu.pretrained import Filled, Pretrained, fill_in
from danlu.settings import Settings
from danlu.several import with_heads
from danlu.tasks import Criterion, Head, Task
from danlu.tasks.classification import check_labels
from danlu.trial import few_batches, one_batch, taken_twice
from danlu.types import Choice, Field, Schema


def begin(
    model: nn.Module, pretrained: Pretrained | None, schema: Schema, settings: Settings, decisions: Decisions
) -> Body:
    """The weights laid into the model, told, and which of its parameters are head and body."""
    if pretrained is None:
        return find_body(model, (), settings.freeze)
    filled, new = _fill(model, pretrained, schema.classes)
    body = find_body(model, new, settings.freeze)
    if not decisions.before:
        decisions.tell(filled.choice(pretrained.source))
        layers = ", ".join(sorted(last_layer(model)))
        outputs = schema.outputs or "?"
        decisions.tell(Choice("head", layers, say(f"head.{filled.head}", outputs=outputs)))
    return body


def _fill(model: nn.Module, pretrained: Pretrained, classes: tuple[str, ...]) -> tuple[Filled, frozenset[str]]:
    """Weights of an image model go into the trunk of one for tables with images, or of several heads; the names of
    what stays random.
    """
    if isinstance(model, Heads) and not any(name.startswith("trunk.") for name in pretrained.tensors):
        filled, new = _fill(model.trunk, pretrained, ())
        return filled, frozenset(f"trunk.{name}" for name in new)
    if not isinstance(model, Mixed) or any(name.startswith("trunk.") for name in pretrained.tensors):
        filled = fill_in(model, pretrained, classes)
        return filled, filled.new
    filled = fill_in(model.trunk, pretrained, ())
    inside = {f"trunk.{name}" for name in filled.new}
    return filled, frozenset(n for n, _ in model.named_parameters() if n in inside or not n.startswith("trunk."))


def make_model(spec: Any, schema: Schema, decisions: Decisions) -> tuple[nn.Module, dict[str, Any]]:
    """The module, and what load() needs to make it again; a user's own class is only named there, never imported."""
    if spec is None:
        spec = decisions.choose("model", lambda: models.default_name(schema))
    if isinstance(spec, str):
        name, arguments = models.named(spec, schema)
        if name != spec:  # an image model asked for on a table that has more than one image
            decisions.choose("model", lambda: (name, say("model.trunk", trunk=spec)))
        return models.build(name, arguments), {"name": name, "arguments": arguments}
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


def try_one_batch(
    loss: Any,
    settings: Settings,
    schema: Schema,
    model: nn.Module,
    loader: Loader,
    data: Data,
    decisions: Decisions,
) -> tuple[Schema, Task, Criterion | None]:
    """The criterion; and the task, where only the loss and the model's answer can tell it (a user's own data)."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    batch = next(iter(few_batches(loader, 1)), None)
    if batch is None:
        raise DanluError("DL304")
    output, target, own_loss = one_batch(model, batch, None, device)
    answer = answer_of(output)
    if not settings.task and not schema.heads and data.schema.origin in ("dataset", "arrays") and loss is not None:
        told = tasks.infer_task(target[0] if isinstance(target, Tensor) else target, loss)
        schema = replace(schema, task=told)
    if settings.task in (None, "multitask") and own_loss is None and schema.origin in ("dataset", "arrays"):
        schema = with_heads(schema, batch, target, output, loss)
        _tell_targets(schema, data, target, loss, decisions)
    if schema.task in ("classification", "multilabel") and not schema.classes:
        schema = _with_classes(schema, answer)
    task = tasks.TASKS[schema.task]
    if schema.heads:
        answer = dict(zip(schema.heads, answers_of(tasks.heads_of(schema), output)))
    elif loss is None and own_loss is not None:
        return schema, task, None
    criterion = _criterion(loss, task, schema, settings, data, decisions).to(device)
    if settings.check:
        task.check(answer, target, schema, criterion, model=model, row=_row_of_first_batch(loader))
        one_batch(model, batch, criterion, device)
        twice = taken_twice(answer, criterion)
        if twice is not None and not decisions.before:
            decisions.tell(twice)
        if schema.task == "classification" and isinstance(answer, Tensor):
            _check_all_labels(model, loader, data, criterion, answer)
        if schema.heads and schema.origin == "dataset":
            loader.check = _check_of_heads(model, loader, tasks.heads_of(schema, criterion))
    return schema, task, criterion


def _tell_targets(schema: Schema, data: Data, target: Any, loss: Any, decisions: Decisions) -> None:
    """Of a user's several targets: the task of each, and those that no loss is given for."""
    if decisions.before:
        return
    if schema.heads and not data.schema.heads:
        each = [say("heads.task", name=h.name, task=say(f"task.{h.task.name}")) for h in tasks.heads_of(schema)]
        decisions.tell(Choice("task", "multitask", say("list.names").join(each)))
    left = (
        [str(n) for n in target if n not in loss] if isinstance(target, Mapping) and isinstance(loss, Mapping) else []
    )
    if left:
        decisions.tell(Choice("not trained", ", ".join(left), say("heads.no_loss")))


def _criterion(
    loss: Any, task: Task, schema: Schema, settings: Settings, data: Data, decisions: Decisions
) -> Criterion:
    """The criterion; of several heads also what is told of their weights and of rows without a target."""
    if not schema.heads:
        return tasks.criterion(loss, task, schema, settings, _train_targets(data, schema))
    if loss is not None and not isinstance(loss, Mapping):
        raise DanluError("DL263", where=f"loss={getattr(loss, '__name__', loss)!r}", heads=", ".join(schema.heads))
    absent = _absent(data, schema)
    found = tasks.criterion_of(loss, schema, settings, lambda head: data.targets("train", head), list(absent))
    if not decisions.before:
        for head, counts in absent.items():
            parts = [
                say(f"heads.missing.{k}", count=f"{n:,}", rows=f"{rows:,}") for k, (n, rows) in counts.items() if n
            ]
            told = say("heads.missing.count", head=head, parts=say("list.names").join(parts))
            decisions.tell(Choice("missing targets", told, say("heads.missing")))
        decisions.tell(_weights(found, schema, settings))
        example = next((h.key(h.task.monitor) for h in tasks.heads_of(schema) if h.task.metrics), "loss")
        if not settings.monitor:
            name, _ = monitored(settings, task, heads=tasks.heads_of(schema), learnt=found.learnt is not None)
            kind = "learnt" if found.learnt is not None else "fixed"
            decisions.tell(Choice("monitor", name, say(f"heads.monitor.{kind}", example=example)))
    return found


def _absent(data: Data, schema: Schema) -> dict[str, dict[str, tuple[int, int]]]:
    """The heads whose target some rows lack: how many of how many, by part."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for head in schema.heads:
        counts = {}
        for part in ("train", "val", "test"):
            target = data.targets(part, head) if getattr(data, part) is not None else None
            if target is not None and len(target):
                counts[part] = (int((~tasks.has_target(target)).sum()), len(target))
        if any(count for count, _ in counts.values()):
            found[head] = counts
    return found


def _weights(criterion: Criterion, schema: Schema, settings: Settings) -> Choice:
    shown = ", ".join(f"{name}={share:g}" for name, share in criterion.shares().items())
    if criterion.learnt is not None:
        return Choice("loss weights", "learnt", say("heads.weights.learnt"))
    if settings.loss_weights is not None or any(weight != 1 for _, _, weight in criterion.parts):
        some = isinstance(settings.loss_weights, Mapping) and len(settings.loss_weights) < len(schema.heads)
        return Choice("loss weights", shown, say("heads.weights.others" if some else "heads.weights.given"))
    standard = any(f.kind == "number" and f.std for f in schema.targets)
    why = [say("heads.weights.equal")] + ([say("heads.weights.standard")] if standard else [])
    return Choice("loss weights", shown, say("list.parts").join(why))


def try_metrics(
    own: Mapping[str, OwnMetrics],
    model: nn.Module,
    loader: Loader,
    task: Task,
    schema: Schema,
    criterion: Criterion | None,
    precision: Precision,
) -> None:
    """The user's metrics tried before training: on one batch, and where one fails on that, on the whole part.

    DL365 with the user's line for one that fails there too. A batch may lack a class that a metric needs.
    """
    for batches in (few_batches(loader, 1), loader if loader.fixed else few_batches(loader, 50)):
        evaluate(model, batches, task, schema, criterion, precision=precision, own=own)
        failed = [(head, *one) for head, users in own.items() for one in users.failures.items()]
        if not failed:
            return
    head, name, (where, reason) = failed[0]
    name = f"{head}/{name}" if head else name
    raise DanluError("DL365", where=where or f"metrics: {name}", name=name, why=reason)


def _row_of_first_batch(loader: Loader) -> Callable[[int], str]:
    """The user's name of a row of the batch that was tried."""

    def name(i: int) -> str:
        known = loader.handed_out(i + 1)
        return name_of(loader.dataset, known[i]) if len(known) > i else f"[{i}]"

    return name


def _with_classes(schema: Schema, answer: Any) -> Schema:
    """Name the classes "0", "1", … by the size of the model's answer; one unit stands for two classes."""
    units = answer.shape[1] if isinstance(answer, Tensor) and answer.ndim > 1 else 1
    names = tuple(map(str, range(units if units > 1 or schema.task == "multilabel" else 2)))
    fields = tuple(replace(f, classes=names) if f.role == "target" else f for f in schema.fields)
    if not schema.targets:
        fields += (Field("target", "category", "target", classes=names),)
    return replace(schema, fields=fields)


def _train_targets(data: Data, schema: Schema) -> Tensor | None:
    """All training targets where they lie in memory or the dataset carries them (class weights need them)."""
    return data.targets("train") if schema.targets else None


def _check_all_labels(model: nn.Module, loader: Loader, data: Data, criterion: Criterion, answer: Any) -> None:
    """Labels out of range are named by row before any device kernel meets them: all at once, or batch by batch."""
    classes = answer.shape[1] if answer.ndim > 1 and answer.shape[1] > 1 else 2
    for which, part in (("train", data.train), ("val", data.val), ("test", data.test)):
        if isinstance(part, Columns):
            labels = part.column(-1)
            if labels.ndim == 1 and not labels.is_floating_point():
                check_labels(labels, classes, criterion, part.name)
        elif (known := data.labels.get(which)) is not None and known.dtype.kind in "iu":
            check_labels(torch.as_tensor(known), classes, criterion, partial(name_of, part))

    def check(batch: Any) -> None:
        target = split_batch(model, batch)[2]
        if isinstance(target, Tensor) and target.ndim == 1 and not target.is_floating_point():
            check_labels(target, classes, criterion, lambda i: row_names(loader, len(target), [i]))

    loader.check = check


def _check_of_heads(model: nn.Module, loader: Loader, heads: Sequence[Head]) -> Callable[[Any], None]:
    """The same for heads, batch by batch: nothing carries their labels beforehand."""

    def check(batch: Any) -> None:
        targets = tasks.targets_of(heads, split_batch(model, batch)[2])
        for head, target in zip(heads, targets):
            if head.task.name == "classification" and target.ndim == 1 and not target.is_floating_point():
                name = partial(_named_row, loader, len(target))
                check_labels(target, len(head.schema.classes), head.loss, name)

    return check


def _named_row(loader: Loader, count: int, i: int) -> str:
    return row_names(loader, count, [i])
