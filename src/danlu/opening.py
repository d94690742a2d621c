"""Opening a run: its folder locked, everything decided, an earlier state restored, signals caught."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from danlu import record
from danlu import run as run_folder
from danlu.checkpoint import Saver, latest
from danlu.data.paths import is_idx_pair
from danlu.data.places import is_paths
from danlu.errors import DanluError
from danlu.interrupts import caught_signals
from danlu.lookup import optional
from danlu.plan import Asked, make_plan
from danlu.report import events
from danlu.report.tensorboard import Scalars
from danlu.report.terminal import Reporter
from danlu.run import RunFolder
from danlu.session import Session, state_size
from danlu.types import Choice


@contextmanager
def open_session(asked: Asked, run: str | Path | None) -> Iterator[Session]:
    """Folder locked, everything decided, an earlier state restored, signals caught; all put back at the end."""
    asked = expanded(asked)
    if asked.settings.log is not None:
        optional("tensorboard", "log")
    now = record.arguments(asked)
    with ExitStack() as stack:
        reporter = stack.enter_context(Reporter())
        folder, chosen = _existing(run, now, stack)
        began = folder is not None
        if not began:
            given = (asked.data, asked.test, asked.val)
            places = [p for part in given for p in (part if is_paths(part) else [part])]
            run_folder.keep_apart(run, [p for p in places if isinstance(p, (str, Path))])
        choices: list[Choice] = []

        def tell(choice: Choice) -> None:
            choices.append(choice)
            reporter.choice(choice)

        plan = make_plan(asked, chosen, tell)
        for bad in plan.data.bad:
            reporter.bad(bad)
        if folder is None:
            folder = run_folder.at(run) if run is not None else run_folder.make(plan.data.name)
            stack.callback(folder.close)
            folder.lock()
        saver = Saver(folder.checkpoints, before=folder.sync)
        saver.reserve(state_size(plan))
        stop = stack.enter_context(caught_signals())
        session = Session(folder, plan, reporter, saver, stop)
        found = latest(folder.checkpoints, on_skip=session.skipped)
        facts = start_facts(session)
        if not began:
            try:
                session.begin(now, choices, facts)
            except DanluError:  # no space, or not writable: leave nothing behind
                folder.discard()
                raise
        if asked.settings.log is not None:
            step = found.step if began and found is not None else 0
            session.scalars = Scalars(folder.path / "tensorboard", step)
            stack.callback(session.scalars.close)
        if began and found is not None:
            session.restore(found)
        elif began:
            folder.cut(session.lines_before_training())
        reporter.start(replace(facts, step=session.progress.step), finished=session.is_last())
        folder.point_latest()
        try:
            yield session
        except Exception as error:
            folder.note(traceback.format_exc())
            if isinstance(error, DanluError) and error.code == "DL302":
                session.roll_back()
            raise
        finally:
            saver.wait()


def expanded(asked: Asked) -> Asked:
    """A tuple of places as its parts by name: run.toml's lists are the files of one table.

    An images file and its labels file stay together.
    """
    parts = asked.data
    if not isinstance(parts, tuple) or len(parts) not in (2, 3) or is_idx_pair(parts):
        return asked
    if not all(isinstance(p, (str, Path)) or is_paths(p) for p in parts) or asked.test is not None:
        return asked
    if len(parts) == 2:
        return replace(asked, data=parts[0], test=parts[1])
    return asked if asked.val is not None else replace(asked, data=parts[0], val=parts[1], test=parts[2])


def _existing(run: str | Path | None, now: dict[str, Any], stack: ExitStack) -> tuple[RunFolder | None, dict[str, Any]]:
    """The folder of a run that began before, locked, and what it chose then; None for a new run."""
    if run is None or not os.path.exists(Path(run).expanduser() / record.FILE):
        return None, {}
    folder = run_folder.at(run)
    stack.callback(folder.close)
    folder.lock()
    before = folder.read_settings()
    record.compare(folder.path, before, now)
    return folder, before.get("chosen", {})


def start_facts(session: Session) -> events.Start:
    plan = session.plan
    parts = {"train": plan.data.train, "val": plan.data.val, "test": plan.data.test}
    loaders = {"train": plan.data.loader, **plan.data.held_out}
    samplers = {k: brought["sampler"] for k, brought in loaders.items() if hasattr(brought.get("sampler"), "__len__")}
    rows = {k: len(samplers.get(k, v)) for k, v in parts.items() if v is not None and hasattr(v, "__len__")}
    name = plan.model_config["model"].get("name") or type(plan.model).__name__
    return events.Start(
        run=str(session.folder.path),
        data=plan.data.name,
        task=plan.schema.task,
        model=name,
        parameters=sum(p.numel() for p in plan.model.parameters()),
        rows=rows,
        epochs=plan.epochs,
        steps=plan.total_steps,
        batch_size=plan.settings.batch_size,
        device=str(plan.device),
        precision=plan.precision.name,
        seed=plan.settings.seed,
        versions=run_folder.environment(str(plan.device), torch.get_num_threads()),
    )
