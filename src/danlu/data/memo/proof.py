"""Proof before use: on a few rows the sample put together again is the original bit for bit, and nothing moves."""

from __future__ import annotations

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
import psutil
import torch
from torch import Tensor
from torch.utils.data import default_collate

from danlu.data import draws
from danlu.data.memo.cut import Log, Place, Recorder, Touched, Unlike, Watcher, callables, copied, replaced
from danlu.data.memo.keep import Cut, Layout, Memo
from danlu.data.memo.leaves import Node, Unkept, kind_of, same, stored, taken_apart
from danlu.data.memo.marks import Unmarked, mark
from danlu.data.memo.steps import Tail, after, steps_of, tail_of
from danlu.data.memo.store import Store, bytes_of
from danlu.data.memo.twister import words
from danlu.data.order import permutation, sample_seed

PROBES = 18
EACH = 120  # rows that stand behind one looked at: together they take a twentieth of an epoch
PATIENCE = 2.0  # seconds after which four have to do
WORTH = 0.7  # a kept sample must not take more of the time that its code takes
SHARE = 0.25  # of the free memory that kept samples may take


@dataclass(frozen=True)
class Refusal:
    """Why samples are not kept: the key of a text, and what it names."""

    key: str
    facts: dict[str, Any] = field(default_factory=dict)


class _Refused(Exception):
    def __init__(self, key: str, **facts: Any) -> None:
        super().__init__(key)
        self.refusal = Refusal(key, facts)


def prove(dataset: Any, *, shared: bool = False) -> Memo | Refusal:
    """The dataset's samples to be kept, or why not. The global generators are left as they were.

    Copies are looked at: a file that is opened by the first sample is not opened in the user's own dataset, which
    worker processes are going to get.

    ``shared``: worker processes fill the store, so that every row must have the same shapes.
    """
    states = draws.States()
    saved = states.save()
    try:
        return _prove(_apart(dataset), shared)
    except _Refused as refused:
        return refused.refusal
    except Unmarked as unseen:
        return Refusal("state", {"what": unseen.args[0]})
    except Unkept as unkept:
        return Refusal("kind", {"what": unkept.args[0]})
    except Exception as error:  # whatever the user's objects do when they are looked at: the plain way never looks
        return Refusal("fails", {"row": 0, "error": f"{type(error).__name__}: {error}"})
    finally:
        states.restore(saved)


@dataclass(frozen=True)
class _Probe:
    row: int
    seed: int
    sample: Any
    seconds: float  # that making it took


def _apart(dataset: Any) -> Any:
    try:
        return copied(dataset)
    except Exception as error:
        raise _Refused("fails", row=0, error=f"{type(error).__name__}: {error}") from error


def _prove(dataset: Any, shared: bool) -> Memo | Refusal:
    n = len(dataset)
    before = mark(dataset)
    rows = _rows(n)
    probes, drawn = _look(dataset, rows)
    if mark(dataset) != before:
        raise _Refused("writes", row=rows[0])
    seen = _watch(dataset, probes)
    memo = None
    for tables in (True, False):  # with deterministic transforms of bytes as tables; where that is not it, without
        memo = _cut(dataset, probes, seen, drawn, n, shared=shared, tables=tables)
        if memo is not None:
            break
    if memo is None:
        raise _Refused("unequal", row=rows[0])
    if mark(dataset) != before:
        raise _Refused("writes", row=rows[0])
    return memo


