"""The loaders of a run's parts: shuffled for training; in order, fixed and in larger batches for evaluation."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset, Subset, TensorDataset

from danlu.choose import Decisions, has_length
from danlu.data.columns import Columns, Data
from danlu.data.loader import Loader
from danlu.device import pick_device
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.tasks import Task, heads_of
from danlu.types import Choice, Schema

EVAL_BYTES = 4 * 2**20  # inputs of one evaluation batch


Part = Literal["train", "val", "test"]
Tell = Callable[[Choice], None]
HELD_OUT: tuple[Part, ...] = ("val", "test")


def make_loader(part: Part, data: Data, settings: Settings) -> Loader:
    """The loader of a part: shuffled for training, in order and with larger batches for evaluation."""
    dataset, own = getattr(data, part), part in data.held_out
    brought = dict(data.held_out.get(part, data.loader))
    options: dict[str, Any] = {"seed": settings.seed, "on_bad": settings.on_bad, "bad_limit": settings.bad_limit}
    counted_once = part != "train" and isinstance(dataset, IterableDataset)
    workers = 0 if counted_once else settings.workers  # each of several would give every row of an iterable
    if workers is not None:
        brought["num_workers"] = workers
        if workers == 0:
            for name in ("prefetch_factor", "persistent_workers", "timeout", "multiprocessing_context"):
                brought.pop(name, None)
    if pick_device(settings.device).type == "cuda":
        brought.setdefault("pin_memory", True)  # copies to the GPU then overlap with its work
    size = settings.batch_size or brought.get("batch_size", 1)  # None: the dataset makes whole batches
    if part != "train":
        training = () if own else ("sampler", "batch_sampler")
        for name in (*training, "shuffle", "drop_last", "generator"):
            brought.pop(name, None)
        if "batch_sampler" not in brought:
            size = brought.get("batch_size", size) if own else size
            as_asked = not size or "collate_fn" in brought  # None: the dataset makes the batches
            brought["batch_size"] = size if as_asked else _evaluation_rows(dataset, size)
        if not brought.keys() & {"sampler", "batch_sampler"}:
            brought["shuffle"] = False
        loader = Loader(dataset, **brought, **options)
        loader.fixed = True
        return loader
    if "batch_sampler" not in brought:
        brought["batch_size"] = size
        if "sampler" not in brought and "shuffle" not in brought:
            brought["shuffle"] = not isinstance(dataset, IterableDataset)
    return Loader(dataset, **brought, **options)


def share_limit(loaders: Sequence[Loader]) -> None:
    """``bad_limit`` is a share of all parts together, as it is where they are read before training."""
    counted = [one for one in loaders if has_length(one.dataset)]
    for one in counted:
        one.siblings = tuple(map(weakref.ref, counted))


def _evaluation_rows(dataset: Any, batch_size: int) -> int:
    inner = dataset.dataset if isinstance(dataset, Subset) else dataset
    if type(inner) is not Columns and type(inner) is not TensorDataset:
        return batch_size
    row = sum(t[:1].numel() * 4 for t in inner.tensors)
    return max(batch_size, min(1024, EVAL_BYTES // max(1, row)))


def without_lonely_row(
    loader: Loader, model: nn.Module, data: Data, settings: Settings, decisions: Decisions
) -> Loader:
    """BatchNorm cannot normalise one row; a last batch of one row is left out (another row each epoch)."""
    size, rows = settings.batch_size, len(data.train) if hasattr(data.train, "__len__") else 0
    if not size or size < 2 or rows % size != 1 or rows <= size or {"drop_last", "batch_sampler"} & data.loader.keys():
        return loader
    if not any(isinstance(m, nn.BatchNorm1d) for m in model.modules()):
        return loader
    decisions.choose("drop_last", lambda: (True, say("drop_last.batch_norm")))
    shorter = make_loader("train", replace(data, loader={**data.loader, "drop_last": True}), settings)
    shorter.check = loader.check
    return shorter


def weigh_classes(loader: Loader, data: Data, task: Task, schema: Schema, settings: Settings, tell: Tell) -> None:
    """``class_weights="sampled"``: the loader draws every class equally often. What weights or draws cost is told.

    Raises DL367 where rows cannot be drawn by class, DL229 where the classes of the training rows are not known.
    """
    if not isinstance(settings.class_weights, str):
        if schema.heads and settings.class_weights is not None:
            tell(Choice("class_weights", _weighed(schema), say("heads.weights.given")))
        return
    known = data.targets("train") if schema.targets and not schema.heads else None
    if settings.class_weights == "sampled":
        own: list[str] = [name for name in ("sampler", "batch_sampler") if name in data.loader]
        own += ["shuffle=False"] if data.loader.get("shuffle") is False else []
        if task.name != "classification" or own or isinstance(data.train, IterableDataset):
            key = "task" if task.name != "classification" else "order" if own else "iterable"
            why = say(f"sampled.not.{key}", task=task.name, names=", ".join(own))
            raise DanluError("DL367", where='class_weights="sampled"', why=why)
        if known is None or len(known) != len(data.train):
            raise DanluError("DL229", where='class_weights="sampled"')
    if schema.heads:
        _tell_heads(data, schema, settings.class_weights, tell)
        return
    if task.name != "classification" or known is None:
        return
    labels = task.target(known, schema).cpu()
    if settings.class_weights == "sampled":
        loader.draw_equally(labels)
    cost = _cost(labels, schema.classes, settings.class_weights)
    if cost:
        tell(Choice("class_weights", settings.class_weights, cost))


def _tell_heads(data: Data, schema: Schema, how: str, tell: Tell) -> None:
    """Which of several heads have class weights, and what they cost the classes of each."""
    costs = []
    for head in heads_of(schema):
        known = data.targets("train", head.name) if head.task.name == "classification" else None
        cost = _cost(head.target(known).cpu(), head.schema.classes, how) if known is not None else ""
        costs += [say("line.of_heads", heads=head.name, text=cost)] if cost else []
    shown = say("line.of_heads", heads=_weighed(schema), text=how)
    tell(Choice("class_weights", shown, say("list.parts").join(costs)))


def _weighed(schema: Schema) -> str:
    """The heads that class weights reach."""
    return say("list.names").join(head.name for head in heads_of(schema) if head.schema.classes)


def _cost(labels: Tensor, classes: Sequence[str], how: str) -> str:
    """What weights or equal draws do to the rarest and the most common class; empty for fewer than two."""
    counts = torch.bincount(labels[labels >= 0]).tolist()
    there = [(n, classes[k] if k < len(classes) else str(k)) for k, n in enumerate(counts) if n]
    if len(there) < 2:
        return ""
    (fewest, rare), (most, common) = min(there), max(there)
    each = len(labels) / len(there)  # rows of each class in an epoch
    facts = {"rare": rare, "rows": f"{fewest:,}", "common": common, "unseen": f"{max(0.0, 1 - each / most):.0%}"}
    times = each / fewest if how == "sampled" else most / fewest
    return say(f"class_weights.{how}", times=f"{times:,.3g}", **facts)
