"""Rows of a table as tensors: numbers standardised, categories as codes, the target; and batches of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from danlu.data import arrow
from danlu.data.cells import flat, numeric_classes, sort_classes, split_labels, to_days, to_labels, to_numbers
from danlu.data.columns import Prepare
from danlu.data.locate import image_paths
from danlu.data.table import Table
from danlu.data.table_task import DATE, missing_label
from danlu.data.targets import IGNORED
from danlu.errors import DanluError, nearest
from danlu.messages import say
from danlu.types import Bad, Field, Schema

MAX_CLASSES = 256  # a category with more is left out of the matrix layout
_UNKNOWN = arrow.count(-1)


@dataclass(frozen=True)
class BadRow(Bad):
    """A row of a table that cannot be used: ``row`` counts from 0 in the table, ``code`` is the error it would be."""

    row: int = -1
    code: str = ""


@dataclass(frozen=True)
class Cells:
    """A table's columns read as their fields want them; ``ok`` (N,) marks the rows without a fault."""

    numbers: dict[str, np.ndarray]  # float64 (N,), NaN where missing
    labels: dict[str, pa.Array]  # class names, null where missing
    lists: dict[str, list[list[str] | None]]  # labels of each row
    ok: np.ndarray
    bad: tuple[BadRow, ...]
    images: dict[str, list[Any]] = field(default_factory=dict)  # each row's file or Pillow image, None where missing


def read_cells(fields: Sequence[Field], table: Table, *, with_target: bool) -> Cells:
    """The cells of the inputs, and of the target. A cell that cannot be read makes its row bad."""
    table = by_name(fields, table, with_target=with_target)
    numbers: dict[str, np.ndarray] = {}
    labels: dict[str, pa.Array] = {}
    lists: dict[str, list[list[str] | None]] = {}
    images: dict[str, list[Any]] = {}
    why: dict[int, tuple[str, str]] = {}
    targets = [f for f in fields if f.role == "target"]
    columns_of_labels = one_column_a_label(targets)
    absent = np.zeros(len(table), np.int64)  # how many of several heads' targets each row lacks
    heads = several_heads(targets)
    for f in fields:
        if f.role != "input" and not (with_target and f.role == "target"):
            continue
        if f.kind == "image":
            images[f.name], lost_files = image_paths(table, f.name)
            for row, text in lost_files.items():
                why.setdefault(row, ("DL131", text))
            continue
        column = flat(table.columns.column(f.name))
        target = f.role == "target"
        if f.kind == "number" or (f.kind == "multilabel" and columns_of_labels):
            values, wrong = to_days(column) if f.dtype == DATE else _numbers(column)
            numbers[f.name] = values
            lost = np.isnan(values) & ~wrong if target else np.zeros(len(values), bool)
        elif f.kind == "category":
            names = to_labels(column, numeric_classes(f.classes))
            gone = missing_label(names)
            labels[f.name] = pc.if_else(arrow.flags(gone), arrow.NO_TEXT, names) if gone.any() else names
            lost, wrong = (gone if target else np.zeros(len(names), bool)), np.zeros(len(names), bool)
            if not target:
                labels[f.name] = names
        else:
            lists[f.name] = split_labels(column, commas=not any("," in c for c in f.classes))
            lost = np.array([r is None for r in lists[f.name]], bool)
            wrong = np.zeros(len(lost), bool)
        for row in np.flatnonzero(wrong).tolist():
            cell = str(column[row].as_py())[:40]
            why.setdefault(row, ("DL120", say("table.not_number", cell=cell, column=f.name)))
        if heads and target:
            absent += lost
            continue
        for row in np.flatnonzero(lost).tolist():
            why.setdefault(row, ("DL115", say("table.no_label", column=f.name)))
    if heads and with_target:  # a row that one head can learn from stays
        for row in np.flatnonzero(absent == len(targets)).tolist():
            why.setdefault(row, ("DL115", say("table.no_label", column=", ".join(f.name for f in targets))))
    ok = np.ones(len(table), bool)
    ok[list(why)] = False
    bad = tuple(BadRow(table.name(row), text, row, code) for row, (code, text) in sorted(why.items()))
    return Cells(numbers, labels, lists, ok, bad, images)


def one_column_a_label(targets: Sequence[Field]) -> bool:
    """Whether several target columns are the labels of one multi-label task, each a yes/no column."""
    return len(targets) > 1 and {f.name for f in targets} == set(targets[0].classes)


def several_heads(targets: Sequence[Field]) -> bool:
    """Whether these targets are answered each by a head of its own: they are neither all numbers nor one task's labels.

    Numbers alone may still be heads; then none of them can be told apart from a regression with several outputs, and
    a row without one of them is left out, as there.
    """
    return len(targets) > 1 and any(f.kind != "number" for f in targets) and not one_column_a_label(targets)


