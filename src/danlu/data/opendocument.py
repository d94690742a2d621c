"""What the reader of spreadsheets does not tell of an .ods file: merged cells, cells with an error, durations."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from xml.etree import ElementTree

_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"
_TOLD_BY = (
    b"number-rows-spanned",
    b'value-type="error"',
    b"time-value",
)  # without any of these there is nothing to tell
_DURATION = re.compile(r"^(-?)P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?$")  # xsd:duration
MOST = 100_000  # cells that one repeated cell is followed into
ROWS, COLUMNS = 1 << 20, 1 << 14  # of the largest sheets there are

Cell = tuple[int, int]  # row and column, from 0


@dataclass(frozen=True)
class More:
    """Of one sheet: ranges of merged cells (first, last), what error cells show, and the durations of cells."""

    merged: list[tuple[Cell, Cell]] = field(default_factory=list)
    errors: dict[Cell, str] = field(default_factory=dict)
    durations: dict[Cell, timedelta] = field(default_factory=dict)


def read_more(raw: bytes, name: str) -> More:
    """What the file says of the sheet ``name`` beyond its cells' values; nothing of files of another kind."""
    found = More()
    body = _content(raw)
    if not any(mark in body for mark in _TOLD_BY):
        return found
    for sheet in ElementTree.fromstring(body).iter(f"{_TABLE}table"):
        if sheet.get(f"{_TABLE}name") == name:
            for row, column, times, cell in _cells(sheet):
                _note(found, row, column, times, cell)
    return found


def _content(raw: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(raw)):
        return b""
    with zipfile.ZipFile(io.BytesIO(raw)) as file:
        return file.read("content.xml") if "content.xml" in file.namelist() else b""


def _cells(sheet: ElementTree.Element) -> Iterator[tuple[int, int, Cell, ElementTree.Element]]:
    """Every cell with its row, its column, and how often it is repeated downwards and to the right."""
    row = 0
    for line in sheet.iter(f"{_TABLE}table-row"):
        down, column = _count(line, "number-rows-repeated"), 0
        for cell in line:
            if cell.tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                right = _count(cell, "number-columns-repeated")
                yield row, column, (down, right), cell
                column += right
        row += down


def _count(element: ElementTree.Element, what: str) -> int:
    return int(element.get(f"{_TABLE}{what}") or 1)


def _note(found: More, row: int, column: int, times: Cell, cell: ElementTree.Element) -> None:
    down, right = _count(cell, "number-rows-spanned"), _count(cell, "number-columns-spanned")
    if down > 1:
        found.merged.append(((row, column), (row + down - 1, column + right - 1)))
    value = cell.get(f"{_OFFICE}time-value")
    wrong = cell.get(f"{_CALC}value-type") == "error"
    if not (wrong or value) or times[0] * times[1] > MOST or row >= ROWS or column >= COLUMNS:
        return
    length = _duration(value or "")
    shown = "".join(cell.itertext()).strip() or "#?"
    for place in ((row + r, column + c) for r in range(times[0]) for c in range(times[1])):
        if wrong:
            found.errors[place] = shown
        elif length is not None:
            found.durations[place] = length


def _duration(text: str) -> timedelta | None:
    parts = _DURATION.match(text)
    if parts is None:
        return None
    days, hours, minutes, seconds = (float(v or 0) for v in parts.groups()[1:])
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    return -length if parts[1] else length
