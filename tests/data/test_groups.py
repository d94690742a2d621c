"""Groups of rows: each value one, many numbers by their quartiles, arrays given in Python, folders below a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.columns import Columns
from danlu.data.groups import MOST, check_slice, grouped, groups_of
from danlu.errors import DanluError
from danlu.types import Field, Schema

SCHEMA = Schema((Field("x", "tensor", "input"),), "classification", "tensor", "arrays")


@given(st.lists(st.integers(-50, 50), min_size=30, max_size=200))
def test_many_numbers_are_cut_at_the_quartiles_of_pandas(numbers: list[int]) -> None:
    values = np.array(numbers, dtype=float)
    found = grouped("age", values)
    if len(set(numbers)) <= 10:
        assert [found.names[k] for k in found.of] == [f"{v}.0" if "." in found.names[0] else str(v) for v in numbers]
        return
    edges = sorted({float(np.quantile(values, q, method="inverted_cdf")) for q in (0.25, 0.5, 0.75)} - {values.max()})
    expected = pd.cut(values, [-np.inf, *edges, np.inf], labels=False)
    assert found.of.tolist() == expected.tolist() and found.cut


def test_values_are_groups_in_order_and_missing_ones_a_group_of_their_own() -> None:
    found = grouped("region", pa.array(["b", "a", None, "a", ""]))
    assert found.names == ("a", "b", "(none)") and found.of.tolist() == [1, 0, 2, 0, 2]
    assert grouped("n", pa.array(["10", "9", "10"])).names == ("9", "10")  # numbers in their own order


def test_of_many_values_the_rarest_are_together() -> None:
    cells = [f"v{k:02d}" for k in range(40) for _ in range(41 - k)]
    found = grouped("city", pa.array(cells))
    assert len(found.names) == MOST and found.names[-1] == "21 others together"
    counts = np.bincount(found.of)
    assert counts[-1] == sum(41 - k for k in range(19, 40)) and counts[:-1].tolist() == [41 - k for k in range(19)]


def test_dates_are_cut_as_dates() -> None:
    days = pa.array([f"2024-01-{d:02d}" for d in range(1, 21)])
    found = grouped("day", days)
    assert found.names[0] == "≤ 2024-01-05" and np.bincount(found.of).tolist() == [5, 5, 5, 5]


def test_an_array_has_a_value_for_each_row_or_for_each_row_before_the_split() -> None:
    part = Columns((torch.arange(6), torch.zeros(6)), index=torch.tensor([5, 0, 3]))
    of_part = groups_of({"camera": ["a", "b", "a"]}, part, SCHEMA, [0, 1, 2])[0]
    whole = groups_of({"camera": np.array(["p", "q", "q", "r", "q", "q"])}, part, SCHEMA, [2, 0])[0]
    assert [of_part.names[k] for k in of_part.of] == ["a", "b", "a"]
    assert [whole.names[k] for k in whole.of] == ["r", "q"]
    with pytest.raises(DanluError) as caught:
        check_slice({"camera": [1, 2]}, part, SCHEMA)
    assert caught.value.code == "DL361" and "2 values" in caught.value.what and "3 rows" in caught.value.what


def test_a_column_of_rows_that_are_no_table_is_refused_with_the_way_out() -> None:
    with pytest.raises(DanluError) as caught:
        check_slice("camera,light", Columns((torch.arange(3),)), SCHEMA)
    assert caught.value.code == "DL360" and "{'camera': values}" in caught.value.fix


def test_images_are_grouped_by_the_folders_below_their_class() -> None:
    paths = ["d/test/cat/a/1.png", "d/test/cat/2.png", "d/test/dog/b/c/3.png"]
    part = Columns((torch.arange(3),), names=lambda i: str(Path(paths[i])))
    target = Field("label", "category", "target", classes=("cat", "dog"))
    schema = Schema((Field("image", "image", "input"), target), "classification", "image", "images")
    found = groups_of("folder", part, schema, [0, 1, 2])[0]
    assert [found.names[k] for k in found.of] == ["a", ".", "b/c"]


def test_images_right_in_their_classes_folder_have_no_groups() -> None:
    part = Columns((torch.arange(2),), names=lambda i: ["d/test/cat/1.png", "d/test/dog/2.png"][i])
    target = Field("label", "category", "target", classes=("cat", "dog"))
    schema = Schema((Field("image", "image", "input"), target), "classification", "image", "images")
    with pytest.raises(DanluError) as caught:
        check_slice("folder", part, schema)
    assert caught.value.code == "DL360"
