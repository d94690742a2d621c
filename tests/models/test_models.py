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
from danlu.models.convnext import Block
from danlu.models.tabular import tabular
from danlu.models.vit import patch_for, resized
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
    name=st.sampled_from(["cnn", "mlp", "resnet18", "resnet_small"]),
)
@settings(max_examples=25, deadline=None)
def test_image_models_take_any_small_image(channels: int, height: int, width: int, name: str) -> None:
    schema = images(channels, height, width)
    assert made(name, schema)(torch.randn(2, channels, height, width)).shape == (2, 3)


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "convnext_tiny", "vit_tiny"])
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (4, 28, 20), (3, 64, 33)])
def test_larger_models_take_small_images_too(name: str, channels: int, height: int, width: int) -> None:
    schema = images(channels, height, width)
    assert made(name, schema).eval()(torch.randn(2, channels, height, width)).shape == (2, 3)


@pytest.mark.parametrize("side", [1, 3, 65, 130])
@pytest.mark.parametrize("name", ["cnn", "resnet18", "convnext_tiny", "vit_tiny"])
def test_image_models_take_odd_sizes_too(name: str, side: int) -> None:
    model = made(name, images(3, side, side)).eval()
    assert model(torch.randn(2, 3, side, side)).shape == (2, 3)
    assert model(torch.randn(2, 3, side + 9, side + 30)).shape == (2, 3)  # other sizes than it was made for


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "convnext_tiny"])
def test_names_shapes_and_answers_are_torchvisions(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.get_model(name, num_classes=3).eval()
    ours = made(name, images(3, 96, 96)).eval()
    lively(theirs)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=0)


def lively(model: nn.Module) -> None:
    """Every scale, bias and running statistic away from the 0 and 1 they begin with, so that none may be left out."""
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, t in model.state_dict().items():
            small = t.ndim < 2 or name.endswith(("layer_scale", "cls_token", "pos_embed"))
            if small and t.is_floating_point():
                t.copy_(torch.rand(t.shape, generator=draw) + 0.1)


@pytest.mark.parametrize("side", [224, 96])
def test_vit_tiny_is_timms_deit(side: int) -> None:
    timm = pytest.importorskip("timm")
    schema = images(3, side, side)
    patch = arguments("vit_tiny", schema)["patch"]
    theirs = timm.create_model("deit_tiny_patch16_224", img_size=side, patch_size=patch, num_classes=3).eval()
    lively(theirs)
    ours = made("vit_tiny", schema).eval()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, side, side)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_positions_on_another_grid_are_timms() -> None:
    layers = pytest.importorskip("timm.layers")
    places = torch.randn(1, 1 + 49, 192)
    theirs = layers.resample_abs_pos_embed(places, new_size=[5, 9], old_size=[7, 7])
    torch.testing.assert_close(resized(places, (7, 7), (5, 9)), theirs)
    assert resized(places, (7, 7), (7, 7)) is places


@pytest.mark.parametrize(
    ("side", "patch"), [(1, 1), (8, 1), (16, 2), (28, 4), (32, 4), (64, 8), (96, 8), (224, 16), (999, 16)]
)
def test_patches_are_chosen_by_the_side(side: int, patch: int) -> None:
    assert patch_for(side) == patch


def test_convnext_leaves_whole_blocks_out_in_training_and_keeps_their_mean() -> None:
    block = Block(4, 0.5)
    nn.init.ones_(block.layer_scale)
    x = torch.randn(1, 4, 8, 8).expand(2000, -1, -1, -1)
    with torch.no_grad():
        branch = block.eval()(x[:1]) - x[:1]
        found = block.train()(x) - x  # nothing, or twice the branch
    left_out = (found == 0).flatten(1)
    assert (left_out.all(1) | ~left_out.any(1)).all()
    torch.testing.assert_close(found[~left_out[:, 0]], (2 * branch).expand(int((~left_out[:, 0]).sum()), -1, -1, -1))
    assert 0.45 < float(left_out[:, 0].float().mean()) < 0.55


def test_small_images_are_cut_into_smaller_patches() -> None:
    small, large = made("convnext_tiny", images(3, 64, 64)), made("convnext_tiny", images(3, 65, 65))
    assert small.features[0][0].stride == (2, 2) and large.features[0][0].stride == (4, 4)  # type: ignore[index, union-attr]


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
        (images(1, 33, 28), "resnet_small"),
        (images(3, 8, 8), "resnet_small"),
        (images(3, 64, 32), "resnet_small"),
        (images(3, 224, 224), "resnet_small"),
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


@given(channels=st.integers(1, 4), height=st.integers(1, 300), width=st.integers(1, 300))
@settings(max_examples=25, deadline=None)
def test_the_default_for_photos_trains_on_one_picture_of_any_size(channels: int, height: int, width: int) -> None:
    if max(height, width) < 4:  # nothing to compare for batch normalisation
        return
    model = made("resnet_small", images(channels, height, width)).train()
    x = torch.randn(2, channels, height, width, requires_grad=True)
    model(x).square().sum().backward()
    assert x.grad is not None and bool(x.grad.isfinite().all())


@pytest.mark.parametrize(("side", "expected"), [(8, 8), (16, 16), (32, 16), (64, 16), (128, 16), (224, 28), (500, 16)])
def test_its_first_block_sees_maps_of_a_bounded_size(side: int, expected: int) -> None:
    model = made("resnet_small", images(3, side, side))
    assert model.stem(torch.randn(1, 3, side, side)).shape[2:] == (expected, expected)
