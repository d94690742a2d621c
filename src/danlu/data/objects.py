"""Tables given as objects: pandas, polars, pyarrow, Hugging Face, rows as dicts, columns as a dict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from danlu.data.foreign import is_hub_table
from danlu.data.stored import image_columns, names_of, stored_images
from danlu.errors import DanluError


def from_object(source: Any) -> pa.Table:
    """The columns of a table; nothing goes through Python objects where the source has Arrow's or numpy's memory.

    DL124 for columns of several lengths, DL108 for two of one name, DL127 for what is no table.
    """
    if isinstance(source, pa.Table):
        return source
    if is_hub_table(source):
        return _from_hub(source)
    if type(source).__name__ == "LazyFrame":  # polars
        source = source.collect()
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if isinstance(source, pa.RecordBatchReader):
        return source.read_all()
    if hasattr(source, "to_table") and _module(source) == "pyarrow":  # its Dataset and Scanner
        return source.to_table()
    if _module(source) == "pandas" and hasattr(source, "columns"):
        return _from_columns({str(name): source.iloc[:, i] for i, name in enumerate(source.columns)}, source.columns)
    if hasattr(source, "__arrow_c_stream__"):
        return _from_stream(source)
    if isinstance(source, Mapping) and source and not _is_nested(source):
        if any(_is_scalar(v) for v in source.values()):
            return _from_rows([source])
        sizes = {str(k): len(v) for k, v in source.items()}
        if len(set(sizes.values())) > 1:
            raise DanluError("DL124", sizes=", ".join(f"{k} {n}" for k, n in sizes.items()))
        return _from_columns({str(k): v for k, v in source.items()}, list(source))
    if isinstance(source, list | tuple) and source and all(isinstance(r, Mapping) for r in source):
        return _from_rows(list(source))
    if isinstance(source, list | tuple | Mapping) and not source:
        raise DanluError("DL102")
    raise DanluError("DL127", type=f"{type(source).__module__}.{type(source).__qualname__}")


def _from_stream(source: Any) -> pa.Table:
    try:
        return pa.table(source)
    except (pa.ArrowException, TypeError) as error:  # a single column
        raise DanluError("DL127", type=f"{type(source).__module__}.{type(source).__qualname__}") from error


def _module(source: Any) -> str:
    return type(source).__module__.partition(".")[0]


def _from_hub(dataset: Any) -> pa.Table:
    """The rows it has after select, filter and shuffle, of the columns that its format leaves."""
    names = _hub_names(dataset)
    arrow = dataset.with_format("arrow", columns=names)
    table = _gathered(dataset, arrow, names)
    table = arrow[:].select(names) if table is None else table
    return table.replace_schema_metadata(dataset.features.arrow_schema.metadata)


def _hub_names(dataset: Any) -> list[str]:
    """The columns that its format leaves."""
    return [n for n in dataset.column_names if n in (dataset.format["columns"] or dataset.column_names)]


def _gathered(dataset: Any, arrow: Any, names: list[str]) -> pa.Table | None:
    """All rows in one gather where an order lies over them, which ``datasets`` itself follows a thousand times slower.

    None where there is no order that is sure.
    """
    known = _ordered(dataset, arrow, names)
    if known is None:
        return None
    try:
        return known[0].take(known[1])
    except pa.ArrowException:  # more text than one array holds
        return None


def _ordered(dataset: Any, arrow: Any, names: list[str]) -> tuple[pa.Table, pa.Array] | None:
    """The rows as they are stored, and which of them the dataset has in which order; None without such an order.

    It is a private attribute: None too where it is not as known, or where a few rows are not those that the dataset
    gives.
    """
    order, whole = getattr(dataset, "_indices", None), getattr(dataset.data, "table", None)
    if order is None or not isinstance(whole, pa.Table) or len(order) != len(dataset):
        return None
    whole, rows = whole.select(names), order.column(0)
    looked = sorted({0, len(rows) // 2, len(rows) - 1}) if len(rows) else []
    same = all(arrow[i].select(names).to_pylist() == whole.slice(rows[i].as_py(), 1).to_pylist() for i in looked)
    return (whole, rows) if same else None


def _hub_apart(dataset: Any) -> tuple[Any, dict[str, list[Any]]]:
    """A dataset with an order over its rows: its images stay where they lie, only the other columns are gathered."""
    names = _hub_names(dataset)
    arrow = dataset.with_format("arrow", columns=names)
    known = _ordered(dataset, arrow, names)
    if known is None:
        return dataset, {}
    whole, order = known
    metadata = dataset.features.arrow_schema.metadata
    held = image_columns(whole.slice(0, 0).replace_schema_metadata(metadata))
    if not held:
        return dataset, {}
    rows = order.to_pylist()
    images: dict[str, list[Any]] = {}
    for name in held:
        stored = stored_images(whole.column(name), name)
        images[name] = [stored[row] for row in rows]
    try:
        rest = whole.drop_columns(held).take(order)
    except pa.ArrowException:  # more text than one array holds
        return dataset, {}
    columns = [rest.column(n) if n not in images else names_of(images[n]) for n in names]
    return pa.table(columns, names=names, metadata=metadata), images


def _is_nested(source: Mapping[str, Any]) -> bool:
    """Whether some value has rows of its own (a 2-d array): then it is no column."""
    return any(len(getattr(v, "shape", ())) > 1 for v in source.values())


def apart(source: Any) -> tuple[Any, dict[str, list[Any]]]:
    """Rows and columns without the images among their cells, which arrow cannot hold; and those, a list a column."""
    if is_hub_table(source):
        return _hub_apart(source)
    if isinstance(source, list | tuple) and source and all(isinstance(r, Mapping) for r in source):
        names = [
            n for n in dict.fromkeys(n for row in source for n in row) if any(is_picture(r.get(n)) for r in source)
        ]
        rows = [{k: f"image {i}" if k in names else v for k, v in row.items()} for i, row in enumerate(source)]
        return (rows if names else source), {str(n): [row.get(n) for row in source] for n in names}
    module = type(source).__module__.partition(".")[0]
    if (isinstance(source, Mapping) or module == "pandas") and hasattr(source, "keys"):
        names = [n for n in source if _has_pictures(source[n])]
        if names:
            rest = {n: source[n] for n in source}
            rest |= {n: [f"image {i}" for i in range(len(source[n]))] for n in names}
            return rest, {str(n): list(source[n]) for n in names}
    return source, {}


def _has_pictures(column: Any) -> bool:
    """Whether a column of a table, not a single value, begins with an image."""
    listed = isinstance(column, list | tuple) or type(column).__name__ == "Series"
    return listed and len(column) > 0 and is_picture(next(iter(column)))


def is_picture(value: Any) -> bool:
    """A Pillow image, or an array of an image's shape."""
    return hasattr(value, "getbands") or len(getattr(value, "shape", ())) in (2, 3)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bytes) or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def _from_rows(rows: list[Any]) -> pa.Table:
    """Rows may lack keys; those cells are missing."""
    names = list(dict.fromkeys(k for row in rows for k in row))
    return pa.table([as_column([_cell(row.get(n)) for row in rows]) for n in names], names=[str(n) for n in names])


