"""A finished run as a page: what report.html shows of it, gathered in one place."""

from __future__ import annotations

import hashlib
import math
import shlex
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from danlu.doubts import Doubt
from danlu.evaluate import Evaluation
from danlu.lookup import first_line
from danlu.messages import language, say, spoken
from danlu.metrics import HEADLINES
from danlu.plan import Plan
from danlu.report.layout import duration, number
from danlu.report.page import contents as c
from danlu.report.page import render, words
from danlu.schedule import ByStep
from danlu.session import Session, monitor
from danlu.showing.given import data_of
from danlu.showing.heads import results_of_head, rows_of_head, tested_of
from danlu.showing.samples import Gallery, Unknown
from danlu.showing.tested import mistakes_of, results_of, suspects_of
from danlu.showing.texts import both, head_and, name_of_metric, told, unit_of
from danlu.showing.why import model_of, summary_of, why_of
from danlu.summary import Summary
from danlu.tasks import Head

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
        if heads:  # first: it keeps the pictures that it asked for
            why = _why(session, heads[0], *rows_of_head(heads[0], tested, gallery), summary)
        for head in heads:
            own, shown = rows_of_head(head, tested, gallery)
            tests += (results_of(head.schema, results_of_head(results, head), own, shown, head.name),)
            worst, many = mistakes_of(head.schema, own, shown, len(heads), head.name)
            mistakes, mistaken = mistakes + worst, mistaken + many
            suspects += suspects_of(head.schema, own, shown, head.name)
    page = c.Page(
        session.folder.path.name,
        "zh" if language() == "zh" else "en",
        _facts(session, name),
        _verdict(plan, results, tests, doubts),
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


def _why(session: Session, head: Head, tested: Evaluation, gallery: Gallery, summary: Summary | None) -> c.Why:
    """The explanations; a model of the user's that cannot be asked this way costs only them."""
    try:
        return why_of(session.plan, head, tested, gallery, summary)
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


def _verdict(
    plan: Plan, results: Mapping[str, Any], tests: tuple[c.Results, ...], doubts: Sequence[tuple[Doubt, Doubt]]
) -> c.Verdict:
    findings = tuple(_finding(*pair) for pair in doubts)
    sentences: list[c.Text] = []
    shown = []
    for head in plan.heads:
        name = name_of_metric(HEADLINES.get(head.task.name, ""))
        test = next((t for t in tests if t.name == head.name), None)
        headline = next((m for m in test.metrics if m.name == name), None) if test is not None else None
        if headline is not None:
            named = replace(headline, name=head_and(head.name, headline.name))
            shown.append((head, named))
            over = _over_linear(HEADLINES[head.task.name], named, results_of_head(results, head))
            sentences += _how_good(named, f"{(test and test.rows) or 0:,}", over)
    if not shown:
        return c.Verdict((told("showing.no_test"),), findings=findings)
    worst = next((f for f in findings if f.severity == "warning"), None)
    if worst is not None:
        sentences.append(told("showing.doubt", what=worst.what))
    else:
        sentences.append(told("showing.trust_notes" if findings else "showing.trust"))
    head, first = shown[0]
    said = told("baseline." + head.task.name), told("linear.what")
    return c.Verdict(tuple(sentences), first, *said, findings)


def _how_good(headline: c.Metric, rows: str, over: c.Text) -> list[c.Text]:
    """How good, and against what, the linear model's distance in the same sentence."""
    shown = {"metric": headline.name, "value": _figure(headline, headline.value)}
    between = headline.interval
    if between is not None:
        low, high = _figure(headline, between.low), _figure(headline, between.high)
        first = told("showing.good", rows=rows, low=low, high=high, **shown)
    else:
        first = told("showing.good_alone", rows=rows, **shown)
    beside = {"trivial": headline.trivial, "linear": headline.linear}
    known = {k: _figure(headline, v) for k, v in beside.items() if v is not None}
    second = told(f"showing.against.{'_'.join(known)}", over=over, **known) if known else told("showing.against.none")
    return [first, second]


def _over_linear(name: str, headline: c.Metric, results: Mapping[str, Any]) -> c.Text:
    """The difference to the linear model on the same rows, and whether chance can be what makes it."""
    found = [results.get(f"test/{name}_over_linear{end}") for end in ("", "_low", "_high")]
    numbers = [float(v) for v in found if v is not None and not math.isnan(v)]
    if len(numbers) < 3:
        return ""
    value, low, high = numbers
    sign = 1 if headline.better == "higher" else -1
    worst, best = sorted((sign * low, sign * high))
    said = "over" if worst > 0 else "under" if best < 0 else "not_over"
    if said != "not_over":  # who is ahead is said in words, so that less of an error needs no minus
        low, high = sorted((abs(low), abs(high)))
    shown = {"value": value, "low": low, "high": high}
    figures = {k: _difference(headline, v, signed=said == "not_over") for k, v in shown.items()}
    points = told("showing.points") if headline.unit == "%" else ""
    return told(f"showing.{said}", points=points, **figures)


def _difference(metric: c.Metric, value: float, *, signed: bool) -> str:
    """A difference; of shares in percentage points."""
    shown = f"{100 * abs(value):.1f}" if metric.unit == "%" else number(abs(value))
    return f"{('+' if value > 0 else '−' if value < 0 else '') if signed else ''}{shown}"


def _figure(metric: c.Metric, value: float) -> str:
    """As exact as the large number beside it."""
    return words.value(value, metric.unit, words.decimals_for(metric.interval))


def _finding(english: Doubt, chinese: Doubt) -> c.Finding:
    def text(part: str) -> c.Text:
        with spoken("en"):
            one = str(getattr(english.told, part))
        with spoken("zh"):
            other = str(getattr(chinese.told, part))
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
