"""Fully connected layers, for rows of numbers and for anything small that can be flattened."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class MLP(nn.Module):
    """Flatten, then hidden layers with ReLU (and dropout), then the outputs. ``(B, ...) → (B, outputs)``."""

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int] = (256, 128), dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Flatten()]
        width = inputs
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # type: ignore[no-any-return]


def mlp(*, inputs: int, outputs: int, hidden: Sequence[int] = (256, 128), dropout: float = 0.0) -> MLP:
    return MLP(inputs, outputs, hidden, dropout)
