from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.split import content_of, split
from danlu.errors import DanluError

labels = st.lists(st.integers(0, 4), min_size=40, max_size=400)


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(0, 5))
def test_parts_are_disjoint_complete_and_stratified(classes: list[int], seed: int) -> None:
    strata = torch.tensor(classes)
    parts = split(len(classes), strata=strata, content=None, seed=seed, val=0.15, test=0.15)
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(len(classes)))
    for part in parts:
        assert torch.equal(part, part.sort().values)
    for c in set(classes):
        rows = classes.count(c)
        assert (strata[parts[0]] == c).any()
        for part in parts[1:]:  # running totals are rounded, so a class is at most one row off its share
            assert abs(int((strata[part] == c).sum()) - 0.15 * rows) <= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=60, max_size=300), st.integers(0, 5))
def test_equal_content_stays_on_one_side(content: list[int], seed: int) -> None:
    key = torch.tensor(content)
    try:
        parts = split(len(content), strata=None, content=key, seed=seed, val=0.15, test=0.15)
    except DanluError as error:  # one content has nearly all rows
        assert error.code == "DL166"
        return
    sides = [set(key[p].tolist()) for p in parts]
    assert not (sides[0] & sides[1] or sides[0] & sides[2] or sides[1] & sides[2])


def test_shares_and_seed() -> None:
    first, again, other = (split(1000, strata=None, content=None, seed=s, val=0.1, test=0.0) for s in (3, 3, 4))
    assert [len(p) for p in first] == [900, 100, 0]
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_content_without_copies_changes_nothing() -> None:
    strata = torch.arange(200) % 3
    plain = split(200, strata=strata, content=None, seed=1, val=0.15, test=0.15)
    distinct = split(200, strata=strata, content=torch.randperm(200), seed=1, val=0.15, test=0.15)
    assert all(torch.equal(a, b) for a, b in zip(plain, distinct))


def test_many_small_classes_keep_their_total() -> None:
    parts = split(900, strata=torch.arange(900) // 3, content=None, seed=0, val=0.15, test=0.15)
    assert [len(p) for p in parts] == [630, 135, 135]


def test_too_few_rows() -> None:
    with pytest.raises(DanluError) as caught:
        split(2, strata=None, content=None, seed=0, val=0.15, test=0.15)
    assert caught.value.code == "DL166"


def brute_force_groups(rows: np.ndarray) -> list[int]:
    return np.unique(rows.reshape(len(rows), -1), axis=0, return_inverse=True)[1].reshape(-1).tolist()


def same_groups(a: list[int], b: list[int]) -> bool:
    return len(set(zip(a, b))) == len(set(a)) == len(set(b))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64, bool])
@pytest.mark.parametrize("width", [1, 3, 8, 13])
def test_content_tells_rows_apart(dtype: type, width: int) -> None:
    rows = np.random.default_rng(width).integers(0, 2, (500, width)).astype(dtype)  # bits in the same high places
    assert same_groups(content_of(torch.from_numpy(rows)).tolist(), brute_force_groups(rows))


def test_content_sees_order_and_every_tensor() -> None:
    a = torch.tensor([[1.0, 2.0], [2.0, 1.0], [1.0, 2.0]])
    b = torch.tensor([0, 0, 1])
    keys = content_of(a, b).tolist()
    assert len(set(keys)) == 3
    assert len(set(content_of(a).tolist())) == 2
    big = torch.rand(700, 3, 40, 40)  # more than one block
    big[650] = big[3]
    keys = content_of(big).tolist()
    assert keys[650] == keys[3]
    assert len(set(keys)) == 699
