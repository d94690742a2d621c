"""The command line: argv to one call of api, its answer to an exit code; torch is imported only when a verb runs."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from danlu.cli.argv import Call, again, parse
from danlu.cli.wording import as_flags
from danlu.errors import DanluError, Interrupted, worded
from danlu.lock import refuse_if_held
from danlu.lookup import first_line, where_raised
from danlu.messages import set_language
from danlu.report import events, layout, lines, reset_mode, set_mode
from danlu.report.lines import Page
from danlu.rules import RULES

# How long torch's threads spin before they sleep, read when torch is imported. libgomp's own 300,000 makes every small
# step wait for a thread that another program keeps from running: on a busy machine 40 times slower.
SPINS = "10000"

OK, FAILED, USAGE, PIPE = 0, 1, 2, 128 + 13  # 13: SIGPIPE, which Windows lacks
MISNAMED = ("DL214", "DL254", "DL270")  # --loss, --optimizer, --model: names that only torch's side knows
FUNCTIONS = {"train": "train", "test": "test", "predict": "predict_files", "resume": "resume", "demo": "demo"}
FUNCTIONS |= {"look": "look"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0, 1 (an error), 2 (usage), 130 (Ctrl-C) or 143 (SIGTERM)."""
    typed = list(sys.argv[1:] if argv is None else argv)
    set_language(_language(typed))
    with worded(as_flags):
        try:
            call = parse(typed, _page(sys.stdout))
        except DanluError as error:
            _tell(error, "--json" in typed)
            return USAGE
        if isinstance(call, str):
            return _print(call)
        if call.mode.json and hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # JSON is UTF-8, whatever the console speaks
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
        token = set_mode(call.mode)
        try:
            if call.verb in ("train", "resume") and call.arguments.get("run"):
                refuse_if_held(Path(call.arguments["run"]))  # before torch is imported, which takes seconds
            run = _function(call.verb)
            return _after(call, run(**call.arguments))  # run is api's own function: few frames above the training
        except Interrupted as stop:  # saved, and the reporter has said how to go on
            return 128 + stop.signal
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            return 128 + 2
        except BrokenPipeError:  # the reader of our output has had enough
            return _closed_pipe()
        except Exception as error:
            if call.debug:
                traceback.print_exc()
            told = error if isinstance(error, DanluError) else _unexpected(error, typed)
            _tell(told, call.mode.json)
            return USAGE if told.code in MISNAMED else FAILED
        finally:
            reset_mode(token)


def _language(argv: Sequence[str]) -> str | None:
    """--lang is obeyed by every text, errors of the flags before it included."""
    for i, token in enumerate(argv):
        value = token[7:] if token.startswith("--lang=") else argv[i + 1] if token == "--lang" and argv[i + 1 :] else ""
        if value in RULES["lang"].names:
            return value
    return None


def _function(verb: str) -> Callable[..., Any]:
    """The function of api, or doctor's report: what imports torch is imported here."""
    if verb == "doctor":
        report: Callable[..., Any] = importlib.import_module("danlu.doctor").report
        return report
    try:
        api = importlib.import_module("danlu.api")
    except ImportError as error:
        raise DanluError("DL032", error.name or "", reason=first_line(error)) from error
    function: Callable[..., Any] = getattr(api, FUNCTIONS[verb])
    return function


def _after(call: Call, result: Any) -> int:
    """What a verb's answer becomes on stdout, and the exit code."""
    page = _page(sys.stdout)
    if call.verb == "doctor":
        for row in result:
            event = {"event": "doctor", **vars(row)}
            shown = lines.diagnosis(row.name, row.value, row.state, row.fix, page)
            _print(events.line(event) if call.mode.json else shown)
        return FAILED if any(row.state == "error" for row in result) else OK
    if call.verb == "look":
        found = map(events.line, result.events()) if call.mode.json else result.lines(page)
        return _print("\n".join(found))
    if call.verb == "test":
        event = events.done(result, str(call.arguments["run"]))
        return _print(events.line(event) if call.mode.json else "\n".join(lines.results(result, page)))
    return OK


def _unexpected(error: Exception, typed: Sequence[str]) -> DanluError:
    words = [w for w in typed if w != "--debug"]
    line = again(words[0], [*words[1:], "--debug"])
    users = where_raised(error)
    code, where = ("DL098", users) if users else ("DL099", _last_frame(error))
    return DanluError(code, where, error=first_line(error), line=line)


def _last_frame(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _tell(error: DanluError, as_json: bool) -> None:
    if as_json:
        _print(events.line(events.finding(error.code, "error", error.where, error.why, error.fix, error.what)))
    sys.stderr.write(layout.encodable(lines.error(error, _page(sys.stderr)), sys.stderr) + "\n")


def _page(stream: Any) -> Page:
    on = layout.is_terminal(stream)
    return Page(layout.columns(stream) if on else None, on and layout.colours(stream))


def _print(text: str) -> int:
    try:
        sys.stdout.write(layout.encodable(text, sys.stdout) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        return _closed_pipe()
    return OK


def _closed_pipe() -> int:
    """Nobody reads stdout any more: point it elsewhere, or the interpreter complains as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE
