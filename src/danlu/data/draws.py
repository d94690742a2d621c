"""The three global generators a dataset may draw from: seeded for a sample, watched, put back."""

from __future__ import annotations

import ctypes
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

GENERATORS = ("torch", "numpy", "random")

# torch and numpy start the same Mersenne twister from the same number: other bits keep their draws apart
_APART = 0x9E3779B9
_CANARY = 20_240_229
_NUMPY_FIRST = np.random.RandomState(_CANARY).random_sample()
_RANDOM_FIRST = random.Random(_CANARY).random()
_MT19937_BYTES = 625 * 4  # uint32 key[624], int pos


def seed(names: Iterable[str], value: int) -> None:
    """Start the named generators at a 32-bit ``value``; ``torch.manual_seed`` would take a hundred times longer."""
    for name in names:
        if name == "torch":
            torch.default_generator.manual_seed(value)
        elif name == "numpy":
            np.random.seed(value ^ _APART)
        else:
            random.seed(value)


def watch(names: Iterable[str], value: int) -> Tensor | None:
    """Bring generators nobody was seen drawing from into a known state; ``moved`` tells whether they left it."""
    mark = None
    for name in names:
        if name == "torch":
            mark = torch.default_generator.manual_seed(value).get_state()
        elif name == "numpy":
            np.random.seed(_CANARY)
        else:
            random.seed(_CANARY)
    return mark


def moved(names: Iterable[str], mark: Tensor | None) -> list[str]:
    """Which of the watched generators were drawn from (this check draws from them too)."""
    out = []
    for name in names:
        if name == "torch":
            still = mark is not None and torch.equal(torch.default_generator.get_state(), mark)
        elif name == "numpy":
            still = np.random.random_sample() == _NUMPY_FIRST
        else:
            still = random.random() == _RANDOM_FIRST
        if not still:
            out.append(name)
    return out


class Saved(NamedTuple):
    """The states of all three generators."""

    torch: Tensor
    random: Any
    twister: bytes  # numpy's, without the Gaussian number it may keep for the next call
    numpy: dict[str, Any] | None  # numpy's whole state, when it keeps one
    other: Any = None  # what the user had put in the twister's place: numpy cannot seed it


class States:
    """Takes and puts back the three states between two pieces of code that must not touch each other's.

    ``np.random.get_state`` and ``set_state`` take 50 us each, most of a small batch. The twister's memory is copied
    instead when no Gaussian number is kept, and one cannot be kept unless the twister has moved since.
    """

    def __init__(self) -> None:
        self._clean = b""  # a twister state seen without a kept number

    def save(self) -> Saved:
        address, twister, whole = _address(), b"", None
        other = None if address else np.random.get_bit_generator()  # type: ignore[attr-defined]
        if address:
            twister = ctypes.string_at(address, _MT19937_BYTES)
        if other is not None or twister != self._clean:
            whole = np.random.get_state(legacy=False)
            if other is not None:
                np.random.set_bit_generator(np.random.MT19937(0))  # type: ignore[attr-defined]
            elif not whole["has_gauss"]:
                self._clean, whole = twister, None
        return Saved(torch.default_generator.get_state(), random.getstate(), twister, whole, other)

    def restore(self, saved: Saved) -> None:
        torch.default_generator.set_state(saved.torch)
        random.setstate(saved.random)
        if saved.other is not None:
            np.random.set_bit_generator(saved.other)  # type: ignore[attr-defined]
        if saved.numpy is not None:
            np.random.set_state(saved.numpy)
        else:
            np.random.seed(0)  # forgets the kept number
            ctypes.memmove(_address(), saved.twister, _MT19937_BYTES)
            self._clean = saved.twister


def _address() -> int:
    """Where numpy's global Mersenne twister lies; 0 if the user has put another generator in its place."""
    generator = np.random.get_bit_generator()  # type: ignore[attr-defined]
    return int(generator.ctypes.state_address) if type(generator) is np.random.MT19937 else 0
