"""The help pages: complete, in two languages, and fitting every terminal."""

from __future__ import annotations

import pytest

from danlu.cli import usage
from danlu.cli.argv import Call, parse
from danlu.cli.usage import GROUPS, VERBS
from danlu.messages import set_language
from danlu.report.layout import width
from danlu.report.lines import Page
from danlu.rules import RULES


def test_every_setting_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(RULES)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_pages_fit(lang: str, columns: int) -> None:
    set_language(lang)
    page = Page(columns)
    for text in [usage.overview("1.0", page), *(usage.of_verb(verb, page) for verb in VERBS.values())]:
        for line in text.split("\n"):
            assert width(line) <= columns or line.startswith(("danlu", "  danlu")), line  # a command is not broken


@pytest.mark.parametrize("name", VERBS)
def test_ways_to_ask_for_help(name: str) -> None:
    page = usage.of_verb(VERBS[name], Page())
    assert parse([name, "--help"]) == parse([name, "x", "-h"]) == parse(["help", name]) == page
    assert page.startswith(f"danlu {name}")
    overview = parse([])
    assert isinstance(overview, str)
    assert overview == parse(["--help"]) == parse(["help"])
    assert f"danlu {name}" in overview


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_examples_are_valid_commands(lang: str) -> None:
    set_language(lang)
    for name in ["usage", *VERBS]:
        for example in usage.examples(name):
            words = example.partition("#")[0].split()
            assert words[0] == "danlu"
            assert isinstance(parse(words[1:]), Call)


def test_version() -> None:
    from danlu import __version__

    assert parse(["--version"]) == f"danlu {__version__}"
