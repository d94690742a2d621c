"""Raw input for predict: files, folders, tables, rows and arrays, prepared as in training, batch by batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from danlu.data.foreign import is_hub_dict, is_hub_table
from danlu.data.images import is_image, threaded
from danlu.data.inputs import as_tensor
from danlu.data.kinds import is_table
from danlu.data.paths import resolved
from danlu.data.places import existing, is_table_file, table_files
from danlu.data.prepare import prepare
from danlu.data.rawitems import Item, as_bad, expanded, find_items
from danlu.data.seeded import uneven
from danlu.data.user import parts_of, user_error
from danlu.errors import DanluError
from danlu.lookup import is_reference
from danlu.settings import Settings
from danlu.types import Bad, Schema

if TYPE_CHECKING:
    from danlu.data.encode import Cells
    from danlu.data.table import Table


Collate = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class RawBatch:
    """Some inputs, in order: ``tensors`` has a row for each of ``keys``, ready for the model, without a target.

    ``bad`` are the inputs of this stretch that could not be read; ``tensors`` is None when all were bad.
    """

    keys: tuple[str, ...]
    tensors: tuple[Any, ...] | None
    bad: tuple[Bad, ...] = ()
    note: str = ""  # what a person should know of the whole source; on its first batch


def raw_batches(
    schema: Schema, inputs: Any, *, batch_size: int = 256, max_pixels: int = 100_000_000
) -> Iterator[RawBatch]:
    """Inputs of any form the schema can read, in order.

    Images: paths, folders (every image below), patterns, Pillow images, arrays, IDX and .npz files. Tables: files,
    objects, one row as a dict. Arrays: what training was given, or one sample. A user's dataset: tensors, a
    dataset of his, or "file.py:name". Several of them in a list. An input that cannot be read is reported in ``bad``;
    input that cannot be understood as a whole raises (DL150, DL174, DL180).
    """
    inputs = resolved(inputs)
    collate: Collate = default_collate
    if isinstance(inputs, DataLoader):
        if inputs.batch_sampler is not None:  # else its collate_fn gets no list of samples
            collate = inputs.collate_fn
        inputs = inputs.dataset
    if isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], (str, Path)):
        inputs = inputs[0]  # one word of a command line
        if is_reference(inputs):
            return raw_batches(schema, inputs, batch_size=batch_size, max_pixels=max_pixels)
    if isinstance(inputs, (str, Path)) and (Path(inputs).expanduser() / "dataset_dict.json").is_file():
        from danlu.data.hub import saved_test

        inputs = saved_test(Path(inputs).expanduser())
    if is_hub_dict(inputs):
        inputs = next(inputs[name] for name in ("test", *inputs) if name in inputs)
    if schema.origin == "table" and not (schema.layout == "image" and _are_images(inputs)):
        return _tables(schema, inputs, batch_size, max_pixels)
    if schema.origin == "dataset":
        return _samples(schema, inputs, batch_size, collate)
    if schema.inputs[0].kind == "image" and _is_table(inputs):  # the model was trained on no table
        from danlu.data.as_table import images_of

        if (found := images_of(schema, inputs)) is not None:
            return _tables(*found, batch_size, max_pixels)
    return _items(schema, inputs, batch_size, max_pixels)


# ---- tables


def _is_table(inputs: Any) -> bool:
    """Whether rows of a table are given, be it by the name of their file."""
    if isinstance(inputs, (str, Path)):
        return is_table_file(Path(inputs).expanduser())
    return is_hub_table(inputs) or is_table(inputs)


def _are_images(inputs: Any) -> bool:
    """Whether images themselves are given to a model of one image, and not a table of their files."""
    if isinstance(inputs, (str, Path)):
        path = Path(inputs).expanduser()
        return is_image(path) or (path.is_dir() and not table_files(path))
    if isinstance(inputs, list) and inputs and isinstance(inputs[0], (str, Path)):
        return _are_images(inputs[0])
    return (
        not is_table(inputs) and not is_hub_table(inputs) and not isinstance(inputs, Mapping) and not _are_rows(inputs)
    )


def _are_rows(inputs: Any) -> bool:
    return isinstance(inputs, list) and bool(inputs) and isinstance(inputs[0], Mapping)


def _tables(schema: Schema, inputs: Any, batch_size: int, max_pixels: int) -> Iterator[RawBatch]:
    from danlu.data.encode import read_cells, to_tensors, unseen_categories

    settings = Settings(on_bad="skip", bad_limit=1.0)  # bad rows are reported and left out, never fatal
    ready = prepare(schema)
    assert ready is not None  # numbers are stored with NaN, images as bytes
    several = isinstance(inputs, list) and len(inputs) > 1 and _are_paths(inputs)
    for source in _table_sources(schema, inputs):
        try:
            table = table_of(schema, source, settings)
            cells = read_cells(schema.fields, table, with_target=False)
        except DanluError as error:
            if not several:
                raise
            yield RawBatch((), None, (as_bad(error, str(source)),))
            continue
        tensors = to_tensors(schema, cells, with_target=False)
        good = torch.from_numpy(np.flatnonzero(cells.ok))
        lost: tuple[Bad, ...] = (*table.bad, *cells.bad)
        note = unseen_categories(schema, table)
        if not len(good):
            yield RawBatch((), None, lost)
        for start in range(0, len(good), batch_size):
            rows = good[start : start + batch_size].tolist()
            stretch = tuple(t[start : start + len(rows)] for t in tensors)
            rows, stretch, broken = _with_images(schema, cells, table, rows, stretch, max_pixels)
            batch = ready(stretch) if rows else None
            first = (lost, note) if start == 0 else ((), "")
            yield RawBatch(tuple(map(table.name, rows)), batch, (*first[0], *broken), first[1])


def _with_images(
    schema: Schema, cells: Cells, table: Table, rows: list[int], stored: tuple[Tensor, ...], max_pixels: int
) -> tuple[list[int], tuple[Tensor, ...], list[Bad]]:
    """Rows with their images decoded in front of what else is stored of them; those that cannot be are left out."""
    from danlu.data.image_columns import decode_columns

    fields = [f for f in schema.inputs if f.kind == "image"]
    if not fields:
        return rows, stored, []
    columns = [[cells.images[f.name][row] for row in rows] for f in fields]
    pixels, wrong = decode_columns(columns, fields[0].shape, max_pixels)
    keep = torch.tensor([i for i in range(len(rows)) if i not in wrong], dtype=torch.int64)
    stored = (*pixels, *(stored if schema.layout == "mixed" else ()))
    bad = [Bad(table.name(rows[i]), text) for i, text in sorted(wrong.items())]
    return [rows[i] for i in keep.tolist()], tuple(t[keep] for t in stored) if wrong else stored, bad


def table_of(schema: Schema, source: Any, settings: Settings) -> Table:
    """A table read as the training one was: without a header when that had none."""
    from danlu.data.table import read_table

    if isinstance(source, (str, Path)) and is_image(Path(source)):
        raise DanluError("DL183", where=str(source), columns=", ".join(f.name for f in schema.inputs[:6]))
    unnamed = all(f.name == f"column{i + 1}" for i, f in enumerate(schema.fields))
    header: bool | str = False if unnamed and isinstance(source, (str, Path)) else "auto"
    return read_table(source, settings, header=header, names=[f.name for f in schema.fields])


def _table_sources(schema: Schema, inputs: Any) -> Iterator[Any]:
    """Tables, one after the other."""
    if is_hub_table(inputs):
        yield inputs
    elif isinstance(inputs, (str, Path)):
        yield from expanded(inputs)
    elif isinstance(inputs, Mapping) and not is_table(inputs):  # one row
        yield [dict(inputs)]
    elif isinstance(inputs, list) and inputs and isinstance(inputs[0], (str, Path)) and _are_paths(inputs):
        for path in inputs:
            yield from expanded(path) if Path(path).expanduser().exists() else [path]
    elif _are_rows(inputs):  # of which some cells are images
        yield inputs
    elif isinstance(inputs, (np.ndarray, Tensor)) or (isinstance(inputs, list) and inputs and not is_table(inputs)):
        rows = np.atleast_2d(np.asarray(inputs, dtype=object))
        names = [f.name for f in schema.inputs]
        if rows.shape[1] != len(names):
            raise DanluError("DL168", expected=(len(names),), found=tuple(rows.shape[1:]))
        yield [dict(zip(names, row)) for row in rows.tolist()]
    else:
        yield inputs


def _are_paths(values: Sequence[Any]) -> bool:
    return all(isinstance(v, (str, Path)) for v in values) and any(Path(v).expanduser().exists() for v in values)


# ---- images and arrays


def _items(schema: Schema, inputs: Any, batch_size: int, max_pixels: int) -> Iterator[RawBatch]:
    """Rows of files, images and arrays: a stretch of ``batch_size`` is decoded by threads, then prepared."""
    ready = prepare(schema)
    found = find_items(schema, inputs, max_pixels, alone=True)
    rows = (row for item in found for row in (item.pieces(batch_size) if isinstance(item, Item) else [item]))
    while stretch := _stretch(rows, batch_size):
        made = threaded(_made, stretch) if len(stretch) > 1 else [_made(stretch[0])]
        good = [m for m in made if not isinstance(m, Bad)]
        bad = tuple(m for m in made if isinstance(m, Bad))
        keys = tuple(k for keys, _ in good for k in keys)
        tensors = tuple(torch.cat(parts) for parts in zip(*(t for _, t in good)))
        yield RawBatch(keys, (tensors if ready is None else ready(tensors)) if keys else None, bad)


def _stretch(rows: Iterator[Item | Bad], size: int) -> list[Item | Bad]:
    """The next items, until they have ``size`` rows or more."""
    out: list[Item | Bad] = []
    count = 0
    while count < size and (row := next(rows, None)) is not None:
        out.append(row)
        count += len(row.keys) if isinstance(row, Item) else 1
    return out


def _made(item: Item | Bad) -> tuple[tuple[str, ...], tuple[Tensor, ...]] | Bad:
    if isinstance(item, Bad):
        return item
    try:
        return item.keys, item.make()
    except DanluError as error:
        return as_bad(error, item.keys[0])


# ---- a user's own dataset


def _samples(schema: Schema, inputs: Any, batch_size: int, collate: Collate) -> Iterator[RawBatch]:
    """Tensors as they are, or the inputs of each sample of a dataset; nothing is changed."""
    names = [f.name for f in schema.inputs]
    if isinstance(inputs, list) and inputs and all(isinstance(v, (str, Path)) for v in inputs):
        for one in inputs:
            yield from raw_batches(schema, one, batch_size=batch_size)
        return
    if isinstance(inputs, (str, Path)):
        inputs = _array_file(existing(inputs))
    if _is_tensor(inputs) or (isinstance(inputs, tuple) and all(map(_is_tensor, inputs)) and len(inputs) == len(names)):
        tensors = tuple(as_tensor(v) for v in (inputs if isinstance(inputs, tuple) else (inputs,)))
        if tensors[0].ndim == len(schema.inputs[0].shape):  # one sample
            tensors = tuple(t[None] for t in tensors)
        for start in range(0, len(tensors[0]), batch_size):
            piece = tuple(t[start : start + batch_size] for t in tensors)
            yield RawBatch(tuple(f"row {start + i}" for i in range(len(piece[0]))), piece)
        return
    rows = _dataset_rows([inputs] if _is_sample(schema, inputs) else inputs)
    while stretch := list(itertools.islice(rows, batch_size)):
        good = [(k, v) for k, v in stretch if not isinstance(v, Bad)]
        bad = tuple(v for _, v in stretch if isinstance(v, Bad))
        batch = _together(good, names, collate) if good else None
        yield RawBatch(tuple(k for k, _ in good), batch, bad)


def _together(samples: Sequence[tuple[str, Any]], names: Sequence[str], collate: Collate) -> tuple[Any, ...]:
    """The inputs of a few samples as one batch: by the user's collate_fn, which gets them whole, or by torch's."""
    if collate is not default_collate:
        return _inputs_of(collate([sample for _, sample in samples]), names)
    inputs = [_inputs_of(sample, names) for _, sample in samples]
    try:
        return tuple(default_collate(inputs))
    except (RuntimeError, TypeError, ValueError) as error:
        where, what = uneven(inputs, [key for key, _ in samples])
        raise DanluError("DL192", where=where or samples[0][0], error=what or str(error)) from error


def _array_file(path: Path) -> Any:
    """The array of an .npy file, as training's dataset gave it to the model."""
    if path.suffix.lower() != ".npy":
        raise DanluError("DL181", where=str(path))
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DanluError("DL163", where=str(path), found=str(error)) from error


