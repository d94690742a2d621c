"""A sample cut in two: what is the same every time, and the calls after it that draw random numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch.utils.data import Dataset

from danlu.data.memo.leaves import Node, put_together, taken_apart


class Touched(BaseException):
    """A sample's code has looked into the answer of a call that is not made yet; no ``except Exception`` catches it."""


class Marker:
    """Stands for (a part of) the answer of a call that is made later."""

    __slots__ = ("call", "part")

    def __init__(self, call: int, part: int) -> None:
        object.__setattr__(self, "call", call)
        object.__setattr__(self, "part", part)

    def __getattribute__(self, name: str) -> Any:
        raise Touched(name)


def _touched(name: str) -> Callable[..., Any]:
    def touch(*args: Any, **kwargs: Any) -> Any:
        raise Touched(name)

    return touch


for _name in [
    "add",
    "and",
    "bool",
    "bytes",
    "call",
    "complex",
    "contains",
    "copy",
    "deepcopy",
    "delitem",
    "divmod",
    "enter",
    "eq",
    "exit",
    "float",
    "floordiv",
    "format",
    "ge",
    "getitem",
    "gt",
    "hash",
    "iadd",
    "iand",
    "ifloordiv",
    "ilshift",
    "imatmul",
    "imod",
    "imul",
    "index",
    "int",
    "invert",
    "ior",
    "ipow",
    "irshift",
    "isub",
    "iter",
    "itruediv",
    "ixor",
    "le",
    "len",
    "lshift",
    "lt",
    "matmul",
    "mod",
    "mul",
    "ne",
    "neg",
    "next",
    "or",
    "pos",
    "pow",
    "radd",
    "rand",
    "rdivmod",
    "reduce",
    "reduce_ex",
    "repr",
    "reversed",
    "rfloordiv",
    "rlshift",
    "rmatmul",
    "rmod",
    "rmul",
    "ror",
    "round",
    "rpow",
    "rrshift",
    "rshift",
    "rsub",
    "rtruediv",
    "rxor",
    "setattr",
    "setitem",
    "str",
    "sub",
    "truediv",
    "xor",
    "abs",
    "array",
]:
    setattr(Marker, f"__{_name}__", _touched(_name))


def place_of(marker: Marker) -> tuple[int, int]:
    """(number of the call, number of the leaf of its answer)."""
    return object.__getattribute__(marker, "call"), object.__getattribute__(marker, "part")


@dataclass(frozen=True)
class Call:
    """One call left for later: what is called, with which arguments (markers among them), its answer's structure."""

    what: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    answer: Node


class Log:
    """The calls that were left out while one sample was made."""

    def __init__(self) -> None:
        self.calls: list[Call] = []


class Recorder:
    """In a callable's place: notes the call, answers with markers. Everything else is asked of the callable itself."""

    def __init__(self, what: Callable[..., Any], answer: Node, leaves: int, log: Log) -> None:
        self.__dict__.update(_what=what, _answer=answer, _leaves=leaves, _log=log)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        log = self._log
        number = len(log.calls)
        log.calls.append(Call(self._what, args, dict(kwargs), self._answer))
        return put_together(self._answer, [Marker(number, k) for k in range(self._leaves)])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._what, name)


Saw = Callable[[tuple[Any, ...], dict[str, Any], Callable[[], Any]], Any]  # (args, kwargs, the call) -> its answer


class Watcher:
    """In a callable's place: calls it, and tells ``saw`` what came in and what went out."""

    def __init__(
        self, what: Callable[..., Any], saw: Callable[[tuple[Any, ...], dict[str, Any], Callable[[], Any]], Any]
    ):
        self.__dict__.update(_what=what, _saw=saw)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._saw(args, kwargs, lambda: self._what(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._what, name)


Place = tuple[Any, ...]  # the way to a callable: attribute names, and numbers into lists of datasets


def callables(dataset: Any, way: Place = ()) -> Iterator[tuple[Place, Callable[..., Any]]]:
    """Every callable attribute of a dataset and of those inside it."""
    for name, value in list(_attributes(dataset).items()):
        if isinstance(value, Dataset):
            yield from callables(value, (*way, name))
        elif isinstance(value, (list, tuple)) and value and all(isinstance(v, Dataset) for v in value):
            for k, inner in enumerate(value):
                yield from callables(inner, (*way, name, k))
        elif callable(value) and not isinstance(value, type):
            yield (*way, name), value


def replaced(dataset: Any, others: dict[Place, Any]) -> Any:
    """A shallow copy with other callables at the given places; datasets on the way are copied, nothing else."""
    if not others:
        return dataset
    twin = copy.copy(dataset)
    by_name: dict[Any, dict[Place, Any]] = {}
    for way, what in others.items():
        by_name.setdefault(way[0], {})[way[1:]] = what
    for name, inside in by_name.items():
        old = _attributes(dataset)[name]
        if () in inside:
            new = inside[()]
        elif isinstance(old, Dataset):
            new = replaced(old, inside)
        else:
            each: dict[int, dict[Place, Any]] = {}
            for way, what in inside.items():
                each.setdefault(way[0], {})[way[1:]] = what
            new = type(old)(replaced(d, each.get(k, {})) for k, d in enumerate(old))
        _attributes(twin)[name] = new
    return twin


def copied(dataset: Any) -> Any:
    """A shallow copy, of the datasets inside it too: what a sample's code sets on them is not set on the user's own."""
    twin = copy.copy(dataset)
    inside = _attributes(twin)
    for name, value in list(inside.items()):
        if isinstance(value, Dataset):
            inside[name] = copied(value)
        elif isinstance(value, (list, tuple)) and value and all(isinstance(v, Dataset) for v in value):
            inside[name] = type(value)(map(copied, value))
    return twin


def _attributes(dataset: Any) -> dict[str, Any]:
    found = getattr(dataset, "__dict__", None)
    return found if isinstance(found, dict) else {}


def finished(value: Any, calls: list[Call]) -> Any:
    """The sample with its calls made, in order; draws come from wherever the calls draw."""
    answers: list[list[Any]] = []

    def filled(part: Any) -> Any:
        node, leaves = taken_apart(part, also=Marker)
        if not any(type(leaf) is Marker for leaf in leaves):
            return part
        known = [_of(leaf, answers) if type(leaf) is Marker else leaf for leaf in leaves]
        return put_together(node, known)

    for call in calls:
        found = call.what(*map(filled, call.args), **{k: filled(v) for k, v in call.kwargs.items()})
        node, leaves = taken_apart(found)
        if node != call.answer:
            raise Unlike("the answer of a call has another structure")
        answers.append(leaves)
    return filled(value)


def _of(marker: Any, answers: list[list[Any]]) -> Any:
    call, part = place_of(marker)
    return answers[call][part]


class Unlike(Exception):
    """A sample that is made otherwise than those looked at."""
