"""Tasks for the reader: which samples make a batch, from danlu's own order or from the user's sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor

from danlu.data import draws
from danlu.data.order import SAMPLER, stream_seed


class Task(NamedTuple):
    """One batch to read: the samples ``indices`` at the positions from ``start`` on."""

    seed: int
    epoch: int
    start: int
    indices: list[Any]  # of an iterable dataset: only their number counts
    number: int = 0
    drop: bool = False  # read and throw away: resuming an iterable dataset


def ordered(seed: int, epoch: int, order: Tensor | None, start: int, stop: int, size: int) -> Iterator[Task]:
    """Tasks in danlu's order (None: as the samples lie) for positions ``start`` to ``stop``."""
    for number, at in enumerate(range(start, stop, size)):
        end = min(at + size, stop)
        yield Task(seed, epoch, at, list(range(at, end)) if order is None else order[at:end].tolist(), number)


def endless(seed: int, epoch: int, consumed: int, size: int) -> Iterator[Task]:
    """Tasks for an iterable dataset, which alone knows its end; whole batches before ``consumed`` are dropped."""
    for number in count():
        yield Task(seed, epoch, number * size, [None] * size, number, drop=(number + 1) * size <= consumed)


def sampled(
    seed: int, epoch: int, sampler: Iterable[Any], consumed: int, note: Callable[[list[Any]], None], *, single: bool
) -> Iterator[Task]:
    """Tasks from the user's own sampler (``single``: it gives one index at a time, not lists).

    The sampler is asked only when a batch is due, as torch does. What it draws from global generators, or from a
    ``generator`` of its own, is a function of (seed, epoch), and the caller's states are put back each time.
    """
    states = draws.States()
    value = stream_seed(seed, epoch, SAMPLER)
    generator = generator_of(sampler)
    if generator is not None:
        generator.manual_seed(value)
    outside = states.save()
    draws.seed(draws.GENERATORS, value)
    try:
        source = iter(sampler)
    finally:
        inside = states.save()
        states.restore(outside)
    start = 0
    for number in count():
        outside = states.save()
        states.restore(inside)
        try:
            got = next(source)
        except StopIteration:
            return
        finally:
            inside = states.save()
            states.restore(outside)
        indices = [got] if single else list(got)
        note(indices)
        rest = indices[max(0, consumed - start) :]
        start += len(indices)
        if rest or (not indices and start >= consumed):  # torch gives an empty list to collate too
            yield Task(seed, epoch, start - len(rest), rest, number)


def generator_of(sampler: Any) -> torch.Generator | None:
    """The torch generator a sampler (or the sampler inside a batch sampler) was given."""
    for part in (sampler, getattr(sampler, "sampler", None)):
        generator = getattr(part, "generator", None)
        if isinstance(generator, torch.Generator):
            return generator
    return None


def set_epoch(samplers: Iterable[Any], epoch: int, last: int) -> int:
    """Tell samplers such as DistributedSampler the epoch, unless the user has told them another one than ``last``."""
    for part in samplers:
        if callable(getattr(part, "set_epoch", None)) and getattr(part, "epoch", last) == last:
            part.set_epoch(epoch)
    return epoch
