"""Which columns of a table name image files, and where those files lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from danlu.data import arrow
from danlu.data.cells import flat, is_text, to_labels
from danlu.data.images import is_image
from danlu.data.profile import Profile
from danlu.data.stored import StoredImage
from danlu.data.table import Table
from danlu.data.user import spread
from danlu.errors import DanluError, nearest
from danlu.messages import say

LOOKED_AT = 50  # cells of a column that decide where its files lie
MANY = 20  # times so many are taken, since some may be empty
MOST_FOLDERS = 200  # folders near the table that are looked into
ENDINGS = (".jpg", ".png", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".JPG", ".PNG", ".JPEG")
LISTED = 5_000  # files of a folder among which the nearest name is sought

_URL = re.compile(r"(?i)^(https?|ftp|s3|gs|hdfs)://")
_NAMED = re.compile(r"(?i)(image|img|photo|pic(ture)?s?$|file|path|frame|图|照片|相片|文件|路径)")
_ID = re.compile(r"(?i)(^|[\W_])(id|uid|uuid|idx|index|key|nr|no)$|[a-z]I[dD]$|^Unnamed: ?\d+$|(编号|序号|编码)$")


@dataclass(frozen=True)
class Located:
    """How the cells of a column become paths; ``shown`` says it, such as ``images/<id>.jpg``."""

    folder: Path
    last: bool  # only the last part of a cell counts: /home/her/cats/1.jpg is found as 1.jpg
    suffix: str  # put behind a cell
    shown: str
    others: tuple[str, ...] = ()  # folders that have files of the same names

    def path(self, cell: str) -> Path:
        name = Path(_slashes(cell.strip())).expanduser()
        return (self.folder if self.last else self.folder / name.parent) / (name.name + self.suffix)


def image_columns(table: Table, profiles: Mapping[str, Profile], left_out: Sequence[str]) -> dict[str, str]:
    """The columns that name image files, each with the reason, which says where they lie.

    A column is one when its cells end as image files do, or when a file lies near the table for nearly each of its
    names. DL133 for addresses on a network, DL135 where no file is found, both only if no other column has images.
    """
    found: dict[str, str] = {name: say("pictures.objects") for name in table.images if name not in left_out}
    failed: list[DanluError] = []
    for name in table.names:
        if name in left_out or name in found:
            continue
        nameless = _may_lack_suffix(name, profiles[name], first=name == table.names[0])
        if not nameless and profiles[name].kind != "text":  # no number ends as an image file does
            continue
        some = a_few(table, name)
        if not some:
            continue
        if _share(bool(_URL.match(c)) for c in some) > 0.5:
            if _NAMED.search(name) or _share(is_image(Path(c.partition("?")[0])) for c in some) > 0.5:
                failed.append(_address(table, name, some[0], say("pictures.instead", column=name)))
        elif _share(is_image(Path(_slashes(c))) for c in some) > 0.9:
            located = locate(table, name)
            if located is None:
                failed.append(nothing_found(table, name, some[0], say("pictures.instead", column=name)))
            else:
                found[name] = _why(table, located, texts(table, name)[1])
        elif nameless:
            located = locate(table, name)
            if located is not None and located.suffix and _hits(located, some) > 0.8 * len(some):
                found[name] = _why(table, located, texts(table, name)[1])
    if failed and not found:
        raise failed[0]
    return found


def unfound(name: str, table: Table) -> str:
    """Why a column whose cells look like images' names is left out beside one whose files are there; else empty."""
    some = a_few(table, name)
    if some and _share(is_image(Path(_slashes(c.partition("?")[0]))) for c in some) > 0.9:
        return say("pictures.url" if _URL.match(some[0]) else "pictures.none", cell=some[0])
    return ""


def nothing_found(table: Table, name: str, cell: str, instead: str = "") -> DanluError:
    """``instead``: what else could be done, where the model does not need the column yet."""
    folder = _folder(table)
    facts = {"cell": cell, "path": folder / _slashes(cell), "folder": folder, "instead": instead}
    return DanluError("DL135", where=table.path, column=name, **facts)


def _address(table: Table, name: str, cell: str, instead: str = "") -> DanluError:
    return DanluError("DL133", where=table.path, column=name, cell=cell, instead=instead)


def a_few(table: Table, name: str) -> list[str]:
    """Some of a column's cells that are not empty, from its whole length; not all become Python texts for it."""
    column = flat(table.columns.column(name))
    rows = arrow.numbers(np.array(spread(len(column), MANY * LOOKED_AT), dtype=np.int64))
    cells = _texts(column.take(rows))[1] or _texts(column)[1]
    return [cells[i] for i in spread(len(cells), LOOKED_AT)]


def texts(table: Table, name: str) -> tuple[list[str | None], list[str]]:
    """A column's cells as texts, None where empty; and those that are not."""
    return _texts(flat(table.columns.column(name)))


def _texts(column: pa.Array) -> tuple[list[str | None], list[str]]:
    if not is_text(column):
        column = to_labels(column, True) if _is_whole(column) else pa.nulls(len(column), pa.string())
    cells = [None if c is None or not c.strip() else c for c in column.to_pylist()]
    return cells, [c for c in cells if c is not None]


