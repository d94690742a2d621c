"""Labelled data under the schema of a trained model: what its test on other data is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from danlu.data.arrays import drop_bad, encode
from danlu.data.dataset import take_over_held_out
from danlu.data.files import decode_parts, rows_of_files
from danlu.data.folder import check_classes, no_images, part_folders, scan
from danlu.data.foreign import is_hub_dict, is_hub_table
from danlu.data.kinds import is_rows, is_table, rows_of, unpacked
from danlu.data.paths import idx_pair, is_idx_pair, resolved, rows_of_path
from danlu.data.places import is_paths, located, table_files
from danlu.data.raw import table_of
from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.types import Bad, Schema


@dataclass(frozen=True)
class Labelled:
    """Rows with targets, ready for a loader; ``loader`` are the arguments a user's DataLoader brought along."""

    dataset: Any
    bad: tuple[Bad, ...] = ()
    loader: dict[str, Any] = field(default_factory=dict)
    note: str = ""  # what a person should know of these rows


def open_labelled(schema: Schema, data: Any, settings: Settings) -> Labelled:
    """``data`` in the form the model was trained on; of a source with parts the test part, else val, else all.

    Rows are read as in training, by the schema alone: nothing is split, no statistic is made.
    """
    data = idx_pair(data) if is_idx_pair(data) else resolved(data)
    train, test, val = unpacked(data, None, None)
    if is_hub_dict(train):
        from danlu.data.hub import split_up

        train, test, val, _ = split_up(train, None, None)
    data = next(part for part in (test, val, train) if part is not None)
    loader: dict[str, Any] = {}
    if isinstance(data, DataLoader):
        data, loader = take_over_held_out(data)
    if isinstance(data, (str, Path)) or is_paths(data):
        data = _at(located(data))
    if schema.origin == "table" and not (schema.layout == "image" and _is_image_folder(data)):
        return _table(schema, data, settings)
    if schema.origin != "dataset" and (is_table(data) or is_hub_table(data) or _is_table_file(data)):
        return _images(schema, data, settings)
    if isinstance(data, Path):
        if not data.is_dir() or schema.inputs[0].kind != "image":
            raise DanluError("DL174", where=str(data), type=data.suffix or "folder")
        return _folder(schema, data, settings)
    if schema.origin == "dataset" and not is_rows(data):
        return Labelled(data, (), loader)
    if not is_rows(data):
        raise DanluError("DL174", where="data", type=type(data).__name__)
    rows_kept, bad = drop_bad(rows_of(data), settings)
    if schema.origin == "dataset" and not isinstance(data, TensorDataset):  # arrays beside a user's Dataset
        assert rows_kept.target is not None
        return Labelled(TensorDataset(*rows_kept.inputs, torch.from_numpy(rows_kept.target)), tuple(bad), loader)
    return Labelled(encode(schema, rows_kept), tuple(bad), loader)


def _at(place: Path | tuple[Path, ...]) -> Any:
    """The rows, or the files, that a place holds; of one with parts the test part, else val, else all."""
    if isinstance(place, tuple):
        return list(place)
    parts: Mapping[str, Any] = rows_of_path(place)
    if not parts and place.is_dir():
        from danlu.data.hub import saved_parts

        parts = saved_parts(place)[0] or table_files(place)
    found = next((parts[p] for p in ("test", "val", "train") if p in parts), place)
    return list(found) if isinstance(found, tuple) else found


def _is_table_file(data: Any) -> bool:
    """Whether rows lie in files of a table, images among their columns perhaps, and not in a folder of images."""
    if isinstance(data, list):
        return is_paths(data)
    return isinstance(data, Path) and ((data / "state.json").is_file() or data.is_file())


def _table(schema: Schema, source: Any, settings: Settings) -> Labelled:
    from danlu.data.encode import unseen_categories
    from danlu.data.tables import labelled_rows

    table = table_of(schema, source, settings)
    rows, bad = labelled_rows(schema, table, "test", settings)
    return Labelled(rows, tuple(bad), note=unseen_categories(schema, table))


def _images(schema: Schema, source: Any, settings: Settings) -> Labelled:
    """The rows of a table for a model of one image that was not trained on one; DL174 where it has none to give."""
    from danlu.data.as_table import as_table
    from danlu.data.table import read_table
    from danlu.data.tables import labelled_rows

    table = read_table(source, settings)
    found = as_table(schema, table, settings)
    if found is None:
        raise DanluError("DL174", where=table.path or "data", type="table")
    rows, bad = labelled_rows(found, table, "test", settings)
    return Labelled(rows, tuple(bad))


def _is_image_folder(data: Any) -> bool:
    """A folder of classes is as good a test of a model for one image as a table of their files."""
    return isinstance(data, Path) and data.is_dir() and not table_files(data)


def _folder(schema: Schema, path: Path, settings: Settings) -> Labelled:
    folders = part_folders(path)[0]
    files = scan(next(folders[p] for p in ("test", "val", "train") if p in folders))
    if not files.paths:
        raise no_images(path)
    check_classes(files, schema.classes)
    decoded = decode_parts({"test": files}, schema.inputs[0].shape, settings)[0]
    rows = rows_of_files(schema, {"test": files}, decoded, settings)["test"]
    return Labelled(rows, tuple(decoded.bad) if decoded is not None else ())
