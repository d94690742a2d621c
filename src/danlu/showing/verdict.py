"""The verdict in words: how good, against what, and whether it can be trusted; of several heads over all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from danlu.metrics import HEADLINES
from danlu.report.layout import number
from danlu.report.page import contents as c
from danlu.report.page import words
from danlu.showing.texts import before_chinese, head_and, kinds_of_interval, listed, metrics_of, name_of_metric, told

MOST_HEADS = 4  # named in a sentence; the table below has all


@dataclass(frozen=True)
class Judged:
    """A head's main test metric; ``head`` is empty where there is one task. ``results`` are under its own names."""

    head: str
    task: str
    metric: c.Metric
    results: Mapping[str, Any]


def judged(head: str, task: str, results: Mapping[str, Any]) -> Judged | None:
    """``results``: ``test/<metric>``, as the only task has them; None where the main metric was not measured."""
    name = name_of_metric(HEADLINES.get(task, ""))
    metric = next((m for m in metrics_of(task, results, kinds_of_interval()) if m.name == name), None)
    return None if metric is None else Judged(head, task, metric, results)


def verdict(
    found: Sequence[Judged], rows: int, findings: tuple[c.Finding, ...], heads: Sequence[str], *, broken: int = 0
) -> c.Verdict:
    """Three sentences, and the main metric; of several ``heads`` a line each. ``heads``: those the findings are of.

    ``broken``: how many of the tested ``rows`` were answered with what is no number.
    """
    doubt = told("showing.broken", count=f"{broken:,}", rows=f"{rows:,}") if broken else _trust(findings, heads)
    if not found:
        first = told("showing.no_figure", rows=f"{rows:,}") if rows else told("showing.no_test")
        return c.Verdict((first, doubt) if broken else (first,), findings=findings)
    sentences = (*how_good(found, rows), doubt)
    if found[0].head:
        table = tuple(c.HeadScore(one.head, one.metric, told(f"baseline.{one.task}")) for one in found)
        return c.Verdict(sentences, linear=told("linear.what"), findings=findings, heads=table)
    said = told("baseline." + found[0].task), told("linear.what")
    return c.Verdict(sentences, found[0].metric, *said, findings)


def how_good(found: Sequence[Judged], rows: int) -> tuple[c.Text, c.Text]:
    """How good, and against what."""
    return _of_heads(found, rows) if found[0].head else _of_one(found[0], rows)


def _of_one(one: Judged, rows: int) -> tuple[c.Text, c.Text]:
    headline, between = one.metric, one.metric.interval
    shown = {"metric": before_chinese(headline.name), "value": _figure(headline, headline.value), "rows": f"{rows:,}"}
    if between is not None:
        low, high = _figure(headline, between.low), _figure(headline, between.high)
        first = told("showing.good", low=low, high=high, **shown)
    else:
        first = told("showing.good_alone", **shown)
    beside = {"trivial": headline.trivial, "linear": headline.linear}
    known: dict[str, Any] = {k: _figure(headline, v) for k, v in beside.items() if v is not None}
    if not known:
        return first, told("showing.against.none")
    key = "_".join(known)
    if "linear" in known:
        known["over"] = over_linear(HEADLINES[one.task], headline, one.results)
    return first, told(f"showing.against.{key}", **known)


def _of_heads(found: Sequence[Judged], rows: int) -> tuple[c.Text, c.Text]:
    figures = [
        told("showing.heads.figure", metric=head_and(j.head, j.metric.name), value=_figure(j.metric, j.metric.value))
        for j in found[:MOST_HEADS]
    ]
    more = told("showing.heads.more", count=len(found) - MOST_HEADS) if len(found) > MOST_HEADS else ""
    first = told("showing.heads.good", rows=f"{rows:,}", figures=listed(figures), more=more)
    whats = {_beside(j) for j in found}
    if whats == {""}:
        return first, told("showing.against.none")
    what = told("showing.heads.what." + (whats.pop() if len(whats) == 1 else "both"))
    groups: dict[str, list[str]] = {"over": [], "not_over": [], "under": []}
    for one in found:
        if (group := standing(one)) in groups:
            groups[group].append(one.head)
    if len(groups["over"]) == len(found):
        return first, told("showing.heads.all_over", what=what)
    said = [told(f"showing.heads.{key}", heads=_few(names)) for key, names in groups.items() if names]
    return first, told("showing.heads.against", what=what, groups=listed(said, "list.parts"))


