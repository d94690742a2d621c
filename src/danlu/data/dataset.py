"""Data from a user's own Dataset, iterable dataset or DataLoader, which are never touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    default_collate,
    default_convert,
)

from danlu.data.arrays import split_choice
from danlu.data.columns import Data
from danlu.data.split import DATASET_VAL_SHARE, split
from danlu.data.targets import head_fields, named_targets, task_of_labels
from danlu.data.user import (
    check_samples,
    each_sample,
    generators_restored,
    known_classes,
    known_targets,
    parts_of,
    plain,
    proven_targets,
    read_samples,
    spread,
    target_name,
    user_error,
)
from danlu.errors import DanluError, did_you_mean
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import TASK_OF, Choice, Field, Kind, Schema, TaskName

PROBED = 8  # samples looked at
PROBED_ZERO_ONE = 64  # ... when their targets are 0.0 and 1.0 only: classes, or numbers that are often 0?


def open_dataset(
    train: Any, test: Any, val: Any, settings: Settings, *, name: str, loader: dict[str, Any], own_model: bool
) -> Data:
    """The data of a user's datasets. Without ``val``, 10 % by seeded index; that is all that is decided.

    ``loader``: what the user's DataLoader brought along; with its own order of rows nothing is split off.
    ``own_model``: the user's model knows its number of classes; danlu's must be told, by reading all labels if need be.
    """
    for part in (train, test, val):
        if part is not None and not is_iterable(part) and len(part) == 0:
            raise DanluError("DL173", where=name, where_from=name)
    with generators_restored() as moved:
        size = settings.batch_size or loader.get("batch_size", 0)
        alone = size == 1 or (size is None and "batch_sampler" not in loader)  # not stacked: need no equal shapes
        skip = settings.on_bad == "skip"
        looked_at = _probe(train, loader.get("collate_fn"), alone=alone, skip=skip)
        samples = list(looked_at.values())
        random_draws = moved()
        known, differs = (None, "") if is_iterable(train) else proven_targets(train, looked_at)
        schema, choices = _schema(train, samples, known, settings, loader, named=not differs)
        if own_model:
            choices = _without_task(choices, schema, samples, settings)
        else:
            schema, choices = _with_heads(schema, choices, samples, settings)
            schema = _with_classes(schema, train, skip=skip)
        labels = {"train": known, "val": _labels_of(val, skip), "test": _labels_of(test, skip)}
    if differs:
        choices.append(Choice("labels", say("data.labels.samples"), say("data.labels.why", differs=differs)))
    for which in ("test", "val"):
        _check_classes(schema, known, labels[which], which)
    if val is None:
        train, val, rows, choice = _split_off(train, known, settings, loader)
        choices.append(choice)
        if rows is not None and known is not None:
            labels |= {"train": known[rows[0].numpy()], "val": known[rows[1].numpy()]}
        if val is not None and random_draws:
            choices.append(
                Choice("val", say("data.val.random"), say("data.val.random.why", names=", ".join(random_draws)))
            )
    found = {part: array for part, array in labels.items() if array is not None}
    return Data(name, train, val, test, schema, tuple(choices), (), loader, labels=found)


def _labels_of(part: Any, skip: bool) -> np.ndarray | None:
    """The labels a held-out part carries, where a few of its samples have the very same ones."""
    if part is None or is_iterable(part) or known_targets(part) is None:
        return None
    return proven_targets(part, read_samples(part, spread(len(part), PROBED), PROBED, skip=skip))[0]


def is_iterable(data: Any) -> bool:
    """Whether rows come in the dataset's own order, without numbers."""
    return isinstance(data, IterableDataset) or not hasattr(data, "__getitem__")


