"""CSV, TSV and their relatives: delimiter, header, quotes and line numbers found, every cell kept as exact text."""

from __future__ import annotations

import csv
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from danlu.data import arrow
from danlu.data.cells import TARGET_NAMES, decimal_commas, flat, looks_numeric, missing_cells
from danlu.data.images import is_image
from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Bad, Choice

_COMMENT = ("#", "|", "%", "//")
_NAMES = {",": "table.comma", "\t": "table.tab", ";": "table.semicolon", "|": "table.bar", " ": "table.blank"}
_SAMPLE = 1 << 16


@dataclass(frozen=True)
class Dialect:
    delimiter: str
    quoted: bool = True  # False: a quote is a character like any other
    spaces: bool = False  # a quote may follow spaces after the delimiter; runs of blanks are one delimiter


@dataclass(frozen=True)
class Parsed:
    """``lines[i]`` is the line of the file on which row ``i`` begins, counted from 1."""

    columns: pa.Table
    lines: np.ndarray
    bad: tuple[Bad, ...]
    choices: tuple[Choice, ...]
    named: bool


def parse(body: bytes, path: str, header: bool | str, names: Sequence[str], skip_bad: bool) -> Parsed:
    """The table in ``body`` (UTF-8). ``names`` are columns known from training; they help to tell a header."""
    first, body, choices = _preamble(body)
    suffix = path.lower().removesuffix(".gz").rpartition(".")[2]
    dialect, why = sniff(body, suffix)
    cells, lines, bad, unquoted = _read(body, dialect, path, first)
    choices.append(Choice("delimiter", say(_NAMES[dialect.delimiter]), why))
    if unquoted:
        choices.append(Choice("quotes", say("table.none"), say("table.quotes.why")))
    if bad and not (skip_bad and cells.num_rows):
        raise DanluError("DL104", where=bad[0][0].where, problem=bad[0][0].why, count=len(bad), name=path)
    if bad and bad[0][1] < int(lines[0]):  # the first line would be taken for the header
        raise DanluError("DL104", where=bad[0][0].where, problem=bad[0][0].why, count=len(bad), name=path)
    cells, stripped = _strip(cells)
    if stripped:
        choices.append(Choice("spaces", say("table.spaces.value"), say("table.spaces.why", count=stripped)))
    cells, lines, named, choice = with_names(cells, lines, header, names, path)
    choices.append(choice)
    return Parsed(cells, lines, tuple(b for b, _ in bad), tuple(choices), named)


def with_names(
    cells: pa.Table, lines: np.ndarray, header: bool | str, names: Sequence[str], path: str
) -> tuple[pa.Table, np.ndarray, bool, Choice]:
    """The rows below the header under their columns' names, if the first row is one; DL103 if there is no other."""
    named, why = _decide_header(cells, header, names)
    given = [""] * cells.num_columns
    if named:
        given = [str(c[0].as_py()).strip() for c in cells.columns]
        cells, lines = cells.slice(1), lines[1:]
        if not cells.num_rows:
            raise DanluError("DL103", where=path, columns=", ".join(given))
    cells = cells.rename_columns([g or f"column{i + 1}" for i, g in enumerate(given)])
    return cells, lines, named, Choice("header", say("table.header.yes" if named else "table.header.no"), why)


def _read(
    body: bytes, dialect: Dialect, path: str, first: int
) -> tuple[pa.Table, np.ndarray, list[tuple[Bad, int]], bool]:
    """The records; many TSV files do not quote at all, so a quote that makes no sense there is a character."""
    opened = _open_quote(body, dialect)
    if opened and dialect.delimiter != "\t":
        raise DanluError("DL105", where=f"{path}:{opened + first - 1}", name=path)
    quoted = None if opened else _records(body, dialect, path, first)
    if quoted is not None and (dialect.delimiter != "\t" or not quoted[2]):
        return *quoted, False
    plain = _records(body, Dialect("\t", quoted=False), path, first)
    if quoted is None or len(plain[2]) < len(quoted[2]):
        return *plain, True
    return *quoted, False


def _preamble(body: bytes) -> tuple[int, bytes, list[Choice]]:
    """Leading blank and comment lines and Excel's ``sep=;`` removed; the number of the first line that is left."""
    line, comments = 1, 0
    while body:
        end = body.find(b"\n")
        head = (body if end < 0 else body[:end]).decode("utf-8", "replace").strip()
        rest = b"" if end < 0 else body[end + 1 :]
        following = rest[:_SAMPLE].lstrip().split(b"\n", 1)[0].decode("utf-8", "replace").strip()
        if head and not re.fullmatch(r"sep=.", head) and not _is_comment(head, following):
            break
        comments += bool(head)
        line, body = line + 1, rest
    what = [Choice("comment", say("table.comment.value", count=comments), say("table.comment.why"))] if comments else []
    return line, body, what


