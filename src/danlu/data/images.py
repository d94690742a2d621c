"""Image files to bytes by one written rule: orientation, colour, depth, alpha, size."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from danlu.errors import DanluError, reason
from danlu.messages import say

if TYPE_CHECKING:
    from PIL.Image import Image as PilImage

SUFFIXES = frozenset(
    f".{s}"
    for s in "jpg jpeg jfif png bmp gif webp tif tiff ppm pgm pbm pnm jp2 avif tga ico".split()  # noqa: SIM905
)
GREY_MODES = frozenset(("1", "L", "LA", "La", "I", "F", "I;16", "I;16L", "I;16B", "I;16N"))
DRAFT = 2  # a JPEG is decoded at 1/2, 1/4 or 1/8 scale while that leaves at least so many pixels for each one wanted
AT_ONCE = 32  # items that a thread takes at a time, at most

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True)
class Header:
    """What the first bytes of an image file say."""

    width: int  # as it is seen, after the EXIF orientation
    height: int
    grey: bool
    turned: bool = field(default=False, compare=False)  # stored with its sides exchanged
    mode: str = field(default="", compare=False)
    format: str = field(default="", compare=False)


def is_image(path: Path) -> bool:
    """Whether the name ends like an image's."""
    return path.suffix.lower() in SUFFIXES


def read_header(source: Any) -> Header | None:
    """Size and colour of a file or a Pillow image, not decoded; None for what cannot be read (decoding says why)."""
    from PIL import Image

    try:
        if isinstance(source, Image.Image):
            return Header(*source.size, source.mode in GREY_MODES)
        with opened(source) as file, Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
            width, height = image.size[::-1] if turned else image.size
            return Header(width, height, image.mode in GREY_MODES, turned, image.mode, image.format or "?")
    except Exception:  # Pillow's plugins raise many kinds
        return None


def decode(source: Any, shape: tuple[int, ...], max_pixels: int, where: str = "") -> np.ndarray:
    """The image as bytes of ``shape`` (C, H, W), C being 1 (grey) or 3 (RGB).

    ``source`` is a path, a binary file, or a Pillow image. The rule: the first frame; turned by its EXIF orientation;
    16-bit samples become 8-bit by v / 257; alpha and transparent palette entries over white; CMYK and all else
    by Pillow's conversion to RGB, grey by ITU-R 601; then the whole image is resized to (H, W), antialiased bilinear,
    its aspect not kept. DL157 for more than ``max_pixels`` (before decoding), DL156 for what cannot be read.
    """
    from PIL import Image

    where = where or str(source)
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = max_pixels  # Pillow's own guard would refuse what the user allows
    try:
        if isinstance(source, Image.Image):
            check_size(source, max_pixels, where)
            return _decode(source, shape)
        with opened(source) as file, Image.open(file) as image:
            check_size(image, max_pixels, where)
            image.draft(None, (DRAFT * shape[2], DRAFT * shape[1]))
            return _decode(image, shape)
    except DanluError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        pixels = next((int(w.strip("()")) for w in str(error).split() if w.strip("()").isdigit()), 0)
        raise DanluError("DL157", where=where, size=pixels, limit=f"{max_pixels:,}", pixels=pixels) from error
    except Exception as error:  # Pillow's plugins raise OSError, SyntaxError, ValueError, struct.error, zlib.error ...
        raise DanluError("DL156", where=where, problem=_problem(source, error), skip="--on-bad skip") from error


def opened(source: Any) -> Any:
    """An image file open for reading: of a path, an image in a table, or a file that is open."""
    if hasattr(source, "read"):
        return nullcontext(source)
    return source.open("rb") if hasattr(source, "open") else open(source, "rb")


def check_size(image: PilImage, max_pixels: int, where: str) -> None:
    """DL157 when the header tells of more pixels than are allowed."""
    pixels = image.width * image.height
    if pixels > max_pixels:
        size = f"{image.width} x {image.height}"
        raise DanluError("DL157", where=where, size=size, limit=f"{max_pixels:,}", pixels=pixels)


