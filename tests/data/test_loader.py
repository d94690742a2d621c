"""The Loader as a drop-in: torch's batches bit for bit, an order that resumes at every position, torch's arguments."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    IterDataPipe,
    RandomSampler,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from danlu.data.columns import Columns
from danlu.data.loader import Loader
from danlu.errors import DanluError
from loader_sets import SAMPLES, Batched, Made, dice, numbered, rows_of, same, values

DTYPES = [
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
]


# ---- the same batches as torch's DataLoader


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch_size", [1, 4, None])
def test_same_batches_as_torch(name: str, workers: int, batch_size: int | None) -> None:
    data = Made(SAMPLES[name])
    ours = list(Loader(data, batch_size=batch_size, num_workers=workers))
    torchs = list(DataLoader(data, batch_size=batch_size, num_workers=workers))
    assert len(ours) == len(torchs) == len(Loader(data, batch_size=batch_size))
    assert all(map(same, ours, torchs))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("drop_last", [False, True])
def test_same_batches_from_memory(dtype: torch.dtype, drop_last: bool) -> None:
    x = (torch.rand(301, 2, 3) * 100).to(dtype)
    data = TensorDataset(x, x[:, 0, 0].clone(), torch.arange(301))
    for size in (1, 4, 64, 301, 1000):
        ours = list(Loader(data, batch_size=size, drop_last=drop_last))
        assert all(map(same, ours, DataLoader(data, batch_size=size, drop_last=drop_last)))
        assert len(ours) == len(Loader(data, batch_size=size, drop_last=drop_last))


def test_subsets_are_read_from_memory_as_torch_reads_them() -> None:
    data = numbered(40)
    for part in (
        Subset(data, [5, 3, -1, 3]),
        Subset(data, torch.tensor([7, 2])),  # type: ignore[arg-type]
        Subset(Subset(data, range(30)), np.array([29, 0])),  # type: ignore[arg-type]
        Subset(data, []),
    ):
        loader = Loader(part, batch_size=3)
        assert loader._columns is not None
        assert all(map(same, list(loader), list(DataLoader(part, batch_size=3))))


def test_only_what_is_certain_is_read_from_memory() -> None:
    class Doubled(TensorDataset):
        def __getitem__(self, i: int) -> Any:
            return tuple(2 * t for t in super().__getitem__(i))

    data = numbered(9)
    for other in (Doubled(*data.tensors), ConcatDataset([data, data]), Subset(Doubled(*data.tensors), [1, 2])):
        assert Loader(other)._columns is None
        assert all(map(same, list(Loader(other, batch_size=2)), list(DataLoader(other, batch_size=2))))
    leaf = TensorDataset(torch.ones(4, 2, requires_grad=True))
    next(iter(Loader(leaf, batch_size=4)))[0].sum().backward()
    assert leaf.tensors[0].grad is not None


def test_own_collate_of_tensors_in_memory() -> None:
    data = numbered(7)
    batches = list(Loader(data, batch_size=3, collate_fn=lambda rows: [int(i) for _, i in rows]))
    assert batches == [[0, 1, 2], [3, 4, 5], [6]]


def test_columns_with_index_and_prepare() -> None:
    x = torch.arange(50, dtype=torch.uint8).reshape(25, 2)
    columns = Columns((x, torch.arange(25)), prepare=lambda raw: (raw[0].float() / 255, raw[1])).take(
        torch.arange(24, 3, -1)
    )
    ours = list(Loader(columns, batch_size=4))
    assert all(map(same, ours, list(DataLoader(columns, batch_size=4))))
    assert rows_of(ours) == list(range(24, 3, -1))


def test_batched_getter_is_used_as_torch_uses_it() -> None:
    data = Batched(lambda i: (torch.tensor(i), i), 10)
    data.__class__.__getitem__, kept = None, data.__class__.__getitem__  # type: ignore[assignment,method-assign]
    try:
        for part in (data, Subset(data, [4, 2, 9])):
            assert all(map(same, list(Loader(part, batch_size=3)), list(DataLoader(part, batch_size=3))))
    finally:
        data.__class__.__getitem__ = kept  # type: ignore[method-assign]


# ---- batches belong to whoever got them


def test_changing_a_batch_changes_nothing_else() -> None:
    data = numbered(5000, 2)
    before = data.tensors[0].clone()
    for shuffle in (False, True):
        loader = Loader(data, batch_size=2, shuffle=shuffle, seed=1)
        kept = list(loader)
        for x, _ in kept[::2]:
            x.zero_()
        assert torch.equal(data.tensors[0], before)
        for x, i in kept[1::2]:
            assert torch.equal(x, before[i])


def test_changing_a_batch_in_place_keeps_the_graph_of_another() -> None:
    w = torch.ones(2, requires_grad=True)
    batches = iter(Loader(numbered(64, 2), batch_size=2))
    loss = torch.zeros(())
    for x, _ in itertools.islice(batches, 20):  # neighbours are cut from one piece of memory
        x.add_(1)
        loss = loss + (x * w).pow(2).sum()
    loss.backward()


def test_a_batch_read_in_inference_mode_can_be_trained_on() -> None:
    batches = iter(Loader(numbered(64, 2), batch_size=2))
    with torch.inference_mode():
        for _ in range(4):  # the fourth is the first of a chunk of four
            next(batches)
    w = torch.ones(2, requires_grad=True)
    (next(batches)[0] * w).sum().backward()


def test_a_kept_batch_holds_little_memory() -> None:
    x, _ = list(itertools.islice(Loader(TensorDataset(torch.rand(200_000, 10), torch.rand(200_000, 1))), 3000))[-1]
    assert x.untyped_storage().nbytes() <= 256 << 10


# ---- order and resuming


@given(
    n=st.integers(0, 60),
    size=st.integers(1, 70),
    seed=st.integers(0, 2**63),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    memory=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_every_sample_exactly_once(n: int, size: int, seed: int, shuffle: bool, drop_last: bool, memory: bool) -> None:
    data = numbered(n) if memory else Made(lambda i: (0, i), n)
    shuffle = shuffle and n > 0
    loader = Loader(data, batch_size=size, shuffle=shuffle, seed=seed, drop_last=drop_last)
    got = [rows_of(loader) for _ in range(2)]
    count = n // size * size if drop_last else n
    for epoch, rows in enumerate(got):
        assert len(rows) == len(set(rows)) == count
        assert set(rows) <= set(range(n))
        assert rows == loader.indices(epoch, 0, count)
    if not shuffle:
        assert got[0] == list(range(count))


@pytest.mark.parametrize(
    "kind", ["memory", "dataset", "workers", "sampler", "batch_sampler", "weighted", "memory+sampler"]
)
@pytest.mark.parametrize("shared_seed", [None, 11])
def test_resume_at_every_position(kind: str, shared_seed: int | None) -> None:
    def make() -> Loader:
        data = numbered(23) if kind.startswith("memory") else Made(lambda i: (torch.rand(2), np.random.rand(), i), 23)
        some: dict[str, Any] = {"batch_size": 4, "shuffle": True}
        if kind == "workers":
            some |= {"num_workers": 2}
        if "sampler" in kind:
            some = {"batch_size": 4, "sampler": RandomSampler(data)}
        if kind == "batch_sampler":
            generator = torch.Generator().manual_seed(5)
            some = {"batch_sampler": BatchSampler(RandomSampler(data, generator=generator), 4, False)}
        if kind == "weighted":
            some = {"batch_size": 4, "sampler": WeightedRandomSampler(torch.arange(23.0), 23)}
        return Loader(data, seed=shared_seed, **some)

    whole = make()
    epochs = [values(whole) for _ in range(3)]
    assert epochs[0] != epochs[1]
    seed = whole.seed
    stops = [(1, k) for k in range(7)] if kind != "workers" else [(1, 0), (1, 3), (1, 6)]
    for epoch, batches in stops:
        other = make()
        other.load_state_dict({"seed": seed, "epoch": epoch, "consumed": min(4 * batches, 23)})
        assert values(other) == epochs[epoch][batches:]
        assert other.state_dict() == {"seed": seed, "epoch": epoch, "consumed": 23}
        if kind != "workers":
            assert values(other) == epochs[epoch + 1]


@pytest.mark.parametrize("data", [numbered(10), Made(lambda i: (0, i), 10)], ids=["memory", "dataset"])
def test_state_after_each_batch(data: Any) -> None:
    loader = Loader(data, batch_size=4, shuffle=True, seed=2, drop_last=False)
    assert loader.state_dict() == {"seed": 2, "epoch": 0, "consumed": 0}
    states = [loader.state_dict() for _ in loader]
    assert [s["consumed"] for s in states] == [4, 8, 10]
    batches = iter(loader)
    assert loader.state_dict() == {"seed": 2, "epoch": 1, "consumed": 0}
    next(batches)
    assert loader.state_dict() == {"seed": 2, "epoch": 1, "consumed": 4}
    assert len(rows_of(loader)) == 10  # a pass broken off does not shorten the next one
    assert loader.epoch == 2


def test_a_finished_epoch_yields_nothing_then_the_next_one_runs() -> None:
    loader = Loader(numbered(10), batch_size=4, shuffle=True, seed=2, drop_last=True)
    epochs = [rows_of(loader) for _ in range(3)]
    loader.load_state_dict({"seed": 2, "epoch": 1, "consumed": 8})
    assert [rows_of(loader), rows_of(loader)] == [[], epochs[2]]


def test_seed_none_takes_one_draw() -> None:
    torch.manual_seed(4)
    first = Loader(numbered(20), shuffle=True)
    rows = rows_of(first)
    after = torch.rand(1)
    torch.manual_seed(4)
    torch.empty((), dtype=torch.int64).random_()
    assert torch.equal(after, torch.rand(1))
    torch.manual_seed(4)
    assert rows_of(Loader(numbered(20), shuffle=True)) == rows
    generator = torch.Generator().manual_seed(1)
    before = torch.get_rng_state()
    a = rows_of(Loader(numbered(20), shuffle=True, generator=generator))
    assert torch.equal(before, torch.get_rng_state())
    assert a == rows_of(Loader(numbered(20), shuffle=True, generator=generator.manual_seed(1)))
    assert a != rows_of(Loader(numbered(20), shuffle=True, generator=generator.manual_seed(2)))


def test_order_is_the_same_from_memory_and_from_a_dataset() -> None:
    memory = Loader(numbered(50), batch_size=7, shuffle=True, seed=9)
    dataset = Loader(Made(lambda i: (0, i), 50), batch_size=7, shuffle=True, seed=9)
    assert rows_of(memory) == rows_of(dataset)


def test_fixed_repeats_one_epoch() -> None:
    loader = Loader(Made(dice, 8), batch_size=3, seed=1)
    assert values(loader) != values(loader)
    loader = Loader(Made(dice, 8), batch_size=3, seed=1)
    loader.fixed = True
    assert values(loader) == values(loader)


# ---- arguments


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_workers": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"sampler": [1], "shuffle": True},
        {"batch_sampler": [[1]], "batch_size": 3},
        {"batch_size": None, "drop_last": True},
        {"timeout": -1},
        {"multiprocessing_context": "fork"},
    ],
)
def test_contradictory_arguments_are_refused_as_torch_refuses_them(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as torchs:
        DataLoader(numbered(5), **wrong)
    with pytest.raises(ValueError) as ours:
        Loader(numbered(5), **wrong)
    assert str(ours.value) == str(torchs.value)


def test_torchs_attributes() -> None:
    data = numbered(10)
    for arguments in ({}, {"batch_size": 3, "drop_last": True}, {"batch_size": None}, {"batch_sampler": [[1], [2]]}):
        ours, torchs = Loader(data, **arguments), DataLoader(data, **arguments)  # type: ignore[arg-type]
        names = ("batch_size", "drop_last", "collate_fn", "num_workers", "timeout", "prefetch_factor", "dataset")
        for name in names:
            assert getattr(ours, name) == getattr(torchs, name), name
        for name in ("sampler", "batch_sampler"):
            assert type(getattr(ours, name)) is type(getattr(torchs, name)), name
        assert len(ours) == len(torchs)


def test_unknown_values_and_sets_are_named() -> None:
    with pytest.raises(DanluError, match="did you mean 'skip'") as told:
        Loader(numbered(3), on_bad="skipp")
    assert told.value.code == "DL198"
    with pytest.raises(DanluError) as told:
        Loader(numbered(0), shuffle=True)
    assert told.value.code == "DL197"
    assert list(Loader(numbered(0))) == []

    class Pipe(IterDataPipe):  # type: ignore[type-arg]
        pass

    with pytest.raises(DanluError) as told:
        Loader(Pipe())
    assert told.value.code == "DL199"
