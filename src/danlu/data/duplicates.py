"""Exact copies of training rows in the other parts: what makes a figure too good."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from danlu.data.columns import Columns, Data
from danlu.data.split import content_of

MIN_DISTINCT, MAX_COPIES = 20, 0.05  # fewer different rows, or one row more often: copies are no leak but the data
EXAMPLES = 24


@dataclass(frozen=True)
class Copies:
    """``count`` of the part's ``rows`` have the very inputs of a training row; a few as (row here, row of train)."""

    part: str  # "val" or "test"
    count: int
    rows: int
    examples: tuple[tuple[int, int], ...]


def distinct_enough(content: Tensor) -> bool:
    """Whether equal contents mean copies; not where rows repeat because few different ones are possible."""
    counts = np.unique(content.numpy(), return_counts=True)[1]
    repeats = len(counts) < len(content)
    return not (repeats and (len(counts) < MIN_DISTINCT or int(counts.max()) > MAX_COPIES * len(content)))


def copies_of_training(data: Data) -> list[Copies]:
    """The validation and test rows whose stored inputs equal a training row's, bit for bit.

    Rows that only the user's own code can make are not read for this.
    """
    train = _content(data.train)
    if train is None or not distinct_enough(train):
        return []
    first_row = _first_rows(train.numpy())
    found = []
    for part in ("val", "test"):
        content = _content(getattr(data, part))
        if content is None:
            continue
        known, rows = first_row
        at = np.searchsorted(known, content.numpy()).clip(max=len(known) - 1)
        same = np.flatnonzero(known[at] == content.numpy())
        if len(same):
            pairs = tuple((int(i), int(rows[at[i]])) for i in same[:EXAMPLES])
            found.append(Copies(part, len(same), len(content), pairs))
    return found


def _first_rows(content: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known, rows = np.unique(content, return_index=True)
    return known, rows


def _content(part: object) -> Tensor | None:
    """A number for each row's inputs (N,); None for rows that do not lie in memory, on the CPU, beside a target."""
    if not isinstance(part, Columns) or len(part.tensors) < 2 or part.tensors[0].device.type != "cpu":
        return None
    return content_of(*(part.column(i) for i in range(part.inputs)))
