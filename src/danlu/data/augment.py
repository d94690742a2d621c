"""Images varied while training: mirrored, moved and zoomed a batch at a time, by draws that only the place decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from danlu.data.order import AUGMENT, uniforms


@dataclass(frozen=True)
class Augment:
    """How far images are varied. ``zoom`` and ``stretch`` are shares of the size, ``shift`` is a share of the side.

    A picture's side is shown ``1 / (1 ± zoom) / (1 ± stretch)`` times as large, its height stretched the other way, its
    middle moved by up to ``shift``; with ``mirror`` every second one is seen in a mirror. Places outside the picture
    show its reflection; between pixels it is interpolated (bilinear).
    """

    mirror: bool = False
    shift: float = 0.0
    zoom: float = 0.0
    stretch: float = 0.0

    def __call__(self, x: Tensor, seed: int, epoch: int, positions: Tensor) -> Tensor:
        """Images (B, C, H, W) float at ``positions`` (B,) of the epoch's order: a pure function of seed and place.

        Every row has its own draws and its own sums, so that the same rows in other groups are the same bits.
        """
        u = uniforms(seed, epoch, positions, 5, AUGMENT).to(x.device).mul_(2).sub_(1)  # (B, 5) in [-1, 1)
        sign = 1.0 - 2.0 * (u[:, 0] < 0) if self.mirror else torch.ones_like(u[:, 0])
        size = u[:, 1] * self.zoom + 1
        stretch = u[:, 2] * self.stretch
        across = _places(x.shape[3], (1 + stretch) * size * sign, u[:, 3] * (2 * self.shift))  # (B, W)
        down = _places(x.shape[2], (1 - stretch) * size, u[:, 4] * (2 * self.shift))  # (B, H)
        shape = (len(x), x.shape[2], x.shape[3])
        grid = torch.stack((across[:, None, :].expand(shape), down[:, :, None].expand(shape)), 3)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode="reflection", align_corners=False)

    def batch(self, parts: Any, seed: int, epoch: int, positions: Tensor) -> Any:
        """The first part of a batch is the images; the others stay as they are."""
        return type(parts)((self(parts[0], seed, epoch, positions), *parts[1:]))


def _places(side: int, factor: Tensor, shift: Tensor) -> Tensor:
    """Where each pixel's middle lies in the picture, from -1 (one edge) to 1 (the other): (B, side)."""
    middles = (2 * torch.arange(side, dtype=torch.float32, device=factor.device) + 1 - side) / side
    return middles * factor[:, None] + shift[:, None]  # multiplied, then added: no fused step that groups could change


STRENGTHS = {
    "off": None,
    "jitter": Augment(shift=1 / 16, zoom=0.1, stretch=0.05),
    "zoom": Augment(shift=1 / 8, zoom=0.2, stretch=0.1),
    "zoom+mirror": Augment(mirror=True, shift=1 / 8, zoom=0.2, stretch=0.1),
}
