"""From classed image files to rows: split, size, decoding, statistics; in memory when they fit."""

from __future__ import annotations

import hashlib
import math
import os
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

from danlu.data.arrays import check_limit, split_choice
from danlu.data.columns import Columns, skip_flags
from danlu.data.images import Header, ImageFiles, decode, decode_all, opened, read_header, threaded
from danlu.data.prepare import byte_statistics, prepare
from danlu.data.split import TEST_SHARE, VAL_SHARE, split
from danlu.data.user import spread
from danlu.device import pick_device
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice, Field, Schema

SIZES = (32, 64, 128)  # sides that the default picks from
CPU_SIZE = 64  # the largest of them without a GPU: 128 takes four times as long
OWN_SIZE = 64  # images all of one size up to this are not resized
LOOKED_AT = 2_000  # files whose headers decide on size and colour, and whose pixels give mean and std
MEMORY_SHARE = 0.25  # of the free memory that decoded images may take


@dataclass(frozen=True)
class Files:
    """A part's image files, and the class of each."""

    paths: tuple[str, ...]  # texts: a Path for each of 100,000 files would take a second to make
    classes: tuple[str, ...]

    def take(self, rows: Tensor) -> Files:
        picked = rows.tolist()
        return Files(tuple(map(self.paths.__getitem__, picked)), tuple(map(self.classes.__getitem__, picked)))


@dataclass(frozen=True)
class Opened:
    """The parts ready to be read, and what was found and decided."""

    parts: dict[str, Columns | ImageFiles]
    schema: Schema
    choices: list[Choice]
    bad: list[Bad]


@dataclass(frozen=True)
class PathNames:
    """Row number to path; a class, so that it travels to worker processes."""

    paths: tuple[str, ...]

    def __call__(self, row: int) -> str:
        return str(self.paths[row])


def open_files(given: Mapping[str, Files], classes: tuple[str, ...], settings: Settings) -> Opened:
    """Rows of the parts in ``given`` ("train", maybe "val" and "test"); what is missing is split off train."""
    shape, choices = image_shape(given["train"].paths, settings)
    parts, split_choices = _with_split(given, settings)
    label = Field("label", "category", "target", say("data.classes.folders"), (), "int64", classes)
    image = Field("image", "image", "input", say("data.image.files"), shape, "uint8")
    decoded, notes = decode_parts(parts, shape, settings)
    mean, std = _statistics(parts["train"], shape, settings, decoded)
    schema = Schema((replace(image, mean=mean, std=std), label), "classification", "image", "images")
    rows = rows_of_files(schema, parts, decoded, settings)
    bad = [] if decoded is None else decoded.bad
    return Opened(rows, schema, [*choices, *split_choices, *notes], bad)


@dataclass(frozen=True)
class Decoded:
    """The parts' pixels (N, C, H, W), and what went wrong by row."""

    pixels: dict[str, Tensor]
    wrong: dict[str, dict[int, DanluError]]

    @property
    def bad(self) -> list[Bad]:
        return [Bad(e.where, e.what) for errors in self.wrong.values() for e in errors.values()]


def decode_parts(
    parts: Mapping[str, Files], shape: tuple[int, ...], settings: Settings
) -> tuple[Decoded | None, list[Choice]]:
    """All images in memory, or None and why they stay in their files. An unreadable one raises unless it is skipped."""
    size = sum(len(f.paths) for f in parts.values()) * math.prod(shape)
    room = int(psutil.virtual_memory().available * MEMORY_SHARE)
    if settings.cache == "off" or size > room:
        off = settings.cache == "off"
        why = say("data.cache.off") if off else say("data.cache.large", size=gigabytes(size), room=gigabytes(room))
        if settings.on_bad != "skip":
            _refuse_unopened([path for files in parts.values() for path in files.paths], shape, settings)
        return None, [Choice("cache", "off", why)]
    decoded = Decoded({}, {})
    for part, files in parts.items():
        decoded.pixels[part], decoded.wrong[part] = decode_all(files.paths, shape, settings.max_pixels)
    wrong = [error for errors in decoded.wrong.values() for error in errors.values()]
    rows = sum(map(len, decoded.pixels.values()))
    if wrong and settings.on_bad != "skip":
        skip = skip_flags(len(wrong), rows, settings.bad_limit)
        raise DanluError(wrong[0].code, wrong[0].place, **(wrong[0].facts | {"skip": skip})) from wrong[0]
    check_limit(decoded.bad, rows, settings)
    return decoded, []


def _refuse_unopened(paths: Sequence[str], shape: tuple[int, ...], settings: Settings) -> None:
    """Files that are no images are told before training; one whose header is sound but not its pixels, when read."""
    for path, header in zip(paths, threaded(read_header, paths), strict=True):
        if header is None:
            decode(path, shape, settings.max_pixels)


