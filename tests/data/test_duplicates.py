"""Copies of training rows in other parts, against a comparison of every pair."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.columns import Columns, Data
from danlu.data.duplicates import copies_of_training
from danlu.types import Schema

SCHEMA = Schema((), "classification")


def data(train: torch.Tensor, test: torch.Tensor, val: torch.Tensor | None = None) -> Data:
    def part(x: torch.Tensor) -> Columns:
        return Columns((x, torch.zeros(len(x), dtype=torch.long)))

    return Data("d", part(train), None if val is None else part(val), part(test), SCHEMA)


@given(seed=st.integers(0, 10_000), copied=st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_every_copy_is_found_and_named(seed: int, copied: int) -> None:
    g = torch.Generator().manual_seed(seed)
    train, test = torch.randn(60, 5, generator=g), torch.randn(30, 5, generator=g)
    rows = torch.randperm(30, generator=g)[:copied]
    test[rows] = train[torch.randint(0, 60, (copied,), generator=g)]
    found = copies_of_training(data(train, test, torch.randn(9, 5, generator=g)))
    pairs = [(i, j) for i in range(30) for j in range(60) if torch.equal(test[i], train[j])]
    if not pairs:
        assert found == []
        return
    (part,) = found
    assert (part.part, part.count, part.rows) == ("test", len({i for i, _ in pairs}), 30)
    assert set(part.examples) <= set(pairs)


def test_images_are_compared_as_stored_and_through_an_index() -> None:
    x = torch.randint(0, 256, (80, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = Columns((x, torch.zeros(80, dtype=torch.long)))
    parts = Data("d", whole.take(torch.arange(50)), None, whole.take(torch.tensor([70, 3, 49])), SCHEMA)
    (part,) = copies_of_training(parts)
    assert part.examples == ((1, 3), (2, 49))


def test_few_different_rows_are_no_copies() -> None:
    """Two yes/no questions: that answers repeat is no leak."""
    g = torch.Generator().manual_seed(0)
    few = torch.randint(0, 2, (200, 2), generator=g).float()
    assert copies_of_training(data(few[:150], few[150:])) == []


def test_rows_of_the_users_own_code_are_not_read() -> None:
    class Own(torch.utils.data.Dataset[int]):
        def __getitem__(self, i: int) -> int:
            raise AssertionError

    assert copies_of_training(Data("d", Own(), None, Own(), SCHEMA)) == []