def _is_whole(column: pa.Array) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def locate(table: Table, name: str) -> Located | None:
    """Where the files of a column lie: the place with the most of them; None where none is found.

    Looked at in this order: the cell as a path from the table's folder, from the working folder, from folders below
    and beside the table's; then only its last part; each with the usual endings where the cell has none.
    """
    some = a_few(table, name)
    if not some:
        return None
    endings = ("",) if all(is_image(Path(_slashes(c))) for c in some) else ("", *ENDINGS)
    best: list[tuple[int, Located]] = []
    for found in _candidates(table, some, endings, f"<{name}>"):
        hits = _hits(found, some)
        if hits == len(some) and found.folder == _folder(table):
            return found
        if hits:
            best.append((hits, found))
    if not best:
        return None
    most = max(hits for hits, _ in best)
    equal = [found for hits, found in best if hits == most]
    stem = Path(table.path).name.partition(".")[0].lower()
    alike = [f for f in equal if stem and stem in f.folder.name.lower()] or equal
    others = tuple(str(f.folder) for f in equal if f is not alike[0] and f.folder != alike[0].folder)
    return Located(alike[0].folder, alike[0].last, alike[0].suffix, alike[0].shown, others)


def _candidates(table: Table, some: Sequence[str], endings: Sequence[str], name: str) -> Iterator[Located]:
    folder = _folder(table)
    nested = any("/" in _slashes(c) for c in some)
    places = [folder, Path(), *_below(folder, 2)]
    if len(endings) == 1:  # bare names such as 17 may have files anywhere, of other data
        places += [folder / "..", *_below(folder / "..", 1)]
    few = some[:5]
    for last in (False, True) if nested else (False,):
        for place in dict.fromkeys(places):
            for suffix in endings:
                shown = _shown(place, folder, f"…/{name}" if last else name, suffix)
                found = Located(place, last, suffix, shown)
                if _hits(found, few) or (len(some) > 5 and place in (folder, Path())):
                    yield found


def _shown(place: Path, folder: Path, name: str, suffix: str) -> str:
    inside = os.path.relpath(place, folder)
    return name + suffix if inside == "." else f"{inside}/{name}{suffix}"


def _below(folder: Path, depth: int) -> list[Path]:
    """Folders inside a folder, in name order, at most ``MOST_FOLDERS``."""
    found: list[Path] = []
    level = [folder]
    for _ in range(depth):
        inner: list[Path] = []
        for place in level:
            try:
                inner += sorted(p for p in place.iterdir() if not p.name.startswith((".", "__")) and p.is_dir())
            except OSError:
                continue
            if len(found) + len(inner) > MOST_FOLDERS:
                break
        found, level = [*found, *inner], inner
    return found[:MOST_FOLDERS]


def _folder(table: Table) -> Path:
    return Path(table.path).expanduser().parent if table.path else Path()


def _hits(located: Located, cells: Sequence[str]) -> int:
    return sum(_is_file(located.path(c)) for c in cells)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that is too long, or holds a zero byte
        return False


def _share(found: Iterator[bool]) -> float:
    values = list(found)
    return sum(values) / max(1, len(values))


def _slashes(cell: str) -> str:
    return cell.replace("\\", "/") if os.sep == "/" else cell


def _may_lack_suffix(name: str, p: Profile, *, first: bool) -> bool:
    """Whether a column may hold bare names of files: one each row, under such a name or as the first text."""
    if p.kind not in ("text", "number") or p.distinct != p.rows - p.missing or p.length > 100:
        return False
    return bool(_NAMED.search(name) or _ID.search(name)) or (first and p.kind == "text")


def _why(table: Table, located: Located, cells: Sequence[str]) -> str:
    """Where the files are; how many lie outside of the table's folder; which folders have the same names."""
    said = [say("pictures.found", pattern=located.shown, count=f"{len(cells):,}", example=located.path(cells[0]))]
    root = _folder(table).resolve()
    outside = [p for p in (located.path(c) for c in cells) if not p.resolve().is_relative_to(root)]
    if outside:
        said.append(say("pictures.outside", count=f"{len(outside):,}", folder=root, path=outside[0].resolve()))
    if located.others:
        said.append(say("pictures.others", folders=", ".join(located.others[:3])))
    return "; ".join(said)


def image_paths(table: Table, name: str) -> tuple[list[Any], dict[int, str]]:
    """Each row's file (or the image itself, where it was given as an object), and what is wrong with a row."""
    if name in table.images:
        given = [_as_picture(v) for v in table.images[name]]
        return given, {i: say("pictures.empty", column=name) for i, v in enumerate(given) if v is None}
    cells, present = texts(table, name)
    if present and sum(bool(_URL.match(c)) for c in present) > 0.5 * len(present):
        raise _address(table, name, present[0])
    located = locate(table, name)
    if located is None:
        if present:
            raise nothing_found(table, name, present[0])
        located = Located(_folder(table), False, "", "")
    paths: list[Any] = []
    wrong: dict[int, str] = {}
    for row, cell in enumerate(cells):
        path = located.path(cell) if cell is not None else None
        paths.append(path)
        if path is None:
            wrong[row] = say("pictures.empty", column=name)
        elif not _is_file(path):
            wrong[row] = say("pictures.missing", path=path, hint=_hint(path) if not wrong else "")
    return paths, wrong


def _as_picture(value: Any) -> Any:
    """A cell as an image: Pillow's and the table's own as they are, a text as a path, an array as Pillow's.

    Arrays are (H, W[, C]) or (C, H, W).
    """
    if value is None or isinstance(value, StoredImage) or hasattr(value, "getbands"):
        return value
    if isinstance(value, str | Path):
        return Path(value)
    from PIL import Image

    pixels = np.asarray(value)
    if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    if pixels.dtype.kind == "f":  # shares of 0 to 1
        pixels = (pixels * 255).round()
    return Image.fromarray((pixels[..., 0] if pixels.shape[2:] == (1,) else pixels).astype(np.uint8))


def _hint(path: Path) -> str:
    """The nearest name in the folder of a file that is not there."""
    try:
        names = [entry.name for _, entry in zip(range(LISTED + 1), os.scandir(path.parent))]
    except OSError:
        return ""
    near = nearest(path.name, names) if 0 < len(names) <= LISTED else ""
    return " " + say("table.near", near=near) if near else ""
