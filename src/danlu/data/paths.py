"""What a path or "file.py:name" stands for: an object, rows of arrays, or a file to be read elsewhere."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from danlu.data.arrays import Arrays
from danlu.data.idx import find_pairs, is_idx, read_idx
from danlu.data.kinds import read_npz, rows_of
from danlu.data.loader import Loader
from danlu.errors import DanluError, nearest
from danlu.lookup import is_reference, resolve
from danlu.messages import say

SHEETS = frozenset((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"))
_NAMED = re.compile(r"^(?P<file>.+\.(?:xlsx|xlsm|xlsb|xls|ods)):(?P<sheet>[^\\/]+)$", re.IGNORECASE)


def split_sheet(source: str | Path) -> tuple[Path, str | None]:
    """``book.xlsx:Sheet2`` as its file and its sheet; any other path as it is. A drive (``C:``) is no sheet."""
    named = _NAMED.match(str(source))
    return (Path(named["file"]), named["sheet"]) if named else (Path(source), None)


def is_sheet(path: Path) -> bool:
    return split_sheet(path)[0].suffix.lower() in SHEETS


def resolved(source: Any) -> Any:
    """What "file.py:name" names, made if it is a function or a class of no arguments; danlu's loaders as torch's."""
    if is_reference(source):
        source = _named(source)
    if isinstance(source, tuple) and any(isinstance(part, Loader) for part in source):
        return tuple(part.as_torch() if isinstance(part, Loader) else part for part in source)
    return source.as_torch() if isinstance(source, Loader) else source


def _named(source: Any) -> Any:
    found = resolve(source)
    if not callable(found) or (hasattr(found, "__getitem__") and not isinstance(found, type)):
        return found
    try:
        return found()
    except TypeError as error:
        if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself, not its body
            raise DanluError("DL177", where=source, problem=str(error)) from error
        raise


def existing(path: str | Path) -> Path:
    """The path, which must exist; DL150 names the nearest one beside it."""
    found = Path(path).expanduser()
    if found.exists():
        return found
    file, sheet = split_sheet(found)
    if sheet is not None:
        return Path(f"{existing(file)}:{sheet}")
    parent = found.parent
    while not parent.exists():
        found, parent = parent, parent.parent
    near = nearest(found.name, (p.name for p in parent.iterdir())) if parent.is_dir() else ""
    line = str(parent / near / Path(path).expanduser().relative_to(found)) if near else ""
    raise DanluError(
        "DL150",
        where=str(path),
        path=str(path),
        missing=str(found),
        near=str(parent / near) if near else "",
        here=Path.cwd(),
        line=line.removesuffix("/.") or f"ls {parent}",
    )


def is_paths(value: Any) -> bool:
    """A list of files: as data, a list of texts can be nothing else."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, (str, Path)) for v in value)


def has_pattern(source: str | Path) -> bool:
    """Whether the path is a pattern for several, such as ``data/2024-*.csv``; not where a file has that very name."""
    return glob.has_magic(str(source)) and not Path(source).expanduser().exists()


def located(source: str | Path | list[Any]) -> Path | tuple[Path, ...]:
    """The one path, or the several files, that a path, a pattern (``data/2024-*.csv``) or a list of them stands for.

    Files of a pattern come in the order of their names. DL141 for a pattern that nothing matches, DL150 for a path
    that does not exist.
    """
    found = [path for one in (source if isinstance(source, list) else [source]) for path in _matching(one)]
    return found[0] if len(found) == 1 else tuple(found)


def _matching(source: str | Path) -> list[Path]:
    path = Path(source).expanduser()
    if not has_pattern(path):
        return [existing(path)]
    file, sheet = split_sheet(path)
    hits = sorted(Path(p) for p in glob.glob(str(file), recursive=True))
    files = [p for p in hits if not p.is_dir() and not is_hidden(p.name)]
    if len(hits) == 1:
        files = hits
    if files:
        return [Path(f"{p}:{sheet}") if sheet else p for p in files]
    folder = next((p for p in file.parents if not glob.has_magic(str(p))), Path())
    inside = [p.name for p in sorted(folder.iterdir())] if folder.is_dir() else []
    if hits:
        found = say("files.only_folders", names=", ".join(p.name for p in hits[:4]))
    elif not folder.is_dir():
        found = say("files.no_folder", path=folder)
    else:
        shown = ", ".join(inside[:8])
        found = say("files.folder", path=folder, found=shown) if inside else say("files.nothing", path=folder)
    near = nearest(file.name, inside)
    line = str(folder / near) if near else f"ls {folder}"
    raise DanluError("DL141", where=str(source), pattern=str(source), found=found, line=line)


def is_hidden(name: str) -> bool:
    """What systems and unpackers leave beside people's files."""
    return name.startswith((".", "__MACOSX", "@eaDir"))


def contents(files: Iterable[str | Path]) -> str:
    """What a folder holds, by the ends of its files' names: ``120 .jpg, 1 .txt``."""
    kinds = Counter(Path(f).suffix.lower() or Path(f).name for f in files)
    return ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))


def is_idx_pair(data: Any) -> bool:
    """Whether ``data`` is (images file, labels file), and not (training file, test file)."""
    two = isinstance(data, (tuple, list)) and len(data) == 2 and all(isinstance(d, (str, Path)) for d in data)
    return two and all(is_idx(Path(d)) for d in data) and "label" in Path(data[1]).name.lower()


def idx_pair(files: tuple[Any, Any]) -> Arrays:
    """The rows of an images file and its labels file."""
    images, labels = (existing(f) for f in files)
    return rows_of((read_idx(images), read_idx(labels)), f"{images.name} row")


def rows_of_path(path: Path) -> dict[str, Arrays]:
    """Rows by part of an .npz file, an IDX file or a folder of IDX pairs; empty for all else."""
    if path.suffix.lower() == ".npz":
        return {part: rows_of(pair, f"{path.name} {part} row") for part, pair in read_npz(path).items()}
    if not (path.is_dir() or is_idx(path)):
        return {}
    out = {}
    for part, (images, labels) in find_pairs(path).items():
        out[part] = idx_pair((images, labels))
    return out
