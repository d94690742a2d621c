"""The report page: well-formed, offline, in two languages, safe whatever names hold, small, always the same bytes."""

from __future__ import annotations

import base64
import hashlib
import math
import re
import subprocess
import sys
from collections import Counter
from dataclasses import fields, is_dataclass, replace
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import report_pages
from danlu.messages import SAYINGS
from danlu.messages import page as room
from danlu.report.page import Page, render
from danlu.report.page import contents as c
from html_reader import Node, read
from source import SRC, calls, first_text, keywords, modules

PAGES = report_pages.all_pages()
MEGABYTE = 1_000_000
NEUTRAL = re.compile(r"F1|SHA-256|danlu 丹炉|中文|English|[kMGT]?B|s|k|M|G|T|page\.\w+")


@cache
def html(name: str) -> str:
    return render(PAGES[name])


@cache
def tree(name: str) -> Node:
    return read(html(name))


each_page = pytest.mark.parametrize("name", PAGES)


# ---- well-formed


@each_page
def test_every_tag_is_closed_in_order(name: str) -> None:
    root = tree(name)
    assert [n.tag for n in root.children if n.tag] == ["html"]
    assert html(name).startswith("<!DOCTYPE html>\n")
    assert len(root.all("main")) == len(root.all("h1")) == 1


@each_page
def test_ids_are_unique_and_links_lead_somewhere(name: str) -> None:
    ids = [n.attributes["id"] for n in tree(name).walk() if "id" in n.attributes]
    assert [i for i, times in Counter(ids).items() if times > 1] == []
    links = [n.attributes["href"] for n in tree(name).all() if "href" in n.attributes and n.tag in ("a", "use")]
    assert {link for link in links if link[:1] != "#" or link[1:] not in ids} == set()


