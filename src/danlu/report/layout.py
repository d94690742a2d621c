"""Text for terminals: widths of Chinese characters, wrapping, numbers, durations, colours."""

from __future__ import annotations

import math
import os
import re
import sys
import unicodedata
from collections.abc import Sequence
from typing import IO

from danlu.messages import language

_CLOSING = set("，。、：；？！）」』》】”’…,.:;?!)]}%")  # never first in a line
_OPENING = set("（「『《【“‘([{")  # never last in a line
_PLAIN = {"★": "*", "·": "-", "…": "...", "–": "-", "²": "2", "≥": ">=", "≤": "<=", "━": "#", "─": "-", "×": "x"}
_PLAIN |= {"✓": "+", "✗": "x", "→": "->"}  # for consoles without these characters
_PLAIN |= dict(zip("▁▂▃▄▅▆▇█▏▎▍▌▋▊▉", "__--==##    ==="))


def width(text: str) -> int:
    """Columns a terminal takes for ``text``: 2 for Chinese, 0 for combining marks."""
    if text.isascii():
        return len(text)
    return sum(_columns(c) for c in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def pad(text: str, columns: int, right: bool = False) -> str:
    """``text`` filled with spaces to ``columns``, at its end, or with ``right`` at its start."""
    space = " " * max(0, columns - width(text))
    return space + text if right else text + space


def cut(text: str, columns: int) -> str:
    """The start of ``text`` that fits into ``columns``."""
    if width(text) <= columns:
        return text
    out, used = "", 0
    for char in text:
        used += _columns(char)
        if used > columns:
            break
        out += char
    return out


def cut_middle(text: str, columns: int) -> str:
    """``text`` in at most ``columns``: where it is longer, its start and its end around an ellipsis."""
    if width(text) <= columns:
        return text
    start = cut(text, columns // 2)
    end = cut(text[::-1], columns - 1 - width(start))[::-1]
    return start + "…" + end


def wrap(text: str, columns: int, indent: int = 0, first: int | None = None) -> str:
    """``text`` in lines of at most ``columns``, those after the first indented; the first starts at column ``first``.

    Breaks at spaces and beside Chinese characters, but not before a closing or after an opening mark. A word longer
    than a line stays whole, so that paths and commands can be copied.
    """
    lines: list[list[str]] = [[]]
    used = indent if first is None else first
    for atom in _atoms(text):
        if lines[-1] and used + width(atom.rstrip()) > columns:
            lines.append([])
            used, atom = indent, atom.lstrip()
        lines[-1].append(atom)
        used += width(atom)
    if len(lines) > 1 and width("".join(lines[-1])) <= 4 and len(lines[-2]) > 4:  # no character alone in a line
        lines[-1][:0] = lines[-2][-2:]
        del lines[-2][-2:]
    return ("\n" + " " * indent).join("".join(line).strip() for line in lines)


def join(parts: Sequence[str], between: str, columns: int | None, indent: int = 2) -> str:
    """``parts`` side by side; a new line begins only between two of them."""
    if columns is None:
        return between.join(parts)
    lines = [parts[0]]
    for part in parts[1:]:
        if width(lines[-1]) + width(between) + width(part) > columns:
            lines.append(" " * indent + part)
        else:
            lines[-1] += between + part
    return "\n".join(lines)


def _atoms(text: str) -> list[str]:
    """Pieces that stay together: a word with its space, a Chinese character with the marks that belong to it."""
    atoms: list[str] = []
    for piece in re.findall(r"\s+|[^\s\u2e80-\uffff]+|.", text):
        glued = atoms and (piece.isspace() or piece[0] in _CLOSING or atoms[-1][-1] in _OPENING)
        if glued and not (atoms[-1][-1].isspace() and not piece.isspace()):
            atoms[-1] += piece
        else:
            atoms.append(piece)
    return atoms


def number(value: float) -> str:
    """A metric or a loss with about four telling digits."""
    size = abs(value)
    if math.isnan(value) or math.isinf(value):
        return str(value)
    if size >= 1e9 or 0 < size < 1e-3:
        return f"{value:#.3g}"  # 0.000240, as wide as 0.000241
    if size >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if size >= 100 else f"{value:.4f}"


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def duration(seconds: float) -> str:
    """ "4.1s", "37s", "12m03s", "2h05m", "3d04h" in the language in use."""
    day, hour, minute, second = ("天", "小时", "分", "秒") if language() == "zh" else ("d", "h", "m", "s")
    if not math.isfinite(seconds):
        return "?"
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}{second}"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}{second}"
    if whole < 3600:
        return f"{whole // 60}{minute}{whole % 60:02}{second}"
    if whole < 86400:
        return f"{whole // 3600}{hour}{whole % 3600 // 60:02}{minute}"
    return f"{whole // 86400}{day}{whole % 86400 // 3600:02}{hour}"


def printable(text: str) -> str:
    """``text`` without anything a terminal would act on: file names and user's messages may hold escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def encodable(text: str, stream: IO[str]) -> str:
    """``text`` with whatever the stream's encoding lacks replaced."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
        return text
    except (UnicodeEncodeError, LookupError):
        plain = "".join(_PLAIN.get(c, c) for c in text)
        return plain.encode(encoding, "backslashreplace").decode(encoding)


def columns(stream: IO[str]) -> int:
    """The width of the terminal behind ``stream``, 80 where it says nothing; COLUMNS overrules it."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError, AttributeError):
        return 80


def is_terminal(stream: IO[str]) -> bool:
    """Whether ``stream`` is a terminal that can go back in a line."""
    try:
        return stream.isatty() and os.environ.get("TERM", "") != "dumb"
    except (ValueError, AttributeError):  # closed, or not quite a file
        return False


_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def paint(text: str, colour: str, on: bool) -> str:
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if on and text else text


def colours(stream: IO[str]) -> bool:
    """Whether to colour: a terminal, and NO_COLOR (https://no-color.org) is not set."""
    if os.environ.get("NO_COLOR") or not is_terminal(stream):
        return False
    if sys.platform == "win32":
        os.system("")  # the documented side effect: the console begins to obey escape codes
    return True
