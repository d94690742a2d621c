"""What is doubtful in data before any training: bad rows, copies, contradictions, columns that give the target away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.data.columns import Columns, Data, skip_flags
from danlu.data.duplicates import Copies as Across
from danlu.data.duplicates import copies_of_training, distinct_enough
from danlu.data.split import content_of
from danlu.doubts import Doubt, doubts_of_data
from danlu.errors import DanluError
from danlu.looking.folders import Pictures
from danlu.looking.found import Copies
from danlu.looking.leaks import Leak, leaks
from danlu.settings import Settings
from danlu.types import Bad, Field

EXAMPLES = 12


def bad_rows(bad: tuple[Bad, ...], total: int, settings: Settings) -> list[Doubt]:
    """Training stops at these: the flags with which it goes on without them."""
    if not bad:
        return []
    line = skipping(len(bad), total, settings)
    return [Doubt("warning", DanluError("DL346", bad[0].where, count=f"{len(bad):,}", first=bad[0].why, line=line))]


def skipping(bad: int, total: int, settings: Settings) -> str:
    return skip_flags(bad, total, settings.bad_limit)


def doubts(settings: Settings, data: Data, pictures: Pictures | None, target: Tensor | None) -> list[Doubt]:
    known = target if data.schema.task == "classification" and target is not None and target.ndim == 1 else None
    across = copies_of_training(data) if pictures is None else _copied_files(pictures)
    return doubts_of_data(data, data.schema.classes, known, across, weighted=settings.class_weights is not None)


def _copied_files(pictures: Pictures) -> list[Across]:
    train = pictures.content["train"].tolist()
    first = {number: i for i, number in reversed(list(enumerate(train)))}
    found = []
    for part in ("val", "test"):
        numbers = pictures.content[part].tolist() if part in pictures.content else []
        same = [(i, first[number]) for i, number in enumerate(numbers) if number in first]
        if same:
            found.append(Across(part, len(same), len(numbers), tuple(same[:EXAMPLES])))
    return found


def suspects(data: Data, ids: list[str], copies: Copies) -> list[Doubt]:
    found = []
    for leak in _leaks(data):
        facts = {"score": f"{leak.score:.1%}", "guess": f"{leak.guess:.1%}", "column": leak.column}
        if data.schema.task == "regression":
            facts |= {"score": f"R² {leak.score:.3f}", "guess": "R² 0"}
        found.append(Doubt("warning", DanluError("DL343", leak.column, **facts)))
    found += [Doubt("note", DanluError("DL344", name, column=name)) for name in ids]
    if copies.conflicts:
        where = ", ".join(f"{a} = {b}" for _, a, b in copies.conflict_examples[:2])
        found.append(Doubt("warning", DanluError("DL345", where, count=f"{copies.conflicts:,}")))
    return found


def _leaks(data: Data) -> list[Leak]:
    schema, train = data.schema, data.train
    target = data.targets("train")
    if schema.origin != "table" or not isinstance(train, Columns) or target is None or target.ndim != 1:
        return []
    images = sum(f.kind == "image" for f in schema.inputs)  # stored in front of numbers and categories
    if schema.layout == "image":
        return []
    numbers, codes = train.column(images).numpy(), train.column(images + 1).numpy()
    inputs: dict[str, np.ndarray] = {}
    for kind, values in (("number", numbers.astype(np.float64)), ("category", codes)):
        fields: list[Field] = [f for f in schema.inputs if f.kind == kind]
        inputs |= {f.name: values[:, i] for i, f in enumerate(fields)}
    classes = schema.task == "classification"
    return leaks(inputs, target.numpy(), classes=classes) if classes or schema.task == "regression" else []


def copies_in(data: Data, pictures: Pictures | None, targets: Mapping[str, Tensor | None]) -> Copies:
    """Rows with an earlier row's very inputs, part by part; nothing where rows repeat because few are possible."""
    inside: dict[str, int] = {}
    examples: list[tuple[str, str, str]] = []
    conflicts: list[tuple[str, str, str]] = []
    count = 0
    contents = pictures.content if pictures is not None else {name: _content(getattr(data, name)) for name in targets}
    known = [content for content in contents.values() if content is not None]
    if not known or (pictures is None and not distinct_enough(torch.cat(known))):
        return Copies()
    for name, target in targets.items():
        part, content = getattr(data, name), contents.get(name)
        if content is None or not len(content):
            continue
        numbers = content.numpy()
        _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
        earlier = first[group]
        again = np.flatnonzero(earlier != np.arange(len(numbers)))
        if not len(again):
            continue
        inside[name] = len(again)
        examples += [(name, part.name(int(i)), part.name(int(earlier[i]))) for i in again[:EXAMPLES]]
        if target is not None and target.ndim == 1 and not target.is_floating_point():
            labels = target.numpy()
            other = again[labels[again] != labels[earlier[again]]]
            count += len(other)
            conflicts += [(name, part.name(int(i)), part.name(int(earlier[i]))) for i in other[:EXAMPLES]]
    return Copies(inside, tuple(examples[:EXAMPLES]), count, tuple(conflicts[:EXAMPLES]))


def _content(part: Any) -> Tensor | None:
    if not isinstance(part, Columns) or len(part.tensors) < 2 or part.tensors[0].device.type != "cpu":
        return None
    return content_of(*(part.column(i) for i in range(len(part.tensors) - 1)))
