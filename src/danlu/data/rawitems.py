"""Files, images and arrays given to predict, one by one: what each is and how it is read."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from danlu.data.idx import find_pairs, is_idx, read_idx
from danlu.data.images import decode, is_image
from danlu.data.inputs import as_tensor, encode_input
from danlu.data.places import contents, existing
from danlu.data.user import parts_of
from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Bad, Field, Schema


@dataclass(frozen=True)
class Item:
    """One input, or the rows of an array: ``make`` gives a stored tensor (len(keys), ...) for each input field."""

    keys: tuple[str, ...]
    make: Callable[[], tuple[Tensor, ...]]

    def pieces(self, size: int) -> Iterator[Item]:
        """The same rows as items of at most ``size``."""
        if len(self.keys) <= size:
            yield self
            return
        tensors = self.make()
        for start in range(0, len(self.keys), size):
            yield Item(self.keys[start : start + size], _Piece(tuple(t[start : start + size] for t in tensors)))


@dataclass(frozen=True)
class _Piece:
    tensors: tuple[Tensor, ...]

    def __call__(self) -> tuple[Tensor, ...]:
        return self.tensors


def as_bad(error: DanluError, where: str) -> Bad:
    return Bad(error.where or where, error.what + (f": {error.why}" if error.why else ""))


def expanded(path: str | Path) -> list[Path]:
    """The files a path, a folder or a pattern stands for, in name order; DL150 or DL182 when there is none."""
    found = Path(path).expanduser()
    if found.is_file() or (found / "state.json").is_file():  # a saved Hugging Face dataset is one table
        return [found]
    if found.is_dir():
        files = sorted(p for p in found.rglob("*") if p.is_file() and not p.name.startswith("."))
        return files or _none_in(found)
    hits = sorted(Path(p) for p in glob.glob(str(found), recursive=True)) if glob.has_magic(str(found)) else []
    if hits:
        return [p for p in hits if p.is_file()] or _none_in(found)
    return [existing(found)]  # a sheet of a workbook; or it raises, naming the nearest


def _none_in(path: Path, found: str = "") -> NoReturn:
    folder = path if path.is_dir() else next(p for p in path.parents if p.is_dir())
    raise DanluError("DL182", where=str(path), path=path, folder=folder, found=found or say("data.folder.no_files"))


def find_items(schema: Schema, inputs: Any, max_pixels: int, *, alone: bool) -> Iterator[Item | Bad]:
    """What ``inputs`` stands for; a missing path is an error only when it is the one input (``alone``)."""
    field = schema.inputs[0]
    if isinstance(inputs, (str, Path)):
        try:
            files = _inputs_at(inputs)
        except DanluError as error:
            if alone:
                raise
            yield Bad(error.where, error.what)
            return
        for path in files:
            yield from _file_items(schema, path, max_pixels)
    elif hasattr(inputs, "getbands"):  # a Pillow image
        yield _image_item(field, inputs, "image", max_pixels)
    elif isinstance(inputs, tuple) and len(inputs) == len(schema.inputs) > 1:
        yield from _array_items(schema, tuple(as_tensor(v) for v in inputs), "row")
    elif isinstance(inputs, (list, tuple)) and inputs and _is_piece(inputs[0]):
        for i, one in enumerate(inputs):
            if hasattr(one, "getbands"):
                yield _image_item(field, one, f"image {i}", max_pixels)
            elif isinstance(one, (str, Path)):
                yield from find_items(schema, one, max_pixels, alone=False)
            else:
                yield from _one_array(schema, one, f"row {i}")
    elif hasattr(inputs, "__array__") or isinstance(inputs, (Tensor, list, tuple)):
        x = as_tensor(inputs)
        single = x.ndim == len(field.shape) and not _is_grey_batch(field, x)
        single = single or (field.kind == "image" and field.shape[0] == 1 and tuple(x.shape) == field.shape[1:])
        yield from _array_items(schema, (x[None] if single else x,), "row")
    elif hasattr(inputs, "__getitem__") and hasattr(inputs, "__len__"):
        for i in range(len(inputs)):
            yield from _one_array(schema, next(iter(parts_of(inputs[i]).values())), f"[{i}]")
    else:
        raise DanluError("DL174", type=type(inputs).__name__)


def _inputs_at(path: str | Path) -> list[Path]:
    """The files to read at a path: of a folder its images, or the images files of a folder like MNIST's."""
    files, folder = expanded(path), Path(path).expanduser()
    if not folder.is_dir():
        return files
    chosen = [f for f in files if is_image(f)] or [images for images, _ in find_pairs(folder).values()]
    return chosen or _none_in(folder, say("data.folder.holds", found=contents(files)))


