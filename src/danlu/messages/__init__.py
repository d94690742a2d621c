"""Every text a person reads, in English and Chinese side by side; one file a room, merged here."""

from __future__ import annotations

from typing import Any

from danlu.messages import data, environment, model, run, settings, train
from danlu.messages.base import ErrorText, Text, language, merge, set_language, text

__all__ = ["ERRORS", "SAYINGS", "ErrorText", "Text", "language", "say", "set_language", "text"]

ERRORS: dict[str, ErrorText] = merge(environment.ERRORS, data.ERRORS, model.ERRORS, train.ERRORS, run.ERRORS)
SAYINGS: dict[str, Text] = merge(
    environment.SAYINGS, data.SAYINGS, model.SAYINGS, train.SAYINGS, run.SAYINGS, settings.SAYINGS
)


def say(key: str, /, **facts: Any) -> str:
    """An entry of ``SAYINGS`` in the language in use: choices, notices, the terminal's lines."""
    return text(SAYINGS[key], **facts)
