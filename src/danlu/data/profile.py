"""What a column of a table holds, before anybody says what it is for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import arrow
from danlu.data.cells import is_list, is_text, looks_dated, numeric, to_days


@dataclass(frozen=True)
class Profile:
    """Counts and traits of one column."""

    kind: Literal["number", "date", "text", "bool", "list", "other"]
    rows: int
    missing: int
    distinct: int
    whole: bool = False  # every number is a whole one
    counting: bool = False  # each number is the one before plus 1
    length: float = 0.0  # mean number of characters
    words: float = 0.0  # mean number of words
    longest: int = 0
    examples: str = ""

    @property
    def unique(self) -> bool:
        return self.distinct == self.rows and not self.missing


def profile(column: pa.Array) -> Profile:
    """Looks at every cell of one column."""
    rows, kind = len(column), column.type
    shown = dict.fromkeys(str(v)[:24] for v in column[:200].to_pylist() if v not in (None, ""))
    examples = ", ".join(list(shown)[:3])
    if is_list(kind):
        return Profile("list", rows, column.null_count, 0, examples=examples)
    if pa.types.is_boolean(kind):
        return Profile("bool", rows, column.null_count, len(pc.drop_null(column).unique()), examples=examples)
    if looks_dated(column):
        days, _ = to_days(column)
        return Profile(
            "date", rows, int(np.isnan(days).sum()), len(np.unique(days[~np.isnan(days)])), examples=examples
        )
    values = numeric(column)
    if values is not None:
        seen = values[~np.isnan(values)]
        whole = bool((seen == np.floor(seen)).all())
        counting = whole and len(seen) == rows > 1 and bool((np.diff(seen) == 1).all())
        return Profile("number", rows, rows - len(seen), len(np.unique(seen)), whole, counting, examples=examples)
    if not is_text(column):
        return Profile("other", rows, column.null_count, 0, examples=str(kind))
    cells = column.filter(pc.not_equal(column, arrow.EMPTY)).drop_null()
    if not len(cells):
        return Profile("text", rows, rows, 0)
    lengths = pc.utf8_length(cells)
    spaces = pc.count_substring_regex(cells, r"\s+")
    return Profile(
        "text",
        rows,
        rows - len(cells),
        len(cells.unique()),
        length=float(pc.mean(lengths).as_py()),
        words=float(pc.mean(spaces).as_py()) + 1,
        longest=int(pc.max(lengths).as_py()),
        examples=examples,
    )
