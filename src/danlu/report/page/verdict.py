"""The first thing read: three sentences, the main metric beside what it has to beat, and what is in doubt."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.bars import bar
from danlu.report.page.contents import Finding, Metric, Text, Verdict
from danlu.report.page.scale import Axis, axis, shares
from danlu.report.page.tables import heading, more, table
from danlu.report.page.words import (
    both,
    called,
    capital,
    decimals_for,
    escape,
    finite,
    joined,
    name,
    show,
    span,
    tr,
    value,
)

SEVERITIES = ("error", "warning", "note")
OPEN_NOTES = 3  # more notes than this are folded away


def verdict(contents: Verdict, of: str = "run") -> str:
    parts = [show(s) for s in contents.sentences if s]
    said = "".join(f"<p>{s}</p>" for s in parts)
    lead = f'<div class="lead">{said}</div>' if said else ""
    main = headline(contents.headline, contents) if contents.headline else ""
    main += heads(contents) if contents.heads else ""
    top = f'<div class="verdict">{lead}{main}</div>' if lead or main else ""
    return top + findings(contents.findings, of)


def headline(metric: Metric, contents: Verdict) -> str:
    """The metric as a large number, its interval, and bars on one axis for the model and both baselines."""
    digits = decimals_for(metric.interval)
    number = escape(value(metric.value, metric.unit, digits))
    around = span(metric.interval, metric.unit)
    kind = f" · {show(metric.interval.kind, 80)}" if metric.interval and metric.interval.kind else ""
    interval = f'<p class="interval">{tr("page.interval")} {escape(around)}{kind}</p>' if around else ""
    arrow = tr(f"page.better.{metric.better}")
    head = f'<p class="metric">{show(capital(metric.name), 60)} <span class="soft">{arrow}</span></p>'
    return f'<div class="headline">{head}<p class="huge">{number}</p>{interval}{comparison(metric, contents)}</div>'


def comparison(metric: Metric, contents: Verdict) -> str:
    rows: list[tuple[Text, float, Text, str]] = [(both("page.this_model"), metric.value, "", "b1")]
    if metric.linear is not None and finite(metric.linear):
        rows.append((both("page.linear"), metric.linear, contents.linear, "b6"))
    if metric.trivial is not None and finite(metric.trivial):
        rows.append((both("page.trivial"), metric.trivial, contents.trivial, "b0"))
    if len(rows) == 1 and metric.interval is None:
        return ""
    scale = metric_axis(metric)
    out = []
    for label, number, what, colour in rows:
        interval = metric.interval if colour == "b1" else None
        drawn = bar(
            scale, number, colour=colour, interval=interval, said=joined(label, ": ", value(number, metric.unit))
        )
        note = f'<span class="soft">{show(what, 120)}</span>' if what else ""
        digits = decimals_for(metric.interval)
        cell = escape(value(number, metric.unit, digits))
        out.append(f'<div class="rung"><dt>{show(label)}{note}</dt><dd>{drawn}<b>{cell}</b></dd></div>')
    return f'<dl class="ladder">{"".join(out)}</dl>'


def heads(contents: Verdict) -> str:
    """A line a head: its main metric with the interval, and what it has to beat."""
    linear = any(one.metric.linear is not None for one in contents.heads)
    trivial = any(one.metric.trivial is not None for one in contents.heads)
    names = [tr("page.head"), tr("page.this_model")]
    names += [tr("page.linear")] * linear + [tr("page.trivial")] * trivial
    rows = []
    for one in contents.heads:
        m, digits = one.metric, decimals_for(one.metric.interval)
        sign = {"higher": "↑", "lower": "↓"}.get(m.better, "")
        arrow = f'<span class="arrow" aria-hidden="true">{sign}</span>' if sign else ""
        first = f'{name(one.head, 60)}<span class="soft under">{show(m.name, 60)}{arrow}</span>'
        around = span(m.interval, m.unit)
        under = f'<span class="soft under">{escape(around)}</span>' if around else ""
        row = [first, f"<b>{escape(value(m.value, m.unit, digits))}</b>{under}"]
        row += [escape(value(m.linear, m.unit, digits))] * linear
        what = (
            f'<span class="soft under">{show(one.trivial, 80)}</span>' if one.trivial and m.trivial is not None else ""
        )
        row += [escape(value(m.trivial, m.unit, digits)) + what] * trivial
        rows.append(row)
    shown = table(names, rows, name=both("page.heads"), kinds="tn" + "n" * (linear + trivial))
    notes = tr("page.heads.note")
    if linear and contents.linear:
        notes += " " + show(joined(both("page.linear"), (": ", "："), contents.linear, (".", "。")), 200)
    return f'<div class="heads">{shown}<p class="note">{notes}</p></div>'


def metric_axis(metric: Metric) -> Axis:
    """From 0 to 1 for shares, else from 0 (or below) to the longest bar."""
    ends = [metric.interval.low, metric.interval.high] if metric.interval else []
    numbers = [v for v in [metric.value, metric.trivial, metric.linear, *ends] if v is not None and finite(v)]
    if metric.unit == "%" and all(0 <= v <= 1 for v in numbers):
        return shares()
    return axis(numbers, zero=True)


def findings(found: Sequence[Finding], of: str = "run") -> str:
    """Errors and warnings in full; many notes folded."""
    if not found:
        return ""
    ranked = sorted(found, key=lambda f: SEVERITIES.index(f.severity))
    loud = [f for f in ranked if f.severity != "note"]
    notes = [f for f in ranked if f.severity == "note"]
    out = "".join(finding(f) for f in loud)
    if len(notes) <= OPEN_NOTES:
        body = f'<ul class="findings">{out}{"".join(finding(f) for f in notes)}</ul>'
    else:
        folded = f'<ul class="findings">{"".join(finding(f) for f in notes)}</ul>'
        body = (f'<ul class="findings">{out}</ul>' if out else "") + more(
            tr("page.notes", count=str(len(notes))), folded
        )
    return heading(tr(called("page.findings", of))) + body


def finding(one: Finding) -> str:
    badge = f'<span class="badge {one.severity}">{tr(f"page.{one.severity}")}</span>'
    code = f"<code>{escape(one.code)}</code>" if one.code else ""
    rows: list[tuple[str, Text]] = [("where", one.where), ("why", one.why), ("fix", one.fix)]
    told = "".join(f"<div><dt>{tr(f'page.{k}')}</dt><dd>{show(text)}</dd></div>" for k, text in rows if text)
    details = f"<dl>{told}</dl>" if told else ""
    return f'<li><p class="what">{badge}{show(one.what)}{code}</p>{details}</li>'
