"""Samples as a person sees them: pictures (each stored once in the page), rows of a table, or texts."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from danlu.report.page.contents import Picture, Sample, Text
from danlu.report.page.tables import table
from danlu.report.page.words import escape, name, short, tr

MIMES = ("image/png", "image/jpeg", "image/webp", "image/gif")
MOST_COLUMNS = 12
IN_TABLE = 24  # characters of a place in a table's first column
SMALL = 64  # pixels; smaller pictures are enlarged with hard edges


def picture(shown: Picture, said: str) -> str:
    """A reference to a picture of ``store``, named for screen readers."""
    if shown.mime not in MIMES or not shown.data:
        return '<span class="im none" aria-hidden="true">–</span>'
    named = f'role="img" aria-label="{escape(short(said, 120))}"'
    return f'<svg class="im" viewBox="0 0 1 1" {named}><use href="#{key(shown)}"/></svg>'


def key(shown: Picture) -> str:
    """The id of a picture: equal bytes, equal id."""
    return "p" + hashlib.sha256(shown.mime.encode() + b"\0" + shown.data).hexdigest()[:16]


def store(contents: Any, html: str) -> str:
    """The pictures that ``html`` refers to, each once, as symbols."""
    wanted = set(re.findall(r'<use href="#(p[0-9a-f]{16})"', html))
    known = {key(p): p for p in pictures(contents)}
    symbols = "".join(symbol(known[k], k) for k in sorted(wanted))
    return f'<svg class="store" width="0" height="0" aria-hidden="true">{symbols}</svg>' if symbols else ""


def pictures(value: Any) -> Iterator[Picture]:
    """Every picture anywhere in the contents of a page."""
    if isinstance(value, Picture):
        yield value
    elif isinstance(value, tuple):
        first = value[0] if value else None
        if isinstance(first, tuple) and first and not isinstance(first[0], tuple) and not is_dataclass(first[0]):
            return  # points, rows of a table: thousands of them, all alike
        if isinstance(first, tuple) or is_dataclass(first):
            for part in value:
                yield from pictures(part)
    elif is_dataclass(value):
        for field in fields(value):
            yield from pictures(getattr(value, field.name))


def symbol(shown: Picture, anchor: str) -> str:
    small = max(png_size(shown.data), default=SMALL) < SMALL
    data = base64.b64encode(shown.data).decode("ascii")
    look = ' class="hard"' if small else ""
    return (
        f'<symbol id="{anchor}" viewBox="0 0 1 1">'
        f'<image{look} width="1" height="1" href="data:{shown.mime};base64,{data}"/></symbol>'
    )


def png_size(data: bytes) -> tuple[int, ...]:
    """(width, height) from a PNG's header; empty for other formats."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n") or len(data) < 24:
        return ()
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


def samples(shown: Sequence[Sample], title: Text, captions: Sequence[str] = ()) -> str:
    """Pictures side by side, then rows as a table, then texts; ``captions`` are HTML, one a sample.

    Without captions a sample's label stands there.
    """
    notes = list(captions) or [name(s.label, 40) if s.label else "" for s in shown]
    pairs = list(zip(shown, notes))
    seen = [(s, c) for s, c in pairs if s.picture]
    rows = [(s, c) for s, c in pairs if not s.picture and s.row]
    texts = [(s, c) for s, c in pairs if not s.picture and not s.row]
    return grid(seen) + sample_table(rows, title, bool(captions)) + quotes(texts)


def grid(shown: Sequence[tuple[Sample, str]]) -> str:
    tiles = "".join(
        f'<li>{picture(s.picture, s.where)}<span class="cap">{caption}</span>{cells(s)}{place(s.where, 20)}</li>'
        for s, caption in shown
        if s.picture
    )
    return f'<ul class="grid">{tiles}</ul>' if tiles else ""


def cells(shown: Sample) -> str:
    """What stands beside a picture in its row, under it."""
    some = ", ".join(f"{short(column, 20)}: {short(value, 20)}" for column, value in shown.row[:MOST_COLUMNS])
    return f'<span class="where">{escape(some)}</span>' if some else ""


def place(where: str, most: int = 60) -> str:
    """Where a sample comes from: the end of a path says most, the whole of it is its tooltip."""
    if not where:
        return ""
    shown = where if len(where) <= most else tail(where.replace("\\", "/").rpartition("/")[2], most)
    full = f' title="{escape(short(where, 200))}"' if shown != where else ""
    return f'<span class="where"{full}><bdi>{escape(shown)}</bdi></span>'


def tail(text: str, most: int) -> str:
    """The end of a text, from the beginning of a word."""
    if len(text) <= most:
        return text
    end = text[1 - most :]
    begins = next((m.start() for m in re.finditer(r"(?<=\s)\S|(?<=[-_.·])\w", end) if m.start() < most // 2), 0)
    return "…" + end[begins:]


def sample_table(shown: Sequence[tuple[Sample, str]], title: Text, captioned: bool) -> str:
    """Rows under the columns that any of them has, in their order."""
    if not shown:
        return ""
    columns = list(dict.fromkeys(column for s, _ in shown for column, _ in s.row))[:MOST_COLUMNS]
    noted = any(caption for _, caption in shown)
    heads = [tr("page.where")] + ([tr("page.case" if captioned else "page.label")] if noted else [])
    body = []
    for s, caption in shown:
        cells = dict(s.row)
        body.append(
            [place(s.where, IN_TABLE), *([caption] if noted else []), *(name(cells.get(c, ""), 40) for c in columns)]
        )
    kinds = "t" + ("c" if noted else "") + "t" * len(columns)
    return table(heads + [name(c, 40) for c in columns], body, name=title, kinds=kinds, look="rows")


def quotes(shown: Sequence[tuple[Sample, str]]) -> str:
    items = "".join(
        f'<li><p>{name(s.text, 400)}</p><span class="cap">{caption}</span>{place(s.where)}</li>' for s, caption in shown
    )
    return f'<ul class="quotes">{items}</ul>' if items else ""
