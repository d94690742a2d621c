"""What a path or "file.py:name" stands for: an object, rows of arrays, or a file to be read elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from danlu.data.arrays import Arrays
from danlu.data.idx import find_pairs, is_idx, read_idx
from danlu.data.kinds import read_npz, rows_of
from danlu.data.loader import Loader
from danlu.data.places import contents, existing
from danlu.errors import DanluError
from danlu.lookup import is_reference, resolve

__all__ = ["contents", "existing", "idx_pair", "is_idx_pair", "resolved", "rows_of_path"]


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
