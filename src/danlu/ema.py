"""Averaged weights: an exponential moving average that follows the model after every update."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Ema:
    """``average ← d · average + (1 − d) · weights`` after every update, with ``d = min(decay, (1 + n) / (10 + n))``.

    The growing ``d`` (Tensorflow's ``ExponentialMovingAverage``) keeps the first, random weights from weighing on short
    runs. Only trainable floating-point parameters are averaged; everything else, BatchNorm's running statistics among
    it, is the model's own. Averages of half-precision weights are kept in float32.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.updates = decay, 0
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad and p.is_floating_point()]
        self.names = [n for n, _ in named]
        self._parameters: list[Tensor] = [p for _, p in named]
        half = (torch.float16, torch.bfloat16)
        self.averages: list[Tensor] = [
            p.detach().to(torch.float32) if p.dtype in half else p.detach().clone() for p in self._parameters
        ]
        self._alike = all(a.dtype == p.dtype for a, p in zip(self.averages, self._parameters))

    @torch.no_grad()
    def update(self) -> None:
        """Follow the model's weights; call it after each update."""
        self.updates = n = self.updates + 1
        weight = 1 - min(self.decay, (1 + n) / (10 + n))
        source = self._parameters
        if not self._alike:
            source = [p.to(a.dtype) for p, a in zip(source, self.averages)]
        if source:
            torch._foreach_lerp_(self.averages, source, weight)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again, bit for bit."""
        if not self._parameters:
            yield
            return
        own = [p.detach().clone() for p in self._parameters]
        with torch.no_grad():
            torch._foreach_copy_(self._parameters, self.averages)
        try:
            yield
        finally:
            with torch.no_grad():
                torch._foreach_copy_(self._parameters, own)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """The model's weights become the averaged ones, for good."""
        if self._parameters:
            torch._foreach_copy_(self._parameters, self.averages)

    def state(self) -> dict[str, Any]:
        """``averages`` by parameter name (the tensors themselves, not copies), and the count behind them."""
        return {"averages": dict(zip(self.names, self.averages)), "updates": self.updates, "decay": self.decay}

    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``; the names have to be the same."""
        averages = state["averages"]
        if set(averages) != set(self.names):
            raise KeyError(sorted(set(averages) ^ set(self.names)))
        for name, average in zip(self.names, self.averages):
            average.copy_(averages[name])
        self.updates, self.decay = int(state["updates"]), float(state["decay"])
