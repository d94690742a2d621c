"""A finished run as a page: what report.html shows of it, gathered in one place."""

from __future__ import annotations

import hashlib
import shlex
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from danlu.doubts import Doubt
from danlu.evaluate import Evaluation
from danlu.lookup import first_line
from danlu.messages import language, say, spoken
from danlu.plan import Plan
from danlu.report.layout import duration
from danlu.report.page import contents as c
from danlu.report.page import render
from danlu.schedule import ByStep
from danlu.session import Session, monitor
from danlu.showing.given import data_of
from danlu.showing.heads import results_of_head, rows_of_head, tested_of
from danlu.showing.samples import Gallery, Unknown
from danlu.showing.tested import mistakes_of, results_of, suspects_of
from danlu.showing.texts import both, name_of_metric, told, unit_of
from danlu.showing.verdict import judged, verdict
from danlu.showing.why import Shown, model_of, summary_of, why_of
from danlu.summary import Summary

RATES = 200  # points of the learning rate's curve


def write_page(
    session: Session, results: Mapping[str, Any], tested: Evaluation | None, doubts: Sequence[tuple[Doubt, Doubt]]
) -> None:
    """report.html in the run folder; each doubt comes in English and in Chinese."""
    plan = session.plan
    rows = plan.test_loader.handed_out() if plan.test_loader is not None else []  # before it is read again
    summary = summary_of(plan)
    name = str(plan.model_config["model"].get("name") or type(plan.model).__name__)
    tests: tuple[c.Results, ...] = ()
    mistakes: tuple[c.Mistake, ...] = ()
    suspects: tuple[c.LabelError, ...] = ()
    why, mistaken = c.Why(), 0
    if tested is not None:
        known = len(rows) == tested.rows and hasattr(plan.data.test, "__getitem__")
        gallery = Gallery(plan.data.test, plan.schema, rows) if known else Unknown(plan.schema)
        heads = [head for head in plan.heads if tested_of(head, tested) is not None]
        shown_by = [(head, *rows_of_head(head, tested, gallery)) for head in heads]
        why = _why(session, shown_by, summary)  # first: it keeps the pictures that it asked for
        for head, own, shown in shown_by:
            tests += (results_of(head.schema, results_of_head(results, head), own, shown, head.name),)
            worst, many = mistakes_of(head.schema, own, shown, len(heads), head.name)
            mistakes, mistaken = mistakes + worst, mistaken + many
            suspects += suspects_of(head.schema, own, shown, head.name)
    page = c.Page(
        session.folder.path.name,
        "zh" if language() == "zh" else "en",
        _facts(session, name),
        _verdict(plan, results, doubts, _broken(tested)),
        data_of(session),
        _curves(session),
        tests,
        mistakes,
        suspects,
        why,
        model_of(name, summary),
        _reproduce(session),
        mistakes_total=mistaken or None,
    )
    session.folder.write_text("report.html", render(page))


def _why(session: Session, heads: Sequence[Shown], summary: Summary | None) -> c.Why:
    """The explanations; a model of the user's that cannot be asked this way costs only them."""
    try:
        return why_of(session.plan, heads, summary)
    except Exception as error:
        session.folder.note(traceback.format_exc())
        session.reporter.notice(say("page.why_failed", error=first_line(error)))
        return c.Why()


def _facts(session: Session, name: str) -> tuple[c.Fact, ...]:
    plan, seconds = session.plan, session.elapsed_before + time.perf_counter() - session.started
    return (
        c.Fact(told("showing.data"), plan.data.name),
        c.Fact(told("showing.model"), name),
        c.Fact(told("showing.date"), time.strftime("%Y-%m-%d %H:%M")),
        c.Fact(told("showing.duration"), both(lambda: duration(seconds))),
    )


def _broken(tested: Evaluation | None) -> int:
    """How many tested rows were answered with what is no number."""
    if tested is None:
        return 0
    answers = [one.decoded for one in (tested, *tested.heads.values()) if one.decoded is not None]
    wrong = [~a.reshape(len(a), -1).isfinite().all(1) for a in answers]
    return max((int(w.sum()) for w in wrong), default=0)


