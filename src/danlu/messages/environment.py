"""Texts of DL0xx errors and of what the environment rooms say."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

ERRORS: dict[str, ErrorText] = {}

SAYINGS: dict[str, Text] = {}
