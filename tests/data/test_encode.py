"""Tables as tensors: statistics of training rows only, the same encoding for every later table."""

from __future__ import annotations

import io
import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from danlu.data.columns import Columns, Data
from danlu.data.encode import BadRow, prepare_table, read_cells, refuse_unknown_classes, to_tensors
from danlu.data.table import read_table
from danlu.data.tables import open_tables
from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.types import Schema


def encode_rows(schema: Any, table: Any, *, with_target: bool) -> tuple[tuple[torch.Tensor, ...], list[BadRow]]:
    """Rows as stored tensors, and the rows left out of them, as tests and predictions read a table."""
    cells = read_cells(schema.fields, table, with_target=with_target)
    if with_target:
        refuse_unknown_classes(schema, cells, "test", table.path)
    return to_tensors(schema, cells, with_target=with_target), list(cells.bad)


def frame(n: int = 200, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(40, 9, n).round(2)),
            "when": 1.6e18 + rng.integers(0, 1000, n) * 1e9,  # nanoseconds, one second apart
            "job": rng.choice(["cook", "smith", "monk"], n),
            "town": rng.choice(["Ulm", "京都", None], n),
            "label": rng.choice(["no", "yes"], n),
        }
    )


def opened(train: Any, test: Any = None, val: Any = None, layout: Any = "columns", **settings: Any) -> Data:
    return open_tables(train, test, val, Settings(**settings), layout=layout)


def everything(part: Columns) -> tuple[torch.Tensor, ...]:
    return part.gather(torch.arange(len(part)))


def fault(code: str, *args: Any, **kwargs: Any) -> DanluError:
    with pytest.raises(DanluError) as caught:
        opened(*args, **kwargs)
    assert caught.value.code == code, str(caught.value)
    assert str(caught.value).count("\n") < 8
    return caught.value


def rows_of(data: Data, part: Columns) -> list[int]:
    return [int(part.name(i).split()[-1]) for i in range(len(part))]


# ---- against scikit-learn


def test_columns_layout_agrees_with_sklearn() -> None:
    source = frame()
    data = opened(source)
    train = rows_of(data, data.train)
    scaler = StandardScaler().fit(source.loc[train, ["age", "when"]])
    for part in (data.train, data.val, data.test):
        rows = source.loc[rows_of(data, part)].reset_index(drop=True)
        numbers, categories, y = everything(part)
        truth = scaler.transform(rows[["age", "when"]])
        lost = np.isnan(truth[:, 0])
        np.testing.assert_allclose(numbers[:, :2].numpy(), np.nan_to_num(truth), atol=2e-6)
        np.testing.assert_array_equal(numbers[:, 2].numpy(), lost.astype(np.float32))
        job = {"cook": 1, "monk": 2, "smith": 3}
        town = {"Ulm": 1, "京都": 2}
        assert categories[:, 0].tolist() == [job[j] for j in rows["job"]]
        assert categories[:, 1].tolist() == [town.get(t, 0) if isinstance(t, str) else 0 for t in rows["town"]]
        assert y.tolist() == [int(v == "yes") for v in rows["label"]]
        assert (numbers.dtype, categories.dtype, y.dtype) == (torch.float32, torch.int64, torch.int64)
    assert data.schema.classes == ("no", "yes") and data.schema.outputs == 2


def test_matrix_layout_agrees_with_sklearn() -> None:
    source = frame()
    data = opened(source, layout="matrix")
    rows = source.loc[rows_of(data, data.train)]
    x, _ = everything(data.train)
    hot = OneHotEncoder(
        sparse_output=False, categories=[["cook", "monk", "smith"], ["Ulm", "京都"]], handle_unknown="ignore"
    )
    np.testing.assert_array_equal(x[:, 3:].numpy(), hot.fit_transform(rows[["job", "town"]].fillna("?")))
    columns, _, _ = everything(opened(source).train)
    assert torch.equal(x[:, :3], columns)


def test_large_numbers_keep_their_differences() -> None:
    stamps = 1.6e18 + np.arange(100) * 1e9
    rng = np.random.default_rng(0)
    data = opened({"stamp": rng.permutation(stamps), "other": rng.normal(size=100), "label": ["a", "b"] * 50})
    numbers = everything(data.train)[0][:, 0]
    assert len(numbers.unique()) == len(data.train)


