"""The reporter on a terminal, in a file, as JSON, and where nobody reads any more."""

from __future__ import annotations

import io
import json
import re
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from danlu.report import Mode, reset_mode, set_mode
from danlu.report import terminal as module
from danlu.report.events import Start
from danlu.report.layout import width
from danlu.report.terminal import Reporter
from danlu.types import Bad, Choice, Epoch, Stepped

START = Start("runs/p", "photos/", "classification", "cnn", 10, {"train": 640}, 3, 30, 64, "cpu", "fp32", 0)


class Terminal(io.StringIO):
    """A terminal's screen: what is written, with each carriage return obeyed."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        rows = []
        for line in re.sub("\x1b\\[[0-9]*m", "", self.getvalue()).split("\n"):
            cells: list[str] = []
            for part in line.split("\r"):
                wide = [piece for c in part for piece in ([c, ""] if width(c) == 2 else [c])]
                cells[: len(wide)] = wide
            rows.append("".join(cells).rstrip())
        return rows


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


class Loss:
    """A loss that counts how often it is read."""

    def __init__(self, value: float, device: str = "cpu") -> None:
        self.value, self.reads, self.device = value, 0, SimpleNamespace(type=device)

    def __float__(self) -> float:
        self.reads += 1
        return self.value


def stepped(step: int, loss: Any = None, epoch: int = 0) -> Stepped:
    return Stepped(step, epoch, loss if loss is not None else Loss(0.5), 64)


def epoch(n: int) -> Epoch:
    return Epoch(n, 10 * n, 0.5 / n, 640, 1.0, 0.1)


def test_a_run_on_a_terminal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    with Reporter(stream=stream) as reporter:
        reporter.choice(Choice("lr", "0.001", "a default"))
        reporter.start(START)
        for i in range(1, 31):
            clock.now += 0.06
            reporter.on_step(stepped(i, epoch=(i - 1) // 10), 30)
            assert width(stream.screen()[-1]) < 80
            if i % 10 == 0:
                reporter.epoch(epoch(i // 10), {"val/accuracy": 0.5}, best=i == 20, eta_seconds=30 - i)
        reporter.done({"test/accuracy": 0.75}, "runs/p", ["danlu test runs/p"])
    assert stream.screen() == [
        "  lr        0.001 (a default)",
        "cnn, 10 parameters · cpu fp32 · 640 train samples · 3 epochs",
        "  run       runs/p",
        "epoch     loss  accuracy  samples/s  data wait     left",
        "  1/3   0.5000    0.5000        640        10%      20s",
        "  2/3   0.2500    0.5000        640        10%      10s  ★",
        "  3/3   0.1667    0.5000        640        10%        –",
        "  test      accuracy  0.7500",
        "  files     runs/p",
        "  next      danlu test runs/p",
        "",
    ]


def test_the_live_line_shows_the_whole_run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    reporter = Reporter(stream=stream)
    reporter.start(START)
    reporter.on_step(stepped(1), 30)
    clock.now += 4
    reporter.on_step(stepped(11, epoch=1), 30)
    assert "epoch 2/3" in stream.screen()[-1]
    assert "37%" in stream.screen()[-1]
    assert "160 samples/s  7.6s left  step 11/30" in stream.screen()[-1]  # 10 steps of 64 in 4 s; 19 are left
    reporter.close()
    assert stream.screen()[-1] == ""


def test_a_shorter_live_line_covers_a_longer_one(clock: Clock) -> None:
    stream = Terminal()
    reporter = Reporter(stream=stream)
    reporter.on_step(stepped(1, Loss(123456.789)), None)
    clock.now += 1
    reporter.on_step(stepped(2, Loss(1.0)), None)
    assert stream.screen()[-1].startswith("epoch 1  loss 1.0000")
    assert "456" not in stream.screen()[-1]


def test_looks_at_steps_and_losses_rarely(clock: Clock) -> None:
    cpu, gpu = Loss(0.5), Loss(0.5, "cuda")
    for loss, most in ((cpu, 101), (gpu, 11)):
        reporter = Reporter(stream=Terminal())
        for i in range(10_000):  # ten seconds
            clock.now += 0.001
            reporter.on_step(stepped(i, loss), None)
        assert 5 <= loss.reads <= most


def test_in_a_file_there_is_no_live_line(clock: Clock) -> None:
    stream = io.StringIO()
    reporter = Reporter(stream=stream)
    reporter.start(START)
    for i in range(1, 131):  # one long epoch of 130 s
        clock.now += 1
        reporter.on_step(stepped(i), 260)
    reporter.epoch(epoch(1), {}, best=True)
    text = stream.getvalue()
    assert "\r" not in text
    assert "\x1b" not in text
    live = [line for line in text.splitlines() if "step" in line]
    assert len(live) == 2  # after 10 s, then once a minute
    assert text.splitlines()[-1] == "epoch 1/3  loss 0.5000  640 samples/s  data wait 10%  ★"


def test_quiet_says_the_result_only(clock: Clock) -> None:
    stream = io.StringIO()
    reporter = Reporter(stream=stream, quiet=True)
    reporter.choice(Choice("lr", "0.001", "a default"))
    reporter.start(START)
    clock.now += 100
    reporter.on_step(stepped(1), 10)
    reporter.epoch(epoch(1), {"val/accuracy": 0.5})
    reporter.notice("something")
    reporter.finding("DL001", "note", "here", "so", "do")
    assert stream.getvalue() == ""
    reporter.finding("DL001", "warning", "here", "so", "do", "odd")
    reporter.bad(Bad("a.jpg", "empty"))
    reporter.done({"test/accuracy": 0.75}, "runs/p")
    shown = stream.getvalue().splitlines()
    assert shown[0] == "DL001 warning: odd"
    assert "  skipped   a.jpg (empty)" in shown
    assert "  test      accuracy  0.7500" in shown


def test_json_events(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    reporter = Reporter(json=True, stream=stream)
    reporter.choice(Choice("lr", "0.001", "默认"))
    reporter.start(START)
    for i in range(1, 101):  # ten seconds
        clock.now += 0.1
        reporter.on_step(stepped(i), 100)
    reporter.epoch(epoch(1), {"val/loss": float("nan")}, best=True)
    reporter.saved(10, "runs/p/checkpoints/step-10")
    reporter.bad(Bad("a.jpg", "empty"))
    reporter.notice("something")
    reporter.finding("DL001", "error", "here", "so", "do")
    reporter.stopped("danlu resume runs/p", 10)
    reporter.done({"test/accuracy": 0.75}, "runs/p")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [event["event"] for event in found]
    steps = names.count("step")
    assert 5 <= steps <= 10
    assert [n for n in names if n != "step"] == [
        "choice", "start", "epoch", "saved", "bad", "notice", "finding", "stopped", "done",
    ]  # fmt: skip
    assert found[-1] == {"event": "done", "metrics": {"test/accuracy": 0.75}, "run": "runs/p"}
    assert "accuracy" in stream.getvalue()  # people still read the other stream


def test_the_command_line_asks_for_json_and_quiet() -> None:
    token = set_mode(Mode(json=True, quiet=True))
    try:
        assert Reporter(stream=io.StringIO()).json
        assert Reporter(stream=io.StringIO()).quiet
        assert not Reporter(json=False, stream=io.StringIO()).json
    finally:
        reset_mode(token)
    assert not Reporter(stream=io.StringIO()).json


def test_a_lost_reader_stops_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    reporter = Reporter(json=True, stream=Closed(), tty=True)
    with reporter:
        reporter.choice(Choice("lr", "0.001", "a default"))
        clock.now += 1
        reporter.on_step(stepped(1), 10)
        reporter.epoch(epoch(1), {})
        reporter.done({}, "runs/p")
    assert not reporter.json
    closed = io.StringIO()
    closed.close()
    Reporter(stream=closed).notice("nobody hears")


def test_many_bad_rows_are_counted_not_listed() -> None:
    stream = io.StringIO()
    reporter = Reporter(stream=stream)
    for i in range(50):
        reporter.bad(Bad(f"{i}.jpg", "empty"))
    reporter.done({}, "runs/p")
    shown = stream.getvalue().splitlines()
    assert sum(".jpg" in line for line in shown) == 5
    assert "  skipped   50 in all" in shown


def test_the_resume_line_can_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    Reporter(stream=stream).stopped("danlu resume runs/a-very-long-name-of-a-run-1121-2331", 5)
    assert "  danlu resume runs/a-very-long-name-of-a-run-1121-2331" in stream.screen()


def test_error_in_a_run_leaves_a_clean_line(clock: Clock) -> None:
    stream = Terminal()
    with pytest.raises(RuntimeError), Reporter(stream=stream) as reporter:
        reporter.on_step(stepped(1), 10)
        assert stream.screen()[-1] != ""
        raise RuntimeError
    assert stream.screen()[-1] == ""
