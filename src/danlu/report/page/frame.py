"""The whole page: its sections in order, what is around them, and a policy that lets nothing in from outside."""

from __future__ import annotations

import base64
import hashlib

from danlu import __version__
from danlu.report.page.contents import Page, Text
from danlu.report.page.curves_part import curves
from danlu.report.page.data_part import data
from danlu.report.page.mistakes import mistakes, why
from danlu.report.page.model_part import model, reproduce
from danlu.report.page.results import results
from danlu.report.page.samples import store
from danlu.report.page.script import SCRIPT
from danlu.report.page.style import style
from danlu.report.page.tables import facts
from danlu.report.page.verdict import verdict
from danlu.report.page.words import LANGUAGES, both, called, in_language, label, show, tip, tr


def render(contents: Page) -> str:
    """The report as one HTML text, without any address outside itself. Equal contents give equal text."""
    bodies = {
        "verdict": verdict(contents.verdict, contents.of),
        "data": data(contents.data, contents.of),
        "curves": curves(contents.curves),
        "tests": "".join(results(r, i, len(contents.tests)) for i, r in enumerate(contents.tests)),
        "mistakes": mistakes(contents),
        "why": why(contents.why),
        "model": model(contents.model),
        "reproduce": reproduce(contents.reproduce),
    }
    sections = "".join(section(name, body, contents.of) for name, body in bodies.items() if body)
    main = sections or f'<section><p class="lead">{tr("page.nothing")}</p></section>'
    body = (
        header(contents)
        + f'<div class="body">{contents_list(bodies, contents.of)}<main id="main">{main}</main></div>{footer()}'
    )
    page = f'<div class="page">{body}</div>{store(contents, body)}'
    skip = f'<a class="skip" href="#main">{tr("page.skip")}</a>'
    lang = LANGUAGES[contents.language == "zh"]
    whole = (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>{head(contents.title, contents.of)}</head>\n'
        f"<body>{skip}{page}<script>{SCRIPT}</script></body>\n</html>\n"
    )
    return in_language(whole, contents.language)


def head(title: Text, of: str = "run") -> str:
    sheet = style()
    policy = (
        f"default-src 'none'; img-src data:; style-src '{digest(sheet)}'; script-src '{digest(SCRIPT)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
        f'<meta name="generator" content="danlu {of}">'
        f"{tip(title or 'danlu')}<style>{sheet}</style>"
    )


def digest(text: str) -> str:
    """The hash by which a Content-Security-Policy knows an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def header(contents: Page) -> str:
    here = LANGUAGES[contents.language == "zh"]
    buttons = "".join(
        f'<button type="button" value="{lang}" lang="{lang}" aria-pressed="{"true" if lang == here else "false"}">'
        f"{name}</button>"
        for lang, name in zip(LANGUAGES[::-1], ("中文", "English"))
    )
    switch = f'<div class="switch" role="group" {label(("Language", "语言"))} hidden>{buttons}</div>'
    return (
        f'<header><p class="brand">danlu 丹炉</p>{switch}'
        f'<div class="title"><h1>{show(contents.title, 160)}</h1>{facts(contents.facts)}</div></header>'
    )


def contents_list(bodies: dict[str, str], of: str) -> str:
    items = "".join(f'<li><a href="#{n}">{named(n, of)}</a></li>' for n, body in bodies.items() if body)
    return f"<nav {label(both('page.contents'))}><ul>{items}</ul></nav>" if items else ""


def section(anchor: str, body: str, of: str) -> str:
    return f'<section id="{anchor}"><h2>{named(anchor, of)}</h2>{body}</section>'


def named(anchor: str, of: str) -> str:
    """A section's title: before any training there is no verdict and nothing to reproduce."""
    return tr(called(f"page.section.{anchor}", of))


def footer() -> str:
    return f"<footer>{tr('page.made', danlu=f'danlu {__version__}')}</footer>"
