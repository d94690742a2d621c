"""A table's columns as they came: missing and different values, ranges, what is most frequent; whatever is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import arrow
from danlu.data.cells import flat, is_text, to_days, to_numbers
from danlu.data.profile import Profile
from danlu.data.table import Table
from danlu.looking.found import Column, figure
from danlu.report.page.contents import Text
from danlu.showing.texts import told
from danlu.types import Field

MOST_SHOWN = 3  # values of a column that are named
ID_ROWS = 30  # so many different whole numbers in a row are no accident


def columns_of(table: Table, fields: Sequence[Field]) -> tuple[Column, ...]:
    """Every column of the table with what is known of it; ``fields`` say what it is for."""
    out = []
    for f in fields:
        p = table.profiles.get(f.name)
        if p is None:
            out.append(Column(f.name, f.kind, f.role, f.why))
            continue
        kind = "date" if p.kind == "date" else f.kind
        stored = f.name in table.images  # what stands in their place is no value
        values: Text = "" if stored else _values(flat(table.columns.column(f.name)), p, f.kind)
        out.append(Column(f.name, kind, f.role, f.why, p.missing, p.distinct or None, values))
    return tuple(out)


def _values(column: pa.Array, p: Profile, kind: str) -> Text:
    if p.missing == p.rows:
        return ""
    if p.kind == "number" and kind == "number":
        values, _ = to_numbers(column)
        seen = values[~np.isnan(values)]
        low, high, mean = (figure(float(v)) for v in (seen.min(), seen.max(), seen.mean()))
        return told("look.range", low=low, high=high, mean=mean)
    if p.kind == "date":
        days, _ = to_days(column)
        first, last = np.nanmin(days), np.nanmax(days)
        low, high = (str(np.datetime64(int(np.floor(d)), "D")) for d in (first, last))
        return f"{low} – {high}"
    if p.kind == "text" and kind == "text":
        return told("look.text", length=round(p.length), longest=f"{p.longest:,}", example=p.examples[:24])
    if p.kind in ("text", "number", "bool"):
        return _frequent(column, p)
    return p.examples


def _frequent(column: pa.Array, p: Profile) -> str:
    """ "Private 75 %, State-gov 4 %"."""
    present = column.filter(pc.not_equal(column, arrow.EMPTY)) if is_text(column) else column
    counts = pc.value_counts(present.drop_null())
    order = pc.sort_indices(counts.field("counts"), sort_keys=[("", "descending")])[:MOST_SHOWN]
    rows = max(1, p.rows - p.missing)
    best = counts.take(order).to_pylist()
    return ", ".join(f"{str(v['values'])[:24]} {_share(v['counts'], rows)}" for v in best)


def _share(count: int, rows: int) -> str:
    share = 100 * count / rows
    return f"{share:.0f} %" if share >= 1 or not count else "< 1 %"


def like_ids(columns: Sequence[Column], profiles: Mapping[str, Profile]) -> list[str]:
    """Inputs of whole numbers of which no two rows share one: most likely ids that are not called so."""
    named = []
    for column in columns:
        p = profiles.get(column.name)
        if p is None or column.role != "input" or column.kind != "number" or p.kind != "number":
            continue
        if p.whole and p.unique and p.rows >= ID_ROWS:
            named.append(column.name)
    return named
