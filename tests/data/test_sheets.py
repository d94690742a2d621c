"""Spreadsheets: every cell as openpyxl and pandas see it, rows under the sheet's own numbers."""

from __future__ import annotations

import datetime
import re
import sys
import zipfile
from collections.abc import Sequence
from itertools import groupby
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


# ---- the other formats: .xls as xlwt writes it, .ods as odfpy does and as LibreOffice marks its cells


def xls(sheets: dict[str, Sequence[Sequence[Any]]], merged: Sequence[tuple[int, int, int, int]] = ()) -> str:
    """A workbook of 1997: ``merged`` are (first row, last row, first column, last column) of the first sheet."""
    xlwt = pytest.importorskip("xlwt", reason="tests write .xls with xlwt")
    made = xlwt.Workbook()
    forms = {datetime.datetime: "YYYY-MM-DD HH:MM:SS", datetime.date: "YYYY-MM-DD", datetime.time: "HH:MM:SS"}
    styles = {kind: xlwt.easyxf(num_format_str=form) for kind, form in forms.items()}
    for title, rows in sheets.items():
        sheet = made.add_sheet(title)
        for r, row in enumerate(rows):
            for c, value in enumerate(row):
                if value is not None:
                    sheet.write(r, c, value, styles.get(type(value), xlwt.Style.default_style))
        for first, last, left, right in merged if title == next(iter(sheets)) else ():
            sheet.merge(first, last, left, right)
    made.save("book.xls")
    return "book.xls"


def ods(sheets: dict[str, Sequence[Sequence[Any]]], merged: Sequence[tuple[int, int, int, int]] = ()) -> str:
    """The same as an OpenDocument spreadsheet; equal cells beside and equal rows below one another are written once."""
    pytest.importorskip("odf", reason="tests write .ods with odfpy")
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import CoveredTableCell, Table, TableCell, TableRow
    from odf.text import P

    def cell(value: Any, **more: Any) -> Any:
        if value is None:
            return TableCell(**more)
        if isinstance(value, str):
            made = TableCell(valuetype="string", **more)
            made.addElement(P(text=value))
            return made
        if isinstance(value, bool):
            return TableCell(valuetype="boolean", booleanvalue=str(value).lower(), **more)
        if isinstance(value, datetime.time):
            return TableCell(valuetype="time", timevalue=value.strftime("PT%HH%MM%SS"), **more)
        if isinstance(value, datetime.timedelta):
            hours, seconds = divmod(int(value.total_seconds()), 3600)
            length = f"PT{hours}H{seconds // 60}M{seconds % 60}S"
            return TableCell(valuetype="time", timevalue=length, **more)
        if isinstance(value, datetime.date):
            return TableCell(valuetype="date", datevalue=value.isoformat(), **more)
        return TableCell(valuetype="float", value=repr(value), **more)

    made = OpenDocumentSpreadsheet()
    for title, rows in sheets.items():
        table = Table(name=title)
        made.spreadsheet.addElement(table)
        spans = merged if title == next(iter(sheets)) else ()
        covered = {(r, c) for a, b, x, y in spans for r in range(a, b + 1) for c in range(x, y + 1)}
        corner = {(a, x): (b - a + 1, y - x + 1) for a, b, x, y in spans}
        for _, same in groupby(enumerate(rows), key=lambda pair: (repr(pair[1]), pair[0] * bool(spans))):
            (r, row), *others = list(same)
            line = TableRow(numberrowsrepeated=1 + len(others)) if others else TableRow()
            table.addElement(line)
            for _, equal in groupby(enumerate(row), key=lambda pair: (repr(pair[1]), pair[0] * bool(spans))):
                (c, value), *more = list(equal)
                repeated = {"numbercolumnsrepeated": 1 + len(more)} if more else {}
                if (r, c) in corner:
                    down, right = corner[r, c]
                    repeated = {"numberrowsspanned": down, "numbercolumnsspanned": right}
                elif (r, c) in covered:
                    line.addElement(CoveredTableCell())
                    continue
                line.addElement(cell(value, **repeated))
    made.save("book.ods")
    return "book.ods"


FORMATS = pytest.mark.parametrize("made", [xls, ods])


@FORMATS
def test_cells_of_the_other_formats_are_those_written(made: Any, workdir: Path) -> None:
    day, moment = datetime.date(2024, 1, 31), datetime.datetime(2024, 1, 31, 12, 30)
    rows = [
        ["名字", "n", "x", "yes", "day", "moment", "time"],
        ["甲", 1, 0.05, True, day, moment, datetime.time(6)],
        [
            "a b",
            -(2**40),
            1e-7,
            False,
            datetime.date(1999, 12, 31),
            datetime.datetime(2024, 2, 1),
            datetime.time(18, 30),
        ],
        [None] * 7,
        ["x", 7, None, True, day, moment, datetime.time()],
    ]
    table = read_table(made({"Data": rows}), Settings())
    assert table.lines is not None and table.lines.tolist() == [2, 3, 5]
    assert [list(r.values()) for r in table.columns.to_pylist()] == [
        ["甲", "1", "0.05", "True", "2024-01-31", "2024-01-31 12:30:00", "0.25"],
        ["a b", str(-(2**40)), "1e-7", "False", "1999-12-31", "2024-02-01", repr(18.5 / 24)],
        ["x", "7", "", "True", "2024-01-31", "2024-01-31 12:30:00", "0"],
    ]
    assert table.names == tuple(rows[0])


