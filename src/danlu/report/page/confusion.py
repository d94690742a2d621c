"""The confusion matrix: a grid of counts whose cells open their samples, or for many classes a list and a heat map."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

from danlu.report.layout import width
from danlu.report.page.contents import Cell, Confusion
from danlu.report.page.samples import samples
from danlu.report.page.tables import heading, more, table
from danlu.report.page.words import both, compact, count, escape, label, name, sentences, short, show, tr, value

MOST_GRID = 20  # classes whose counts can be read in a grid
SHORT = 3  # columns of a terminal: names of classes that stand upright in any grid
MOST_PAIRS = 24  # confusions listed
MOST_MAP = 256  # pixels of the heat map's side; more classes share pixels
MOST_SAMPLES = 12  # of a cell
BUDGET = 200_000  # characters that all cells' samples of a page may take, the largest confusions first
GRID_BUDGET = 500_000  # where each cell of a grid opens
RIGHT, WRONG = (31, 136, 201), (214, 88, 40)


def confusion(found: Confusion, place: int, heads: int = 1) -> str:
    if not found.classes:
        return ""
    budget = GRID_BUDGET if len(found.classes) <= MOST_GRID else BUDGET
    opened = panels(found, place, budget // max(1, heads))
    body = (
        grid(found, place, set(opened)) if len(found.classes) <= MOST_GRID else pairs_and_map(found, place, set(opened))
    )
    said = sentences(both("page.confusion.note"), both("page.confusion.open") if opened else "")
    note = f'<p class="note">{show(said)}</p>'
    return (
        heading(tr("page.confusion"), 4 if heads > 1 else 3, f"confusion-{place}")
        + note
        + body
        + "".join(opened.values())
    )


def at(found: Confusion, truth: int, answer: int) -> int:
    """A count, 0 where the table has none."""
    row = found.counts[truth] if truth < len(found.counts) else ()
    return row[answer] if answer < len(row) else 0


def ranked(found: Confusion) -> list[tuple[int, int, int]]:
    """(count, truth, answer) of every confusion, the largest first."""
    size = len(found.classes)
    hits = [(c, t, a) for t, row in enumerate(found.counts[:size]) for a, c in enumerate(row[:size]) if c and t != a]
    return sorted(hits, key=lambda h: (-h[0], h[1], h[2]))


# ---- what a cell opens


def panels(found: Confusion, place: int, budget: int) -> dict[tuple[int, int], str]:
    """The panel of each cell that has samples: mistakes by their size, then what was right, within the budget."""
    cells = [c for c in found.cells if c.samples and max(c.truth, c.answer) < len(found.classes)]
    cells.sort(key=lambda c: (c.truth == c.answer, -at(found, c.truth, c.answer), c.truth, c.answer))
    out: dict[tuple[int, int], str] = {}
    for cell in cells:
        one = panel(found, cell, place)
        budget -= len(one)
        if budget < 0:
            break
        out[cell.truth, cell.answer] = one
    return out


def panel(found: Confusion, cell: Cell, place: int) -> str:
    """Opened by its address (:target), so that it works without a script; the link back leads to its cell."""
    anchor = f"{place}-{cell.truth}-{cell.answer}"
    truth, answer = found.classes[cell.truth], found.classes[cell.answer]
    shown = cell.samples[:MOST_SAMPLES]
    total = max(len(shown), at(found, cell.truth, cell.answer))
    key = "page.cell.shown" if len(shown) < total else "page.cell.all"
    number = tr(key, shown=count(len(shown)), total=count(total))
    title = both("page.cell", truth=short(truth, 60), answer=short(answer, 60))
    close = f'<a class="close" href="#at-{anchor}" {label(both("page.close"))}>×</a>'
    pair = (
        f'<dl class="pair"><div><dt>{tr("page.truth")}</dt><dd>{name(truth, 60)}</dd></div>'
        f"<div><dt>{tr('page.answer')}</dt><dd>{name(answer, 60)}</dd></div></dl>"
    )
    inside = f'{close}{pair}<p class="note">{number}</p>{samples(shown, title)}'
    return f'<aside class="panel" id="cell-{anchor}" tabindex="-1" {label(title)}>{inside}</aside>'


def link(found: Confusion, truth: int, answer: int, place: int, text: str) -> str:
    anchor = f"{place}-{truth}-{answer}"
    names = [short(found.classes[i], 24) for i in (truth, answer)]
    said = both("page.cell.link", truth=names[0], answer=names[1], count=text)
    return f'<a id="at-{anchor}" href="#cell-{anchor}" {label(said)}>{escape(text)}</a>'


# ---- up to twenty classes


def grid(found: Confusion, place: int, opened: set[tuple[int, int]]) -> str:
    """Rows are true classes, shaded by their share of the row."""
    size = len(found.classes)
    heads = "".join(f'<th scope="col"><span>{name(c, 30)}</span></th>' for c in found.classes)
    body = []
    for t, truth in enumerate(found.classes):
        total = sum(at(found, t, a) for a in range(size))
        cells = "".join(grid_cell(found, (t, a), total, place, (t, a) in opened) for a in range(size))
        body.append(f'<tr><th scope="row">{name(truth, 30)}</th>{cells}<td class="sum">{compact(total)}</td></tr>')
    corner = f'<td class="corner">{tr("page.confusion.corner")}</td>'
    total_head = f'<th scope="col" class="sum"><span>{tr("page.rows")}</span></th>'
    widest = max(width(c) for c in found.classes)
    flat = widest <= (9 if size <= 6 else SHORT)
    look = "cm" + " many" * (size > 8) + " flat" * flat
    return (
        f'<div class="scroll" tabindex="0" role="region" {label(both("page.confusion"))}><table class="{look}">'
        f"<thead><tr>{corner}{heads}{total_head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def grid_cell(found: Confusion, cell: tuple[int, int], total: int, place: int, opens: bool) -> str:
    number = at(found, *cell)
    if not number:
        return '<td class="nil">·</td>'
    share = number / total if total else 0.0
    level = min(9, max(1, round(9 * share**0.6)))  # rare confusions stay visible beside a full diagonal
    kind = "r" if cell[0] == cell[1] else "w"
    text = compact(number)
    inside = link(found, *cell, place, text) if opens else text
    return f'<td class="{kind}{level}" title="{count(number)} · {value(share, "%")}">{inside}</td>'


# ---- more classes


def pairs_and_map(found: Confusion, place: int, opened: set[tuple[int, int]]) -> str:
    return f'<div class="split">{pairs(found, place, opened)}{heat_map(found)}</div>' + other_cells(
        found, place, opened
    )


def pairs(found: Confusion, place: int, opened: set[tuple[int, int]]) -> str:
    heads = [tr("page.truth"), tr("page.answer"), tr("page.rows"), tr("page.confusion.share")]
    rows = []
    for number, t, a in ranked(found)[:MOST_PAIRS]:
        shown = link(found, t, a, place, count(number)) if (t, a) in opened else count(number)
        rows.append(
            [name(found.classes[t], 40), name(found.classes[a], 40), shown, value(number / sum(found.counts[t]), "%")]
        )
    return table(heads, rows, name=both("page.confusion.largest"), kinds="ttnn") if rows else ""


def other_cells(found: Confusion, place: int, opened: set[tuple[int, int]]) -> str:
    """Cells with samples that the list has no room for."""
    listed = {(t, a) for _, t, a in ranked(found)[:MOST_PAIRS]}
    rest = sorted(opened - listed)
    if not rest:
        return ""
    items = "".join(
        f"<li>{name(found.classes[t], 30)} → {name(found.classes[a], 30)} "
        f"{link(found, t, a, place, count(at(found, t, a)))}</li>"
        for t, a in rest
    )
    return more(tr("page.confusion.others", count=count(len(rest))), f'<ul class="cells">{items}</ul>')


def heat_map(found: Confusion) -> str:
    """Every class in a picture: the larger the share of the true class's rows, the more opaque; blue where right."""
    size = len(found.classes)
    data = base64.b64encode(png(heat_pixels(found))).decode("ascii")
    picture = f'<img class="heat" alt="" width="{size}" height="{size}" src="data:image/png;base64,{data}">'
    ends = f"{name(found.classes[0], 24)} – {name(found.classes[-1], 24)}"
    caption = f'{tr("page.confusion.map")} <span class="soft">{ends}</span>'
    return f"<figure><figcaption>{caption}</figcaption>{picture}</figure>"


def heat_pixels(found: Confusion) -> list[bytes]:
    """Rows of RGBA pixels; where several classes share a pixel the strongest is shown."""
    size = len(found.classes)
    side = min(size, MOST_MAP)
    strength = [[0.0] * side for _ in range(side)]
    for t, row in enumerate(found.counts[:size]):
        total = sum(row) or 1
        for a, number in enumerate(row[:size]):
            if number:
                y, x = t * side // size, a * side // size
                strength[y][x] = max(strength[y][x], number / total)
    return [
        b"".join(
            bytes((*(RIGHT if x == y else WRONG), round(60 + 195 * min(1.0, 2 * s) ** 0.5))) if s else b"\0\0\0\0"
            for x, s in enumerate(line)
        )
        for y, line in enumerate(strength)
    ]


def png(rows: Sequence[bytes]) -> bytes:
    """An RGBA image (PNG specification, third edition, sections 5 and 11)."""
    width, height = len(rows[0]) // 4, len(rows)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