def _decode(image: PilImage, shape: tuple[int, ...]) -> np.ndarray:
    from PIL import Image, ImageOps

    channels, height, width = shape
    image = to_plain(ImageOps.exif_transpose(image), "L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    values = np.asarray(image)
    return values[None] if channels == 1 else values.transpose(2, 0, 1)


def _problem(source: Any, error: Exception) -> str:
    length = _length(source)
    if length == 0:
        return say("data.image.zero_bytes")
    if length is not None and type(error).__name__ == "UnidentifiedImageError":  # which says the memory's address
        return say("data.image.unknown")
    if "truncated" in str(error) or "broken data stream" in str(error):  # Pillow says it in English only
        return say("data.image.truncated")
    return reason(error)


def _length(source: Any) -> int | None:
    """Bytes of a file, or of one in a table; None for what is none, or is not there."""
    try:
        if hasattr(source, "length"):
            return int(source.length())
        return os.path.getsize(source) if os.path.isfile(source) else None
    except (OSError, TypeError):
        return None


def to_plain(image: PilImage, mode: str) -> PilImage:
    """The image in mode "L" or "RGB"."""
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        image = _to_bytes(image)
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)


def _to_bytes(image: PilImage) -> PilImage:
    """16-bit whole numbers by v / 257; fractions by v * 255 when they lie in 0 to 1, else as they are; clipped."""
    from PIL import Image

    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("NaN")
    scale = 1 / 257 if image.mode != "F" else 255 if values.max(initial=0) <= 1 else 1
    return Image.fromarray(np.rint(np.clip(values * scale, 0, 255)).astype(np.uint8))


def threaded(work: Callable[[T], S], items: Sequence[T]) -> list[S]:
    """``work`` on every item, by as many threads as cores: Pillow and file reading release the GIL.

    A thread takes several at a time: a job of its own for each would cost more than a small file.
    """
    from PIL import Image

    threads = os.cpu_count() or 1
    few = min(AT_ONCE, max(1, len(items) // (8 * threads)))
    parts = [items[i : i + few] for i in range(0, len(items), few)]
    with warnings.catch_warnings(), ThreadPoolExecutor(max_workers=threads) as pool:
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # decode() raises DL157 right after
        return [found for part in pool.map(lambda some: [work(one) for one in some], parts) for found in part]


def decode_all(paths: Sequence[Any], shape: tuple[int, ...], max_pixels: int) -> tuple[Tensor, dict[int, DanluError]]:
    """All images as one tensor (N, C, H, W) of bytes, and what went wrong by row; such rows are black."""
    out = torch.zeros((len(paths), *shape), dtype=torch.uint8)
    pixels = out.numpy()
    wrong: dict[int, DanluError] = {}

    def one(i: int) -> None:
        try:
            pixels[i] = decode(paths[i], shape, max_pixels)
        except DanluError as error:
            wrong[i] = error

    threaded(one, range(len(paths)))
    return out, dict(sorted(wrong.items()))


class ImageFiles(Dataset[tuple[Tensor, Tensor]]):
    """Image files read one by one, for folders that do not fit in memory; sample ``i`` is ``(x, y)`` as in a batch."""

    def __init__(
        self,
        paths: Sequence[str | Path],
        labels: Tensor,
        shape: tuple[int, ...],
        prepare: Callable[[tuple[Tensor, ...]], tuple[Any, ...]],
        max_pixels: int,
    ) -> None:
        self.paths, self.labels, self.shape = paths, labels, shape
        self.prepare, self.max_pixels = prepare, max_pixels

    @property
    def targets(self) -> Tensor:
        """Each row's class."""
        return self.labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        pixels = decode(self.paths[i], self.shape, self.max_pixels)
        x, y = self.prepare((torch.from_numpy(pixels.copy()[None]), self.labels[i : i + 1]))
        return x[0], y[0]

    def name(self, i: int) -> str:
        return str(self.paths[i])
