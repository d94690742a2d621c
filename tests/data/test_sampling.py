"""The user's own samplers and iterable datasets, read in their order and taken up again at every batch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    DistributedSampler,
    SequentialSampler,
)

from danlu.data.loader import Loader
from loader_sets import Made, Stream, numbered, rows_of, same, values

# ---- samplers


def test_users_sampler_decides() -> None:
    for data in (numbered(9), Made(lambda i: (0, i), 9)):
        assert rows_of(Loader(data, batch_size=2, sampler=[8, 1, 1])) == [8, 1, 1]
        assert rows_of(Loader(data, batch_sampler=[[3], [4, 5]])) == [3, 4, 5]
        assert rows_of(Loader(data, batch_size=2, sampler=SequentialSampler(data), drop_last=True)) == list(range(8))
        assert rows_of(Loader(data, batch_size=2, sampler=[torch.tensor(2), np.int64(3)])) == [2, 3]


def test_endless_sampler_is_asked_only_when_a_batch_is_due() -> None:
    asked: list[int] = []

    class Endless:
        def __iter__(self) -> Any:
            for i in itertools.count():
                asked.append(i)
                yield i % 5

    for data in (numbered(5), Made(lambda i: (0, i), 5)):
        asked.clear()
        got = [int(i) for b in itertools.islice(Loader(data, batch_size=2, sampler=Endless()), 3) for i in b[-1]]
        assert got == [0, 1, 2, 3, 4, 0]
        assert len(asked) == 6


def test_sampler_draws_leave_the_generators_alone_and_know_the_indices() -> None:
    class Dicing:
        def __iter__(self) -> Any:
            for _ in range(6):
                yield int(torch.randint(5, ())) + int(np.random.randint(5))

        def __len__(self) -> int:
            return 6

    loader = Loader(numbered(9), batch_size=2, sampler=Dicing(), seed=3)
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    rows = []
    for batch in loader:
        rows += batch[-1].tolist()
        assert torch.equal(before[0], torch.get_rng_state()) and before[1] == np.random.get_state()[1].tolist()
        state = loader.state_dict()
        assert loader.indices(state["epoch"], state["consumed"] - 2, state["consumed"]) == batch[-1].tolist()
    torch.manual_seed(99)
    assert rows_of(Loader(numbered(9), batch_size=2, sampler=Dicing(), seed=3)) == rows


def test_distributed_sampler_is_told_the_epoch_unless_the_user_does() -> None:
    data = numbered(16)

    def sampler() -> DistributedSampler[Any]:
        return DistributedSampler(data, num_replicas=2, rank=1)

    loader = Loader(data, batch_size=4, sampler=sampler())
    epochs = [rows_of(loader) for _ in range(3)]
    for epoch, rows in enumerate(epochs):
        theirs = sampler()
        theirs.set_epoch(epoch)
        assert rows == list(theirs)
    own = sampler()
    own.set_epoch(2)
    assert rows_of(Loader(data, batch_size=4, sampler=own)) == epochs[2]


# ---- iterable datasets


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("batch_size", [4, None])
def test_iterable_batches_are_torchs(workers: int, drop_last: bool, batch_size: int | None) -> None:
    if batch_size is None and drop_last:
        return
    data = Stream(19, noise=False)
    some: dict[str, Any] = {"batch_size": batch_size, "num_workers": workers, "drop_last": drop_last}
    ours, torchs = list(Loader(data, **some)), list(DataLoader(data, **some))
    assert len(ours) == len(torchs) > 0
    assert all(map(same, ours, torchs))
    assert len(Loader(data, **some)) == len(DataLoader(data, **some))


@pytest.mark.parametrize("workers", [0, 2])
def test_iterable_resumes_at_every_batch(workers: int) -> None:
    def make() -> Loader:
        return Loader(Stream(19), batch_size=4, num_workers=workers, seed=5)

    before = torch.get_rng_state()
    whole = make()
    states, batches = [whole.state_dict()], []
    for batch in whole:
        batches.append([part.tolist() for part in batch])
        states.append(whole.state_dict())
    assert states[-1]["consumed"] == 19
    second = values(whole)
    assert second != batches
    for k in range(len(states)) if workers == 0 else (1, 4, len(states) - 1):
        other = make()
        other.load_state_dict(states[k])
        assert values(other) == batches[k:]
        assert other.state_dict() == states[-1]
    assert torch.equal(before, torch.get_rng_state())
