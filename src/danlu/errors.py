"""The one exception danlu raises for a user's mistake: a code, what, where, why and the line that fixes it."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from danlu.messages import ERRORS, SAYINGS, say, text

_wording: Callable[[str], str] = str


@contextmanager
def worded(wording: Callable[[str], str]) -> Iterator[None]:
    """Inside, errors spell settings as ``wording`` does; their texts are written for Python."""
    global _wording
    before, _wording = _wording, wording
    try:
        yield
    finally:
        _wording = before


class DanluError(Exception):
    """A mistake a person can put right.

    ``code`` names an entry of ``messages.ERRORS``; ``facts`` fill the entry's texts. ``where`` is the
    user's own file:line, row, or flag. The text is made when it is read, in the language then set.
    """

    def __init__(self, code: str, where: str = "", **facts: Any) -> None:
        super().__init__(code, where, facts)
        self.code, self.place, self.facts = code, where, facts

    @property
    def where(self) -> str:
        return _wording(self.place)

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
        return _wording(text(ERRORS[self.code][i], **self.facts))

    def __str__(self) -> str:
        rows = [("where", self.where), ("why", self.why), ("fix", self.fix)]
        labelled = [f"  {say(f'label.{name}'):5} {value}" for name, value in rows if value]
        return "\n".join([f"{self.code} {self.what}", *labelled])

    def __reduce__(self) -> Any:  # facts travel through worker processes
        return _rebuild, (self.code, self.place, self.facts)


def _rebuild(code: str, where: str, facts: dict[str, Any]) -> DanluError:
    return DanluError(code, where, **facts)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM reached a run: everything is saved in ``run`` and ``danlu.resume(run)`` goes on."""

    def __init__(self, run: str, signal: int) -> None:
        super().__init__(run)
        self.run, self.signal = run, signal


def reason(error: BaseException) -> str:
    """Why the system refused, in the reader's language where it is one of the common reasons."""
    name = errno.errorcode.get(getattr(error, "errno", None) or 0, "")
    if f"os.{name}" in SAYINGS:
        return say(f"os.{name}")
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


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