def test_statistics_come_from_training_rows_only() -> None:
    source = frame()
    base = opened(source)
    outside = rows_of(base, base.val) + rows_of(base, base.test)
    changed = source.copy()
    changed.loc[outside, "age"] = 1e6 + np.arange(len(outside))
    changed.loc[outside, "job"] = "never seen in training"
    other = opened(changed)
    assert rows_of(other, other.train) == rows_of(base, base.train)
    for f, g in zip(other.schema.inputs, base.schema.inputs, strict=True):
        assert (f.mean, f.std, f.classes, f.missing) == (g.mean, g.std, g.classes, g.missing)
    assert set(everything(other.test)[1][:, 0].tolist()) == {0}


def test_split_shares_and_copies() -> None:
    source = frame(400)
    twice = pd.concat([source, source], ignore_index=True)
    data = opened(twice)
    of = {r: name for name, p in (("a", data.train), ("b", data.val), ("c", data.test)) for r in rows_of(data, p)}
    assert len(of) == 800 and all(of[r] == of[r + 400] for r in range(400))
    assert abs(len(data.val) - 120) <= 8 and abs(len(data.test) - 120) <= 8
    assert any(c.what == "copies" and "400" in c.why for c in data.choices)
    few = opened({"a": [0, 1] * 100, "b": ["u", "u", "v", "v"] * 50, "label": ["x", "y", "x", "y"] * 50})
    assert len(few.test) == 30 and any(c.what == "copies" for c in few.choices)


# ---- regression and multi-label


@pytest.mark.parametrize("target", ["price", "price,area"])
def test_regression_targets_are_standardised(target: str) -> None:
    rng = np.random.default_rng(1)
    source = pd.DataFrame({"x": rng.normal(size=90), "price": rng.normal(5e5, 1e5, 90), "area": rng.normal(80, 9, 90)})
    data = opened(source, target=target)
    names = target.split(",")
    y = everything(data.test)[-1].reshape(len(data.test), -1)
    truth = source.loc[rows_of(data, data.test), names].to_numpy()
    fields = data.schema.targets
    back = y.double().numpy() * [f.std[0] for f in fields] + [f.mean[0] for f in fields]
    np.testing.assert_allclose(back, truth, rtol=1e-5)
    assert everything(data.train)[-1].shape == ((len(data.train),) if len(names) == 1 else (len(data.train), 2))
    assert data.schema.outputs == len(names)


def test_multilabel_from_text_lists_and_columns() -> None:
    text = ["a|b", "b", "a", "c|b", "", "c"] * 10
    sets = [set(filter(None, t.split("|"))) for t in text]
    x = np.random.default_rng(0).normal(size=60)
    sources: list[tuple[Any, str]] = [
        ({"x": x, "y": text}, "y"),
        ({"x": x, "y": [t.replace("|", " ; ") for t in text]}, "y"),
        ({"x": x, "y": [sorted(s) for s in sets]}, "y"),
        ({"x": x} | {k: [int(k in s) for s in sets] for k in "abc"}, "a,b,c"),
        ({"x": x, "y": [t.replace("|", ",") for t in text]}, "y"),
    ]
    for source, target in sources:
        data = opened(source, target=target, task="multilabel")
        assert data.schema.classes == ("a", "b", "c") and data.schema.outputs == 3
        y = everything(data.train)[-1]
        assert y.dtype == torch.float32
        truth = [[float(k in sets[r]) for k in "abc"] for r in rows_of(data, data.train)]
        assert y.tolist() == truth


# ---- later tables


def test_test_files_match_by_name(tmp_path: Path) -> None:
    source = frame()
    source.to_csv(tmp_path / "train.csv", index=False)
    late = frame(30, seed=5)[["label", "town", "job", "when", "age"]].assign(extra=1)
    late.to_csv(tmp_path / "test.csv", index=False)
    data = opened(str(tmp_path / "train.csv"), str(tmp_path / "test.csv"), str(tmp_path / "test.csv"))
    assert len(data.train) == 200 and len(data.test) == len(data.val) == 30
    for a, b in zip(everything(data.test), everything(opened(source, late, late).test), strict=True):
        assert torch.equal(a, b)
    assert data.path == str(tmp_path / "train.csv") and data.name == "train"
    assert data.test.name(0) == f"{tmp_path / 'test.csv'}:2"
    error = fault("DL119", source, late.drop(columns="job").assign(Job="x"))
    assert error.facts["column"] == "job" and "'Job'" in error.why


