"""Lists of labels, one a row: told from matrices of numbers, and turned into a column of 0 and 1 for each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.errors import DanluError, did_you_mean

_SEVERAL = (list, tuple, set, frozenset)
LOOKED_AT = 1000  # rows whose elements are looked at


def is_labels(values: Any) -> bool:
    """Whether rows are lists of labels: texts, sets, or class numbers in lists of several lengths.

    Whole numbers in lists of one length are a matrix: they could be anything.
    """
    rows = _rows(values)
    if rows is None:
        return False
    filled = list(islice((r for r in rows if r is not None and len(r)), LOOKED_AT))
    if any(isinstance(r, (set, frozenset)) for r in filled):
        return True
    elements = [e for r in filled for e in r if e is not None]
    if elements and all(isinstance(e, (str, bytes)) for e in elements):
        return True
    if not elements or not all(isinstance(e, (int, np.integer)) and not isinstance(e, bool) for e in elements):
        return False
    size = len(filled[0])
    return any(r is not None and len(r) != size for r in rows)


def _rows(values: Any) -> Sequence[Any] | None:
    """The rows, if each is a list, tuple, set or 1-d array (or missing); else None. Strings are no lists."""
    if isinstance(values, (Tensor, str, bytes)) or (isinstance(values, np.ndarray) and values.dtype != object):
        return None
    if hasattr(values, "to_pylist"):  # pyarrow's
        values = values.to_pylist() if "list" in str(getattr(values, "type", "")) else ()
    elif not isinstance(values, (list, tuple)):
        if len(getattr(values, "shape", ())) != 1 or not hasattr(values, "__iter__"):
            return None
        if not _is_row(next((v for v in values if v is not None), None)):
            return None
        values = list(values)
    return values if len(values) and all(v is None or _is_row(v) for v in values[:LOOKED_AT]) else None


def _is_row(value: Any) -> bool:
    if isinstance(value, _SEVERAL):
        return not any(hasattr(v, "__len__") and not isinstance(v, (str, bytes)) for v in value)
    if isinstance(value, (str, bytes, Tensor)):
        return False
    return len(getattr(value, "shape", ())) == 1 and hasattr(value, "__iter__")  # an array, or a Series of polars


def as_lists(values: Any) -> np.ndarray:
    """Rows of labels as one object array (N,): a tuple of names each, None where missing."""
    rows = _rows(values)
    assert rows is not None
    known: dict[tuple[Any, ...], tuple[str, ...]] = {}
    found: list[tuple[str, ...] | None] = []
    for i, row in enumerate(rows):
        if row is None:
            found.append(None)
            continue
        if not (isinstance(row, _SEVERAL) or hasattr(row, "shape")):
            raise DanluError("DL163", where="y", found=f"row {i}: {type(row).__name__}")
        key = tuple(row)
        if key not in known:
            known[key] = _names(sorted(key, key=str) if isinstance(row, (set, frozenset)) else key)
        found.append(known[key])
    out = np.empty(len(rows), dtype=object)
    out[:] = found
    return out


def _names(row: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label_name(v) for v in row if v is not None))


def label_name(value: Any) -> str:
    """A text itself, a whole number without a point."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bytes):
        return value.decode()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def label_names(lists: np.ndarray) -> set[str]:
    """All names in the rows of ``as_lists``."""
    return {name for row in lists for name in row or ()}


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """By number where all are whole numbers, else by code point."""
    found = list(names)
    return tuple(sorted(found, key=int if all(n.lstrip("-").isdecimal() for n in found) else None))


def indicators(lists: np.ndarray, classes: Sequence[str], part: str = "") -> Tensor:
    """1.0 where a row has a label (N, L) float32. DL155 for a label that training never had."""
    place = {name: i for i, name in enumerate(classes)}
    sizes = np.array([len(r or ()) for r in lists], dtype=np.int64)
    at = np.array([place.get(name, -1) for row in lists for name in row or ()], dtype=np.int64)
    rows = np.repeat(np.arange(len(lists)), sizes)
    if len(at) and at.min() < 0:
        new = [name for row in lists for name in row or () if name not in place]
        name = max(new, key=new.count) if len(new) < LOOKED_AT else new[0]
        raise DanluError("DL155", where=part, name=name, count=new.count(name), near=did_you_mean(name, classes))
    out = torch.zeros(len(lists), len(classes))
    out[torch.from_numpy(rows), torch.from_numpy(at)] = 1.0
    return out
