"""Random tables with images, read sample by sample beside Pillow and numpy alone."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from PIL import Image

from danlu.data import load_data
from danlu.data.columns import Columns
from danlu.data.image_columns import PictureRows
from danlu.data.raw import raw_batches
from danlu.errors import DanluError
from danlu.settings import make_settings

STORED = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class Cell:
    """An image of a row: what its file holds (None: there is none), and whether Pillow can read that."""

    data: bytes | None
    header: bool = True  # Pillow opens it
    whole: bool = True  # and reads it to its end


@dataclass(frozen=True)
class Case:
    """A table, with all that is needed to read it by hand."""

    images: dict[str, list[Cell]]
    stored: dict[str, str]  # column -> "file": a path; "bytes", "both", "linked": a struct with bytes, and a path
    numbers: dict[str, list[float | None]]
    categories: dict[str, list[str | None]]
    labels: list[str | float]
    size: int | None
    kind: str  # of the table's file


def picture(seed: int, size: tuple[int, int], mode: str, kind: str) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(file, kind)
    return file.getvalue()


@st.composite
def cases(draw: Any) -> Case:
    n = draw(st.integers(4, 10))
    mode = draw(st.sampled_from(["RGB", "L", "mixed"]))
    size = draw(st.sampled_from([None, 6, 11]))
    own = (draw(st.integers(5, 20)), draw(st.integers(5, 20)))
    faulty = draw(st.booleans())
    kinds = st.sampled_from(["file", "bytes", "both", "linked"])
    images: dict[str, list[Cell]] = {}
    stored: dict[str, str] = {}
    for c in range(draw(st.integers(1, 3))):
        cells = []
        for i in range(n):
            shape = own if size is None else (draw(st.integers(4, 24)), draw(st.integers(4, 24)))
            grey = mode == "L" or (mode == "mixed" and draw(st.booleans()))
            form = draw(st.sampled_from(["PNG", "BMP"]))
            data = picture(draw(st.integers(0, 10**6)), shape, "L" if grey else "RGB", form)
            fault = draw(st.sampled_from(["", "", "", "absent", "junk", "empty", "cut"])) if faulty and i else ""
            made = {
                "": Cell(data),
                "absent": Cell(None),
                "junk": Cell(b"no image at all", False, False),
                "empty": Cell(b"", False, False),
                "cut": Cell(
                    data[: len(data) - 30], form == "BMP", False
                ),  # a PNG is read for what it says of its turning
            }
            cells.append(made[fault])
        images[f"photo{c}"] = cells
        stored[f"photo{c}"] = draw(kinds)
    halves = st.none() | st.integers(-50, 50).map(lambda v: v + 0.5)
    words = st.none() | st.sampled_from(["red", "green", "blue"])
    numbers = {f"x{k}": draw(st.lists(halves, min_size=n, max_size=n)) for k in range(draw(st.integers(0, 2)))}
    categories = {f"c{k}": draw(st.lists(words, min_size=n, max_size=n)) for k in range(draw(st.integers(0, 2)))}
    labels: list[Any] = ["cat", "dog"] + draw(st.lists(st.sampled_from(["cat", "dog"]), min_size=n - 2, max_size=n - 2))
    if draw(st.booleans()):
        labels = [float(v) for v in np.random.default_rng(n).normal(size=n)]
    plain = all(kind == "file" for kind in stored.values())
    kind = draw(st.sampled_from(["csv", "parquet", "shards", "object"] if plain else ["parquet", "shards", "object"]))
    return Case(images, stored, numbers, categories, labels, size, kind)


# ---- the table written down


def write(case: Case, folder: Path) -> Any:
    """The table's file or files, or the table as an object; images that are not in it lie beside it."""
    columns: dict[str, Any] = {}
    for name, cells in case.images.items():
        columns[name] = pa.array([_written(case.stored[name], name, i, c, folder) for i, c in enumerate(cells)])
        if case.stored[name] != "file":
            columns[name] = columns[name].cast(STORED)
    columns |= {n: pa.array(v, pa.float64()) for n, v in case.numbers.items()}
    columns |= {n: pa.array(v, pa.string()) for n, v in case.categories.items()}
    table = pa.table({**columns, "label": case.labels})
    if case.kind == "csv":
        with open(folder / "t.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(table.column_names)
            csv.writer(file).writerows(["" if v is None else v for v in r.values()] for r in table.to_pylist())
        return folder / "t.csv"
    if case.kind == "object":
        return table
    cuts = [0, len(table) // 2, len(table)] if case.kind == "shards" else [0, len(table)]
    (folder / "t").mkdir()
    for k, (start, stop) in enumerate(pairwise(cuts)):
        pa.parquet.write_table(table.slice(start, stop - start), folder / "t" / f"p{k}.parquet", row_group_size=3)
    return folder / "t" if case.kind == "shards" else folder / "t" / "p0.parquet"


def _written(how: str, column: str, row: int, cell: Cell, folder: Path) -> Any:
    path = folder / "files" / f"{column}-{row}.png"
    if how in ("file", "linked") and cell.data is not None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(cell.data)
    if how == "file":
        return str(path)
    if how == "linked":
        return {"bytes": None, "path": str(path)} if cell.data is not None else None
    name = f"{row}.png" if how == "both" else None
    return {"bytes": cell.data, "path": None if cell.data is None else name}


def row_name(case: Case, row: int, source: Any) -> str:
    if case.kind == "csv":
        return f"{source}:{row + 2}"
    if case.kind == "object":
        return f"row {row}"
    half = len(case.labels) // 2
    part = int(case.kind == "shards" and row >= half)
    return f"{source if case.kind == 'parquet' else source / f'p{part}.parquet'} row {row - half * part}"


# ---- the table read by hand


def usable(case: Case, row: int, test: Any) -> bool:
    return all(test(cells[row]) for cells in case.images.values())


def pixels(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        made = image.convert("L" if shape[0] == 1 else "RGB")
        if made.size != (shape[2], shape[1]):
            made = made.resize((shape[2], shape[1]), Image.Resampling.BILINEAR)
        values = np.asarray(made)
    return values[None] if shape[0] == 1 else values.transpose(2, 0, 1)


def by_hand(
    case: Case, found: list[int], rows: list[int], seen: list[int], inputs: set[str]
) -> dict[int, list[np.ndarray]]:
    """Each row of ``rows`` as the model should get it.

    Colour and size are those of the images that are there, in ``found``; statistics are over ``rows``, of pixels over
    those that can be read, ``seen``.
    """
    opened = [c.data for cells in case.images.values() for i, c in enumerate(cells) if i in found and c.header]
    headers = [Image.open(io.BytesIO(data)) for data in opened if data is not None]
    channels = 1 if all(h.mode == "L" for h in headers) else 3
    width, height = (case.size, case.size) if case.size else headers[0].size
    shape = (channels, height, width)
    made = {
        (name, i): pixels(cells[i].data or b"", shape)
        for name, cells in case.images.items()
        for i in rows
        if cells[i].whole
    }
    every = np.stack([made[name, i] for name in case.images for i in seen]) / 255
    mean, std = every.mean((0, 2, 3)).reshape(-1, 1, 1), every.std((0, 2, 3)).reshape(-1, 1, 1)
    std[std == 0] = 1
    scaled, flags = [], []
    for name, column in case.numbers.items():
        if name not in inputs:
            continue
        values = np.array([np.nan if column[i] is None else column[i] for i in rows], dtype=float)
        there = values[~np.isnan(values)]
        spread = there.std() if len(there) and there.std() > 0 else 1.0
        centre = there.mean() if len(there) else 0.0
        scaled.append(np.where(np.isnan(values), 0, (values - centre) / spread))
        if np.isnan(values).any():
            flags.append(np.isnan(values).astype(float))
    codes = []
    for name, words in case.categories.items():
        if name in inputs:
            known = sorted({words[i] for i in rows} - {None})  # type: ignore[type-var]
            codes.append([known.index(words[i]) + 1 if words[i] is not None else 0 for i in rows])
    out: dict[int, list[np.ndarray]] = {}
    for at, i in enumerate(rows):
        parts = [(made[n, i] / 255 - mean) / std if (n, i) in made else np.array(0) for n in case.images]
        if scaled:
            parts.append(np.array([v[at] for v in (*scaled, *flags)]))
        if codes:
            parts.append(np.array([c[at] for c in codes]))
        out[i] = [*parts, _target(case, i, rows)]
    return out


def _target(case: Case, row: int, rows: list[int]) -> np.ndarray:
    value = case.labels[row]
    if isinstance(value, str):
        return np.array(sorted(set(case.labels)).index(value))  # type: ignore[type-var]
    every = np.array([case.labels[i] for i in rows], dtype=float)
    return np.array((value - every.mean()) / (every.std() if len(rows) > 1 and every.std() > 0 else 1.0))


def load(source: Any, case: Case, **settings: Any) -> Any:
    """The table for all three parts, so that no row is split off."""
    given = make_settings({"bad_limit": 1.0, "size": case.size, **settings})
    return load_data(source, source, source, given, layout="columns", own_model=False)


# ---- the two beside one another


@hypothesis_settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(cases(), st.sampled_from(["auto", "off"]))
def test_every_sample_is_what_pillow_and_numpy_make_of_its_row(case: Case, cache: str) -> None:
    with tempfile.TemporaryDirectory() as made:
        source = write(case, Path(made))
        n = len(case.labels)
        found = [i for i in range(n) if usable(case, i, lambda c: c.data is not None)]
        needed = (lambda c: c.header) if cache == "off" else (lambda c: c.whole)
        rows = [i for i in found if usable(case, i, needed)]
        seen = [i for i in rows if usable(case, i, lambda c: c.whole)]
        if len(rows) < n:
            with pytest.raises(DanluError) as caught:
                load(source, case, cache=cache)
            first = next(i for i in range(n) if i not in (found if len(found) < n else rows))
            assert caught.value.code == ("DL131" if len(found) < n else "DL132")
            assert caught.value.where.split(", ")[0] == row_name(case, first, source)
        data = load(source, case, cache=cache, on_bad="skip")
        bad = sorted({b.where for b in data.bad})
        assert bad == sorted(row_name(case, i, source) for i in range(n) if i not in rows)
        inputs = {f.name for f in data.schema.inputs}
        assert set(case.images) <= inputs
        expected = by_hand(case, found, rows, seen, inputs)
        for part in (data.train, data.val, data.test):
            assert isinstance(part, PictureRows if cache == "off" else Columns)
            assert [part.name(k) for k in range(len(part))] == [row_name(case, i, source) for i in rows]
            for k, i in enumerate(rows):
                if i not in seen:
                    with pytest.raises(DanluError) as caught:
                        part[k]
                    assert caught.value.code == "DL156" and row_name(case, i, source) in caught.value.where
                    continue
                for ours, theirs in zip(part[k], expected[i], strict=True):
                    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=2e-5)
        _answers(case, source, data, {i: expected[i] for i in seen})


def _answers(case: Case, source: Any, data: Any, expected: dict[int, list[np.ndarray]]) -> None:
    """The same rows given to predict, without their labels' being looked at."""
    batches = list(raw_batches(data.schema, source if not isinstance(source, Path) else str(source), batch_size=3))
    keys = [key for b in batches for key in b.keys]
    assert keys == [row_name(case, i, source) for i in expected]
    assert len({b.where for raw in batches for b in raw.bad}) == len(case.labels) - len(expected)
    for at, parts in enumerate(zip(*(torch.cat(t) for t in zip(*(b.tensors for b in batches if b.tensors))))):
        for ours, theirs in zip(parts, list(expected.values())[at][:-1], strict=True):
            np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-4, atol=2e-5)