def _numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    return to_numbers(pc.cast(column, pa.int8()) if pa.types.is_boolean(column.type) else column)


def by_name(fields: Sequence[Field], table: Table, *, with_target: bool) -> Table:
    """The table with the training columns' names: matched by name, or by place where a file has no header."""
    needed = [f.name for f in fields if f.role == "input" or (with_target and f.role == "target")]
    unnamed = all(f.name == f"column{i + 1}" for i, f in enumerate(fields))
    if (table.named and not unnamed) or set(needed) <= set(table.names):
        absent = [n for n in needed if n not in table.names]
        if absent:
            near = nearest(absent[0], [n for n in table.names if n not in needed])
            known = ", ".join(table.names[:12])
            hint = say("table.near", near=near) if near else say("table.has", columns=known)
            raise DanluError("DL119", where=table.path, column=absent[0], count=len(absent), hint=hint)
        return table
    width = table.columns.num_columns
    without = [f.name for f in fields if f.role != "target"]
    if width == len(fields):
        return replace(table, columns=table.columns.rename_columns([f.name for f in fields]))
    if width == len(without) and not with_target:
        return replace(table, columns=table.columns.rename_columns(without))
    raise DanluError("DL121", where=table.path, found=width, needed=len(fields) if with_target else len(without))


def fit(fields: Sequence[Field], cells: Cells, rows: np.ndarray) -> tuple[Field, ...]:
    """The fields with their statistics over ``rows`` only: mean and std in float64, categories, missing values."""
    out = []
    for f in fields:
        if f.name in cells.numbers and f.kind == "number" and f.role in ("input", "target"):
            values = cells.numbers[f.name][rows]
            seen = values[~np.isnan(values)]
            mean = float(seen.mean()) if len(seen) else 0.0
            std = float(seen.std()) if len(seen) else 1.0
            std = std if np.isfinite(std) and std > 1e-12 * abs(mean) and std > 0 else 1.0
            f = replace(f, mean=(mean,), std=(std,), missing=len(values) - len(seen))
        elif f.name in cells.labels and f.role == "input":
            names = cells.labels[f.name].take(arrow.numbers(rows))
            classes = sort_classes(names.drop_null().unique().to_pylist())
            f = replace(f, dtype="int64", classes=classes, missing=names.null_count)
        out.append(f)
    return tuple(out)


def to_tensors(schema: Schema, cells: Cells, *, with_target: bool) -> tuple[Tensor, ...]:
    """``(numbers (N, n) float32 with NaN, categories (N, m) int64[, target])`` of the rows without a fault.

    Numbers are standardised in float64 before they become float32, so that large ones (time stamps)
    keep their differences. Category code 0 is a missing value or one that training never saw.
    """
    rows = np.flatnonzero(cells.ok)
    numbers = [_standard(f, cells.numbers[f.name][rows]) for f in schema.inputs if f.kind == "number"]
    codes = [_codes(cells.labels[f.name], f.classes)[rows] + 1 for f in schema.inputs if f.kind == "category"]
    out = (
        _stack([v.astype(np.float32) for v in numbers], len(rows), torch.float32),
        _stack(codes, len(rows), torch.int64),
    )
    if not with_target:
        return out
    each = [schema.head(name) for name in schema.heads] or [schema]
    return (*out, *(_target(one, cells, rows) for one in each))


def _stack(columns: list[np.ndarray], rows: int, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.stack(columns, 1)) if columns else torch.empty(rows, 0, dtype=dtype)


def _standard(f: Field, values: np.ndarray) -> np.ndarray:
    return (values - f.mean[0]) / f.std[0] if f.mean else values


def _codes(names: pa.Array, classes: Sequence[str]) -> np.ndarray:
    """Index of each name among the classes, -1 where missing or unknown."""
    found = pc.index_in(names, arrow.texts(classes), skip_nulls=True)
    return np.asarray(arrow.values(pc.fill_null(found, _UNKNOWN)), dtype=np.int64)


def _target(schema: Schema, cells: Cells, rows: np.ndarray) -> Tensor:
    """int64 (N,) class codes, float32 (N, L) labels, or float32 (N,) or (N, T) standardised numbers."""
    first = schema.targets[0]
    if first.kind == "category":
        codes = _codes(cells.labels[first.name], first.classes)[rows]
        return torch.from_numpy(np.where(codes < 0, IGNORED, codes))
    if first.kind == "multilabel" and first.name in cells.lists:
        place = {c: i for i, c in enumerate(first.classes)}
        y = torch.zeros(len(rows), len(first.classes))
        lists = [cells.lists[first.name][row] or () for row in rows.tolist()]
        at = np.array([place[c] for labels in lists for c in labels], dtype=np.int64)
        row_of = np.repeat(np.arange(len(lists)), np.array([len(labels) for labels in lists], dtype=np.int64))
        y[torch.from_numpy(row_of), torch.from_numpy(at)] = 1.0
        y[[cells.lists[first.name][row] is None for row in rows.tolist()]] = float("nan")
        return y
    columns = [_standard(f, cells.numbers[f.name][rows]) for f in schema.targets]
    y = torch.from_numpy(np.stack(columns, 1).astype(np.float32))
    return y[:, 0].contiguous() if len(columns) == 1 else y


