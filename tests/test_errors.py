"""DanluError and the did-you-mean: one sentence, whatever is known."""

from __future__ import annotations

import pickle

import pytest

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import text


def test_the_nearest_name_whatever_its_case() -> None:
    assert nearest("Adamm", ["adam", "sgd"]) == "adam"
    assert nearest("xyz", ["adam", "sgd"]) == ""


def test_a_did_you_mean_is_a_sentence() -> None:
    assert did_you_mean("adamm", ["adam", "sgd"]) == "did you mean 'adam'?"
    assert did_you_mean("xyz", ["sgd", "adam"]) == "there are: adam, sgd"
    assert did_you_mean("xyz", (f"n{i:02}" for i in range(20))).endswith("n10, n11 …")
    assert did_you_mean("xyz", []) == ""


def test_an_error_is_in_one_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DANLU_LANG", "zh")
    said = str(DanluError("DL160", where="a.idx", name="labels")).splitlines()
    assert [line.split()[0] for line in said] == ["DL160", "位置", "原因", "办法"]


def test_an_error_travels_between_processes() -> None:
    error = DanluError("DL160", where="a.idx", name="labels")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.where, again.facts) == (str(error), "a.idx", {"name": "labels"})


def test_one_is_no_plural() -> None:
    both = ("{count} {count:cell has|cells have} {what!r} | {x:.1f}", "{count} 个单元格")
    assert text(both, count=1, what="a", x=1) == text(both, count="1", what="a", x=1) == "1 cell has 'a' | 1.0"
    assert text(both, count="1,001", what="a", x=1) == "1,001 cells have 'a' | 1.0"
    assert text(both, count=0, what="a", x=1).startswith("0 cells have")