def _cell(value: Any) -> Any:
    """numpy and torch scalars as Python's own; labels in a tuple, set or array as a list."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if hasattr(value, "tolist"):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _from_columns(columns: Mapping[str, Any], names: Any) -> pa.Table:
    if len(columns) < len(names):
        twice = next(n for n, count in Counter(map(str, names)).items() if count > 1)
        raise DanluError("DL108", name=twice)
    return pa.table([as_column(c) for c in columns.values()], names=list(columns))


def as_column(values: Any) -> pa.Array:
    """One column; values of several types become their texts, so that "?" among numbers is a missing number."""
    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu().numpy()
    if isinstance(values, list) and any(isinstance(v, set | frozenset) for v in values):
        values = [_cell(v) for v in values]  # in an order that does not change from run to run
    try:
        if hasattr(values, "__arrow_c_stream__") and _module(values) != "pandas":  # polars' Series
            return pa.chunked_array(values).combine_chunks()
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        cells = [_cell(v) for v in values]
        if any(isinstance(v, list) for v in cells):
            lists = [v if isinstance(v, list) or _gone(v) else [v] for v in cells]
            made = pa.array([None if _gone(v) else [str(p) for p in v] for v in lists], pa.list_(pa.string()))
        else:
            made = pa.array([None if _gone(v) else str(v) for v in cells], pa.string())
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _gone(value: Any) -> bool:
    return value is None or (not isinstance(value, list) and value != value)
