"""One trunk for several targets: the last layer is as wide as all heads together, and each has its columns of it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn


class Heads(nn.Module):
    """``trunk(*inputs)`` of shape (B, sum of ``sizes``), as ``{head: (B, size)}`` in the order of ``sizes``.

    The trunk's last linear layer is one linear layer a head, laid side by side.
    """

    def __init__(self, trunk: nn.Module, sizes: Mapping[str, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.sizes = dict(sizes)

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        outputs: Tensor = self.trunk(*inputs)
        return dict(zip(self.sizes, outputs.split(list(self.sizes.values()), 1)))

    def extra_repr(self) -> str:
        return ", ".join(f"{name}: {size}" for name, size in self.sizes.items())
