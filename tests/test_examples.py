"""Runs every program of examples/ and looks at what came out of it."""

from __future__ import annotations

import csv
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import ROOT

EXAMPLES = ROOT / "examples"


def result(name: str) -> Any:
    """What the ``main()`` of an example returns."""
    torch.manual_seed(1)  # an example seeds what it needs; what the tests before it drew must not matter
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)["main"]()


def beats_baseline(metrics: dict[str, Any], name: str = "accuracy") -> bool:
    """Even the low end of the interval is better than the answer of a model that learnt nothing."""
    return metrics[f"test/{name}_low"] > metrics[f"test/{name}_baseline"]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def epochs(run: Path) -> list[int]:
    return [e["epoch"] for e in events(run) if e["event"] == "epoch"]


def test_every_example_is_tested_and_runs_as_a_script() -> None:
    tests = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.iterdir():
        assert f'"{path.stem}' in tests, f"{path.name} has no test"
        if path.suffix == ".py":
            assert path.read_text("utf-8").endswith('\n\nif __name__ == "__main__":\n    main()\n')


@pytest.mark.skipif(os.name == "nt", reason="a bash script")
def test_door_1_command_line(workdir: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(EXAMPLES / "door1_cli.sh")], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert epochs(workdir / "digits_run") == [1, 2, 3, 4, 5]
    finished = [e for e in events(workdir / "digits_run") if e["event"] == "done"]
    assert beats_baseline(finished[-1]["metrics"])
    with open(workdir / "answers.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 344
    assert {row["prediction"] for row in rows} == {"Adelie", "Chinstrap", "Gentoo"}


def test_door_2_files(capsys: pytest.CaptureFixture[str]) -> None:
    run = result("door2_files")
    assert beats_baseline(run.metrics)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["Chinstrap", "Gentoo"]


def test_door_3_own_objects() -> None:
    run = result("door3_own_objects")
    assert beats_baseline(run.metrics)
    assert not run.model.training
    assert run.predictor.schema.classes == tuple("0123456789")


def test_door_4_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert result("door4_steps") > 0.95
    losses = [float(line.split()[3]) for line in capsys.readouterr().out.splitlines()]
    assert losses[-1] < losses[0] / 3


def test_door_5_step() -> None:
    assert result("door5_step") > 0.95


def test_two_heads() -> None:
    right, error = result("two_heads")
    assert right > 0.9
    assert error < 0.02  # the mean ink is 0.305 with a standard deviation of 0.036


def test_regression_clipped() -> None:
    run = result("regression_clipped")
    assert beats_baseline(run.metrics, "r2")
    assert run.metrics["test/r2"] > 0.9


def test_save_load_go_on(workdir: Path) -> None:
    run = result("save_load_go_on")
    assert beats_baseline(run.metrics)
    assert epochs(workdir / "penguins_run") == list(range(1, 16))
    weights = torch.load(workdir / "weights.pth", weights_only=True)
    assert torch.equal(weights["weight"], run.model.weight)


def test_loader_drop_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert result("loader_drop_in") < 0.3  # of two classes: ln 2 = 0.69 without learning
    assert "the same 8 batches" in capsys.readouterr().out
