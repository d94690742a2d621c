"""Training, validation and test tables as rows ready to train on, under one schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from danlu.data import arrow
from danlu.data.arrays import split_counts
from danlu.data.cells import flat
from danlu.data.columns import Columns, Data, skip_flags
from danlu.data.encode import (
    MAX_CLASSES,
    BadRow,
    Cells,
    by_name,
    fit,
    read_cells,
    refuse_unknown_classes,
    to_tensors,
    unseen_categories,
)
from danlu.data.groups import aside
from danlu.data.image_columns import PictureRows, Pictures, open_pictures, rows_of_pictures, with_statistics
from danlu.data.image_columns import content as content_of_pictures
from danlu.data.infer import given_order, infer
from danlu.data.mixed import Asks, image_inputs, parts_for
from danlu.data.prepare import prepare
from danlu.data.split import TEST_SHARE, VAL_SHARE, content_of
from danlu.data.split import split as split_rows
from danlu.data.table import Table, check_share, read_table
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice, Field, Schema

Split = Callable[..., tuple[Tensor, Tensor, Tensor]]


def open_tables(
    train: Any,
    test: Any,
    val: Any,
    settings: Settings,
    *,
    layout: Literal["columns", "matrix"],
    split: Split | None = None,
    asks: Asks = (),
) -> Data:
    """Training rows with a schema fitted to them; validation and test rows of their own files, else split off.

    ``asks``: the parameters of a user's forward, by which it gets the columns of a table with images.
    """
    table = read_table(train, settings)
    fields, task, choices = infer(table, settings)
    cells = read_cells(fields, table, with_target=True)
    settle(cells.bad, table, settings)
    cells, pictures, said = open_pictures(fields, cells, table, settings)
    settle(cells.bad, table, settings)
    kept = np.flatnonzero(cells.ok)
    parts, more = _parts(fields, cells, table, settings, split or split_rows, (val is None, test is None), pictures)
    said += more
    fields = fit(fields, cells, kept[parts[0].numpy()])
    if pictures is not None:
        fields = with_statistics(fields, pictures, parts[0])
        schema = Schema(fields, task, "mixed", "table", order=given_order(fields, table, settings))
        schema, more = with_images(schema, asks, table.path)
        said += more
    else:
        if layout == "matrix":
            fields, more = _without_large(fields, table.path)
            said += more
        schema = Schema(fields, task, layout, "table", order=given_order(fields, table, settings))
    rows = rows_of_table(schema, cells, table, pictures, settings if test is None else None)
    parts_of = {"train": rows.take(parts[0]), "val": rows.take(parts[1]), "test": rows.take(parts[2])}
    bad: list[Bad] = [*table.bad, *cells.bad]
    choices = (*table.choices, *choices, *said)
    for name, source in (("val", val), ("test", test)):
        if source is not None:
            parts_of[name], found, unseen = _open_more(schema, source, name, settings)
            bad += found
            choices += (Choice("unseen", name, unseen),) if unseen else ()
    paths = [s for s in (train, val, test) if s is not None]
    files = all(isinstance(s, str | Path) for s in paths)
    return Data(
        name=Path(table.path).name.split(".")[0] or "table",
        train=parts_of["train"],
        val=parts_of["val"],
        test=parts_of["test"],
        schema=schema,
        choices=choices,
        bad=tuple(bad),
        path=str(train) if files else None,
        labels={k: part.labels() for k, part in parts_of.items() if isinstance(part, PictureRows)},
        table=table,
    )


def settle(bad: tuple[BadRow, ...], table: Table, settings: Settings) -> None:
    """Bad rows stop the run, naming the first few; or they are left out, up to the limit."""
    if not bad:
        return
    if settings.on_bad == "skip" and len(bad) < len(table):
        check_share((*table.bad, *bad), len(table) + len(table.bad), settings)
        return
    same = [b for b in bad if b.code == bad[0].code]
    places = [b.where for b in same[:1]] + [b.where.removeprefix(f"{table.path}:") for b in same[1:5]]
    where = ", ".join(places) + (", …" if len(same) > 5 else "")
    skip = skip_flags(len(bad) + len(table.bad), len(table) + len(table.bad), settings.bad_limit)
    raise DanluError(bad[0].code, where=where, why=bad[0].why, count=len(same), rows=bad[0].why, skip=skip)


def _parts(
    fields: tuple[Field, ...],
    cells: Cells,
    table: Table,
    settings: Settings,
    split: Split,
    wanted: tuple[bool, bool],
    pictures: Pictures | None,
) -> tuple[tuple[Tensor, Tensor, Tensor], list[Choice]]:
    """Row numbers of the three parts, counted among the rows without a fault; ``wanted``: whether val, and test."""
    want_val, want_test = wanted
    count = int(cells.ok.sum())
    if not want_val and not want_test:
        empty = torch.empty(0, dtype=torch.int64)
        return (torch.arange(count), empty, empty), []
    target = next((f for f in fields if f.role == "target" and f.kind == "category"), None)
    strata = _strata(target, cells) if target is not None else None
    content, said = _together(content_of_pictures(pictures)) if pictures else _content(fields, table, cells.ok)
    val, test = VAL_SHARE * want_val, TEST_SHARE * want_test
    parts = split(count, strata=strata, content=content, seed=settings.seed, val=val, test=test)
    key = "table.split.classes" if strata is not None else "table.split"
    return parts, [Choice("split", split_counts(*map(len, parts)), say(key, seed=settings.seed)), *said]


def _strata(target: Field, cells: Cells) -> Tensor:
    codes = arrow.values(cells.labels[target.name].dictionary_encode(null_encoding="encode").indices)
    return torch.from_numpy(codes[cells.ok].astype(np.int64))


def _content(fields: tuple[Field, ...], table: Table, ok: np.ndarray) -> tuple[Tensor | None, list[Choice]]:
    """Equal numbers for rows equal in every column but ids; None where rows repeat because so few are possible."""
    table = by_name(fields, table, with_target=True)
    codes = []
    for f in fields:
        column = flat(table.columns.column(f.name))
        if f.role == "id" or not hasattr(column, "dictionary_encode"):
            continue
        try:
            indices = column.dictionary_encode(null_encoding="encode").indices
        except (NotImplementedError, ValueError):  # a list or a struct: as its text
            indices = _texts(column).dictionary_encode(null_encoding="encode").indices
        codes.append(arrow.values(indices)[ok].astype(np.int64))
    return _together(content_of(torch.from_numpy(np.stack(codes, 1))))


def _together(content: Tensor) -> tuple[Tensor | None, list[Choice]]:
    _, first, group, sizes = np.unique(content.numpy(), return_index=True, return_inverse=True, return_counts=True)
    copies = int(sizes.sum()) - len(sizes)
    if not copies:
        return None, []
    if len(sizes) < 20 or int(sizes.max()) > 0.05 * len(content):
        return None, [Choice("copies", say("table.copies.apart"), say("table.copies.few", count=len(sizes)))]
    content = torch.from_numpy(first[group])  # by first row, so that one copy more hardly changes the split
    return content, [Choice("copies", say("table.copies.together"), say("table.copies.found", count=copies))]


def _texts(column: pa.Array) -> pa.Array:
    """Lists and structs as text, equal where they are."""
    try:
        return pc.binary_join(pc.cast(column, pa.list_(pa.string())), "\x1f")
    except (pa.ArrowException, NotImplementedError):
        return arrow.texts([str(v) for v in column.to_pylist()])


def _without_large(fields: tuple[Field, ...], path: str) -> tuple[tuple[Field, ...], list[Choice]]:
    """One column a class would be too many for categories with very many classes: they stay out of the matrix."""
    large = [f for f in fields if f.role == "input" and f.kind == "category" and len(f.classes) > MAX_CLASSES]
    why = {f.name: say("table.large", count=len(f.classes), most=MAX_CLASSES) for f in large}
    fields = tuple(replace(f, role="ignored", why=why[f.name]) if f.name in why else f for f in fields)
    if not any(f.role == "input" for f in fields):
        raise DanluError("DL118", where=path, columns="; ".join(f"{n}: {w}" for n, w in why.items()))
    return fields, [Choice("left out", name, text) for name, text in why.items()]


def rows_of_table(
    schema: Schema, cells: Cells, table: Table, pictures: Pictures | None, settings: Settings | None
) -> Columns | PictureRows:
    """The rows without a fault, ready for a loader.

    ``settings`` say by which columns these rows' test is sliced; None where they have no test rows among them.
    """
    kept = np.flatnonzero(cells.ok)
    tensors = to_tensors(schema, cells, with_target=True)
    places = replace(table, columns=pa.table({}), images={})  # names need the lines only, not the cells
    exact = None
    numbers = [f.name for f in schema.targets if f.kind == "number"]
    if schema.task in ("regression", "multitask") and numbers:
        exact = torch.from_numpy(np.stack([cells.numbers[name][kept] for name in numbers], 1).astype(np.float64))
    ready = prepare(schema)
    assert ready is not None  # images are stored as bytes, numbers with NaN
    names = partial(_name, places, kept)
    beside = aside(table, settings.slice, kept) if settings is not None else None
    if pictures is None:
        return Columns(tensors, None, ready, names, exact, beside, schema.heads)
    rest = tensors if schema.layout == "mixed" else tensors[2:]  # an image alone: the targets only
    return rows_of_pictures(pictures, Columns(rest, None, None, names, exact, beside, schema.heads), ready)


def _name(table: Table, kept: np.ndarray, row: int) -> str:
    return table.name(int(kept[row]))


def _open_more(
    schema: Schema, source: Any, part: str, settings: Settings
) -> tuple[Columns | PictureRows, list[Bad], str]:
    """A validation or test table, by the training schema; what it had to leave out, and of what it knows nothing."""
    unnamed = all(f.name == f"column{i + 1}" for i, f in enumerate(schema.fields))
    names = [f.name for f in schema.fields]
    table = read_table(source, settings, header=False if unnamed and _is_text(source) else "auto", names=names)
    rows, bad = labelled_rows(schema, table, part, settings)
    return rows, bad, unseen_categories(schema, table)


def labelled_rows(
    schema: Schema, table: Table, part: str, settings: Settings
) -> tuple[Columns | PictureRows, list[Bad]]:
    """A table's rows by the training schema, and those that had to be left out; DL173 where no row is left."""
    cells = read_cells(schema.fields, table, with_target=True)
    refuse_unknown_classes(schema, cells, part, table.path)
    settle(cells.bad, table, settings)
    images = image_inputs(schema.fields)
    cells, pictures, _ = open_pictures(schema.fields, cells, table, settings, images[0].shape if images else None)
    settle(cells.bad, table, settings)
    if not cells.ok.any():
        raise DanluError("DL173", where=table.path, where_from=table.path)
    sliced = settings if part == "test" else None
    return rows_of_table(schema, cells, table, pictures, sliced), [*table.bad, *cells.bad]


def with_images(schema: Schema, asks: Asks, path: str) -> tuple[Schema, list[Choice]]:
    """The schema of a table with images: an image alone is as of a folder; else what the model gets, in order."""
    if len(schema.inputs) == 1:
        return replace(schema, layout="image"), []
    parts = parts_for(schema.inputs, asks, path)
    why = say("pictures.parts.named" if any(name in parts for name, _ in asks) else "pictures.parts")
    return replace(schema, parts=parts), [Choice("forward", ", ".join(parts), why)]


def _is_text(source: Any) -> bool:
    return isinstance(source, str | Path)