def test_headerless_files_match_by_place(tmp_path: Path) -> None:
    text = "".join(f"{i % 7}.5,{'ab'[i % 2]},{'xyz'[i % 3]}\n" for i in range(60))
    (tmp_path / "a.csv").write_text(text)
    (tmp_path / "b.csv").write_text("1.5,a,x\n2.5,b,y\n")
    data = opened(tmp_path / "a.csv", tmp_path / "b.csv", target="3")
    assert everything(data.test)[-1].tolist() == [0, 1]
    for body in ("1.5,a\n2.5,b\n", "1.5,a,x\n2.5,b,z\n"):
        (tmp_path / "c.csv").write_text(body)
        tensors, bad = encode_rows(
            data.schema, read_table(tmp_path / "c.csv", Settings(), header=False), with_target=False
        )
        assert not bad and tensors[1].tolist() == [[1], [2]]
    (tmp_path / "d.csv").write_text("1.5\n2.5\n")
    assert fault("DL121", tmp_path / "a.csv", tmp_path / "d.csv", target="3").facts["found"] == 1


def test_a_class_only_in_test_is_named() -> None:
    late = frame(30).assign(label=lambda f: f["label"] + ".")
    error = fault("DL117", frame(), late)
    assert error.facts["name"] in ("no.", "yes.") and "did you mean" in error.why and "1 more" in error.why
    assert fault("DL117", frame(), None, late).facts["part"] == "val"
    x = list(np.random.default_rng(0).normal(size=60))
    lists = {"x": x, "y": [["a", "b"], ["c"], []] * 20}
    assert fault("DL117", lists, {"x": [1.0], "y": [["d", "a"]]}).facts["name"] == "d"


def test_numbers_as_classes_match_across_writers() -> None:
    source = frame().assign(label=np.random.default_rng(0).integers(0, 3, 200))
    late = frame(30).assign(label=[0.0, 1.0, 2.0] * 10)
    assert everything(opened(source, late).test)[-1].tolist() == [0, 1, 2] * 10
    text = io.StringIO()
    late.to_csv(text, index=False)
    schema = opened(source).schema
    assert schema.classes == ("0", "1", "2")
    tensors, _ = encode_rows(
        schema, read_table(pd.read_csv(io.StringIO(text.getvalue()), dtype=str), Settings()), with_target=True
    )
    assert tensors[-1].tolist() == [0, 1, 2] * 10


# ---- bad rows


def test_rows_without_a_label(tmp_path: Path) -> None:
    source = frame()
    source.loc[[3, 77], "label"] = ["", "nan"]
    source.to_csv(tmp_path / "a.csv", index=False)
    error = fault("DL115", tmp_path / "a.csv")
    assert error.where == f"{tmp_path / 'a.csv'}:5, 79" and error.facts["count"] == 2
    data = opened(tmp_path / "a.csv", on_bad="skip", bad_limit=0.01)
    assert [b.where.rpartition(":")[2] for b in data.bad] == ["5", "79"]
    assert len(data.train) + len(data.val) + len(data.test) == 198
    lines = {p.name(i) for p in (data.train, data.val, data.test) for i in range(len(p))}
    assert lines == {f"{tmp_path / 'a.csv'}:{i + 2}" for i in range(200) if i not in (3, 77)}
    fault("DL107", tmp_path / "a.csv", on_bad="skip", bad_limit=0.005)
    numbers = frame().assign(label=np.linspace(0, 1, 200))
    numbers.loc[9, "label"] = np.nan
    assert fault("DL115", numbers).where == "row 9"


def test_a_text_among_numbers_is_a_bad_row() -> None:
    late = frame(30).astype({"age": object})
    late.loc[4, "age"] = "forty"
    error = fault("DL120", frame(), late)
    assert "'forty'" in error.why and error.where == "row 4"
    data = opened(frame(), late, on_bad="skip", bad_limit=0.1)
    assert len(data.test) == 29 and data.bad[0].where == "row 4" and data.test.name(4) == "row 5"
    tensors, bad = encode_rows(data.schema, read_table(late, Settings()), with_target=False)
    assert len(tensors) == 2 and len(tensors[0]) == 29 and [(b.row, b.where) for b in bad] == [(4, "row 4")]


def test_no_row_left() -> None:
    fault("DL115", frame(), frame(3).assign(label=None), on_bad="skip", bad_limit=1.0)
    columns = {"x": [1.5, 2.0], "a": [None, 1], "b": [0, None]}
    fault("DL115", columns, target="a,b", task="regression", on_bad="skip", bad_limit=1.0)


def test_a_label_may_have_the_columns_name() -> None:
    data = opened({"x": np.arange(40) % 7 / 3, "y": ["x|y", "y", "", "x"] * 10}, task="multilabel")
    assert everything(data.train)[-1].sum(0).min() > 0


def test_too_few_rows_are_said() -> None:
    fault("DL166", {"x": [1.5, 2.5], "label": ["a", "b"]})


