"""Lists of labels, one a row: told from matrices of numbers, and turned into a column of 0 and 1 for each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    filled = [r for r in rows if r is not None and len(r)]
    if not filled:
        return False
    if any(isinstance(r, (set, frozenset)) for r in filled[:LOOKED_AT]):
        return True
    elements = [e for r in filled[:LOOKED_AT] for e in r if e is not None]
    if elements and all(isinstance(e, (str, bytes)) for e in elements):
        return True
    whole = all(isinstance(e, (int, np.integer)) and not isinstance(e, bool) for e in elements)
    return whole and len({len(r) for r in rows if r is not None}) > 1


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
    looked = all(v is None or _is_row(v) for v in values[:LOOKED_AT])
    rest = all(v is None or isinstance(v, _SEVERAL) or hasattr(v, "shape") for v in values[LOOKED_AT:])
    return values if len(values) and looked and rest else None


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
    out = np.empty(len(rows), dtype=object)
    out[:] = [None if r is None else _names(r) for r in rows]
    return out


def _names(row: Iterable[Any]) -> tuple[str, ...]:
    found: Iterable[Any] = getattr(row, "tolist", getattr(row, "to_list", lambda: row))()
    names = (label_name(v) for v in found if v is not None)
    return tuple(dict.fromkeys(names))


def label_name(value: Any) -> str:
    """A text itself, a whole number without a point."""
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
