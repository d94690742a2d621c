"""Proof before use: on a few rows the sample put together again is the original bit for bit, and nothing moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import getitem
from typing import Any

import numpy as np
import psutil
from torch import Tensor
from torch.utils.data import default_collate

from danlu.data import draws
from danlu.data.memo.cut import Log, Place, Recorder, Touched, Unlike, Watcher, callables, copied, replaced
from danlu.data.memo.keep import Cut, Layout, Memo
from danlu.data.memo.leaves import Node, Unkept, kind_of, same, stored, taken_apart
from danlu.data.memo.marks import Unmarked, mark
from danlu.data.memo.probes import Probe, Refusal, Refused, look, probed_rows, run, states_now
from danlu.data.memo.steps import Tail, after, steps_of, tail_of
from danlu.data.memo.store import Store, bytes_of
from danlu.data.memo.twister import words

WORTH = 0.7  # a kept sample must not take more of the time that its code takes
SHARE = 0.25  # of the free memory that kept samples may take


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
    except Refused as refused:
        return refused.refusal
    except Unmarked as unseen:
        return Refusal("state", {"what": unseen.args[0]})
    except Unkept as unkept:
        return Refusal("kind", {"what": unkept.args[0]})
    except Exception as error:  # whatever the user's objects do when they are looked at: the plain way never looks
        return Refusal("fails", {"row": 0, "error": f"{type(error).__name__}: {error}"})
    finally:
        states.restore(saved)


def _apart(dataset: Any) -> Any:
    try:
        return copied(dataset)
    except Exception as error:
        raise Refused("fails", row=0, error=f"{type(error).__name__}: {error}") from error


def _prove(dataset: Any, shared: bool) -> Memo | Refusal:
    n = len(dataset)
    before = mark(dataset)
    rows = probed_rows(n)
    probes, drawn = look(dataset, rows)
    if mark(dataset) != before:
        raise Refused("writes", row=rows[0])
    seen = _watch(dataset, probes)
    memo = None
    for tables in (True, False):  # with deterministic transforms of bytes as tables; where that is not it, without
        memo = _cut(dataset, probes, seen, drawn, n, shared=shared, tables=tables)
        if memo is not None:
            break
    if memo is None:
        raise Refused("unequal", row=rows[0])
    if mark(dataset) != before:
        raise Refused("writes", row=rows[0])
    return memo


# ---- its callables


@dataclass
class _Seen:
    """What was seen of one callable attribute."""

    what: Any
    drew: bool = False
    answers: list[Node] = field(default_factory=list)
    given: list[Any] = field(default_factory=list)  # its only argument, call by call; None where there were others
    tensors: bool = True  # every answer is one tensor


def _watch(dataset: Any, probes: Sequence[Probe]) -> dict[Place, _Seen]:
    """Which callables a sample's own code calls, which of them draw, and what they get."""
    places = dict(callables(dataset))
    same_one: dict[int, _Seen] = {}  # one transform at several places is one thing
    seen = {way: same_one.setdefault(id(what), _Seen(what)) for way, what in places.items()}
    depth = [0]

    def saw(way: Place) -> Callable[..., Any]:
        def look(args: tuple[Any, ...], kwargs: dict[str, Any], call: Callable[[], Any]) -> Any:
            outermost, before = not depth[0], states_now()
            depth[0] += 1
            try:
                found = call()
            finally:
                depth[0] -= 1
            one = seen[way]
            if outermost:
                one.drew |= before != states_now()
                one.answers.append(taken_apart(found)[0])
                one.given.append(args[0] if len(args) == 1 and not kwargs else None)
                one.tensors &= isinstance(found, Tensor)
            return found

        return look

    twin = replaced(dataset, {way: Watcher(one.what, saw(way)) for way, one in seen.items()})
    for probe in probes:
        try:
            found, _ = run(partial(getitem, twin, probe.row), probe.seed)
        except Exception:  # code that asks what its transform is: it is left alone
            return {}
        if not same(found, probe.sample):
            return {}
    return {way: one for way, one in seen.items() if one.answers}


