"""A number that changes when anything changes that a dataset holds: its attributes, arrays, lists, transforms."""

from __future__ import annotations

import io
import random
import socket
import threading
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

BLOCK = 4096  # numbers of 8 bytes that are summed up together
MOST_OBJECTS = 200_000  # one by one; lists of plain values count as one
_LIVING = (
    torch.Generator, random.Random, np.random.Generator, np.random.RandomState, np.random.BitGenerator, io.IOBase,
    socket.socket, threading.Thread, type(threading.Lock()), type(threading.RLock()),
)  # fmt: skip


class Unmarked(Exception):
    """Something whose state cannot be seen; ``args[0]`` says what it is."""


def mark(thing: Any) -> bytes:
    """16 bytes, good within this process. Raises Unmarked for what draws, counts or reads by itself."""
    walk = _Walk()
    walk.visit(thing)
    return walk.digest.digest()


class _Walk:
    def __init__(self) -> None:
        self.digest = blake2b(digest_size=16)
        self.seen: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no number of an object is given twice

    def note(self, *words: Any) -> None:
        self.digest.update(repr(words).encode("utf-8", "surrogatepass"))

    def visit(self, thing: Any) -> None:
        kind = type(thing)
        if thing is None or kind in (bool, int, float, complex, str, bytes):
            self.note(kind.__name__, thing)
            return
        if id(thing) in self.seen:
            self.note("again", self.seen[id(thing)])
            return
        if len(self.seen) > MOST_OBJECTS:
            raise Unmarked(f"{MOST_OBJECTS:,} objects")
        self.seen[id(thing)] = len(self.seen)
        self.kept.append(thing)
        if isinstance(thing, (*_LIVING, Iterator)):
            raise Unmarked(f"{kind.__module__}.{kind.__qualname__}")
        if isinstance(thing, Tensor):
            self.tensor(thing)
            return
        if isinstance(thing, np.ndarray):
            self.array(thing)
            return
        if kind in (list, tuple):
            self.row(thing)
            return
        if isinstance(thing, Mapping):
            self.note(kind.__qualname__, len(thing))
            self.row(list(thing.keys()))
            self.row(list(thing.values()))
            return
        if kind in (set, frozenset):
            self.note("set", len(thing), sum(map(hash, thing)))
            return
        if isinstance(thing, (FunctionType, MethodType, type, ModuleType, BuiltinFunctionType, CodeType)):
            self.code(thing)
            return
        self.object(thing)

    def tensor(self, t: Tensor) -> None:
        self.note("tensor", str(t.dtype), tuple(t.shape), str(t.device), t.requires_grad)
        if t.device.type != "cpu" or t.layout is not torch.strided:
            raise Unmarked(f"a tensor on {t.device}")
        plain = t.detach().as_subclass(Tensor).contiguous()
        if plain.numel():
            self.array(plain.reshape(-1).view(torch.uint8).numpy())

    def array(self, a: np.ndarray) -> None:
        self.note("array", a.dtype.str, a.shape)
        if a.dtype == object:
            self.row(a.reshape(-1).tolist())
            return
        flat = np.ascontiguousarray(a).reshape(-1).view(np.uint8)
        whole = len(flat) // (8 * BLOCK) * (8 * BLOCK)
        sums = flat[:whole].view(np.uint64).reshape(-1, BLOCK).sum(1, dtype=np.uint64)
        self.digest.update(sums.tobytes())
        self.digest.update(flat[whole:].tobytes())

    def row(self, things: Any) -> None:
        self.note(type(things).__name__, len(things))
        if all(type(t) in _FLAT for t in things[:64]):
            try:
                self.note(hash(tuple(things)), hash(tuple(map(type, things))))
                return
            except TypeError:  # something that changes in place is among them
                pass
        for each in things:
            self.visit(each)

    def code(self, thing: Any) -> None:
        if isinstance(thing, MethodType):
            self.code(thing.__func__)
            self.visit(thing.__self__)
            return
        self.note(type(thing).__name__, getattr(thing, "__module__", ""), getattr(thing, "__qualname__", repr(thing)))
        if isinstance(thing, FunctionType):
            self.note(id(thing.__code__))
            self.visit(thing.__defaults__)
            for cell in thing.__closure__ or ():
                try:
                    self.visit(cell.cell_contents)
                except ValueError:  # not filled yet
                    self.note("empty")
        if isinstance(thing, BuiltinFunctionType) and not isinstance(thing.__self__, (ModuleType, type(None))):
            self.visit(thing.__self__)

    def object(self, thing: Any) -> None:
        kind = type(thing)
        self.note("object", kind.__module__, kind.__qualname__, id(kind))
        inside = getattr(thing, "__dict__", None)
        if isinstance(inside, dict):
            self.row(list(inside))
            for value in inside.values():
                self.visit(value)
        for name in (n for c in kind.__mro__ for n in _slots(c)):
            if hasattr(thing, name):
                self.note(name)
                self.visit(getattr(thing, name))
        if inside is None and not any(_slots(c) for c in kind.__mro__):
            self.foreign(thing)

    def foreign(self, thing: Any) -> None:
        """An object of a library written in C: what it shows of itself by pickling, if it can; Arrow's never change."""
        if type(thing).__module__.startswith("pyarrow."):
            self.note(id(thing))
            return
        try:
            told = thing.__reduce_ex__(4)
        except Exception as error:
            raise Unmarked(f"{type(thing).__module__}.{type(thing).__qualname__}") from error
        if isinstance(told, str):
            self.note(told)
            return
        for part in told[1:4]:
            self.visit(list(part) if isinstance(part, Iterator) else part)


def _slots(kind: type) -> tuple[str, ...]:
    found = kind.__dict__.get("__slots__", ())
    names = (found,) if isinstance(found, str) else tuple(found)
    return tuple(n for n in names if n not in ("__dict__", "__weakref__"))


_FLAT = frozenset((bool, int, float, str, bytes, type(None), tuple))
