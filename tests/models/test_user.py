"""A user's class gets the sizes it asks for by their usual names; anything else is a clear error."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from danlu.errors import DanluError
from danlu.models import instantiate
from danlu.types import Field, Schema

CLASSES = Field("y", "category", "target", classes=("a", "b", "c"))
IMAGES = Schema((Field("x", "image", "input", shape=(3, 32, 32)), CLASSES), "classification", "image")
MATRIX = Schema((Field("x", "tensor", "input", shape=(7,)), CLASSES), "classification", "matrix")
TWO_NUMBERS = Schema(
    (Field("x", "tensor", "input", shape=(7,)), Field("u", "number", "target"), Field("v", "number", "target")),
    "regression",
    "matrix",
)


class Net(nn.Module):
    def __init__(self, in_channels: int, num_classes: int = 10, width: int = 4) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, width, 3), nn.Flatten(), nn.LazyLinear(num_classes))


class Linear(nn.Module):
    def __init__(self, input_dim: int, *, output_dim: int, bias: bool = True) -> None:
        super().__init__()
        self.layer = nn.Linear(input_dim, output_dim, bias)


class Plain(nn.Module):
    """No arguments at all, and one that takes anything."""

    def __init__(self, *args: int, **kwargs: int) -> None:
        super().__init__()
        assert not args and not kwargs


class Needy(nn.Module):
    def __init__(self, in_features: int, hidden_size: int) -> None:
        super().__init__()


class Broken(nn.Module):
    def __init__(self, in_features: int) -> None:
        super().__init__()
        raise ValueError("seven is not enough")


def test_sizes_are_filled_in_even_over_a_default() -> None:
    net = instantiate(Net, IMAGES)
    assert net.layers[0].in_channels == 3 and net.layers[2].out_features == 3  # type: ignore[index, union-attr]


def test_keyword_only_and_several_targets() -> None:
    net = instantiate(Linear, TWO_NUMBERS)
    assert net.layer.weight.shape == torch.Size([2, 7])  # type: ignore[union-attr]
    assert instantiate(Linear, IMAGES).layer.in_features == 3 * 32 * 32  # type: ignore[union-attr]


def test_nothing_is_asked_for_nothing_is_given() -> None:
    assert isinstance(instantiate(Plain, MATRIX), Plain)


@pytest.mark.parametrize(
    ("cls", "code", "said"),
    [(Needy, "DL273", "hidden_size"), (Broken, "DL275", "seven is not enough"), (torch.relu, "DL274", "nn.Module")],
)
def test_what_cannot_be_made_is_said_with_its_line(cls: type[nn.Module], code: str, said: str) -> None:
    with pytest.raises(DanluError) as error:
        instantiate(cls, MATRIX)
    assert error.value.code == code and said in str(error.value)
    if code != "DL274":
        file, line = error.value.where.rsplit(":", 1)
        assert file.endswith("test_user.py") and int(line) > 30
