"""A run stopped at any step and resumed ends bit for bit as one that was never stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fork_server import ForkServer

STOPPED = 130


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    server = ForkServer()
    yield server
    server.close()


def outcome(run: Path) -> tuple[bytes, list[dict[str, Any]], bytes]:
    """The final weights, all events without their times, the predictions."""
    text = (run / "metrics.jsonl").read_text().replace(json.dumps(str(run))[1:-1], "RUN")  # lines to paste name it
    events = [json.loads(line) for line in text.splitlines()]
    timeless = [
        {k: v for k, v in event.items() if k not in ("seconds", "waited", "memory", "run", "versions")}
        for event in events
        if event["event"] != "saved"
    ]
    return (run / "model" / "weights.safetensors").read_bytes(), timeless, (run / "predictions.parquet").read_bytes()


@pytest.mark.parametrize(
    "kind", ["plain", "workers", "ema", "accumulate", "patience", "steps", "torch_schedule", "freeze", "heads"]
)
def test_stopping_at_every_step_changes_nothing(server: ForkServer, tmp_path: Path, kind: str) -> None:
    whole = tmp_path / "whole"
    assert server.run("train", kind=kind, run=str(whole)) == 0
    expected = outcome(whole)
    steps = max(event["step"] for event in expected[1] if event["event"] == "step")
    assert steps > 5
    for step in range(1, steps + 1):
        run = tmp_path / f"stopped-{step}"
        status = server.run("train", kind=kind, run=str(run), stop_at=step)
        assert status == STOPPED
        assert server.run("train", kind=kind, run=str(run)) == 0
        weights, events, predictions = outcome(run)
        assert events == expected[1], f"stopped at {step}"
        assert weights == expected[0], f"stopped at {step}"
        assert predictions == expected[2], f"stopped at {step}"


PARTS = ["model", "buffers", "optimizer", "loader", "torch", "numpy", "python"]
PARTS += ["step", "epoch", "loss_sum", "rows", "lines"]


@pytest.mark.parametrize(
    ("kind", "part"),
    [("plain", part) for part in PARTS]
    + [("ema", "ema"), ("torch_schedule", "schedule"), ("worse", "best"), ("freeze", "body")],
)
def test_leaving_out_any_part_of_the_state_is_seen(server: ForkServer, tmp_path: Path, kind: str, part: str) -> None:
    """The test above would notice: without this part the end differs."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    stop = 13 if part == "best" else 8  # inside the second epoch; a best one is known by the third
    assert server.run("train", kind=kind, run=str(whole)) == 0
    assert server.run("train", kind=kind, run=str(run), stop_at=stop) == STOPPED
    status = server.run("train", kind=kind, run=str(run), leave_out=part)
    assert status != 0 or outcome(run) != outcome(whole)
