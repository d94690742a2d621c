"""95 % intervals: Wilson's for shares of samples; the bootstrap's, or of many rows the jackknife's, for all else."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from danlu.messages import say

Z = 1.959963984540054  # 97.5 % point of the normal distribution
RESAMPLES = 1000

Interval = tuple[float, float, str]  # low, high, and what kind it is, in words


def wilson(share: float, n: float, z: float = Z) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in ``n`` samples (Wilson, 1927); ``z`` for another level."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def f1_interval(hits: float, guesses: float, actuals: float) -> tuple[float, float]:
    """A class's F1 of ``hits`` rows right, out of ``guesses`` guessed and ``actuals`` there.

    F1 = 2 J / (1 + J) rises with the Jaccard share J of hits among the rows that are guessed or there: J's score
    interval carried over. Unlike a resampled one it has a width where nothing, or everything, was hit.
    """
    union = guesses + actuals - hits
    low, high = wilson(hits / union, union)
    return 2 * low / (1 + low), 2 * high / (1 + high)


def resampled(n: int) -> Tensor:
    """How often each of ``n`` rows is in each resample of ``n`` rows with replacement: ``(RESAMPLES, n)``, seeded."""
    generator = torch.Generator().manual_seed(0)
    counts = torch.empty(RESAMPLES, n)
    for row in counts:
        row.copy_(torch.bincount(torch.randint(n, (n,), generator=generator), minlength=n))
    return counts


def percentiles(values: Tensor) -> Interval | None:
    """Percentile bootstrap: the 2.5 % and 97.5 % points of a metric's values (R,) over resamples.

    None where the metric was undefined in more than half of them.
    """
    known = values[~values.isnan()].double()
    if len(known) < len(values) / 2:
        return None
    low, high = known.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high, say("interval.bootstrap", resamples=f"{len(values):,}")


def jackknife(value: Tensor, weights: Tensor, low: float, high: float) -> Interval | None:
    """The infinitesimal jackknife (Jaeckel, 1972): ± 1.96 × the length of the metric's gradient by its rows' weights.

    ``value`` is a 0-d function of ``weights`` (1, N), all one; the interval is kept within what the metric can be. It
    is what the bootstrap tends to with many rows (for the AUROC, DeLong's), for the price of one backward pass.
    """
    if not bool(value.isfinite()):
        return None
    (gradient,) = torch.autograd.grad(value, weights, retain_graph=True)
    half, middle = Z * float(gradient.norm()), float(value.detach())
    return max(low, middle - half), min(high, middle + half), say("interval.jackknife")
