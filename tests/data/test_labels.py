"""Lists of labels: what counts as one, and the 0 and 1 they become, against scikit-learn's MultiLabelBinarizer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MultiLabelBinarizer

import danlu
from danlu.data import load_data
from danlu.data.labels import as_lists, in_order, indicators, is_labels
from danlu.errors import DanluError
from danlu.settings import Settings

NAMES = ("cat", "dog", "鸟")


def rows(n: int = 120) -> tuple[np.ndarray, list[list[str]]]:
    x = np.random.default_rng(0).normal(size=(n, 3)).astype(np.float32)
    return x, [[name for name, value in zip(NAMES, row) if value > 0] for row in x]


def opened(data: Any, *, own: bool = False, test: Any = None, **settings: Any) -> Any:
    return load_data(data, test, None, Settings(**settings), layout="matrix", own_model=own)


def refused(data: Any, **arguments: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        opened(data, **arguments)
    return caught.value


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(st.sampled_from(["a", "b", "10", "9", "标签"]), unique=True), min_size=1))
def test_indicators_are_those_of_scikit_learn(lists: list[list[str]]) -> None:
    classes = in_order({name for row in lists for name in row})
    found = indicators(as_lists(lists), classes)
    expected = MultiLabelBinarizer(classes=list(classes)).fit_transform(lists) if classes else np.zeros((len(lists), 0))
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["a", "b"], ["b"], []], True),
        ([("a",), ("b",)], True),
        ([{"a"}, set()], True),
        ([[0, 3], [1], []], True),
        ([None, [2], [1, 2]], True),
        (pd.Series([["a"], []]), True),
        (pl.Series([["a"], []]), True),
        (pa.array([["a"], [], None]), True),
        ([[0, 1], [1, 0]], False),  # a matrix
        ([[0.5], [0.25, 1.0]], False),
        (["a", "b"], False),
        ([1, 2], False),
        ([[], []], False),
        ([[[1, 2]], [[3]]], False),
        (np.zeros((3, 2)), False),
        (torch.zeros(3, 2), False),
        ("ab", False),
        (5, False),
        ([True, False], False),
    ],
)
def test_what_a_list_of_labels_is(values: Any, expected: bool) -> None:
    assert is_labels(values) is expected


def forms(y: list[list[str]]) -> list[Any]:
    return [
        y,
        [tuple(r) for r in y],
        [set(r) for r in y],
        pd.Series(y),
        pl.Series(y, dtype=pl.List(pl.String)),
        pa.array(y),
        np.array([np.array(r, dtype=object) for r in y], dtype=object),
    ]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("form", range(7))
def test_any_form_gives_the_same_columns(own: bool, form: int) -> None:
    x, y = rows()
    data = opened((x, forms(y)[form]), own=own)
    assert data.schema.task == "multilabel"
    assert data.schema.classes == in_order(NAMES)
    expected = MultiLabelBinarizer(classes=list(in_order(NAMES))).fit_transform(y)
    whole = data.train.tensors[-1]  # the rows of all parts; parts pick from them
    assert np.array_equal(whole.numpy(), expected)


def test_class_numbers_keep_their_places_for_a_users_own_model() -> None:
    x, _ = rows(60)
    y = [[4] if i % 2 else [0, 2] for i in range(60)]
    assert opened((x, y), own=True).schema.classes == ("0", "1", "2", "3", "4")
    assert opened((x, y)).schema.classes == ("0", "2", "4")


def test_class_numbers_in_lists_of_one_length_need_the_task() -> None:
    x, _ = rows(60)
    y = [[i % 3, 3 + i % 2] for i in range(60)]
    assert opened((x, y), own=True).schema.task == "custom"
    data = opened((x, y), task="multilabel")
    assert data.schema.classes == ("0", "1", "2", "3", "4")
    assert np.array_equal(data.train.tensors[-1].numpy(), MultiLabelBinarizer().fit_transform(y))


def test_a_matrix_of_zeros_and_ones_stays_one() -> None:
    x, y = rows()
    matrix = MultiLabelBinarizer(classes=list(NAMES)).fit_transform(y)
    for given_as in (matrix, matrix.tolist(), pd.Series(matrix.tolist()), pa.array(matrix.tolist())):
        data = opened((x, given_as))
        assert (data.schema.task, data.schema.classes) == ("multilabel", ("0", "1", "2"))
        assert np.array_equal(data.train.tensors[-1].numpy(), matrix)


def test_a_label_that_training_never_had_is_named_with_the_nearest() -> None:
    x, y = rows()
    error = refused((x, y), test=(x[:2], [["dgo"], ["cat"]]))
    assert (error.code, error.facts["name"]) == ("DL155", "dgo")
    assert "dog" in error.why


def test_a_test_part_with_one_label_a_row_is_read_as_lists_too() -> None:
    x, y = rows()
    data = opened((x, y), test=(x[:2], [["dog"], ["cat"]]))
    order = in_order(NAMES)
    assert data.test.tensors[-1].argmax(1).tolist() == [order.index("dog"), order.index("cat")]


def test_a_missing_list_is_a_row_without_label_and_an_empty_one_is_not() -> None:
    x, y = rows()
    assert [] in y
    error = refused((x, [None, *y[1:]]))
    assert (error.code, error.where) == ("DL164", "row 0")
    assert len(opened((x, [None, *y[1:]]), on_bad="skip", bad_limit=0.1).bad) == 1


def test_lists_of_labels_do_not_fit_another_task() -> None:
    x, y = rows()
    assert refused((x, y), task="classification").code == "DL142"
    error = refused((x, (x[:, 0] > 0).astype(int)), test=(x, y))
    assert error.code == "DL142"
    assert "cat" in error.why


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "rows", "columns", "pair"])
def test_the_table_door_reads_the_same_lists(form: str) -> None:
    x, y = rows()
    columns: dict[str, Any] = {"a": x[:, 0].tolist(), "b": x[:, 1].tolist()}
    table: Any = {
        "pandas": lambda: pd.DataFrame(columns | {"tags": y}),
        "polars": lambda: pl.DataFrame(columns | {"tags": y}),
        "arrow": lambda: pa.table(columns | {"tags": y}),
        "rows": lambda: [{"a": a, "b": b, "tags": t} for a, b, t in zip(columns["a"], columns["b"], y)],
        "columns": lambda: columns | {"tags": y},
        "pair": lambda: (pl.DataFrame(columns), y),
    }[form]()
    data = opened(table, target="target" if form == "pair" else "tags")
    assert (data.schema.task, data.schema.origin, data.schema.classes) == ("multilabel", "table", in_order(NAMES))
    expected = MultiLabelBinarizer(classes=list(in_order(NAMES))).fit_transform(y)
    assert np.array_equal(data.train.tensors[-1].numpy(), expected)


def test_json_lines_with_lists_of_labels_are_trained_tested_and_answered_by_name() -> None:
    import json
    from pathlib import Path

    x, y = rows(200)
    lines = [json.dumps({"a": float(a), "b": float(b), "c": float(c), "labels": t}) for (a, b, c), t in zip(x, y)]
    Path("rows.jsonl").write_text("\n".join(lines), "utf-8")
    run = danlu.train("rows.jsonl", epochs=8, lr=0.01, seed=0)
    assert run.metrics["test/macro_f1"] > 0.8
    assert run.predict({"a": 3.0, "b": -3.0, "c": 3.0})[0].label == ("cat", "鸟")
    assert run.test("rows.jsonl")["test/macro_f1"] > 0.8
