"""Tables as objects: the same rows through pandas, polars, pyarrow and plain Python are the same columns."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from danlu.data import load_data
from danlu.data.kinds import is_table
from danlu.data.objects import from_object
from danlu.data.table import read_table
from danlu.data.typed import plain
from danlu.errors import DanluError
from danlu.settings import Settings

N = 60
COLUMNS = {"x": [i / 7 for i in range(N)], "colour": ["red", "blue"] * (N // 2), "label": ["u", "v", "v"] * (N // 3)}


def in_files() -> Any:
    pa.parquet.write_table(pa.table(COLUMNS), "rows.parquet")
    return pyarrow.dataset.dataset("rows.parquet")


class Capsule:
    """Any library's table that speaks Arrow's stream protocol, and nothing else."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.table(COLUMNS).__arrow_c_stream__(requested_schema)


FORMS: dict[str, Any] = {
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas with categories": lambda: pd.DataFrame(COLUMNS).astype({"colour": "category", "label": "category"}),
    "pandas with arrow": lambda: pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "polars lazy": lambda: pl.LazyFrame(COLUMNS),
    "polars categories": lambda: pl.DataFrame(COLUMNS).cast({"colour": pl.Categorical, "label": pl.Enum(["v", "u"])}),
    "arrow": lambda: pa.table(COLUMNS),
    "arrow batch": lambda: pa.record_batch(COLUMNS),
    "arrow reader": lambda: pa.table(COLUMNS).to_reader(),
    "arrow dataset": in_files,
    "arrow scanner": lambda: in_files().scanner(),
    "stream": Capsule,
    "rows": lambda: [dict(zip(COLUMNS, row)) for row in zip(*COLUMNS.values())],
    "columns": lambda: dict(COLUMNS),
    "columns of arrays": lambda: {k: np.array(v) for k, v in COLUMNS.items()},
    "columns of series": lambda: {k: pl.Series(v) for k, v in COLUMNS.items()},
    "columns with a tensor": lambda: COLUMNS | {"x": torch.tensor(COLUMNS["x"], dtype=torch.float64)},
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_rows_in_any_form(form: str) -> None:
    table = FORMS[form]()
    assert is_table(table)
    data = load_data(table, None, None, Settings(), layout="columns", own_model=False)
    expected = load_data(pd.DataFrame(COLUMNS), None, None, Settings(), layout="columns", own_model=False)
    assert data.schema.fields == expected.schema.fields
    for mine, theirs in zip(data.train.tensors, expected.train.tensors):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("form", ["pandas", "polars", "polars lazy", "arrow", "arrow reader", "arrow dataset", "rows"])
def test_a_table_and_its_labels_apart(form: str) -> None:
    inputs = {k: v for k, v in COLUMNS.items() if k != "label"}
    table: Any = {
        "pandas": lambda: pd.DataFrame(inputs),
        "polars": lambda: pl.DataFrame(inputs),
        "polars lazy": lambda: pl.LazyFrame(inputs),
        "arrow": lambda: pa.table(inputs),
        "arrow reader": lambda: pa.table(inputs).to_reader(),
        "arrow dataset": lambda: pyarrow.dataset.dataset(pa.table(inputs)),
        "rows": lambda: [dict(zip(inputs, row)) for row in zip(*inputs.values())],
    }[form]()
    data = load_data((table, COLUMNS["label"]), None, None, Settings(), layout="columns", own_model=False)
    assert (data.schema.targets[0].name, data.schema.classes) == ("target", ("u", "v"))
    with pytest.raises(DanluError, match="DL162"):
        short = pl.DataFrame(inputs)
        load_data((short, COLUMNS["label"][:-1]), None, None, Settings(), layout="columns", own_model=False)


def test_what_is_no_table() -> None:
    for value in (
        pl.Series([1]),
        pd.Series([1]),
        pd.Index([1]),
        pa.array([1]),
        pa.chunked_array([[1]]),
        [{"x": torch.zeros(2)}],
        [{"x": [0.5, 1.0]}, {"x": [2.0, 3.0]}],
        [{"x": {"y": 1}}],
        [{"x": 1}, (2, 3)],
        torch.utils.data.TensorDataset(torch.zeros(2)),
        {},
        [],
        "text",
    ):
        assert not is_table(value), value
    with pytest.raises(DanluError, match="DL127"):
        from_object(pl.Series([1]))


DAY = datetime.date(2024, 2, 29)
WHEN = datetime.datetime(2024, 2, 29, 12)


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pl.Series([decimal.Decimal("1.25"), None]), [1.25, None]),
        (pa.array([decimal.Decimal("1.25"), None]), [1.25, None]),
        (pl.Series([datetime.timedelta(hours=36), None]), [1.5, None]),
        (pd.Series([pd.Timedelta(hours=6), pd.NaT]), [0.25, None]),
        (pl.Series([datetime.time(6), datetime.time(18)]), [0.25, 0.75]),
        (pl.Series([DAY, None]), [DAY, None]),
        (pl.Series(["a", None, "a"], dtype=pl.Categorical), ["a", None, "a"]),
        (pl.Series(["a", "b"], dtype=pl.Enum(["b", "a"])), ["a", "b"]),
        (pl.Series([["a"], None, []], dtype=pl.List(pl.Categorical)), [["a"], None, []]),
        (pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int16, 2)), [[1, 2], [3, 4]]),
        (pa.array([[decimal.Decimal("0.5")], None], pa.large_list(pa.decimal128(4, 2))), [[0.5], None]),
        (pa.array([["a"], ["b"]]).slice(1), [["b"]]),
        (pd.Series([1, None], dtype="Int64"), [1, None]),
        (pd.Series(["x", None], dtype="string"), ["x", None]),
        (pd.Categorical([3, 1, None]), [3, 1, None]),
        (pa.nulls(2), [None, None]),
        (pa.array([np.float16(1.5), None], pa.float16()), [1.5, None]),
        ([1, "?", None], ["1", "?", None]),
        ([["a"], "b", None], [["a"], ["b"], None]),
        ([("a", "b"), ()], [["a", "b"], []]),
        ([{"b", "a"}, set()], [["a", "b"], []]),
        ([np.float32(1), None], [1.0, None]),
    ],
)
def test_types_become_the_few_that_tables_know(column: Any, expected: list[Any]) -> None:
    assert plain(from_object({"c": column})).column("c").to_pylist() == expected


