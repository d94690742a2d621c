"""Help for every setting and verb: what the command line and the docs say."""

from __future__ import annotations

from danlu.messages.base import Text

SAYINGS: dict[str, Text] = {}