def _is_comment(head: str, following: str) -> bool:
    """A line such as ``|1x3 Cross validator``; a header ``#id,name`` has as many cells as the next line."""
    if not head.startswith(_COMMENT):
        return False
    if following.startswith(head[0]):
        return True
    counts = [(head.count(d), following.count(d)) for d in ",\t;|"]
    return not any(a and a == b for a, b in counts)


def sniff(body: bytes, suffix: str) -> tuple[Dialect, str]:
    """The delimiter under which the sample's records have equally many cells, the suffix's own one first."""
    cut = body[:_SAMPLE] if len(body) <= _SAMPLE else body[: body.rfind(b"\n", 0, _SAMPLE) + 1] or body[:_SAMPLE]
    sample = cut.decode("utf-8", "replace")
    own = {"csv": ",", "tsv": "\t", "tab": "\t"}.get(suffix, "")
    best: tuple[tuple[bool, bool, float, int], Dialect] | None = None
    for mark in ",\t;|":
        for dialect in _variants(mark, sample):
            first, share, width = _regularity(sample, dialect)
            if width < 2:
                continue
            score = (first, mark == own and share >= 0.8, share, width)
            if best is None or score > best[0]:
                best = (score, dialect)
    if best is not None and (best[0][2] >= 0.5 or best[1].delimiter == own):
        mark = best[1].delimiter
        return best[1], say("table.delimiter.own" if mark == own else "table.delimiter.sniffed", width=best[0][3])
    blanks = Dialect(" ", spaces=True)
    if not own:
        first, share, width = _regularity(sample, blanks)
        if first and share >= 0.95 and width > 1:
            return blanks, say("table.delimiter.sniffed", width=width)
    return Dialect(own or "\t"), say("table.delimiter.none")


def _variants(mark: str, sample: str) -> list[Dialect]:
    """The plain dialect, and one where quotes may follow blanks if most cells that begin so also end so."""
    opened = len(re.findall(f'{re.escape(mark)} +"', sample)) if mark in ",;" else 0
    closed = len(re.findall(f'{re.escape(mark)} +"(?:[^"]|"")*" *(?:{re.escape(mark)}|\r?$)', sample, re.MULTILINE))
    if opened and closed >= 0.9 * opened:
        return [Dialect(mark, spaces=True)]
    return [Dialect(mark)]


def _regularity(sample: str, dialect: Dialect) -> tuple[bool, float, int]:
    """Whether the first record has the usual number of cells, the share of records that do, and that number."""
    widths = [len(r) for _, r in _scan(sample, dialect)][:200]
    if not widths:
        return False, 0.0, 0
    usual, count = max(Counter(widths).items(), key=lambda item: (item[1], item[0]))
    return widths[0] == usual, count / len(widths), usual


