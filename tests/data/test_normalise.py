"""Mean and deviation from elsewhere: what reaches the model is ``(x - mean) / std``, in training and in predict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from danlu.data import load_data
from danlu.data.normalise import scaled
from danlu.data.raw import raw_batches
from danlu.settings import Settings
from pictures import photos

MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def expect(pixels: np.ndarray) -> torch.Tensor:
    """(H, W, C) bytes as torchvision's ToTensor and Normalize give them."""
    x = torch.from_numpy(pixels.astype(np.float64)).permute(2, 0, 1) / 255
    channels = len(x)
    mean = torch.tensor(MEAN if channels == 3 else [sum(MEAN) / 3] * channels).view(-1, 1, 1).double()
    std = torch.tensor(STD if channels == 3 else [sum(STD) / 3] * channels).view(-1, 1, 1).double()
    return ((x - mean) / std).float()


@pytest.mark.parametrize("cache", ["auto", "off"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_photos(workdir: Path, cache: str, mode: str) -> None:
    photos(workdir / "photos", {"a": 12, "b": 12}, mode=mode)
    data = load_data("photos", None, None, Settings(cache=cache), layout="matrix", own_model=False)
    found = scaled(data, MEAN, STD)
    assert found is not None
    path = Path(found.train.name(0))
    pixels = np.atleast_3d(np.asarray(Image.open(path)))
    torch.testing.assert_close(found.train[0][0], expect(pixels))
    predicted = next(raw_batches(found.schema, [str(path)])).tensors
    assert predicted is not None and torch.equal(predicted[0][0], found.train[0][0])
    for part in (found.val, found.test):
        torch.testing.assert_close(part[0][0], expect(np.atleast_3d(np.asarray(Image.open(part.name(0))))))
    assert data.schema != found.schema and not torch.equal(data.train[0][0], found.train[0][0])  # data is as it was


@pytest.mark.parametrize("kind", ["uint8", "float32"])
def test_arrays(kind: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 6, 6, 3), dtype=np.uint8)
    x: Any = pixels if kind == "uint8" else (pixels / 255).astype(np.float32)
    y = np.arange(40) % 2
    data = load_data((x, y), None, None, Settings(), layout="matrix", own_model=False)
    found = scaled(data, MEAN, STD)
    assert found is not None
    for part in (found.train, found.val, found.test):
        row = part.index[0] if part.index is not None else 0
        torch.testing.assert_close(part[0][0], expect(pixels[row]), rtol=1e-5, atol=1e-5)
    predicted = next(raw_batches(found.schema, x[:3])).tensors
    assert predicted is not None
    torch.testing.assert_close(predicted[0][2], expect(pixels[2]), rtol=1e-5, atol=1e-5)


def test_what_danlu_does_not_scale_is_left_alone(penguins: Path) -> None:
    wild = (np.random.default_rng(0).normal(size=(30, 3, 8, 8)).astype(np.float32), np.arange(30) % 2)
    own = torch.utils.data.TensorDataset(torch.zeros(30, 3, 8, 8), torch.arange(30) % 2)
    for data, settings in ((wild, {}), (own, {}), (str(penguins), {"target": "species"})):
        opened = load_data(data, None, None, Settings(**settings), layout="matrix", own_model=data is own)  # type: ignore[arg-type]
        assert scaled(opened, MEAN, STD) is None
