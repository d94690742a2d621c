"""Texts of what reading tables can say, errors and notices."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {}

SAYINGS: dict[str, Text] = {}