# ---- the cut


def _cut(
    dataset: Any,
    probes: Sequence[Probe],
    seen: dict[Place, _Seen],
    drawn: tuple[str, ...],
    n: int,
    *,
    shared: bool,
    tables: bool,
) -> Memo | None:
    """The memo, proven on the probes; None where the tables are not it. Raises Refused."""
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
            raise Refused("structure", name=str(way[-1]))
        leaves = len(taken_apart(_example(one.answers[0]))[1])
        later = _Steps(rest)
        others[way] = known[id(one)] = _Headed(head, Recorder(later, one.answers[0], leaves, log))
        if tail is not None:
            tails[id(later)] = tail
    cut = Cut(replaced(dataset, others), log)
    layout, pieces = _pieces(cut, probes, drawn)
    store = Store(n, pieces)
    if shared and any(c.shape is None for c in store.columns):
        raise Refused("ragged")
    _check_room(pieces, n)
    memo = Memo(cut, layout, store, drawn, len(probes))
    for probe, piece in zip(probes, pieces):
        store.put(probe.row, piece)
    took = []
    for probe in probes:
        began = time.perf_counter()
        try:
            again, _ = run(partial(memo.sample, probe.row), probe.seed)
        except Unlike:
            raise Refused("structure", name="") from None
        took.append(time.perf_counter() - began)
        if not same(again, probe.sample):
            if others and tables:
                return None
            raise Refused("unequal", row=probe.row)
    compiled = [tails[id(what)] for what in layout.calls if id(what) in tails]
    if memo.compile(compiled) and not _batch_is_equal(memo, probes):
        memo.tails, memo.whole = (), False
        if not drawn and tables and layout.calls:
            return None
    own, kept = sorted(p.seconds for p in probes)[len(probes) // 2], sorted(took)[len(took) // 2]
    if not memo.whole and kept > WORTH * own:
        raise Refused("gain", own=f"{own * 1e6:,.0f}", kept=f"{kept * 1e6:,.0f}")
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
            value, moved = run(partial(step, value), k)
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
        tail, moved = run(partial(tail_of, steps, kind, cells.shape), 0)
    except Exception:  # a step that is none of these fails on a picture of 16 × 16
        return None
    return None if moved else tail


def _pieces(cut: Cut, probes: Sequence[Probe], drawn: tuple[str, ...]) -> tuple[Layout, list[list[Any]]]:
    """What there is to keep of each probe; it must be the same twice, draw nothing, and be laid out alike."""
    layout, pieces = None, []
    for probe in probes:
        try:
            (found, leaves), moved = run(partial(cut.row, probe.row), probe.seed)
            (_, again), _ = run(partial(cut.row, probe.row), probe.seed + 1)
        except Touched:
            raise Refused("touched", row=probe.row) from None
        except Exception as error:
            raise Refused("fails", row=probe.row, error=f"{type(error).__name__}: {error}") from error
        if moved:
            raise Refused("draws", row=probe.row, what=", ".join(moved))
        if not all(map(same, leaves, again)):
            raise Refused("another", row=probe.row)
        layout = layout or found
        if found != layout:
            raise Refused("unlike", row=probe.row)
        pieces.append(leaves)
    assert layout is not None
    return layout, pieces


def _check_room(pieces: Sequence[Sequence[Any]], n: int) -> None:
    size = n * sum(map(bytes_of, pieces)) // len(pieces)
    room = int(psutil.virtual_memory().available * SHARE)
    if size > room:
        raise Refused("large", size=f"{size / 1e9:.2g} GB", room=f"{room / 1e9:.2g} GB")


def _batch_is_equal(memo: Memo, probes: Sequence[Probe]) -> bool:
    try:
        expected = default_collate([probe.sample for probe in probes])
    except Exception:  # samples that torch's function cannot put together
        return False
    rows = np.array([probe.row for probe in probes])
    count = memo.draws
    numbers = words(np.array([probe.seed for probe in probes], np.uint32), count) if count else None
    return same(memo.batch(rows, numbers), expected)
