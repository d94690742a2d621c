"""Rows of numbers and categories: number embeddings, category embeddings, and a multi-layer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Periodic(nn.Module):
    """Each number as sines and cosines of learned frequencies, mixed to ``dim`` by one linear layer for all.

    "PLR (lite)" of Gorishniy et al., On Embeddings for Numerical Features in Tabular Deep Learning, NeurIPS 2022.
    ``(B, n) → (B, n · dim)``
    """

    def __init__(self, numbers: int, frequencies: int, dim: int, sigma: float) -> None:
        super().__init__()
        self.frequencies = nn.Parameter(torch.randn(numbers, frequencies) * sigma)
        self.mix = nn.Linear(2 * frequencies, dim)

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * math.pi * self.frequencies * x[..., None]  # (B, n, frequencies)
        return self.mix(torch.cat([angle.sin(), angle.cos()], -1)).relu().flatten(1)  # type: ignore[no-any-return]


class Tabular(nn.Module):
    """``forward(numbers (B, n + missing flags), categories (B, m))``; either may have no columns.

    ``categories`` are codes with 0 for a missing or unknown value; ``sizes`` are the numbers of codes, 0 included.
    """

    def __init__(
        self,
        numbers: int,
        flags: int,
        sizes: Sequence[int],
        outputs: int,
        *,
        hidden: Sequence[int],
        dropout: float,
        frequencies: int,
        dim: int,
        sigma: float,
    ) -> None:
        super().__init__()
        self.numbers = numbers
        self.periodic = Periodic(numbers, frequencies, dim, sigma) if numbers else None
        self.embeddings = nn.ModuleList(nn.Embedding(size, min(50, 1 + size // 2)) for size in sizes)
        for table in self.embeddings:
            nn.init.normal_(table.weight, std=0.1)  # type: ignore[arg-type]
        width = numbers + flags + numbers * dim + sum(min(50, 1 + size // 2) for size in sizes)
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
            width = size
        self.layers = nn.Sequential(*layers, nn.Linear(width, outputs))

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        parts = [numbers]
        if self.periodic is not None:
            parts.append(self.periodic(numbers[:, : self.numbers]))
        parts += [table(codes) for table, codes in zip(self.embeddings, categories.unbind(1))]
        return self.layers(torch.cat(parts, 1))  # type: ignore[no-any-return]


def tabular(
    *,
    numbers: int,
    categories: Sequence[int],
    outputs: int,
    flags: int = 0,
    hidden: Sequence[int] = (256, 256),
    dropout: float = 0.1,
    frequencies: int = 16,
    dim: int = 8,
    sigma: float = 0.3,
) -> Tabular:
    """``numbers`` columns of numbers followed by ``flags`` missing flags; ``categories`` columns with so many codes."""
    return Tabular(
        numbers,
        flags,
        categories,
        outputs,
        hidden=hidden,
        dropout=dropout,
        frequencies=frequencies,
        dim=dim,
        sigma=sigma,
    )
