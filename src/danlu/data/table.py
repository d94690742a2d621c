"""Tables from files and objects: one file, several of one table, pandas, polars, pyarrow, rows and columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.data.columns import most_bad
from danlu.data.hub import is_saved
from danlu.data.objects import apart, from_object
from danlu.data.places import has_pattern, is_paths, located, table_files
from danlu.data.stored import taken_out
from danlu.data.tablefile import Table, read_file
from danlu.data.typed import plain
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice

__all__ = ["Table", "check_share", "joined", "read_table"]


def read_table(source: Any, settings: Settings, *, header: bool | str = "auto", names: Sequence[str] = ()) -> Table:
    """Any table danlu knows. ``names`` are the columns known from training: they help to tell a header.

    Text files give exact text cells ("NA" and "007" stay as they are); other sources keep their types.
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, PathLike):
        source = str(source)
    if not isinstance(source, str) and not is_paths(source):
        cells, images = apart(source)
        return _checked(Table(from_object(cells), images=images), settings)
    files = _files_of(source)
    if isinstance(files, Path):
        return _checked(read_file(files, str(files) if is_paths(source) else source, settings, header, names), settings)
    return _read_several(files, source, settings, header, names)


def _files_of(source: Any) -> Path | tuple[Path, ...]:
    """The file to read, or those of one table: a list, a pattern, or a folder that holds nothing else."""
    place = located(source) if is_paths(source) or has_pattern(source) else Path(source).expanduser()
    if isinstance(place, Path) and place.is_dir() and not is_saved(place):
        return table_files(place).get("train", place)
    return place


def _checked(table: Table, settings: Settings) -> Table:
    """In plain types, images beside the columns; DL102 without rows, DL108 for two columns of one name."""
    if not len(table):
        raise DanluError("DL102", where=table.path)
    twice = [name for name, count in Counter(table.names).items() if count > 1]
    if twice:
        raise DanluError("DL108", where=table.path, name=twice[0])
    columns, images = taken_out(table.columns, str(Path(table.path).parent) if table.path else "")
    table = replace(table, columns=plain(columns), images={**table.images, **images})
    check_share(table.bad, len(table) + len(table.bad), settings)
    return table


def _read_several(
    files: Sequence[Path], source: Any, settings: Settings, header: bool | str, names: Sequence[str]
) -> Table:
    """Several files as one table, its columns by name; those without rows are left out and named."""
    tables: list[Table] = []
    empty: list[DanluError] = []
    tolerant = replace(settings, bad_limit=1.0)  # the limit is of the whole
    for path in files:
        try:
            table = _checked(read_file(path, str(path), settings, header, names), tolerant)
        except DanluError as error:
            if error.code not in ("DL102", "DL103"):
                raise
            empty.append(error)
            continue
        names = names or (table.names if table.named else ())
        tables.append(table)
    if not tables:
        raise empty[0]
    shown = str(source) if isinstance(source, str | PathLike) else _some([str(p) for p in files], 2)
    whole = joined(tables, shown)
    if empty:
        left = Choice("left out", _some([Path(e.where).name for e in empty]), say("files.empty"))
        whole = replace(whole, choices=(*whole.choices, left))
    check_share(whole.bad, len(whole) + len(whole.bad), settings)
    return whole


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


def joined(tables: Sequence[Table], shown: str) -> Table:
    """Tables of the same columns, in any order, one below the other; DL140 names what another file's columns are.

    Columns come by name, by place in files without a header. A column that holds numbers in one file and texts in
    another becomes text.
    """
    first = tables[0]
    parts = [_like(first, table) for table in tables]
    headerless = sum(table.named != first.named for table in tables)
    columns = [_stacked([part.column(i) for part in parts]) for i in range(len(first.names))]
    starts = np.cumsum([0, *map(len, tables)])[:-1].tolist()
    lines = [t.lines if t.lines is not None else np.zeros(len(t), dtype=np.int64) for t in tables]
    rows = f"{sum(map(len, tables)):,}"
    said = [Choice("files", say("files.count", count=len(tables), rows=rows), say("files.why"))]
    if headerless:
        said.append(Choice("header", say("files.headerless"), say("files.headerless.why", count=headerless)))
    choices = dict.fromkeys(choice for table in tables for choice in table.choices)
    seen = {choice.what: choice for choice in reversed(choices)}
    return Table(
        pa.table(columns, names=list(first.names), metadata=first.columns.schema.metadata),
        shown,
        np.concatenate(lines) if any(t.lines is not None for t in tables) else None,
        tuple(b for t in tables for b in t.bad),
        (*said, *(c for c in choices if seen[c.what] is c and c.what not in [s.what for s in said])),
        first.named,
        tuple(zip(starts, (t.path for t in tables))),
        _images(tables, parts),
    )


def _images(tables: Sequence[Table], parts: Sequence[pa.Table]) -> dict[str, list[Any]]:
    """The images of all tables, a list a column; DL140 where a column holds images in some files only."""
    found: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for table in tables for name in table.images):
        first = next(table for table in tables if name in table.images)
        found[name] = []
        for table, part in zip(tables, parts):
            if name not in table.images and part.column(name).null_count < len(table):
                raise _different(first, table, [say("files.no_images", columns=name)])
            found[name] += table.images.get(name) or [None] * len(table)
    return found


def _like(first: Table, table: Table) -> pa.Table:
    """The table's columns in the order of the first one's."""
    if not table.named:
        if len(table.names) != len(first.names):
            found = say("files.width", found=len(table.names), needed=len(first.names))
            raise _different(first, table, [found])
        return table.columns.rename_columns(list(first.names))
    lacks = [n for n in first.names if n not in table.names]
    more = [n for n in table.names if n not in first.names]
    wrong = [
        say(key, columns=_some(names)) for key, names in (("files.missing", lacks), ("files.extra", more)) if names
    ]
    if wrong:
        raise _different(first, table, wrong)
    return table.columns.select(list(first.names))


def _different(first: Table, table: Table, found: Sequence[str]) -> DanluError:
    return DanluError("DL140", where=table.path, first=first.path, differences="; ".join(found))


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" (+{len(names) - most})" if len(names) > most else "")


def _stacked(pieces: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    kinds = [piece.type for piece in pieces]
    if any(kind != kinds[0] for kind in kinds):
        numbers = all(pa.types.is_integer(k) or pa.types.is_floating(k) or pa.types.is_boolean(k) for k in kinds)
        wanted = pa.float64() if numbers and not all(map(pa.types.is_boolean, kinds)) else pa.string()
        if all(map(pa.types.is_integer, kinds)):
            wanted = pa.int64()
        try:
            pieces = [piece.cast(wanted) for piece in pieces]
        except pa.ArrowException:
            texts = [[None if v is None else str(v) for v in piece.to_pylist()] for piece in pieces]
            pieces = [pa.chunked_array([one], pa.string()) for one in texts]
    return pa.chunked_array([chunk for piece in pieces for chunk in piece.chunks], pieces[0].type)
