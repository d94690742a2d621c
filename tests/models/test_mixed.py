"""The model for images beside numbers and categories."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from danlu import models
from danlu.models.mixed import mixed
from danlu.types import Field, Schema


def schema(images: int = 2, numbers: int = 1, categories: int = 1, side: int = 16) -> Schema:
    fields = [Field(f"i{k}", "image", "input", shape=(3, side, side), dtype="uint8") for k in range(images)]
    fields += [Field(f"n{k}", "number", "input", missing=k) for k in range(numbers)]
    fields += [Field(f"c{k}", "category", "input", classes=("a", "b")) for k in range(categories)]
    fields += [Field("y", "category", "target", classes=("u", "v", "w"))]
    return Schema(tuple(fields), "classification", "mixed", "table")


def test_the_trunk_is_what_an_image_folder_of_that_size_gets() -> None:
    for side, name in ((16, "cnn"), (96, "resnet18")):
        arguments = models.arguments("mixed", schema(side=side))
        assert arguments["trunk"] == name
        assert models.default_name(schema(side=side))[0] == "mixed"


def test_a_named_image_model_becomes_the_trunk() -> None:
    name, arguments = models.named("resnet34", schema())
    assert (name, arguments["trunk"]) == ("mixed", "resnet34")
    assert models.build(name, arguments)(
        torch.rand(2, 3, 16, 16), torch.rand(2, 3, 16, 16), torch.rand(2, 1), torch.ones(2, 1).long()
    ).shape == (2, 3)


def test_one_trunk_sees_all_images_and_the_answer_is_one_hidden_layer_over_all_features() -> None:
    torch.manual_seed(0)
    trunk = nn.Sequential(nn.Flatten(), nn.Linear(12, 128))
    net = mixed(trunk, images=2, outputs=3, numbers=2, categories=[3]).eval()
    left, right = torch.rand(5, 3, 2, 2), torch.rand(5, 3, 2, 2)
    numbers, codes = torch.randn(5, 2), torch.randint(0, 3, (5, 1))
    features = torch.cat([trunk(left), trunk(right), net.rows(numbers, codes)], 1).relu()
    hidden = functional.linear(features, net.hidden.weight, net.hidden.bias).relu()
    want = functional.linear(hidden, net.head.weight, net.head.bias)
    torch.testing.assert_close(net(left, right, numbers, codes), want)


def test_a_table_may_have_only_images_numbers_or_categories_beside_them() -> None:
    image, numbers, codes = torch.rand(4, 3, 8, 8), torch.rand(4, 1), torch.ones(4, 1, dtype=torch.int64)
    for count, n, c, parts in ((2, 0, 0, (image, image)), (1, 1, 0, (image, numbers)), (1, 0, 1, (image, codes))):
        net = models.build("mixed", models.arguments("mixed", schema(count, n, c, 8)))
        assert net(*parts).shape == (4, 3)
