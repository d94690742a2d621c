"""The reporter of a run: one live line, one lasting line an epoch, every choice with its reason; or JSON events."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import IO, TYPE_CHECKING, Any

from danlu.messages import say
from danlu.report import events, layout, lines, mode
from danlu.report.lines import Page
from danlu.types import Bad, Choice, Epoch, Stepped

if TYPE_CHECKING:
    from types import TracebackType

LIVE_SECONDS = 0.1  # between two drawings of the live line
EVENT_SECONDS = 1.0  # between two step events of --json
LOSS_SECONDS = 1.0  # between two looks at a loss on a GPU: each waits for the device
PLAIN_SECONDS = (10.0, 60.0)  # without a terminal: the first line inside a long epoch, then one every so often
SHOWN_BAD = 5  # bad rows named one by one; all are counted


class Reporter:
    """Says what happens. It never stops a run: where nobody reads any more, it falls silent.

    ``json`` and ``quiet`` default to what the command line asked for (``report.set_mode``). People's lines go to
    ``stream``: stderr, or stdout in a notebook, where stderr is painted as a failure.
    """

    def __init__(
        self,
        json: bool | None = None,
        stream: IO[str] | None = None,
        tty: bool | None = None,
        quiet: bool | None = None,
    ) -> None:
        self.json = mode().json if json is None else json
        self.quiet = mode().quiet if quiet is None else quiet
        if self.json and layout.is_terminal(sys.stdout):  # two voices on one screen are unreadable
            self.quiet = True
        self.stream = stream or (sys.stdout if "ipykernel" in sys.modules else sys.stderr)
        self.tty = layout.is_terminal(self.stream) if tty is None else tty
        self.colour = self.tty and layout.colours(self.stream)
        self.bad_rows = 0
        self._lost = False  # nobody reads the stream any more
        self._live = 0  # columns of the live line now on the screen
        self._epochs: int | None = None
        self._widths: list[int] = []  # of the epochs' table, once its head is printed
        self._due = 0.0  # perf_counter of the next look at a step
        self._loss: float | None = None
        self._loss_due = self._event_due = self._plain_due = 0.0
        self._begun: tuple[float, int] | None = None  # (time, step) of the first step seen
        self._mark: tuple[float, int] | None = None  # (time, step) where this epoch began

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Takes the live line away, so that what comes next starts on a clean line."""
        if self._live:
            self._write("\r" + " " * self._live + "\r")
            self._live = 0

    # --- before training

    def choice(self, made: Choice) -> None:
        self._event(events.choice(made))
        self._say(lines.choice(made, self._page()))

    def notice(self, text: str) -> None:
        """A line about something a person should know: a resumed step, a folder moved aside."""
        self._event(events.notice(text))
        self._say(layout.wrap(text, self._page().width) if self.tty else text)

    def start(self, facts: events.Start, *, finished: bool = False) -> None:
        self._event(events.start(facts))
        self._epochs = facts.epochs
        self._say(lines.start(facts, self._page(), finished=finished))

    def finding(self, code: str, severity: str, where: str, why: str, fix: str, what: str = "") -> None:
        """A finding of severity "error", "warning" or "note"; the first two are shown even when quiet."""
        self._event(events.finding(code, severity, where, why, fix, what))
        colour = {"error": "red", "warning": "yellow"}.get(severity, "bold")
        rows = [("where", where), ("why", why), ("fix", fix)]
        text = lines.problem(code, f"{say('severity.' + severity)} {what}".strip(), rows, colour, self._page())
        self._say(text, even_quiet=severity != "note")

    def bad(self, row: Bad) -> None:
        """An unusable row or file: the first few are named, all are counted."""
        self._event(events.bad(row))
        self.bad_rows += 1
        if self.bad_rows <= SHOWN_BAD:
            self._say(lines.labelled(say("label.bad"), row.where, row.why, self._page()), even_quiet=True)
        elif self.bad_rows == SHOWN_BAD + 1:
            self._say(lines.labelled(say("label.bad"), say("bad.more"), "", self._page()), even_quiet=True)

    # --- while training

    def on_step(self, stepped: Stepped, total_steps: int | None = None) -> None:
        """After each update: nothing but a look at the clock, unless something is due."""
        if perf_counter() >= self._due:
            self._progress(stepped, total_steps)

    def epoch(
        self, end: Epoch, metrics: Mapping[str, float], best: bool = False, eta_seconds: float | None = None
    ) -> None:
        self._event(events.epoch(end, metrics, best))
        self._mark = None
        self._plain_due = perf_counter() + PLAIN_SECONDS[0]
        if self.quiet:
            return
        page = self._page()
        cells = lines.epoch_cells(end, self._epochs, metrics, eta_seconds)
        widths = lines.epoch_widths(cells)
        if not self.tty or sum(widths) + 2 * len(widths) + 1 > page.width:
            self._say(lines.epoch_line(cells, best, page))
            return
        if len(widths) != len(self._widths):
            self._widths = widths
            self._say(lines.epoch_head(cells, widths, page))
        self._widths = [max(pair) for pair in zip(widths, self._widths)]
        self._say(lines.epoch_row(cells, self._widths, best, page))

    def saved(self, step: int, path: str) -> None:
        self._event(events.saved(step, path))

    # --- the end

    def done(self, metrics: Mapping[str, Any], run_dir: str | Path, next_commands: Sequence[str] = ()) -> None:
        """The test metrics with interval and baseline (see ``lines.results``), the files, and what to type next."""
        run = str(run_dir)
        self._event(events.done(metrics, run))
        page = self._page()
        text = lines.results(metrics, page)
        if self.bad_rows:
            text.append(lines.labelled(say("label.bad"), say("bad.count", n=f"{self.bad_rows:,}"), "", page))
        report = Path(run_dir) / "report.html"
        shown = str(report) if report.is_file() else ""
        self._say("\n".join([*text, *lines.done(run, next_commands, page, shown)]), even_quiet=True)

    def stopped(self, resume_line: str, step: int = 0) -> None:
        """The run was interrupted and is saved; ``resume_line`` goes on."""
        self._event(events.stopped(step, resume_line))
        self._say("\n".join([say("stopped.saved"), "  " + resume_line]), even_quiet=True)

    # --- inside

    def _page(self) -> Page:
        return Page(layout.columns(self.stream) if self.tty else None, self.colour)

    def _progress(self, stepped: Stepped, total: int | None) -> None:
        now = perf_counter()
        self._due = now + LIVE_SECONDS
        if self._begun is None:
            self._begun = (now, stepped.step)
            self._plain_due, self._event_due = now + PLAIN_SECONDS[0], now + EVENT_SECONDS
        if self._mark is None:
            self._mark = (now, stepped.step)
        if now >= self._loss_due:
            self._loss = float(stepped.loss)
            self._loss_due = now + (0 if stepped.loss.device.type == "cpu" else LOSS_SECONDS)
        if self.json and now >= self._event_due and self._loss is not None:
            self._event_due = now + EVENT_SECONDS
            self._event(events.step(stepped.step, self._loss))
        if self.quiet or self._lost or (not self.tty and now < self._plain_due):
            return
        text = self._live_text(stepped, total, now)
        if self.tty:
            self._write("\r" + layout.pad(text, self._live))
            self._live = layout.width(text)
        else:
            self._plain_due = now + PLAIN_SECONDS[1]
            self._say(text)

    def _live_text(self, stepped: Stepped, total: int | None, now: float) -> str:
        begun, first = self._begun or (now, stepped.step)
        since, mark = self._mark or (now, stepped.step)
        speed = (stepped.step - mark) * stepped.rows / (now - since) if now > since else 0.0
        left = None
        if total and stepped.step > first:
            left = (total - stepped.step) * (now - begun) / (stepped.step - first)
        count = stepped.epoch + 1
        label = f"{min(count, self._epochs)}/{self._epochs}" if self._epochs else str(count)
        columns = layout.columns(self.stream) if self.tty else 200
        return lines.live(lines.Now(label, stepped.step, total, self._loss, speed, left), columns, bar=self.tty)

    def _event(self, event: events.Event) -> None:
        if self.json:
            try:
                sys.stdout.write(events.line(event) + "\n")
                sys.stdout.flush()
            except (OSError, ValueError):  # the reader went away; metrics.jsonl has it all
                self.json = False

    def _say(self, text: str, even_quiet: bool = False) -> None:
        if self.quiet and not even_quiet:
            return
        self.close()
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if not self._lost:
            try:
                self.stream.write(layout.encodable(text, self.stream))
                self.stream.flush()
            except (OSError, ValueError):  # a closed pipe or file ends the talking, not the training
                self._lost = True
