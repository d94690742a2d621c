"""Datasets of tutorials and libraries whose own code decides what a sample is: it is asked, never looked past."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset, TensorDataset

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
