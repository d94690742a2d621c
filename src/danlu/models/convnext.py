"""ConvNeXt-Tiny (Liu et al., A ConvNet for the 2020s, 2022), with the names of torchvision's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTHS, DEPTHS = (96, 192, 384, 768), (3, 3, 9, 3)
DROP = 0.1  # chance that the last block is left out for a sample in training; earlier blocks less, linearly
LEAST = 8  # the stages halve the side three times: a smaller map is padded with zeros


class Moved(nn.Module):
    """The axes of a map in another order."""

    def __init__(self, *order: int) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.order)


class ChannelNorm(nn.LayerNorm):
    """Layer normalisation over the channels of each place. ``(B, C, H, W)``"""

    def forward(self, x: Tensor) -> Tensor:
        x = F.layer_norm(x.permute(0, 2, 3, 1), self.normalized_shape, self.weight, self.bias, self.eps)
        return x.permute(0, 3, 1, 2)


class Block(nn.Module):
    """A 7 × 7 convolution in each channel, two linear layers over the channels, scaled and added to the input.

    In training the whole branch is dropped for a sample with chance ``drop`` (stochastic depth, Huang et al., 2016).
    """

    def __init__(self, width: int, drop: float) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, width, 7, padding=3, groups=width),
            Moved(0, 2, 3, 1),
            nn.LayerNorm(width, eps=1e-6),
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Linear(4 * width, width),
            Moved(0, 3, 1, 2),
        )
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))
        self.drop = drop

    def forward(self, x: Tensor) -> Tensor:
        branch: Tensor = self.layer_scale * self.block(x)
        if self.training and self.drop:
            kept = torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(1 - self.drop)
            branch = branch * kept.div_(1 - self.drop)
        return branch + x


class ConvNeXt(nn.Module):
    """``(B, C, H, W) → (B, outputs)`` for images of any size; ``patch`` is the side of the first layer's patches."""

    def __init__(self, channels: int, outputs: int, patch: int) -> None:
        super().__init__()
        self.least = LEAST * patch
        stem = nn.Sequential(nn.Conv2d(channels, WIDTHS[0], patch, patch), ChannelNorm(WIDTHS[0], eps=1e-6))
        layers: list[nn.Module] = [stem]
        rates = iter(torch.linspace(0, DROP, sum(DEPTHS), device="cpu").tolist())
        for i, (width, depth) in enumerate(zip(WIDTHS, DEPTHS)):
            layers.append(nn.Sequential(*(Block(width, next(rates)) for _ in range(depth))))
            if i + 1 < len(WIDTHS):
                layers.append(nn.Sequential(ChannelNorm(width, eps=1e-6), nn.Conv2d(width, WIDTHS[i + 1], 2, 2)))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        last = WIDTHS[-1]
        self.classifier = nn.Sequential(ChannelNorm(last, eps=1e-6), nn.Flatten(1), nn.Linear(last, outputs))
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        height, width = (max(0, self.least - side) for side in x.shape[2:])
        if height or width:
            x = F.pad(x, (0, width, 0, height))
        return self.classifier(self.avgpool(self.features(x)))  # type: ignore[no-any-return]


def convnext_tiny(*, channels: int, outputs: int, small: bool) -> ConvNeXt:
    """``small``: images of at most 64 px, which are cut into patches of 2 × 2 pixels instead of 4 × 4."""
    return ConvNeXt(channels, outputs, 2 if small else 4)
