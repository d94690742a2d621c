"""Every text a person reads, in English and Chinese side by side; one file a room, merged here."""

from __future__ import annotations

from typing import Any

from danlu.messages import (
    data,
    doubts,
    environment,
    evaluation,
    explain,
    heads,
    loader,
    look,
    loss,
    memo,
    model,
    optim,
    own_data,
    page,
    pictures,
    run,
    settings,
    showing,
    sources,
    tables,
    train,
)
from danlu.messages.base import ErrorText, Text, filled, language, merge, set_language, spoken, text

__all__ = ["ERRORS", "SAYINGS", "ErrorText", "Text", "filled", "language", "say", "set_language", "spoken", "text"]

_ROOMS = (
    data, doubts, environment, evaluation, explain, heads, loader, look, loss, memo, model, optim, own_data,
    page, pictures, run, settings, showing, sources, tables, train,
)  # fmt: skip

ERRORS: dict[str, ErrorText] = merge(*(room.ERRORS for room in _ROOMS))
SAYINGS: dict[str, Text] = merge(*(room.SAYINGS for room in _ROOMS))


def say(key: str, /, **facts: Any) -> str:
    """An entry of ``SAYINGS`` in the language in use: choices, notices, the terminal's lines."""
    return text(SAYINGS[key], **facts)