def _verdict(plan: Plan, results: Mapping[str, Any], doubts: Sequence[tuple[Doubt, Doubt]], broken: int) -> c.Verdict:
    found = [judged(head.name, head.task.name, results_of_head(results, head)) for head in plan.heads]
    rows = int(results.get("test/rows", 0))
    findings = tuple(_finding(*pair) for pair in doubts)
    return verdict(
        [one for one in found if one is not None], rows, findings, [one.head for one, _ in doubts], broken=broken
    )


def _finding(english: Doubt, chinese: Doubt) -> c.Finding:
    def text(part: str) -> c.Text:
        with spoken("en"):
            one = str(getattr(english, part))
        with spoken("zh"):
            other = str(getattr(chinese, part))
        return one if one == other else (one, other)

    return c.Finding(english.told.code, english.severity, text("what"), english.told.where, text("why"), text("fix"))


def _curves(session: Session) -> c.Curves:
    plan, name = session.plan, monitor(session.plan)[0]
    metric = name.removeprefix("val/")
    points = []
    for e in session.history:
        m, seconds = e["metrics"], max(e["seconds"], 1e-9)
        points.append(
            c.EpochPoint(
                e["epoch"],
                m.get("train/loss"),
                m.get("val/loss"),
                m.get(name) if metric != "loss" else None,
                e["rows"] / seconds,
                e["waited"] / seconds,
                e["seconds"],
            )
        )
    schedule, rates = plan.schedule, []
    if isinstance(schedule, ByStep) and schedule.moves:
        steps = session.progress.step
        for step in sorted({round(k * max(0, steps - 1) / RATES) for k in range(RATES + 1)}):
            rates.append((step, schedule.base[0] * schedule.shape(step - session.progress.began)))
    best = session.best.epoch if plan.val_loader is not None else None
    shown = name_of_metric(metric) if metric != "loss" else ""
    peaks = [e["memory"] for e in session.history if "memory" in e]
    where = told("showing.memory.gpu" if plan.device.type == "cuda" else "showing.memory.process")
    return c.Curves(
        tuple(points),
        best,
        shown,
        unit_of(metric.rpartition("/")[2]),
        tuple(r for r in rates if r[1] >= 0),
        _range_test(session),
        ((where, max(peaks)),) if peaks else (),
    )


def _range_test(session: Session) -> c.RangeTest | None:
    """What lr="auto" saw when the run began, perhaps in another process."""
    if session.plan.settings.lr is not None and session.plan.asked.settings.lr != "auto":
        return None
    for event in session.folder.events():
        if event["event"] == "range_test":
            return c.RangeTest(tuple((rate, loss) for rate, loss in event["points"]), event["chosen"])
        if event["event"] in ("step", "epoch"):
            break
    return None


MACHINE = ("system", "machine", "processor", "threads")  # of env.json; all else there are versions


def _reproduce(session: Session) -> c.Reproduce:
    folder, plan, known = session.folder, session.plan, session.folder.read_env()
    versions = tuple((str(k), str(v)) for k, v in known.items() if k not in (*MACHINE, "device"))
    hashes = tuple(
        (f"model/{p.name}", hashlib.sha256(p.read_bytes()).hexdigest()) for p in sorted(folder.model.iterdir())
    )
    text = (folder.path / "run.toml").read_text(encoding="utf-8")
    facts = [c.Fact(told("showing.seed"), str(plan.settings.seed)), c.Fact(told("showing.device"), str(plan.device))]
    facts += [c.Fact(told(f"showing.{k}"), str(known[k])) for k in MACHINE if k in known]
    again = f"danlu train {shlex.quote(str(folder.path / 'run.toml'))}" if "[objects]" not in text else ""
    return c.Reproduce(again, text, versions, hashes, tuple(facts))