def _is_piece(value: Any) -> bool:
    """Whether a list holds one input in each place, and not the numbers of a single one."""
    return isinstance(value, (str, Path, Tensor, np.ndarray)) or hasattr(value, "getbands")


def _is_grey_batch(field: Field, x: Tensor) -> bool:
    """(N, H, W) of grey images has as many axes as one image (1, H, W)."""
    return (
        field.kind == "image"
        and tuple(x.shape) != field.shape
        and x.ndim == 3
        and tuple(x.shape[1:]) == field.shape[1:]
    )


def _one_array(schema: Schema, value: Any, name: str) -> Iterator[Item | Bad]:
    try:
        yield from _array_items(schema, (as_tensor(value)[None],), name, numbered=False)
    except DanluError as error:
        yield as_bad(error, name)


def _file_items(schema: Schema, path: Path, max_pixels: int) -> Iterator[Item | Bad]:
    field = schema.inputs[0]
    try:
        if is_idx(path):
            yield from _array_items(schema, (read_idx(path),), f"{path} row")
        elif path.suffix.lower() in (".npy", ".npz"):
            yield from _array_items(schema, _saved_arrays(path, len(schema.inputs)), f"{path} row")
        elif field.kind == "image" and field.dtype == "uint8":
            yield _image_item(field, path, str(path), max_pixels)
        else:
            yield Bad(str(path), say("data.raw.no_reader"))
    except DanluError as error:
        yield as_bad(error, str(path))


def _saved_arrays(path: Path, count: int) -> tuple[Tensor, ...]:
    """The inputs in a .npy or .npz file: conventional names first, else the first arrays."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return (as_tensor(loaded),)
        with loaded as file:
            keys = [k for k in ("x", "X", "x_test", "X_test", "test_images", "data", "images") if k in file.files]
            return tuple(as_tensor(file[k]) for k in [*keys, *(k for k in file.files if k not in keys)][:count])
    except DanluError:
        raise
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise DanluError("DL161", where=str(path), found=f"{type(error).__name__}: {error}") from error


def _image_item(field: Field, source: Any, key: str, max_pixels: int) -> Item:
    def make() -> tuple[Tensor, ...]:
        if field.kind != "image" or field.dtype != "uint8":
            raise DanluError("DL180", where=key)
        pixels = decode(source, field.shape, max_pixels, where=key)
        return (torch.from_numpy(pixels.copy()[None]),)

    return Item((key,), make)


def _array_items(
    schema: Schema, arrays: tuple[Tensor, ...], name: str, *, numbered: bool = True
) -> Iterator[Item | Bad]:
    """The rows of arrays; those with NaN or infinity are bad. DL168 when the shape is not that of training."""
    for field, x in zip(schema.inputs, arrays, strict=True):
        encode_input(field, x[:1], name)
    finite = torch.ones(len(arrays[0]), dtype=torch.bool)
    for x in arrays:
        if x.is_floating_point():
            finite &= x.isfinite().reshape(len(x), -1).all(1)
    keys = [f"{name} {i}" if numbered else name for i in range(len(finite))]
    start = 0
    for bad in [*(~finite).nonzero().flatten().tolist(), len(keys)]:
        if start < bad:
            rows = tuple(x[start:bad] for x in arrays)
            yield Item(tuple(keys[start:bad]), _Rows(schema, rows, name))
        if bad < len(keys):
            yield Bad(keys[bad], say("data.not_finite"))
        start = bad + 1


@dataclass(frozen=True)
class _Rows:
    schema: Schema
    arrays: tuple[Tensor, ...]
    name: str

    def __call__(self) -> tuple[Tensor, ...]:
        return tuple(encode_input(f, x, self.name) for f, x in zip(self.schema.inputs, self.arrays))
