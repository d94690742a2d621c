"""Writes the reference pages of docs/en and docs/zh, and the first screen and file tree in both READMEs.

python tools/make_docs.py           writes what is not up to date
python tools/make_docs.py --check   only names it, and ends with 1
"""

from __future__ import annotations

import ast
import re
import string
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import reference

from danlu import __version__
from danlu.cli.usage import GROUPS, VERBS, overview
from danlu.messages import ERRORS, say, set_language
from danlu.report.lines import Page
from danlu.rules import RULES, expected
from danlu.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
LANGUAGES = ("en", "zh")
PAGES = tomllib.loads(Path(__file__).with_name("pages.toml").read_text("utf-8"))
TREE = tomllib.loads(Path(__file__).with_name("tree.toml").read_text("utf-8"))


# ---- settings.md


def settings_page(lang: str) -> str:
    """Every setting in the groups of ``danlu train --help``: what it takes, what happens without it."""
    words = PAGES[lang]["settings"]
    parts = [words["title"], words["intro"]]
    heads = [words["column"], words["takes"], words["default"], words["meaning"]]
    for group, names in GROUPS.items():
        parts.append(f"## {say(f'group.{group}')}")
        rows = [[f"`{name}`", cell(expected(RULES[name])), default(name, lang), cell(meaning(name))] for name in names]
        parts.append(table(heads, rows))
    parts += [words["own"], table([words["column"], words["meaning"]], own_arguments(words))]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def meaning(name: str) -> str:
    return say(f"setting.{name}")


def default(name: str, lang: str) -> str:
    """The default value, or what danlu does when it is None."""
    value = next(f.default for f in fields(Settings) if f.name == name)
    if value is None:
        return cell(PAGES[lang]["defaults"][name])
    shown = str(value).lower() if isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else str(value)
    return f"`{shown}`"


def own_arguments(words: dict[str, str]) -> list[list[str]]:
    """The arguments of ``danlu train`` that are no settings."""
    first = [["`data`", cell(words["data"])]]
    return first + [[f"`{name}`", cell(say(f"flag.train.{name}"))] for name in sorted(VERBS["train"].flags)]


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(text: str) -> str:
    return escaped(text).replace("|", "\\|").replace("\n", " ")


# ---- errors.md


def errors_page(lang: str) -> str:
    """Every error with its three texts; ⟨…⟩ stands for what the case at hand fills in."""
    words = PAGES[lang]["errors"]
    parts = [words["title"], words["intro"]]
    known = ""
    for code in sorted(ERRORS):
        group = group_of(code)
        if group != known:
            parts.append(f"## {words[group]}")
            known = group
        parts.append(error_entry(code, lang))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def group_of(code: str) -> str:
    """The heading an error stands under: by the hundreds of its number."""
    return f"group{code[2]}"


def error_entry(code: str, lang: str) -> str:
    words = PAGES[lang]["errors"]
    what, why, fix = (both[lang == "zh"] for both in ERRORS[code])
    lines = [f"### {code}", "", f"**{filled(what)}**"]
    rows = [(say("label.why"), why, filled), (say("label.fix"), fix, code_span)]
    told = [f"- {label}{words['colon']}{shown(text)}" for label, text, shown in rows if says_something(text)]
    return "\n".join([*lines, "", *told] if told else lines)


def says_something(text: str) -> bool:
    """Whether anything is left of a text without what each case fills in."""
    return any(part.strip(" :;,.：；，。（）()[]") for part, *_ in string.Formatter().parse(text))


def placeholders_shown(text: str) -> str:
    """``{path!r}`` → ``⟨path⟩``; of the words for one and for several, the latter."""
    out = []
    for literal, name, spec, _ in string.Formatter().parse(text):
        words = (spec or "").partition("|")
        shown = words[2] if words[1] else f"⟨{re.split(r'[.[]', name)[0]}⟩" if name is not None else ""
        out.append(literal + shown)
    return "".join(out)


def filled(text: str) -> str:
    return escaped(placeholders_shown(text))


def code_span(text: str) -> str:
    """A line to paste, as code; words that go with a flag stay words."""
    shown = placeholders_shown(text)
    return f"`{shown}`" if "`" not in shown else escaped(shown)


