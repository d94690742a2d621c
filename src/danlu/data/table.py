"""Tables from files and objects: CSV, TSV, JSON lines, Parquet, Arrow, pandas, polars, rows and columns."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from danlu.data.columns import most_bad
from danlu.data.delimited import parse
from danlu.data.encoding import read_bytes, to_utf8
from danlu.errors import DanluError, nearest
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice


@dataclass(frozen=True)
class Table:
    """Rows and named columns. ``lines[i]`` is the line of the file on which row ``i`` begins, if it has lines."""

    columns: pa.Table
    path: str = ""  # as the user wrote it; empty when made from an object
    lines: np.ndarray | None = None
    bad: tuple[Bad, ...] = ()
    choices: tuple[Choice, ...] = ()
    named: bool = True  # the columns' names came with the data
    images: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # columns given as images, not as files' names

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns.column_names)

    def name(self, row: int) -> str:
        """Where a row stands: ``adult.csv:17`` (a line), ``a.parquet row 16`` or ``row 16`` (counted from 0)."""
        if self.lines is not None:
            return f"{self.path}:{int(self.lines[row])}"
        return f"{self.path} row {row}".strip()


def read_table(source: Any, settings: Settings, *, header: bool | str = "auto", names: Sequence[str] = ()) -> Table:
    """Any table danlu knows. ``names`` are the columns known from training: they help to tell a header.

    Text files give exact text cells ("NA" and "007" stay as they are); other sources keep their types.
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str | PathLike):
        table = _read_file(Path(source), str(source), settings, header, names)
    else:
        cells, images = apart(source)
        table = Table(_from_object(cells), images=images)
    table = replace(table, columns=_plain(table.columns))
    if not len(table):
        raise DanluError("DL102", where=table.path)
    twice = [name for name, count in Counter(table.names).items() if count > 1]
    if twice:
        raise DanluError("DL108", where=table.path, name=twice[0])
    check_share(table.bad, len(table) + len(table.bad), settings)
    return table


def check_share(bad: Sequence[Bad], rows: int, settings: Settings) -> None:
    """More bad rows than ``bad_limit`` allows is an error even where bad rows are skipped."""
    if len(bad) > most_bad(rows, settings.bad_limit):
        share = len(bad) / rows
        raise DanluError(
            "DL107",
            where=bad[0].where,
            count=len(bad),
            rows=rows,
            limit=f"{settings.bad_limit:.4g}",
            first=bad[0].why,
            enough=f"{min(1.0, np.ceil(share * 1000) / 1000):.4g}",
        )


def _read_file(path: Path, shown: str, settings: Settings, header: bool | str, names: Sequence[str]) -> Table:
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())[:1]
        raise DanluError("DL130", where=shown, path=shown, line=str(path / (inside[0] if inside else "rows.csv")))
    if not path.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, siblings)
        raise DanluError(
            "DL126",
            where=shown,
            hint=say("table.near", near=str(path.with_name(near))) if near else say("table.folder", path=path.parent),
            line=str(path.with_name(near)) if near else f"ls {path.parent}",
        )
    raw = read_bytes(path)
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if raw[:4] == b"PAR1" or suffix in ("parquet", "pq"):
        return Table(_read_parquet(raw, shown), shown)
    if raw[:6] == b"ARROW1" or suffix in ("arrow", "feather", "ipc"):
        return Table(_read_ipc(raw, shown), shown)
    body, choices = to_utf8(raw, shown)
    if suffix in ("jsonl", "ndjson", "json"):
        columns, lines, bad = _read_json(body, shown, settings)
        return Table(columns, shown, lines, bad, choices)
    found = parse(body, shown, header, names, settings.on_bad == "skip")
    return Table(found.columns, shown, found.lines, found.bad, (*choices, *found.choices), found.named)


def _read_parquet(raw: bytes, path: str) -> pa.Table:
    import pyarrow.parquet as arrow_parquet

    try:
        return arrow_parquet.read_table(pa.BufferReader(raw))
    except (pa.ArrowException, OSError, ValueError) as e:
        raise DanluError("DL100", where=path, reason=str(e).splitlines()[0]) from e


def _read_ipc(raw: bytes, path: str) -> pa.Table:
    try:
        if raw[:6] == b"ARROW1":
            return pa.ipc.open_file(pa.BufferReader(raw)).read_all()
        return pa.ipc.open_stream(pa.BufferReader(raw)).read_all()
    except (pa.ArrowException, OSError, ValueError) as e:
        raise DanluError("DL100", where=path, reason=str(e).splitlines()[0]) from e


