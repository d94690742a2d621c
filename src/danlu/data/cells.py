"""What single cells mean: numbers, dates, missing values, class names, lists of labels; a whole column at a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import arrow
from danlu.errors import DanluError

MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-")  # in a column of numbers, letter case ignored
TARGET_NAMES = (
    "target",
    "label",
    "labels",
    "class",
    "classes",
    "category",
    "y",
    "标签",
    "类别",
    "目标",
    "分类",
    "标注",
)
GLANCE = 200  # cells looked at first, to rule a kind out before a whole column is parsed

_INFINITE = "[+-]?inf(inity)?"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_LEADING_ZERO = r"^[+-]?0\d"
_DATE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})?)?$"
_PARTS = re.compile(r"\s*[|;；]\s*")
_COMMA_PARTS = re.compile(r"\s*[|;；,，、]\s*")
_BETWEEN = "\x1f"  # Unicode's separator of units, which stands in no label
_DAY = 86400e6  # microseconds
_MISSING = arrow.texts(MISSING)
_SHORT = arrow.count(6)  # characters: no mark of a missing value is longer
_LONG = arrow.one("x")  # instead of long texts, which it would be a waste to lower


def is_text(column: pa.ChunkedArray | pa.Array) -> bool:
    return bool(pa.types.is_string(column.type))


def is_list(kind: pa.DataType) -> bool:
    return any(
        test(kind)
        for test in (
            pa.types.is_list,
            pa.types.is_large_list,
            pa.types.is_fixed_size_list,
            pa.types.is_list_view,
            pa.types.is_large_list_view,
        )
    )


def flat(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One contiguous array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def mask(condition: pa.Array) -> np.ndarray:
    """An arrow condition as booleans; null is False."""
    return np.asarray(arrow.values(pc.fill_null(condition, arrow.FALSE)), dtype=bool)


def to_numbers(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Float64 values, NaN where missing or infinite, and the mask of cells that are neither number nor missing."""
    if pa.types.is_temporal(column.type):
        return to_days(column)
    if not is_text(column):
        values = _floats(column)
        return values, np.zeros(len(values), dtype=bool)
    try:  # most often every cell is a number
        plain: np.ndarray = arrow.values(pc.cast(column, pa.float64()))
        if bool(np.isfinite(plain).all()):
            return plain, np.zeros(len(plain), dtype=bool)
    except pa.ArrowInvalid:
        pass
    cells = pc.utf8_trim_whitespace(column)
    number = mask(pc.match_substring_regex(cells, _NUMBER))
    wrong = ~(number | missing_cells(cells) | mask(pc.match_substring_regex(cells, f"^{_INFINITE}$", ignore_case=True)))
    kept = pc.if_else(arrow.flags(number), cells, arrow.NO_TEXT)
    return _finite(arrow.values(pc.cast(kept, pa.float64()))), wrong


def missing_cells(column: pa.Array) -> np.ndarray:
    """Where a cell of a numeric column holds no value: null, empty, or one of ``MISSING``."""
    empty: np.ndarray = mask(pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)))
    if not is_text(column):
        return empty
    short = pc.if_else(pc.less_equal(pc.utf8_length(column), _SHORT), column, _LONG)
    marked = mask(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(short)), _MISSING))
    return np.asarray(empty | marked, dtype=bool)


def looks_numeric(column: pa.Array) -> bool:
    """Whether every cell is a number or missing, one is a number, and none is a code such as 007."""
    if not is_text(column):
        return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))
    return numeric(column) is not None


def numeric(column: pa.Array) -> np.ndarray | None:
    """The values (N,) float64 of a column that ``looks_numeric``, NaN where missing; None of any other."""
    if not is_text(column):
        return to_numbers(column)[0] if looks_numeric(column) else None
    if len(column) > GLANCE and to_numbers(column[:GLANCE])[1].any():
        return None
    values, wrong = to_numbers(column)
    known = not wrong.any() and not bool(np.isnan(values).all()) and not leading_zeros(column)
    return values if known else None


def decimal_commas(column: pa.Array) -> bool:
    """Whether nearly every cell is a number written as 3,14."""
    cells = pc.utf8_trim_whitespace(column[:GLANCE].drop_null())
    return bool(len(cells)) and float(mask(pc.match_substring_regex(cells, r"^-?\d+,\d+$")).mean()) > 0.9


def leading_zeros(column: pa.Array) -> bool:
    """Whether a cell such as 007 stands in the column: a code, not a number."""
    return is_text(column) and bool(pc.any(pc.match_substring_regex(column, _LEADING_ZERO)).as_py())


def looks_dated(column: pa.Array) -> bool:
    """Whether every cell that is not missing is an ISO date, and one is."""
    if not is_text(column):
        return bool(pa.types.is_timestamp(column.type) or pa.types.is_date(column.type))
    if len(column) > GLANCE and to_days(column[:GLANCE])[1].any():
        return False
    dated = mask(pc.match_substring_regex(pc.utf8_trim_whitespace(column), _DATE))
    if not dated.any() or not (dated | missing_cells(column)).all():
        return False
    return not to_days(column)[1].any()


