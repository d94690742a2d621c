"""From gathered rows to a batch: the schema says which numbers are divided, shifted and scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.data.columns import Prepare
from danlu.types import Field, Schema


def prepare(schema: Schema) -> Prepare | None:
    """The function that makes a batch of stored rows, with or without the target; None when rows are the batch.

    Tables have their own, unless an image is their one input. Elsewhere stored bytes (dtype "uint8") become float32
    ``(x / 255 - mean) / std``, with mean and std of the training rows in units of x / 255; an empty mean leaves
    x / 255. Stored floats were standardised when they were loaded and pass as they are. Each value depends on its own
    element only, so any grouping of rows gives the same bits.
    """
    if schema.origin == "table" and schema.layout != "image":
        from danlu.data.encode import prepare_table
        from danlu.data.mixed import image_inputs, prepare_mixed

        if schema.layout == "mixed":
            return prepare_mixed(schema, tuple(byte_scale(f) for f in image_inputs(schema.inputs)))
        return prepare_table(schema)
    if schema.origin == "dataset":
        return None
    scales = tuple(_scale(f) for f in schema.inputs)
    if all(scale is None for scale in scales):
        return None

    def batch(rows: tuple[Tensor, ...]) -> tuple[Any, ...]:
        done = [rows[i] if s is None else rows[i].float().mul_(s[0]).add_(s[1]) for i, s in enumerate(scales)]
        return (*done, *rows[len(scales) :])

    return batch


def _scale(field: Field) -> tuple[Tensor, Tensor] | None:
    return None if field.dtype != "uint8" or field.kind == "tensor" else byte_scale(field)


def byte_scale(field: Field) -> tuple[Tensor, Tensor]:
    """Factor and shift of the one pass ``x * factor + shift`` over stored bytes, shaped to broadcast over a row."""
    mean = torch.tensor(field.mean or (0.0,), dtype=torch.float64)
    std = torch.tensor(field.std or (1.0,), dtype=torch.float64)
    shape = (-1,) + (1,) * (len(field.shape) - 1)  # one number a channel (or feature), the same over H and W
    return (1 / (255 * std)).float().view(shape), (-mean / std).float().view(shape)


def byte_statistics(x: Tensor, rows: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of ``x / 255`` a channel over ``rows`` of bytes (N, C, ...).

    By counting each of the 256 values: exact, whatever the order of rows and the number of threads.
    """
    channels, per_row = x.shape[1], x[0].numel()
    counts = np.zeros((channels, 256), dtype=np.int64)
    for some in torch.split(rows, max(1, (1 << 18) // max(1, per_row))):
        values = x.index_select(0, some).numpy()
        for c in range(channels):
            counts[c] += np.bincount(values[:, c].ravel(), minlength=256)
    value = np.arange(256, dtype=np.float64)
    total = counts.sum(axis=1).astype(np.float64)
    mean = counts @ value / total
    std = np.sqrt((counts * (value - mean[:, None]) ** 2).sum(axis=1) / total)
    std = np.where(std > 0, std, 255.0)  # a channel of one value is only shifted
    return tuple((mean / 255).tolist()), tuple((std / 255).tolist())
