"""Events: strict JSON, one object a line, the names the design promises."""

from __future__ import annotations

import json
import math

from danlu.report import events
from danlu.types import Bad, Choice, Epoch


def read(event: events.Event) -> dict[str, object]:
    text = events.line(event)
    assert "\n" not in text
    text.encode()  # can be written as UTF-8

    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    found: dict[str, object] = json.loads(text, parse_constant=no_constant)
    return found


def test_the_promised_keys() -> None:
    assert read(events.choice(Choice("lr", "0.1", "二\n行"))) == {
        "event": "choice", "what": "lr", "value": "0.1", "why": "二\n行",
    }  # fmt: skip
    assert read(events.step(3, 0.5)) == {"event": "step", "step": 3, "loss": 0.5}
    assert read(events.saved(3, "p")) == {"event": "saved", "step": 3, "path": "p"}
    assert read(events.done({"test/accuracy": 0.5}, "r")) == {
        "event": "done", "metrics": {"test/accuracy": 0.5}, "run": "r",
    }  # fmt: skip
    found = read(events.epoch(Epoch(1, 10, 0.25, 640, 2.0, 0.5), {"val/loss": 0.2}, True))
    assert found["metrics"] == {"train/loss": 0.25, "val/loss": 0.2}
    assert (found["event"], found["epoch"], found["step"], found["seconds"]) == ("epoch", 1, 10, 2.0)
    finding = read(events.finding("DL001", "error", "here", "so", "do"))
    assert finding == {
        "event": "finding",
        "code": "DL001",
        "severity": "error",
        "where": "here",
        "why": "so",
        "fix": "do",
    }
    assert read(events.stopped(7, "danlu resume x"))["resume"] == "danlu resume x"
    assert read(events.bad(Bad("a.jpg", "empty")))["where"] == "a.jpg"
    assert read(events.notice("hello")) == {"event": "notice", "text": "hello"}


def test_start_has_every_fact() -> None:
    facts = events.Start("r", "d", "regression", "mlp", 5, {"train": 3}, None, 10, 4, "cpu", "fp32", 0)
    assert read(events.start(facts)) | {"event": "start"} == {
        "event": "start",
        "run": "r",
        "data": "d",
        "task": "regression",
        "model": "mlp",
        "parameters": 5,
        "rows": {"train": 3},
        "epochs": None,
        "steps": 10,
        "batch_size": 4,
        "device": "cpu",
        "precision": "fp32",
        "seed": 0,
        "step": 0,
        "versions": {},
    }


def test_json_has_no_nan() -> None:
    found = read(events.done({"a": math.nan, "b": math.inf, "c": [1.0, -math.inf]}, "r"))
    assert found["metrics"] == {"a": None, "b": None, "c": [1.0, None]}


def test_file_names_that_are_not_utf8() -> None:
    assert read(events.bad(Bad("caf\udce9.jpg", "坏")))["where"] == "caf\udce9.jpg"
