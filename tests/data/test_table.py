"""Reading tables: every cell as an independent reader sees it, every fault named at its line."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.delimited import Dialect, _read_arrow, parse
from danlu.data.table import Table, read_table
from danlu.errors import DanluError
from danlu.settings import Settings

SKIP = Settings(on_bad="skip", bad_limit=1.0)


def write(folder: Path, name: str, content: bytes | str) -> str:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def cells(table: Table) -> list[list[Any]]:
    return [list(row.values()) for row in table.columns.to_pylist()]


def choice(table: Table, what: str) -> str:
    return next((c.value for c in table.choices if c.what == what), "")


def fault(code: str, *args: Any, **kwargs: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        read_table(*args, **kwargs)
    assert caught.value.code == code, str(caught.value)
    assert str(caught.value).count("\n") < 8
    return caught.value


# ---- delimited text against Python's csv module and pandas

CELL = st.text(st.sampled_from('ab1 .,;\t|"\n\r中é0-?'), max_size=6)


def grid(columns: int) -> st.SearchStrategy[list[list[str]]]:
    return st.lists(st.lists(CELL, min_size=columns, max_size=columns), min_size=1, max_size=8)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(2, 4).flatmap(grid),
    st.sampled_from([",", ";", "|", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_written_cells_come_back(rows: list[list[str]], mark: str, end: str, quoting: Any) -> None:
    head = [f"name {i}" for i in range(len(rows[0]))]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=mark, lineterminator=end, quoting=quoting).writerows([head, *rows])
    found = parse(out.getvalue().encode(), "t.tsv" if mark == "\t" else "t.csv", True, (), False)
    truth = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=mark))
    assert found.columns.column_names == truth[0]
    assert [list(r.values()) for r in found.columns.to_pylist()] == [[c.strip(" \t") for c in r] for r in truth[1:]]
    reader = csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=mark)
    starts = [1]
    for _ in reader:
        starts.append(reader.line_num + 1)
    assert found.lines.tolist() == starts[1:-1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["1", "x", "NA", "007", "中文", ""]), min_size=1, max_size=4), min_size=3, max_size=9
    )
)
def test_no_ragged_row_is_shifted_or_padded(rows: list[list[str]]) -> None:
    head = ["a", "b", "c"]
    text = "\n".join(",".join(r) for r in [head, head, *rows]) + "\n"
    truth = [(i + 3, r) for i, r in enumerate(rows) if ",".join(r)]
    ragged = [line for line, r in truth if len(r) != 3]
    widths = [3, 3, *(len(r) for _, r in truth)]
    if max(set(widths), key=lambda w: (widths.count(w), w)) != 3:
        return  # most rows have another width: then the header is the odd one
    if ragged:
        with pytest.raises(DanluError) as caught:
            parse(text.encode(), "t.csv", True, (), False)
        assert caught.value.code == "DL104"
        assert caught.value.where == f"t.csv:{ragged[0]}"
        assert caught.value.facts["count"] == len(ragged)
    found = parse(text.encode(), "t.csv", True, (), True)
    assert [list(r.values()) for r in found.columns.to_pylist()] == [head, *(r for _, r in truth if len(r) == 3)]
    assert found.lines.tolist() == [2, *(line for line, r in truth if len(r) == 3)]
    assert [b.where for b in found.bad] == [f"t.csv:{line}" for line in ragged]


def test_threads_of_arrow_hold_no_python_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropped there while the process ends with an error, one would abort it: exit 134 instead of 1."""
    body = b"a,b,c\n1,2,3\n1,2\n" * 3
    before = sys.getrefcount(body)
    seen: list[tuple[int, Any]] = []

    def read(source: Any, reading: Any, parsing: Any, converting: Any) -> Any:
        del source
        seen.append((sys.getrefcount(body), parsing.invalid_row_handler))
        raise pa.ArrowInvalid("a row is ragged")

    monkeypatch.setattr("danlu.data.delimited.arrow_csv.read_csv", read)
    assert _read_arrow(body, Dialect(",", True, False), 3) is None
    ((held, handler),) = seen
    assert held <= before + 1 and handler is None  # one more: the argument of _read_arrow


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str, packed: bool) -> None:
    rows = [["评论", "标签"], ["房间很大，服务也好", "好"], ["早餐太差了", "差"], ['说"不错"的人很多', "好"]]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator=end).writerows(rows)
    raw = out.getvalue().encode(encoding)
    path = write(tmp_path, "a.csv.gz" if packed else "a.csv", gzip.compress(raw) if packed else raw)
    table = read_table(path, Settings())
    assert [list(table.names), *cells(table)] == rows
    assert choice(table, "encoding") == {"utf-16": "UTF-16-LE", "gb18030": "GB18030", "gbk": "GB18030"}.get(
        encoding, ""
    )


