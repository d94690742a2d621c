"""The data room's door: whatever the user names becomes rows, a schema, and what was decided on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from danlu.data.arrays import Arrays, open_arrays
from danlu.data.columns import Columns, Data
from danlu.data.dataset import open_dataset, take_over, take_over_held_out
from danlu.data.foreign import is_hub_dict, is_hub_table
from danlu.data.images import is_image
from danlu.data.inputs import Treatment
from danlu.data.kinds import is_array, is_rows, is_table, rows_of, unpacked
from danlu.data.paths import idx_pair, is_idx_pair, resolved, rows_of_path
from danlu.data.places import is_paths, located
from danlu.data.split import DATASET_VAL_SHARE, TEST_SHARE, VAL_SHARE, split
from danlu.errors import DanluError
from danlu.lookup import is_reference
from danlu.messages import say
from danlu.settings import Settings, changed
from danlu.types import Choice, Schema

__all__ = ["Columns", "Data", "load_data"]

Layout = Literal["columns", "matrix"]
Asks = Sequence[tuple[str, bool]]

_NO_TABLES = {  # suffix -> what to do instead
    ".zip": "zip", ".tar": "zip", ".tgz": "zip", ".7z": "zip", ".rar": "zip",
    ".pt": "object", ".pth": "object", ".npy": "object", ".pkl": "object",
    ".pickle": "object", ".h5": "object", ".hdf5": "object", ".mat": "object", ".safetensors": "object",
}  # fmt: skip


_READ_BY = {"target": ("table",), "ignore": ("table",), "size": ("images",), "max_pixels": ("images",)}


def load_data(
    data: Any, test: Any, val: Any, settings: Settings, *, layout: Layout, own_model: bool, asks: Asks = ()
) -> Data:
    """Open what ``train`` was given; see ``danlu.train`` for all that ``data`` may be.

    ``layout``: how a table's rows reach the model. ``own_model``: the model is the user's own, so that arrays go to it
    as they are; danlu's own models get them standardised. ``asks``: the parameters of that model's forward, name and
    whether it must be given, by which it gets the columns of a table with images. Raises DL131-DL189 for data
    that cannot be used.
    """
    named = _all_named(data, test, val)
    source = str(data) if isinstance(data, (str, Path)) else None
    data, test, val = (idx_pair(d) if is_idx_pair(d) else resolved(d) for d in (data, test, val))
    data, test, val = unpacked(data, test, val)
    splits: list[Choice] = []
    if any(map(is_hub_dict, (data, test, val))):
        from danlu.data.hub import split_up

        data, test, val, splits = split_up(data, test, val)
    if isinstance(data, (str, Path)) or is_paths(data):
        opened = _open_path(located(data), test, val, settings, layout=layout, own_model=own_model, asks=asks)
        choices = (*splits, *opened.choices, *_no_effect(settings, opened.schema))
        return replace(opened, path=(source or str(data)) if named else None, choices=choices)
    as_rows = is_hub_table(data) and not own_model  # a user's own model gets the Dataset itself, item by item
    if is_array(data) and not isinstance(data, list):
        raise DanluError("DL167", where="data")
    name = "table" if as_rows else _name(source, data)
    loader: dict[str, Any] = {}
    if isinstance(data, DataLoader):
        data, loader = take_over(data)
    held_out: dict[str, dict[str, Any]] = {}
    if isinstance(test, DataLoader):
        test, held_out["test"] = take_over_held_out(test)
    if isinstance(val, DataLoader):
        val, held_out["val"] = take_over_held_out(val)
    test, val = (_as_source(d) for d in (test, val))
    brought = {name for each in (loader, *held_out.values()) for name in each}
    if _all_rows(data, test, val) and not brought & {"collate_fn", "sampler", "batch_sampler"}:
        opened = _open_rows(data, test, val, settings, name=name, own_model=own_model)
    elif (as_rows or is_table(data)) and "collate_fn" not in brought:  # with one they are the user's own samples
        opened = _open_table(data, test, val, settings, layout=layout, asks=asks)
    else:
        train, test, val = (_as_dataset(d, name) for d in (data, test, val))
        opened = open_dataset(train, test, val, settings, name=name, loader=loader, own_model=own_model)
    choices = (*splits, *opened.choices, *_no_effect(settings, opened.schema))
    if loader.get("shuffle") is False:
        choices = (*choices, Choice("order", say("data.order.fixed"), say("data.order.fixed.why")))
    path = source if named else None
    return replace(opened, name=name, path=path, loader=loader, held_out=held_out, choices=choices)


def _no_effect(settings: Settings, schema: Schema) -> list[Choice]:
    """Settings of the data that were given and that no reader of this kind of data looks at."""
    given = changed(settings)
    read_by = {
        schema.origin,
        *(["images"] if any(f.kind == "image" for f in schema.inputs) and schema.origin == "table" else []),
    }
    names = [name for name, readers in _READ_BY.items() if name in given and not read_by & set(readers)]
    kind = say(f"data.is.{schema.origin}")
    return [Choice("no effect", ", ".join(names), say("data.no_effect", kind=kind))] if names else []


def _all_named(*parts: Any) -> bool:
    """Whether all parts are paths or "file.py:name", so that another process can open them again."""
    return all(
        part is None
        or isinstance(part, (str, Path))
        or (isinstance(part, (tuple, list)) and bool(part) and _all_named(*part))
        for part in parts
    )


def _name(path: str | None, data: Any) -> str:
    """A short name for the run folder."""
    if path is not None:
        return path.rpartition(":")[2] if is_reference(path) else Path(path).resolve().name.partition(".")[0] or "data"
    if isinstance(data, DataLoader):
        data = data.dataset
    while isinstance(data, Subset):
        data = data.dataset
    if is_rows(data) or is_table(data):
        return "arrays" if is_rows(data) else "table"
    return "samples" if isinstance(data, list) else type(data).__name__.lower()


# ---- objects


def _as_source(part: Any) -> Any:
    """A test or val part: rows of a file of arrays, else itself."""
    if isinstance(part, DataLoader):  # beside a file, whose rows danlu prepares itself
        part, brought = take_over_held_out(part)
        if own := [name for name in ("collate_fn", "sampler", "batch_sampler") if name in brought]:
            raise DanluError("DL185", where="DataLoader", names=", ".join(own))
        return part
    if isinstance(part, (str, Path)) or is_paths(part):
        place = located(part)
        rows = rows_of_path(place) if isinstance(place, Path) else {}
        return rows.get("test", rows["train"]) if rows else part
    return part


def _all_rows(*parts: Any) -> bool:
    return all(part is None or is_rows(part) for part in parts)


def _as_dataset(part: Any, name: str) -> Any:
    """A part beside a user's Dataset: arrays become a TensorDataset; DL174 for what cannot be read sample by sample."""
    if part is None:
        return None
    if is_rows(part) and not isinstance(part, Dataset):
        rows = rows_of(part)
        columns = as_columns(rows)
        return TensorDataset(*columns)
    if hasattr(part, "__next__"):
        raise DanluError("DL178", where=name, type=type(part).__name__)
    readable = hasattr(part, "__getitem__") and (hasattr(part, "__len__") or isinstance(part, Dataset))
    readable = readable and not isinstance(part, IterableDataset)
    if not (readable or hasattr(part, "__iter__")) or isinstance(part, (str, bytes, dict, type)):
        raise DanluError("DL174", where=name, type=type(part).__name__)
    if readable:
        _check_length(part)
    return part


