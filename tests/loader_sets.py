"""Datasets as users write them, for the loader's tests; their lines are named in errors."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, TensorDataset, get_worker_info

Pair = namedtuple("Pair", "x y")


class Made(Dataset[Any]):
    """Samples made by a function of the index."""

    def __init__(self, make: Any, n: int = 13) -> None:
        self.make, self.n = make, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return self.make(int(i))


SAMPLES = {
    "tensor": lambda i: torch.arange(3) * i,
    "pair": lambda i: (torch.full((2, 2), i / 7), i),
    "numpy": lambda i: (np.full(3, i, dtype=np.float32), np.int64(i), np.float64(i) / 3),
    "numbers": lambda i: (i, i / 3, bool(i % 2)),
    "texts": lambda i: {"text": f"no {i}", "bytes": b"x%d" % i},
    "dict": lambda i: {"x": torch.tensor([i]), "deep": {"y": i, "z": [i, i + 1]}},
    "ordered": lambda i: OrderedDict(b=i, a=torch.tensor(i)),
    "namedtuple": lambda i: Pair(torch.tensor(i), (i, str(i))),
    "lists": lambda i: [[i, i], (torch.tensor(i),)],
    "number": lambda i: i,
    "half": lambda i: torch.tensor(i, dtype=torch.bfloat16),
}


def dice(i: int) -> Any:
    """Draws from all three generators, and from numpy's kept Gaussian number."""
    return i, torch.rand(2), np.random.normal(size=3), np.random.normal(), random.random(), random.gauss(0, 1)


def rare(i: int) -> Any:
    """Draws for a few indices only, each from another generator."""
    x = torch.rand(()) if i % 11 == 5 else torch.tensor(0.0)
    y = np.random.standard_normal() if i % 13 == 7 else 0.0
    z = random.randrange(1 << 30) if i == 20 else 0
    return i, x, y, z


class Failing(Dataset[Any]):
    """Fails at some indices."""

    def __init__(self, bad: tuple[int, ...], n: int = 30) -> None:
        self.bad, self.n = bad, n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i in self.bad:
            raise ValueError(f"sample {i} is broken")  # the line an error has to name
        return torch.tensor(float(i)), i


class Batched(Made):
    """Has the batched getter that torch's DataLoader prefers."""

    def __getitems__(self, indices: list[int]) -> list[Any]:
        assert isinstance(indices, list)
        return [self.make(i) for i in indices]


class Suicidal(Dataset[Any]):
    """Its process is killed while reading sample 60, as the system does when memory runs out."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, i: int) -> Any:
        if i == 60 and get_worker_info() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return i


class Stuck(Dataset[Any]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> Any:
        if i == 5:
            time.sleep(600)
        return i


class Stream(IterableDataset[Any]):
    """Rows sharded over the workers as torch's documentation shows it, with noise."""

    def __init__(self, n: int, noise: bool = True) -> None:
        self.n, self.noise = n, noise

    def __len__(self) -> int:
        return self.n

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for i in range(first, self.n, step):
            yield (i, torch.rand(()), np.random.normal(), random.random()) if self.noise else i


class Flaky(IterableDataset[Any]):
    """An iterator object that goes on after a failure, unlike a generator."""

    def __init__(self, bad: tuple[int, ...], n: int) -> None:
        self.bad, self.n, self.i = bad, n, -1

    def __iter__(self) -> Flaky:
        self.i = -1
        return self

    def __next__(self) -> int:
        self.i += 1
        if self.i >= self.n:
            raise StopIteration
        if self.i in self.bad:
            raise ValueError(f"row {self.i}")
        return self.i


def breaking(n: int, at: int) -> IterableDataset[Any]:
    class Breaking(IterableDataset[Any]):
        def __iter__(self) -> Iterator[int]:
            for i in range(n):
                if i == at:
                    raise ValueError("the generator ends here")
                yield i

    return Breaking()


def init_seen(worker: int) -> None:
    """A worker_init_fn that needs the user's dataset, as torch promises it."""
    info = get_worker_info()
    assert info is not None and info.id == worker
    info.dataset.n = 100 * (worker + 1) + info.num_workers  # type: ignore[attr-defined]


def init_failing(worker: int) -> None:
    raise OSError("no such camera")


def same(a: Any, b: Any) -> bool:
    """Equal types, structure, dtypes and bits."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride() and torch.equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def numbered(n: int, width: int = 3) -> TensorDataset:
    """Rows in memory whose last element is their number."""
    return TensorDataset(torch.arange(n * width, dtype=torch.float32).sin().reshape(n, width), torch.arange(n))


def rows_of(loader: Any) -> list[int]:
    """The row numbers in the order they came; they are the batches' last element."""
    return [int(i) for batch in loader for i in (batch[-1] if isinstance(batch, list) else batch)]


def values(loader: Any) -> list[Any]:
    """Batches as lists of numbers."""
    return [[part.tolist() for part in batch] for batch in loader]


def disturbed() -> None:
    """What a training step may do to the generators between two batches."""
    torch.rand(3), np.random.normal(), random.gauss(0, 1)
