"""Weights of several losses that are learnt with the model, from how uncertain each of them stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Uncertainty(nn.Module):
    """``Σ cᵢ · exp(-sᵢ) · Lᵢ + sᵢ / 2`` over the losses ``Lᵢ``, with a learnt log-variance ``sᵢ = log σᵢ²`` each.

    Kendall, Gal & Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses, CVPR 2018: ``c`` is ½ for a squared
    error, as in a Gaussian's likelihood (their equation 7), and 1 for a cross-entropy (their equation 10); every other
    loss counts as 1. All ``s`` begin at 0.
    """

    factors: Tensor

    def __init__(self, losses: Sequence[Any]) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(len(losses)))
        factors = [0.5 if isinstance(loss, nn.MSELoss) else 1.0 for loss in losses]
        self.register_buffer("factors", torch.tensor(factors), persistent=False)

    def forward(self, losses: Sequence[Tensor], part: float = 1.0) -> Tensor:
        """``part``: how much of ``sᵢ / 2`` is added, which of several batches of one update must be once in all."""
        s = self.log_variance
        return (self.factors * (-s).exp() * torch.stack(list(losses)) + s / 2 * part).sum()

    def shares(self) -> list[float]:
        """What each loss is multiplied with now."""
        values: list[float] = (self.factors * (-self.log_variance.detach()).exp()).tolist()
        return values
