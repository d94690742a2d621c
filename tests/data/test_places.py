"""Files of one table: patterns, lists and folders against pandas reading and joining the same files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import danlu
from danlu.data import load_data
from danlu.data.places import has_pattern, is_paths, located, part_of, split_sheet, table_files
from danlu.data.table import read_table
from danlu.errors import DanluError
from danlu.settings import Settings


def frame(rows: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    x = draw.normal(size=rows)
    return pd.DataFrame({"x": x, "colour": draw.choice(["red", "blue"], rows), "label": np.where(x > 0, "up", "down")})


@pytest.fixture
def shards(workdir: Path) -> list[pd.DataFrame]:
    frames = [frame(30, seed) for seed in range(3)]
    (workdir / "data").mkdir()
    for i, one in enumerate(frames):
        one.to_csv(workdir / "data" / f"2024-{i}.csv", index=False)
    return frames


def opened(data: Any, test: Any = None, **settings: Any) -> Any:
    return load_data(data, test, None, Settings(**settings), layout="columns", own_model=False)


def refused(data: Any, **settings: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        opened(data, **settings)
    assert str(caught.value).count("\n") < 8
    return caught.value


def values(source: Any) -> pd.DataFrame:
    """What danlu read, typed as pandas types it."""
    columns = read_table(source, Settings()).columns.to_pandas()
    columns["x"] = columns["x"].astype(float)
    return columns


@pytest.mark.parametrize(
    "source", ["data/2024-*.csv", "data", ["data/2024-0.csv", "data/2024-1.csv", "data/2024-2.csv"]]
)
def test_several_files_are_one_table(shards: list[pd.DataFrame], source: Any) -> None:
    pd.testing.assert_frame_equal(values(source), pd.concat(shards, ignore_index=True), check_dtype=False)
    data = opened(source)
    assert len(data.train) + len(data.val) + len(data.test) == 90
    names = {part.name(i) for part in (data.train, data.val, data.test) for i in range(len(part))}
    assert names == {str(Path(f"data/2024-{i}.csv")) + f":{line}" for i in range(3) for line in range(2, 32)}
    assert any(c.what == "files" and c.value.startswith("3 ") for c in data.choices)


def test_kinds_are_decided_on_the_whole(workdir: Path) -> None:
    Path("a.csv").write_text("n,label\n" + "1,u\n2,v\n" * 20)
    Path("b.csv").write_text("n,label\n" + "3,u\nsmall,v\n" * 20)
    assert opened("a.csv").schema.fields[0].kind == "number"
    assert opened("?.csv").schema.fields[0].kind == "category"


def test_columns_come_by_name_and_types_meet(workdir: Path) -> None:
    pa.parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), "p0.parquet")
    pa.parquet.write_table(pa.table({"b": ["z"], "a": [2.5]}), "p1.parquet")
    table = read_table("p*.parquet", Settings())
    assert table.columns.to_pydict() == {"a": [1.0, 2.0, 2.5], "b": ["x", "y", "z"]}
    assert [table.name(i) for i in range(3)] == ["p0.parquet row 0", "p0.parquet row 1", "p1.parquet row 0"]
    pa.parquet.write_table(pa.table({"a": ["?"], "b": ["w"]}), "p2.parquet")
    assert read_table("p*.parquet", Settings()).columns.column("a").to_pylist() == ["1", "2", "2.5", "?"]


def test_a_file_with_other_columns_is_named_with_the_difference(shards: list[pd.DataFrame]) -> None:
    shards[0].rename(columns={"colour": "color"}).to_csv("data/2024-1.csv", index=False)
    error = refused("data/2024-*.csv")
    assert (error.code, error.where) == ("DL140", str(Path("data/2024-1.csv")))
    assert "colour" in error.why and "color;" not in error.why and "2024-0.csv" in error.why


def test_pieces_of_a_cut_file_without_headers(workdir: Path) -> None:
    whole = frame(60, 0)
    lines = whole.to_csv(index=False).splitlines(keepends=True)
    for i in range(3):
        Path(f"part{i}.csv").write_text("".join(lines[i * 21 : (i + 1) * 21]))
    pd.testing.assert_frame_equal(values("part*.csv"), whole, check_dtype=False)
    assert any(c.what == "header" and "2" in c.why for c in read_table("part*.csv", Settings()).choices)
    Path("part3.csv").write_text("1,2\n3,4\n")
    assert refused("part*.csv").code == "DL140"


def test_files_without_rows_are_left_out_and_named(shards: list[pd.DataFrame]) -> None:
    Path("data/2024-1.csv").write_text("x,colour,label\n")
    Path("data/2024-2.csv").write_text("")
    table = read_table("data/2024-*.csv", Settings())
    assert len(table) == 30
    assert next(c.value for c in table.choices if c.what == "left out") == "2024-1.csv, 2024-2.csv"
    Path("data/2024-0.csv").write_text("")
    assert refused("data/2024-*.csv").code == "DL102"


def test_a_pattern_that_matches_nothing(shards: list[pd.DataFrame], workdir: Path) -> None:
    error = refused("data/2042-*.csv")
    assert error.code == "DL141"
    assert "2024-0.csv" in error.why and error.fix.startswith(str(Path("data/2024-")))
    assert "nowhere" in refused("nowhere/*.csv").why
    (workdir / "data" / "deep" / "er").mkdir(parents=True)
    (workdir / "data" / "deep" / "est").mkdir()
    assert "er" in refused("data/deep/*").why
    assert refused(["data/2024-0.csv", "data/2024-9.csv"]).code == "DL150"
    assert refused([str(workdir / "x*.jpg")]).code == "DL141"


def test_a_file_whose_name_looks_like_a_pattern_is_a_file(workdir: Path) -> None:
    frame(40, 0).to_csv("a[1].csv", index=False)
    assert not has_pattern("a[1].csv")
    assert located("a[1].csv") == Path("a[1].csv")
    assert len(opened("a[1].csv").train) == 28


def test_bad_rows_name_their_own_file_and_line(shards: list[pd.DataFrame]) -> None:
    with open("data/2024-1.csv", "a") as file:
        file.write("1.0,red,\n")
    error = refused("data/2024-*.csv")
    assert (error.code, error.where) == ("DL115", str(Path("data/2024-1.csv")) + ":32")
    data = opened("data/2024-*.csv", on_bad="skip", bad_limit=0.05)
    assert [b.where for b in data.bad] == [str(Path("data/2024-1.csv")) + ":32"]


def test_the_limit_of_bad_rows_is_of_the_whole(shards: list[pd.DataFrame]) -> None:
    with open("data/2024-1.csv", "a") as file:
        file.write("1.0,red\n" * 3)  # 3 in 33 of its file, 3 in 93 of all
    assert len(opened("data/2024-*.csv", on_bad="skip", bad_limit=0.04).bad) == 3
    assert refused("data/2024-*.csv", on_bad="skip", bad_limit=0.02).code == "DL107"


# ---- folders


def write(folder: str, *names: str) -> None:
    Path(folder).mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        path = Path(folder, name)
        one = frame(40, seed)
        one.to_parquet(path) if path.suffix == ".parquet" else one.to_csv(path, index=False)


def test_the_parts_of_a_folder(workdir: Path) -> None:
    write("plain", "train.csv", "test.csv", "val.csv", "sample_submission.csv")
    data = opened("plain")
    assert [len(p) for p in (data.train, data.val, data.test)] == [40, 40, 40]
    write("hub", "train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet")
    data = opened("hub")
    assert (data.name, len(data.train) + len(data.val), len(data.test)) == ("hub", 80, 40)
    write("nested/train", "a.csv", "b.csv")
    write("nested/test", "a.csv")
    data = opened("nested")
    assert (len(data.train) + len(data.val), len(data.test)) == (80, 40)
    write("rest", "january.csv", "february.csv", "test.csv")
    assert {k: len(v) if isinstance(v, tuple) else 1 for k, v in table_files(Path("rest")).items()} == {
        "train": 2,
        "test": 1,
    }


def test_a_folder_of_tables_in_several_formats_is_refused(workdir: Path) -> None:
    write("mixed", "a.csv", "a.parquet")
    error = refused("mixed")
    assert error.code == "DL147"
    assert "1 .csv" in error.why


def test_part_names() -> None:
    assert [
        part_of(n) for n in ("train", "Valid", "test-00000-of-00003", "train_1", "测试集", "dev", "trainer", "x")
    ] == [
        "train",
        "val",
        "test",
        "train",
        "test",
        "val",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("text", "file", "sheet"),
    [
        ("book.xlsx:Sheet 2", "book.xlsx", "Sheet 2"),
        ("C:\\data\\book.XLSX:表1", "C:\\data\\book.XLSX", "表1"),
        ("C:\\data\\book.xlsx", "C:\\data\\book.xlsx", None),
        ("a.ods:x:y", "a.ods", "x:y"),
        ("my.py:rows", "my.py:rows", None),
        ("a.xlsx", "a.xlsx", None),
    ],
)
def test_a_sheet_is_named_after_a_colon(text: str, file: str, sheet: str | None) -> None:
    assert split_sheet(text) == (Path(file), sheet)


def test_lists_of_paths() -> None:
    assert is_paths(["a.csv", Path("b.csv")])
    assert not is_paths([]) and not is_paths(("a.csv",)) and not is_paths(["a.csv", 1]) and not is_paths("a.csv")


# ---- from training to answers


def test_train_test_predict_and_resume_from_a_pattern(shards: list[pd.DataFrame]) -> None:
    run = danlu.train("data/2024-*.csv", epochs=1)
    assert danlu.test(run.dir, "data/2024-*.csv")["test/accuracy"] == run.test("data")["test/accuracy"]
    assert danlu.test(run.dir, ["data/2024-0.csv"])["test/accuracy"] == run.test(shards[0])["test/accuracy"]
    assert len(run.predict("data/2024-*.csv")) == len(run.predict("data")) == 90
    assert len(danlu.resume(run.dir, epochs=2).history) == 2


def test_a_list_of_files_and_a_pair_of_parts_stay_apart_in_run_toml(shards: list[pd.DataFrame]) -> None:
    one, two, three = (f"data/2024-{i}.csv" for i in range(3))
    as_list = danlu.train([one, two], epochs=1)
    assert f'data = ["{one}", "{two}"]' in (as_list.dir / "run.toml").read_text("utf-8")
    danlu.resume(as_list.dir, epochs=2)
    as_pair = danlu.train(([one, two], three), epochs=1)
    text = (as_pair.dir / "run.toml").read_text("utf-8")
    assert f'data = ["{one}", "{two}"]' in text and f'test = "{three}"' in text
    triple = danlu.train((one, two, three), epochs=1)
    text = (triple.dir / "run.toml").read_text("utf-8")
    assert f'val = "{two}"' in text and f'test = "{three}"' in text


def test_images_and_labels_files_as_a_pair_are_trained_and_resumed(digits: Path) -> None:
    pair = (str(digits / "train-images-idx3-ubyte.gz"), str(digits / "train-labels-idx1-ubyte.gz"))
    run = danlu.train(pair, epochs=1, model="mlp")
    assert len(danlu.resume(run.dir, epochs=2).history) == 2
