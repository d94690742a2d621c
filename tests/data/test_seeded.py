"""A dataset's random draws depend on the sample's position only."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Subset
from torch.utils.data._utils.collate import default_collate

from danlu.data.loader import Loader
from danlu.data.order import sample_seed
from loader_sets import Batched, Made, Stream, dice, disturbed, rare, values


def noisy_collate(samples: list[Any]) -> Any:
    batch = default_collate(samples)
    return [*batch, torch.rand(2) + np.random.rand() + random.random()]


# ---- draws


@pytest.mark.parametrize("make", [dice, rare])
@pytest.mark.parametrize("collate", [None, noisy_collate])
def test_same_batches_for_any_workers(make: Any, collate: Any) -> None:
    def run(workers: int) -> list[Any]:
        return values(Loader(Made(make, 26), 4, True, seed=3, num_workers=workers, collate_fn=collate))

    alone = run(0)
    for workers in (1, 2, 4):
        disturbed()
        assert run(workers) == alone


@pytest.mark.parametrize("make", [dice, rare])
def test_values_do_not_depend_on_what_ran_before(make: Any) -> None:
    data = Made(make, 26)
    calm = values(Loader(data, 4, True, seed=3))
    disturbed()
    busy = []
    for batch in Loader(data, 4, True, seed=3):
        disturbed()
        busy.append([part.tolist() for part in batch])
    assert busy == calm


def test_batch_size_does_not_change_a_samples_draws() -> None:
    def samples(size: int) -> list[Any]:
        loader = Loader(Made(dice, 24), size, True, seed=8)
        return [row for batch in loader for row in zip(*(part.tolist() for part in batch))]

    assert samples(1) == samples(5) == samples(24)


def test_samples_and_epochs_draw_differently() -> None:
    loader = Loader(Made(dice, 50), 10, seed=1)
    for column in range(1, 6):
        seen = [str(row) for _ in range(2) for batch in loader for row in batch[column].tolist()]
        assert len(set(seen)) == 100


def test_first_draws_are_those_of_generators_seeded_by_position() -> None:
    """Independent truth: fresh generators, started by hand."""
    batch = next(iter(Loader(Made(dice, 4), 4, seed=5)))
    for position in range(4):
        seed = sample_seed(5, 0, position)
        drawn = torch.rand(2, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(batch[1][position], drawn)
        assert float(batch[4][position]) == random.Random(seed).random()


@given(st.sampled_from(["torch", "numpy", "random"]), st.sets(st.integers(0, 39), max_size=3), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_rarely_taken_branches_are_read_again_seeded(which: str, where: set[int], seed: int) -> None:
    def make(i: int) -> Any:
        if i not in where:
            return i, 0.0
        draw = {"torch": lambda: float(torch.rand(())), "numpy": np.random.normal, "random": lambda: random.gauss(0, 1)}
        return i, draw[which]()

    whole = values(Loader(Made(make, 40), 8, seed=seed))
    for i in where:  # independent truth: fresh generators, started by hand
        value = sample_seed(seed, 0, i)
        expected = {
            "torch": lambda v: float(torch.rand((), generator=torch.Generator().manual_seed(v))),
            "numpy": lambda v: np.random.RandomState(v ^ 0x9E3779B9).normal(),
            "random": lambda v: random.Random(v).gauss(0, 1),
        }[which](value)
        assert whole[i // 8][1][i % 8] == expected
    for k in range(5):  # each batch alone, by a reader that has seen no draw yet
        disturbed()
        loader = Loader(Made(make, 40), 8, seed=seed)
        loader.load_state_dict({"seed": seed, "epoch": 0, "consumed": 8 * k})
        assert values(loader) == whole[k:]


def test_a_set_that_draws_nothing_is_read_once_and_unseeded() -> None:
    calls: list[int] = []

    def make(i: int) -> int:
        calls.append(i)
        return i

    loader = Loader(Made(make, 20), 5)
    list(loader)
    assert calls == list(range(20)) and loader._drawn == []
    calls.clear()
    loader = Loader(Made(lambda i: make(i) + int(np.random.randint(3)), 20), 5)
    list(loader), list(loader)
    assert calls == [*range(5), *range(20), *range(20)]  # only the very first batch twice
    assert loader._drawn == ["numpy"]


@pytest.mark.parametrize("make", [dice, rare, lambda i: np.random.normal(), lambda i: i])
@pytest.mark.parametrize("gaussian_kept", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_the_training_process_generators_stay_where_they_were(make: Any, gaussian_kept: bool, workers: int) -> None:
    torch.manual_seed(1), np.random.seed(2), random.seed(3)
    if gaussian_kept:  # numpy and random keep the second number of a pair for the next call
        np.random.normal(), random.gauss(0, 1)

    def states() -> Any:
        return (
            torch.get_rng_state().tolist(),
            str(np.random.get_state()),
            np.random.get_state()[1].tolist(),
            random.getstate(),
        )

    before = states()
    for k, _ in enumerate(
        Loader(Made(make, 26), 4, True, seed=3, collate_fn=noisy_collate if make is dice else None, num_workers=workers)
    ):
        assert states() == before
        if k == 2:
            disturbed()
            before = states()


def test_generators_are_put_back_after_an_exception_too() -> None:
    def make(i: int) -> Any:
        torch.rand(1), np.random.rand(), random.random()
        if i == 2:
            raise KeyboardInterrupt
        return i

    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    with pytest.raises(KeyboardInterrupt):
        list(Loader(Made(make), 4, seed=0))
    assert torch.equal(before[0], torch.get_rng_state())
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


@pytest.mark.parametrize("workers", [0, 1])
def test_another_numpy_bit_generator_is_worked_around_and_put_back(workers: int) -> None:
    expected = values(Loader(Made(dice, 8), 3, seed=1))
    kept = np.random.get_bit_generator()  # type: ignore[attr-defined]
    np.random.set_bit_generator(np.random.PCG64(5))  # type: ignore[attr-defined]
    try:
        assert values(Loader(Made(dice, 8), 3, seed=1, num_workers=workers)) == expected
        drawn = np.random.get_bit_generator().random_raw()  # type: ignore[attr-defined]
        assert drawn == np.random.PCG64(5).random_raw()
    finally:
        np.random.set_bit_generator(kept)  # type: ignore[attr-defined]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batched_getter_with_draws(workers: int) -> None:
    def run(workers: int) -> list[Any]:
        return values(Loader(Subset(Batched(dice, 30), range(20, 3, -1)), 4, seed=2, num_workers=workers))

    assert run(workers) == run(0)


def test_iterable_draws_are_a_function_of_seed_epoch_and_worker() -> None:
    a, b = Loader(Stream(12), 3, seed=1), Loader(Stream(12), 3, seed=1)
    first = values(a)
    batches = []
    for batch in b:
        disturbed()
        batches.append([part.tolist() for part in batch])
    assert batches == first
    assert values(a) == values(b) != first
    assert values(Loader(Stream(12), 3, seed=1, num_workers=1)) == first
    two = values(Loader(Stream(12), 3, seed=1, num_workers=2))
    assert two == values(Loader(Stream(12), 3, seed=1, num_workers=2))
    assert len({str(x) for batch in two for x in batch[1]}) == 12  # the workers draw differently
