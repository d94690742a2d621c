"""Models by name fit any schema they are meant for, and agree with torch's own where those exist."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.models import MODELS, arguments, build, default_name, layout_of
from danlu.models.tabular import tabular
from danlu.types import Field, Schema

CLASSES = Field("y", "category", "target", classes=("a", "b", "c"))


def images(channels: int, height: int, width: int) -> Schema:
    return Schema((Field("x", "image", "input", shape=(channels, height, width)), CLASSES), "classification", "image")


def table(layout: Any = "columns", *fields: Field) -> Schema:
    given = fields or (
        Field("age", "number", "input", missing=3),
        Field("city", "category", "input", classes=("x", "y", "z")),
        Field("pay", "number", "input"),
        Field("name", "text", "id"),
    )
    return Schema((*given, CLASSES), "classification", layout)


def made(name: str, schema: Schema) -> nn.Module:
    """By way of JSON, as from a model's folder."""
    return build(name, json.loads(json.dumps(arguments(name, schema))))


@given(
    channels=st.integers(1, 4),
    height=st.integers(8, 64),
    width=st.integers(8, 64),
    name=st.sampled_from(["cnn", "mlp", "resnet18"]),
)
@settings(max_examples=25, deadline=None)
def test_image_models_take_any_small_image(channels: int, height: int, width: int, name: str) -> None:
    schema = images(channels, height, width)
    assert made(name, schema)(torch.randn(2, channels, height, width)).shape == (2, 3)


@pytest.mark.parametrize("side", [1, 3, 65, 130])
@pytest.mark.parametrize("name", ["cnn", "resnet18"])
def test_image_models_take_odd_sizes_too(name: str, side: int) -> None:
    model = made(name, images(3, side, side)).eval()
    assert model(torch.randn(2, 3, side, side)).shape == (2, 3)
    assert model(torch.randn(2, 3, side + 9, side + 30)).shape == (2, 3)  # other sizes than it was made for


def test_resnet18_is_torchvisions() -> None:
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.resnet18(num_classes=3).eval()
    ours = made("resnet18", images(3, 96, 96)).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


def test_small_images_keep_their_places_in_resnet18() -> None:
    small, large = made("resnet18", images(3, 64, 64)), made("resnet18", images(3, 65, 65))
    assert small.conv1.stride == (1, 1) and large.conv1.stride == (2, 2)  # type: ignore[union-attr]


def test_the_cnn_tells_where_something_is() -> None:
    """A dot in one corner or another: averaging over all places could not."""
    torch.manual_seed(0)
    x = torch.zeros(64, 1, 8, 8)
    y = torch.arange(64) % 3
    for i, (row, column) in enumerate([(1, 1), (1, 6), (6, 1)]):
        x[y == i, 0, row, column] = 1
    model = made("cnn", images(1, 8, 8))
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(20):
        loss = nn.functional.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.05


def test_tabular_takes_flags_and_unknown_categories() -> None:
    schema = table()
    found = arguments("tabular", schema)
    assert found == {"numbers": 2, "flags": 1, "categories": [4], "outputs": 3}
    model = made("tabular", schema)
    assert model(torch.randn(5, 3), torch.tensor([[0], [1], [2], [3], [0]])).shape == (5, 3)


@pytest.mark.parametrize(("numbers", "categories"), [(0, [3, 4]), (3, []), (2, [5])])
def test_tabular_without_numbers_or_categories(numbers: int, categories: list[int]) -> None:
    model = tabular(numbers=numbers, categories=categories, outputs=2)
    codes = torch.zeros(4, len(categories), dtype=torch.int64)
    output = model(torch.randn(4, numbers), codes)
    assert output.shape == (4, 2)
    output.sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_tabular_reads_a_matrix_of_numbers_by_itself() -> None:
    schema = Schema((Field("x", "tensor", "input", shape=(7,)), CLASSES), "classification", "matrix")
    assert arguments("tabular", schema) == {"numbers": 7, "flags": 0, "categories": [], "outputs": 3}


def test_mlp_width_is_the_matrix_layouts() -> None:
    many = Field("zip", "category", "input", classes=tuple(str(i) for i in range(300)))
    schema = table("matrix", Field("a", "number", "input", missing=1), CLASSES_IN, many)
    assert arguments("mlp", schema)["inputs"] == 1 + 1 + 2  # number, its flag, two classes; 300 classes are left out


CLASSES_IN = Field("c", "category", "input", classes=("u", "v"))


def test_equal_seeds_give_equal_weights() -> None:
    for name, schema in (("cnn", images(1, 8, 8)), ("mlp", images(1, 8, 8)), ("tabular", table())):
        states = []
        for _ in range(2):
            torch.manual_seed(5)
            states.append(made(name, schema).state_dict())
        assert all(torch.equal(states[0][k], states[1][k]) for k in states[0])


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        (images(1, 28, 28), "cnn"),
        (images(3, 64, 32), "cnn"),
        (images(3, 96, 96), "resnet18"),
        (table(), "tabular"),
        (Schema((Field("x", "tensor", "input", shape=(9,)), CLASSES), "classification"), "mlp"),
    ],
)
def test_the_default_model(schema: Schema, name: str) -> None:
    found, why = default_name(schema)
    assert found == name and why
    assert name in MODELS


class ByColumns(nn.Module):
    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        return numbers


@pytest.mark.parametrize(
    ("model", "layout"),
    [
        (None, "columns"),
        ("tabular", "columns"),
        ("mlp", "matrix"),
        (ByColumns, "columns"),
        (ByColumns(), "columns"),
        (nn.Linear(2, 2), "matrix"),
    ],
)
def test_how_a_table_reaches_the_model(model: Any, layout: str) -> None:
    assert layout_of(model) == layout


@pytest.mark.parametrize(
    ("code", "name", "schema"),
    [
        ("DL270", "resnet81", images(1, 8, 8)),
        ("DL271", "mlp", Schema((Field("x", "tensor", "input", shape=(4,)),), "custom")),
        ("DL272", "cnn", table()),
        ("DL272", "tabular", images(1, 8, 8)),
        ("DL272", "mlp", Schema((Field("x", "text", "input"), CLASSES), "classification")),
    ],
)
def test_what_does_not_fit_is_said(code: str, name: str, schema: Schema) -> None:
    with pytest.raises(DanluError) as error:
        arguments(name, schema)
    assert error.value.code == code
    assert "resnet18" in str(error.value) if code == "DL270" else True
    with pytest.raises(DanluError, match="DL270"):
        build("nothing", {})