@hypothesis_settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=6), st.sampled_from([xls, ods]))
def test_random_cells_of_the_other_formats(rows: list[list[Any]], made: Any) -> None:
    path = made({"Data": [["name", "other", "third"], *rows]})
    kept = [(i + 2, r) for i, r in enumerate(rows) if any(v is not None for v in r)]
    if not kept:
        with pytest.raises(DanluError, match="DL103"):
            read_table(path, Settings())
        return
    table = read_table(path, Settings(), header=True)
    assert table.lines is not None and table.lines.tolist() == [line for line, _ in kept]
    for (_, row), found in zip(kept, table.columns.to_pylist(), strict=True):
        for value, text in zip(row, found.values(), strict=True):
            if value is None:
                assert text == ""
            elif isinstance(value, str):
                assert text == value.strip()
            else:
                assert float(text) == float(value)


@FORMATS
def test_merged_cells_titles_and_sheets_of_the_other_formats(made: Any, workdir: Path) -> None:
    rows = [["一月销售"], [], ["shop", "price", "sold"], ["m", 1, "u"], [None, 2, "v"], [None, 4, "u"], ["k", 3, "w"]]
    path = made({"Data": rows, "其他": [["a", "b"], [5, 6]]}, [(3, 5, 0, 0)])
    assert [list(r.values()) for r in read_table(path, Settings()).columns.to_pylist()] == [
        ["m", "1", "u"],
        ["m", "2", "v"],
        ["m", "4", "u"],
        ["k", "3", "w"],
    ]
    assert (said(path, "title"), said(path, "sheet"), said(path, "merged cells")) == ("一月销售", "Data", "filled")
    assert read_table(f"{path}:其他", Settings(), header=True).columns.to_pylist() == [{"a": "5", "b": "6"}]
    assert refused(f"{path}:其它").code == "DL143"


@FORMATS
def test_the_other_formats_train_as_xlsx_does(made: Any, workdir: Path) -> None:
    rows = [["x", "colour", "label"], *([round(r[0], 6), "rg"[i % 2], r[1]] for i, r in enumerate(classed(60)))]
    ours, theirs = opened(made({"Data": rows}), target="label"), opened(book(rows), target="label")
    assert ours.schema == theirs.schema
    for part in ("train", "val", "test"):
        a, b = getattr(ours, part), getattr(theirs, part)
        for i in range(len(a)):
            assert all(np.array_equal(x, y) for x, y in zip(a[i], b[i], strict=True))
    assert main(["train", made({"Data": rows}), "--target", "label", "--epochs", "1", "--run", "r"]) == 0
    assert danlu.test("r", book(rows))["test/rows"] == 60


@FORMATS
def test_a_cut_file_of_the_other_formats_is_refused(made: Any, workdir: Path) -> None:
    path = made({"Data": [["a", "b"], [1, 2]]})
    Path(path).write_bytes(Path(path).read_bytes()[:700])
    assert refused(path).code == "DL100"


def test_durations_of_more_than_a_day_are_days(workdir: Path) -> None:
    rows = [["name", "length"], ["a", datetime.timedelta(hours=36)], ["b", datetime.timedelta(minutes=90)]]
    assert read_table(ods({"Data": rows}), Settings()).columns.column("length").to_pylist() == ["1.5", "0.0625"]


_MANIFEST = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_ERRORS = """<office:document-content office:version="1.3"
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">
<office:body><office:spreadsheet><table:table table:name="Data">
<table:table-row>
 <table:table-cell office:value-type="string"><text:p>x</text:p></table:table-cell>
 <table:table-cell office:value-type="string"><text:p>y</text:p></table:table-cell></table:table-row>
<table:table-row>
 <table:table-cell office:value-type="float" office:value="1"><text:p>1</text:p></table:table-cell>
 <table:table-cell office:value-type="float" office:value="2"><text:p>2</text:p></table:table-cell></table:table-row>
<table:table-row>
 <table:table-cell office:value-type="float" office:value="0" calcext:value-type="error" table:formula="of:=1/0">
  <text:p>#DIV/0!</text:p></table:table-cell>
 <table:table-cell office:value-type="float" office:value="3"><text:p>3</text:p></table:table-cell></table:table-row>
<table:table-row>
 <table:table-cell/>
 <table:table-cell office:value-type="string" office:string-value="" calcext:value-type="error"
  table:formula="of:=NA()"><text:p>#N/A</text:p></table:table-cell></table:table-row>
</table:table></office:spreadsheet></office:body></office:document-content>"""


def test_error_cells_of_an_ods_file_are_named_though_they_hold_a_nought(workdir: Path) -> None:
    """As LibreOffice writes them: a value of 0 or of no text, and the error in a mark of its own."""
    with zipfile.ZipFile("errors.ods", "w") as file:
        file.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        file.writestr("content.xml", re.sub(r">\s+<", "><", _ERRORS))
        file.writestr("META-INF/manifest.xml", f"<m:manifest xmlns:m={_MANIFEST!r}/>")
    with pytest.raises(DanluError) as caught:
        read_table("errors.ods", Settings())
    assert (caught.value.code, caught.value.where) == ("DL144", "errors.ods:3")
    assert "A3" in caught.value.what and "#DIV/0!" in caught.value.what
    table = read_table("errors.ods", Settings(on_bad="skip", bad_limit=1.0))
    assert table.columns.to_pylist() == [{"x": "1", "y": "2"}]
    assert [b.where for b in table.bad] == ["errors.ods:3", "errors.ods:4"]
    assert "#N/A" in table.bad[1].why
