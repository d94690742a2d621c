"""The command line from outside: exit codes, what goes to which stream, and how few frames stand above training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from danlu import cli
from danlu.cli import FUNCTIONS, main
from danlu.doctor import Row
from danlu.errors import DanluError, Interrupted
from danlu.report import mode


@pytest.fixture
def verbs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[dict[str, Any]]]]:
    """An api whose functions remember what they were called with, and do what the test says."""

    def make(does: Callable[[], Any] = lambda: None) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        module = ModuleType("danlu.api")
        for name in FUNCTIONS.values():

            def function(_name: str = name, **arguments: Any) -> Any:
                frame = sys._getframe(1)
                seen.append({"function": _name, "caller": frame.f_code.co_name, "mode": mode(), **arguments})
                return does()

            setattr(module, name, function)
        monkeypatch.setitem(sys.modules, "danlu.api", module)
        return seen

    yield make


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_main_calls_the_function_itself(verbs: Any) -> None:
    seen = verbs()
    assert main(["train", "x", "--epochs", "3", "--json", "-q"]) == 0
    (call,) = seen
    assert (call["function"], call["caller"]) == ("train", "main")  # no frame between
    assert (call["data"], call["epochs"]) == ("x", 3)
    assert (call["mode"].json, call["mode"].quiet) == (True, True)
    assert not mode().json  # asked for by this call only


def test_a_danlu_error_is_1(verbs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verbs(raising(DanluError("DL012", "a.csv", path="a.csv", reason="gone")))
    assert main(["train", "x"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["DL012 a.csv cannot be read", "  where  a.csv", "  why    gone"]


def test_an_error_is_an_event_too(verbs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verbs(raising(DanluError("DL012", "a.csv", path="a.csv", reason="gone")))
    assert main(["train", "x", "--json"]) == 1
    out, err = capsys.readouterr()
    event = json.loads(out)
    assert (event["event"], event["code"], event["severity"], event["why"]) == ("finding", "DL012", "error", "gone")
    assert "DL012" in err


def test_usage_errors_are_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "x", "--epocs", "3"]) == 2
    assert "danlu train x --epochs 3" in capsys.readouterr().err
    assert main(["train", "x", "--epochs", "-3", "--lang", "zh"]) == 2
    assert "超出范围" in capsys.readouterr().err
    assert main(["train", "x", "--epocs", "3", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "DL007"


@pytest.mark.parametrize(("signal", "code"), [(2, 130), (15, 143)])
def test_signals(signal: int, code: int, verbs: Any) -> None:
    verbs(raising(Interrupted("runs/p", signal)))
    assert main(["train", "x"]) == code


def test_ctrl_c_before_there_is_anything_to_save(verbs: Any) -> None:
    verbs(raising(KeyboardInterrupt()))
    assert main(["train", "x"]) == 130


def test_the_unexpected_names_its_place(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("danlu.cli._function", lambda verb: int)  # takes no such arguments, and has no line
    assert main(["train", "x"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("DL099 unexpected: TypeError: ") and "cli/__init__.py:" in err.replace("\\", "/")


def test_an_error_in_the_users_code_is_told_as_one(verbs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verbs(raising(ZeroDivisionError("odd")))
    assert main(["train", "my photos"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("DL098 your code stopped with ZeroDivisionError: odd\n")
    assert "test_main.py" in err
    assert "Traceback" not in err
    assert 'danlu train "my photos" --debug' in err
    assert main(["train", "x", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_what_danlu_stands_on_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "danlu.api", None)  # importing it fails
    assert main(["train", "x"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("DL032")
    assert "danlu doctor" in err


def test_test_prints_its_results(verbs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    verbs(lambda: {"test/accuracy": 0.75, "test/rows": 4})
    assert main(["test"]) == 0
    assert capsys.readouterr().out == "  test      accuracy  0.7500\n"
    assert main(["test", "--json"]) == 0
    event = json.loads(capsys.readouterr().out)
    assert event == {"event": "done", "metrics": {"test/accuracy": 0.75, "test/rows": 4}, "run": "runs/latest"}


def test_doctor_is_1_when_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [Row("disk", "fine"), Row("torch", "gone", "error", "pip install torch")]
    monkeypatch.setattr(cli, "_function", lambda verb: lambda: rows)
    assert main(["doctor"]) == 1
    assert "pip install torch" in capsys.readouterr().out
    assert main(["doctor", "--json"]) == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [e["state"] for e in events] == ["ok", "error"]
    del rows[1]
    assert main(["doctor"]) == 0


def test_a_closed_pipe_is_no_error(verbs: Any) -> None:
    verbs()
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "danlu", "train", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_verb_that_writes_to_a_closed_pipe(verbs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verbs(raising(BrokenPipeError()))
    monkeypatch.setattr(cli, "_closed_pipe", lambda: cli.PIPE)  # pytest's own stdout stays open
    assert main(["predict", "x.csv", "y.csv"]) == 141


def test_python_m_danlu() -> None:
    done = subprocess.run([sys.executable, "-m", "danlu", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("danlu ")