def _rows(n: int) -> list[int]:
    """The first, the last, and some at random."""
    count = min(n, PROBES, max(4, n // EACH))
    return list(dict.fromkeys([0, n - 1, *permutation(0, 0, n)[:count].tolist()]))[:count]


# ---- the samples themselves


def _look(dataset: Any, rows: Sequence[int]) -> tuple[list[_Probe], tuple[str, ...]]:
    """Each sample twice from the same seeds, and which generators it draws from."""
    probes: list[_Probe] = []
    drawn: set[str] = set()
    start = time.perf_counter()
    for k, row in enumerate(rows):
        if len(probes) >= 4 and time.perf_counter() - start > PATIENCE:
            break
        value = sample_seed(0, 0, k)
        try:
            with _overheard() as heard:
                sample, moved = _run(partial(getitem, dataset, row), value)
            began = time.perf_counter()
            again, _ = _run(partial(getitem, dataset, row), value)
        except Exception as error:  # a bad sample is told when it is read
            if len(probes) < k // 2:
                raise _Refused("fails", row=row, error=f"{type(error).__name__}: {error}") from error
            continue
        took = time.perf_counter() - began
        if heard:
            raise _Refused("hidden", row=row, what=heard[0])
        if not same(sample, again):
            raise _Refused("another", row=row)
        drawn |= set(moved)
        probes.append(_Probe(row, value, sample, took))
    if len(probes) < 3:
        raise _Refused("few", rows=len(probes))
    return probes, tuple(name for name in draws.GENERATORS if name in drawn)


def _run(make: Callable[[], Any], value: int) -> tuple[Any, list[str]]:
    """What ``make`` gives with all generators started at ``value``, and which of them it moved."""
    draws.seed(draws.GENERATORS, value)
    before = _states()
    made = make()
    return made, [name for name, a, b in zip(draws.GENERATORS, before, _states()) if a != b]


def _states() -> tuple[bytes, bytes, Any]:
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
    """What a sample's code asks that nobody can repeat: clocks, the system's randomness, a generator of its own."""
    heard: list[str] = []
    asked = _CLOCKS | {os.urandom, getattr(os, "getrandom", os.urandom)}

    def listen(frame: Any, event: str, what: Any) -> None:
        if event != "c_call":
            return
        owner = getattr(what, "__self__", None)
        own = isinstance(owner, random.Random) and owner is not getattr(random, "_inst", None)
        if own or (owner is not None and type(owner).__name__ == "module" and what in asked):
            heard.append(f"{getattr(what, '__module__', None) or 'random'}.{what.__name__}")

    outer = sys.getprofile()
    sys.setprofile(listen)
    try:
        yield heard
    finally:
        sys.setprofile(outer)


# ---- its callables


@dataclass
class _Seen:
    """What was seen of one callable attribute."""

    what: Any
    drew: bool = False
    answers: list[Node] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)  # its only argument, call by call; None where there were others
    tensors: bool = True  # every answer is one tensor


def _watch(dataset: Any, probes: Sequence[_Probe]) -> dict[Place, _Seen]:
    """Which callables a sample's own code calls, which of them draw, and what they get."""
    places = dict(callables(dataset))
    same_one: dict[int, _Seen] = {}  # one transform at several places is one thing
    seen = {way: same_one.setdefault(id(what), _Seen(what)) for way, what in places.items()}
    depth = [0]

    def saw(way: Place) -> Callable[..., Any]:
        def look(args: tuple[Any, ...], kwargs: dict[str, Any], call: Callable[[], Any]) -> Any:
            outermost, before = not depth[0], _states()
            depth[0] += 1
            try:
                found = call()
            finally:
                depth[0] -= 1
            one = seen[way]
            if outermost:
                one.drew |= before != _states()
                one.answers.append(taken_apart(found)[0])
                one.given.append(args[0] if len(args) == 1 and not kwargs else None)
                one.tensors &= isinstance(found, Tensor)
            return found

        return look

    twin = replaced(dataset, {way: Watcher(one.what, saw(way)) for way, one in seen.items()})
    for probe in probes:
        try:
            found, _ = _run(partial(getitem, twin, probe.row), probe.seed)
        except Exception:  # code that asks what its transform is: it is left alone
            return {}
        if not same(found, probe.sample):
            return {}
    return {way: one for way, one in seen.items() if one.answers}


# ---- the cut


def _cut(
    dataset: Any,
    probes: Sequence[_Probe],
    seen: dict[Place, _Seen],
    drawn: tuple[str, ...],
    n: int,
    *,
    shared: bool,
    tables: bool,
) -> Memo | None:
    """The memo, proven on the probes; None where the tables are not it. Raises _Refused."""
    log = Log()
    others: dict[Place, _Headed] = {}
    known: dict[int, _Headed] = {}
    tails: dict[int, Tail] = {}
    for way, one in seen.items():
        if id(one) in known:
            others[way] = known[id(one)]
            continue
        head, rest, tail = _split(one, tables=tables)
        if not one.drew and tail is None:
            continue
        if any(answer != one.answers[0] for answer in one.answers):
            raise _Refused("structure", name=str(way[-1]))
        leaves = len(taken_apart(_example(one.answers[0]))[1])
        later = _Steps(rest)
        others[way] = known[id(one)] = _Headed(head, Recorder(later, one.answers[0], leaves, log))
        if tail is not None:
            tails[id(later)] = tail
    cut = Cut(replaced(dataset, others), log)
    layout, pieces = _pieces(cut, probes, drawn)
    store = Store(n, pieces)
    if shared and any(c.shape is None for c in store.columns):
        raise _Refused("ragged")
    _check_room(pieces, n)
    memo = Memo(cut, layout, store, drawn, len(probes))
    for probe, piece in zip(probes, pieces):
        store.put(probe.row, piece)
    took = []
    for probe in probes:
        began = time.perf_counter()
        try:
            again, _ = _run(partial(memo.sample, probe.row), probe.seed)
        except Unlike:
            raise _Refused("structure", name="") from None
        took.append(time.perf_counter() - began)
        if not same(again, probe.sample):
            if others and tables:
                return None
            raise _Refused("unequal", row=probe.row)
    compiled = [tails[id(what)] for what in layout.calls if id(what) in tails]
    if memo.compile(compiled) and not _batch_is_equal(memo, probes):
        memo.tails, memo.whole = (), False
        if not drawn and tables and layout.calls:
            return None
    own, kept = sorted(p.seconds for p in probes)[len(probes) // 2], sorted(took)[len(took) // 2]
    if not memo.whole and kept > WORTH * own:
        raise _Refused("gain", own=f"{own * 1e6:,.0f}", kept=f"{kept * 1e6:,.0f}")
    return memo


def _example(node: Node) -> Any:
    if node.kind == "leaf":
        return object()
    parts = [_example(p) for p in node.parts]
    return dict(enumerate(parts)) if node.kind == "dict" else parts


class _Steps:
    """The steps of a transform that are made later, one after the other."""

    def __init__(self, steps: Sequence[Callable[[Any], Any]]) -> None:
        self.steps = tuple(steps)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(self.steps) == 1:
            return self.steps[0](*args, **kwargs)
        return after(self.steps, *args, **kwargs)


class _Headed:
    """The first steps of a transform are made now, the others noted."""

    def __init__(self, head: Sequence[Callable[[Any], Any]], recorder: Recorder) -> None:
        self.head, self.recorder = tuple(head), recorder

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.recorder(after(self.head, *args), **kwargs) if self.head else self.recorder(*args, **kwargs)


def _split(one: _Seen, *, tables: bool) -> tuple[list[Any], list[Any], Tail | None]:
    """A callable's steps that are the same every time, the others, and these as a table where they can be."""
    steps = steps_of(one.what)
    if any(value is None for value in one.given):  # called with several arguments: it is one thing
        return [], [one.what], None
    first = len(steps)
    for value in one.given:
        for k, step in enumerate(steps[:first]):
            value, moved = _run(partial(step, value), k)
            if moved:
                first = k
                break
    if tables and one.tensors:
        value, at = one.given[0], []
        for k in range(first + 1):
            at.append(value)
            if k < first:
                value = steps[k](value)
        for k in range(first, -1, -1):
            tail = _tail(steps[k:], at[k]) if k < len(steps) else None
            if tail is not None:
                return steps[:k], steps[k:], tail
    return steps[:first], steps[first:] or [_same], None


def _same(value: Any) -> Any:
    return value


def _tail(steps: list[Any], value: Any) -> Tail | None:
    try:
        kind = kind_of(value)
        cells = stored(value, kind)
        if kind.what not in ("image", "tensor") or cells.dtype != np.uint8 or cells.ndim != 3:
            return None
        tail, moved = _run(partial(tail_of, steps, kind, cells.shape), 0)
    except Exception:  # a step that is none of these fails on a picture of 16 × 16
        return None
    return None if moved else tail


def _pieces(cut: Cut, probes: Sequence[_Probe], drawn: tuple[str, ...]) -> tuple[Layout, list[list[Any]]]:
    """What there is to keep of each probe; it must be the same twice, draw nothing, and be laid out alike."""
    layout, pieces = None, []
    for probe in probes:
        try:
            (found, leaves), moved = _run(partial(cut.row, probe.row), probe.seed)
            (_, again), _ = _run(partial(cut.row, probe.row), probe.seed + 1)
        except Touched:
            raise _Refused("touched", row=probe.row) from None
        except Exception as error:
            raise _Refused("fails", row=probe.row, error=f"{type(error).__name__}: {error}") from error
        if moved:
            raise _Refused("draws", row=probe.row, what=", ".join(moved))
        if not all(map(same, leaves, again)):
            raise _Refused("another", row=probe.row)
        layout = layout or found
        if found != layout:
            raise _Refused("unlike", row=probe.row)
        pieces.append(leaves)
    assert layout is not None
    return layout, pieces


def _check_room(pieces: Sequence[Sequence[Any]], n: int) -> None:
    size = n * sum(map(bytes_of, pieces)) // len(pieces)
    room = int(psutil.virtual_memory().available * SHARE)
    if size > room:
        raise _Refused("large", size=f"{size / 1e9:.2g} GB", room=f"{room / 1e9:.2g} GB")


def _batch_is_equal(memo: Memo, probes: Sequence[_Probe]) -> bool:
    try:
        expected = default_collate([probe.sample for probe in probes])
    except Exception:  # samples that torch's function cannot put together
        return False
    rows = np.array([probe.row for probe in probes])
    count = memo.draws
    numbers = words(np.array([probe.seed for probe in probes], np.uint32), count) if count else None
    return same(memo.batch(rows, numbers), expected)
