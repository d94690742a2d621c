"""Folders of small pictures for the tests of image data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(path: Path, seed: int, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def photos(folder: Path, counts: dict[str, int], start: int = 0, **options: Any) -> Path:
    for name, count in counts.items():
        for i in range(count):
            start += 1
            picture(folder / name / f"{i:03}.png", start, **options)
    return folder