def to_days(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Days since 1970-01-01 (UTC) as float64, NaN where missing, and the mask of cells that are no date."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        stamps = pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
        return _floats(pc.cast(stamps, pa.int64())) / _DAY, np.zeros(len(column), dtype=bool)
    if not is_text(column):
        values = _floats(column)
        return values, ~np.isnan(values)
    cells = pc.utf8_trim_whitespace(column)
    dated = mask(pc.match_substring_regex(cells, _DATE))
    kept = pc.if_else(arrow.flags(dated), cells, arrow.NO_TEXT)
    try:
        stamps = pc.cast(kept, pa.timestamp("us"))
        days = _floats(pc.cast(stamps, pa.int64())) / _DAY
    except pa.ArrowInvalid:  # a time zone, or a day that does not exist: one by one
        days = np.array([_day(c) for c in kept.to_pylist()])
    return days, (dated & np.isnan(days)) | ~(dated | missing_cells(cells))


def _day(cell: str | None) -> float:
    try:
        when = datetime.fromisoformat(cell or "")
    except ValueError:
        return float("nan")
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return (when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86400


def to_labels(column: pa.Array, numeric: bool) -> pa.Array:
    """Class names as strings, null where missing.

    Where the classes are numbers, 1, "1" and "1.0" are one class, so that a file written by pandas
    after a missing value turned its column to floats still means the same.
    """
    if pa.types.is_boolean(column.type):
        return pc.if_else(column, arrow.one("True"), arrow.one("False"))
    if numeric:
        values, wrong = to_numbers(column)
        names = canonical(values)
        return pc.if_else(arrow.flags(wrong), pc.cast(column, pa.string()), names) if wrong.any() else names
    if is_text(column):
        return pc.if_else(pc.equal(column, arrow.EMPTY), arrow.NO_TEXT, column)
    try:
        return pc.cast(column, pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return arrow.texts([None if v is None else str(v) for v in column.to_pylist()])


def canonical(values: np.ndarray) -> pa.Array:
    """Numbers as class names: whole ones without a point, others as their shortest decimal."""
    missing = np.isnan(values)
    whole = (values == np.floor(values)) & (np.abs(values) < 2**53)
    ints = pc.cast(arrow.numbers(np.where(whole, values, 0).astype(np.int64)), pa.string())
    out = ints if whole.all() else pc.if_else(arrow.flags(whole), ints, pc.cast(arrow.numbers(values), pa.string()))
    return pc.if_else(arrow.flags(missing), arrow.NO_TEXT, out) if missing.any() else out


def numeric_classes(classes: tuple[str, ...]) -> bool:
    """Whether class names are numbers as ``to_labels`` writes them."""
    return bool(classes) and all(re.match(_NUMBER, c) and not re.match(_LEADING_ZERO, c) for c in classes)


def sort_classes(names: list[str]) -> tuple[str, ...]:
    """Class names in index order: by size when all are numbers, else by code point."""
    return tuple(sorted(names, key=float) if numeric_classes(tuple(names)) else sorted(names))


def split_labels(column: pa.Array, commas: bool) -> list[list[str] | None]:
    """The labels of each row: a list column, or text such as ``a;b`` or ``a|b`` (with ``commas``: ``a,b`` too)."""
    if is_list(column.type):
        return _listed(column)
    cut = _COMMA_PARTS if commas else _PARTS
    texts = column if is_text(column) else to_labels(column, pa.types.is_floating(column.type))
    known: dict[str | None, list[str] | None] = {None: None}
    for cell in texts.unique().to_pylist():
        if cell is not None:
            known[cell] = [p for p in cut.split(cell.strip()) if p]
    return [known[cell] for cell in texts.to_pylist()]


def _listed(column: pa.Array) -> list[list[str] | None]:
    """A list column's labels by name, those missing inside a list left out; whole numbers without a point.

    Rows of the same labels share one list: few are different, and a million are told apart in Arrow.
    """
    values = pc.list_flatten(column)
    names = to_labels(values, pa.types.is_floating(values.type))
    names = pc.fill_null(names, arrow.EMPTY)
    lengths = arrow.values(pc.fill_null(pc.list_value_length(column), arrow.NONE))
    offsets = arrow.numbers(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    gone = pc.is_null(column) if column.null_count else None
    joined = pc.binary_join(
        pa.ListArray.from_arrays(offsets, names, mask=gone), arrow.one(_BETWEEN)
    ).dictionary_encode()
    known = [[part for part in text.split(_BETWEEN) if part] for text in joined.dictionary.to_pylist()]
    return [None if code is None else known[code] for code in joined.indices.to_pylist()]


def _floats(column: pa.Array) -> np.ndarray:
    try:
        values = pc.cast(column, pa.float64(), safe=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as e:
        raise DanluError("DL100", reason=str(e).splitlines()[0]) from e
    return _finite(arrow.values(values))


def _finite(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    return values if bool(np.isfinite(values).all()) else np.where(np.isfinite(values), values, np.nan)
