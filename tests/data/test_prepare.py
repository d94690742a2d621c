from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.data.prepare import byte_statistics, prepare
from danlu.types import Field, Schema

LABEL = Field("y", "category", "target", classes=("a", "b"), dtype="int64")


def image_schema(**stats: tuple[float, ...]) -> Schema:
    image = Field("x", "image", "input", shape=(3, 5, 4), dtype="uint8", **stats)
    return Schema((image, LABEL), "classification", "image", "images")


def test_bytes_become_standardised_floats() -> None:
    mean, std = (0.1, 0.5, 0.7), (0.2, 0.3, 1.0)
    x = torch.randint(0, 256, (7, 3, 5, 4), dtype=torch.uint8)
    y = torch.arange(7)
    ready = prepare(image_schema(mean=mean, std=std))
    assert ready is not None
    out, target = ready((x, y))
    shape = (1, 3, 1, 1)
    exact = (x.numpy() / 255 - np.reshape(mean, shape)) / np.reshape(std, shape)
    np.testing.assert_allclose(out.numpy(), exact, atol=2e-6)
    assert out.dtype == torch.float32
    assert target is y
    assert torch.equal(ready((x,))[0], out)  # predict has no target
    for i in range(7):  # the same bits, whatever the rows are grouped with
        assert torch.equal(ready((x[i : i + 1], y[i : i + 1]))[0][0], out[i])


def test_bytes_without_statistics_are_shares_of_255() -> None:
    ready = prepare(image_schema())
    assert ready is not None
    x = torch.arange(60, dtype=torch.uint8).reshape(1, 3, 5, 4)
    assert torch.allclose(ready((x,))[0], x / 255, atol=1e-7)


def test_stored_floats_and_user_samples_pass() -> None:
    floats = Field("x", "number", "input", shape=(4,), mean=(1.0,), std=(2.0,))
    assert prepare(Schema((floats, LABEL), "classification", "matrix", "arrays")) is None
    user = Field("x", "image", "input", shape=(3, 5, 4), dtype="uint8")
    assert prepare(Schema((user, LABEL), "classification", "tensor", "dataset")) is None
    kept = Field("x", "tensor", "input", shape=(4,), dtype="uint8")  # a user's own model wants these bytes
    assert prepare(Schema((kept, LABEL), "classification", "tensor", "arrays")) is None


@pytest.mark.parametrize("shape", [(50, 3, 9, 7), (400, 1, 28, 28), (30, 2, 5)])
def test_byte_statistics_are_those_of_numpy(shape: tuple[int, ...]) -> None:
    x = torch.randint(0, 256, shape, dtype=torch.uint8)
    rows = torch.randperm(shape[0])[: shape[0] // 2]
    mean, std = byte_statistics(x, rows)
    values = x[rows].numpy().astype(np.float64) / 255
    over = tuple(i for i in range(len(shape)) if i != 1)
    np.testing.assert_allclose(mean, values.mean(over), rtol=1e-12)
    np.testing.assert_allclose(std, values.std(over), rtol=1e-12)


def test_a_channel_of_one_value_is_only_shifted() -> None:
    mean, std = byte_statistics(torch.full((4, 1, 2, 2), 51, dtype=torch.uint8), torch.arange(4))
    assert mean == (0.2,)
    assert std == (1.0,)
