"""Fewer points that draw the same picture: every peak and every trough stays."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]


def thin_line(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` (≥ 4) of a line's points: first, last, and the lowest and highest of equal stretches."""
    if len(points) <= most:
        return list(points)
    stretches = (most - 2) // 2
    inner = len(points) - 2
    kept = {0, len(points) - 1}
    for i in range(stretches):
        places = range(1 + i * inner // stretches, 1 + (i + 1) * inner // stretches)
        kept.add(min(places, key=lambda k: points[k][1]))
        kept.add(max(places, key=lambda k: points[k][1]))
    return [points[k] for k in sorted(kept)]


def thin_cloud(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` (≥ 8) of a cloud's points: the extremes of x, y and y − x, and equally spaced ones between."""
    if len(points) <= most:
        return list(points)
    places = range(len(points))
    sides = (lambda k: points[k][0], lambda k: points[k][1], lambda k: points[k][1] - points[k][0])
    kept = {pick(places, key=side) for side in sides for pick in (min, max)}
    room = most - len(kept)
    kept |= {k * len(points) // room for k in range(room)}
    return [points[k] for k in sorted(kept)]