def _probe(dataset: Any, collate: Callable[[list[Any]], Any] | None, *, alone: bool, skip: bool) -> dict[int, Any]:
    """A few samples by index, checked to fit in one batch, as the model will see them."""
    if is_iterable(dataset):
        found = read_samples(dataset, None, PROBED, skip=skip)
    else:
        more = spread(len(dataset), PROBED_ZERO_ONE) if skip else []  # where all of the first ones are broken
        found = read_samples(dataset, [*spread(len(dataset), PROBED), *more], PROBED, skip=skip)
    if not found:
        raise DanluError("DL173", where_from=type(dataset).__name__)
    samples = list(found.values())
    if collate is None:
        for together in [list(found.items())] if not alone else [[pair] for pair in found.items()]:
            check_samples([i for i, _ in together], [s for _, s in together])
        if not is_iterable(dataset) and _zero_one(samples):
            found |= read_samples(dataset, spread(len(dataset), PROBED_ZERO_ONE), PROBED_ZERO_ONE, skip=skip)
        return found
    try:
        return dict(zip(found, _rows_of(collate(samples), len(samples))))
    except Exception as error:
        raise user_error(next(iter(found)), error) from error


def _zero_one(samples: Sequence[Any]) -> bool:
    values = _target_values(samples)
    return values is not None and values.dtype.kind == "f" and bool(np.isin(values, (0, 1)).all())


def _rows_of(batch: Any, n: int) -> list[Any]:
    """A collated batch as samples; what has no row axis of ``n`` stands in each of them."""

    def row(value: Any, i: int) -> Any:
        if isinstance(value, Tensor) and value.ndim and len(value) == n:
            return value[i]
        if isinstance(value, Mapping):
            return {k: row(v, i) for k, v in value.items()}
        return tuple(row(v, i) for v in value) if isinstance(value, (list, tuple)) else value

    return [row(batch, i) for i in range(n)]


def _target_values(samples: Sequence[Any]) -> np.ndarray | None:
    """The samples' targets stacked (n, ...); None when there is no target of numbers."""
    parts = [parts_of(s) for s in samples]
    name = target_name(list(parts[0]))
    if name is None:
        return None
    try:
        return np.stack([np.asarray(plain(p[name])) for p in parts])
    except (ValueError, TypeError, KeyError):
        return None


def _schema(
    dataset: Any,
    samples: Sequence[Any],
    labels: np.ndarray | None,
    settings: Settings,
    loader: dict[str, Any],
    *,
    named: bool,
) -> tuple[Schema, list[Choice]]:
    """``named``: the dataset's own class names are those of its samples' labels."""
    if loader.get("batch_size", 1) is None and "batch_sampler" not in loader:  # the dataset makes whole batches
        samples = [row for s in samples for row in _rows_of(s, _batch_rows(s))]
    parts = parts_of(samples[0])
    name = target_name(list(parts))
    values = _target_values(samples)
    task, why = _task(values, labels, settings)
    fields = [_field(key, value) for key, value in parts.items() if key != name]
    if name is not None:
        names = known_classes(dataset) if named else ()
        fields.append(_target_field(name, task, why, values, _class_names(names, task, values, labels)))
    seen = ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in fields)
    choices = [Choice("sample", seen, say("data.sample")), Choice("task", task, why)]
    return Schema(tuple(fields), task, "tensor", "dataset"), choices


def _batch_rows(batch: Any) -> int:
    first = next(iter(parts_of(batch).values()))
    return len(first) if hasattr(first, "__len__") else 1


def _task(values: np.ndarray | None, labels: np.ndarray | None, settings: Settings) -> tuple[TaskName, str]:
    if settings.task is not None or values is None:
        given = settings.task or "custom"
        return given, say("data.task.given" if settings.task else "data.task.no_target")  # type: ignore[return-value]
    if values.dtype.kind == "f" and labels is not None and labels.dtype.kind == "f" and values.ndim == 1:
        values = labels.astype(np.float64)
    if values.dtype.kind in "if" and ((values < 0) & (values != -100)).any() and values.dtype.kind == "i":
        return "custom", say("data.task.negative")
    if values.dtype.kind in "iu" and values.ndim == 1:
        return "classification", say("data.task.sample_integer")
    return task_of_labels(values, None)