@each_page
def test_headings_do_not_skip_a_level(name: str) -> None:
    levels = [int(n.tag[1]) for n in tree(name).walk() if re.fullmatch(r"h[1-6]", n.tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


@each_page
def test_a_table_has_as_many_cells_in_each_row(name: str) -> None:
    for table in tree(name).all("table"):
        assert len({len(row.children) for row in table.all("tr")}) == 1, table.text()[:80]


# ---- offline and locked


@each_page
def test_nothing_is_loaded_from_outside(name: str) -> None:
    for node in tree(name).walk():
        for attribute, value in node.attributes.items():
            assert attribute not in ("style", "srcset", "action", "ping") and not attribute.startswith("on")
            if attribute in ("src", "href", "xlink:href", "data", "poster"):
                assert re.match(r"#|data:image/(png|jpeg|webp|gif);base64,", value), value[:80]
        assert node.tag not in ("link", "iframe", "object", "embed", "base", "form", "foreignobject")
        if node.tag == "style":
            assert "@import" not in node.text() and "url(" not in node.text()
    assert not re.search(r"https?:|//[a-z]+\.|@font-face", re.sub(r"data:image/[^\"]*", "", html(name)))


@each_page
def test_the_policy_names_the_style_and_the_script_by_their_hashes(name: str) -> None:
    metas = [n for n in tree(name).all("meta") if n.attributes.get("http-equiv") == "Content-Security-Policy"]
    policy = dict(part.strip().split(" ", 1) for part in metas[0].attributes["content"].split(";"))
    assert policy["default-src"] == "'none'" and policy["img-src"] == "data:"
    assert policy["base-uri"] == policy["form-action"] == "'none'"
    for tag in ("style", "script"):
        (only,) = tree(name).all(tag)
        digest = base64.b64encode(hashlib.sha256(only.text().encode()).digest()).decode()
        assert policy[f"{tag}-src"] == f"'sha256-{digest}'"


# ---- two languages


def foreign(node: Node) -> bool:
    """Whether a text stands in no language: a user's name, code, or one of the two languages."""
    inside = [node, *node.above()]
    marked = any({"e", "z"} & n.classes() for n in inside)
    return marked or any(n.tag in ("bdi", "code", "pre", "script", "style", "title") for n in inside)


@each_page
def test_every_text_is_there_in_both_languages(name: str) -> None:
    for node in tree(name).walk():
        if not foreign(node):
            words = NEUTRAL.sub("", "".join(node.texts))
            assert not re.search(r"[A-Za-z\u4e00-\u9fff]", words), node.texts


@each_page
def test_languages_come_in_pairs(name: str) -> None:
    for node in tree(name).walk():
        order = [next(iter({"e", "z"} & n.classes())) for n in node.children if {"e", "z"} & n.classes()]
        assert order == ["e", "z"] * (len(order) // 2)
        for child in node.children:
            wanted = {"e": "en", "z": "zh-CN"}
            assert all(child.attributes.get("lang") == wanted[k] for k in {"e", "z"} & child.classes())


def test_the_page_opens_in_the_language_asked_for() -> None:
    page = PAGES["two"]
    english, chinese = read(render(page)), read(render(replace(page, language="zh")))
    assert [n.all("html")[0].attributes["lang"] for n in (english, chinese)] == ["en", "zh-CN"]
    assert english.all("nav")[0].attributes["aria-label"] == "On this page"
    assert chinese.all("nav")[0].attributes["aria-label"] == "本页目录"
    assert chinese.all("nav")[0].attributes["data-label"] == "On this page"
    titles = [n.all("title")[0] for n in (english, chinese)]
    assert (titles[0].text(), titles[0].attributes["data-alt"]) == page.title
    assert (titles[1].attributes["data-alt"], titles[1].text()) == page.title
    tips = [{(t.text(), t.attributes.get("data-alt", "")) for t in n.all("title")} for n in (english, chinese)]
    assert {tuple(sorted(pair)) for pair in tips[0]} == {tuple(sorted(pair)) for pair in tips[1]}


def test_every_text_of_the_page_is_used_and_filled() -> None:
    def facts(key: str) -> set[str]:
        return set(re.findall(r"\{(\w+)", SAYINGS[key][0]))

    used: set[str] = set()
    for module in modules().values():
        if ".report.page." not in module.name:
            continue
        source = module.path.read_text("utf-8")
        used |= set(re.findall(r"[\"'](page\.[\w.]+)[\"']", source))
        used |= {
            k for stem in re.findall(r"f[\"'](page\.[\w.]+\.)\{", source) for k in room.SAYINGS if k.startswith(stem)
        }
        for call in [*calls(module.tree, "tr"), *calls(module.tree, "both")]:
            key = first_text(call)
            assert key is None or facts(key) <= (keywords(call) or set()), key
    used |= {f"page.{s}" for s in ("error", "warning", "note", "where", "why", "fix")}
    used |= {k for k in room.SAYINGS if re.match(r"page\.(part|kind|role|roc|pr)\b", k)}
    assert sorted(set(room.SAYINGS) - used) == []
    assert sorted(used - set(room.SAYINGS)) == []


# ---- whatever names hold

HOSTILE = st.text(min_size=1, max_size=40) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</title><script>",
        '" onload="x',
        "'\"&<>",
        "\u202etxt",
        "]]>",
        "<!--",
        "\ud800",
        "{0}",
    ]
    + [
        "</style>",
        "&lt;b&gt;",
        "\x00",
        "\r\n",
        "data-alt=",
        'aria-label="a" data-label="b"',
        '<title data-alt="a">b</title>',
    ]
)


def small_page(text: str, language: str = "en") -> Page:
    """``text`` everywhere a user's text can stand."""
    png = report_pages.png(1, 4)
    sample = c.Sample(text, png, label=text)
    rows = c.Sample(text, row=(("a", text), (text + "b", "1")), label=text)
    metric = c.Metric(text, 0.9, c.Interval(0.8, 0.95, text), 0.5, 0.7, "higher", "%", text)
    names = (text, text + "2")
    results = c.Results(
        text,
        10,
        (metric,),
        tuple(c.ClassScore(n, 5, 0.5, 0.5, 0.5) for n in names),
        c.Confusion(names, ((3, 1), (2, 4)), (c.Cell(0, 1, (sample, rows)),)),
        tuple(c.Curve(n, ((0.0, 0.0), (1.0, 1.0)), 0.5) for n in names),
        slices=c.Slices(text, (c.SliceRow(text, text, 3, 0.5),), 0.5),
        targets=(c.Target(text, ((1.0, 2.0), (2.0, 1.0)), (0.0, 1.0), (3,), text),),
    )
    data = c.Data(
        (c.Part(text, 3), c.Part("test", 2)),
        (c.FieldRow(text, text, text, text, 1, 2),),
        (c.ClassBars(names, ((1, 2), (3, 4)), text),),
        (sample, rows, c.Sample(text, text=text)),
        (c.BadRow(text, text),),
        None,
        (c.Duplicate(((text, text), ("test", text)), rows),),
    )
    return Page(
        text,
        "zh" if language == "zh" else "en",
        (c.Fact(text, (text, text)),),
        c.Verdict(
            (text, (text, text)),
            metric,
            text,
            text,
            (c.Finding(text, "note", text, text, text, text),),
            (c.HeadScore(text, metric, text),),
        ),
        data,
        c.Curves((c.EpochPoint(1, 0.5, 0.5, 0.5),), 1, text, memory=((text, 5),)),
        (results, results),
        (c.Mistake(sample, text, text, 0.5, 1.0),),
        (c.LabelError(rows, text, text, 0.5),),
        c.Why(
            (c.Attribution(sample, png, text, text + "3", text),),
            text,
            (c.Importances((c.Importance(text, 0.1),), text),),
        ),
        c.Model(text, (c.Layer(text, text, text, 3, 4),), totals=(c.Fact(text, text),)),
        c.Reproduce(text, text, ((text, text),), ((text, text),), (c.Fact(text, text),)),
    )


def shape(node: Node) -> list[object]:
    return [node.tag, sorted(set(node.attributes) - {"title", "data-alt", "data-label"}), *map(shape, node.children)]


OWN = {key.split(".")[-1] for key in room.SAYINGS}  # such as the kind "image": shown in both languages


@given(HOSTILE.filter(lambda text: text not in OWN), st.sampled_from(["en", "zh"]))
@settings(max_examples=60, deadline=None)
def test_no_text_of_a_user_changes_the_page_around_it(text: str, language: str) -> None:
    assert shape(read(render(small_page(text, language)))) == shape(read(render(small_page("a name", language))))


@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf")), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_names_are_shown_as_they_are(text: str) -> None:
    shown = [
        n.text() for n in read(render(Page("t", data=c.Data(fields=(c.FieldRow(text, "image", "input"),))))).all("bdi")
    ]
    kept = "".join(ch if ord(ch) & 0xFFFE != 0xFFFE else ascii(ch)[1:-1] for ch in text)
    assert kept in shown


def test_characters_that_turn_or_break_text_are_shown_as_codes() -> None:
    page = render(Page("a\u202eb\x00c\ud800d\u2066"))
    assert read(page).all("h1")[0].text() == r"a\u202eb\x00c\ud800d\u2066"
    page.encode("utf-8")


def with_numbers(value: object, number: float) -> object:
    """Contents of a page with every float replaced."""
    if isinstance(value, float):
        return number
    if isinstance(value, tuple):
        return tuple(with_numbers(v, number) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: with_numbers(getattr(value, f.name), number) for f in fields(value)})
    return value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324, 0.0, -1.0])
