"""Makes src/danlu/demo/ from the copies that the packages scikit-learn and palmerpenguins carry."""

from __future__ import annotations

import gzip
import importlib.util
import struct
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

DEMO = Path(__file__).resolve().parents[1] / "src" / "danlu" / "demo"
TEST_ROWS = 360


def write_idx(path: Path, array: np.ndarray) -> None:
    """The MNIST file format: two zero bytes, 8 (uint8), the number of dimensions, each size big-endian, the values."""
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    # mtime 0 and no file name inside: the same bytes whenever it is made
    path.write_bytes(gzip.compress(head + array.tobytes(), compresslevel=9, mtime=0))


def make_digits() -> None:
    digits = load_digits()
    # ink 0..16 becomes grey 0..255, so that the images look right wherever they are shown
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)  # (1797, 8, 8)
    labels = digits.target.astype(np.uint8)
    train, test = train_test_split(np.arange(len(labels)), test_size=TEST_ROWS, stratify=labels, random_state=0)
    folder = DEMO / "digits"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", np.sort(train)), ("t10k", np.sort(test))):
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", images[rows])
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", labels[rows])


def make_penguins() -> None:
    spec = importlib.util.find_spec("palmerpenguins")
    if spec is None or spec.origin is None:
        raise SystemExit("penguins need their package: pip install palmerpenguins")
    source = Path(spec.origin).parent / "data" / "penguins.csv"
    (DEMO / "penguins.csv").write_bytes(source.read_bytes().replace(b"\r\n", b"\n"))


if __name__ == "__main__":
    make_digits()
    make_penguins()
    for file in sorted(DEMO.rglob("*.*")):
        print(f"{file.stat().st_size:8,} {file.relative_to(DEMO)}")
