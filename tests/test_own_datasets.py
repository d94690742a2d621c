"""Datasets of tutorials and libraries whose own code decides what a sample is: it is asked, never looked past."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import danlu


def net(classes: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, classes))


def plain(n: int = 60) -> tuple[Tensor, Tensor]:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return x, (x.sum(1) > 0).long()


class Flip(TensorDataset):
    """Other inputs and other labels than its tensors."""

    def __getitem__(self, i: Any) -> Any:
        x, y = super().__getitem__(i)
        return x + 100, 1 - y


class Mapped(Subset[Any]):
    """The usual recipe for a transform after random_split."""

    def __getitem__(self, i: Any) -> Any:
        x, y = super().__getitem__(i)
        return x + 100, 1 - y

    def __getitems__(self, indices: list[int]) -> list[Any]:
        return [self[i] for i in indices]


class Watching(nn.Module):
    """Keeps the smallest input it has met."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.smallest = net(), float("inf")

    def forward(self, x: Tensor) -> Tensor:
        self.smallest = min(self.smallest, float(x.min()))
        return self.inner(x / 100)


def flipped() -> Any:
    return Flip(*plain())


def mapped() -> Any:
    return Mapped(TensorDataset(*plain()), list(range(60)))


@pytest.mark.parametrize("made", [flipped, mapped])
def test_a_subclass_of_rows_in_memory_gives_its_own_samples(made: Any) -> None:
    model = Watching()
    run = danlu.train(made(), made(), val=made(), model=model, loss="CrossEntropyLoss", epochs=1, batch_size=8)
    assert model.smallest > 90
    assert run.metrics["test/rows"] == 60
    model.smallest = float("inf")
    run.test(made())
    assert model.smallest > 90


@pytest.mark.parametrize("made", [flipped, mapped])
def test_a_subclass_beside_a_file_of_arrays_is_refused(made: Any) -> None:
    x, y = plain()
    np.savez("a.npz", x=x.numpy(), y=y.numpy())
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train("a.npz", made(), model="mlp", epochs=1)
    assert caught.value.code == "DL174"


class Letters(Dataset[Any]):
    """Labels as an array; what a sample has is what ``transform`` makes of them."""

    def __init__(self, targets: Any, transform: Any, n: int = 60) -> None:
        self.x = plain(n)[0]
        self.targets, self.transform = targets, transform

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        return self.x[i], self.transform(int(self.targets[i]))


def test_labels_that_begin_at_one_and_are_shifted() -> None:
    targets = torch.arange(60) % 3 + 1
    data, test = (Letters(targets, lambda y: y - 1) for _ in range(2))
    run = danlu.train(data, test, model=net(3), loss="CrossEntropyLoss", epochs=1)
    assert run.metrics["test/rows"] == 60
    assert run.metrics["test/accuracy_baseline"] == pytest.approx(1 / 3)


def test_one_class_against_the_rest_has_the_rests_baseline(capsys: pytest.CaptureFixture[str]) -> None:
    targets = np.arange(60) % 10
    data, test = (Letters(targets, lambda y: int(y == 3)) for _ in range(2))
    data.classes = test.classes = [f"digit {i}" for i in range(10)]  # type: ignore[attr-defined]
    run = danlu.train(data, test, model=net(), loss="CrossEntropyLoss", epochs=1)
    assert run.metrics["test/accuracy_baseline"] == pytest.approx(0.9)
    assert run.predictor is not None
    assert run.predictor.schema.classes == ("0", "1")
    said = capsys.readouterr().err
    assert "labels" in said
    assert "≠" in said


def test_a_test_part_whose_labels_are_shifted_is_no_other_class() -> None:
    targets = torch.arange(60) % 3
    test = Letters(targets + 1, lambda y: y - 1)
    run = danlu.train(Letters(targets, lambda y: y), test, model=net(3), loss="CrossEntropyLoss", epochs=1)
    assert run.metrics["test/rows"] == 60


