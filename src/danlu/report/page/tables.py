"""HTML tables that scroll inside themselves, the headings and figures around charts, and lists of facts."""

from __future__ import annotations

from collections.abc import Sequence

from danlu.report.page.contents import Fact, Text
from danlu.report.page.words import capital, count, label, show, tr

TALL = 14  # rows of a table that are shown without scrolling inside it


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, name: Text, kinds: str = "", look: str = "") -> str:
    """``kinds`` has a letter a column: n number, t text, b bar, w long text. Cells are HTML.

    The first cell of a row heads it. Long tables scroll in a box that the keyboard reaches.
    """
    kinds = kinds or "t" * len(heads)
    head = "".join(f'<th scope="col" class="{k}">{h}</th>' for h, k in zip(heads, kinds))
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row" class="{k}">{c}</th>' if i == 0 else f'<td class="{k}">{c}</td>'
            for i, (c, k) in enumerate(zip(row, kinds))
        )
        + "</tr>"
        for row in rows
    )
    box = "scroll tall" if len(rows) > TALL else "scroll"
    inner = f'<table class="{look}">' if look else "<table>"
    return (
        f'<div class="{box}" tabindex="0" role="region" {label(name)}>'
        f"{inner}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def shown_of(shown: int, total: int) -> str:
    """ "20 of 431 are shown", or nothing where all are."""
    return f'<p class="note">{tr("page.shown", shown=count(shown), total=count(total))}</p>' if shown < total else ""


def figure(title: str, inside: str, below: str = "") -> str:
    """A chart under its title, with remarks below."""
    return f"<figure><figcaption>{title}</figcaption>{inside}{below}</figure>"


def heading(text: str, level: int = 3, anchor: str = "") -> str:
    named = f' id="{anchor}"' if anchor else ""
    return f"<h{level}{named}>{text}</h{level}>"


def facts(rows: Sequence[Fact]) -> str:
    body = "".join(f"<div><dt>{show(capital(f.name), 60)}</dt><dd>{show(f.value, 400)}</dd></div>" for f in rows)
    return f'<dl class="facts">{body}</dl>' if rows else ""


def more(summary: str, inside: str) -> str:
    """Something that opens on demand, without a script."""
    return f"<details><summary>{summary}</summary>{inside}</details>"
