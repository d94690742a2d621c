"""Runs the code of README.md and docs/, and holds the English and Chinese pages together."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import ROOT
from pages import Block, blocks, commands, is_runnable, program, without_comments


def pages() -> list[Path]:
    """Every page; a page and its other language lie at README.md and README.zh.md, docs/en/… and docs/zh/…"""
    return [p for p in (ROOT / "README.md", ROOT / "README.zh.md") if p.exists()] + sorted(
        (ROOT / "docs").rglob("*.md")
    )


def other_language(page: Path) -> Path | None:
    """The Chinese page of an English one; None where ``page`` is Chinese itself."""
    if page.name == "README.md" and page.parent == ROOT:
        return ROOT / "README.zh.md"
    parts = page.relative_to(ROOT).parts
    if parts[:2] == ("docs", "en"):
        return ROOT.joinpath("docs", "zh", *parts[2:])
    return None


def english_page(page: Path) -> Path | None:
    if page.name == "README.zh.md":
        return ROOT / "README.md"
    parts = page.relative_to(ROOT).parts
    return ROOT.joinpath("docs", "en", *parts[2:]) if parts[:2] == ("docs", "zh") else None


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def headings(text: str) -> list[tuple[int, str]]:
    """Levels and texts; lines inside code are no headings."""
    outside = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return [(len(marks), words) for marks, words in re.findall(r"^(#+) (.+)$", outside, re.MULTILINE)]


def outline(text: str) -> list[tuple[int, int, int, int]]:
    """Of each section: its level, and how many code blocks, table rows and list items it has."""
    sections: list[list[int]] = [[0, 0, 0, 0]]
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
            sections[-1][1] += inside
        elif not inside and (mark := re.match(r"(#+) |(\| )|(- )", line)):
            if mark[1]:
                sections.append([len(mark[1]), 0, 0, 0])
            else:
                sections[-1][2 if mark[2] else 3] += 1
    return [tuple(section) for section in sections]  # type: ignore[misc]


def anchors(page: Path) -> set[str]:
    """The names GitHub gives to a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for _, words in headings(page.read_text("utf-8")))
    return set(plain)


@pytest.fixture
def stage(workdir: Path, digits: Path, penguins: Path) -> Path:
    """The folder a page runs in: digits/ (IDX), photos/ (a folder per class), a few loose pictures, penguins.csv."""
    shutil.copytree(digits, workdir / "digits")
    shutil.copy(penguins, workdir / "penguins.csv")
    raw = {
        kind: np.frombuffer(gzip.decompress((digits / f"train-{kind}-ubyte.gz").read_bytes()), np.uint8)
        for kind in ("images-idx3", "labels-idx1")
    }
    images, labels = raw["images-idx3"][16:].reshape(-1, 8, 8), raw["labels-idx1"][8:]
    for digit in range(3):
        folder = workdir / "photos" / ("zero", "one", "two")[digit]
        folder.mkdir(parents=True)
        for i, row in enumerate(np.flatnonzero(labels == digit)[:60]):
            Image.fromarray(images[row]).save(folder / f"{i:03}.png")
    for i, letter in enumerate("ab"):
        Image.fromarray(images[i]).save(workdir / f"{letter}.png")
    return workdir


