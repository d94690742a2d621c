"""The states of every random generator that a training step may draw from."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn


def rng_state(model: nn.Module | None = None) -> dict[str, Any]:
    """The states of torch's, NumPy's and Python's global generators, of the devices', and of the model's own."""
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(legacy=False),
        "random": _pack(random.getstate()),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        state["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    if model is not None:
        state["own"] = {place: _get(generator) for place, generator in _generators(model)}
    return state


def set_rng_state(state: Mapping[str, Any], model: nn.Module | None = None) -> None:
    """Put the generators back; call it last, for making models and loaders may draw."""
    torch.set_rng_state(state["torch"])
    np.random.set_state(state["numpy"])
    random.setstate(_unpack(state["random"]))
    if "cuda" in state and torch.cuda.is_available():
        for device, one in zip(range(torch.cuda.device_count()), state["cuda"]):
            torch.cuda.set_rng_state(one, device)
    if "mps" in state and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
    own = state.get("own", {})
    for place, generator in _generators(model) if model is not None else ():
        if place in own:
            _set(generator, own[place])


def _pack(state: tuple[Any, ...]) -> Any:
    version, words, gauss = state
    return version, torch.tensor(words, dtype=torch.int64), gauss


def _unpack(state: Any) -> tuple[Any, ...]:
    version, words, gauss = state
    return version, tuple(words.tolist()), gauss


def _generators(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Generators that modules hold as attributes."""
    kinds = (torch.Generator, np.random.Generator, np.random.RandomState, random.Random)
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if isinstance(value, kinds):
                yield f"{path}.{name}", value


def _get(generator: Any) -> Any:
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return _pack(generator.getstate())


def _set(generator: Any, state: Any) -> None:
    if isinstance(generator, torch.Generator):
        generator.set_state(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(_unpack(state))
