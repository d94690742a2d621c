"""Nested values as JSON and tensors, and back: what checkpoints hold instead of pickles."""

from __future__ import annotations

import collections
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.errors import DanluError

TAG = "$"  # a dict {"$": kind, "v": value} stands for what JSON lacks


def encode(value: Any, where: str, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON; tensors and arrays inside go to ``tensors`` under ``where`` and their place in it.

    Tensors are not copied. DL412 names the first thing that is no plain value.
    """
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, Tensor):
        return {TAG: "tensor", "v": _put(value.detach(), where, tensors), "device": value.device.type}
    if isinstance(value, (float, np.floating)):
        return float(value) if math.isfinite(value) else {TAG: "float", "v": repr(float(value))}
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return {TAG: "array", "v": _put(torch.from_numpy(value.copy()), where, tensors)}
    if isinstance(value, Mapping):
        return _encode_mapping(value, where, tensors)
    if isinstance(value, (list, tuple, set, frozenset, collections.deque)):
        items = sorted(value) if isinstance(value, (set, frozenset)) else value
        out = [encode(item, f"{where}.{i}", tensors) for i, item in enumerate(items)]
        kind = next(k for k in ("list", "tuple", "set", "frozenset", "deque") if isinstance(value, _KINDS[k]))
        return out if kind == "list" else {TAG: kind, "v": out}
    if isinstance(value, bytes):
        return {TAG: "bytes", "v": value.hex()}
    if isinstance(value, complex):
        return {TAG: "complex", "v": repr(value)}
    if isinstance(value, (torch.dtype, torch.device, np.bool_)):
        return bool(value) if isinstance(value, np.bool_) else {TAG: type(value).__name__, "v": str(value)}
    raise DanluError("DL412", where=where, name=where, kind=f"{type(value).__module__}.{type(value).__qualname__}")


def _put(tensor: Tensor, where: str, tensors: dict[str, Tensor]) -> str:
    while where in tensors:  # {"a.b": x} and {"a": {"b": x}} have the same place
        where += "'"
    tensors[where] = tensor
    return where


_KINDS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": collections.deque,
}
_MAPPINGS: dict[str, Any] = {"dict": dict, "counter": collections.Counter, "ordered": collections.OrderedDict}


def _encode_mapping(value: Mapping[Any, Any], where: str, tensors: dict[str, Tensor]) -> Any:
    kind = "counter" if isinstance(value, collections.Counter) else "dict"
    if isinstance(value, collections.OrderedDict):
        kind = "ordered"
    if kind == "dict" and all(isinstance(k, str) and k != TAG for k in value):
        return {k: encode(v, f"{where}.{k}", tensors) for k, v in value.items()}
    pairs = [
        [encode(k, f"{where}.{i}.key", tensors), encode(v, f"{where}.{k}", tensors)]
        for i, (k, v) in enumerate(value.items())
    ]
    return {TAG: kind, "v": pairs}


def decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The value that ``encode`` was given; tensors are copies on the CPU."""
    if isinstance(value, list):
        return [decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {k: decode(v, tensors) for k, v in value.items()}
    kind, inner = value[TAG], value["v"]
    if kind == "tensor":
        return tensors[inner].clone()  # who takes it may update it in place
    if kind == "array":
        return tensors[inner].numpy().copy()
    if kind in _KINDS:
        return _KINDS[kind](decode(item, tensors) for item in inner)
    if kind in _MAPPINGS:
        return _MAPPINGS[kind]({decode(k, tensors): decode(v, tensors) for k, v in inner})
    if kind == "bytes":
        return bytes.fromhex(inner)
    if kind in ("float", "complex"):
        return {"float": float, "complex": complex}[kind](inner)
    if kind == "dtype":
        return getattr(torch, inner.removeprefix("torch."))
    if kind == "device":
        return torch.device(inner)
    raise ValueError(f"unknown kind {kind!r}")