def escaped(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]#])", r"\\\1", text)


# ---- the READMEs' first screen and file tree


def tree(lang: str) -> str:
    """src/danlu with the first sentence of each module, and the folders around it."""
    lines = [("danlu/", "")]
    for path, texts in TREE["around"].items():
        lines.append((f"  {path}", texts[lang == "zh"]))
    lines += list(modules(ROOT / "src" / "danlu", "  src/danlu/", 4, lang))
    width = max(len(left) for left, _ in lines) + 2
    body = [f"{left:<{width}}# {right}" if right else left for left, right in lines]
    return "\n".join(["```text", *body, "```"])


def modules(folder: Path, shown: str, indent: int, lang: str) -> Iterator[tuple[str, str]]:
    """A package's line, then one a module, then its sub-packages."""
    yield shown, sentence(folder / "__init__.py", lang)
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            yield " " * indent + path.name, sentence(path, lang)
    for sub in sorted(p for p in folder.iterdir() if p.is_dir() and p.name != "__pycache__"):
        name = " " * indent + f"{sub.name}/"
        if (sub / "__init__.py").exists():
            yield from modules(sub, name, indent + 2, lang)
        else:
            yield name, TREE["folders"][sub.name][lang == "zh"]


def sentence(path: Path, lang: str) -> str:
    """The first sentence of a module's docstring; in Chinese the one of tree.toml, where there is one."""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    english = re.split(r"\.(?:\s|$)", " ".join(doc.split("\n\n")[0].split()), maxsplit=1)[0]
    return TREE["zh"].get(key(path), english) if lang == "zh" else english


def key(path: Path) -> str:
    """A module's name in tree.toml: its path below src/danlu, without the suffix."""
    return path.relative_to(ROOT / "src" / "danlu").with_suffix("").as_posix()


def first_screen() -> str:
    """What ``danlu --help`` shows on a terminal 100 columns wide, as an indented block."""
    return "\n".join(f"    {line}".rstrip() for line in overview(__version__, Page(100)).splitlines())


def with_parts(page: str, parts: dict[str, str]) -> str:
    """``page`` with the text between each ``<!-- name: … -->`` and ``<!-- /name -->`` replaced."""
    for name, body in parts.items():
        start, end = f"<!-- {name}: tools/make_docs.py -->", f"<!-- /{name} -->"
        before, found, rest = page.partition(start)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{start} … {end} is missing")
        page = f"{before}{start}\n\n{body}\n\n{end}{after}"
    return page


# ---- all of it


def pages() -> Iterator[tuple[Path, str]]:
    """Every page with the text it should have."""
    for lang in LANGUAGES:
        set_language(lang)
        yield ROOT / "docs" / lang / "settings.md", settings_page(lang)
        yield ROOT / "docs" / lang / "errors.md", errors_page(lang)
        yield ROOT / "docs" / lang / "commands.md", reference.commands_page(lang)
        yield ROOT / "docs" / lang / "events.md", reference.events_page(lang)
        yield ROOT / "docs" / lang / "python.md", reference.python_page(lang)
        folder = ROOT / "docs" / lang / "run-folder.md"
        yield folder, with_parts(folder.read_text("utf-8"), {"files": reference.files_table(lang)})
        readme = ROOT / ("README.md" if lang == "en" else "README.zh.md")
        yield readme, with_parts(readme.read_text("utf-8"), {"help": first_screen(), "tree": tree(lang)})
    set_language(None)


def untranslated() -> list[str]:
    """Modules without a Chinese line in tree.toml, and lines there without a module."""
    names = {key(path) for path in (ROOT / "src" / "danlu").rglob("*.py")}
    return sorted(names ^ TREE["zh"].keys())


def main(argv: list[str]) -> int:
    stale = [(p, t) for p, t in pages() if not p.exists() or p.read_text("utf-8") != t]
    if "--check" in argv:
        for path, _ in stale:
            print(f"{path.relative_to(ROOT)} is not up to date: python tools/make_docs.py")
        return int(bool(stale))
    for path, text in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(path.relative_to(ROOT))
    for name in untranslated():
        print(f"tools/tree.toml: [zh] and src/danlu differ in {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
