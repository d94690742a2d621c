"""One file as a table: CSV and its relatives, JSON lines, Parquet, Arrow, a spreadsheet, a dataset saved to disk."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as arrow_json

from danlu.data import arrow
from danlu.data.cells import flat
from danlu.data.delimited import parse, with_names
from danlu.data.encoding import read_bytes, to_utf8
from danlu.data.hub import is_saved, read_saved
from danlu.data.objects import from_object
from danlu.data.places import is_sheet, split_sheet
from danlu.data.profile import Profile, profile
from danlu.data.sheets import read_sheet, settle_errors
from danlu.errors import DanluError, nearest
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice


@dataclass(frozen=True)
class Table:
    """Rows and named columns. ``lines[i]`` is the line of the file on which row ``i`` begins, 0 if it has no lines.

    ``pieces``: where rows come from several files, the first row of each and its path.
    """

    columns: pa.Table
    path: str = ""  # as the user wrote it; empty when made from an object
    lines: np.ndarray | None = None
    bad: tuple[Bad, ...] = ()
    choices: tuple[Choice, ...] = ()
    named: bool = True  # the columns' names came with the data
    pieces: tuple[tuple[int, str], ...] = ()
    images: Mapping[str, Sequence[Any]] = field(default_factory=dict)  # columns given as images, not as files' names

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.columns.column_names)

    @cached_property
    def profiles(self) -> dict[str, Profile]:
        """What each column holds: every cell is looked at once, however many ask."""
        return {name: profile(flat(self.columns.column(name))) for name in self.names}

    def name(self, row: int) -> str:
        """Where a row stands: ``adult.csv:17`` (a line), ``a.parquet row 16`` or ``row 16`` (counted from 0)."""
        path, first = self.path, 0
        if self.pieces:
            first, path = self.pieces[bisect_right(self.pieces, row, key=lambda piece: piece[0]) - 1]
        if self.lines is not None and self.lines[row]:
            return f"{path}:{int(self.lines[row])}"
        return f"{path} row {row - first}".strip()


def read_file(path: Path, shown: str, settings: Settings, header: bool | str, names: Sequence[str]) -> Table:
    if is_saved(path):
        return Table(read_saved(path), shown)
    if path.is_dir():
        inside = sorted(p.name for p in path.iterdir() if p.is_file())[:1]
        raise DanluError("DL130", where=shown, path=shown, line=str(path / (inside[0] if inside else "rows.csv")))
    file, _ = split_sheet(path)
    if not file.is_file():
        siblings = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, siblings)
        raise DanluError(
            "DL126",
            where=shown,
            hint=say("table.near", near=str(path.with_name(near))) if near else say("table.folder", path=path.parent),
            line=str(path.with_name(near)) if near else f"ls {path.parent}",
        )
    if _begins(file, b"PAR1"):  # not read as a whole first: tables of images are large
        return Table(_read_parquet(file, shown), shown)
    raw = read_bytes(file)
    if is_sheet(path):
        return _read_sheet(raw, shown, settings, header, names)
    suffix = path.name.lower().removesuffix(".gz").rpartition(".")[2]
    if raw[:4] == b"PAR1" or suffix in ("parquet", "pq"):  # in a gzip file, or damaged
        return Table(_read_parquet(pa.BufferReader(raw), shown), shown)
    if raw[:6] == b"ARROW1" or suffix in ("arrow", "feather", "ipc"):
        return Table(_read_ipc(raw, shown), shown)
    body, choices = to_utf8(raw, shown)
    if suffix in ("jsonl", "ndjson", "json"):
        columns, lines, bad = _read_json(body, shown, settings)
        return Table(columns, shown, lines, bad, choices)
    found = parse(body, shown, header, names, settings.on_bad == "skip")
    return Table(found.columns, shown, found.lines, found.bad, (*choices, *found.choices), found.named)


def _read_sheet(raw: bytes, shown: str, settings: Settings, header: bool | str, names: Sequence[str]) -> Table:
    sheet = read_sheet(raw, shown)
    cells, lines, named, choice = with_names(sheet.cells, sheet.lines, header, names, shown)
    ignore = settings.ignore or ()
    ignored = [n.strip() for n in ignore.split(",")] if isinstance(ignore, str) else ignore
    bad, out = settle_errors(sheet, cells.column_names, ignored, shown, skip=settings.on_bad == "skip")
    if out:
        keep = ~np.isin(lines, list(out))
        cells, lines = cells.filter(arrow.flags(keep)), lines[keep]
    return Table(cells, shown, lines, tuple(bad), (*sheet.choices, choice), named)


def _begins(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(mark)) == mark
    except OSError:  # reading it will say why
        return False


def _read_parquet(source: Any, path: str) -> pa.Table:
    import pyarrow.parquet as arrow_parquet

    try:
        with arrow_parquet.ParquetFile(source, memory_map=True) as file:
            return file.read()
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
        return from_object(rows), None, ()
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
    return from_object(rows), np.array(lines), tuple(bad)


def _said(error: ValueError) -> str:
    """What is wrong with a piece of JSON, and at which column."""
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    return say("table.json.syntax", column=error.colno, words=error.msg)
