"""Files that people name: a path, a pattern, a list, a sheet of a workbook, a folder; and which part is which."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from danlu.data.images import is_image
from danlu.errors import DanluError, nearest
from danlu.messages import say

TABLE_SUFFIXES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".arrow", ".feather"))
SHEETS = frozenset((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"))
_NAMED = re.compile(r"^(?P<file>.+\.(?:xlsx|xlsm|xlsb|xls|ods)):(?P<sheet>[^\\/]+)$", re.IGNORECASE)
PART_NAMES = {
    "train": ("train", "training", "trainset", "train_set", "训练集", "训练"),
    "val": ("val", "valid", "validation", "dev", "eval", "验证集", "验证"),
    "test": ("test", "testing", "testset", "test_set", "测试集", "测试"),
}
_NUMBERED = re.compile(r"^(?P<name>.*?)[-_.]\d+([-_.]of[-_.]\d+)?$")  # train-00000-of-00002, test_1


def part_of(name: object) -> str | None:
    """ "train", "val" or "test", also for a numbered piece such as ``train-00000-of-00002``; else None."""
    text = str(name).lower()
    cut = _NUMBERED.match(text)
    bare = cut["name"] if cut else text
    return next((part for part, names in PART_NAMES.items() if text in names or bare in names), None)


def split_sheet(source: str | Path) -> tuple[Path, str | None]:
    """``book.xlsx:Sheet2`` as its file and its sheet; any other path as it is. A drive (``C:``) is no sheet."""
    named = _NAMED.match(str(source))
    return (Path(named["file"]), named["sheet"]) if named else (Path(source), None)


def is_sheet(path: Path) -> bool:
    return split_sheet(path)[0].suffix.lower() in SHEETS


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


def is_table_file(path: Path) -> bool:
    """A file of a table by its name, or a folder of one that Hugging Face saved."""
    file, _ = split_sheet(path)
    return (path / "state.json").is_file() or (file.is_file() and bool(_table_suffix(file)))


# ---- folders of tables


def sub_folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not is_hidden(p.name))


Place = Path | tuple[Path, ...]


def table_files(path: Path) -> dict[str, Place]:
    """``{"train": file, "test": …}`` of a folder that holds tables and no images; empty for all else.

    ``train.csv``, ``test.csv`` and ``val.csv`` are the parts, whatever else lies there, and so are the numbered
    pieces ``train-00000-of-00002.parquet`` and folders of those names. Other files are pieces of one table; DL147
    when they are of several kinds.
    """
    files = [p for p in sorted(path.iterdir()) if p.is_file() and not is_hidden(p.name)]
    tables = [p for p in files if _table_suffix(p)]
    folders = sub_folders(path)
    if any(map(is_image, files)) or (folders and not _parts_of_tables(folders)):
        return {}
    if folders and not tables:
        inner = {part_of(f.name): table_files(f) for f in folders if part_of(f.name)}
        return {str(part): found["train"] for part, found in inner.items() if "train" in found}
    if not tables or folders:
        return {}
    found: dict[str, list[Path]] = {}
    for table in tables:
        found.setdefault(part_of(table.name.partition(".")[0]) or "", []).append(table)
    rest = found.pop("", [])
    if "train" not in found and rest:
        found = {"train": rest, **found}
    if "train" not in found:
        return {}
    for several in found.values():
        _refuse_mixture(path, several)
    return {part: several[0] if len(several) == 1 else tuple(several) for part, several in found.items()}


def _table_suffix(path: Path) -> str:
    suffix = Path(path.name.lower().removesuffix(".gz")).suffix
    return suffix if suffix in TABLE_SUFFIXES or suffix in SHEETS else ""


def _parts_of_tables(folders: Sequence[Path]) -> bool:
    """Whether all folders are parts by their names, train among them, and hold tables and nothing deeper."""
    parts = [part_of(f.name) for f in folders]
    flat = all(any(_table_suffix(p) for p in f.iterdir()) and not sub_folders(f) for f in folders)
    return None not in parts and "train" in parts and len(set(parts)) == len(parts) and flat


def _refuse_mixture(path: Path, files: Sequence[Path]) -> None:
    kinds = Counter(map(_table_suffix, files))
    if len(kinds) > 1:
        found = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        line = f"{path}/*{kinds.most_common(1)[0][0]}"
        raise DanluError("DL147", where=str(path), found=found, line=line)