def _is_tensor(value: Any) -> bool:
    return isinstance(value, (Tensor, np.ndarray))


def _is_sample(schema: Schema, value: Any) -> bool:
    """Whether a tuple is one sample with its target, as ``dataset[0]`` gives it, and not several inputs."""
    shapes = [f.shape for f in schema.inputs]
    if not isinstance(value, tuple) or len(value) != len(shapes) + 1 or not all(map(_is_tensor, value[:-1])):
        return False
    last = tuple(value[-1].shape) if _is_tensor(value[-1]) else None
    return [tuple(v.shape) for v in value[:-1]] == shapes and last != shapes[-1]


def _dataset_rows(inputs: Any) -> Iterator[tuple[str, Any]]:
    """``("[i]", the sample or Bad)`` of a dataset, an iterable or a list of samples."""
    if isinstance(inputs, Mapping):  # one sample
        inputs = [inputs]
    if not (hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__")):
        if not hasattr(inputs, "__iter__"):
            raise DanluError("DL174", type=type(inputs).__name__)
        for i, sample in enumerate(inputs):
            yield f"[{i}]", sample
        return
    for i in range(len(inputs)):
        try:
            yield f"[{i}]", inputs[i]
        except Exception as error:
            found = error if isinstance(error, DanluError) else user_error(i, error)
            yield f"[{i}]", as_bad(found, f"[{i}]")


def _inputs_of(sample: Any, names: Sequence[str]) -> tuple[Any, ...]:
    """The parts of a sample that are inputs; one that has no target besides them is taken as it is."""
    parts = parts_of(sample)
    return tuple(parts[n] for n in names) if all(n in parts for n in names) else tuple(parts.values())[: len(names)]
