"""One training run while it is open: its folder, its plan, its place, and what is written down on the way."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import torch

from danlu import record, state
from danlu import run as run_folder
from danlu.checkpoint import Checkpoint, Saver, latest
from danlu.choose import monitored
from danlu.data.duplicates import Copies, copies_of_training
from danlu.data.seeded import innermost
from danlu.device import agree, peak_memory
from danlu.doubts import Doubt, doubts_of_data
from danlu.errors import DanluError, Interrupted
from danlu.evaluate import Beside, Evaluation, evaluate
from danlu.guard import Guard
from danlu.interrupts import Stop
from danlu.loop import Progress
from danlu.messages import say
from danlu.plan import Plan
from danlu.report import events
from danlu.report.tensorboard import Scalars
from danlu.report.terminal import Reporter
from danlu.run import RunFolder
from danlu.settings import parse_time
from danlu.types import Bad, Choice, Epoch, Stepped

SAVE_SECONDS = 20.0  # an epoch that is not the best is saved when the last save is so long ago
LOGGED_STEPS = 1000  # at most so many step events in metrics.jsonl


@dataclass
class Best:
    """The best validation so far."""

    key: tuple[float, float] = (-math.inf, -math.inf)  # larger is better; the loss decides between equals
    epoch: int = 0
    step: int = 0
    stale: int = 0  # epochs since

    def to_json(self) -> list[Any]:
        return [None if math.isinf(k) else k for k in self.key] + [self.epoch, self.step, self.stale]

    @staticmethod
    def from_json(value: list[Any]) -> Best:
        first, second = (-math.inf if k is None else k for k in value[:2])
        return Best((first, second), *value[2:])


@dataclass
class Session:
    """Everything that changes while training. ``api.train`` reads as the story; here are its verbs."""

    folder: RunFolder
    plan: Plan
    reporter: Reporter
    saver: Saver
    stop: Stop
    scalars: Scalars = field(default_factory=Scalars)
    progress: Progress = field(default_factory=Progress)
    best: Best = field(default_factory=Best)
    history: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    elapsed_before: float = 0.0  # seconds of training before this process
    last_saved: tuple[int, float] = (-1, 0.0)  # step, time

    def __post_init__(self) -> None:
        every = self.plan.settings.checkpoint_steps
        self.checkpoint_steps = every or 0
        self.others: dict[str, Any] = {f"loss{i}": m for i, m in enumerate(plan_losses(self.plan))}  # learnt weights
        if self.plan.scaler is not None:
            self.others["scaler"] = self.plan.scaler
        loaders = {"train": self.plan.loader, "val": self.plan.val_loader, "test": self.plan.test_loader}
        self.loaders = {part: loader for part, loader in loaders.items() if loader is not None}
        self.told = {part: len(loader.left_out) for part, loader in self.loaders.items()}  # bad samples
        self.log_steps = max(1, (self.plan.total_steps or 10 * LOGGED_STEPS) // LOGGED_STEPS)
        self.failed: set[str] = set()  # the user's metrics that have failed, told once
        limit = self.plan.settings.time
        self.seconds_left = math.inf if limit is None else parse_time(limit) - self.elapsed_before

    # beginning and going on -------------------------------------------------------------------------------------------

    def begin(self, asked: dict[str, Any], choices: list[Choice], facts: events.Start) -> None:
        """Write down what a new run starts from, before its first step; a full disk is told here."""
        self.folder.check_space(state_size(self.plan))
        self.folder.write_settings({**asked, "chosen": self.plan.chosen}, say("record.title", folder=self.folder.path))
        self.folder.write_env(dict(facts.versions))
        self.folder.cut(0)
        self.folder.log(events.start(facts))
        for choice in choices:
            self.folder.log(events.choice(choice))
        if self.plan.range_test:
            self.folder.log(events.range_test(self.plan.range_test, self.plan.chosen["lr"]))
        for bad in self.plan.data.bad:
            self.folder.log(events.bad(bad))
        for doubt in self.doubts_of_data():
            self.doubt(doubt)

    def doubts_of_data(self) -> list[Doubt]:
        """What is doubtful about the data, whatever is trained on them."""
        plan, weighted = self.plan, self.plan.settings.class_weights is not None
        found, copies = list[Doubt](), self.copies
        for head in plan.heads:
            target = plan.data.targets("train", head.name) if head.task.name == "classification" else None
            own = doubts_of_data(plan.data, head.schema.classes, target, copies, weighted=weighted)
            found += [doubt if doubt.told.code == "DL336" else replace(doubt, head=head.name) for doubt in own]
            copies = []  # told once
        return found

    @cached_property
    def copies(self) -> list[Copies]:
        """The rows of other parts that are training rows too: hashed once, told before training and on the page."""
        return copies_of_training(self.plan.data)

    def doubt(self, doubt: Doubt) -> None:
        """Tell what makes a figure doubtful, and keep it with the run."""
        told = doubt.told
        self.folder.log(events.finding(told.code, doubt.severity, told.where, told.why, told.fix, doubt.what))
        self.reporter.finding(told.code, doubt.severity, told.where, told.why, told.fix, doubt.what)

    def lines_before_training(self) -> int:
        """Leading lines of metrics.jsonl that tell of the run's beginning, not of steps that will be made again."""
        told = ("start", "choice", "range_test", "bad", "finding")
        found = [e["event"] for e in takewhile(lambda event: event["event"] in told, self.folder.events())]
        return len(found) - max(0, found.count("bad") - len(self.plan.data.bad))  # the loaders' own come last

    def skipped(self, path: Path, why: str) -> None:
        """A damaged checkpoint was passed over; the one before it is used."""
        self.reporter.notice(say("session.skipped", path=path.name, why=why))
        self.folder.note(f"{path}: {why}")

    # the loop's lines ------------------------------------------------------------------------------------------------

    def stepped(self, event: Stepped) -> None:
        """After every update: tell, log now and then, save when due, stop when asked."""
        if len(self.plan.loader.left_out) > self.told["train"]:
            self.tell_left_out("train")
        self.reporter.on_step(event, self.plan.total_steps)
        if event.step % self.log_steps == 0:
            record = events.step(event.step, event.loss)
            self.folder.log_later(record)
            self.scalars.event(record, self.plan.optimizer.param_groups[0]["lr"])
        if self.checkpoint_steps and event.step % self.checkpoint_steps == 0:
            self.save()
        if self.stop.signal:
            self.interrupt()
        if self.seconds_left < math.inf and time.perf_counter() - self.started > self.seconds_left:
            self.progress.stop = bool(agree(True))

    def epoch_done(self, event: Epoch) -> None:
        """After every epoch: validate, remember the best, log, save, stop early when nothing improves."""
        began = time.perf_counter()
        self.tell_left_out("train")
        metrics = {"train/loss": event.loss}
        if self.plan.val_loader is not None:
            metrics |= {f"val/{k}": v for k, v in self.validate().metrics.items()}
        before = self.history[-1]["metrics"].get("val/loss", 0.0) if self.history else 0.0
        if math.isnan(metrics.get("val/loss", 0.0)) and before is not None and not math.isnan(before):
            self.reporter.notice(say("val.nan"))
        better = self._judge(event, metrics)
        self.plan.schedule.after_epoch(metrics.get(monitor(self.plan)[0]), metrics.get("val/loss", event.loss))
        event = replace(event, seconds=event.seconds + time.perf_counter() - began)
        record = events.epoch(event, metrics, better, peak_memory(self.plan.device))
        self.folder.log(record)
        self.scalars.event(record)
        self.history.append(record)
        self.reporter.epoch(event, metrics, best=better and self.plan.val_loader is not None, eta_seconds=self._eta())
        body = self.plan.body
        if body.frozen(event.epoch - 1) and not body.frozen(event.epoch):
            body.thaw(self.plan.model)
            self.reporter.choice(Choice("freeze", f"epoch {event.epoch}", say("freeze.thawed")))
        patience = self.plan.settings.patience
        if patience is not None and self.best.stale >= patience:
            self.progress.stop = bool(agree(True))
            self.reporter.choice(Choice("stop", f"epoch {event.epoch}", say("stop.patience", epochs=patience)))
        due = time.perf_counter() - self.last_saved[1] > SAVE_SECONDS
        if better or (due and not self.checkpoint_steps) or self.is_last():
            self.save()
        if self.stop.signal and not self.is_last():
            self.interrupt()

    def validate(self) -> Evaluation:
        assert self.plan.val_loader is not None
        return self.evaluate("val")

    def evaluate(self, part: Literal["val", "test"], *, keep: bool = False, linear: Beside | None = None) -> Evaluation:
        """Metrics of the weights that would be delivered: the averaged ones where there is an average."""
        plan = self.plan
        with ExitStack() as stack:
            if plan.ema is not None:
                stack.enter_context(plan.ema.swapped())
            found = evaluate(
                plan.model,
                self.loaders[part],
                plan.task,
                plan.schema,
                plan.criterion,
                precision=plan.precision,
                keep=keep,
                linear=linear,
                own=plan.own,
            )
        self._tell_failed(part)
        self.tell_left_out(part)
        return found

    def _tell_failed(self, part: str) -> None:
        """A metric of the user's that failed, with his own line: once a run, the training goes on."""
        found = {(head, name): why for head, own in self.plan.own.items() for name, why in own.failures.items()}
        for (head, failed), (where, reason) in found.items():
            name = f"{head}/{failed}" if head else failed
            if name not in self.failed:
                self.failed.add(name)
                told = DanluError("DL365", where=where or f"metrics: {name}", name=f"{part}/{name}", why=reason)
                self.folder.log(events.finding(told.code, "warning", told.where, told.why, told.fix, told.what))
                self.reporter.finding(told.code, "warning", told.where, told.why, told.fix, told.what)

    def tell_left_out(self, part: str) -> None:
        """Samples that the part's loader has left out since the last look."""
        loader = self.loaders[part]
        others = innermost(loader.dataset) is not innermost(self.plan.data.train)  # their numbers begin anew
        for bad in loader.bad[self.told[part] :]:
            if others and bad.where.startswith("["):
                bad = Bad(f"{part} {bad.where}", bad.why)
            self.reporter.bad(bad)
            self.folder.log(events.bad(bad))
        self.told[part] = len(loader.left_out)

    def _judge(self, event: Epoch, metrics: dict[str, float]) -> bool:
        name, greater = monitor(self.plan)
        value = metrics.get(name, math.nan)
        loss = metrics.get("val/loss", event.loss)
        key = (value if greater else -value, -loss)
        better = not math.isnan(value) and key > self.best.key
        if self.plan.val_loader is None:  # nothing to judge by: the last epoch is the one
            better, key = True, (0.0, 0.0)
        if better or not self.best.epoch:
            self.best = Best(key if better else self.best.key, event.epoch, event.step)
            return True
        self.best.stale += 1
        return False

    def is_last(self) -> bool:
        total = self.plan.total_steps
        return self.progress.stop or (total is not None and self.progress.step >= total)

    def _eta(self) -> float | None:
        total, done = self.plan.total_steps, self.progress.step
        if total is None or not done:
            return None
        elapsed = self.elapsed_before + time.perf_counter() - self.started
        return elapsed / done * max(0, total - done)

    # nothing lost ----------------------------------------------------------------------------------------------------

    def save(self) -> None:
        """A checkpoint of this very moment; training waits only for a copy in memory."""
        if self.last_saved[0] == self.progress.step and self.progress.rows:
            return
        plan = self.plan
        Guard.of(plan.optimizer).settle()  # nothing that has met NaN is saved
        self.scalars.flush()
        values = {
            "best": self.best.to_json(),
            "lines": self.folder.lines,
            "elapsed": self.elapsed_before + time.perf_counter() - self.started,
            "chosen": plan.chosen,
            "rate": self.scalars.rate,
            "progress": progress_to_json(self.progress),
            "left_out": {k: [[i, b.where, b.why] for i, b in v.left_out.items()] for k, v in self.loaders.items()},
        }
        tensors, numbers = state.capture(
            plan.model, plan.optimizer, plan.schedule, plan.ema, plan.loader, values, others=self.others
        )
        self.saver.snapshot(self.progress.step, tensors, numbers, pinned={self.best.step})
        self.last_saved = (self.progress.step, time.perf_counter())
        self.reporter.saved(self.progress.step, str(self.folder.path))

    def interrupt(self) -> None:
        """Save, say how to go on, and stop."""
        self.save()
        self.saver.wait()
        try:
            record.arguments_of(self.folder.path)
            line = self.folder.resume_line()
        except DanluError as error:  # made from Python objects: danlu resume cannot make them again
            line = error.fix
        self.reporter.stopped(line, self.progress.step)
        raise Interrupted(str(self.folder.path), self.stop.signal)

    def roll_back(self) -> None:
        """The weights of the last checkpoint: the ones now have met NaN."""
        self.saver.wait()
        found = latest(self.folder.checkpoints)
        if found is not None:
            state.restore_weights(found.tensors, found.values, self.plan.model)

    def restore(self, found: Checkpoint) -> None:
        """Put everything back to where the checkpoint was taken."""
        plan = self.plan
        rates = [group["lr"] for group in plan.optimizer.param_groups]
        began = plan.chosen.get("schedule_from", 0)  # the step where the present schedule starts: 0 unless extended
        fresh = began > found.values["progress"]["progress"]["began"]
        values = state.restore(
            found.tensors,
            found.values,
            plan.model,
            plan.optimizer,
            None if fresh else plan.schedule,
            plan.ema,
            plan.loader,
            others=self.others,
        )
        self.progress = Progress(**values["progress"])
        plan.body.apply(plan.model, self.progress.epoch)
        if fresh:
            self.progress.began, self.progress.stop = began, False
            for group, rate in zip(plan.optimizer.param_groups, rates):
                group["lr"] = rate
            self.reporter.notice(say("schedule.fresh", step=began))
        self.best = Best.from_json(values["best"])
        self.elapsed_before = values["elapsed"]
        self.folder.cut(values["lines"])
        for event in self.folder.events():
            if event.get("step") == self.progress.step:  # dropped there together with all that came after it
                self.scalars.event(event, values.get("rate"))
        self.history = [e for e in self.folder.events() if e["event"] == "epoch"]
        self.last_saved = (self.progress.step, time.perf_counter())
        for part, left_out in values.get("left_out", {}).items():
            self.loaders[part].left_out = {index: Bad(where, why) for index, where, why in left_out}
            self.reporter.bad_rows += len(left_out)
        self.__post_init__()
        changes = run_folder.changes(
            self.folder.read_env(), run_folder.environment(str(plan.device), torch.get_num_threads())
        )
        if changes:
            self.reporter.notice(say("resume.differs", changes=", ".join(changes)))
        self.folder.note(f"resumed at step {self.progress.step}")


def state_size(plan: Plan) -> int:
    """Bytes of a checkpoint, about: weights, averages, and two numbers a weight for the optimizer (Adam)."""
    weights: int = sum(t.numel() * t.element_size() for t in plan.model.state_dict().values())
    return weights * (4 if plan.ema is not None else 3)


def plan_losses(plan: Plan) -> list[torch.nn.Module]:
    """Loss modules that hold tensors."""
    return [m for m in (plan.criterion.modules if plan.criterion else ()) if m.state_dict()]


def progress_to_json(progress: Progress) -> dict[str, Any]:
    values = dict(vars(progress))
    values["loss_sum"] = float(progress.loss_sum)
    return values


def monitor(plan: Plan) -> tuple[str, bool]:
    """``(name of the validation metric that names the best epoch, whether more is better)``."""
    learnt = plan.criterion is not None and plan.criterion.learnt is not None
    name, greater = monitored(plan.settings, plan.task, plan.own, plan.heads, learnt=learnt)
    return f"val/{name}", greater