def test_utf16_big_endian(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b"\xfe\xff" + "x,y\n1,中\n".encode("utf-16-be"))
    assert cells(read_table(path, Settings())) == [["1", "中"]]


def test_western_bytes_are_not_taken_for_chinese(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "name,label\nrésumé café,a\nnaïve façade,b\n".encode("latin-1"))
    error = fault("DL101", path, Settings())
    assert error.where.endswith("a.csv:2") and "0xE9" in error.why


def test_exact_cells_stay_text(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "zip,land,label\n007,NA,null\n012,None,1e5\n100,NaN,\n")
    assert cells(read_table(path, Settings())) == [["007", "NA", "null"], ["012", "None", "1e5"], ["100", "NaN", ""]]


def test_quoted_newlines_keep_line_numbers_right(tmp_path: Path) -> None:
    text = 'text,label\n"one\ntwo\nthree",a\n\nfour,b\n"five\n",c\nsix\n'
    path = write(tmp_path, "a.csv", text)
    assert fault("DL104", path, Settings()).where == f"{path}:9"
    table = read_table(path, SKIP)
    assert [table.name(i) for i in range(3)] == [f"{path}:2", f"{path}:6", f"{path}:7"]
    assert [b.where for b in table.bad] == [f"{path}:9"]


def test_a_bad_header_is_never_skipped(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n1,2,3\n4,5,6\n7,8,9\n")
    assert fault("DL104", path, SKIP).where == f"{path}:1"


def test_skipping_stops_at_the_limit(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "a,b\n" + "1,2\n" * 98 + "1\n2\n")
    error = fault("DL107", path, Settings(on_bad="skip"))
    assert error.facts["count"] == 2 and error.facts["rows"] == 100 and "--bad-limit 0.02" in error.fix
    assert len(read_table(path, Settings(on_bad="skip", bad_limit=0.02))) == 98


def test_an_open_quote_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'a,b\n1,x\n2,"y\n3,z\n')
    assert fault("DL105", path, Settings()).where == f"{path}:3"