def _class_names(
    named: tuple[str, ...], task: TaskName, values: np.ndarray | None, labels: np.ndarray | None
) -> tuple[str, ...]:
    """Names the dataset gives; else numbers up to the largest label it carries; else none yet."""
    if task not in ("classification", "multilabel") or values is None:
        return ()
    if named:
        return named
    if values.ndim == 2 and values.shape[1] > 1:
        return tuple(str(i) for i in range(values.shape[1]))
    if labels is not None and labels.dtype.kind in "iub" and len(labels) and labels.min() >= 0:
        return tuple(str(i) for i in range(max(int(labels.max()) + 1, 2)))
    return ("0", "1") if values.dtype.kind in "fb" else ()


def _target_field(name: str, task: TaskName, why: str, values: np.ndarray | None, classes: tuple[str, ...]) -> Field:
    kinds: dict[str, Kind] = {"classification": "category", "multilabel": "multilabel", "regression": "number"}
    shape = () if values is None else tuple(values.shape[1:])
    dtype = "int64" if values is not None and values.dtype.kind in "iub" else "float32"
    return Field(name, kinds.get(task, "tensor"), "target", why, shape, dtype, classes)


def _field(name: str, value: Any) -> Field:
    if isinstance(value, str):
        return Field(name, "text", "input", dtype="str")
    if isinstance(value, (bool, int, float, np.generic)):
        return Field(name, "number", "input", dtype="int64" if isinstance(value, (int, np.integer)) else "float64")
    if not isinstance(value, (Tensor, np.ndarray)):
        return Field(name, "tensor", "input", dtype=type(value).__name__)
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    return Field(name, "image" if len(shape) == 3 and shape[0] in (1, 3) else "tensor", "input", "", shape, dtype)


def _with_heads(
    schema: Schema, choices: list[Choice], samples: Sequence[Any], settings: Settings
) -> tuple[Schema, list[Choice]]:
    """danlu's own model has to know its heads beforehand: those of a target that is a dict or a tuple."""
    name = target_name(list(parts_of(samples[0])))
    if name is None or settings.task not in (None, "multitask"):
        return schema, choices
    heads = head_fields([parts_of(s)[name] for s in samples])
    if not heads:
        return schema, choices
    fields = (*(f for f in schema.fields if f.role != "target"), *heads)
    told = "; ".join(f"{f.name}: {TASK_OF[f.kind]}" for f in heads)
    kept = [c for c in choices if c.what != "task"]
    return replace(schema, fields=fields, task="multitask"), [*kept, Choice("task", "multitask", told)]


def _without_task(choices: list[Choice], schema: Schema, samples: Sequence[Any], settings: Settings) -> list[Choice]:
    """Several targets are not one: which task each of them is, the user's model and loss have yet to tell."""
    seen, _ = _with_heads(schema, [], samples, settings)
    if not seen.heads:
        return choices
    shown = ", ".join(f"{f.name} {f.dtype}{list(f.shape)}" for f in seen.fields)
    kept = [c for c in choices if c.what not in ("sample", "task")]
    return [Choice("sample", shown, say("data.sample")), *kept]


def _with_classes(schema: Schema, dataset: Any, *, skip: bool) -> Schema:
    """danlu's own model needs the number of classes: read every label once when nothing else tells it."""
    unknown = [f for f in schema.targets if f.kind == "category" and not f.classes]
    if schema.task not in ("classification", "multitask") or not unknown:
        return schema
    largest = [1] * len(unknown)
    for _, s in each_sample(dataset, None if is_iterable(dataset) else range(len(dataset)), skip=skip):
        parts = parts_of(s)
        whole = parts[name] if schema.heads and (name := target_name(list(parts))) is not None else parts
        found = named_targets(whole)
        largest = [max(most, int(np.max(np.asarray(found[f.name])))) for most, f in zip(largest, unknown)]
    classes = {f.name: tuple(map(str, range(most + 1))) for f, most in zip(unknown, largest)}
    fields = (replace(f, classes=classes[f.name]) if f in unknown else f for f in schema.fields)
    return replace(schema, fields=tuple(fields))


