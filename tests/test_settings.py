"""Settings: one border where keys, types and ranges are checked, and TOML that reads back the same."""

from __future__ import annotations

import math
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.errors import DanluError
from danlu.messages import set_language
from danlu.rules import RULES
from danlu.settings import Settings, changed, make_settings, merge_settings, read_toml, spell, to_toml


def refused(values: dict[str, Any], style: Any = "python") -> DanluError:
    with pytest.raises(DanluError) as caught:
        make_settings(values, style)
    return caught.value


def test_defaults() -> None:
    assert make_settings({}) == Settings()
    assert make_settings({f.name: None for f in fields(Settings)}) == Settings()  # None: as if it was not given


def test_every_setting_has_a_rule_that_its_default_and_example_keep() -> None:
    assert set(RULES) == {f.name for f in fields(Settings)}
    for f in fields(Settings):
        if f.default is not None:
            assert getattr(make_settings({f.name: f.default}), f.name) == f.default
        make_settings({f.name: RULES[f.name].example})


@pytest.mark.parametrize(
    ("given_value", "kept"),
    [
        ({"epochs": 3.0}, 3),
        ({"epochs": np.int64(3)}, 3),
        ({"lr": 1}, 1.0),
        ({"lr": np.float32(0.5)}, 0.5),
        ({"lr": "auto"}, "auto"),
        ({"device": torch.device("cuda", 1)}, "cuda:1"),
        ({"device": "cuda:1"}, "cuda:1"),
        ({"class_weights": torch.tensor([1.0, 2.0])}, (1.0, 2.0)),
        ({"class_weights": np.array([1, 2])}, (1.0, 2.0)),
        ({"class_weights": "balanced"}, "balanced"),
        ({"target": ["a", "b"]}, ("a", "b")),
        ({"target": "a,b"}, "a,b"),
        ({"time": "10m"}, "10m"),
        ({"time": 90}, 90.0),
        ({"schedule": "my.py:warm"}, "my.py:warm"),
        ({"warmup": 500}, 500.0),
    ],
)
def test_values_in_their_own_type(given_value: dict[str, Any], kept: Any) -> None:
    (name,) = given_value
    found = getattr(make_settings(given_value), name)
    assert found == kept
    assert type(found) is type(kept)


def test_a_schedule_may_be_a_function() -> None:
    assert make_settings({"schedule": len}).schedule is len


def test_unknown_key_names_the_nearest() -> None:
    error = refused({"epocs": 3})
    assert (error.code, error.where, error.fix) == ("DL001", "epocs=3", "epochs=3")
    assert "epochs" in error.why
    assert refused({"tests": "x"}).fix == "test='x'"  # train's own arguments are known too
    assert refused({"qqqq": 3}).fix == ""


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"epochs": "ten"}, "DL002"),
        ({"epochs": 1.5}, "DL002"),
        ({"epochs": True}, "DL002"),
        ({"lr": [0.1]}, "DL002"),
        ({"check": 1}, "DL002"),
        ({"time": True}, "DL002"),
        ({"target": 3}, "DL002"),
        ({"target": ""}, "DL002"),
        ({"target": []}, "DL002"),
        ({"class_weights": [1, "a"]}, "DL002"),
        ({"epochs": 0}, "DL003"),
        ({"epochs": math.inf}, "DL002"),
        ({"lr": 0.0}, "DL003"),
        ({"lr": math.nan}, "DL003"),
        ({"lr": math.inf}, "DL003"),
        ({"ema": 1.0}, "DL003"),
        ({"label_smoothing": 1.0}, "DL003"),
        ({"seed": 2**64}, "DL003"),
        ({"seed": -1}, "DL003"),
        ({"time": "0s"}, "DL003"),
        ({"class_weights": [1.0, -1.0]}, "DL003"),
        ({"on_bad": "skp"}, "DL005"),
        ({"device": "gpu"}, "DL005"),
        ({"time": "10x"}, "DL006"),
        ({"time": "soon"}, "DL006"),
    ],
    ids=str,
)
def test_wrong_values(values: dict[str, Any], code: str) -> None:
    error = refused(values)
    (name,) = values
    assert error.code == code
    assert error.where.startswith(f"{name}=")
    line = error.fix
    make_settings(eval(f"dict({line})"))  # the fix can be pasted, and is right


def test_fixes_name_what_was_meant() -> None:
    assert refused({"on_bad": "skp"}).fix == "on_bad='skip'"
    assert refused({"device": "gpu"}).fix == "device='cuda'"
    assert refused({"precision": "float16"}, "flag").fix == "--precision fp16"


def test_only_one_length() -> None:
    error = refused({"epochs": 3, "time": "10m", "steps": None}, "flag")
    assert (error.code, error.where) == ("DL004", "--epochs 3 --time 10m")


def test_errors_in_chinese() -> None:
    set_language("zh")
    error = refused({"epochs": -3})
    assert error.what == "epochs 不能是 -3：超出范围"
    assert error.why == "应为：整数（≥ 1）"


def test_merging_replaces_the_length() -> None:
    assert merge_settings({"epochs": 3, "lr": 0.1}, {"steps": 50}) == {"lr": 0.1, "steps": 50}
    assert merge_settings({"epochs": 3, "lr": 0.1}, {"lr": 0.2}) == {"epochs": 3, "lr": 0.2}


def test_changed_is_what_differs() -> None:
    assert changed(make_settings({"epochs": 3, "seed": 0})) == {"epochs": 3}


def test_spelling() -> None:
    assert spell("batch_size", 3, "flag") == "--batch-size 3"
    assert spell("check", False, "flag") == "--no-check"
    assert spell("target", ("a", "b"), "flag") == "--target a,b"
    assert spell("target", "a", "python") == "target='a'"


plain = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text())
values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


@given(st.dictionaries(st.text(), values))
def test_toml_reads_back_the_same(table: dict[str, Any]) -> None:
    assert tomllib.loads(to_toml(table, "title\nof two lines")) == table


def test_toml_leaves_none_out_and_knows_nan() -> None:
    found = tomllib.loads(to_toml({"a": None, "b": math.nan, "c": (1, 2), "d": {"e": None}}))
    assert math.isnan(found.pop("b"))
    assert found == {"c": [1, 2], "d": {}}


def test_toml_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(DanluError) as caught:
        to_toml({"path": "caf\udce9"})  # a file name in Latin-1, as os.fsdecode gives it
    assert caught.value.code == "DL013"
    with pytest.raises(TypeError):
        to_toml({"f": len})


def test_reading_toml(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes("\ufeffepochs = 3\n".encode())  # as Windows' Notepad writes it
    assert read_toml(path) == {"epochs": 3}
    path.write_text("epochs = \n")
    with pytest.raises(DanluError) as caught:
        read_toml(path)
    assert caught.value.code == "DL011"
    assert "line 1" in caught.value.why
    with pytest.raises(DanluError) as caught:
        read_toml(tmp_path / "nothing.toml")
    assert caught.value.code == "DL012"
