"""What columns are taken for, with the reason; which is the target, and what task it poses."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from danlu.data.cells import MISSING, looks_numeric, sort_classes, to_days, to_labels, to_numbers
from danlu.data.infer import infer
from danlu.data.profile import profile
from danlu.data.table import read_table
from danlu.data.table_task import DATE
from danlu.errors import DanluError
from danlu.messages import ERRORS, SAYINGS, set_language
from danlu.messages.tables import ERRORS as TABLE_ERRORS
from danlu.messages.tables import SAYINGS as TABLE_SAYINGS
from danlu.settings import Settings
from danlu.types import Field

Fields = Callable[..., dict[str, Field]]


def fields(columns: dict[str, Any], **settings: Any) -> dict[str, Field]:
    found, _, _ = infer(read_table(columns, Settings()), Settings(**settings))
    return {f.name: f for f in found}


def role(column: list[Any], name: str = "v") -> tuple[str, str]:
    """Kind and role of one input column beside a number and a target."""
    n = len(column)
    found = fields({"w": [float(i % 7) / 3 for i in range(n)], name: column, "label": ["a", "b"] * (n // 2)})
    return found[name].kind, found[name].role


def task(column: list[Any], **settings: Any) -> str:
    x = [float(i % 7) / 3 for i in range(len(column))]
    return infer(read_table({"x": x, "y": column}, Settings()), Settings(**settings))[1]


def fault(code: str, columns: dict[str, Any], **settings: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        infer(read_table(columns, Settings()), Settings(**settings))
    assert caught.value.code == code, str(caught.value)
    return caught.value


# ---- cells


def as_python(cell: str) -> float | None:
    """The independent truth: what Python makes of a cell; None where it is no number."""
    bare = cell.strip()
    if bare.lower() in MISSING:
        return float("nan")
    try:
        value = float(bare)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else float("nan")


NUMERIC = st.one_of(
    st.sampled_from(
        ["1", "-2.5", "+3", " 4 ", "1e5", "1E-3", ".5", "5.", "inf", "-Infinity", "1e999", *MISSING, "NaN", "NA"]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers().map(str),
)
OTHER = st.sampled_from(["x", "1,5", "0x1f", "1 2", "--1", "1e", ".", "e5", "１", "中", "infinit", "true"])


@examples(max_examples=300, deadline=None)
@given(st.lists(st.one_of(NUMERIC, NUMERIC, OTHER), min_size=1, max_size=12))
def test_numbers_as_python_reads_them(column: list[str]) -> None:
    if any("１" in c for c in column):
        column = [c for c in column if "１" not in c] or ["1"]  # Python takes full-width digits, other tools do not
    values, wrong = to_numbers(pa.array(column))
    truth = [as_python(c) for c in column]
    assert wrong.tolist() == [t is None for t in truth]
    np.testing.assert_array_equal(values, [float("nan") if t is None else t for t in truth])


def test_full_width_digits_are_text() -> None:
    assert to_numbers(pa.array(["１"]))[1].tolist() == [True]


@pytest.mark.parametrize(("cells", "numeric"), [
    (["1", "2", "NA"], True), (["007", "100"], False), (["0", "0.5", "-0.25"], True), (["-01", "2"], False),
    (["", "?"], False), (["1", "a"], False), (["1"] * 500 + ["a"], False), (["1"] * 500 + ["?"], True),
])  # fmt: skip
def test_a_column_is_a_number_only_if_every_cell_is(cells: list[str], numeric: bool) -> None:
    assert looks_numeric(pa.array(cells)) is numeric


@examples(max_examples=200, deadline=None)
@given(
    st.lists(st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)), min_size=1), st.integers(0, 4)
)
def test_dates_as_python_reads_them(when: list[datetime.datetime], form: int) -> None:
    zone = datetime.timezone(datetime.timedelta(hours=8))
    forms: list[Callable[[datetime.datetime], str]] = [
        lambda d: d.date().isoformat(),
        lambda d: d.isoformat(),
        lambda d: d.isoformat(" ", "minutes"),
        lambda d: d.replace(microsecond=0).isoformat() + "Z",
        lambda d: d.replace(tzinfo=zone).isoformat(),
    ]
    cells = [forms[form](d) for d in when]
    days, wrong = to_days(pa.array([*cells, "", "2024-02-30", "5"]))
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    parsed = [datetime.datetime.fromisoformat(c) for c in cells]
    parsed = [d if d.tzinfo else d.replace(tzinfo=datetime.UTC) for d in parsed]
    truth = [(d - epoch) / datetime.timedelta(days=1) for d in parsed]
    np.testing.assert_allclose(days[: len(cells)], truth, rtol=0, atol=1e-9)
    assert wrong.tolist() == [False] * len(cells) + [False, True, True]


def test_class_names_of_numbers_do_not_depend_on_the_writer() -> None:
    for column in (["1", "1.0", "0", None], [1, 1, 0, None], [1.0, 1.0, 0.0, None]):
        assert to_labels(pa.array(column), True).to_pylist() == ["1", "1", "0", None]
    assert to_labels(pa.array([0.5, 2.0, 1e20]), True).to_pylist() == ["0.5", "2", "1e+20"]
    assert to_labels(pa.array([True, None]), False).to_pylist() == ["True", None]


def test_class_order() -> None:
    assert sort_classes(["10", "9", "-1"]) == ("-1", "9", "10")
    assert sort_classes(["b", "10", "a", "9"]) == ("10", "9", "a", "b")
    assert sort_classes(["01", "2", "10"]) == ("01", "10", "2")


# ---- kinds and roles


@pytest.mark.parametrize(("column", "name", "expected"), [
    ([1.5, 2.5] * 10, "v", ("number", "input")),
    (["1", "2", "?", "NA"] * 5, "v", ("number", "input")),
    (["007", "100"] * 10, "v", ("category", "input")),
    (["red", "green"] * 10, "v", ("category", "input")),
    ([True, False] * 10, "v", ("category", "input")),
    (["2024-01-02", "2023-05-06", ""] * 4, "v", ("number", "input")),
    (list(range(20)), "id", ("number", "id")),
    ([3, 1, 9, 7] * 1 + [40, 50, 66, 77], "user_id", ("number", "id")),
    ([f"u{i}x" for i in range(20)], "uid", ("text", "id")),
    ([1, 2, 1, 2] * 5, "userId", ("category", "input")),
    (list(range(100, 120)), "v", ("number", "input")),
    ([1, 2, 3, 4] * 5, "paid", ("number", "input")),
    ([1, 2, 3, 4] * 5, "用户id", ("category", "input")),
    (list(range(40, 0, -2)), "序号", ("number", "id")),
    (["same"] * 20, "v", ("text", "ignored")),
    ([5] * 20, "v", ("number", "ignored")),
    ([None] * 20, "v", ("text", "ignored")),
    ([f"a review with words number {i}" for i in range(20)], "v", ("text", "ignored")),
    (["x" * 60, "y" * 60] * 10, "v", ("text", "ignored")),
    ([f"code{i}" for i in range(20)], "v", ("text", "ignored")),
    ([[1, 2], [3, 4]] * 10, "v", ("multilabel", "ignored")),
    ([{"a": 1}, {"a": 2}] * 10, "v", ("text", "ignored")),
])  # fmt: skip
def test_kinds_and_roles(column: list[Any], name: str, expected: tuple[str, str]) -> None:
    assert role(column, name) == expected


def test_the_first_column_counting_up_is_an_id() -> None:
    found = fields({"v": list(range(20)), "w": [0.1, 0.2] * 10, "y": ["a", "b"] * 10})
    assert found["v"].role == "id" and found["w"].role == "input"


def test_counting_up_is_an_input_when_there_is_nothing_else() -> None:
    assert fields({"x": list(range(20)), "y": [i * 2.5 for i in range(20)]})["x"].role == "input"
    fault("DL118", {"id": list(range(20)), "y": [i * 2.5 for i in range(20)]})


def test_dates_are_marked_and_said() -> None:
    columns = {"d": ["2024-01-02", "2024-01-03"] * 5, "y": ["a", "b"] * 5}
    found, _, choices = infer(read_table(columns, Settings()), Settings())
    assert found[0].dtype == DATE and any(c.what == "column d" and "1970-01-01" in c.why for c in choices)
    typed = {"d": [datetime.date(2024, 1, 2), datetime.date(2024, 1, 3)] * 5, "y": ["a", "b"] * 5}
    assert fields(typed)["d"].dtype == DATE


def test_every_column_has_a_reason_and_every_left_out_one_is_said() -> None:
    columns = {"id": list(range(20)), "c": ["k"] * 20, "x": [1.5, 2.0] * 10, "y": ["a", "b"] * 10}
    found, _, choices = infer(read_table(columns, Settings(ignore="c")), Settings())
    assert all(f.why for f in found)
    said = " ".join(c.value for c in choices if c.what == "left out")
    assert "id" in said and "c" in said


def test_ignored_on_request() -> None:
    columns = {"a": [1.5, 2.0] * 9, "b": [2.5, 1.0] * 9, "c": ["k", "l"] * 9, "y": [0, 1] * 9}
    found = fields(columns, ignore="a, c")
    assert [n for n, f in found.items() if f.role == "ignored"] == ["a", "c"]
    assert fault("DL110", columns, ignore="aa").facts["flag"] == "--ignore"


# ---- target


@pytest.mark.parametrize("name", ["target", "Label", "labels", "class", "y", "标签", "类别", "目标"])
def test_targets_by_name(name: str) -> None:
    assert fields({"a": [1.5, 2.0] * 9, name: ["k", "l"] * 9, "b": [2.5, 1.0] * 9})[name].role == "target"


def test_the_only_candidate_is_the_target() -> None:
    review = [f"a long enough review of something {i}" for i in range(40)]
    error = fault("DL118", {"review": review, "sentiment": ["good", "bad"] * 20})
    assert "review" in error.why
    assert profile(pa.array(review)).kind == "text"


def test_no_or_several_candidates_are_listed() -> None:
    error = fault("DL111", {"a": [1.5, 2.0] * 9, "b": [2.5, 1.0] * 9})
    assert "a (1.5" in error.why and "b (2.5" in error.why
    assert fault("DL111", {"a": [1.5, 2.0] * 9, "label": [0, 1] * 9, "class": [1, 0] * 9}).facts["last"] == "class"


def test_unknown_target_has_a_nearest_name() -> None:
    error = fault("DL110", {"price": [1.5, 2.0] * 9, "b": [2.5, 1.0] * 9}, target="prise")
    assert error.fix == "--target 'price'" and "price" in error.why


def test_headerless_targets_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1.5,2,a\n2.5,3,b\n3.5,2,a\n9.5,5,b\n")
    table = read_table(path, Settings())
    for name in ("column3", "3", "-1"):
        found, found_task, _ = infer(table, Settings(target=name))
        assert found[2].role == "target" and found_task == "classification"
    with pytest.raises(DanluError, match="DL110"):
        infer(table, Settings(target="4"))


# ---- task


@pytest.mark.parametrize(("column", "expected"), [
    (["a", "b", "c"] * 8, "classification"),
    ([True, False] * 12, "classification"),
    ([0, 1, 2] * 8, "classification"),
    (["0", "1", ""] * 8, "classification"),
    ([0.0, 1.0] * 12, "classification"),
    ([0.5, 1.5, 2.5] * 8, "regression"),
    (list(range(24)), "regression"),
    ([i * 1.5 for i in range(24)], "regression"),
    (["a|b", "b", "a", "a|c", "c|b", "a"] * 4, "multilabel"),
    (["a;b", "b", "a", "a; c", "c;b", "a"] * 4, "multilabel"),
    ([["a", "b"], ["c"], []] * 8, "multilabel"),
    (["2024-01-01", "2024-02-03", "2024-05-05"] * 8, "regression"),
])  # fmt: skip
def test_task_by_the_target(column: list[Any], expected: str) -> None:
    assert task(column) == expected


def test_task_on_request() -> None:
    assert task([0, 1, 2] * 8, task="regression") == "regression"
    assert task([0.5, 1.5] * 12, task="classification") == "classification"
    assert task(["a,b", "b", "a", "c"] * 6, task="multilabel") == "multilabel"
    assert task([0.5, 1.5] * 12, task="custom") == "custom"
    fault("DL114", {"x": [1.5, 2.0] * 9, "y": ["a", "b"] * 9}, task="regression")


def test_many_classes_under_a_target_name() -> None:
    columns = {"x": [0.1 * (i % 9) for i in range(770)], "label": [i % 77 for i in range(770)]}
    found, found_task, _ = infer(read_table(columns, Settings()), Settings())
    assert found_task == "classification" and found[1].classes == tuple(str(i) for i in range(77))


def test_several_targets() -> None:
    columns = {
        "x": [0.1, 0.2, 0.3] * 6,
        "a": [1.5, 2.0, 3.0] * 6,
        "b": [0, 1, 1] * 6,
        "c": [1, 0, 1] * 6,
        "d": ["u", "v", "w"] * 6,
    }
    table = read_table(columns, Settings())
    assert infer(table, Settings(target="a,b"))[1] == "regression"
    found, found_task, _ = infer(table, Settings(target=["b", "c"]))
    assert found_task == "multilabel" and [f.classes for f in found if f.role == "target"] == [("b", "c")] * 2
    assert infer(table, Settings(target="b,c", task="regression"))[1] == "regression"
    assert fault("DL113", columns, target="a,d", task="regression").facts["columns"] == "a, d"


def test_targets_that_cannot_be_learnt() -> None:
    x = [0.1, 0.2] * 15
    assert "'k'" in fault("DL116", {"x": x, "y": ["k"] * 30}).why
    fault("DL116", {"x": x, "y": [3] * 30})
    fault("DL115", {"x": x, "y": [None] * 30})
    fault("DL114", {"x": x, "y": [f"text {i}" for i in range(30)]})
    fault("DL114", {"x": x, "y": [{"a": 1}] * 30}, target="y")


@pytest.mark.parametrize("task", [None, "regression"])
def test_a_few_labels_that_are_no_numbers_are_named(task: Any) -> None:
    """Not "does not fit classification": nobody asked for one."""
    y = [f"{i}.5" for i in range(40)]
    y[17], y[30] = "oops", "1,5"
    error = fault("DL128", {"x": [0.1, 0.2] * 20, "y": y}, target="y", task=task)
    assert error.where.endswith("row 17") and "'oops'" in error.what and "do not: 2" in error.why


def test_other_targets_that_cannot_be_learnt() -> None:
    x = [0.1, 0.2] * 15
    fault("DL116", {"x": x, "y": [["a"]] * 30})


# ---- texts


def test_every_text_speaks_both_languages() -> None:
    for key, both in TABLE_SAYINGS.items():
        assert all(both) and SAYINGS[key] == both, key
        assert any("一" <= c <= "鿿" for c in both[1]), key
    for code, parts in TABLE_ERRORS.items():
        assert ERRORS[code] == parts and 100 <= int(code[2:]) <= 149
        for en, zh in parts:
            assert bool(en) == bool(zh), code


def test_reasons_in_chinese() -> None:
    set_language("zh")
    _, _, choices = infer(read_table({"x": [1.5, 2.0] * 9, "y": ["a", "b"] * 9}, Settings()), Settings())
    assert choices[0].why == "是常见的目标列名"


# ---- real files


def test_real_tables(danlu_data: Path) -> None:
    table = read_table(danlu_data / "tabular_adult" / "adult.data", Settings())
    found, found_task, _ = infer(table, Settings(target="column15"))
    assert found_task == "classification" and found[14].classes == ("<=50K", ">50K")
    assert [f.name for f in found if f.kind == "number"] == [f"column{i}" for i in (1, 3, 5, 11, 12, 13)]
    table = read_table(danlu_data / "tabular_california" / "housing.csv", Settings())
    found, found_task, choices = infer(table, Settings(target="median_house_value"))
    assert found_task == "regression" and [f.name for f in found if f.kind == "category"] == ["ocean_proximity"]
    assert any("total_bedrooms" in c.why for c in choices)
    table = read_table(danlu_data / "rec_movielens_small" / "ratings.csv", Settings())
    found, found_task, _ = infer(table, Settings(target="rating"))
    assert found_task == "regression" and [f.kind for f in found] == ["category", "category", "number", "number"]


def said(columns: dict[str, Any]) -> dict[str, str]:
    return {c.what: c.why for c in infer(read_table(columns, Settings()), Settings())[2]}


def test_a_column_that_is_nearly_numbers_names_the_cells_that_keep_it_from_being() -> None:
    n = 60
    base = {"w": [float(i % 7) / 3 for i in range(n)], "label": ["a", "b"] * (n // 2)}
    cells = [f"{i / 7:.3f}" for i in range(n)]
    why = said(base | {"v": [*cells[:40], "abc", *cells[41:]]})["column v"]
    assert "1 of 60 cells" in why
    assert "'abc'" in why
    assert "row 40" in why
    assert "column v" not in said(base | {"v": cells})
    assert "column v" not in said(base | {"v": ["red", "green", "12"] * (n // 3)})  # codes, not numbers with a slip
    assert "(0,14)" in said(base | {"v": [f"{i},{i + 14}" for i in range(n)]})["column v"]


def test_decimal_commas_everywhere_are_told_and_cost_no_header(tmp_path: Path) -> None:
    path = tmp_path / "eu.csv"
    path.write_text("width;price\n" + "".join(f"{i},{i % 9 + 1};{2 * i},5\n" for i in range(1, 60)))
    table = read_table(path, Settings())
    assert list(table.names) == ["width", "price"]
    for settings in (Settings(target="price"), Settings(target="price", task="regression")):
        with pytest.raises(DanluError, match="decimal commas") as caught:
            infer(table, settings)
        assert caught.value.code == "DL129"
        assert "decimal=','" in caught.value.fix
