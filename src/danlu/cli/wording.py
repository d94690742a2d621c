"""Texts written for Python in the words of the command line: ``optimizer='adam'`` → ``--optimizer adam``."""

from __future__ import annotations

import re
import shlex

from danlu.rules import RULES

_NAMES = "|".join(["model", "loss", "optimizer", "metrics", "val", "kind", *RULES])
_SETTING = re.compile(rf"(?<!,)(?<!--loss-weights )\b({_NAMES})=(?:'([^']+)'|\"([^\"]+)\"|([\d.]+|auto)(?![\w(]))")


def as_flags(text: str) -> str:
    """Every setting with a plain value as a flag; what stands inside a call's parentheses is Python and stays."""

    def flag(found: re.Match[str]) -> str:
        before = text[: found.start()]
        if before.count("(") > before.count(")"):
            return found[0]
        value = found[2] or found[3] or found[4].rstrip(".")
        rest = "." if found[4] and found[4].endswith(".") else ""
        return f"--{found[1].replace('_', '-')} {shlex.quote(value)}{rest}"

    return _SETTING.sub(flag, text)
