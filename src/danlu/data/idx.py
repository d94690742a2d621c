"""IDX files, the format of MNIST: one array a file, plain or gzipped; pairs of images and labels in a folder."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from danlu.errors import DanluError

# type byte -> big-endian dtype; the file: 0, 0, type, number of dimensions, then a 4-byte size for each
# (http://yann.lecun.com/exdb/mnist/, "THE IDX FILE FORMAT")
_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_NAME = re.compile(r"(images|labels)[-_.]idx\d-ubyte(\.gz)?$|\.(idx|idx\d)(\.gz)?$|[-_.]idx\d(-\w+)?(\.gz)?$", re.I)
_PART = (("test", ("t10k", "test")), ("val", ("valid", "val")), ("train", ("train",)))


def is_idx(path: Path) -> bool:
    """Whether the name says IDX."""
    return bool(_NAME.search(path.name))


def read_idx(path: Path) -> Tensor:
    """The file's array as a tensor; DL159 when the file is damaged, truncated or no IDX."""
    try:
        raw = path.read_bytes()
        data = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DanluError("DL159", where=str(path), problem=str(error)) from error
    if len(data) < 4 or data[:2] != b"\0\0" or data[2] not in _TYPES or len(data) < 4 + 4 * data[3]:
        raise DanluError("DL159", where=str(path), problem=f"header {data[:4].hex(' ') or 'empty'}")
    dtype = np.dtype(_TYPES[data[2]])
    start = 4 + 4 * data[3]
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", data[3], 4))
    size = math.prod(shape) * dtype.itemsize
    if len(data) != start + size:
        raise DanluError("DL159", where=str(path), problem=f"{len(data)} bytes != {start + size} {shape}")
    flat = np.frombuffer(bytearray(data) if dtype.itemsize == 1 else data, dtype, offset=start)  # writable for torch
    return torch.from_numpy(flat.astype(dtype.newbyteorder("="), copy=dtype.itemsize > 1).reshape(shape))


def find_pairs(path: Path) -> dict[str, tuple[Path, Path]]:
    """``{"train" | "val" | "test": (images, labels)}`` of an images file or a folder; empty when it holds none.

    A folder of torchvision ("FashionMNIST/raw") is looked into. A plain file is preferred to its .gz twin.
    """
    if path.is_file():
        return {_part(path.name): (path, _labels(path))} if is_idx(path) else {}
    for folder in (path, path / "raw", *sorted(path.glob("*/raw"))):
        pairs: dict[str, tuple[Path, Path]] = {}
        for images in sorted(folder.glob("*images*"), reverse=True):  # "x" comes after "x.gz" and replaces it
            if is_idx(images):
                pairs[_part(images.name)] = (images, _labels(images))
        if pairs:
            return pairs if "train" in pairs else {"train": pairs.popitem()[1]}
    return {}


def _part(name: str) -> str:
    low = name.lower()
    return next((part for part, words in _PART if any(w in low for w in words)), "train")


def _labels(images: Path) -> Path:
    """The labels' file beside an images' file; DL160 when it is missing."""
    stem = re.sub(r"\.gz$", "", images.name, flags=re.I)
    name = re.sub("idx3", "idx1", re.sub("images", "labels", stem, flags=re.I), flags=re.I)
    for candidate in (images.with_name(name), images.with_name(name + ".gz")):
        if name != stem and candidate.is_file():
            return candidate
    raise DanluError("DL160", where=str(images), name=name)
