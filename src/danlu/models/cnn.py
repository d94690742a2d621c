"""A small convolutional network for small images, 8 × 8 to 64 × 64 and beyond, with any number of channels."""

from __future__ import annotations

from torch import Tensor, nn


class CNN(nn.Module):
    """3 × 3 convolutions with batch normalisation, halving the side down to 7 or less. ``(B, C, H, W) → (B, outputs)``

    Each stage has two convolutions and twice the channels of the one before, at most 8 · ``width``; the last feature
    map is averaged over its places, so that any image size fits.
    """

    def __init__(self, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [*_convolution(channels, width)]
        stage = 0
        while size > 7 or stage == 0:
            before, after = width * min(2**stage, 8), width * min(2 ** (stage + 1), 8)
            layers += [nn.MaxPool2d(2, ceil_mode=True), *_convolution(before, after)]
            size, stage = (size + 1) // 2, stage + 1
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width * min(2**stage, 8), outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.features(x)).flatten(1)  # (B, channels of the last stage)
        return self.head(self.dropout(x))  # type: ignore[no-any-return]


def _convolution(channels: int, out: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()


def cnn(*, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> CNN:
    """``size`` is the longer side of the images in pixels: it decides how often they are halved."""
    return CNN(channels, outputs, size, width, dropout)
