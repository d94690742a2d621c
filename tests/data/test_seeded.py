"""A dataset's random draws depend on the sample's position only; failures name the sample and the user's line."""

from __future__ import annotations

import inspect
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Subset
from torch.utils.data._utils.collate import default_collate

import loader_sets
from danlu.data.columns import Columns
from danlu.data.loader import Loader
from danlu.data.order import sample_seed
from danlu.data.seeded import WorkerTraceback
from danlu.errors import DanluError
from loader_sets import Batched, Failing, Flaky, Made, Stream, breaking, dice, rare


def values(loader: Any) -> list[Any]:
    return [[part.tolist() for part in batch] for batch in loader]


def disturbed() -> None:
    """What a training step may do to the generators between two batches."""
    torch.rand(3), np.random.normal(), random.gauss(0, 1)


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


# ---- failures


def line_of(text: str) -> str:
    """file:line of a marked line of the datasets' file."""
    lines = inspect.getsource(loader_sets).splitlines()
    return f"{loader_sets.__file__}:{next(k for k, line in enumerate(lines, 1) if text in line)}"


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("indices", [None, [3, 17, 9]])
def test_an_exception_names_the_index_and_the_users_line(workers: int, indices: list[int] | None) -> None:
    data: Any = Failing((17,))
    loader = Loader(data if indices is None else Subset(data, indices), 3, num_workers=workers)
    with pytest.raises(DanluError) as told:
        list(loader)
    assert told.value.code == "DL170"
    assert told.value.facts["index"] == 17
    assert told.value.where.startswith(line_of("the line an error has to name"))
    assert "ValueError: sample 17 is broken" in str(told.value)
    cause = told.value.__cause__
    assert isinstance(cause, WorkerTraceback if workers else ValueError)
    assert "sample 17 is broken" in str(cause)


def test_an_exception_in_a_batched_getter_names_the_sample() -> None:
    def make(i: int) -> int:
        return 1 // (i - 6)

    with pytest.raises(DanluError) as told:
        list(Loader(Batched(make, 12), 4))
    assert told.value.facts["index"] == 6 and "test_seeded.py" in told.value.where


@pytest.mark.parametrize("workers", [0, 2])
def test_danlus_own_errors_pass_through(workers: int) -> None:
    def make(i: int) -> int:
        if i == 4:
            raise DanluError("DL197", where="photos/cat/4.jpg")
        return i

    with pytest.raises(DanluError) as told:
        list(Loader(Made(make), 2, num_workers=workers))
    assert (told.value.code, told.value.where) == ("DL197", "photos/cat/4.jpg")
    skipping = Loader(Made(make, 13), 2, num_workers=workers, on_bad="skip")
    assert [b.tolist() for b in skipping] == [[0, 1], [2, 3], [5], [6, 7], [8, 9], [10, 11], [12]]
    assert [b.where for b in skipping.bad] == ["photos/cat/4.jpg"]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_failing_collate_names_the_line_and_the_samples(workers: int) -> None:
    def collate(samples: list[Any]) -> Any:
        return samples[9]

    with pytest.raises(DanluError) as told:
        list(Loader(Made(lambda i: i), 5, collate_fn=collate, num_workers=workers))
    assert told.value.code == "DL191"
    assert "0, 1, 2, 3, 4" in told.value.what and "IndexError" in told.value.what
    assert "test_seeded.py" in told.value.where and "samples[9]" in told.value.why


def test_samples_of_unequal_shape_are_named() -> None:
    with pytest.raises(DanluError) as told:
        list(Loader(Made(lambda i: (torch.zeros(3 if i != 6 else 4), i)), 4))
    assert told.value.code == "DL192"
    assert "[4] ((3,), int) ≠ [6] ((4,), int)" in told.value.what
    with pytest.raises(DanluError, match="found <class 'NoneType'>"):
        list(Loader(Made(lambda i: None), 4))


# ---- on_bad="skip"


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples_are_left_out_counted_and_named(workers: int) -> None:
    loader = Loader(Failing((7, 20), 30), 4, num_workers=workers, on_bad="skip", bad_limit=0.1)
    for _ in range(2):  # counted once, however often they are met
        assert [i for batch in loader for i in batch[1].tolist()] == [i for i in range(30) if i not in (7, 20)]
    assert [b.where for b in loader.bad] == ["[7]", "[20]"]
    assert "ValueError: sample 7 is broken" in loader.bad[0].why and "loader_sets.py" in loader.bad[0].why
    assert loader.state_dict()["consumed"] == 30


def test_a_batch_of_bad_samples_is_no_batch() -> None:
    loader = Loader(Failing((2, 3), 6), 2, on_bad="skip", bad_limit=0.5)
    assert [batch[1].tolist() for batch in loader] == [[0, 1], [4, 5]]


def test_leaving_out_one_does_not_change_the_others_draws() -> None:
    def make(i: int) -> Any:
        if bad and i == 3:
            raise OSError
        return dice(i)

    bad = False
    whole = [row for b in Loader(Made(make, 8), 4, seed=1) for row in zip(*(p.tolist() for p in b))]
    bad = True
    rest = [row for b in Loader(Made(make, 8), 4, seed=1, on_bad="skip") for row in zip(*(p.tolist() for p in b))]
    assert rest == [row for row in whole if row[0] != 3]


@pytest.mark.parametrize(
    ("n", "bad", "limit", "fine"),
    [(30, 1, 0.001, True), (30, 2, 0.001, False), (30, 1, 0.0, False), (30, 3, 0.1, True), (30, 4, 0.1, False)],
)
def test_the_limit(n: int, bad: int, limit: float, fine: bool) -> None:
    loader = Loader(Failing(tuple(range(bad)), n), 4, on_bad="skip", bad_limit=limit)
    if fine:
        list(loader)
        assert len(loader.bad) == bad
    else:
        with pytest.raises(DanluError, match="sample") as told:
            list(loader)
        assert told.value.code == "DL194" and "[0]" in told.value.where


def test_running_out_of_memory_is_not_a_bad_sample() -> None:
    def make(i: int) -> int:
        raise MemoryError

    with pytest.raises(DanluError, match="MemoryError"):
        list(Loader(Made(make), 4, on_bad="skip", bad_limit=1.0))


def test_skipping_in_an_iterable_dataset() -> None:
    loader = Loader(Flaky((3, 8), 30), 4, on_bad="skip", bad_limit=0.5)
    assert [i for batch in loader for i in batch.tolist()] == [i for i in range(30) if i not in (3, 8)]
    assert [b.where for b in loader.bad] == ["[3]", "[8]"]


def test_a_generator_ended_by_an_error_is_not_a_short_dataset() -> None:
    for on_bad in ("stop", "skip"):
        with pytest.raises(DanluError, match="the generator ends here") as told:
            list(Loader(breaking(10, 6), 4, on_bad=on_bad, bad_limit=1.0))
        assert told.value.facts["index"] == 6


def test_danlus_own_datasets_name_their_rows() -> None:
    columns = Columns((torch.arange(9),), names=lambda i: f"photos/{i}.jpg", prepare=lambda raw: raw)
    columns.prepare = lambda raw: raw if int(raw[0][0]) != 5 else 1 / 0  # type: ignore[assignment,return-value]
    loader = Loader(columns, 3, on_bad="skip", collate_fn=lambda rows: [r[0] for r in rows])
    list(loader)
    assert [b.where for b in loader.bad] == ["photos/5.jpg"]
