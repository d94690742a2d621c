"""What a person sees, and whether the command line asked for JSON or for quiet."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass


@dataclass(frozen=True)
class Mode:
    """``json``: events on stdout, one a line. ``quiet``: only warnings, errors and the final result."""

    json: bool = False
    quiet: bool = False


_mode: ContextVar[Mode] = ContextVar("danlu_mode")


def mode() -> Mode:
    return _mode.get(Mode())


def set_mode(wanted: Mode) -> Token[Mode]:
    """What reporters made from here on do; give the token to ``reset_mode`` to end it."""
    return _mode.set(wanted)


def reset_mode(token: Token[Mode]) -> None:
    _mode.reset(token)
