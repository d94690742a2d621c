"""The data's part of the page: parts, fields, rows of each class, some samples, bad rows, and copies across parts."""

from __future__ import annotations

import torch
from torch import Tensor

from danlu.data import order
from danlu.plan import Plan
from danlu.report.layout import number
from danlu.report.page import contents as c
from danlu.session import Session
from danlu.showing.retold import retold
from danlu.showing.samples import Gallery, varied
from danlu.tasks import Head

SAMPLES = 12  # of the training rows
MOST_NUMBERS = 4  # of a row's targets


def data_of(session: Session) -> c.Data:
    plan = session.plan
    data, schema = plan.data, plan.schema
    parts = {name: getattr(data, name) for name in ("train", "val", "test")}
    known = {name: part for name, part in parts.items() if part is not None and hasattr(part, "__len__")}
    fields = tuple(
        c.FieldRow(f.name, f.kind, f.role, retold(f.why), f.missing or None, len(f.classes) or None)
        for f in schema.fields
    )
    copies = session.copies
    duplicates = tuple(
        c.Duplicate(((part.part, getattr(data, part.part).name(i)), ("train", data.train.name(j))))
        for part in copies
        for i, j in part.examples
    )
    return c.Data(
        tuple(c.Part(name, len(part)) for name, part in known.items()),
        fields,
        _class_bars(plan, tuple(known)),
        _gallery(plan) if "train" in known else (),
        tuple(c.BadRow(b.where, retold(b.why)) for b in data.bad[:100]),
        len(data.bad) or None,
        duplicates,
        sum(part.count for part in copies) or None,
    )


def _class_bars(plan: Plan, parts: tuple[str, ...]) -> tuple[c.ClassBars, ...]:
    """How many rows of each class each part has, where all labels are known without reading the samples."""
    bars = []
    for head in plan.heads:
        classes, found = head.schema.classes, [plan.data.targets(part, head.name) for part in parts]
        targets = [t for t in found if t is not None]
        if not classes or len(targets) < len(parts):
            continue
        counts: list[list[int]] = []
        if head.task.name == "classification" and all(t.ndim == 1 and not t.is_floating_point() for t in targets):
            each = [torch.bincount(t[t >= 0].long(), minlength=len(classes)).tolist() for t in targets]
            counts = [list(row) for row in zip(*(e[: len(classes)] for e in each))]
        elif head.task.name == "multilabel" and all(t.ndim == 2 and t.shape[1] == len(classes) for t in targets):
            counts = [list(row) for row in zip(*((t > 0.5).sum(0).tolist() for t in targets))]
        if counts:
            bars.append(c.ClassBars(tuple(classes), tuple(map(tuple, counts)), head.name))
    return tuple(bars)


def _gallery(plan: Plan) -> tuple[c.Sample, ...]:
    gallery = Gallery(plan.data.train, plan.schema)
    rows = order.permutation(plan.settings.seed, 0, len(gallery))[:SAMPLES].tolist()
    head = next((h for h in plan.heads if h.task.name == "classification"), plan.heads[0])
    labels = _labels(head, plan.data.targets("train", head.name), rows)
    return varied(plan, rows, labels) or tuple(gallery.sample(i, label) for i, label in zip(rows, labels))


def _labels(head: Head, targets: Tensor | None, rows: list[int]) -> list[str]:
    """The answers of the rows: a class, several labels, or numbers; empty where nobody can tell."""
    names, task = head.schema.classes, head.task.name
    if targets is None or (not names and task != "regression"):
        return [""] * len(rows)
    some = targets[rows]
    if task == "classification" and not some.is_floating_point():
        return [names[k] if 0 <= k < len(names) else "–" for k in some.flatten().tolist()]
    if task == "multilabel" and some.ndim == 2:
        return [", ".join(n for n, there in zip(names, row) if there > 0.5) or "–" for row in some.tolist()]
    if task == "regression":
        some = _own_unit(some.reshape(len(rows), -1), head)
        return [
            ", ".join(number(float(v)) for v in row) for row in some.reshape(len(rows), -1)[:, :MOST_NUMBERS].tolist()
        ]
    return [""] * len(rows)


def _own_unit(values: Tensor, head: Head) -> Tensor:
    """Stored targets (N, T) as the user has them: danlu's own tables hold them standardised."""
    fields = [f for f in head.schema.targets if f.mean]
    if len(fields) != values.shape[1]:
        return values
    mean, std = (torch.tensor([getattr(f, part)[0] for f in fields], dtype=torch.float64) for part in ("mean", "std"))
    return values.double().cpu() * std + mean
