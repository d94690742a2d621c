"""Help for every setting and verb: what the command line and the docs say."""

from __future__ import annotations

from danlu.messages.base import ErrorText, Text

SAYINGS: dict[str, Text] = {}

ERRORS: dict[str, ErrorText] = {}
