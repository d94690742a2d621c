"""Sentences that were said in one language while training, found again in both by the catalogue's words around them."""

from __future__ import annotations

import re
import string
from functools import cache, lru_cache

from danlu.messages import ERRORS, SAYINGS
from danlu.report.page.contents import Text

LEAST = (8, 3)  # letters, Chinese characters: with fewer around its facts a sentence could be anybody's
_WORDS = re.compile(r"[A-Za-z\u4e00-\u9fff]")


@lru_cache(4096)
def retold(said: str) -> Text:
    """(English, Chinese) of one of the catalogue's sentences, whatever fills it; any other text as it is.

    What danlu writes down with a model (why a column is a number, why a row was left out) is in one language.
    """
    for words, side, both in _sentences():
        if all(word in said for word in words):
            found = _pattern(both[side]).fullmatch(said)
            if found:
                facts = found.groupdict()
                other = _filled(both[1 - side], facts)
                return (said, other) if side == 0 else (other, said)
    return said


@cache
def _sentences() -> tuple[tuple[tuple[str, ...], int, tuple[str, str]], ...]:
    """(their own words, language, both texts), those with the most words first."""
    every = [*SAYINGS.values(), *(part for error in ERRORS.values() for part in error)]
    found = []
    for both in every:
        for side in (0, 1):
            words = tuple(w for w, *_ in string.Formatter().parse(both[side]) if w)
            own = len(_WORDS.findall("".join(words)))
            filled = len(words) > 1 or any(name for _, name, *_ in string.Formatter().parse(both[side]))
            if both[0] != both[1] and (own >= LEAST[side] or not filled):
                found.append((own * (1, 2)[side], words, side, both))
    found.sort(key=lambda sentence: -sentence[0])
    return tuple((words, side, both) for _, words, side, both in found)


@cache
def _pattern(sentence: str) -> re.Pattern[str]:
    """A placeholder is a group of its name; one that comes again must hold the same."""
    parts, seen = [], set()
    for words, name, spec, _ in string.Formatter().parse(sentence):
        parts.append(re.escape(words))
        if name is None:
            continue
        if "|" in (spec or ""):  # a word for one or for several
            parts.append(f"(?:{'|'.join(map(re.escape, (spec or '').split('|')))})")
        else:
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>.*)")
            seen.add(name)
    return re.compile("".join(parts), re.DOTALL)


def _filled(sentence: str, facts: dict[str, str]) -> str:
    """The facts as they were formatted once."""
    out = []
    for words, name, spec, _ in string.Formatter().parse(sentence):
        out.append(words)
        if name is not None and "|" in (spec or ""):
            out.append((spec or "").split("|")[facts[name] != "1"])
        elif name is not None:
            out.append(facts[name])
    return "".join(out)
