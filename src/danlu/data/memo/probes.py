"""A few samples made under watch: twice from the same random numbers, and what else their code asks."""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import getitem
from typing import Any

import numpy as np
import torch

from danlu.data import draws
from danlu.data.memo.leaves import same
from danlu.data.order import permutation, sample_seed

PROBES = 18
EACH = 120  # rows that stand behind one looked at: together they take a twentieth of an epoch
PATIENCE = 2.0  # seconds after which four have to do


@dataclass(frozen=True)
class Refusal:
    """Why samples are not kept: the key of a text, and what it names."""

    key: str
    facts: dict[str, Any] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, key: str, **facts: Any) -> None:
        super().__init__(key)
        self.refusal = Refusal(key, facts)


@dataclass(frozen=True)
class Probe:
    row: int
    seed: int
    sample: Any
    seconds: float  # that making it took


def probed_rows(n: int) -> list[int]:
    """The first, the last, and some at random."""
    count = min(n, PROBES, max(4, n // EACH))
    return list(dict.fromkeys([0, n - 1, *permutation(0, 0, n)[:count].tolist()]))[:count]


def look(dataset: Any, rows: Sequence[int]) -> tuple[list[Probe], tuple[str, ...]]:
    """Each sample twice from the same seeds, and which generators it draws from."""
    probes: list[Probe] = []
    drawn: set[str] = set()
    start = time.perf_counter()
    for k, row in enumerate(rows):
        if len(probes) >= 4 and time.perf_counter() - start > PATIENCE:
            break
        value = sample_seed(0, 0, k)
        try:
            with _overheard() as heard:
                sample, moved = run(partial(getitem, dataset, row), value)
            began = time.perf_counter()
            again, _ = run(partial(getitem, dataset, row), value)
        except Exception as error:  # a bad sample is told when it is read
            if len(probes) < k // 2:
                raise Refused("fails", row=row, error=f"{type(error).__name__}: {error}") from error
            continue
        took = time.perf_counter() - began
        if heard:
            raise Refused("hidden", row=row, what=heard[0])
        if not same(sample, again):
            raise Refused("another", row=row)
        drawn |= set(moved)
        probes.append(Probe(row, value, sample, took))
    if len(probes) < 3:
        raise Refused("few", rows=len(probes))
    return probes, tuple(name for name in draws.GENERATORS if name in drawn)


def run(make: Callable[[], Any], value: int) -> tuple[Any, list[str]]:
    """What ``make`` gives with all generators started at ``value``, and which of them it moved."""
    draws.seed(draws.GENERATORS, value)
    before = states_now()
    made = make()
    return made, [name for name, a, b in zip(draws.GENERATORS, before, states_now()) if a != b]


def states_now() -> tuple[bytes, bytes, Any]:
    twister = np.random.get_state(legacy=False)
    numbers = twister["state"]
    return (
        torch.default_generator.get_state().numpy().tobytes(),
        repr((numbers["pos"], twister["has_gauss"])).encode() + numbers["key"].tobytes(),
        random.getstate(),
    )


_CLOCKS = {time.time, time.time_ns, time.monotonic, time.perf_counter, time.monotonic_ns, time.perf_counter_ns}


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What a sample's code asks that nobody can repeat: clocks, the system's randomness, a generator of its own.

    No garbage is collected meanwhile: what runs then (finalizers, callbacks that take the time) is not the sample's.
    """
    heard: list[str] = []
    asked = _CLOCKS | {os.urandom, getattr(os, "getrandom", os.urandom)}

    def listen(frame: Any, event: str, what: Any) -> None:
        if event != "c_call":
            return
        owner = getattr(what, "__self__", None)
        own = isinstance(owner, random.Random) and owner is not getattr(random, "_inst", None)
        if own or (owner is not None and type(owner).__name__ == "module" and what in asked):
            heard.append(f"{getattr(what, '__module__', None) or 'random'}.{what.__name__}")

    outer, collecting = sys.getprofile(), gc.isenabled()
    gc.disable()
    sys.setprofile(listen)
    try:
        yield heard
    finally:
        sys.setprofile(outer)
        if collecting:
            gc.enable()
