"""What a batch means, for every form a dataset may give."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.batch import forward, rows_of, to_device


class One(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 2


class Two(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class Any_(nn.Module):
    def forward(self, **parts: Tensor) -> Tensor:
        return sum(parts.values())  # type: ignore[return-value]


@dataclass
class Sample:
    a: Tensor
    b: Tensor
    label: Tensor


Named = namedtuple("Named", ["x", "y"])
a, b, y = torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0]), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("model", "batch", "output", "target"),
    [
        (One(), (a, y), a * 2, y),
        (One(), [a, y], a * 2, y),
        (One(), Named(a, y), a * 2, y),
        (Two(), (a, b, y), a + b, y),
        (One(), (a, b, y), a * 2, (b, y)),  # forward takes one: the rest is the target
        (Two(), {"a": a, "b": b, "label": y}, a + b, y),
        (Two(), {"label": y, "b": b, "a": a}, a + b, y),
        (Two(), Sample(a, b, y), a + b, y),
        (Two(), {"a": a, "b": b, "u": y, "v": a}, a + b, {"u": y, "v": a}),
        (One(), {"image": a, "label": y}, a * 2, y),  # no name fits: what is called label is the target
        (Any_(), {"p": a, "q": b, "target": y}, a + b, y),
        (One(), a, a * 2, None),
        (nn.Identity(), (a, y), a, y),
        (nn.Sequential(One()), (a, b, y), a * 2, (b, y)),
    ],
)
def test_forward_and_target(model: nn.Module, batch: Any, output: Tensor, target: Any) -> None:
    got, left = forward(model, batch)
    assert torch.equal(got, output)
    if isinstance(target, dict):
        assert target.keys() == left.keys() and all(torch.equal(target[k], left[k]) for k in target)
    elif isinstance(target, tuple):
        assert all(torch.equal(p, q) for p, q in zip(target, left, strict=True))
    else:
        assert target is left or torch.equal(target, left)
    assert rows_of(batch) == 2


def test_a_dict_nobody_can_match_is_an_error() -> None:
    with pytest.raises(danlu.DanluError, match="DL241") as caught:
        forward(One(), {"image": a, "mask": b})
    assert "image" in str(caught.value) and "One.forward takes x" in str(caught.value)


def test_moving_a_batch_keeps_its_structure() -> None:
    batch = {"x": [a, (b, "text")], "n": Named(a, 3), "s": Sample(a, b, y)}
    moved = to_device(batch, torch.device("meta"))
    assert moved["x"][0].is_meta and moved["x"][1][1] == "text"
    assert isinstance(moved["n"], Named) and moved["n"].x.is_meta and moved["n"].y == 3
    assert isinstance(moved["s"], Sample) and moved["s"].label.is_meta