def test_nan_and_null_are_both_missing() -> None:
    from danlu.data.cells import to_numbers

    for column in (pl.Series([1.0, math.nan, None]), pa.array([1.0, math.nan, None]), [1.0, math.nan, None]):
        values, wrong = to_numbers(read_table({"c": column}, Settings()).columns.column("c").combine_chunks())
        assert values[0] == 1.0 and np.isnan(values[1:]).all() and not wrong.any()


CELLS = st.one_of(
    st.none(), st.integers(-(2**40), 2**40), st.floats(allow_nan=False), st.booleans(), st.text(max_size=4)
)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(st.none(), st.lists(st.sampled_from("abc"), max_size=3)), min_size=1, max_size=9))
def test_lists_survive_arrow_and_polars(rows: list[list[str] | None]) -> None:
    for made in (pa.array(rows, pa.large_list(pa.string())), pl.Series(rows, dtype=pl.List(pl.Categorical))):
        assert plain(from_object({"c": made})).column("c").to_pylist() == rows


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=8))
def test_rows_keep_every_cell(rows: list[tuple[Any, Any]]) -> None:
    table = from_object([{"a": a, "b": b} for a, b in rows])
    for i, name in enumerate("ab"):
        given_cells = [row[i] for row in rows]
        found = table.column(name).to_pylist()
        assert [v is None for v in found] == [v is None for v in given_cells]
        same_kind = len({type(v) for v in given_cells if v is not None}) <= 1
        expected = given_cells if same_kind else found
        assert found == expected


def test_rows_that_the_users_own_code_collates_are_samples() -> None:
    samples = [{"tokens": ["a", "b"][: 1 + i % 2], "label": i % 2} for i in range(40)]
    assert is_table(samples)

    def collate(batch: list[dict[str, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.tensor([[float(len(b["tokens"]))] for b in batch]), torch.tensor([b["label"] for b in batch])

    loader = torch.utils.data.DataLoader(samples, 8, collate_fn=collate)  # type: ignore[arg-type]
    data = load_data(loader, None, None, Settings(), layout="columns", own_model=True)
    assert (data.schema.origin, data.schema.inputs[0].shape) == ("dataset", (1,))
