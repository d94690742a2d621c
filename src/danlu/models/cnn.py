"""A small convolutional network for small images, 8 × 8 to 64 × 64 and beyond, with any number of channels."""

from __future__ import annotations

import math

from torch import Tensor, nn

GRID = 4  # the last feature map is brought to 4 × 4 places: where something is still counts


class CNN(nn.Module):
    """3 × 3 convolutions with batch normalisation and one linear layer. ``(B, C, H, W) → (B, outputs)``

    Each convolution has twice the channels of the one before, at most 8 · ``width``, and halves the side until it is
    4 or less; the last map is averaged over a 4 × 4 grid, so that an image of any size fits.
    """

    def __init__(self, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        halvings = max(0, math.ceil(math.log2(size / GRID)))
        layers: list[nn.Module] = []
        for i in range(max(2, halvings)):
            out = width * min(2**i, 8)
            layers.append(nn.Conv2d(channels, out, 3, padding=1, bias=False))
            if i < halvings:  # pooling first: normalisation then works on a quarter of the places
                layers.append(nn.MaxPool2d(2, ceil_mode=True))
            layers += [nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            channels = out
        self.features = nn.Sequential(*layers)
        self.grid = nn.AdaptiveAvgPool2d(GRID)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels * GRID * GRID, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.grid(self.features(x)).flatten(1)  # (B, channels of the last map · 16)
        return self.head(self.dropout(x))  # type: ignore[no-any-return]


def cnn(*, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> CNN:
    """``size`` is the longer side of the images in pixels: it decides how often they are halved."""
    return CNN(channels, outputs, size, width, dropout)
