"""The first numbers of torch's CPU generator for many seeds at once: the Mersenne twister without its other 600."""

from __future__ import annotations

import numpy as np

_FIRST = 227  # of so many outputs none needs another output: x[k] = s[k + 397] ^ f(s[k], s[k + 1])
_M = 397


def words(seeds: np.ndarray, count: int) -> np.ndarray:
    """The first ``count`` ≤ 227 outputs of 32 bits after ``torch.manual_seed`` of each of ``seeds``: (N,) → (N, count).

    MT19937 (Matsumoto, Nishimura, 1998), as ``numpy.random.RandomState`` and torch start it from one number.
    """
    if not 0 < count <= _FIRST:
        raise ValueError(f"count must be 1 to {_FIRST}")
    state = np.asarray(seeds, dtype=np.uint32)
    low = np.empty((count + 1, len(state)), np.uint32)
    high = np.empty((count, len(state)), np.uint32)
    low[0] = state
    for j in range(1, _M + count):
        state = (state ^ (state >> np.uint32(30))) * np.uint32(1812433253) + np.uint32(j)
        if j <= count:
            low[j] = state
        if j >= _M:
            high[j - _M] = state
    mixed = (low[:-1] & np.uint32(0x80000000)) | (low[1:] & np.uint32(0x7FFFFFFF))
    found = high ^ (mixed >> np.uint32(1)) ^ np.where(mixed & np.uint32(1), np.uint32(0x9908B0DF), np.uint32(0))
    found = found ^ (found >> np.uint32(11))
    found = found ^ ((found << np.uint32(7)) & np.uint32(0x9D2C5680))
    found = found ^ ((found << np.uint32(15)) & np.uint32(0xEFC60000))
    found = found ^ (found >> np.uint32(18))
    return found.T.copy()
