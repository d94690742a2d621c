from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
    WeightedRandomSampler,
)

from danlu.data import load_data
from danlu.data.columns import Columns, Data
from danlu.data.dataset import take_over
from danlu.errors import DanluError
from danlu.settings import Settings


class Samples(Dataset[Any]):
    """Any list of samples; counts how often it is read."""

    def __init__(self, samples: list[Any], **more: Any) -> None:
        self.samples, self.reads = samples, 0
        vars(self).update(more)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Any:
        self.reads += 1
        return self.samples[i]


def pairs(labels: list[Any], shape: tuple[int, ...] = (3, 8, 8), **more: Any) -> Samples:
    return Samples([(torch.full(shape, float(i)), y) for i, y in enumerate(labels)], **more)


def load(data: Any, *, own: bool = True, test: Any = None, val: Any = None, **settings: Any) -> Data:
    return load_data(data, test, val, Settings(**settings), layout="matrix", own_model=own)


def refused(data: Any, **more: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        load(data, **more)
    return caught.value


def test_ten_percent_by_seeded_index_without_reading_it_in_full() -> None:
    dataset = pairs([i % 4 for i in range(1000)])
    data = load(dataset)
    assert dataset.reads < 100
    assert isinstance(data.train, Subset)
    assert data.train.dataset is dataset
    assert sorted([*data.train.indices, *data.val.indices]) == list(range(1000))
    assert len(data.val) == 100
    assert data.test is None
    assert load(dataset).val.indices == data.val.indices
    assert load(dataset, seed=1).val.indices != data.val.indices
    x, y = data.val[3]
    assert torch.equal(x, dataset.samples[data.val.indices[3]][0])
    assert y == data.val.indices[3] % 4


def test_stratified_by_the_labels_it_carries() -> None:
    labels = [0] * 900 + [1] * 100
    data = load(pairs(labels, targets=labels))
    assert sum(labels[i] for i in data.val.indices) == 10
    assert data.schema.classes == ("0", "1")
    assert load(pairs(labels, targets=labels, classes=["cat", "dog"])).schema.classes == ("cat", "dog")


@pytest.mark.parametrize(
    ("labels", "task", "kind"),
    [
        ([i % 3 for i in range(50)], "classification", "category"),
        ([torch.tensor(i % 3) for i in range(50)], "classification", "category"),
        ([np.int64(i % 3) for i in range(50)], "classification", "category"),
        ([i / 7 for i in range(50)], "regression", "number"),
        ([torch.tensor([i / 7]) for i in range(50)], "regression", "number"),
        ([torch.tensor([i / 7, 1.0]) for i in range(50)], "regression", "number"),
        ([float(i % 2) for i in range(50)], "classification", "category"),
        ([float(i % 2) if i < 40 else 0.5 for i in range(50)], "regression", "number"),
        ([torch.tensor([1.0, i % 2, 1.0]) for i in range(50)], "multilabel", "multilabel"),
        ([torch.zeros(8, 8, dtype=torch.int64) + i for i in range(50)], "custom", "tensor"),
        ([-1 if i % 2 else 1 for i in range(50)], "custom", "tensor"),
    ],
)
def test_the_task_is_seen_in_the_samples(labels: list[Any], task: str, kind: str) -> None:
    schema = load(pairs(labels)).schema
    assert (schema.task, schema.targets[0].kind) == (task, kind)
    assert schema.inputs[0].shape == (3, 8, 8)
    assert schema.layout == "tensor"
    assert schema.origin == "dataset"
    assert load(pairs(labels), task="custom").schema.task == "custom"


def test_dict_samples() -> None:
    samples = [{"pixels": torch.zeros(4), "age": float(i), "label": i % 2} for i in range(40)]
    schema = load(Samples(samples)).schema
    assert [f.name for f in schema.inputs] == ["pixels", "age"]
    assert schema.targets[0].name == "label"
    no_target = [{"image": torch.zeros(4), "mask": torch.zeros(4)} for _ in range(40)]
    assert load(Samples(no_target)).schema.task == "custom"


def test_danlus_model_is_told_the_number_of_classes() -> None:
    dataset = pairs([i % 7 for i in range(50)])
    assert load(dataset, own=True).schema.classes == ()
    assert load(dataset, own=False).schema.classes == tuple("0123456")


def test_looking_leaves_the_generators_alone() -> None:
    class Noisy(Samples):
        def __getitem__(self, i: int) -> Any:
            return torch.rand(3) + np.random.rand(), i % 2

    torch.manual_seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    data = load(Noisy([0] * 40))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    note = next(c for c in data.choices if c.what == "val")
    assert "torch, numpy" in note.why


def test_val_and_test_that_are_given() -> None:
    train, val, test = (pairs([i % 2 for i in range(n)]) for n in (50, 20, 10))
    data = load(train, val=val, test=test)
    assert (data.train, data.val, data.test) == (train, val, test)
    data = load((train, test), val=val)
    assert (data.train, data.val, data.test) == (train, val, test)
    arrays = load(train, test=(torch.zeros(5, 3, 8, 8), torch.zeros(5, dtype=torch.int64)))
    assert isinstance(arrays.test, TensorDataset)


def test_a_class_only_in_test() -> None:
    train, test = (pairs(y, targets=y) for y in ([0, 1] * 20, [0, 1, 2, 2]))
    error = refused(train, test=test)
    assert error.code == "DL155"
    assert "2 samples" in error.why


def test_bad_datasets() -> None:
    assert refused(pairs([])).code == "DL173"
    assert refused([(torch.zeros(2), 0), (torch.zeros(3), 1)]).code == "DL171"
    assert refused(object()).code == "DL174"
    assert refused(x for x in [1, 2]).code == "DL178"
    assert refused(pairs(["a", "b"] * 20)).code == "DL176"

    class Broken(Samples):
        def __getitem__(self, i: int) -> Any:
            return self.samples[i] / 0

    error = refused(Broken([1] * 20))
    assert error.code == "DL170"
    assert "ZeroDivisionError" in error.what
    assert "self.samples[i] / 0" in error.why


class Stream(IterableDataset[Any]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[Any]:
        for i in range(self.n):
            yield torch.full((4,), float(i)), i % 3


def test_iterable_datasets() -> None:
    stream = Stream(30)
    data = load(stream)
    assert data.train is stream
    assert data.val is None
    assert any(c.what == "val" for c in data.choices)
    assert data.schema.task == "classification"
    assert load(stream, val=Stream(9)).val.n == 9
    assert load(stream, own=False).schema.classes == ("0", "1", "2")
    assert refused(Stream(0)).code == "DL173"


def test_torchvision_datasets() -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    transforms = pytest.importorskip("torchvision.transforms")
    data = load(datasets.FakeData(60, (3, 16, 16), 4, transforms.ToTensor()))
    assert data.schema.inputs[0].shape == (3, 16, 16)
    error = refused(datasets.FakeData(60, (3, 16, 16), 4))
    assert error.code == "DL172"
    assert "PIL.Image.Image" in error.what


def test_a_loaders_arguments_are_taken_over() -> None:
    dataset = pairs([i % 2 for i in range(40)])
    generator = torch.Generator()

    def seed_worker(worker: int) -> None: ...

    loader = DataLoader(dataset, 8, shuffle=True, num_workers=2, drop_last=True, worker_init_fn=seed_worker,
                        generator=generator, persistent_workers=True)  # fmt: skip
    data = load(loader, test=DataLoader(dataset, 4))
    assert data.loader == {
        "batch_size": 8, "shuffle": True, "drop_last": True, "num_workers": 2, "worker_init_fn": seed_worker,
        "generator": generator, "persistent_workers": True,
    }  # fmt: skip
    assert data.test is dataset
    again = DataLoader(data.train, **data.loader)
    assert next(iter(again))[0].shape == (8, 3, 8, 8)


def test_own_orders_of_rows_are_kept_and_not_split() -> None:
    dataset = pairs([i % 2 for i in range(40)])
    weighted = WeightedRandomSampler([1.0] * 40, 40)
    data = load(DataLoader(dataset, 4, sampler=weighted))
    assert data.loader["sampler"] is weighted
    assert data.train is dataset
    assert data.val is None
    batches = BatchSampler(range(40), 5, False)
    assert take_over(DataLoader(dataset, batch_sampler=batches))[1] == {"batch_sampler": batches}
    fixed = load(DataLoader(dataset, 4))
    assert fixed.loader["shuffle"] is False
    assert any(c.what == "order" for c in fixed.choices)


def padded(samples: list[Any]) -> Any:
    longest = max(len(x) for x, _ in samples)
    x = torch.stack([torch.nn.functional.pad(x, (0, longest - len(x))) for x, _ in samples])
    return x, torch.tensor([y for _, y in samples])


def test_a_collate_function_makes_unequal_samples_welcome() -> None:
    ragged = Samples([(torch.zeros(1 + i % 5), i % 3) for i in range(40)])
    assert refused(ragged).code == "DL171"
    data = load(DataLoader(ragged, 4, collate_fn=padded))
    assert data.loader["collate_fn"] is padded
    assert data.schema.task == "classification"
    error = refused(DataLoader(ragged, 4, collate_fn=lambda samples: samples[0][5]))
    assert error.code == "DL170"


def test_a_dataset_that_makes_whole_batches() -> None:
    batches = Samples([(torch.zeros(16, 7), torch.arange(16) % 3) for _ in range(30)])
    data = load(DataLoader(batches, batch_size=None))
    assert data.loader["batch_size"] is None
    assert data.schema.inputs[0].shape == (7,)
    assert data.schema.task == "classification"


def test_a_loader_over_rows_in_memory() -> None:
    rows = TensorDataset(torch.randn(40, 3), torch.arange(40) % 2)
    data = load(DataLoader(rows, 8, shuffle=True))
    assert isinstance(data.train, Columns)
    assert data.loader == {"batch_size": 8, "shuffle": True, "drop_last": False}
    kept = load(DataLoader(rows, 8, sampler=WeightedRandomSampler([1.0] * 40, 40)))
    assert kept.train is rows