def test_tab_separated_text_may_be_unquoted(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", 'sentence\tlabel\n"hello there\t1\nsay "x" now\t0\n"and then\t1\n')
    table = read_table(path, Settings())
    assert cells(table) == [['"hello there', "1"], ['say "x" now', "0"], ['"and then', "1"]]
    assert choice(table, "quotes") == "none"


def test_a_quote_inside_a_cell_is_a_character(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'size,name\n5,5" pipe\n6,x\n')
    assert cells(read_table(path, Settings())) == [["5", '5" pipe'], ["6", "x"]]


def test_blanks_before_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", 'n, name\n1, "Smith, John"\n2, "a ""b"""\n')
    assert cells(read_table(path, Settings())) == [["1", "Smith, John"], ["2", 'a "b"']]


@pytest.mark.parametrize(
    ("name", "text", "mark"),
    [
        ("a.csv", "a;b\n1,5;x\n2,5;y\n", "semicolon"),
        ("a.csv", "sep=;\na;b\n1;x\n2;y\n", "semicolon"),
        ("a.data", "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,virginica\n", "comma"),
        ("a.txt", "text, with commas\t1\nmore\t0\nmany, many, many\t0\n", "tab"),
        ("a.dat", "a|b|c\n1|2|x,y\n2|3|x\n", "bar |"),
        ("a.data", " 18.0  8   307.0  130.0\n 15.0  8   350.0  165.0\n 18.0 11   318.0  150.0\n", "blanks"),
    ],
)
def test_delimiters_are_found(tmp_path: Path, name: str, text: str, mark: str) -> None:
    table = read_table(write(tmp_path, name, text), Settings())
    assert choice(table, "delimiter") == mark
    assert table.columns.num_columns > 1


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("a,b\n1,x\n2,y\n", True),
        ("1,x\n2,y\n", False),
        ("text,label\nfoo,a\nbar,b\n", True),
        ("good day,yes\nbad day,no\nfair day,yes\n", False),
        ("0,1,2,3\n5,6,7,8\n9,1,2,3\n", True),
        (",age,2019,2020\n0,33,5,6\n1,44,7,8\n", True),
        ("?,5,x\n3,4,y\n", False),
    ],
)
def test_header_is_decided(tmp_path: Path, text: str, named: bool) -> None:
    table = read_table(write(tmp_path, "a.csv", text), Settings())
    assert table.named is named
    assert len(table) == text.count("\n") - named
    if not named:
        assert table.names == tuple(f"column{i + 1}" for i in range(len(table.names)))


def test_known_names_tell_a_header(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "1,2\n3,4\n")
    assert read_table(path, Settings(), names=("1", "2")).names == ("1", "2")
    assert read_table(path, Settings(), header=False).names == ("column1", "column2")
    assert read_table(path, Settings(), header=True).names == ("1", "2")


def test_comments_before_the_table(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path, "a.test", "|1x3 Cross validator\n\n25, Private, <=50K.\n38, State, >50K.\n"), Settings()
    )
    assert cells(table) == [["25", "Private", "<=50K."], ["38", "State", ">50K."]]
    assert table.name(0).endswith("a.test:3")
    assert choice(table, "comment") and choice(table, "spaces")
    kept = read_table(write(tmp_path, "b.csv", "#id,name\n1,x\n2,y\n"), Settings())
    assert kept.names == ("#id", "name")


def test_long_cells_and_single_column(tmp_path: Path) -> None:
    long = "x" * 300_000
    table = read_table(write(tmp_path, "a.csv", f'text,label\n"{long}\n",a\nshort,b\n'), Settings())
    assert cells(table) == [[long + "\n", "a"], ["short", "b"]]
    assert cells(read_table(write(tmp_path, "b.csv", "word\none\ntwo\n"), Settings())) == [["one"], ["two"]]


def test_old_line_ends(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.csv", b"a,b\r1,x\r2,y\r"), Settings())
    assert cells(table) == [["1", "x"], ["2", "y"]]
    assert table.lines is not None and table.lines.tolist() == [2, 3]


# ---- faults


@pytest.mark.parametrize("text", ["", "\n\n", "  \n", "\ufeff", "\ufeff\n"])
def test_empty(tmp_path: Path, text: str) -> None:
    fault("DL102", write(tmp_path, "a.csv", text), Settings())
    fault("DL102", write(tmp_path, "a.jsonl", text), Settings())


def test_empty_objects() -> None:
    for source in ([], {}, pd.DataFrame({"a": []}), pa.table({"a": pa.array([], pa.int64())})):
        fault("DL102", source, Settings())


def test_only_a_header(tmp_path: Path) -> None:
    error = fault("DL103", write(tmp_path, "a.csv", "text,label\n"), Settings())
    assert "text, label" in error.why


def test_same_name_twice(tmp_path: Path) -> None:
    assert (
        fault("DL108", write(tmp_path, "a.csv", "a,b,a\n1,x,2\n3,y,4\n"), Settings(), header=True).facts["name"] == "a"
    )
    fault("DL108", pa.table([[1], [2]], names=["a", "a"]), Settings())
    fault("DL108", pd.DataFrame([[1, 2]], columns=["a", "a"]), Settings())


def test_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    write(tmp_path, "reviews.csv", "a,b\n1,2\n")
    error = fault("DL126", str(tmp_path / "review.csv"), Settings())
    assert "reviews.csv" in error.why and error.fix.endswith("reviews.csv")
    fault("DL126", str(tmp_path / "no" / "such.csv"), Settings())


def test_unreadable_files(tmp_path: Path) -> None:
    fault("DL125", write(tmp_path, "a.csv", b"PK\x03\x04rest"), Settings())
    fault("DL100", write(tmp_path, "a.csv", b"a,b\n1,\x00\n"), Settings())
    fault("DL100", write(tmp_path, "a.csv.gz", gzip.compress(b"a,b\n" * 99)[:-9]), Settings())
    fault("DL100", write(tmp_path, "a.parquet", b"PAR1 no parquet PAR1"), Settings())
    fault("DL100", write(tmp_path, "a.feather", b"ARROW1 no arrow"), Settings())


def test_objects_that_are_no_tables() -> None:
    fault("DL127", 3, Settings())
    assert "a 3" in fault("DL124", {"a": [1, 2, 3], "b": [1, 2]}, Settings()).why


JUNK = st.one_of(
    st.binary(max_size=60),
    st.text(st.sampled_from('a1,;\t|"\n\r #{}[]:中é\x00'), max_size=60).map(str.encode),
    st.text(st.sampled_from("评论,好\n1"), max_size=30).map(lambda t: t.encode("gb18030")),
)


@settings(max_examples=400, deadline=None)
@given(JUNK, st.sampled_from(["a.csv", "a.tsv", "a.data", "a.jsonl", "a.json", "a.parquet", "a.arrow", "a.csv.gz"]))
def test_any_bytes_give_a_table_or_a_danlu_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str
) -> None:
    path = tmp_path_factory.getbasetemp() / name
    path.write_bytes(raw)
    for setting in (Settings(), SKIP):
        try:
            table = read_table(path, setting)
        except DanluError as e:
            assert str(e)
            continue
        assert len(table) and len(set(table.names)) == len(table.names)
        assert table.lines is None or len(table.lines) == len(table)


# ---- JSON lines


def test_json_lines(tmp_path: Path) -> None:
    rows = [{"a": 1, "t": "NA", "z": "007"}, {"a": None, "t": "x", "z": "1"}, {"t": "中", "z": "2", "more": True}]
    text = "\n".join(json.dumps(r) for r in rows)
    table = read_table(write(tmp_path, "a.jsonl", text), Settings())
    assert table.columns.to_pylist() == [{"a": None, "more": None} | r for r in rows]
    assert table.name(2).endswith("a.jsonl:3")
    listed = read_table(write(tmp_path, "a.json", json.dumps(rows)), Settings())
    assert listed.columns.to_pylist() == [{"a": None, "more": None} | r for r in rows]


def test_json_texts_are_not_turned_into_times(tmp_path: Path) -> None:
    table = read_table(
        write(tmp_path, "a.jsonl", '{"d": "2024-01-05", "y": 1}\n{"d": "2024-01-06", "y": 2}\n'), Settings()
    )
    assert table.columns.column("d").to_pylist() == ["2024-01-05", "2024-01-06"]


def test_json_of_several_types_becomes_text(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "a.jsonl", '{"v": 1}\n\n{"v": "?"}\n{"v": 2.5}\n'), Settings())
    assert table.columns.column("v").to_pylist() == ["1", "?", "2.5"]
    assert table.name(1).endswith(":3")


def test_bad_json_line_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"a": 1}\n{"a": \n[1]\n{"a": 2}\n')
    assert fault("DL106", path, Settings()).where == f"{path}:2"
    table = read_table(path, SKIP)
    assert cells(table) == [[1], [2]]
    assert [b.where for b in table.bad] == [f"{path}:2", f"{path}:3"]
    error = fault("DL106", write(tmp_path, "b.json", '[{"a": 1},\n {"a": 2'), Settings())
    assert error.where.endswith("b.json:2")
    assert "column 9" in error.why
    assert "line 1" not in error.why


# ---- typed tables

FRAME = {"n": [1.5, None, 3.0], "i": [1, 2, 3], "t": ["a", None, "NA"], "b": [True, False, True]}


def frames(folder: Path) -> dict[str, Any]:
    table = pa.table(FRAME)
    pa.parquet.write_table(table, folder / "a.parquet")
    pa.feather.write_feather(table, str(folder / "a.feather"))
    with pa.ipc.new_stream(folder / "b.arrow", table.schema) as stream:
        stream.write_table(table)
    frame = pd.DataFrame(FRAME)
    return {
        "parquet": str(folder / "a.parquet"),
        "feather": folder / "a.feather",
        "stream": folder / "b.arrow",
        "arrow": table,
        "batch": table.to_batches()[0],
        "pandas": frame,
        "pandas category": frame.assign(t=frame["t"].astype("category")),
        "pandas object": frame.assign(t=frame["t"].astype(object)),
        "pandas string": frame.assign(t=frame["t"].astype("string")),
        "polars": pl.DataFrame(FRAME),
        "polars lazy": pl.LazyFrame(FRAME),
        "rows": table.to_pylist(),
        "columns": FRAME,
        "arrays": FRAME | {"i": np.array([1, 2, 3]), "b": torch.tensor([True, False, True])},
    }


def test_typed_sources_agree(tmp_path: Path) -> None:
    for name, source in frames(tmp_path).items():
        table = read_table(source, Settings())
        assert table.columns.to_pydict() == FRAME, name
        assert table.name(1).endswith("row 1"), name
        assert pa.types.is_string(table.columns.column("t").type), name


def test_columns_of_several_types_become_text() -> None:
    frame = pd.DataFrame({"v": [1, "?", None, float("nan"), 2.5]}, dtype=object)
    assert read_table(frame, Settings()).columns.column("v").to_pylist() == ["1", "?", None, None, "2.5"]
    assert cells(read_table([{"a": 1}, {"a": "x", "b": np.float32(2)}], Settings())) == [["1", None], ["x", 2.0]]


def test_one_row_as_a_dict() -> None:
    assert read_table({"age": 39, "job": "x"}, Settings()).columns.to_pylist() == [{"age": 39, "job": "x"}]


# ---- real files


@pytest.mark.parametrize(
    "name",
    [
        "rec_movielens_small/ratings.csv",
        "rec_movielens_small/movies.csv",
        "rec_movielens_small/tags.csv",
        "text_zh_hotel/ChnSentiCorp_htl_all.csv",
        "text_en_banking77/train.csv",
        "tabular_california/housing.csv",
    ],
)
def test_real_files_as_pandas_reads_them(danlu_data: Path, name: str) -> None:
    truth = pd.read_csv(danlu_data / name, dtype=str, keep_default_na=False, na_filter=False)
    table = read_table(danlu_data / name, Settings())
    assert list(table.names) == list(truth.columns)
    for column in truth.columns:
        assert table.columns.column(column).to_pylist() == [v.strip(" \t") for v in truth[column]], column


def test_adult_as_pandas_reads_it(danlu_data: Path) -> None:
    for name, skipped in (("adult.data", 0), ("adult.test", 1)):
        path = danlu_data / "tabular_adult" / name
        truth = pd.read_csv(
            path, header=None, dtype=str, skipinitialspace=True, keep_default_na=False, skiprows=skipped
        )
        table = read_table(path, Settings())
        assert not table.named and len(table) == len(truth) == (16281 if skipped else 32561)
        for i in range(15):
            assert table.columns.column(i).to_pylist() == truth[i].tolist()
        assert table.name(0) == f"{path}:{1 + skipped}"
