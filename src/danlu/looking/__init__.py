"""Looking before any training: what danlu understands of data, what a run came to, what a model is made of."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.looking.events import events_of
from danlu.looking.found import Found, FoundData, FoundModel, FoundRun, What
from danlu.looking.lines import of_data, of_model, of_run
from danlu.report import layout
from danlu.report.lines import Page

__all__ = ["Found", "FoundData", "FoundModel", "FoundRun", "Looked"]


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