def _few(names: Sequence[str]) -> c.Text:
    more = told("showing.heads.more", count=len(names) - MOST_HEADS) if len(names) > MOST_HEADS else ""
    return told("showing.heads.names", names=listed(names[:MOST_HEADS]), more=more)


def _beside(one: Judged) -> str:
    """What the head is held against: the linear model, else the trivial answer, else nothing."""
    return "linear" if one.metric.linear is not None else "trivial" if one.metric.trivial is not None else ""


def standing(one: Judged) -> str:
    """ "over", "not_over" or "under" its baseline, each but the second beyond what chance explains; or ""."""
    metric, between = one.metric, one.metric.interval
    sign = 1 if metric.better == "higher" else -1
    if metric.linear is not None:
        ends = _difference(HEADLINES[one.task], one.results)
        if ends is None:  # too few rows for an interval
            return "not_over" if sign * (metric.value - metric.linear) > 0 else "under"
        worst, best = sorted((sign * ends[1], sign * ends[2]))
        return "over" if worst > 0 else "under" if best < 0 else "not_over"
    if metric.trivial is None or between is None:
        return ""
    worst, best = sorted((sign * (between.low - metric.trivial), sign * (between.high - metric.trivial)))
    return "over" if worst > 0 else "under" if best < 0 else "not_over"


def _difference(name: str, results: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """The metric minus the linear model's on the same rows, and its interval."""
    found = [results.get(f"test/{name}_over_linear{end}") for end in ("", "_low", "_high")]
    numbers = [float(v) for v in found if v is not None and not math.isnan(v)]
    return (numbers[0], numbers[1], numbers[2]) if len(numbers) == 3 else None


def over_linear(name: str, headline: c.Metric, results: Mapping[str, Any]) -> c.Text:
    """The difference to the linear model on the same rows, and whether chance can be what makes it."""
    found = _difference(name, results)
    if found is None:
        return ""
    value, low, high = found
    sign = 1 if headline.better == "higher" else -1
    worst, best = sorted((sign * low, sign * high))
    said = "over" if worst > 0 else "under" if best < 0 else "not_over"
    if said != "not_over":  # who is ahead is said in words, so that less of an error needs no minus
        low, high = sorted((abs(low), abs(high)))
    shown = {"value": value, "low": low, "high": high}
    figures = {k: _apart(headline, v, signed=said == "not_over") for k, v in shown.items()}
    points = told("showing.points") if headline.unit == "%" else ""
    return told(f"showing.{said}", points=points, **figures)


def _trust(findings: Sequence[c.Finding], heads: Sequence[str]) -> c.Text:
    """Whether it can be believed: the first warning, and how many more there are, with the heads they are of."""
    loud = [(f, head) for f, head in zip(findings, heads) if f.severity == "warning"]
    if not loud:
        return told("showing.trust_notes" if findings else "showing.trust")
    more: c.Text = ""
    if len(loud) > 1:
        names = list(dict.fromkeys(head for _, head in loud[1:] if head))
        of = told("showing.doubt.of", heads=_few(names)) if names else ""
        more = told("showing.doubt.more" if len(loud) > 2 else "showing.doubt.one_more", count=len(loud) - 1, of=of)
    first, head = loud[0]
    if head:
        return told("showing.doubt.head", head=head, what=_without(head, first.what), more=more)
    return told("showing.doubt", what=first.what, more=more)


def _without(head: str, what: c.Text) -> c.Text:
    """A finding's text without the name of its head in front."""
    prefix = told("line.of_heads", heads=head, text="")
    texts, starts = ((t if isinstance(t, tuple) else (t, t)) for t in (what, prefix))
    return texts[0].removeprefix(starts[0]), texts[1].removeprefix(starts[1])


def _apart(metric: c.Metric, value: float, *, signed: bool) -> str:
    """A difference; of shares in percentage points."""
    shown = f"{100 * abs(value):.1f}" if metric.unit == "%" else number(abs(value))
    return f"{('+' if value > 0 else '−' if value < 0 else '') if signed else ''}{shown}"


def _figure(metric: c.Metric, value: float) -> str:
    """As exact as the large number beside it; in letters that any terminal has."""
    return words.value(value, metric.unit, words.decimals_for(metric.interval)).replace("\u202f", " ")