def _check_length(dataset: Any) -> None:
    """DL189 where a dataset's ``__len__`` fails, or gives no count."""
    try:
        len(dataset)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise DanluError("DL189", where=type(dataset).__name__, type=type(dataset).__name__, reason=reason) from error


def as_columns(rows: Arrays) -> tuple[Any, ...]:
    import torch

    return (*rows.inputs, torch.from_numpy(rows.target)) if rows.target is not None else rows.inputs


def _open_rows(data: Any, test: Any, val: Any, settings: Settings, *, name: str, own_model: bool) -> Data:
    of_user = isinstance(data, Dataset)
    treatment: Treatment = "standardise" if not own_model else "untouched" if of_user else "keep"
    train, test, val = (None if part is None else rows_of(part, where) for part, where in _called(data, test, val))
    assert train is not None
    shares = (DATASET_VAL_SHARE, 0.0) if of_user else (VAL_SHARE, TEST_SHARE)
    return open_arrays(train, test, val, settings, name=name, treatment=treatment, shares=shares)


def _called(data: Any, test: Any, val: Any) -> tuple[tuple[Any, str], ...]:
    return (data, "row"), (test, "test row"), (val, "val row")


# ---- paths


def _open_table(data: Any, test: Any, val: Any, settings: Settings, *, layout: Layout, asks: Asks) -> Data:
    from danlu.data.tables import open_tables

    return open_tables(data, test, val, settings, layout=layout, split=split, asks=asks)