@contextmanager
def _any_length() -> Iterator[None]:
    """Python's csv module refuses cells over 128 kB unless told otherwise, for the whole process."""
    before = csv.field_size_limit(sys.maxsize if sys.maxsize < 2**31 else 2**31 - 1)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _scan(text: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """Each record with the line it begins on, counted from 1; blank lines are no records."""
    lines: Iterator[str] = io.StringIO(text, newline="")
    if dialect.delimiter == " ":
        lines = (line.strip() + "\n" for line in lines)
    reader = csv.reader(
        lines,
        delimiter=dialect.delimiter,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        skipinitialspace=dialect.spaces,
    )
    start = 1
    with _any_length():
        for record in reader:
            if record:
                yield start, record
            start = reader.line_num + 1


def _records(
    body: bytes, dialect: Dialect, path: str, first: int
) -> tuple[pa.Table, np.ndarray, list[tuple[Bad, int]]]:
    """All records as text columns, the line of each, and those with the wrong number of cells."""
    head = next((r for _, r in _scan(body[: 1 << 20].decode("utf-8", "replace"), dialect)), None)
    if head is None:
        raise DanluError("DL102", where=path)
    physical = body.count(b"\n") + (not body.endswith(b"\n"))
    if body.count(b"\r") != body.count(b"\r\n"):
        physical = -1  # a lone carriage return may end a line too
    if not dialect.spaces:
        cells = _read_arrow(body, dialect, len(head))
        if cells is not None and cells.num_rows == physical:
            return cells, np.arange(first, first + physical), []
        if cells is not None:
            starts = np.fromiter((s for s, _ in _scan(body.decode(), dialect)), np.int64)
            if len(starts) == cells.num_rows:
                return cells, starts + (first - 1), []
    return _read_python(body.decode(), dialect, path, first)


def _read_arrow(body: bytes, dialect: Dialect, width: int) -> pa.Table | None:
    """The cells, or None where a row has another width: then the slower reader names it.

    Arrow's threads get no Python object, neither ``body`` nor an ``invalid_row_handler``: dropping one there while the
    process ends with our error aborts it (std::terminate in PyGILState_Ensure).
    """
    source = pa.BufferOutputStream()
    source.write(body)
    try:
        cells = arrow_csv.read_csv(
            pa.BufferReader(source.getvalue()),
            arrow_csv.ReadOptions(autogenerate_column_names=True, block_size=min(max(len(body) + 1, 64), 2**30)),
            arrow_csv.ParseOptions(
                delimiter=dialect.delimiter,
                quote_char='"' if dialect.quoted else False,
                newlines_in_values=dialect.quoted,
            ),
            arrow_csv.ConvertOptions(
                column_types={f"f{i}": pa.string() for i in range(width)}, strings_can_be_null=False, check_utf8=False
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowCapacityError):
        return None
    return cells if cells.num_columns == width else None


def _read_python(
    text: str, dialect: Dialect, path: str, first: int
) -> tuple[pa.Table, np.ndarray, list[tuple[Bad, int]]]:
    """Slower, and exact about lines: for files with ragged rows, or with blanks before quotes."""
    records = list(_scan(text, dialect))
    usual = max(Counter(len(r) for _, r in records).items(), key=lambda item: (item[1], item[0]))[0]
    good = [(s, r) for s, r in records if len(r) == usual]
    bad = [
        (Bad(f"{path}:{s + first - 1}", say("table.ragged", found=len(r), usual=usual)), s + first - 1)
        for s, r in records
        if len(r) != usual
    ]
    columns = [arrow.texts(c) for c in zip(*(r for _, r in good))]
    cells = pa.table(columns, names=[f"f{i}" for i in range(usual)])
    return cells, np.array([s for s, _ in good], dtype=np.int64) + (first - 1), bad


def _open_quote(body: bytes, dialect: Dialect) -> int:
    """The line of a quote that is opened and never closed, swallowing the rest of the file; 0 if there is none."""
    if not dialect.quoted or body.count(b'"') % 2 == 0:
        return 0
    text, start = body.decode(), 1
    for begins, _ in _scan(text, dialect):
        start = begins
    rest = "".join(io.StringIO(text, newline="").readlines()[start - 1 :])
    try:
        with _any_length():
            list(csv.reader(io.StringIO(rest, newline=""), delimiter=dialect.delimiter, strict=True))
    except csv.Error as e:
        return start if "unexpected end" in str(e) else 0
    return 0


def _strip(cells: pa.Table) -> tuple[pa.Table, int]:
    """Blanks around cells removed, and how many cells had them (UCI's files separate by a comma and a blank)."""
    columns, count = [], 0
    for column in cells.columns:
        bare = pc.utf8_trim(column, " \t")
        changed = pc.sum(pc.not_equal(pc.binary_length(bare), pc.binary_length(column))).as_py() or 0
        columns.append(bare if changed else column)
        count += changed
    return (pa.table(columns, names=cells.column_names), count) if count else (cells, 0)


def _decide_header(cells: pa.Table, header: bool | str, names: Sequence[str]) -> tuple[bool, str]:
    if isinstance(header, bool):
        return header, say("table.header.given")
    first = [str(c[0].as_py()) for c in cells.columns]
    hits = sum(c in names for c in first)
    if names and hits >= max(1, len(first) / 2):
        return True, say("table.header.known", count=hits)
    if len(first) >= 4 and first == [str(i) for i in range(len(first))]:
        return True, say("table.header.counting", last=len(first) - 1)
    above: list[str] = []  # first cells of columns of numbers that are no number themselves
    below: list[str] = []  # … and those that are
    for name, column in zip(first, cells.slice(1, 1000).columns):
        if not looks_numeric(flat(column)) and not decimal_commas(flat(column)):
            continue
        if not missing_cells(arrow.texts([name]))[0]:
            (below if looks_numeric(arrow.texts([name])) else above).append(name)
    years = all(re.fullmatch("(18|19|20|21)[0-9]{2}", c) for c in below)  # usual names of columns of numbers
    if above and (len(above) >= len(below) or years) and len(set(first)) == len(first):
        return True, say("table.header.numbers", name=above[0])
    if any(looks_numeric(arrow.texts([c])) for c in first):
        return False, say("table.header.value", cell=next(c for c in first if looks_numeric(arrow.texts([c]))))
    known = [c for c in first if c.casefold() in TARGET_NAMES]
    if known:
        return True, say("table.header.target", name=known[0])
    files = [c for c in first if is_image(Path(c))]
    if files:
        return False, say("table.header.file", cell=files[0])
    for name, column in zip(first, cells.slice(1).columns):
        if name and pc.any(pc.equal(column, arrow.one(name))).as_py():
            return False, say("table.header.repeats", cell=name)
    return True, say("table.header.default")
