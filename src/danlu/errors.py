"""The one exception danlu raises for a user's mistake: a code, what, where, why and the line that fixes it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from danlu.messages import ERRORS, say, text


class DanluError(Exception):
    """A mistake a person can put right.

    ``code`` names an entry of ``messages.ERRORS``; ``facts`` fill the entry's texts. ``where`` is the
    user's own file:line, row, or flag. The text is made when it is read, in the language then set.
    """

    def __init__(self, code: str, where: str = "", **facts: Any) -> None:
        super().__init__(code, where, facts)
        self.code, self.where, self.facts = code, where, facts

    @property
    def what(self) -> str:
        return self._part(0)

    @property
    def why(self) -> str:
        return self._part(1)

    @property
    def fix(self) -> str:
        return self._part(2)

    def _part(self, i: int) -> str:
        return text(ERRORS[self.code][i], **self.facts)

    def __str__(self) -> str:
        rows = [("where", self.where), ("why", self.why), ("fix", self.fix)]
        labelled = [f"  {say(f'label.{name}'):5} {value}" for name, value in rows if value]
        return "\n".join([f"{self.code} {self.what}", *labelled])

    def __reduce__(self) -> Any:  # facts travel through worker processes
        return _rebuild, (self.code, self.where, self.facts)


def _rebuild(code: str, where: str, facts: dict[str, Any]) -> DanluError:
    return DanluError(code, where, **facts)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM reached a run: everything is saved in ``run`` and ``danlu.resume(run)`` goes on."""

    def __init__(self, run: str, signal: int) -> None:
        super().__init__(run)
        self.run, self.signal = run, signal


def nearest(name: str, known: Iterable[str]) -> str:
    """A did-you-mean: the known name closest to ``name``, or an empty string."""
    names = list(known)
    folded = {n.casefold(): n for n in names}
    hit = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[hit[0]] if hit else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The sentence for an error's ``why``: the nearest name, or all of them."""
    names = sorted(known)
    near = nearest(name, names)
    if near:
        return text(("did you mean {near!r}?", "是不是想写 {near!r}？"), near=near)
    shown = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    return text(("there are: {names}", "已有：{names}"), names=shown) if names else ""
