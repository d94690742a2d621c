"""Order and seeds: functions of (seed, epoch, position), spread evenly, the same for ever."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.order import AUGMENT, COLLATE, SAMPLE, permutation, sample_seed, stream_seed, uniforms

seeds = st.integers(-(2**63), 2**64)


@given(seeds, st.integers(0, 10_000), st.integers(0, 300))
def test_every_row_once(seed: int, epoch: int, n: int) -> None:
    assert permutation(seed, epoch, n).sort().values.tolist() == list(range(n))


@given(seeds, st.integers(0, 100))
def test_order_is_a_function_and_changes_with_seed_and_epoch(seed: int, epoch: int) -> None:
    one = permutation(seed, epoch, 50)
    torch.rand(3)
    assert torch.equal(one, permutation(seed, epoch, 50))
    assert not torch.equal(one, permutation(seed, epoch + 1, 50))
    assert not torch.equal(one, permutation(seed + 1, epoch, 50))


def test_order_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    permutation(0, 0, 1000)
    assert torch.equal(before, torch.get_rng_state())


def test_numbers_kept_for_resuming_older_runs() -> None:
    """A run stopped under an older version goes on in the same order only while these stay."""
    assert [sample_seed(0, 0, p) for p in range(3)] == [1368523324, 1063336961, 2503140320]
    assert sample_seed(7, 3, 5) == 716267451
    assert stream_seed(7, 3, COLLATE) == 2088068752
    assert permutation(1, 2, 8).tolist() == [5, 0, 3, 4, 7, 2, 6, 1]


@given(seeds, st.integers(0, 1000), st.sets(st.integers(0, 2**32 - 1), min_size=2, max_size=50))
def test_positions_of_an_epoch_never_share_a_seed(seed: int, epoch: int, positions: set[int]) -> None:
    values = {sample_seed(seed, epoch, p) for p in positions}
    assert len(values) == len(positions)
    assert all(0 <= v < 2**32 for v in values)


def test_positions_beyond_32_bits_differ() -> None:
    assert len({sample_seed(0, 0, 5 + (k << 32)) for k in range(1000)}) == 1000


def test_seeds_are_spread_evenly_and_neighbours_are_unrelated() -> None:
    n = 20_000
    values = np.array([sample_seed(3, 1, p) for p in range(n)], dtype=np.uint32)
    bits = np.unpackbits(values.view(np.uint8).reshape(n, 4), axis=1)
    # each bit is set in half of the seeds, and half of the bits change from one position to the next: 6 sigma
    assert np.abs(bits.mean(0) - 0.5).max() < 6 * 0.5 / np.sqrt(n)
    assert np.abs((bits[1:] ^ bits[:-1]).mean(0) - 0.5).max() < 6 * 0.5 / np.sqrt(n)
    # epochs do not run through the same seeds one after the other
    other = np.array([sample_seed(3, 2, p) for p in range(n)], dtype=np.uint32)
    shared = np.intersect1d(values, other).size
    assert shared < 8  # by chance n^2 / 2^32 = 0.09


def test_streams_differ() -> None:
    assert sample_seed(0, 0, 0, SAMPLE) != sample_seed(0, 0, 0, COLLATE)


def by_hand(x: int) -> int:
    """lowbias32 in Python's own whole numbers."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) % 2**32
    x = ((x ^ (x >> 15)) * 0x846CA68B) % 2**32
    return x ^ (x >> 16)


@given(seeds, st.integers(0, 1000), st.lists(st.integers(0, 2**34), min_size=1, max_size=20))
def test_numbers_for_many_positions_are_mixed_from_the_seeds_of_each(seed: int, epoch: int, places: list[int]) -> None:
    found = uniforms(seed, epoch, torch.tensor(places), 3, AUGMENT)
    for row, place in zip(found.tolist(), places):
        first = sample_seed(seed, epoch, place, AUGMENT)
        assert row == [(by_hand((first + k * 0x9E3779B9) % 2**32) >> 8) / 2**24 for k in (1, 2, 3)]


def test_numbers_for_many_positions_are_spread_evenly_and_columns_are_unrelated() -> None:
    n = 50_000
    u = uniforms(5, 2, torch.arange(n), 5, AUGMENT).double()
    assert float(u.min()) >= 0 and float(u.max()) < 1
    counts = torch.stack([torch.histc(column, 64, 0, 1) for column in u.T])
    chi = ((counts - n / 64) ** 2 / (n / 64)).sum(1)
    assert bool((chi < 63 + 6 * (2 * 63) ** 0.5).all())  # 6 sigma of chi-squared with 63 degrees of freedom
    centred = u - 0.5
    related = centred.T @ centred / n * 12
    assert float((related - torch.eye(5)).abs().max()) < 6 / n**0.5
    assert float((centred[1:] * centred[:-1]).mean(0).abs().max()) * 12 < 6 / n**0.5
