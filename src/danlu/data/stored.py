"""Image files inside a table's cells, as Hugging Face's ``Image`` keeps them: found, and read when they are needed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.cells import mask
from danlu.data.typed import features_of, kind_of


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image file in a table's cell {bytes, path}; it opens and reads like a path, each time from the table again."""

    cells: Any  # a pyarrow StructArray: a stretch of the column where it lies, so that nothing is copied
    row: int  # of ``cells``
    column: str
    folder: str = ""  # of the table: a cell's relative path is sought there too

    def __str__(self) -> str:
        return f"{self.column} ({self.path})" if self.path else self.column

    @property
    def path(self) -> str:
        """What the cell says the file is called; often no more than a name, and nothing where it says none."""
        return str(self.cells[self.row]["path"].as_py() or "")

    def length(self) -> int:
        """Bytes of the file; OSError where it is not there."""
        stored = self._stored()
        return self._file().stat().st_size if stored is None else int(stored.size)

    def read_bytes(self) -> bytes:
        """The file's bytes, from the table or from the path that stands there; OSError where it is not there."""
        stored = self._stored()
        return self._file().read_bytes() if stored is None else bytes(stored.to_pybytes())

    def open(self, mode: str = "rb") -> io.BytesIO:
        """The file, its bytes copied for as long as it is open."""
        return io.BytesIO(self.read_bytes())

    def _stored(self) -> pa.Buffer | None:
        data = self.cells[self.row]["bytes"]
        return data.as_buffer() if data.is_valid else None

    def _file(self) -> Path:
        path = Path(self.path).expanduser()
        return path if path.is_file() else Path(self.folder) / path


def image_columns(columns: pa.Table) -> list[str]:
    """The columns of image files: ``Image`` by the table's own word, else structs of bytes and path like it."""
    features = features_of(columns)
    fields = [columns.schema.field(i) for i in range(columns.num_columns)]
    return [f.name for f in fields if _is_stored(f.type) and kind_of(features.get(f.name)) in ("Image", "")]


def _is_stored(kind: pa.DataType) -> bool:
    if not pa.types.is_struct(kind) or {f.name for f in kind} != {"bytes", "path"}:
        return False
    data = kind.field("bytes").type
    known = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_null)
    return any(test(data) for test in known)


def taken_out(columns: pa.Table, folder: str = "") -> tuple[pa.Table, dict[str, list[StoredImage | None]]]:
    """The table with names in place of its images, and the images of each such column, None where a cell has none."""
    images: dict[str, list[StoredImage | None]] = {}
    for name in image_columns(columns):
        at = columns.schema.get_field_index(name)
        images[name] = stored_images(columns.column(at), name, folder)
        columns = columns.set_column(at, name, names_of(images[name]))
    return columns, images


def stored_images(column: pa.ChunkedArray, name: str, folder: str = "") -> list[StoredImage | None]:
    """A column's images where they lie."""
    out: list[StoredImage | None] = []
    for cells in column.chunks:
        data, path = (cells.flatten()[cells.type.get_field_index(part)] for part in ("bytes", "path"))
        named = mask(pc.not_equal(pc.fill_null(pc.cast(path, pa.string()), ""), ""))
        there = mask(pc.is_valid(data)) | named
        out += [StoredImage(cells, i, name, folder) if ok else None for i, ok in enumerate(there.tolist())]
    return out


def names_of(images: Sequence[StoredImage | None]) -> pa.Array:
    """What stands for images in a table: the path in the cell, else the row's number; nothing where there is none."""
    names = (None if image is None else image.path or f"image {row}" for row, image in enumerate(images))
    return pa.array(list(names), pa.string())