def test_only_large_categories_leave_no_matrix() -> None:
    towns = {"town": [f"t{i % 600}" for i in range(2400)], "label": ["a", "b"] * 1200}
    assert everything(opened(towns).train)[1].max() > 256
    fault("DL118", towns, layout="matrix")
    more = opened(towns | {"x": np.random.default_rng(0).normal(size=2400)}, layout="matrix")
    assert everything(more.train)[0].shape[1] == 1 and any(c.what == "left out" for c in more.choices)


# ---- the schema is all that predict needs


@pytest.mark.parametrize("layout", ["columns", "matrix"])
def test_raw_rows_through_a_saved_schema(layout: Any) -> None:
    source = frame()
    data = opened(source, layout=layout)
    schema = Schema.from_json(json.loads(json.dumps(data.schema.to_json())))
    assert schema == data.schema
    raw, bad = encode_rows(schema, read_table(source.drop(columns="label"), Settings()), with_target=False)
    assert not bad
    inputs = prepare_table(schema)(raw)
    rows = torch.tensor(rows_of(data, data.test))
    for a, b in zip(inputs, everything(data.test)[:-1], strict=True):
        assert torch.equal(a[rows], b)
    one = {"age": None, "when": 1.6e18, "job": "pope", "town": "Ulm"}
    alone = prepare_table(schema)(encode_rows(schema, read_table(one, Settings()), with_target=False)[0])
    assert all(len(t) == 1 and t.isfinite().all() for t in alone)


@examples(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 59), min_size=1, max_size=12), st.sampled_from(["columns", "matrix"]))
def test_any_grouping_of_rows_gives_the_same_bits(rows: list[int], layout: Any) -> None:
    part = CACHE.setdefault(layout, opened(frame(), layout=layout)).train
    together = part.gather(torch.tensor(rows))
    for i, row in enumerate(rows):
        for a, b in zip(together, part[row], strict=True):
            assert torch.equal(a[i], b)


CACHE: dict[str, Data] = {}


def test_parts_can_be_sent_to_other_processes() -> None:
    part = opened(frame(), layout="matrix").train
    again = pickle.loads(pickle.dumps(part))
    assert again.name(3) == part.name(3)
    assert torch.equal(again.gather(torch.arange(5))[0], part.gather(torch.arange(5))[0])


def test_same_seed_same_parts() -> None:
    a, b, c = opened(frame(), seed=1), opened(frame(), seed=1), opened(frame(), seed=2)
    assert rows_of(a, a.test) == rows_of(b, b.test) != rows_of(c, c.test)


# ---- real files


def test_adult(danlu_data: Path, tmp_path: Path) -> None:
    folder = danlu_data / "tabular_adult"
    error = fault("DL117", folder / "adult.data", folder / "adult.test", target="column15")
    assert f"sed 's/\\.$//' {folder / 'adult.test'} > {folder / 'fixed-adult.test'}" in error.fix
    assert error.facts["name"] == "<=50K." and error.facts["count"] == 12435 and "'<=50K'" in error.why
    fixed = tmp_path / "adult.test"
    fixed.write_text(re.sub(r"\.$", "", (folder / "adult.test").read_text(), flags=re.MULTILINE))
    data = opened(folder / "adult.data", fixed, target="column15", layout="matrix")
    assert len(data.test) == 16281 and data.test.name(0) == f"{fixed}:2"
    assert torch.bincount(everything(data.test)[-1]).tolist() == [12435, 3846]
    truth = pd.read_csv(folder / "adult.data", header=None, skipinitialspace=True)
    rows = truth.loc[[int(data.train.name(i).rpartition(":")[2]) - 1 for i in range(len(data.train))], :13]
    width = sum(rows[c].nunique() if pd.api.types.is_string_dtype(rows[c]) else 1 for c in rows)
    assert everything(data.train)[0].shape == (len(data.train), width)


def test_california(danlu_data: Path) -> None:
    data = opened(danlu_data / "tabular_california" / "housing.csv", target="median_house_value")
    truth = pd.read_csv(danlu_data / "tabular_california" / "housing.csv")
    rows = [int(data.train.name(i).rpartition(":")[2]) - 2 for i in range(len(data.train))]
    train = truth.loc[rows]
    for f in data.schema.fields:
        if f.kind == "number":
            np.testing.assert_allclose(
                [f.mean[0], f.std[0]], [train[f.name].mean(), train[f.name].std(ddof=0)], rtol=1e-12
            )
            assert f.missing == train[f.name].isna().sum()
    assert [f.missing > 0 for f in data.schema.inputs].count(True) == 1
