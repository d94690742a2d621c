"""Arrow's many types as the few that tables know: dictionaries decoded, class numbers by name, decimals as numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.cells import flat, is_list
from danlu.errors import DanluError

_DAY = 86400e6  # microseconds


def plain(columns: pa.Table) -> pa.Table:
    """The same columns in few types: bool, whole and real numbers, dates, ``string``, lists of these; and what is left.

    Dictionaries (pandas' and polars' categories) are decoded; numbers of named classes, as Hugging Face's
    ``ClassLabel`` keeps them, become their names, negative ones missing. Decimals become float64; durations and
    times of day become float64 days, as dates are.
    """
    names, features = columns.column_names, features_of(columns)
    out = [_typed(_named(flat(c), features.get(n))) for n, c in zip(names, columns.columns)]
    return pa.table(out, names=names, metadata=columns.schema.metadata)


def features_of(columns: pa.Table) -> dict[str, Any]:
    """What Hugging Face's ``datasets`` wrote about a table's columns, in memory or in its files: name -> feature."""
    try:
        about = json.loads((columns.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
    except (ValueError, AttributeError):  # not theirs
        return {}
    return features if isinstance(features, dict) else {}


def kind_of(feature: Any) -> str:
    """ "ClassLabel", "Image", "Value", … ; "List" for the three ways in which a list was written over the years."""
    if isinstance(feature, list):
        return "List"
    kind = str(feature.get("_type", "")) if isinstance(feature, dict) else ""
    return "List" if kind in ("Sequence", "LargeList") else kind


def _named(column: pa.Array, feature: Any) -> pa.Array:
    """Class numbers as class names, in lists too."""
    if kind_of(feature) == "List":
        inner = feature[0] if isinstance(feature, list) else feature.get("feature")
        if kind_of(inner) != "ClassLabel" or not is_list(column.type):
            return column
        column = _as_list(column)
        return _with_values(column, _named(pc.list_flatten(column), inner))
    if kind_of(feature) != "ClassLabel" or not pa.types.is_integer(column.type):
        return column
    names: Sequence[str] = feature.get("names") or ()
    largest = pc.max(column).as_py()
    if largest is None or largest >= len(names):
        return column
    known = pc.if_else(pc.less(column, 0), pa.scalar(None, column.type), column)
    return pa.array([str(n) for n in names], pa.string()).take(known)


def _typed(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = _decoded(column)
        kind = column.type
    if isinstance(kind, pa.ExtensionType):
        return _typed(column.storage)
    if is_list(kind):
        column = _as_list(column)
        values = pc.list_flatten(column)
        typed = _typed(values)
        return column if typed.type == values.type else _with_values(column, typed)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
        return _to_string(column)
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pc.cast(column, pa.float64())
    if pa.types.is_duration(kind):
        return pc.divide(pc.cast(pc.cast(column, pa.duration("us"), safe=False), pa.int64()), _DAY)
    if pa.types.is_time(kind):
        return pc.divide(pc.cast(pc.cast(column, pa.time64("us"), safe=False), pa.int64()), _DAY)
    return column


def _to_string(column: pa.Array) -> pa.Array:
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException as e:  # more than 2 GB of text
        raise DanluError("DL100", reason=str(e).splitlines()[0]) from e


def _decoded(column: pa.Array) -> pa.Array:
    values = column.dictionary
    if pa.types.is_string_view(values.type) or pa.types.is_large_string(values.type):
        values = _to_string(values)
    return values.take(column.indices)


def _as_list(column: pa.Array) -> pa.Array:
    """Any kind of list as the common one."""
    return column if pa.types.is_list(column.type) else pc.cast(column, pa.list_(column.type.value_type))


def _with_values(column: pa.Array, values: pa.Array) -> pa.Array:
    """The same lists over other values: ``values`` replaces ``list_flatten(column)``, which skips missing lists."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=pc.is_null(column) if column.null_count else None)
