"""Predictions written down: whole, or not at all, with the reason."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from danlu import answers
from danlu.answers import Writer
from danlu.errors import DanluError, reason

ROWS = [{"input": "a.jpg", "prediction": "cat", "score": 0.5}] * 9000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty: tmp_path itself holds the tests' working directory."""
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


def test_a_folder_that_is_not_there(folder: Path) -> None:
    out = folder / "my results" / "out.csv"
    with pytest.raises(DanluError) as caught:
        Writer(out)
    assert caught.value.code == "DL317" and caught.value.where == str(out)
    assert os.system(caught.value.fix) == 0  # what it says can be pasted
    with Writer(out) as writer:
        writer.write(ROWS[:1])
    assert "cat" in out.read_text("utf-8-sig")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a disk that is always full")
@pytest.mark.parametrize("count", [1, 9000])  # found out at the end, and in the middle
@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_full_disk_leaves_no_half_file(folder: Path, monkeypatch: Any, suffix: str, count: int) -> None:
    def full(path: Path, mode: str, **options: Any) -> Any:
        path.touch()
        return open("/dev/full", mode, **options)

    monkeypatch.setattr(answers, "open", full, raising=False)
    with pytest.raises(DanluError) as caught, Writer(folder / f"out{suffix}") as writer:
        writer.write(ROWS[:count])
    assert caught.value.code == "DL317" and reason(OSError(errno.ENOSPC, "")) in caught.value.why
    assert caught.value.fix == "df -h ."
    assert list(folder.iterdir()) == []


def test_a_folder_in_the_files_place(folder: Path) -> None:
    (folder / "out.parquet").mkdir()
    with pytest.raises(DanluError) as caught, Writer(folder / "out.parquet") as writer:
        writer.write(ROWS[:1])
    assert caught.value.code == "DL317" and caught.value.fix == "-o answers.parquet"
    assert [p.name for p in folder.iterdir()] == ["out.parquet"]


def test_an_error_on_the_way_leaves_nothing(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), Writer(folder / "out.jsonl") as writer:
        writer.write(ROWS)
        raise ZeroDivisionError
    assert list(folder.iterdir()) == []
