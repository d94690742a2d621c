"""Failures in the user's dataset name the sample and the user's line, or are skipped, counted and named."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from torch.utils.data import Subset

import loader_sets
from danlu.data.columns import Columns
from danlu.data.loader import Loader
from danlu.data.seeded import WorkerTraceback
from danlu.errors import DanluError
from loader_sets import Batched, Failing, Flaky, Made, breaking, dice

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
    assert told.value.facts["index"] == 6 and "test_bad_samples.py" in told.value.where


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
    assert "test_bad_samples.py" in told.value.where and "samples[9]" in told.value.why


@pytest.mark.parametrize("odd", [2, 3])
def test_a_sample_behind_a_subset_goes_by_its_own_index(odd: int) -> None:
    """danlu's validation split is a Subset: its positions mean nothing to the user."""
    short = Made(lambda i: torch.zeros(2 if i == odd else 3))
    with pytest.raises(DanluError) as told:
        list(Loader(Subset(short, [odd, 5, 4, 7]), 4))
    assert (told.value.code, told.value.where) == ("DL192", f"[{odd}]")
    assert f"[{odd}] (2,)" in told.value.what and "(3,) ≠" in told.value.what

    def collate(samples: list[Any]) -> Any:
        return samples[9]

    with pytest.raises(DanluError) as told:
        list(Loader(Subset(short, [5, 4, 3]), 5, collate_fn=collate))
    assert "samples 5, 4, 3:" in told.value.what


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
