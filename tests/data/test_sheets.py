"""Spreadsheets: every cell as openpyxl and pandas see it, rows under the sheet's own numbers."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import danlu
from danlu.cli import main
from danlu.data import load_data
from danlu.data.sheets import _letter
from danlu.data.table import read_table
from danlu.errors import DanluError
from danlu.settings import Settings

openpyxl = pytest.importorskip("openpyxl", reason="tests write workbooks with openpyxl")
pytest.importorskip("python_calamine", reason="the extra danlu[excel]")


def book(rows: Sequence[Sequence[Any]], name: str = "book.xlsx", *, at: tuple[int, int] = (1, 1), **more: Any) -> str:
    """A workbook whose first sheet, "Data", has ``rows`` from the cell ``at`` on; more sheets by name."""
    made = openpyxl.Workbook()
    sheet = made.active
    sheet.title = "Data"
    for r, row in enumerate(rows, at[0]):
        for c, value in enumerate(row, at[1]):
            if value is not None:
                sheet.cell(r, c, value)
                if isinstance(value, str) and value.startswith("#") and value[-1] in "!?AF":
                    sheet.cell(r, c).data_type = "e"
    for title, cells in more.items():
        other = made.create_sheet(title)
        for row in cells:
            other.append(row)
    made.save(name)
    return name


def opened(data: Any, **settings: Any) -> Any:
    return load_data(data, None, None, Settings(**settings), layout="columns", own_model=False)


def refused(data: Any, **settings: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        opened(data, **settings)
    assert str(caught.value).count("\n") < 8
    return caught.value


def said(source: Any, what: str) -> str:
    return next((c.value for c in read_table(source, Settings()).choices if c.what == what), "")


def classed(rows: int) -> list[list[Any]]:
    draw = np.random.default_rng(0)
    return [[float(x), "high" if x > 0 else "low"] for x in draw.normal(size=rows)]


CELL = st.one_of(
    st.none(),
    st.integers(-(2**50), 2**50),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(st.sampled_from("abé中 0-"), min_size=1, max_size=5).filter(lambda t: t.strip() != ""),
)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6))
def test_every_cell_is_what_openpyxl_reads(rows: list[list[Any]]) -> None:
    first = ["name", "other", "third"]
    path = book([first, *rows])
    kept = [r for r in rows if any(v is not None for v in r)]
    if not kept:
        with pytest.raises(DanluError, match="DL103"):
            read_table(path, Settings())
        return
    read = openpyxl.load_workbook(path)["Data"]
    filled = [i for i, name in enumerate(first)]
    table = read_table(path, Settings(), header=True)
    assert table.names == tuple(first)
    for row in range(len(table)):
        line = int(table.lines[row])
        for c in filled:
            cell, found = read.cell(line, c + 1).value, table.columns.column(c)[row].as_py()
            if cell is None:
                assert found == ""
            elif isinstance(cell, str):
                assert found == cell.strip()
            else:
                assert float(found) == float(cell)


def test_a_column_of_numbers_and_dates_is_what_pandas_reads(workdir: Path) -> None:
    when = [datetime.datetime(2024, 1, 31) + datetime.timedelta(days=i, hours=6 * (i % 2)) for i in range(60)]
    draw = np.random.default_rng(0)
    rows = [[i / 7, bool(i % 3), w, draw.choice(["u", "v"])] for i, w in enumerate(when)]
    path = book([["price", "sold", "when", "label"], *rows])
    data = opened(path)
    kinds = {f.name: f.kind for f in data.schema.fields}
    assert kinds == {"price": "number", "sold": "category", "when": "number", "label": "category"}
    frame = pd.read_excel(path, engine="openpyxl")
    from danlu.data.cells import to_days, to_numbers

    table = read_table(path, Settings())
    assert np.array_equal(to_numbers(table.columns.column("price").combine_chunks())[0], frame["price"].to_numpy())
    days = (frame["when"] - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)
    assert np.allclose(to_days(table.columns.column("when").combine_chunks())[0], days.to_numpy(), atol=1e-9)


def test_numbers_stored_as_text_and_codes(workdir: Path) -> None:
    rows = [[str(i) if i % 2 else i + 0.5, f"{i % 3:03d}", 0.05 * i, "uv"[i % 2]] for i in range(60)]
    path = book([["n", "code", "percent", "label"], *rows])
    fields = {f.name: f for f in opened(path).schema.fields}
    assert fields["n"].kind == "number"
    assert fields["code"].classes == ("000", "001", "002")
    assert abs(fields["percent"].mean[0] - 0.05 * 29.5) < 0.4


def test_a_table_that_does_not_begin_at_the_top_left(workdir: Path) -> None:
    rows = [["x", "label"], *classed(40)]
    path = book([["Measured in spring"], [], *rows[:21], [], *rows[21:]], at=(3, 4))
    table = read_table(path, Settings())
    assert table.names == ("x", "label")
    assert len(table) == 40
    # title in row 3, header in row 5, an empty row after 20 rows
    assert table.lines.tolist() == [*range(6, 26), *range(27, 47)]
    assert [table.name(0), table.name(39)] == ["book.xlsx:6", "book.xlsx:46"]
    assert said(path, "title") == "Measured in spring"
    assert said(path, "empty rows") == "1"


def test_cells_merged_over_rows_count_for_each(workdir: Path) -> None:
    path = book([["site", "x", "label"], *([None, *row] for row in classed(40))])
    made = openpyxl.load_workbook(path)
    sheet = made["Data"]
    for first, last, name in ((2, 21, "north"), (22, 41, "south")):
        sheet.cell(first, 1, name)
        sheet.merge_cells(start_row=first, end_row=last, start_column=1, end_column=1)
    made.save(path)
    assert read_table(path, Settings()).columns.column("site").to_pylist() == ["north"] * 20 + ["south"] * 20
    assert "2" in next(c.why for c in read_table(path, Settings()).choices if c.what == "merged cells")


def test_a_sheet_without_a_header(workdir: Path) -> None:
    path = book(classed(40))
    table = read_table(path, Settings())
    assert (table.named, table.names, len(table)) == (False, ("column1", "column2"), 40)


# ---- sheets


def test_the_first_sheet_with_cells_is_read_and_the_others_are_said(workdir: Path) -> None:
    rows = [["x", "label"], *classed(40)]
    path = book([], Empty=[], Second=rows, Third=[["a"], [1]])
    choice = next(c for c in read_table(path, Settings()).choices if c.what == "sheet")
    assert choice.value == "Second"
    assert "Third" in choice.why and "book.xlsx:Third" in choice.why
    only = book(rows, "one.xlsx")
    assert said(only, "sheet") == ""


def test_hidden_sheets_are_not_the_first(workdir: Path) -> None:
    path = book([["x"], [1]], Seen=[["y"], [2]])
    made = openpyxl.load_workbook(path)
    made["Data"].sheet_state = "hidden"
    made.active = 1
    made.save(path)
    assert read_table(path, Settings()).names == ("y",)
    assert read_table("book.xlsx:Data", Settings()).names == ("x",)


def test_a_sheet_is_named_and_a_wrong_name_says_the_nearest(workdir: Path) -> None:
    book([["x"], [1]], **{"销售 2024": [["x", "label"], *classed(40)]})
    assert opened("book.xlsx:销售 2024").train.name(0).startswith("book.xlsx:销售 2024:")
    assert read_table("book.xlsx:data", Settings()).names == ("x",)  # Excel does not tell case apart either
    error = refused("book.xlsx:Dta")
    assert (error.code, error.fix) == ("DL143", "book.xlsx:Data")
    assert refused("bok.xlsx:Data").code == "DL150"


# ---- what is wrong in a sheet


def test_error_cells_are_named_by_cell_and_column(workdir: Path) -> None:
    rows = [["x", "note", "label"], *([x, "n", label] for x, label in classed(40))]
    rows[5][0], rows[9][1] = "#N/A", "#DIV/0!"
    path = book(rows)
    error = refused(path)
    assert (error.code, error.where) == ("DL144", "book.xlsx:6")
    assert "A6" in error.what and "#N/A" in error.what and "'x'" in error.why and "2" in error.why
    data = opened(path, on_bad="skip", bad_limit=0.1)
    assert [b.where for b in data.bad] == ["book.xlsx:6", "book.xlsx:10"]
    assert len(data.train) + len(data.val) + len(data.test) == 38


def test_errors_in_ignored_columns_do_not_matter(workdir: Path) -> None:
    rows = [["x", "note", "label"], *([x, "n", label] for x, label in classed(40))]
    rows[9][1] = "#REF!"
    assert refused(book(rows)).code == "DL144"
    assert opened(book(rows), ignore="note").bad == ()


def test_broken_and_empty_books(workdir: Path) -> None:
    Path("a.xlsx").write_bytes(b"PK\x03\x04 not a book")
    assert refused("a.xlsx").code == "DL100"
    assert refused(book([])).code == "DL102"
    assert refused(book([["x", "label"]])).code == "DL103"


def test_without_the_reader_the_line_that_installs_it(workdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = book([["x", "label"], *classed(40)])
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    error = refused(path)
    assert error.code == "DL030"
    assert "danlu[excel]" in error.fix


def test_letters_are_those_of_openpyxl() -> None:
    from openpyxl.utils import get_column_letter

    assert [_letter(i) for i in range(800)] == [get_column_letter(i + 1) for i in range(800)]


# ---- from training to answers


def test_train_test_and_predict_from_sheets(workdir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = book([["x", "label"], *classed(200)], Later=[["x", "label"], *classed(30)])
    run = danlu.train(path, epochs=8, lr=0.01)
    assert run.metrics["test/accuracy"] > 0.8
    assert danlu.test(run.dir, "book.xlsx:Later")["test/accuracy"] == run.test("book.xlsx:Later")["test/accuracy"]
    assert len(run.predict("book.xlsx:Later")) == 30
    assert main(["predict", str(run.dir), "book.xlsx:Later", "-o", "out.csv"]) == 0
    assert "book.xlsx:Later:2," in Path("out.csv").read_text("utf-8-sig")
    assert len(opened("book.xlsx").train) == len(opened([path]).train)
