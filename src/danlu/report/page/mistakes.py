"""What went wrong and why: the worst mistakes, labels that are probably wrong, and what the model looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from danlu.report.page.bars import bar
from danlu.report.page.contents import Attribution, Importance, LabelError, Mistake, Page, Unit, Why
from danlu.report.page.samples import picture, place, samples
from danlu.report.page.scale import axis
from danlu.report.page.tables import heading, shown_of, table
from danlu.report.page.words import both, escape, finite, name, sentences, show, tr, value

MOST_MISTAKES, MOST_LABELS, MOST_PICTURES, MOST_COLUMNS = 24, 48, 24, 40


def mistakes(contents: Page) -> str:
    found, labels, out = contents.mistakes, contents.label_errors, []
    if found:
        shown = found[:MOST_MISTAKES]
        body = samples([m.sample for m in shown], both("page.mistakes"), [mistake(m) for m in shown])
        out += [heading(tr("page.mistakes")), f'<p class="note">{tr(mistakes_note(shown))}</p>', body]
        out.append(shown_of(len(shown), max(contents.mistakes_total or 0, len(found))))
    if labels:
        few = labels[:MOST_LABELS]
        body = samples([one.sample for one in few], both("page.labels"), [label_error(one) for one in few])
        out += [heading(tr("page.labels")), f'<p class="note">{tr("page.labels.note")}</p>', body]
        out.append(shown_of(len(few), len(labels)))
    return "".join(out)


def mistakes_note(shown: Sequence[Mistake]) -> str:
    """What stands below them: numbers have a distance, single classes a probability, labels neither."""
    if any(m.off for m in shown):
        return "page.mistakes.note.numbers"
    sure = any(m.probability is not None for m in shown)
    return "page.mistakes.note" if sure else "page.mistakes.note.labels"


def mistake(m: Mistake) -> str:
    """ "cat → dog 97.1 %", with the loss below; of a number how far off it is."""
    if m.off:
        return f'{swap(m.truth, m.answer)}<span class="soft under">{tr("page.off_by", value=m.off)}</span>'
    sure = f' <span class="soft">{escape(value(m.probability, "%"))}</span>' if m.probability is not None else ""
    if m.loss is None or not finite(m.loss):
        return swap(m.truth, m.answer) + sure
    loss = f"{m.loss:.2f}" if 0.1 <= m.loss < 1000 else f"{m.loss:.3g}"
    return f'{swap(m.truth, m.answer)}{sure}<span class="soft under">{tr("page.loss_of", value=loss)}</span>'


def label_error(one: LabelError) -> str:
    return f'{swap(one.given, one.suggested)} <span class="soft">{escape(value(one.sure, "%"))}</span>'


def swap(before: str, after: str) -> str:
    return f'<span class="swap"><span>{name(before, 40)}</span> → <b>{name(after, 40)}</b></span>'


# ---- why


def why(contents: Why) -> str:
    out = []
    if contents.attributions:
        note = f'<p class="note">{show(contents.method, 300)}</p>' if contents.method else ""
        tiles = "".join(attribution(a) for a in contents.attributions[:MOST_PICTURES])
        out += [heading(tr("page.attributions")), note, f'<ul class="grid twice">{tiles}</ul>']
    if contents.importances:
        out.append(heading(tr("page.importances")))
    for one in contents.importances:
        metric = one.metric or both("page.the_metric")
        said = sentences(both("page.importances.note", metric=metric), both("page.importances.interval"))
        out += [f'<p class="note">{show(said)}</p>', importances(one.columns, one.unit)]
    return "".join(out)


def attribution(a: Attribution) -> str:
    """The picture and what mattered in it, side by side."""
    seen = picture(a.sample.picture, a.sample.where) if a.sample.picture else ""
    said = swap(a.truth, a.answer) if a.truth != a.answer and a.truth else name(a.answer or a.truth, 40)
    both_pictures = f'<span class="twin">{seen}{picture(a.heat, a.sample.where)}</span>'
    of = f'<span class="soft">{name(a.head, 40)}</span> ' if a.head else ""
    return f'<li>{both_pictures}<span class="cap">{of}{said}</span>{place(a.sample.where, 40)}</li>'


def importances(found: Sequence[Importance], unit: Unit) -> str:
    """The most important first; what a share loses is told in percentage points."""
    ranked = sorted((i for i in found if finite(i.drop)), key=lambda i: -i.drop)
    shown = ranked[:MOST_COLUMNS]
    ends = [v for i in shown if i.interval for v in (i.interval.low, i.interval.high) if finite(v)]
    scale = axis([i.drop for i in shown] + ends, zero=True)
    times = 100.0 if unit == "%" else 1.0
    digits = max(0, 2 - math.floor(math.log10(times * max([abs(i.drop) for i in shown], default=0) or 1)))
    rows = [
        [
            name(i.name, 60),
            bar(scale, i.drop, interval=i.interval),
            fixed(times * i.drop, digits),
            around(i, digits, times),
        ]
        for i in shown
    ]
    heads = [tr("page.column"), "", tr("page.drop.points" if unit == "%" else "page.drop"), tr("page.interval")]
    return table(heads, rows, name=both("page.importances"), kinds="tbnn") + shown_of(len(shown), len(ranked))


def around(i: Importance, digits: int, times: float) -> str:
    if i.interval is None or not (finite(i.interval.low) and finite(i.interval.high)):
        return ""
    return f"{fixed(times * i.interval.low, digits)}\u00a0– {fixed(times * i.interval.high, digits)}"


def fixed(number: float, digits: int) -> str:
    shown = f"{number:,.{min(digits, 12)}f}"
    if not shown.strip("-0.,"):
        shown = shown.removeprefix("-")  # nothing is left of it
    return shown.replace("-", "−") if abs(number) < 1e12 else value(number)
