"""Order and draws as functions of (seed, epoch, position): nothing depends on what ran before."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

_M32, _M64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF

# One number, several uses: each gets a stream of its own, so that none repeats another's draws.
ORDER, SAMPLE, COLLATE, SAMPLER, WORKER, BALANCE, AUGMENT = range(7)


def permutation(seed: int, epoch: int, n: int) -> Tensor:
    """The shuffled order of ``n`` rows in ``epoch``: int64, shape ``(n,)``."""
    generator = torch.Generator("cpu").manual_seed(stream_seed(seed, epoch, ORDER))
    return torch.randperm(n, generator=generator, device="cpu")


def sample_seed(seed: int, epoch: int, position: int, stream: int = SAMPLE) -> int:
    """32 bits for the sample at ``position`` of the epoch's global order (torch's CPU generator ignores more).

    For one (seed, epoch, stream) different positions below 2^32 never share a seed: each step is a bijection.
    """
    low, high = _keys(seed, epoch, stream)
    return _mix32(_mix32((position & _M32) ^ low) ^ high ^ (position >> 32))


def stream_seed(seed: int, epoch: int, stream: int, part: int = 0) -> int:
    """32 bits for what happens once an epoch (and once a ``part`` of it, such as a worker)."""
    return sample_seed(seed, epoch, part, stream)


def uniforms(seed: int, epoch: int, positions: Tensor, count: int, stream: int) -> Tensor:
    """``count`` numbers of [0, 1) for each of ``positions`` (N,) int64: float32 (N, count), multiples of 2⁻²⁴.

    Column k mixes the 32 bits of ``sample_seed`` once more, moved by k + 1 steps of the golden ratio.
    """
    first = sample_seeds(seed, epoch, positions, stream)
    steps = (torch.arange(1, count + 1) * 0x9E3779B9) & _M32
    return (_mixed((first[:, None] + steps) & _M32) >> 8).float().mul_(2.0**-24)


def sample_seeds(seed: int, epoch: int, positions: Tensor, stream: int = SAMPLE) -> Tensor:
    """``sample_seed`` of many positions (N,): int64 (N,)."""
    low, high = _keys(seed, epoch, stream)
    positions = positions.to("cpu", torch.int64)
    return _mixed(_mixed((positions & _M32) ^ low) ^ high ^ (positions >> 32))


def _mixed(x: Tensor) -> Tensor:
    """``_mix32`` of many: products wrap at 64 bits, of which the lower 32 are right."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _M32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _M32
    return x ^ (x >> 16)


@lru_cache(maxsize=64)
def _keys(seed: int, epoch: int, stream: int) -> tuple[int, int]:
    key = _mix64(_mix64(_mix64(seed & _M64) ^ (epoch & _M64)) ^ stream)
    return key & _M32, key >> 32


def _mix32(x: int) -> int:
    """Chris Wellons' lowbias32: https://nullprogram.com/blog/2018/07/31/."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _M32
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _M32
    return x ^ (x >> 16)


def _mix64(x: int) -> int:
    """SplitMix64 (Steele, Lea, Flood 2014): one step of the generator from state ``x``."""
    x = (x + 0x9E3779B97F4A7C15) & _M64
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _M64
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _M64
    return x ^ (x >> 31)
