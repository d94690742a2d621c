"""Spreadsheets (.xlsx, .xlsm, .xlsb, .xls, .ods): one sheet's cells as text, with the sheet's own row numbers."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.cells import canonical
from danlu.data.opendocument import More, read_more
from danlu.data.places import split_sheet
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.lookup import optional
from danlu.messages import say
from danlu.types import Bad, Choice

_SECONDS = 86400.0  # of a day: times of day and durations are days, as in the sheet itself
_EMPTY = ""


@dataclass(frozen=True)
class Sheet:
    """The cells below and beside nothing: rows of texts, the first perhaps a header. ``lines``: the sheet's numbers."""

    cells: pa.Table
    lines: np.ndarray
    errors: tuple[tuple[int, int, str], ...]  # (row of the sheet, index of the column in ``cells``, "#N/A")
    letters: tuple[str, ...]  # each column's letter
    choices: tuple[Choice, ...]


def read_sheet(raw: bytes, path: str) -> Sheet:
    """The cells of the sheet that ``path`` names, else of the first that is to be seen and holds something.

    Numbers are written in their shortest form (3, 0.05: a percentage is its fraction), dates as ISO dates, true and
    false as such. A cell merged over several rows counts for each of them. Titles above the table, empty rows and
    empty columns are left out. DL143 for a sheet that does not exist, DL100 for a file that cannot be read.
    """
    calamine = optional("python_calamine", "excel")
    _, wanted = split_sheet(path)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(raw))
        sheet, choices = _choose(book, wanted, path)
        rows: list[list[Any]] = sheet.to_python(skip_empty_area=False)
        more = read_more(raw, sheet.name)
        merged = sheet.merged_cell_ranges or more.merged
    except DanluError:
        raise
    except Exception as error:  # each format has its own errors
        raise DanluError("DL100", where=path, reason=f"{type(error).__name__}: {error}".splitlines()[0]) from error
    if not rows:
        raise DanluError("DL102", where=path)
    errors = _error_cells(raw, sheet.name) | _put_in(rows, more)
    top, said = _begin(rows, {at for at, _ in errors.items()})
    choices += said
    wrong = {r for r, _ in errors}
    kept = [r for r in range(top, len(rows)) if r in wrong or any(c != _EMPTY for c in rows[r])]
    choices += _fill(rows, merged, top)
    return _cut(rows, kept, errors, choices)


def _choose(book: Any, wanted: str | None, path: str) -> tuple[Any, list[Choice]]:
    """The sheet; said when there are several."""
    seen = [m.name for m in book.sheets_metadata if str(m.visible).endswith("Visible") and str(m.typ).endswith("Sheet")]
    names = [m.name for m in book.sheets_metadata]
    if wanted is not None:
        if wanted in names:
            return book.get_sheet_by_name(wanted), []
        folded = {n.casefold().strip(): n for n in names}
        if wanted.casefold().strip() in folded:
            return book.get_sheet_by_name(folded[wanted.casefold().strip()]), []
        near = nearest(wanted, names) or names[0]
        line = f"{split_sheet(path)[0]}:{near}"
        raise DanluError("DL143", where=path, name=wanted, near=did_you_mean(wanted, names), line=line)
    sheet = next((s for n in seen or names if (s := book.get_sheet_by_name(n)).end is not None), None)
    if sheet is None:
        raise DanluError("DL102", where=path)
    others = [n for n in seen if n != sheet.name]
    if not others:
        return sheet, []
    line = f"{Path(path).name}:{others[-1]}"
    return sheet, [Choice("sheet", sheet.name, say("sheet.first", others=", ".join(others), line=line))]


def _put_in(rows: list[list[Any]], more: More) -> dict[tuple[int, int], str]:
    """Durations as such and error cells empty, as the reader gives them of other formats; those errors."""
    values: dict[tuple[int, int], Any] = {**more.durations, **dict.fromkeys(more.errors, _EMPTY)}
    if not values:
        return {}
    height, width = (max(place[k] for place in values) + 1 for k in (0, 1))  # the reader ends before empty ones
    rows += [[] for _ in range(height - len(rows))]
    width = max(width, *map(len, rows))
    for row in rows:
        row += [_EMPTY] * (width - len(row))
    for (r, c), value in values.items():
        rows[r][c] = value
    return more.errors


def _begin(rows: Sequence[Sequence[Any]], wrong: set[tuple[int, int]]) -> tuple[int, list[Choice]]:
    """The row where the table begins: lines with one filled cell above wider rows are titles."""
    counts = [sum(c != _EMPTY for c in row) for row in rows]
    for r, _ in wrong:
        counts[r] += 1
    top = next((r for r, count in enumerate(counts) if count), 0)
    start = top
    if max(counts) > 1:
        while counts[top] < 2:
            top += 1
    titles = [str(next(c for c in rows[r] if c != _EMPTY)) for r in range(start, top) if counts[r]]
    return top, [Choice("title", ", ".join(titles)[:60], say("sheet.title", row=top + 1))] if titles else []


