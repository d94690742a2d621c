"""Arrays and scalars between Arrow, Python and numpy without pyarrow importing pandas, which takes half a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

_MOST = 2**31 - 1  # bytes in one array of texts


def texts(values: Sequence[str | None]) -> pa.Array:
    """``pa.array(values, pa.string())``."""
    parts = [b"" if v is None else v.encode() for v in values]
    ends = np.cumsum([0, *map(len, parts)])
    if ends[-1] > _MOST:
        return pa.array(values, pa.string())  # in several pieces
    valid = pa.py_buffer(_bits([v is not None for v in values])) if None in values else None
    buffers = [valid, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(parts))]
    return pa.Array.from_buffers(pa.string(), len(parts), buffers)


def numbers(values: np.ndarray) -> pa.Array:
    """``pa.array(values)`` of numbers (N,); NaN stays one. They share memory."""
    kept = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(kept.dtype), len(kept), [None, pa.py_buffer(kept)])


def flags(values: np.ndarray) -> pa.Array:
    """``pa.array(values)`` of booleans (N,)."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(_bits(values))])


def one(value: str | bool) -> pa.Scalar:
    """``pa.scalar(value)``."""
    return (texts([value]) if isinstance(value, str) else flags(np.array([value])))[0]


def count(value: int) -> pa.Scalar:
    """``pa.scalar(value, pa.int32())``, the type of lengths and indices."""
    return numbers(np.array([value], dtype=np.int32))[0]


def values(column: pa.Array) -> np.ndarray:
    """``column.to_numpy(zero_copy_only=False)`` of numbers and booleans: NaN where a number is missing."""
    kind, end = column.type, column.offset + len(column)
    flag, number = pa.types.is_boolean(kind), pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if not (flag or number) or (flag and column.null_count):
        return np.asarray(column.to_numpy(zero_copy_only=False))
    letter = "f" if pa.types.is_floating(kind) else "i" if pa.types.is_signed_integer(kind) else "u"
    dtype = np.dtype(bool) if flag else np.dtype(f"{letter}{kind.bit_width // 8}")
    if not len(column):
        return np.empty(0, dtype)
    valid, data = column.buffers()
    if flag:
        return _unpacked(data, column.offset, end)
    found = np.frombuffer(data, dtype, end)[column.offset :]
    if not column.null_count:
        return found
    return np.where(_unpacked(valid, column.offset, end), found, np.nan)


def _unpacked(bits: pa.Buffer, start: int, end: int) -> np.ndarray:
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=end, bitorder="little")[start:].view(bool)


def _bits(values: Sequence[bool] | np.ndarray) -> np.ndarray:
    return np.packbits(np.asarray(values, dtype=bool), bitorder="little")


EMPTY, FALSE, NONE, NO_TEXT = one(""), one(False), count(0), pa.nulls(1, pa.string())[0]