def _check_classes(schema: Schema, train_labels: np.ndarray | None, labels: np.ndarray | None, which: str) -> None:
    """DL155 when labels a part carries are no classes of the training rows."""
    if train_labels is None or schema.task != "classification":
        return
    if labels is None or labels.dtype.kind != train_labels.dtype.kind:
        return
    new = np.setdiff1d(labels, train_labels)
    if len(new):
        names = schema.classes
        known = [str(v) for v in np.unique(train_labels).tolist()]
        value = new[0].item()
        label = names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)
        raise DanluError(
            "DL155", where=which, name=label, count=int((labels == new[0]).sum()), near=did_you_mean(label, known)
        )


def _split_off(
    dataset: Any, labels: np.ndarray | None, settings: Settings, loader: dict[str, Any]
) -> tuple[Any, Any, tuple[Tensor, ...] | None, Choice]:
    """(train, val, the rows of each, what is said): 10 % by seeded index, in classes' shares when it carries labels."""
    if is_iterable(dataset):
        return dataset, None, None, Choice("val", say("data.val.none"), say("data.val.iterable"))
    if loader.keys() & {"sampler", "batch_sampler"}:
        return dataset, None, None, Choice("val", say("data.val.none"), say("data.val.sampler"))
    classes = labels is not None and labels.dtype.kind in "iubU" and len(np.unique(labels)) <= max(2, len(labels) // 2)
    strata = torch.from_numpy(np.unique(labels, return_inverse=True)[1]) if labels is not None and classes else None
    rows = split(len(dataset), strata=strata, content=None, seed=settings.seed, val=DATASET_VAL_SHARE, test=0.0)
    choice = split_choice(*(len(r) for r in rows), stratified=strata is not None)
    return Subset(dataset, rows[0].tolist()), Subset(dataset, rows[1].tolist()), rows, choice


def take_over_held_out(loader: DataLoader[Any]) -> tuple[Any, dict[str, Any]]:
    """The same for rows to evaluate on: those its sampler picks out, and no others."""
    dataset, keep = take_over(loader)
    sampler = keep.get("sampler") or getattr(keep.get("batch_sampler"), "sampler", None)
    if type(sampler) is SubsetRandomSampler:  # how tutorials hold rows out
        keep = {k: v for k, v in keep.items() if k not in ("sampler", "batch_sampler")}
        rows = [int(i) for i in sampler.indices]
        outside = next((i for i in rows if not -len(dataset) <= i < len(dataset)), None)
        if outside is not None:
            raise DanluError("DL184", where="SubsetRandomSampler", index=outside, rows=len(dataset))
        dataset = Subset(dataset, rows)
    return dataset, keep


def take_over(loader: DataLoader[Any]) -> tuple[Any, dict[str, Any]]:
    """A DataLoader's dataset, and the arguments it was made with that differ from the defaults."""
    keep: dict[str, Any] = {}
    sampler, batches = loader.sampler, loader.batch_sampler
    own_batches = loader.batch_size is None and batches is not None
    if own_batches:
        keep["batch_sampler"] = batches
    else:
        keep["batch_size"] = loader.batch_size
        keep["drop_last"] = loader.drop_last
        if isinstance(loader.dataset, IterableDataset):
            pass
        elif (
            type(sampler) is RandomSampler
            and not sampler.replacement
            and sampler.num_samples == len(sampler.data_source)
        ):
            keep["shuffle"] = True
        elif type(sampler) is SequentialSampler:
            keep["shuffle"] = False
        else:
            keep["sampler"] = sampler
    if loader.collate_fn is not (default_convert if batches is None else default_collate):
        keep["collate_fn"] = loader.collate_fn
    defaults = {
        "num_workers": 0,
        "worker_init_fn": None,
        "generator": None,
        "pin_memory": False,
        "timeout": 0,
        "multiprocessing_context": None,
        "prefetch_factor": 2 if loader.num_workers else None,
        "persistent_workers": False,
    }
    for key, default in defaults.items():
        value = getattr(loader, key)
        if value != default:
            keep[key] = value
    return loader.dataset, keep