def refuse_unknown_classes(schema: Schema, cells: Cells, part: str, path: str) -> None:
    """A class that training never had cannot be predicted: name it, how often it stands there, the nearest known."""
    for name in schema.heads:
        refuse_unknown_classes(schema.head(name), cells, part, path)
    first = schema.targets[0]
    if schema.heads:
        return
    if first.name in cells.labels:
        names = cells.labels[first.name]
        new = pc.value_counts(names.filter(arrow.flags((_codes(names, first.classes) < 0) & cells.ok)).drop_null())
        counts = {str(v["values"]): int(v["counts"]) for v in new.to_pylist()}
    else:
        counts = {}
        known = set(first.classes)
        for row in cells.lists.get(first.name, ()):
            for name in row or ():
                if name not in known:
                    counts[name] = counts.get(name, 0) + 1
    if not counts:
        return
    name = max(counts, key=lambda n: counts[n])
    near = nearest(name, first.classes)
    others = say("table.class.others", count=len(counts) - 1) if len(counts) > 1 else ""
    pointed = name.rstrip(".") in first.classes and Path(path).is_file()
    line = say("table.class.same")
    if pointed:
        line = say("table.class.point", path=path, fixed=Path(path).with_name(f"fixed-{Path(path).name}"))
    raise DanluError(
        "DL117",
        where=path,
        name=name,
        column=first.name,
        count=counts[name],
        part=part,
        others=others,
        line=line,
        near=say("table.near", near=near) if near else say("table.has", columns=", ".join(first.classes[:12])),
    )


def unseen_categories(schema: Schema, table: Table) -> str:
    """A line on the input cells whose category training never had: they count as missing. Empty without any."""
    table = by_name(schema.fields, table, with_target=False)
    found = []
    for f in schema.inputs:
        if f.kind != "category":
            continue
        names = to_labels(flat(table.columns.column(f.name)), numeric_classes(f.classes))
        new = names.filter(arrow.flags(_codes(names, f.classes) < 0)).drop_null()
        if len(new):
            example = str(new[0].as_py())[:40]
            found.append(say("table.unseen.column", column=f.name, count=f"{len(new):,}", example=example))
    return say("table.unseen", columns="; ".join(found)) if found else ""


def prepare_table(schema: Schema) -> Prepare:
    """The function from gathered raw rows to a batch, with or without the target at the end.

    Layout "columns": numbers (B, n + flags), categories (B, m); layout "matrix": x (B, F), the numbers,
    then their flags, then each category one-hot (a missing or unseen value is all zeros).
    A flag says that the number is missing; a column has one if training rows lacked it.
    """
    flagged = flagged_numbers(schema)
    if schema.layout == "columns":
        return partial(_columns, flagged)
    sizes = [len(f.classes) for f in schema.inputs if f.kind == "category"]
    starts = torch.tensor([0, *accumulate(sizes)][: len(sizes)], dtype=torch.int64)
    return partial(_matrix, flagged, starts, sum(sizes))


def flagged_numbers(schema: Schema) -> Tensor:
    """Which of the columns of numbers have a flag: training rows lacked a value of them."""
    numbers = [f for f in schema.inputs if f.kind == "number"]
    return torch.tensor([i for i, f in enumerate(numbers) if f.missing], dtype=torch.int64)


def fill_missing(flagged: Tensor, numbers: Tensor) -> Tensor:
    """(B, n) with NaN → (B, n + flags): missing ones at the training mean, which is 0."""
    filled = torch.nan_to_num(numbers, nan=0.0)
    if len(flagged):
        filled = torch.cat([filled, numbers.index_select(1, flagged).isnan().to(numbers.dtype)], 1)
    return filled


def _columns(flagged: Tensor, raw: tuple[Tensor, ...]) -> tuple[Any, ...]:
    numbers, *rest = raw
    return (fill_missing(flagged, numbers), *rest)


def _matrix(flagged: Tensor, starts: Tensor, width: int, raw: tuple[Tensor, ...]) -> tuple[Any, ...]:
    numbers, codes, *rest = _columns(flagged, raw)
    if not width:
        return (numbers, *rest)
    x = numbers.new_zeros(len(numbers), numbers.shape[1] + width + 1)  # the last column takes what has no class
    x[:, : numbers.shape[1]] = numbers
    at = torch.where(codes > 0, codes - 1 + starts + numbers.shape[1], x.shape[1] - 1)
    x.scatter_(1, at, 1.0)
    return (x[:, :-1].contiguous(), *rest)
