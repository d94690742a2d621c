"""Arrays made without pandas are those that pyarrow makes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from danlu.data import arrow


@pytest.mark.parametrize(
    "values",
    [[], [""], ["a", "", "名字", "\x00"], ["a", None, "", None, "b"], [None], ["x" * 300, None] * 9, ("t", "u")],
    ids=len,
)
def test_texts_are_pyarrows(values: list[str | None]) -> None:
    made = arrow.texts(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.string())) and made.null_count == list(values).count(None)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("count", [0, 1, 9])
def test_numbers_are_pyarrows(kind: type, count: int) -> None:
    values = np.arange(2 * count).astype(kind)[::2]
    made = arrow.numbers(values)
    made.validate(full=True)
    assert made.equals(pa.array(values)) and made.type == pa.array(values).type


def test_nan_stays_a_number() -> None:
    made = arrow.numbers(np.array([1.0, np.nan]))
    assert made.null_count == 0 and np.isnan(made[1].as_py())


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1001])
def test_flags_are_pyarrows(count: int) -> None:
    values = np.random.default_rng(count).random(count) < 0.5
    made = arrow.flags(values)
    made.validate(full=True)
    assert made.equals(pa.array(values, pa.bool_()))


@pytest.mark.parametrize("value", ["", "x", True, False])
def test_one_value_is_pyarrows_scalar(value: str | bool) -> None:
    assert arrow.one(value).equals(pa.scalar(value))
    assert arrow.count(-1).equals(pa.scalar(-1, pa.int32())) and arrow.NO_TEXT.equals(pa.scalar(None, pa.string()))


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.int32(), pa.uint8(), pa.int64()], ids=str)
@pytest.mark.parametrize("cells", [[], [1, 2, 3], [1, None, 3], [None] * 9], ids=str)
def test_values_are_pyarrows(kind: pa.DataType, cells: list[int | None]) -> None:
    whole = pa.array(cells, kind)
    for column in (whole, whole[1:], pa.concat_arrays([whole, whole])[2:]):
        truth = column.to_numpy(zero_copy_only=False)
        np.testing.assert_array_equal(arrow.values(column), truth)
        assert arrow.values(column).dtype == truth.dtype


@pytest.mark.parametrize("start", [0, 1, 7, 8, 9])
def test_conditions_are_pyarrows(start: int) -> None:
    flags = pa.array([bool(k % 3) for k in range(21)])[start:]
    assert arrow.values(flags).tolist() == flags.to_pylist() and arrow.values(flags).dtype == bool
