from __future__ import annotations

import numpy as np
import pytest
import torch

from danlu.data.inputs import as_tensor, encode_input, image_axes
from danlu.errors import DanluError
from danlu.types import Field


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((9, 28, 28), "NHW"), ((9, 32, 32, 3), "NHWC"), ((9, 3, 32, 32), "NCHW"), ((9, 3, 4, 4), "NCHW"),
     ((9, 3, 8, 3), "NHWC"), ((9, 5), None), ((9, 4, 2), None), ((9, 1, 2, 3, 4), None)],
)  # fmt: skip
def test_axes(shape: tuple[int, ...], axes: str | None) -> None:
    assert image_axes(shape, bytes_=True, any_float=False) == axes
    assert image_axes(shape, bytes_=False, any_float=False) is None


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "float32", "float64", ">f4", ">i2", "bool"])
def test_arrays_of_any_kind(dtype: str) -> None:
    array = np.arange(12).reshape(3, 4).astype(dtype)
    for value in (array, array[::-1], array.T, np.broadcast_to(array[:1], (3, 4))):
        np.testing.assert_array_equal(as_tensor(value).numpy().astype(float), value.astype(float))


def test_lists_and_sparse() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    assert as_tensor([[1, 2], [3, 4]]).tolist() == [[1, 2], [3, 4]]
    assert as_tensor([torch.tensor([1.0]), torch.tensor([2.0])]).tolist() == [[1.0], [2.0]]
    assert as_tensor(sparse.csr_matrix(np.eye(3))).tolist() == np.eye(3).tolist()
    boxed = np.empty(2, dtype=object)
    boxed[:] = [np.ones(3), np.zeros(3)]
    assert as_tensor(boxed).tolist() == [[1, 1, 1], [0, 0, 0]]


def test_pixels_on_other_scales() -> None:
    field = Field("x", "image", "input", shape=(1, 5, 5), dtype="uint8")
    pixels = torch.randint(0, 256, (2, 5, 5))
    assert torch.equal(encode_input(field, pixels)[:, 0], pixels.byte())
    assert torch.equal(encode_input(field, pixels / 255)[:, 0], pixels.byte())
    with pytest.raises(DanluError) as caught:
        encode_input(field, pixels.float() * 3 - 300)
    assert caught.value.code == "DL169"
