"""What an object is: arrays, a table, a data set; and what a tuple of them means."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset, TensorDataset

from danlu.data.arrays import Arrays, as_arrays
from danlu.data.labels import is_labels
from danlu.data.seeded import innermost
from danlu.errors import DanluError

_TABLE_MODULES = ("pandas", "pyarrow", "polars")
GLANCE = 50  # rows looked at
_NO_TABLES = ("Series", "Index", "Array", "ChunkedArray")  # columns: one of them is no table


def is_array(value: Any) -> bool:
    """A tensor, ndarray, Series, or list of numbers, strings or arrays; not a table, not a list of samples."""
    if isinstance(value, (Tensor, np.ndarray)):
        return True
    if isinstance(value, list):
        return bool(value) and isinstance(
            value[0], (bool, int, float, str, bytes, list, Tensor, np.ndarray, np.generic)
        )
    if is_table(value) or isinstance(value, (str, bytes, Path, Mapping, tuple)):
        return False
    return hasattr(value, "__array__") or hasattr(value, "toarray")


def is_table(value: Any) -> bool:
    """A pandas, pyarrow or polars table, anything else of Arrow's columns, a list of dicts, or a dict of columns."""
    kind, module = type(value).__name__, type(value).__module__.partition(".")[0]
    if module in _TABLE_MODULES:
        frame = kind in ("DataFrame", "Table", "RecordBatch", "LazyFrame", "RecordBatchReader", "Scanner")
        return frame or (module == "pyarrow" and kind.endswith("Dataset"))
    if isinstance(value, list):
        return bool(value) and all(isinstance(row, Mapping) for row in value[:GLANCE]) and _are_cells(value)
    if isinstance(value, Mapping) and value and not named_parts(value):
        return all(is_array(v) and (is_labels(v) or np.ndim(v) == 1) for v in value.values())
    return hasattr(value, "__arrow_c_stream__") and not kind.endswith(_NO_TABLES) and not isinstance(value, Dataset)


def _are_cells(rows: list[Any]) -> bool:
    """Whether dicts hold cells of a table, lists of labels among them, and not the parts of samples."""
    looked = rows[:GLANCE]
    for name in dict.fromkeys(k for row in looked for k in row):
        values = [row.get(name) for row in looked]
        lists = [v for v in values if isinstance(v, (list, tuple, set, frozenset))]
        if any(isinstance(v, (Tensor, np.ndarray, Mapping)) for v in values) or (lists and not is_labels(lists)):
            return False
    return True


def is_rows(value: Any) -> bool:
    """Rows in memory: a tuple of arrays, a TensorDataset with a target, or named arrays such as sklearn's Bunch.

    Subclasses of TensorDataset and Subset are not: their ``__getitem__`` may be the user's own.
    """
    if isinstance(value, (TensorDataset, Subset)):
        inner = innermost(value)
        return type(inner) is TensorDataset and len(inner.tensors) > 1
    if isinstance(value, tuple):
        return len(value) > 1 and all(map(is_array, value[:-1])) and _is_target(value[-1])
    return isinstance(value, (Arrays, Mapping)) and (isinstance(value, Arrays) or bool(named_parts(value)))


def _is_target(value: Any) -> bool:
    return is_array(value) or is_labels(value)


def rows_of(value: Any, where: str = "row") -> Arrays:
    """The rows of what ``is_rows`` accepts (of named arrays, the training ones); DL174 for anything else."""
    if not is_rows(value):
        raise DanluError("DL174", where=where, type=type(value).__name__)
    if isinstance(value, Arrays):
        return value
    if isinstance(value, tuple):
        return as_arrays(value, where)
    if isinstance(value, Mapping):
        return as_arrays(named_parts(value)["train"], where)
    if isinstance(value, Subset):
        inner, index = rows_of(value.dataset, where), np.asarray(value.indices, dtype=np.int64)
        target = None if inner.target is None else inner.target[index]
        return Arrays(tuple(x[index] for x in inner.inputs), target, where)
    return as_arrays(value.tensors, where)


_PART_KEYS = {  # how npz files and dicts name their arrays: (inputs, labels) by part
    "train": (
        ("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels"), ("train_x", "train_y"),
        ("train_data", "train_labels"), ("x", "y"), ("X", "y"), ("data", "target"), ("images", "labels"),
        ("data", "labels"), ("features", "labels"), ("inputs", "targets"), ("arr_0", "arr_1"),
    ),
    "val": (
        ("x_val", "y_val"), ("X_val", "y_val"), ("x_valid", "y_valid"), ("val_images", "val_labels"),
        ("val_x", "val_y"), ("val_data", "val_labels"),
    ),
    "test": (
        ("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels"), ("test_x", "test_y"),
        ("test_data", "test_labels"),
    ),
}  # fmt: skip