def test_labels_that_are_what_they_say_are_believed() -> None:
    targets = [0] * 57 + [1] * 3
    data = Letters(targets, lambda y: y)
    data.classes = ["most", "few"]  # type: ignore[attr-defined]
    run = danlu.train(data, data, model=net(), loss="CrossEntropyLoss", epochs=1)
    assert run.metrics["test/accuracy_baseline"] == pytest.approx(0.95)
    assert run.predictor is not None
    assert run.predictor.schema.classes == ("most", "few")
    wrong = Letters([*targets[:30], 5, *targets[31:]], lambda y: y)  # not among the samples looked at
    with pytest.raises(danlu.DanluError, match="5"):
        danlu.train(data, wrong, model=net(), loss="CrossEntropyLoss", epochs=1)


class Stream(IterableDataset[Any]):
    """Rows without numbers; it does not share them out among workers."""

    def __iter__(self) -> Iterator[Any]:
        return iter(list(zip(*plain(), strict=True)))


def test_workers_that_repeat_the_rows_of_an_iterable_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    settings: dict[str, Any] = {"model": net(), "loss": "CrossEntropyLoss", "epochs": 1, "batch_size": 4}
    run = danlu.train(Stream(), Stream(), val=Stream(), workers=2, run="r", **settings)
    assert "every row comes 2 times" in capsys.readouterr().err
    assert run.history[0]["rows"] == 120  # as in torch
    assert run.metrics["test/rows"] == 60  # figures count each row once
    assert run.test(DataLoader(Stream(), 4, num_workers=2))["test/rows"] == 60
    danlu.train(Stream(), val=Stream(), workers=1, **settings)
    assert "every row comes" not in capsys.readouterr().err


def test_a_resumed_run_keeps_the_workers_of_an_iterable() -> None:
    def train(workers: int, run: str, stop_at: int | None = None) -> Any:
        data = Halting()
        Halting.stop_at = stop_at
        return danlu.train(
            data, model=net(), loss="CrossEntropyLoss", epochs=3, batch_size=4, workers=workers, run=run
        )  # fmt: skip

    class Halting(Stream):
        stop_at: int | None = None

        def __iter__(self) -> Iterator[Any]:
            for i, row in enumerate(super().__iter__()):
                if i == self.stop_at:
                    raise OSError("the disk is away")
                yield row

    whole = train(2, "whole")
    with pytest.raises(danlu.DanluError):
        train(2, "stopped", stop_at=40)
    again = train(0, "stopped")
    assert [e["rows"] for e in again.history] == [120, 120, 120]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))


class Batches(Dataset[Any]):
    """Gives whole batches; the last one is smaller."""

    def __init__(self) -> None:
        self.x, self.y = plain()

    def __len__(self) -> int:
        return 8

    def __getitem__(self, i: int) -> Any:
        if i >= 8:
            raise IndexError(i)
        return self.x[8 * i : 8 * i + 8], self.y[8 * i : 8 * i + 8]


class BatchStream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return map(Batches().__getitem__, iter(range(8)))


@pytest.mark.parametrize("made", [Batches, BatchStream])
def test_a_dataset_that_gives_whole_batches(made: Any) -> None:
    loaders = [DataLoader(made(), batch_size=None) for _ in range(3)]
    run = danlu.train(loaders[0], loaders[1], val=loaders[2], model=net(), loss="CrossEntropyLoss", epochs=2, run="r")
    assert [e["rows"] for e in run.history] == [60, 60]
    assert run.metrics["test/rows"] == 60
    assert len(pq.read_table("r/predictions.parquet")) == 60


def test_a_bad_batch_of_a_dataset_that_gives_whole_batches_is_named() -> None:
    data = Batches()
    data.x[35] = float("nan")
    with pytest.raises(danlu.DanluError, match=r"\[4\]") as caught:
        danlu.train(DataLoader(data, batch_size=None), val=Batches(), model=net(), loss="CrossEntropyLoss", epochs=1)
    assert caught.value.code == "DL301"


