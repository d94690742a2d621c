"""ViT-Tiny (Dosovitskiy et al., 2021, in the size of DeiT-Ti), with the names of DeiT's and timm's weights."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, DEPTH, HEADS = 192, 12, 3
PLACES, LARGEST = 7, 16  # patches a side at least, where the image has so many pixels; pixels a side of a patch at most


class Attention(nn.Module):
    """Every place looks at every other. ``(B, N, width)``"""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, places, _ = x.shape
        q, k, v = self.qkv(x).view(batch, places, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)  # (B, heads, N, 64)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).reshape(batch, places, WIDTH))  # type: ignore[no-any-return]


class Mlp(nn.Module):
    """Two linear layers with GELU between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(WIDTH, 4 * WIDTH)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.act(self.fc1(x)))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Attention and two layers a place, each behind a normalisation and added to what came in."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = Attention()
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = Mlp()

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class Patches(nn.Module):
    """The image cut into squares, each a vector. ``(B, C, H, W) → (B, width, h, w)``"""

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(channels, WIDTH, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        below, right = (-side % self.patch for side in x.shape[2:])
        return self.proj(F.pad(x, (0, right, 0, below)) if below or right else x)  # type: ignore[no-any-return]


class ViT(nn.Module):
    """``(B, C, H, W) → (B, outputs)``. For images of another size than ``size`` the positions are interpolated."""

    def __init__(self, channels: int, outputs: int, size: tuple[int, int], patch: int) -> None:
        super().__init__()
        self.grid = (math.ceil(size[0] / patch), math.ceil(size[1] / patch))
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.grid[0] * self.grid[1], WIDTH))
        self.patch_embed = Patches(channels, patch)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm = nn.LayerNorm(WIDTH, eps=1e-6)
        self.head = nn.Linear(WIDTH, outputs)
        for tensor in (self.cls_token, self.pos_embed):
            nn.init.trunc_normal_(tensor, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch_embed(x)
        height, width = x.shape[2:]
        places = resized(self.pos_embed, self.grid, (height, width))
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x.flatten(2).transpose(1, 2)], 1) + places
        return self.head(self.norm(self.blocks(x))[:, 0])  # type: ignore[no-any-return]

    def adapted(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``tensors`` of a ViT for square images of another size, with their positions interpolated to this one's."""
        places = tensors.get("pos_embed")
        side = math.isqrt(places.shape[1] - 1) if places is not None and places.ndim == 3 and places.shape[1] else 0
        if places is None or side < 1 or places.shape[1] != 1 + side * side:
            return dict(tensors)
        return {**tensors, "pos_embed": resized(places, (side, side), self.grid)}


def resized(places: Tensor, grid: tuple[int, int], to: tuple[int, int]) -> Tensor:
    """Position vectors (1, 1 + h·w, width) on another grid: bicubic, as Dosovitskiy et al. do it; the class's stays."""
    if grid == to:
        return places
    first, rest = places[:, :1], places[:, 1:]
    plane = rest.view(1, *grid, -1).permute(0, 3, 1, 2).float()
    plane = F.interpolate(plane, to, mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([first, plane.permute(0, 2, 3, 1).flatten(1, 2).to(rest.dtype)], 1)


def patch_for(side: int) -> int:
    """The largest power of two that leaves at least 7 patches along ``side`` pixels, 16 at most."""
    return min(LARGEST, 1 << max(0, math.floor(math.log2(max(1, side) / PLACES))))


def vit_tiny(*, channels: int, outputs: int, size: tuple[int, int], patch: int) -> ViT:
    """``size`` is (height, width) of the images in pixels, ``patch`` the side of a patch."""
    return ViT(channels, outputs, (size[0], size[1]), patch)