@pytest.mark.parametrize("name", ["two", "table", "regression"])
def test_no_number_breaks_the_page(name: str, number: float) -> None:
    page = render(with_numbers(PAGES[name], number))  # type: ignore[arg-type]
    assert not re.search(r"\b(nan|inf)\b", read(page).all("main")[0].text())
    assert not re.search(r'="[^"]*\b(nan|inf)\b', page)


def test_pictures_of_unknown_kinds_are_not_embedded() -> None:
    evil = c.Picture(b"<svg onload='alert(1)'/>", "image/svg+xml")
    page = render(
        Page("t", data=c.Data(gallery=(c.Sample("a.svg", evil), c.Sample("b", c.Picture(b"x", 'image/png" x="')))))
    )
    assert "image/svg" not in page and "data:image" not in page


# ---- size, sameness, emptiness


@each_page
def test_a_page_without_its_pictures_is_below_a_megabyte(name: str) -> None:
    assert len(re.sub(r'href="data:[^"]*"', "", html(name)).encode()) < MEGABYTE


def test_sixty_thousand_rows_and_a_thousand_epochs_stay_small() -> None:
    page = report_pages.regression_page(60_000)
    curves = report_pages.training(1000)
    curve = report_pages.curve("a", 5, points=60_000)
    test = replace(page.tests[0], roc=(curve,) * 20, pr=(curve,) * 20)
    assert len(render(replace(page, curves=curves, tests=(test,))).encode()) < 600_000


def test_a_thousand_classes_and_columns_stay_small() -> None:
    names = tuple(f"class {i}" for i in range(1000))
    counts = tuple(tuple(5 if a == t else int((t * a) % 97 == 0) for a in range(1000)) for t in range(1000))
    fields = tuple(c.FieldRow(f"x{i}", "number", "input", "all cells are numbers") for i in range(5000))
    results = c.Results(
        classes=tuple(c.ClassScore(n, 5, 0.5, 0.5, 0.5) for n in names), confusion=c.Confusion(names, counts)
    )
    data = c.Data((c.Part("train", 9),), fields, (c.ClassBars(names, tuple((5,) for _ in names)),))
    page = render(Page("t", data=data, tests=(results,)))
    assert len(page.encode()) < MEGABYTE
    assert "400 of 5,000 are shown." in page


def test_four_heads_of_two_hundred_classes_stay_small() -> None:
    page = PAGES["many"]
    heads = tuple(replace(page.tests[0], name=f"head {i}") for i in range(4))
    four = replace(page, tests=heads, data=replace(page.data, classes=page.data.classes * 4))
    assert len(re.sub(r'href="data:[^"]*"', "", render(four)).encode()) < MEGABYTE


@each_page
def test_each_picture_is_stored_once(name: str) -> None:
    stored = re.findall(r'href="data:image/png;base64,([^"]*)"', html(name))
    assert len(stored) == len(set(stored))


def test_equal_contents_give_equal_bytes_in_another_process() -> None:
    code = "import report_pages as r; from danlu.report.page import render; import hashlib; "
    code += "print(hashlib.sha256(render(r.all_pages()['ten']).encode()).hexdigest())"
    env = {"PYTHONPATH": f"{SRC}:{SRC.parent / 'tests'}", "PYTHONHASHSEED": "7", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.strip() == hashlib.sha256(html("ten").encode()).hexdigest(), done.stderr


def test_what_is_empty_has_no_section() -> None:
    assert tree("empty").all("section")[0].all("h2") == []
    only = read(render(Page("t", model=c.Model("mlp"))))
    assert [n.attributes["id"] for n in only.all("section")] == ["model"]
    full = [n.attributes["id"] for n in tree("two").all("section")]
    assert full == ["verdict", "data", "curves", "tests", "mistakes", "why", "model", "reproduce"]


def test_the_page_needs_no_torch() -> None:
    code = "import sys, danlu.report.page; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "set()", done.stderr
