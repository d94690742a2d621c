"""Axes: round ends and ticks, linear or logarithmic, and where a value lies on them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

TINY, HUGE = 1e-290, 1e290  # beyond these, sums and steps leave the range of floats


@dataclass(frozen=True)
class Axis:
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def at(self, value: float) -> float:
        """Where ``value`` lies: 0 at the low end, 1 at the high one, never outside."""
        low, high = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        place = math.log10(value) if self.log else value
        return min(1.0, max(0.0, (place - low) / (high - low)))

    @property
    def labels(self) -> tuple[str, ...]:
        return power_texts(self.ticks) if self.log else tick_texts(self.ticks)


def axis(values: Iterable[float], *, log: bool = False, zero: bool = False, ticks: int = 5) -> Axis:
    """An axis that holds all finite ``values`` between round ends; ``zero``: and 0. ``log`` leaves out values ≤ 0."""
    kept = [v if abs(v) > TINY else 0.0 for v in values if abs(v) < HUGE]  # nan compares false
    kept = [v for v in kept if v > 0 or not log]
    if log:
        return _logarithmic(min(kept), max(kept)) if kept else _logarithmic(1.0, 1.0)
    kept += [0.0] if zero or not kept else []
    return _linear(min(kept), max(kept), ticks)


def close(values: Iterable[float]) -> Axis:
    """An axis that ends just beyond the values, with round ticks between."""
    kept = list(values)
    whole = axis(kept)
    inside = [v for v in kept if whole.low <= v <= whole.high]  # neither nan nor infinite
    if not inside or min(inside) == max(inside):
        return whole
    pad = (max(inside) - min(inside)) / 50
    low, high = max(whole.low, min(inside) - pad), min(whole.high, max(inside) + pad)
    ticks = tuple(t for t in whole.ticks if low <= t <= high)
    return Axis(low, high, ticks) if len(ticks) > 1 else whole


def counts_axis(counts: Iterable[int], ticks: int = 5) -> Axis:
    """From 0 to the largest count; of few rows there are no halves."""
    whole = axis([float(c) for c in counts], zero=True, ticks=ticks)
    return Axis(whole.low, whole.high, tuple(t for t in whole.ticks if t == round(t)))


def shares() -> Axis:
    """The axis from 0 to 1."""
    return Axis(0.0, 1.0, (0.0, 0.25, 0.5, 0.75, 1.0))


def _linear(low: float, high: float, ticks: int) -> Axis:
    most = max(abs(low), abs(high))
    if not high - low > 1e-9 * most:  # one value: it goes into the middle
        pad = most / 10 or 1.0
        low, high = (0.0, high * 2 or 1.0) if low == 0 else (low - pad, high + pad)
    step = nice_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    places = tuple(i * step for i in range(first, last + 1))
    return Axis(min(low, places[0]), max(high, places[-1]), places)


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 × a power of ten that is at least ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * (1 - 1e-9))


def _logarithmic(low: float, high: float) -> Axis:
    if low == high:
        low, high = low / 2, high * 2
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    if last - first > 2:  # powers of ten only, at most about six of them
        every = math.ceil((last - first) / 6)
        places = tuple(10.0**p for p in range(first, last + 1, every))
        return Axis(min(low, places[0]), max(high, places[-1]), places, log=True)
    places = tuple(m * 10.0**p for p in range(first, last + 1) for m in (1, 2, 5))
    inside = tuple(p for p in places if low * (1 - 1e-9) <= p <= high * (1 + 1e-9))
    return Axis(low, high, inside if len(inside) > 1 else (low, high), log=True)


def tick_texts(ticks: tuple[float, ...]) -> tuple[str, ...]:
    """The shortest texts that tell equally distant ticks apart."""
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    most = max(abs(t) for t in ticks)
    if most >= 1e15 or most < 1e-4:
        return tuple(f"{t:.3g}".replace("-", "−") if t else "0" for t in ticks)
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if most >= size:
            unit = 1e3 if letter == "k" else size
            return tuple(_fixed(t / unit, step / unit) + (letter if t else "") for t in ticks)
    return tuple(_fixed(t, step) for t in ticks)


def _fixed(value: float, step: float) -> str:
    digits = next((d for d in range(10) if abs(step * 10**d - round(step * 10**d)) < 1e-6 * 10**d * step), 10)
    text = f"{value:,.{digits}f}"
    return ("0" if float(text.replace(",", "")) == 0 else text).replace("-", "−")


def power_texts(ticks: tuple[float, ...]) -> tuple[str, ...]:
    """ "10⁻³" for powers of ten beyond the everyday ones, else plain digits."""
    out = []
    for tick in ticks:
        power = round(math.log10(tick))
        plain = 1e-3 <= tick < 1e5
        exact = math.isclose(tick, 10.0**power)
        if plain:
            out.append(f"{tick:.3g}" if tick < 1000 else f"{tick:,.0f}")
        elif exact:
            out.append("10" + str(power).translate(_SUPERSCRIPTS))
        else:
            power = math.floor(math.log10(tick))
            out.append(f"{tick / 10.0**power:.2g}·10" + str(power).translate(_SUPERSCRIPTS))
    return tuple(out)
