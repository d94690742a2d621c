"""argv: every way to type a command, and the usage errors with the line that would have been right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.cli.argv import Call, parse
from danlu.errors import DanluError
from danlu.rules import RULES
from danlu.settings import make_settings, spell, to_toml


def call(line: str) -> Call:
    found = parse(line.split())
    assert isinstance(found, Call)
    return found


def refused(*words: str) -> DanluError:
    with pytest.raises(DanluError) as caught:
        parse(list(words))
    return caught.value


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("train photos/", {"data": "photos/"}),
        ("train a.csv b.csv --val c.csv", {"data": "a.csv", "test": "b.csv", "val": "c.csv"}),
        ("train a.csv --test b.csv", {"data": "a.csv", "test": "b.csv"}),
        ("train --epochs 3 a.csv --lr=1e-3 b.csv", {"data": "a.csv", "test": "b.csv", "epochs": 3, "lr": 0.001}),
        ("train a.csv --batch_size 8 --batch-size 9", {"data": "a.csv", "batch_size": 9}),
        ("train x --target a,b --no-check --lang en", {"data": "x", "target": "a,b", "check": False, "lang": "en"}),
        ("train x --class-weights 1,2", {"data": "x", "class_weights": [1, 2]}),
        ("train x --run runs/mine --model my.py:Net", {"data": "x", "run": "runs/mine", "model": "my.py:Net"}),
        ("train x --loss L1Loss --optimizer sgd", {"data": "x", "loss": "L1Loss", "optimizer": "sgd"}),
        ("train x --time 10m", {"data": "x", "time": "10m"}),
        ("test", {"run": "runs/latest", "data": None}),
        ("resume", {"run": "runs/latest"}),
        ("resume runs/p --epochs 30", {"run": "runs/p", "epochs": 30}),
        ("demo", {"kind": "image"}),
        ("demo table --epochs 1", {"kind": "table", "epochs": 1}),
        ("doctor", {}),
    ],
)
def test_calls(line: str, arguments: dict[str, Any]) -> None:
    found = call(line)
    assert found.verb == line.split()[0]
    assert found.arguments == arguments


def test_modes() -> None:
    assert call("train x").mode.json is False
    found = call("train x --json -q --debug")
    assert (found.mode.json, found.mode.quiet, found.debug) == (True, True, True)


def test_which_word_is_the_run(workdir: Path) -> None:
    (workdir / "runs" / "p" / "model").mkdir(parents=True)
    (workdir / "photos").mkdir()
    (workdir / "a.jpg").touch()
    latest = "runs/latest"
    assert call("predict a.jpg").arguments == {"run": latest, "inputs": ["a.jpg"]}
    assert call("predict photos a.jpg -o out.csv").arguments == {
        "run": latest, "inputs": ["photos", "a.jpg"], "output": "out.csv",
    }  # fmt: skip
    assert call("predict runs/p a.jpg --model my.py:N").arguments == {
        "run": "runs/p", "inputs": ["a.jpg"], "model": "my.py:N",
    }  # fmt: skip
    assert call("predict runs/latest *.jpg").arguments == {"run": latest, "inputs": ["*.jpg"]}
    assert call("predict *.jpg").arguments == {"run": latest, "inputs": ["*.jpg"]}
    assert call("predict runs/typo a.jpg").arguments["run"] == "runs/typo"  # an error later, not a wrong model now
    assert call("test runs/p").arguments == {"run": "runs/p", "data": None}
    assert call("test photos").arguments == {"run": latest, "data": "photos"}
    assert call("test runs/p photos").arguments == {"run": "runs/p", "data": "photos"}
    assert refused("predict", "runs/p").code == "DL009"


def test_a_run_can_be_run_again(workdir: Path) -> None:
    record = {"data": "a.csv", "epochs": 3, "chosen": {"lr": 0.1}}
    (workdir / "run.toml").write_text(to_toml(record))
    assert call("train run.toml --lr 0.5").arguments == {"data": "a.csv", "epochs": 3, "lr": 0.5}
    assert call("train run.toml --steps 10").arguments == {"data": "a.csv", "steps": 10}
    (workdir / "run.toml").write_text(to_toml({"data": "a.csv", "objects": {"model": "Net"}}))
    assert refused("train", "run.toml").code == "DL016"
    assert refused("train", "nothing.toml").code == "DL012"


# argparse of Python 3.11 loses a value that is only "--"; danlu then refuses it
@given(st.fixed_dictionaries({}, optional={
    "epochs": st.integers(1, 10**6),
    "lr": st.floats(1e-9, 10) | st.just("auto"),
    "ema": st.floats(0.5, 0.9999),
    "on_bad": st.sampled_from(["stop", "skip"]),
    "check": st.booleans(),
    "target": st.text("ab列c d-", min_size=1).filter(lambda text: text.strip() and text != "--"),
    "class_weights": st.lists(st.floats(0, 9), min_size=2, max_size=4),
    "seed": st.integers(0, 2**63 - 1),
}))  # fmt: skip
def test_flags_and_keyword_arguments_are_the_same(settings: dict[str, Any]) -> None:
    words = ["train", "x"]
    for name, value in settings.items():
        flag, *text = spell(name, value, "flag").split(" ", 1)
        words += [f"{flag}={text[0]}"] if text else [flag]
    found = parse(words)
    assert isinstance(found, Call)
    assert found.arguments.pop("data") == "x"
    assert make_settings(found.arguments) == make_settings(settings)


def test_every_setting_is_a_flag() -> None:
    for name, rule in RULES.items():
        line = spell(name, rule.example, "flag")
        assert name in call(f"train x {line}").arguments


@pytest.mark.parametrize(
    ("line", "code", "fix"),
    [
        ("trian photos/", "DL008", "danlu train photos/"),
        ("nonsense", "DL008", "danlu --help"),
        ("my.py:data --epochs 3", "DL008", "danlu train my.py:data --epochs 3"),
        ("--foo", "DL009", "danlu --help"),
        ("train", "DL009", "danlu train photos/"),
        ("predict", "DL009", "danlu predict a.jpg b.jpg"),
        ("train a b c", "DL010", "danlu train photos/"),
        ("train a b --test c", "DL010", "danlu train photos/"),
        ("doctor x", "DL010", "danlu doctor"),
        ("train x.csv --epocs 3", "DL007", "danlu train x.csv --epochs 3"),
        ("train x.csv --batch_sise=3", "DL007", "danlu train x.csv --batch-size=3"),
        ("train x.csv --no-chek", "DL007", "danlu train x.csv --no-check"),
        ("train x.csv --zzzz", "DL007", ""),
        ("predict x --epochs 3", "DL007", ""),
        ("train x --epochs", "DL014", "--epochs 10"),
        ("train x --run --json", "DL014", "--run …"),
        ("train x --json=1", "DL015", "--json"),
        ("train x --no-check=1", "DL015", "--no-check"),
        ("train x --epochs ten", "DL002", "--epochs 10"),
        ("train x --epochs -3", "DL003", "--epochs 10"),
        ("train x --epochs 3 --steps 3", "DL004", "--epochs 3"),
        ("train x --on-bad skp", "DL005", "--on-bad skip"),
        ("train x --time 10x", "DL006", "--time 10m"),
        ("train x --lang fr", "DL005", "--lang zh"),
        ("demo imag", "DL005", "danlu demo image"),
    ],
)
def test_usage_errors(line: str, code: str, fix: str) -> None:
    error = refused(*line.split())
    assert (error.code, error.fix) == (code, fix)
    assert str(error).count("\n") < 8


def test_a_folder_typed_as_a_command(workdir: Path) -> None:
    (workdir / "my photos").mkdir()
    assert refused("my photos", "--epochs", "3").fix == 'danlu train "my photos" --epochs 3'


def test_flags_are_not_abbreviated() -> None:
    assert refused("train", "x", "--epoch", "3").code == "DL007"


def test_files_that_the_shell_made_of_a_pattern_give_the_line_with_quotes(workdir: Path) -> None:
    (workdir / "data").mkdir()
    names = [f"data/2024-{i}.csv" for i in range(3)]
    for name in names:
        Path(name).write_text("a,b\n")
    error = refused("train", *names)
    assert (error.code, error.fix) == ("DL010", 'danlu train "data/2024-*.csv"')
    assert refused("train", names[0], "nowhere.csv", names[1]).fix == "danlu train photos/"
    assert refused("doctor", names[0]).fix == "danlu doctor"
