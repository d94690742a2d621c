"""Tables with a column of image files, as Hugging Face's ``Image`` keeps them: rows of images and a target column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from danlu.data import arrow
from danlu.data.arrays import Arrays, check_limit, encode, open_arrays, some
from danlu.data.columns import Data
from danlu.data.encode import Cells, by_name, read_cells, refuse_unknown_classes
from danlu.data.files import Files, decode_parts, image_shape, open_files, rows_of_files
from danlu.data.images import ImageFiles, StoredImage, decode_all
from danlu.data.infer import infer_target
from danlu.data.labels import as_lists
from danlu.data.locate import stored_images
from danlu.data.table import Table, read_table
from danlu.data.tables import settle
from danlu.data.typed import holds_images
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice, Field, Schema


def image_column(columns: pa.Table) -> str | None:
    """The first column of image files."""
    return next((str(name) for name in columns.column_names if holds_images(columns, name)), None)


def has_heads(table: Table, settings: Settings) -> bool:
    """Whether a table with a column of image files has several targets, each to be answered by a head of its own."""
    name = image_column(table.columns)
    return name is not None and infer_target(_without(table, name), settings)[1] == "multitask"


def open_pictures(table: Table, test: Any, val: Any, settings: Settings) -> Data:
    """The data of a table whose input is its column of images, decoded by the rule of image files.

    Classes are trained on like a folder's; several labels or numbers a row like arrays of pixels, held in memory.
    """
    name = image_column(table.columns)
    assert name is not None
    fields, task, said = infer_target(_without(table, name), settings)
    rest = [n for n in table.names if n != name and n not in [f.name for f in fields]]
    choices = [*table.choices, *said, Choice("input", name, say("data.image.files"))]
    if rest:
        choices.append(Choice("left out", some(rest, 8), say("hub.columns")))
    tables = {"train": table}
    for part, given in (("val", val), ("test", test)):
        if given is not None:
            tables[part] = read_table(given, settings)
    bad: list[Bad] = [b for t in tables.values() for b in t.bad]
    read = {part: _read(fields, t, name, part, settings, bad) for part, t in tables.items()}
    open_parts = _open_classes if task == "classification" else _open_values
    opened = open_parts(fields, read, settings)
    return replace(opened, name=_name(table), choices=(*choices, *opened.choices), bad=(*bad, *opened.bad))


def _without(table: Table, name: str) -> Table:
    return replace(table, columns=table.columns.drop_columns([name]))


def _name(table: Table) -> str:
    return table.path.replace("\\", "/").rstrip("/").rpartition("/")[2].partition(".")[0] or "images"


Read = tuple[tuple[StoredImage, ...], Cells]


def _read(fields: tuple[Field, ...], table: Table, name: str, part: str, settings: Settings, bad: list[Bad]) -> Read:
    """A part's images and target cells; rows without a label are in ``bad``, or stop the run."""
    by_name((Field(name, "image", "input"), *fields), table, with_target=True)  # DL119 names what lacks
    cells = read_cells(fields, _without(table, name), with_target=True)
    if part != "train" and fields[0].kind != "number":
        refuse_unknown_classes(Schema(fields, "classification"), cells, part, table.path)
    settle(cells.bad, table, settings)
    bad += cells.bad
    return stored_images(table, name), cells


def _files(fields: tuple[Field, ...], read: Read) -> Files:
    images, cells = read
    kept = np.flatnonzero(cells.ok).tolist()
    labels = cells.labels[fields[0].name].filter(arrow.flags(cells.ok)).to_pylist()
    return Files(tuple(images[i] for i in kept), tuple(labels))


def _open_classes(fields: tuple[Field, ...], read: dict[str, Read], settings: Settings) -> Data:
    parts = {part: _files(fields, one) for part, one in read.items()}
    seen = set(parts["train"].classes)
    classes = tuple(c for c in fields[0].classes if c in seen)
    opened = open_files(parts, classes, settings)
    label = replace(opened.schema.targets[0], name=fields[0].name, why=fields[0].why)
    schema = replace(opened.schema, fields=(*opened.schema.inputs, label))
    rows = opened.parts
    carried = {part: files.labels.numpy() for part, files in rows.items() if isinstance(files, ImageFiles)}
    return Data(
        "images",
        rows["train"],
        rows.get("val"),
        rows.get("test"),
        schema,
        tuple(opened.choices),
        tuple(opened.bad),
        labels=carried,
    )


def _open_values(fields: tuple[Field, ...], read: dict[str, Read], settings: Settings) -> Data:
    shape, choices = image_shape(read["train"][0], settings)
    bad: list[Bad] = []
    parts = {part: _arrays(fields, one, shape, settings, bad) for part, one in read.items()}
    data = open_arrays(parts["train"], parts.get("test"), parts.get("val"), settings, name="images")
    return replace(data, choices=(*choices, *data.choices), bad=(*bad, *data.bad))


def _arrays(
    fields: tuple[Field, ...], read: Read, shape: tuple[int, ...], settings: Settings, bad: list[Bad]
) -> Arrays:
    """Pixels (N, C, H, W) and targets of a part; images that cannot be read are left out or stop the run."""
    images, cells = read
    kept = np.flatnonzero(cells.ok)
    pixels, wrong = decode_all([images[i] for i in kept.tolist()], shape, settings.max_pixels)
    if wrong and settings.on_bad != "skip":
        raise next(iter(wrong.values()))
    found = [Bad(e.where, e.what) for e in wrong.values()]
    check_limit(found, len(kept), settings)
    bad += found
    good = np.array([i for i in range(len(kept)) if i not in wrong], dtype=np.int64)
    target = _values(fields, cells)[kept[good]]
    return Arrays((pixels[torch.from_numpy(good)],), target)


def _values(fields: tuple[Field, ...], cells: Cells) -> np.ndarray:
    """Lists of labels (N,), or numbers (N,) or (N, T)."""
    if fields[0].name in cells.lists:
        return as_lists(cells.lists[fields[0].name])
    columns = np.stack([cells.numbers[f.name] for f in fields], 1)
    return columns[:, 0] if len(fields) == 1 else columns


# ---- under the schema of a trained model


def labelled_pictures(schema: Schema, table: Table, settings: Settings) -> tuple[Any, tuple[Bad, ...]]:
    """Images and targets of a table, as training had them, and the rows left out."""
    name = image_column(table.columns)
    if name is None:
        raise DanluError("DL174", where=table.path or "data", type="table")
    if schema.task != "classification" or schema.origin != "images":
        return _labelled_values(schema, table, name, settings)
    bad: list[Bad] = list(table.bad)
    files = _files(schema.targets, _read(schema.targets, table, name, "test", settings, bad))
    decoded = decode_parts({"test": files}, schema.inputs[0].shape, settings)[0]
    rows = rows_of_files(schema, {"test": files}, decoded, settings)["test"]
    return rows, (*bad, *(decoded.bad if decoded is not None else ()))


def _labelled_values(schema: Schema, table: Table, name: str, settings: Settings) -> tuple[Any, tuple[Bad, ...]]:
    """The target is the table's own by its name or shape: a model of arrays keeps no column's name."""
    fields, _, _ = infer_target(_without(table, name), replace(settings, task=schema.task))
    bad: list[Bad] = list(table.bad)
    read = _read(fields, table, name, "train", settings, bad)
    part = _arrays(fields, read, schema.inputs[0].shape, settings, bad)
    return encode(schema, part), tuple(bad)