@pytest.mark.parametrize("source", ["table", "arrays"])
def test_the_truth_of_a_regression_is_the_number_the_user_gave(source: str) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(80, 3)), np.round(draw.uniform(1e5, 5e5, 80), 1) + 1e-3
    if source == "table":
        rows = "\n".join(",".join(map(repr, map(float, [*a, b]))) for a, b in zip(x, y, strict=True))
        Path("homes.csv").write_text("a,b,c,price\n" + rows)
        danlu.train("homes.csv", target="price", epochs=1, run="r")
    else:
        danlu.train((x, y), epochs=1, run="r")
    table = pq.read_table("r/predictions.parquet").to_pylist()
    assert table
    for row in table:
        assert isinstance(row["truth"], float)
        assert row["truth"] in y
    if source == "arrays":
        assert [y[int(row["row"].split()[-1])] for row in table] == [row["truth"] for row in table]


class Tagged(Dataset[Any]):
    """Which of three letters a row has; ``made`` is what the sample's target is made of them."""

    classes = ("a", "b", "c")

    def __init__(self, made: Any, n: int = 90) -> None:
        self.x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
        self.made = made

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        return self.x[i], self.made([c for c, v in zip(self.classes, self.x[i].tolist()) if v > 0])


@pytest.mark.parametrize("model", [None, "own"])
@pytest.mark.parametrize("made", [list, tuple, set, frozenset])
def test_lists_of_labels_are_refused_with_the_line_that_makes_them_numbers(made: Any, model: Any) -> None:
    model = nn.Linear(3, 3) if model else "mlp"
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(Tagged(made), model=model, epochs=1)
    assert caught.value.code == "DL186"
    line = caught.value.fix.partition("return x, ")[2].partition("   #")[0]

    def fixed(labels: Any) -> Any:
        return eval(line, {"torch": torch, "labels": labels, "self": Tagged})  # what the error says to write

    run = danlu.train(Tagged(fixed), Tagged(fixed), model=model, task="multilabel", epochs=20, lr=0.05)
    assert run.predictor is not None and run.predictor.schema.classes == ("a", "b", "c")
    assert run.metrics["test/macro_f1"] > 0.8


class Both(Dataset[Any]):
    """Two targets of different kinds under their names."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> Any:
        x = torch.full((4,), float(i % 2))
        return x, {"kind": i % 2, "price": torch.tensor([float(i)])}


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.kind, self.price = net(), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"kind": self.kind(x), "price": self.price(x)}


def told(run: str) -> dict[str, str]:
    lines = map(json.loads, (Path(run) / "metrics.jsonl").read_text("utf-8").splitlines())
    return {line["what"]: line["value"] + " | " + line["why"] for line in lines if line["event"] == "choice"}


def test_several_targets_are_told_with_the_task_of_each_and_what_nobody_trains_is_named() -> None:
    both: dict[str, nn.Module] = {"kind": nn.CrossEntropyLoss(), "price": nn.MSELoss()}
    danlu.train(Both(), model=Branches(), loss=both, epochs=1, run="both")
    said = told("both")
    assert said["task"] == "multitask | kind: classification, price: regression" and "not trained" not in said
    assert "kind" in said["sample"] and "price" in said["sample"]
    danlu.train(Both(), model=Branches(), loss={"kind": both["kind"]}, epochs=1, run="one")
    assert told("one")["not trained"].startswith("price | no loss is given")


def test_a_dataset_without_a_test_part_is_told_so() -> None:
    x, y = plain()
    rows = TensorDataset(x, y)
    danlu.train(Flip(x, y), model=net(), epochs=1, run="untested")
    assert told("untested")["test"].startswith("none | ")
    danlu.train(Flip(x, y), rows, model=net(), epochs=1, run="tested")
    assert "test" not in told("tested")