def rows_of_files(
    schema: Schema, parts: Mapping[str, Files], decoded: Decoded | None, settings: Settings
) -> dict[str, Columns | ImageFiles]:
    """Each part ready to be read: decoded rows, or the files one by one."""
    ready = prepare(schema)
    assert ready is not None  # images are stored as bytes
    out: dict[str, Columns | ImageFiles] = {}
    for part, files in parts.items():
        codes = _codes(schema, files)
        if decoded is None:
            out[part] = ImageFiles(files.paths, codes, schema.inputs[0].shape, ready, settings.max_pixels)
            continue
        columns = Columns((decoded.pixels[part], codes), prepare=ready, names=PathNames(files.paths))
        wrong = decoded.wrong[part]
        good = [i for i in range(len(columns)) if i not in wrong]
        out[part] = columns.take(torch.tensor(good, dtype=torch.int64)) if wrong else columns
    return out


def gigabytes(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _codes(schema: Schema, files: Files) -> Tensor:
    """Each file's class number (N,) int64."""
    numbers = {name: i for i, name in enumerate(schema.classes)}
    return torch.tensor([numbers[c] for c in files.classes], dtype=torch.int64)


def _statistics(
    train: Files, shape: tuple[int, ...], settings: Settings, decoded: Decoded | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std a channel of up to ``LOOKED_AT`` training images: the same ones, in memory or not."""
    rows = spread(len(train.paths), LOOKED_AT)
    if decoded is not None:
        good = [i for i in rows if i not in decoded.wrong["train"]]
        return byte_statistics(decoded.pixels["train"], torch.tensor(good, dtype=torch.int64))
    pixels, errors = decode_all([train.paths[i] for i in rows], shape, settings.max_pixels)
    if errors and settings.on_bad != "skip":
        raise next(iter(errors.values()))
    good = [i for i in range(len(rows)) if i not in errors]
    return byte_statistics(pixels, torch.tensor(good, dtype=torch.int64))


# ---- size and split


def image_shape(paths: Sequence[Any], settings: Settings) -> tuple[tuple[int, int, int], list[Choice]]:
    """(C, H, W) the model will see, by the headers of up to ``LOOKED_AT`` files, and why."""
    looked = [paths[i] for i in spread(len(paths), LOOKED_AT)]
    return shape_of([h for h in threaded(read_header, looked) if h is not None], settings)


def shape_of(headers: Sequence[Header], settings: Settings) -> tuple[tuple[int, int, int], list[Choice]]:
    """The same, by the headers that could be read."""
    channels = 1 if headers and all(h.grey for h in headers) else 3
    sizes = Counter((h.height, h.width) for h in headers)
    if settings.size is not None:
        height = width = settings.size
        why = say("data.task.given")
    elif len(sizes) == 1 and max(next(iter(sizes))) <= OWN_SIZE:
        height, width = next(iter(sizes))
        why = say("data.size.own")
    else:
        median = statistics.median(min(s) for s in sizes.elements()) if sizes else SIZES[-1]
        slow = pick_device(settings.device).type == "cpu"
        height = width = max((s for s in SIZES if s <= median and not (slow and s > CPU_SIZE)), default=SIZES[0])
        why = say("data.size.cpu" if slow and median > CPU_SIZE else "data.size.median", median=int(median))
    colour = say("data.image.grey" if channels == 1 else "data.image.colour")
    return (channels, height, width), [Choice("size", f"{width} x {height}, {colour}", why)]


def _with_split(given: Mapping[str, Files], settings: Settings) -> tuple[dict[str, Files], list[Choice]]:
    """All parts; val and test are split off train, by class and content, where they are not given."""
    shares = [0.0 if part in given else share for part, share in (("val", VAL_SHARE), ("test", TEST_SHARE))]
    if not any(shares):
        return dict(given), []
    train = given["train"]
    codes = {name: i for i, name in enumerate(sorted(set(train.classes)))}
    strata = torch.tensor([codes[c] for c in train.classes])
    rows = split(
        len(strata), strata=strata, content=file_content(train.paths), seed=settings.seed, val=shares[0], test=shares[1]
    )
    parts = dict(given)
    for part, some in zip(("train", "val", "test"), rows):
        if part == "train" or part not in given:
            parts[part] = train.take(some)
    return parts, [split_choice(*(len(r) for r in rows), stratified=True)]


def file_content(paths: Sequence[Any]) -> Tensor:
    """Equal numbers for files of equal bytes (N,) int64; only files of equal size are read.

    ``paths`` are paths, or images inside a table: see ``stored.StoredImage``.
    """
    sizes = [_size(p) for p in paths]
    often = {size for size, count in Counter(sizes).items() if count > 1}
    shared = [i for i, size in enumerate(sizes) if size in often]
    digests = dict(zip(shared, threaded(lambda i: digest(paths[i]), shared), strict=True))
    numbers: dict[tuple[int, Any], int] = {}
    return torch.tensor([numbers.setdefault((s, digests.get(i)), len(numbers)) for i, s in enumerate(sizes)])


def _size(path: Any) -> int:
    try:
        return int(os.stat(path).st_size if isinstance(path, (str, Path)) else path.length())
    except OSError:  # a broken link; decoding will name it
        return -1


def digest(path: Any) -> Any:
    """The same for files of equal bytes, and only for them."""
    try:
        with opened(path) as file:
            return hashlib.blake2b(file.read(), digest_size=16).digest()
    except OSError:
        return str(path)
