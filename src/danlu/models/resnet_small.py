"""A narrow residual network that learns from a few hundred photos in minutes, from 8 pixels a side to any size."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

MAP = 16  # the first residual block sees about so many places a side: what decides on an update's time


class Residual(nn.Module):
    """Two 3 × 3 convolutions and the way around them, which is averaged, not skipped over, where it halves the side."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.around: nn.Module = nn.Identity()
        if stride != 1 or channels != width:
            halved = nn.AvgPool2d(stride, ceil_mode=True) if stride > 1 else nn.Identity()
            self.around = nn.Sequential(halved, nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        found = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(found)) + self.around(x))


class SmallResNet(nn.Module):
    """``(B, C, H, W) → (B, outputs)``: a first convolution, pooling until the map is about 16 × 16, four blocks.

    The residual blocks are those of He et al. (2016) with the averaging shortcut of He et al. (2019, ResNet-D).
    """

    def __init__(self, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> None:
        super().__init__()
        stride = 2 if size > MAP else 1
        layers: list[nn.Module] = [
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
        side = -(-size // stride)
        while side >= 2 * MAP:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
            side = -(-side // 2)
        self.stem = nn.Sequential(*layers)
        blocks, before = [], width
        for i in range(4):
            halves = i > 0 and side >= 4  # a map of one place has nothing that batch normalisation could compare
            blocks.append(Residual(before, width * 2**i, 2 if halves else 1))
            before, side = width * 2**i, -(-side // 2) if halves else side
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(before, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x)).mean((2, 3))  # (B, 8 · width)
        return self.head(self.dropout(x))  # type: ignore[no-any-return]


def resnet_small(*, channels: int, outputs: int, size: int, width: int = 32, dropout: float = 0.0) -> SmallResNet:
    """``size`` is the longer side of the images in pixels: it decides how often they are halved at first."""
    return SmallResNet(channels, outputs, size, width, dropout)