def _open_path(
    path: Path | tuple[Path, ...],
    test: Any,
    val: Any,
    settings: Settings,
    *,
    layout: Layout,
    own_model: bool,
    asks: Asks,
) -> Data:
    rows = rows_of_path(path) if isinstance(path, Path) else {}
    if rows and isinstance(path, Path):
        test = rows.get("test") if test is None else _as_source(test)
        val = rows.get("val") if val is None else _as_source(val)
        test, val = (None if p is None else rows_of(p) for p in (test, val))
        name, npz = _name(str(path), None), path.suffix.lower() == ".npz"
        treatment: Treatment = "keep" if npz and own_model else "standardise"  # images of files are danlu's own source
        origin: Literal["arrays", "idx"] = "arrays" if npz else "idx"
        return open_arrays(rows["train"], test, val, settings, name=name, origin=origin, treatment=treatment)
    said: list[Choice] = []
    name = _name(str(path if isinstance(path, Path) else path[0].parent), None)
    if isinstance(path, Path) and path.is_dir():
        from danlu.data.folder import open_folder
        from danlu.data.hub import saved_parts

        parts, said = saved_parts(path)
        if not parts:
            parts, said = _folder_of_tables(path)
        if not parts:
            return open_folder(path, test, val, settings)
        path = parts["train"]
        test, val = (parts.get(p) if given is None else given for p, given in (("test", test), ("val", val)))
    for file in path if isinstance(path, tuple) else (path,):
        suffix = Path(file.name.lower().removesuffix(".gz")).suffix
        kind = "image" if is_image(file) else _NO_TABLES.get(suffix)
        if kind is not None:
            reason, line = say(f"data.{kind}"), say(f"data.{kind}.line")
            raise DanluError("DL151", where=str(file), suffix=suffix, reason=reason, line=line)
    train, test, val = (list(p) if isinstance(p, tuple) else p for p in (path, test, val))
    opened = _open_table(train, test, val, settings, layout=layout, asks=asks)
    return replace(opened, name=name or opened.name, choices=(*said, *opened.choices))


def _folder_of_tables(path: Path) -> tuple[dict[str, Any], list[Choice]]:
    """The parts of a folder that holds tables, and the files that were taken for each when there are several."""
    from danlu.data.places import table_files

    found = table_files(path)
    shown = {
        part: files.name if isinstance(files, Path) else say("files.number", count=len(files))
        for part, files in found.items()
    }
    taken = ", ".join(f"{part}: {files}" for part, files in shown.items())
    return dict(found), [Choice("parts", taken, say("files.parts"))] if len(found) > 1 else []
