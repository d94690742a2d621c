"""The pages made by tools/make_docs.py are up to date, whole, and in both languages; links lead somewhere."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from conftest import ROOT
from danlu.messages import ERRORS
from danlu.settings import Settings

TOOL = ROOT / "tools" / "make_docs.py"
PAGES = [ROOT / "README.md", ROOT / "README.zh.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
LANGUAGES = ["en", "zh"]


def test_generated_pages_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, str(TOOL), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_sees_a_stale_page(tmp_path: Path) -> None:
    source = TOOL.read_text("utf-8")
    copy = tmp_path / "tools" / "make_docs.py"
    copy.parent.mkdir()
    copy.write_text(source, "utf-8")
    for name in ("pages.toml", "tree.toml", "reference.py", "reference.toml"):
        (copy.parent / name).write_bytes((TOOL.parent / name).read_bytes())
    for lang in LANGUAGES:
        page = tmp_path / "docs" / lang / "run-folder.md"
        page.parent.mkdir(parents=True)
        page.write_bytes((ROOT / "docs" / lang / "run-folder.md").read_bytes())
    (tmp_path / "src").symlink_to(ROOT / "src")
    for readme in ("README.md", "README.zh.md"):
        (tmp_path / readme).write_bytes((ROOT / readme).read_bytes())

    def run(*flags: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(copy), *flags], capture_output=True, text=True)

    assert run("--check").returncode == 1  # most of docs/ is not there yet
    assert run().returncode == 0
    assert run("--check").returncode == 0
    page = tmp_path / "README.md"
    page.write_text(page.read_text("utf-8").replace("The verbs, read this first", "The nouns"), "utf-8")
    stale = run("--check")
    assert stale.returncode == 1
    assert stale.stdout.startswith("README.md is not up to date")


def test_every_module_has_a_chinese_line() -> None:
    listed = tomllib.loads(TOOL.with_name("tree.toml").read_text("utf-8"))["zh"]
    package = ROOT / "src" / "danlu"
    modules = {p.relative_to(package).with_suffix("").as_posix() for p in package.rglob("*.py")}
    assert sorted(modules - listed.keys()) == [], "write one line for each in tools/tree.toml"
    assert sorted(listed.keys() - modules) == [], "no such module any more: tools/tree.toml"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_setting_is_documented(lang: str) -> None:
    page = (ROOT / "docs" / lang / "settings.md").read_text("utf-8")
    fields = dataclasses.fields(Settings)
    assert [f.name for f in fields if page.count(f"\n| `{f.name}` |") != 1] == []
    said = tomllib.loads(TOOL.with_name("pages.toml").read_text("utf-8"))[lang]["defaults"]
    assert said.keys() == {f.name for f in fields if f.default is None}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_error_is_documented(lang: str) -> None:
    page = (ROOT / "docs" / lang / "errors.md").read_text("utf-8")
    assert re.findall(r"^### (DL\d{3})$", page, re.MULTILINE) == sorted(ERRORS)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text("utf-8")):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), f"{page.name}: {target}"


def test_both_languages_have_the_same_pages() -> None:
    names = [sorted(p.name for p in (ROOT / "docs" / lang).glob("*.md")) for lang in LANGUAGES]
    assert names[0] == names[1]
