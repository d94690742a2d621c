"""Groups of rows by a column: a table's, an array's, or folders below a class; numbers are cut at their quartiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import arrow
from danlu.data.cells import flat, is_list, looks_dated, looks_numeric, to_days, to_numbers
from danlu.data.columns import Columns
from danlu.data.images import ImageFiles
from danlu.data.infer import named_columns
from danlu.data.table import Table
from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Schema

MOST = 20  # groups of a column; of more the smallest are taken together
DIFFERENT = 10  # more different numbers than this are cut at the quartiles
FOLDER = "folder"  # what images that lie in folders below their class are grouped by


@dataclass(frozen=True)
class Groups:
    """A column's groups in order; ``of`` (N,) int64 is each row's."""

    column: str
    names: tuple[str, ...]
    of: np.ndarray
    cut: bool = False  # the groups are quarters of the rows, not values


def aside(table: Table, wanted: Any, kept: np.ndarray) -> dict[str, pa.Array]:
    """The cells of the columns that a test is sliced by, of the rows ``kept``; DL110 for a name the table has not."""
    if wanted is None or isinstance(wanted, Mapping):
        return {}
    names = named_columns(wanted, table, dict.fromkeys(table.names), "--slice")
    return {name: flat(table.columns.column(name)).take(arrow.numbers(kept)) for name in names}


def check_slice(wanted: Any, part: Any, schema: Schema) -> None:
    """The groups can be made of this test part, or the error that says what is wrong, before anything is trained."""
    if part is not None and hasattr(part, "__len__"):
        groups_of(wanted, part, schema, range(len(part)))


def groups_of(wanted: Any, part: Any, schema: Schema, rows: Sequence[int]) -> list[Groups]:
    """The groups of the rows ``rows`` of a part, one for each column that ``wanted`` names.

    ``wanted``: names, separated by commas or in a list, or ``{name: one value a row}``. Raises DL361 where the values
    are not as many as the part has rows, and DL360 where this kind of data has no such column.
    """
    if wanted is None:
        return []
    at = np.asarray(rows, dtype=np.int64)
    if isinstance(wanted, Mapping):
        return [grouped(str(name), _given(str(name), values, part)[at]) for name, values in wanted.items()]
    known = getattr(part, "aside", None) or {}
    if known:
        stored = at if part.index is None else part.index.cpu().numpy()[at]
        return [grouped(name, column.take(arrow.numbers(stored))) for name, column in known.items()]
    names = [n.strip() for n in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    if names == [FOLDER] and schema.origin == "images" and isinstance(part, (Columns, ImageFiles)):
        folders = [_below(Path(part.name(i)), schema.classes) for i in rows]
        if any(folder != "." for folder in folders):
            return [grouped(FOLDER, arrow.texts(folders))]
    raise DanluError("DL360", where=f"slice={','.join(names)}", names=", ".join(names), first=names[0])


def _given(name: str, values: Any, part: Any) -> np.ndarray:
    """One value a row of the part; or of the rows that the part was split from."""
    found: np.ndarray = np.asarray(values.cpu() if hasattr(values, "cpu") else values)
    whole = len(part.tensors[0]) if isinstance(part, Columns) else len(part)
    if found.ndim == 1 and len(found) == len(part):
        return found
    if found.ndim == 1 and len(found) == whole and isinstance(part, Columns) and part.index is not None:
        kept: np.ndarray = found[part.index.cpu().numpy()]
        return kept
    given = f"{len(found):,}" if found.ndim == 1 else str(found.shape)
    raise DanluError("DL361", where=f"slice: {name}", name=name, given=given, rows=f"{len(part):,}")


def _below(path: Path, classes: Sequence[str]) -> str:
    """The folders between an image and its class."""
    folders = path.parts[:-1]
    inner = next((i for i in reversed(range(len(folders))) if folders[i] in classes), len(folders) - 1)
    return "/".join(folders[inner + 1 :]) or "."


def grouped(column: str, values: pa.Array | np.ndarray) -> Groups:
    """The groups of one value a row (N,): each value one, or quarters of the rows where there are many numbers."""
    cells = values if isinstance(values, pa.Array) else pa.array(values, from_pandas=True)
    dated, numeric = looks_dated(cells), looks_numeric(cells)
    if dated or numeric:
        numbers = (to_days if dated else to_numbers)(cells)[0]
        if len(np.unique(numbers[~np.isnan(numbers)])) > DIFFERENT:
            return _quarters(column, numbers, _day if dated else _number)
    return _by_value(column, cells)


def _quarters(column: str, numbers: np.ndarray, shown: Any) -> Groups:
    seen = ~np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[seen], [0.25, 0.5, 0.75], method="inverted_cdf"))
    edges = edges[edges < numbers[seen].max()]
    of = np.searchsorted(edges, numbers, side="left")  # a value on an edge belongs below it
    texts = [shown(e) for e in edges]
    names = [f"≤ {texts[0]}", *(f"{a} < … ≤ {b}" for a, b in pairwise(texts)), f"> {texts[-1]}"]
    of[~seen] = len(names)
    names += [say("slice.missing")] if not seen.all() else []
    return Groups(column, tuple(names), of.astype(np.int64), cut=True)


def _by_value(column: str, cells: pa.Array) -> Groups:
    """The most frequent values in order of their names, then the others together, then the rows without one."""
    text = arrow.texts([str(v) for v in cells.to_pylist()]) if is_list(cells.type) else pc.cast(cells, pa.string())
    text = pc.fill_null(text, arrow.EMPTY)
    encoded = text.dictionary_encode()
    names, codes = encoded.dictionary.to_pylist(), arrow.values(encoded.indices)
    counts = np.bincount(codes, minlength=len(names))
    numbers = looks_numeric(cells)
    order = sorted(range(len(names)), key=lambda k: (names[k] == "", float(names[k] or 0) if numbers else 0, names[k]))
    frequent = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    kept = set(frequent if len(names) <= MOST else frequent[: MOST - 1])
    shown = [k for k in order if k in kept]
    place = np.full(len(names), len(shown), dtype=np.int64)
    place[shown] = np.arange(len(shown))
    told = [names[k] or say("slice.missing") for k in shown]
    if len(kept) < len(names):
        told.append(say("slice.others", count=f"{len(names) - len(kept):,}"))
    return Groups(column, tuple(told), place[codes])


def _number(value: float) -> str:
    return f"{value:,.6g}"


def _day(value: float) -> str:
    return (date(1970, 1, 1) + timedelta(days=value)).isoformat()