def _fill(rows: list[list[Any]], merged: Sequence[Any], top: int) -> list[Choice]:
    """Cells merged over several rows hold one value for all of them."""
    count = 0
    for (first, left), (last, right) in merged:
        if last <= max(first, top) or first < top or first >= len(rows) or right > left:
            continue
        value = rows[first][left] if left < len(rows[first]) else _EMPTY
        for r in range(first + 1, min(last + 1, len(rows))):
            rows[r][left] = value
        count += 1
    return [Choice("merged cells", say("sheet.merged.value"), say("sheet.merged", count=count))] if count else []


def _cut(rows: list[list[Any]], kept: list[int], errors: dict[tuple[int, int], str], choices: list[Choice]) -> Sheet:
    """The rows ``kept`` as columns of text, those without any left out."""
    width = max(len(r) for r in rows)
    wrong_columns = {c for _, c in errors}
    columns: list[pa.Array] = []
    places: list[int] = []
    for c in range(width):
        values = [rows[r][c] for r in kept]
        if c in wrong_columns or any(v != _EMPTY for v in values):
            columns.append(_texts(values))
            places.append(c)
    empty = len(rows) - kept[0] - len(kept)
    if empty:
        choices.append(Choice("empty rows", str(empty), say("sheet.empty")))
    found = tuple((r + 1, places.index(c), value) for (r, c), value in sorted(errors.items()) if r >= kept[0])
    cells = pa.table(columns, names=[f"f{i}" for i in range(len(columns))])
    lines = np.array(kept, dtype=np.int64) + 1
    return Sheet(cells, lines, found, tuple(_letter(c) for c in places), tuple(choices))


def _texts(values: list[Any]) -> pa.Array:
    """A column's cells as text; a stretch of numbers, which most are, at once."""
    head = next((i for i, v in enumerate(values) if type(v) is float), len(values))
    body = values[head:]
    if not all(type(v) is float or v == _EMPTY for v in body):
        head, body = len(values), []
    texts = pa.array([v.strip() if type(v) is str else _WRITE.get(type(v), str)(v) for v in values[:head]], pa.string())
    if not body:
        return texts
    numbers = np.array([np.nan if v == _EMPTY else v for v in body], dtype=np.float64)
    return pa.concat_arrays([texts, pc.fill_null(canonical(numbers), _EMPTY)])


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _days(value: datetime.timedelta) -> str:
    return _number(value.total_seconds() / _SECONDS)


def _moment(value: datetime.datetime) -> str:
    return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ")


_WRITE: dict[type, Callable[[Any], str]] = {
    float: _number,
    datetime.date: datetime.date.isoformat,
    datetime.datetime: _moment,
    datetime.time: lambda v: _days(datetime.timedelta(hours=v.hour, minutes=v.minute, seconds=v.second)),
    datetime.timedelta: lambda v: _days(v),
}


def _letter(column: int) -> str:
    """0 is A, 26 is AA."""
    out = ""
    while column >= 0:
        out, column = chr(ord("A") + column % 26) + out, column // 26 - 1
    return out


# ---- error cells, which the reader gives as empty ones


def _error_cells(raw: bytes, name: str) -> dict[tuple[int, int], str]:
    """``{(row, column): "#N/A"}`` from 0 of an .xlsx file's sheet; nothing of the other formats."""
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return {}
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        part = _part(file, name)
        body = file.read(part) if part else b""
    if b't="e"' not in body:
        return {}
    found = {}
    for cell in re.finditer(rb'<(?:\w+:)?c\s([^>]*\bt="e"[^>]*)>(.*?)</(?:\w+:)?c>', body, re.DOTALL):
        place = re.search(rb'\br="([A-Z]+)(\d+)"', cell[1])
        value = re.search(rb"<(?:\w+:)?v>([^<]*)<", cell[2])
        if place:
            column = 0
            for letter in place[1]:
                column = 26 * column + letter - ord("A") + 1
            found[int(place[2]) - 1, column - 1] = value[1].decode() if value else "#?"
    return found


def _part(file: zipfile.ZipFile, name: str) -> str:
    """The file inside an .xlsx that holds a sheet."""
    names = set(file.namelist())
    if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
        return ""
    links = ElementTree.fromstring(file.read("xl/_rels/workbook.xml.rels"))
    targets = {e.get("Id"): e.get("Target", "") for e in links}
    for element in ElementTree.fromstring(file.read("xl/workbook.xml")).iter():
        if element.tag.endswith("}sheet") and element.get("name") == name:
            key = next((v for k, v in element.attrib.items() if k.endswith("}id")), None)
            target = targets.get(key, "").lstrip("/")
            target = target if target.startswith("xl/") else f"xl/{target}"
            return target if target in names else ""
    return ""


def settle_errors(
    sheet: Sheet, names: Sequence[str], ignored: Sequence[str], path: str, *, skip: bool
) -> tuple[list[Bad], set[int]]:
    """Error cells in the columns that count: DL144 at the first; or the rows left out, by their number."""
    wrong = [(row, column, value) for row, column, value in sheet.errors if names[column] not in ignored]
    if wrong and not skip:
        row, column, value = wrong[0]
        cell = f"{sheet.letters[column]}{row}"
        facts = {"cell": cell, "value": value, "column": names[column], "count": len(wrong)}
        raise DanluError("DL144", where=f"{path}:{row}", **facts)
    first = {row: Bad(f"{path}:{row}", say("sheet.error", column=names[c], value=v)) for row, c, v in reversed(wrong)}
    return [first[row] for row in sorted(first)], set(first)
