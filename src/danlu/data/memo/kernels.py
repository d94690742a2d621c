"""Pictures kept as bytes to a batch in one pass: gathered, moved, and looked up in a table; with Numba or NumPy."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

Kernel = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]


def moved_numpy(
    store: np.ndarray, rows: np.ndarray, places: np.ndarray, table: np.ndarray, out: np.ndarray
) -> None:
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


def _compiled() -> Kernel:
    import numba

    @numba.njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
    def moved_numba(store: Any, rows: Any, places: Any, table: Any, out: Any) -> None:
        height, width = store.shape[2], store.shape[3]
        batch, channels, high, wide = out.shape
        last = table.shape[1] - 1
        for b in range(batch):
            row = rows[b]
            a, shift, across, moved = places[b, 0], places[b, 1], places[b, 2], places[b, 3]
            plain = across == 1 and moved == 0 and wide == width
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

    return moved_numba  # type: ignore[no-any-return]


class Kernels:
    """The fastest kernel that is ready: Numba's once it is compiled, in a thread of its own, and NumPy's till then."""

    def __init__(self) -> None:
        self._numba: Kernel | None = None
        self._warming: threading.Thread | None = None

    def warm(self, dtype: np.dtype[Any], *, wait: bool = False) -> None:
        """Begin to compile for tables of ``dtype``."""
        if self._warming is None:
            self._warming = threading.Thread(target=self._warm, args=(dtype,), daemon=True, name="danlu-kernels")
            self._warming.start()
        if wait:
            self._warming.join()

    def _warm(self, dtype: np.dtype[Any]) -> None:
        try:
            kernel = _compiled()
            store, out = np.zeros((1, 1, 2, 2), np.uint8), np.zeros((1, 1, 2, 2), dtype)
            rows, places = np.zeros(1, np.int64), np.array([[1, 0, 1, 0]], np.int32)
            kernel(store, rows, places, np.zeros((1, 257), dtype), out)
        except Exception:  # no Numba, or none that works here: NumPy gives the same values
            return
        self._numba = kernel

    def moved(
        self, store: np.ndarray, rows: np.ndarray, places: np.ndarray, table: np.ndarray, out: np.ndarray
    ) -> None:
        (self._numba or moved_numpy)(store, rows, places, table, out)


KERNELS = Kernels()
