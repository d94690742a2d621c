"""Looking before any training: what danlu understands of data, what a run came to, what a model is made of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from danlu.looking.data import look_at_data
from danlu.looking.events import events_of
from danlu.looking.found import Found, FoundData, FoundModel, FoundRun, What
from danlu.looking.kinds import kind_of, of_path
from danlu.looking.lines import of_data, of_model, of_run
from danlu.looking.nets import look_at_module, look_at_name, made
from danlu.looking.page import page_of_data, page_of_model, write_page
from danlu.looking.runs import look_at_run
from danlu.lookup import is_reference, resolve
from danlu.opening import expanded
from danlu.plan import Asked
from danlu.predict import Predictor
from danlu.report import layout, mode
from danlu.report.lines import Page
from danlu.settings import Settings
from danlu.showing.texts import told

__all__ = ["Found", "FoundData", "FoundModel", "FoundRun", "Looked", "Question", "answer"]


@dataclass(frozen=True)
class Question:
    """What ``danlu.look`` was asked; see there."""

    data: Any
    test: Any
    val: Any
    sample: Any
    kind: str | None
    output: str | Path | None
    whole: bool
    settings: Settings


@dataclass(frozen=True, repr=False)
class Looked:
    """What ``danlu.look`` found. Printed, it is what the command shows; ``html`` is the page's place, if one was made.

    ``found`` has it as plain values: a ``FoundData``, ``FoundRun`` or ``FoundModel``.
    """

    what: What
    found: Found
    html: Path | None = None

    def lines(self, page: Page) -> list[str]:
        """For a terminal of that width."""
        if isinstance(self.found, FoundData):
            return of_data(self.found, page, str(self.html) if self.html else "")
        return of_run(self.found, page) if isinstance(self.found, FoundRun) else of_model(self.found, page)

    def events(self) -> list[dict[str, Any]]:
        """One object a line of ``--json``."""
        return events_of(self.found, self.html)

    def __repr__(self) -> str:
        on = layout.is_terminal(sys.stdout)
        return "\n".join(self.lines(Page(layout.columns(sys.stdout) if on else None)))

    __str__ = __repr__


def answer(asked: Question, load: Callable[[str | Path], Predictor]) -> Looked:
    """Tell what it is, look at it, and write the page. ``load`` opens a model's folder: ``danlu.load``."""
    what, note = kind_of(asked.data, asked.kind)
    if what == "run":
        return Looked(what, replace(look_at_run(asked.data), note=note))
    if what == "model":
        seen = replace(_model(asked, load), note=note)
        made = None if asked.output is None else write_page(page_of_model(seen), seen.name, asked.output, [])
        return Looked(what, seen, made)
    data = expanded(Asked(asked.data, asked.test, asked.val, settings=asked.settings))
    found = replace(look_at_data(data, whole=asked.whole), note=note)
    if mode().json and asked.output is None:
        return Looked(what, found)
    sources = [part for part in (data.data, data.test, data.val) if isinstance(part, (str, Path))]
    place = write_page(page_of_data(found), found.name, asked.output, sources)
    return Looked(what, found if place is not None else replace(found, note=note or told("look.no_page")), place)


def _model(asked: Question, load: Callable[[str | Path], Predictor]) -> FoundModel:
    """A model by name, of a file, of a folder, or itself, run once on one batch."""
    given, size = asked.data, asked.settings.size
    sample = asked.test if asked.sample is None else asked.sample  # look(model, x)
    if isinstance(sample, str) and is_reference(sample):
        sample = resolve(sample)
    reference = isinstance(given, str) and is_reference(given)
    if isinstance(given, str) and not reference and of_path(Path(given).expanduser()) == "data":
        return look_at_name(given, size)  # no folder of a model: DL270 for what is no name either
    name, schema, module = str(given), None, given
    if reference:
        module = resolve(given)
    elif isinstance(given, (str, Path, Predictor)):
        predictor = given if isinstance(given, Predictor) else load(given)
        module, schema = predictor.module, predictor.schema
        name = name if not isinstance(given, Predictor) else type(module).__name__
    else:
        name = given.__name__ if isinstance(given, type) else type(given).__name__
    return look_at_module(made(module, size), name=name, schema=schema, sample=sample, size=size)
