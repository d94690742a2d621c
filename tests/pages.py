"""Reads the code blocks of Markdown pages, and turns a page into a program that runs them in order."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^(?P<indent> *)```(?P<lang>[\w+-]*) *$")
SKIP = re.compile(r"^ *<!-- *skip: *(?P<reason>.+?) *-->\s*$")
RUNS = ("danlu", "python", "python3")  # what a bash block may start; make, pip and git lines are only for reading


@dataclass(frozen=True)
class Block:
    lang: str
    code: str
    line: int  # of its first line of code, from 1
    skip: str = ""  # the reason, from a <!-- skip: reason --> line right above the block


def blocks(text: str) -> list[Block]:
    out: list[Block] = []
    opened: tuple[str, str, int] | None = None  # lang, indent, line
    body: list[str] = []
    skip = ""
    for i, line in enumerate(text.splitlines(), 1):
        fence = FENCE.match(line)
        if opened is None:
            if fence:
                opened, body = (fence["lang"], fence["indent"], i + 1), []
            elif note := SKIP.match(line):
                skip = note["reason"]
            elif line.strip():
                skip = ""
        elif fence and not fence["lang"]:
            lang, indent, start = opened
            code = "".join(part.removeprefix(indent) + "\n" for part in body)
            out.append(Block(lang, code, start, skip))
            opened, skip = None, ""
        else:
            body.append(line)
    if opened:
        raise ValueError(f"line {opened[2] - 1}: a code block that does not end")
    return out


def commands(code: str) -> list[str]:
    """The lines of a bash block that run: those that start danlu or Python; ``\\`` joins lines, ``$ `` is a prompt."""
    joined = re.sub(r"\\\n\s*", "", code)
    lines = [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return [line for line in lines if line.split(" ")[0] in RUNS]


def without_comments(block: Block) -> str:
    """What two languages' pages share: the code, not the words beside it."""
    if block.lang == "python":
        return python_without_comments(block.code)
    lines = (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in block.code.splitlines())
    return "\n".join(line for line in lines if line)


def python_without_comments(code: str) -> str:
    kept = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL):
            continue
        kept.append(token.string.strip() if token.type != tokenize.INDENT else ">")
    return " ".join(kept)


def program(page: Path) -> str:
    """A Python program whose line numbers are the page's, so that a traceback names the page's own line."""
    lines = [""] * (len(page.read_text("utf-8").splitlines()) + 1)
    for block in blocks(page.read_text("utf-8")):
        if block.skip:
            continue
        at = block.line - 1
        if block.lang == "python":
            for i, line in enumerate(block.code.splitlines()):
                lines[at + i] = line
        elif block.lang == "bash":
            shell = " && ".join(commands(block.code))
            if shell:
                lines[at] = f"__import__('subprocess').run(['bash', '-c', {shell!r}], check=True)"
    return "\n".join(lines) + "\n"


def is_runnable(block: Block) -> bool:
    return not block.skip and (block.lang == "python" or (block.lang == "bash" and bool(commands(block.code))))