@pytest.mark.parametrize("page", pages(), ids=name)
@pytest.mark.timeout(900)
def test_code_runs(page: Path, stage: Path) -> None:
    if (english := english_page(page)) and english.exists():
        pytest.skip(f"its code is that of {name(english)}, which another test holds equal")
    if not any(is_runnable(b) for b in blocks(page.read_text("utf-8"))):
        pytest.skip("no code to run")
    script = stage / f"{page.stem}.py"
    script.write_text(program(page), "utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, script.name], cwd=stage, env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{name(page)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


@pytest.mark.parametrize("page", [p for p in pages() if other_language(p)], ids=name)
def test_two_languages_show_the_same_code(page: Path) -> None:
    other = other_language(page)
    assert other is not None and other.exists(), f"{name(page)} has no Chinese page {other}"

    def shown(path: Path) -> list[tuple[str, str, bool]]:
        return [(b.lang, without_comments(b), bool(b.skip)) for b in blocks(path.read_text("utf-8"))]

    assert shown(page) == shown(other)


@pytest.mark.parametrize("page", [p for p in pages() if other_language(p)], ids=name)
def test_two_languages_have_the_same_sections(page: Path) -> None:
    other = other_language(page)
    assert other is not None
    assert outline(page.read_text("utf-8")) == outline(other.read_text("utf-8"))


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for path, anchor in re.findall(r"\]\(([\w./-]*)#([^)\s]+)\)", page.read_text("utf-8")):
        if not path.startswith("http"):
            assert anchor in anchors(page.parent / path if path else page), f"{name(page)}: {path}#{anchor}"


# ---- the page about tutorials

BLOCKS = {1: 2, 2: 1, 3: 7, 4: 12, 5: 15}  # code blocks of each tutorial


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_code_block_of_the_tutorials_has_a_place(lang: str) -> None:
    page = ROOT / "docs" / lang / "tutorials.md"
    rows = re.findall(r"^\| (\d+)\.(\d+) \| (.+?) \| (.+?) \| (.+?) \|$", page.read_text("utf-8"), re.MULTILINE)
    assert [(int(t), int(b)) for t, b, *_ in rows] == [(t, b + 1) for t, n in BLOCKS.items() for b in range(n)]
    for _, _, what, section, programs in rows:
        assert what and re.fullmatch(r"\[.+\]\(#.+\)", section)
        assert re.fullmatch(r"(\[\w+\]\(\.\./\.\./examples/\w+\.py\)(, )?)+", programs)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_program_is_named_on_the_page_about_tutorials_or_of_how_tos_or_is_a_door(lang: str) -> None:
    text = "".join((ROOT / "docs" / lang / f"{page}.md").read_text("utf-8") for page in ("tutorials", "howto"))
    named = set(re.findall(r"examples/(\w+)\.py", text))
    assert {p.stem for p in (ROOT / "examples").glob("*.py")} - named == {"door2_files"}


@pytest.mark.parametrize("page", [p for p in pages() if english_page(p)], ids=name)
def test_chinese_pages_have_an_english_one(page: Path) -> None:
    english = english_page(page)
    assert english is not None and english.exists()


# ---- the reader of pages itself


def test_blocks_are_found_with_their_lines_and_reasons() -> None:
    page = "# t\n```python\nx = 1\n```\n<!-- skip: needs a GPU -->\n\n```bash\nmake\n```\n"
    page += "\n- a\n  ```toml\n  a = 1\n  ```\n"
    assert [(b.code, b.line, b.skip) for b in blocks(page)] == [
        ("x = 1\n", 3, ""),
        ("make\n", 8, "needs a GPU"),
        ("a = 1\n", 13, ""),
    ]
    with pytest.raises(ValueError, match="line 2"):
        blocks("a\n```python\nx\n")


def test_a_reason_belongs_to_the_next_block_only() -> None:
    assert [b.skip for b in blocks("<!-- skip: why -->\ntext\n```python\nx\n```\n")] == [""]


def test_commands_of_a_bash_block() -> None:
    assert commands("$ danlu train a \\\n  --epochs 3\nmake test\n# python x\npython b.py # c\n") == [
        "danlu train a --epochs 3",
        "python b.py # c",
    ]


def test_comments_do_not_count_as_code() -> None:
    assert without_comments(Block("python", "x = 1  # one\n# two\ny = '#'\n", 1)) == without_comments(
        Block("python", "x = 1  # 一\ny = '#'\n", 1)
    )
    assert without_comments(Block("python", "x = 1\n", 1)) != without_comments(Block("python", "x = 2\n", 1))
    assert without_comments(Block("bash", "make demo    # a\n", 1)) == without_comments(
        Block("bash", "make demo  # 一\n", 1)
    )


def test_a_page_runs_in_order_and_names_its_own_lines(workdir: Path) -> None:
    page = workdir / "page.md"
    middle = "```bash\npython -c 'print(7)' > out.txt\n```\n"
    page.write_text(f"# t\n\n```python\nx = 1\n```\n\n{middle}\n```python\nassert x == 2\n```\n")
    script = workdir / "page.py"
    script.write_text(program(page))
    done = subprocess.run([sys.executable, script.name], capture_output=True, text=True)
    assert done.returncode == 1
    assert 'page.py", line 12' in done.stderr and "AssertionError" in done.stderr
    assert (workdir / "out.txt").read_text() == "7\n"


def test_an_outline_counts_what_stands_under_each_heading(workdir: Path) -> None:
    page = workdir / "page.md"
    page.write_text(
        "# A b\n\n| x |\n| --- |\n\n## train() and 测试: c-d\n\n```python\n# no heading\n| - |\n```\n\n- one\n- two\n"
    )
    assert outline(page.read_text()) == [(0, 0, 0, 0), (1, 0, 2, 0), (2, 1, 0, 2)]
    assert headings(page.read_text()) == [(1, "A b"), (2, "train() and 测试: c-d")]
    assert anchors(page) == {"a-b", "train-and-测试-c-d"}