def named_parts(arrays: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """``{"train": (x, y), "test": …}`` of arrays with conventional names; empty when there is no train pair."""
    found = {}
    for part, pairs in _PART_KEYS.items():
        pair = next((p for p in pairs if p[0] in arrays and p[1] in arrays), None)
        if pair is not None and np.ndim(arrays[pair[0]]) >= (1 if pair[0] == "arr_0" else 2):
            found[part] = (arrays[pair[0]], arrays[pair[1]])
    return found if "train" in found else {}


def read_npz(path: Path) -> dict[str, tuple[Any, Any]]:
    """The parts of an .npz file; nothing in it is unpickled. DL161 when it is damaged or its names say nothing."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DanluError("DL161", where=str(path), found=f"{type(error).__name__}: {error}") from error
    parts = named_parts(arrays)
    if not parts:
        raise DanluError("DL161", where=str(path), found=", ".join(f"{k} {v.shape}" for k, v in arrays.items()) or "-")
    return parts


def is_source(value: Any) -> bool:
    """Something that can be a whole data set by itself."""
    files = isinstance(value, list) and bool(value) and all(isinstance(v, (str, Path)) for v in value)
    if files or isinstance(value, (str, Path, DataLoader, Arrays)) or is_table(value) or is_rows(value):
        return True
    return (hasattr(value, "__getitem__") and hasattr(value, "__len__") and not is_array(value)) or _is_iterable(value)


def _is_iterable(value: Any) -> bool:
    return hasattr(value, "__iter__") and not is_array(value) and not isinstance(value, (tuple, Mapping))


def unpacked(data: Any, test: Any, val: Any) -> tuple[Any, Any, Any]:
    """(data, test, val) of a ``(data, test)`` or ``(train, val, test)`` tuple, a table and its labels, named arrays."""
    if isinstance(data, Mapping) and (parts := named_parts(data)):
        return (
            parts["train"],
            test if test is not None else parts.get("test"),
            val if val is not None else parts.get("val"),
        )
    if not isinstance(data, tuple) or is_rows(data):
        return data, test, val
    _refuse_named_targets(data)
    if len(data) == 2 and is_table(data[0]) and (_is_target(data[1]) or _other_columns(*data)):
        return _joined(*data), _joined_or_as_is(test), _joined_or_as_is(val)
    if len(data) not in (2, 3) or not all(map(is_source, data)):
        kinds = ", ".join(type(v).__name__ for v in data[:4]) + (", …" if len(data) > 4 else "")
        raise DanluError("DL174", where="data", type=f"tuple ({kinds})")
    if test is not None or (val is not None and len(data) == 3):
        raise DanluError("DL175", where="data", n=len(data))
    return (data[0], data[1], val) if len(data) == 2 else (data[0], data[2], data[1])


def _refuse_named_targets(data: tuple[Any, ...]) -> None:
    """DL187 for ``(x, {"a": …})``: arrays with several targets, or one sample where all of them are asked for."""
    if len(data) != 2 or not is_array(data[0]) or not isinstance(data[1], Mapping) or not data[1]:
        return
    x, y = data
    line = "[(x, y)]"
    if all(is_array(v) and np.ndim(v) and len(v) == len(x) for v in y.values()):
        line = f"(x, y[{next(iter(y))!r}])"
        if len(y) > 1:
            line = "[(a, dict(zip(y, b))) for a, *b in zip(x, *y.values())]"
    raise DanluError("DL187", where="data", names=", ".join(map(str, y)), line=f"data={line}")


def _column_names(table: Any) -> list[str]:
    names = getattr(table, "column_names", None)
    return list(map(str, names if names is not None else getattr(table, "columns", ())))


def _other_columns(a: Any, b: Any) -> bool:
    sized = is_table(b) and hasattr(a, "__len__") and hasattr(b, "__len__")
    return sized and len(a) == len(b) and set(_column_names(a)).isdisjoint(_column_names(b))


def _joined_or_as_is(value: Any) -> Any:
    pair = isinstance(value, tuple) and len(value) == 2 and is_table(value[0])
    return _joined(*value) if pair else value


def _joined(table: Any, labels: Any) -> Any:
    """A table with its labels as a last column "target" (or under the labels' own names)."""
    from danlu.data.objects import as_column, from_object

    whole = from_object(table)
    if is_table(labels):
        more = dict(zip(_column_names(labels), from_object(labels).columns))
    else:
        more = {_label_name(labels): as_column(labels)}
    for name, values in more.items():
        if len(values) != len(whole):
            raise DanluError("DL162", where="data", lengths=f"{len(whole)}, {len(values)}")
        place = whole.schema.get_field_index(name)
        whole = whole.remove_column(place) if place >= 0 else whole
        whole = whole.append_column(name, values)
    return whole


def _label_name(labels: Any) -> str:
    name = getattr(labels, "name", None)
    return name if isinstance(name, str) and name else "target"