def _read_json(body: bytes, path: str, settings: Settings) -> tuple[pa.Table, np.ndarray | None, tuple[Bad, ...]]:
    """JSON lines by pyarrow; whatever it cannot read, by Python, so that a bad line is named; a ``.json`` list too."""
    if body.lstrip()[:1] == b"[":
        try:
            rows = json.loads(body)
        except ValueError as e:
            raise DanluError("DL106", where=f"{path}:{getattr(e, 'lineno', 1)}", reason=_said(e)) from e
        if not rows or not all(isinstance(r, dict) for r in rows):
            raise DanluError("DL106", where=path, reason=say("table.json.objects"))
        return _from_rows(rows), None, ()
    physical = body.count(b"\n") + (not body.endswith(b"\n"))
    try:
        options = arrow_json.ReadOptions(block_size=min(max(len(body) + 1, 64), 2**30))
        columns = arrow_json.read_json(pa.BufferReader(body), options)
        stamped = any(pa.types.is_timestamp(c.type) for c in columns.columns)  # text turned to time loses its form
        if not stamped and columns.num_rows == physical:
            return columns, np.arange(1, physical + 1), ()
    except pa.ArrowException:
        pass
    rows, lines, bad = [], [], []
    for number, line in enumerate(body.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            reason = "" if isinstance(row, dict) else say("table.json.objects")
        except ValueError as e:
            row, reason = None, _said(e)
        if reason and settings.on_bad != "skip":
            raise DanluError("DL106", where=f"{path}:{number}", reason=reason)
        if reason:
            bad.append(Bad(f"{path}:{number}", reason))
        else:
            rows.append(row)
            lines.append(number)
    if not rows:
        raise DanluError("DL102", where=path)
    return _from_rows(rows), np.array(lines), tuple(bad)


def _said(error: ValueError) -> str:
    """What is wrong with a piece of JSON, and at which column."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    return say("table.json.syntax", column=error.colno, words=error.msg)


def _is_nested(source: Mapping[str, Any]) -> bool:
    """Whether some value has rows of its own (a 2-d array): then it is no column."""
    return any(len(getattr(v, "shape", ())) > 1 for v in source.values())


def _from_object(source: Any) -> pa.Table:
    if isinstance(source, pa.Table):
        return source
    if type(source).__name__ == "LazyFrame":  # polars
        source = source.collect()
    if isinstance(source, pa.RecordBatch):
        return pa.Table.from_batches([source])
    if type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "columns"):
        return _from_columns({str(name): source.iloc[:, i] for i, name in enumerate(source.columns)}, source.columns)
    if hasattr(source, "__arrow_c_stream__"):
        return pa.table(source)
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


def apart(source: Any) -> tuple[Any, dict[str, list[Any]]]:
    """Rows and columns without the images among their cells, which arrow cannot hold; and those, a list a column."""
    if isinstance(source, list | tuple) and source and all(isinstance(r, Mapping) for r in source):
        names = [
            n for n in dict.fromkeys(n for row in source for n in row) if any(is_picture(r.get(n)) for r in source)
        ]
        rows = [{k: f"image {i}" if k in names else v for k, v in row.items()} for i, row in enumerate(source)]
        return (rows if names else source), {str(n): [row.get(n) for row in source] for n in names}
    module = type(source).__module__.partition(".")[0]
    if (isinstance(source, Mapping) or module == "pandas") and hasattr(source, "keys"):
        names = [n for n in source if len(source[n]) and is_picture(next(iter(source[n])))]
        if names:
            rest = {n: source[n] for n in source}
            rest |= {n: [f"image {i}" for i in range(len(source[n]))] for n in names}
            return rest, {str(n): list(source[n]) for n in names}
    return source, {}


def is_picture(value: Any) -> bool:
    """A Pillow image, or an array of an image's shape."""
    return hasattr(value, "getbands") or len(getattr(value, "shape", ())) in (2, 3)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | bytes) or not hasattr(value, "__len__") or getattr(value, "shape", None) == ()


def _from_rows(rows: list[Any]) -> pa.Table:
    """Rows may lack keys; those cells are missing."""
    names = list(dict.fromkeys(k for row in rows for k in row))
    return pa.table([_array([_cell(row.get(n)) for row in rows]) for n in names], names=[str(n) for n in names])


def _cell(value: Any) -> Any:
    """numpy and torch scalars as Python's own."""
    return value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value


def _from_columns(columns: Mapping[str, Any], names: Any) -> pa.Table:
    if len(columns) < len(names):
        twice = next(n for n, count in Counter(map(str, names)).items() if count > 1)
        raise DanluError("DL108", name=twice)
    return pa.table([_array(c) for c in columns.values()], names=list(columns))


def _array(values: Any) -> pa.Array:
    """One column; values of several types become their texts, so that "?" among numbers is a missing number."""
    if hasattr(values, "detach"):  # a torch tensor
        values = values.detach().cpu().numpy()
    try:
        made = pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        cells = [_cell(v) for v in values]
        made = pa.array([None if v is None or v != v else str(v) for v in cells], pa.string())
    return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made


def _plain(columns: pa.Table) -> pa.Table:
    """A few types out of Arrow's many: dictionaries decoded, all texts ``string``, decimals ``double``."""
    out = []
    for column in columns.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = pc.cast(column, kind.value_type)
            kind = kind.value_type
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind):
            column = pc.cast(column, pa.string())
        elif pa.types.is_decimal(kind) or pa.types.is_float16(kind):
            column = pc.cast(column, pa.float64())
        out.append(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    return pa.table(out, names=columns.column_names)
