"""Pictures kept as bytes to a batch in one pass: gathered, moved, and looked up in a table; with Numba or NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from danlu.data.memo import twister

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
Words = Callable[[np.ndarray, int, np.ndarray], None]


def moved_numpy(store: np.ndarray, rows: np.ndarray, places: np.ndarray, table: np.ndarray, out: np.ndarray) -> None:
    """``out`` (B, C, h, w) from ``store`` (N, C, H, W) uint8; ``places`` (B, 4) as of ``Tail.places``.

    Pixel (y, x) of picture b comes from (a · y + b, a' · x + b'); outside it is the table's last column.
    """
    height, width = store.shape[2:]
    high, wide = out.shape[2:]
    if (high, wide) == (height, width) and bool((places == (1, 0, 1, 0)).all()):
        for c in range(out.shape[1]):
            np.take(table[c], store[rows, c], out=out[:, c], mode="clip")
        return
    y, x = np.arange(high), np.arange(wide)
    for b, row in enumerate(rows):
        a, shift, across, moved = (int(v) for v in places[b])
        ys, xs = a * y + shift, across * x + moved
        inside_y, inside_x = np.flatnonzero((ys >= 0) & (ys < height)), np.flatnonzero((xs >= 0) & (xs < width))
        whole = len(inside_y) == high and len(inside_x) == wide
        picture = store[row][:, ys[inside_y][:, None], xs[inside_x][None]]
        for c in range(out.shape[1]):
            if not whole:
                out[b, c] = table[c, -1]
            if len(inside_y) and len(inside_x):
                top, left = inside_y[0], inside_x[0]
                out[b, c, top : inside_y[-1] + 1, left : inside_x[-1] + 1] = table[c][picture[c]]


def _compiled() -> tuple[Kernel, Words]:
    try:
        return _with_numba(cache=True)
    except RuntimeError:  # nowhere to keep what is compiled
        return _with_numba(cache=False)


def _with_numba(*, cache: bool) -> tuple[Kernel, Words]:
    import numba

    @numba.njit(nogil=True, cache=cache)  # type: ignore[untyped-decorator]
    def moved_numba(store: Any, rows: Any, places: Any, table: Any, out: Any) -> None:
        height, width = store.shape[2], store.shape[3]
        batch, channels, high, wide = out.shape
        last = table.shape[1] - 1
        for b in range(batch):
            row = rows[b]
            a, shift, across, moved = places[b, 0], places[b, 1], places[b, 2], places[b, 3]
            plain = across == 1 and moved == 0 and wide == width
            if plain and a == 1 and shift == 0 and high == height:
                for c in range(channels):
                    values, flat, made = table[c], store[row, c].ravel(), out[b, c].ravel()
                    for k in range(len(flat)):
                        made[k] = values[flat[k]]
                continue
            for c in range(channels):
                values = table[c]
                for y in range(high):
                    sy = a * y + shift
                    if sy < 0 or sy >= height:
                        for x in range(wide):
                            out[b, c, y, x] = values[last]
                    elif plain:
                        line = store[row, c, sy]
                        for x in range(wide):
                            out[b, c, y, x] = values[line[x]]
                    else:
                        line = store[row, c, sy]
                        for x in range(wide):
                            sx = across * x + moved
                            out[b, c, y, x] = values[line[sx]] if 0 <= sx < width else values[last]

    @numba.njit(nogil=True, cache=cache)  # type: ignore[untyped-decorator]
    def words_numba(seeds: Any, count: Any, out: Any) -> None:
        state = np.empty(397 + count, np.uint64)
        for i in range(len(seeds)):
            last = np.uint64(seeds[i])  # 64 bits: Numba would make them of two of 32 anyway
            state[0] = last
            for j in range(1, 397 + count):
                last = (np.uint64(1812433253) * (last ^ (last >> np.uint64(30))) + np.uint64(j)) & np.uint64(0xFFFFFFFF)
                state[j] = last
            for k in range(count):
                mixed = (state[k] & np.uint64(0x80000000)) | (state[k + 1] & np.uint64(0x7FFFFFFF))
                y = state[k + 397] ^ (mixed >> np.uint64(1))
                if mixed & np.uint64(1):
                    y ^= np.uint64(0x9908B0DF)
                y ^= y >> np.uint64(11)
                y ^= (y << np.uint64(7)) & np.uint64(0x9D2C5680)
                y ^= (y << np.uint64(15)) & np.uint64(0xEFC60000)
                out[i, k] = y ^ (y >> np.uint64(18))

    return moved_numba, words_numba


def _agree(kernel: Kernel, first: Words, dtype: np.dtype[Any]) -> bool:
    """Whether the compiled ones give what NumPy gives, on a small example."""
    draw = np.random.default_rng(0)
    store, rows = draw.integers(0, 256, (3, 2, 5, 4), dtype=np.uint8), np.array([2, 0, 1])
    table = draw.integers(0, 99, (2, 257)).astype(dtype)
    for places in ([[1, 0, 1, 0]] * 3, [[1, -2, -1, 4], [-1, 4, 1, 1], [1, 0, 1, 0]]):
        found = []
        for way in (moved_numpy, kernel):
            found.append(np.zeros((3, 2, 5, 4), dtype))
            way(store, rows, np.array(places, np.int32), table, found[-1])
        if found[0].tobytes() != found[1].tobytes():
            return False
    seeds = np.array([0, 1, 2**32 - 1], np.uint32)
    numbers = np.zeros((3, 9), np.uint32)
    first(seeds, 9, numbers)
    return numbers.tobytes() == twister.words(seeds, 9).tobytes()


class Kernels:
    """The fastest kernels that are ready: Numba's once they are compiled, in a thread, and NumPy's till then."""

    def __init__(self) -> None:
        self._compiled: tuple[Kernel, Words] | None = None
        self._ready: set[np.dtype[Any]] = set()  # kinds of tables that Numba's is compiled for
        self._warming: dict[np.dtype[Any], threading.Thread] = {}

    def warm(self, dtype: np.dtype[Any], *, wait: bool = False) -> None:
        """Begin to compile for tables of ``dtype``; ``wait`` for the end of it."""
        if dtype not in self._warming:
            before = list(self._warming.values())
            thread = threading.Thread(target=self._warm, args=(dtype, before), daemon=True, name="danlu-kernels")
            self._warming[dtype] = thread
            thread.start()
        if wait:
            self._warming[dtype].join()

    def settle(self) -> None:
        """Wait until nothing is being compiled: before processes are forked."""
        for thread in self._warming.values():
            thread.join()

    def _warm(self, dtype: np.dtype[Any], before: list[threading.Thread]) -> None:
        for thread in before:
            thread.join()
        try:
            compiled = self._compiled or _compiled()
            right = _agree(*compiled, dtype)
        except Exception:  # no Numba, or none that works here: NumPy gives the same values
            return
        if right:
            self._compiled = compiled
            self._ready.add(dtype)

    def moved(
        self, store: np.ndarray, rows: np.ndarray, places: np.ndarray, table: np.ndarray, out: np.ndarray
    ) -> None:
        """``moved_numpy``, with the fastest kernel that is ready."""
        fast = self._compiled is not None and table.dtype in self._ready
        (self._compiled[0] if fast and self._compiled else moved_numpy)(store, rows, places, table, out)

    def words(self, seeds: np.ndarray, count: int) -> np.ndarray:
        """``twister.words``, with the fastest kernel that is ready."""
        if self._compiled is None:
            return twister.words(seeds, count)
        out = np.empty((len(seeds), count), np.uint32)
        self._compiled[1](seeds, count, out)
        return out


KERNELS = Kernels()
