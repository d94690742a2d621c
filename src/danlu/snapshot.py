"""A copy of many tensors into memory that is kept between copies: what blocks training at a save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.tensorfile import as_bytes

LINE = 64  # bytes of a cache line: each tensor begins at one


class Memory:
    """One buffer in main memory, as large as the largest state copied so far."""

    def __init__(self) -> None:
        self._buffer: Tensor | None = None
        self._views: dict[str, Tensor] = {}

    def reserve(self, size: int) -> None:
        """Have ``size`` bytes mapped and touched; the first touch of new memory costs more than a copy."""
        if self._buffer is None or len(self._buffer) < size:
            self._views = {}
            self._buffer = torch.from_numpy(np.empty(size, dtype=np.uint8))  # numpy asks for huge pages
            self._buffer.fill_(0)

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The values of ``tensors`` now, in main memory; valid until the next copy."""
        if not _same_layout(self._views, tensors):
            self._views = self._lay_out(tensors)
        devices = set()
        for name, t in tensors.items():
            view = self._views[name]
            if t.device.type != "cpu":
                view.copy_(t.detach(), non_blocking=True)
                devices.add(t.device)
            elif t.is_contiguous() and not (t.is_conj() or t.is_neg()):
                np.copyto(_flat(view), _flat(t))  # memcpy: 1.7 x as fast as copy_ for large tensors on two cores
            else:
                view.copy_(t.detach())
        for device in devices:
            torch.accelerator.synchronize(device)
        return self._views

    def _lay_out(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        spans, offset = {}, 0
        for name, t in tensors.items():
            size = t.numel() * t.element_size()
            spans[name] = (offset, offset + size)
            offset += -(-size // LINE) * LINE
        self.reserve(offset)
        assert self._buffer is not None
        return {
            name: self._buffer[start:end].view(tensors[name].dtype).view(tensors[name].shape)
            for name, (start, end) in spans.items()
        }


def _flat(t: Tensor) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.frombuffer(as_bytes(t), dtype=np.uint8)


def _same_layout(views: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> bool:
    return views.keys() == tensors.keys() and all(
        view.dtype == tensors[name].dtype and view.shape == tensors[name].shape for name, view in views.items()
    )
