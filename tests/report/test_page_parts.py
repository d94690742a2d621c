"""Parts of the report page: cells open their own samples, tables say what was given, colours can be read."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import report_pages
from danlu.messages import set_language
from danlu.report.page import Page, render
from danlu.report.page import contents as c
from danlu.report.page.colours import DARK, LIGHT, contrast, rgb, shades
from danlu.report.page.confusion import confusion, heat_pixels, png
from danlu.report.page.samples import key, png_size
from danlu.report.page.words import compact, count, size, span, value
from html_reader import Node, read

TWO = ("cat", "dog")


def sample(i: int) -> c.Sample:
    return c.Sample(f"file{i}.png", report_pages.png(i, 8))


def pictures_of(node: Node) -> list[str]:
    return [use.attributes["href"][1:] for use in node.all("use")]


def rows_of(node: Node) -> list[list[str]]:
    return [[english(cell) for cell in row.children] for row in node.all("tr")]


def english(node: Node) -> str:
    """The text of an element as an English reader sees it, from left to right."""
    if "z" in node.classes():
        return ""
    return " ".join("".join([*node.texts, *(" " + english(child) for child in node.children)]).split())


# ---- the confusion matrix


@pytest.mark.parametrize("classes", [TWO, report_pages.NAMES_ZH, report_pages.many_classes()[:30]], ids=len)
def test_each_cell_opens_its_own_samples(classes: tuple[str, ...]) -> None:
    counts = report_pages.table_of(classes, 300, 0.8)
    cells = report_pages.cells(classes, counts, sample, 3)
    root = read(confusion(c.Confusion(classes, counts, cells), 4))
    panels = {n.attributes["id"]: n for n in root.all("aside")}
    links = {n.attributes["id"]: n for n in root.all("a") if n.attributes.get("id", "").startswith("at-")}
    assert len(panels) == len(links) == len(cells)
    for cell in cells:
        link = links[f"at-4-{cell.truth}-{cell.answer}"]
        assert link.text() == str(counts[cell.truth][cell.answer])
        panel = panels[link.attributes["href"][1:]]
        assert pictures_of(panel) == [key(s.picture) for s in cell.samples if s.picture]
        names = [dd.text() for dd in panel.all("dl", "pair")[0].all("dd")]
        assert names == [classes[cell.truth], classes[cell.answer]]
        (back,) = panel.all("a", "close")
        assert back.attributes["href"] == f"#at-4-{cell.truth}-{cell.answer}"


def test_a_grid_has_every_count_in_its_place() -> None:
    counts = ((5, 0, 12_345), (1, 7, 2), (0, 0, 0))
    body = rows_of(read(confusion(c.Confusion(("a", "b", "c"), counts), 0)).all("tbody")[0])
    assert body == [["a", "5", "·", "12.3k", "12.3k"], ["b", "1", "7", "2", "10"], ["c", "·", "·", "·", "0"]]


def test_the_largest_confusions_come_first() -> None:
    k = 40
    counts = tuple(tuple(100 if a == t else (t + 1 if a == (t + 1) % k else 0) for a in range(k)) for t in range(k))
    names = tuple(f"n{i}" for i in range(k))
    rows = rows_of(read(confusion(c.Confusion(names, counts), 0)).all("tbody")[0])
    assert rows[0] == ["n39", "n0", "40", "28.6\u202f%".replace("\u202f", " ")]
    assert [int(r[2]) for r in rows] == list(range(40, 16, -1))


def test_many_samples_of_cells_keep_to_the_budget_and_mistakes_come_first() -> None:
    classes = tuple(f"n{i}" for i in range(20))
    counts = tuple(tuple(9 if a == t else 1 + (t + a) % 7 for a in range(20)) for t in range(20))
    found = c.Confusion(classes, counts, report_pages.cells(classes, counts, report_pages.row, 12))
    html = confusion(found, 0)
    opened = {tuple(map(int, m)) for m in re.findall(r'id="cell-0-(\d+)-(\d+)"', html)}
    assert len(html) < 600_000 and 20 < len(opened) < 400
    least = min(counts[t][a] for t, a in opened)
    assert all((t, a) in opened for t in range(20) for a in range(20) if t != a and counts[t][a] > least)


def test_the_heat_map_is_the_table_as_a_picture() -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 3, (30, 30)) * rng.integers(0, 2, (30, 30)) + np.diag(rng.integers(1, 90, 30))
    names = tuple(f"n{i}" for i in range(30))
    found = c.Confusion(names, tuple(tuple(map(int, row)) for row in counts))
    with Image.open(io.BytesIO(png(heat_pixels(found)))) as image:
        image.verify()
    pixels = np.asarray(Image.open(io.BytesIO(png(heat_pixels(found)))))
    assert pixels.shape == (30, 30, 4)
    assert ((pixels[..., 3] > 0) == (counts > 0)).all()
    shares = counts / counts.sum(1, keepdims=True)
    assert (np.diff(pixels[..., 3].ravel()[np.argsort(shares.ravel())].astype(int)) >= 0).all()
    blue, orange = pixels[0, 0, :3], pixels[counts * (1 - np.eye(30)) > 0][0, :3]
    assert blue[2] > blue[0] and orange[0] > orange[2]


def test_a_heat_map_of_a_thousand_classes_shares_pixels_and_loses_no_confusion() -> None:
    names = tuple(f"n{i}" for i in range(1000))
    counts = [[0] * 1000 for _ in range(1000)]
    counts[999][3] = 1
    found = c.Confusion(names, tuple(map(tuple, counts)))
    pixels = np.asarray(Image.open(io.BytesIO(png(heat_pixels(found)))))
    assert pixels.shape == (256, 256, 4)
    assert np.argwhere(pixels[..., 3]).tolist() == [[255, 0]]


# ---- samples


def test_a_picture_shown_in_many_places_is_stored_once_byte_for_byte() -> None:
    same = sample(3)
    page = Page("t", data=c.Data(gallery=(same, same)), mistakes=(c.Mistake(same, "a", "b"),))
    html = render(page)
    stored = re.findall(r'<symbol id="(\w+)"[^>]*><image[^>]*href="data:image/png;base64,([^"]*)"', html)
    assert same.picture is not None
    assert [(k, base64.b64decode(data)) for k, data in stored] == [(key(same.picture), same.picture.data)]
    assert pictures_of(read(html)) == [key(same.picture)] * 3


def test_pictures_that_are_not_shown_are_not_stored() -> None:
    page = Page("t", mistakes=tuple(c.Mistake(sample(i), "a", "b") for i in range(200)))
    assert render(page).count("<symbol") == 24


def test_small_pictures_have_hard_edges() -> None:
    assert png_size(report_pages.png(0, 28).data) == (28, 28)
    small, large = (render(Page("t", data=c.Data(gallery=(c.Sample("a", report_pages.png(0, s)),)))) for s in (28, 96))
    assert '<image class="hard"' in small and '<image class="hard"' not in large


def test_rows_of_tables_stand_under_their_own_columns() -> None:
    rows = (
        c.Sample("r1", row=(("a", "1"), ("b", "2")), label="x"),
        c.Sample("r2", row=(("b", "3"), ("c", "4")), label="y"),
    )
    shown = rows_of(read(render(Page("t", data=c.Data(gallery=rows)))).all("table", "rows")[0])
    assert shown == [["Where", "Label", "a", "b", "c"], ["r1", "x", "1", "2", ""], ["r2", "y", "", "3", "4"]]


def test_texts_are_quoted_in_full_up_to_four_hundred_characters() -> None:
    page = read(
        render(Page("t", data=c.Data(gallery=(c.Sample("r1", text="good film"), c.Sample("r2", text="x" * 999)))))
    )
    quotes = [english(p) for p in page.all("ul", "quotes")[0].all("p")]
    assert quotes[0] == "good film" and len(quotes[1]) == 400


# ---- verdict, metrics, data


def test_findings_come_with_the_gravest_first() -> None:
    page = read(render(Page("t", verdict=c.Verdict(findings=report_pages.FINDINGS))))
    assert [english(b) for b in page.all("span", "badge")] == ["Error", "Warning", "Note"]
    told = [english(dd) for dd in page.all("ul", "findings")[0].all("li")[1].all("dd")]
    where, (why, _), (fix, _) = (getattr(report_pages.FINDINGS[0], k) for k in ("where", "why", "fix"))
    assert told == [where, why, fix]


def test_many_notes_are_folded_and_nothing_else_is() -> None:
    notes = tuple(c.Finding(f"DL{i}", "note", "n") for i in range(200, 206))
    page = read(render(Page("t", verdict=c.Verdict(findings=notes + report_pages.FINDINGS))))
    (folded,) = page.all("details")
    assert len(folded.all("li")) == 7 and len(page.all("span", "badge")) == 9


def test_the_headline_is_drawn_to_scale_beside_both_baselines() -> None:
    metric = c.Metric("Accuracy", 0.8, c.Interval(0.75, 0.85, "Wilson"), 0.1, 0.6, "higher", "%")
    page = read(render(Page("t", verdict=c.Verdict(headline=metric))))
    (ladder,) = page.all("dl", "ladder")
    bars = [float(r.attributes["width"]) for r in ladder.all("rect")]
    assert bars == pytest.approx([160, 120, 20])
    assert [english(dt) for dt in ladder.all("dt")] == ["This model", "Linear model", "Trivial answer"]
    assert [english(b) for b in ladder.all("b")] == ["80.0 %", "60.0 %", "10.0 %"]
    assert len(ladder.all("path", "whisker")) == 1


def test_several_heads_have_a_line_each_instead_of_one_large_figure() -> None:
    right = c.Metric("Accuracy", 0.8, c.Interval(0.75, 0.85, "Wilson"), 0.1, 0.6, "higher", "%")
    off = c.Metric("RMSE", 12.5, c.Interval(11.0, 14.0, "bootstrap"), 30.0, None, "lower")
    heads = (c.HeadScore("kind", right, "the most frequent class"), c.HeadScore("price", off, "the mean"))
    page = read(render(Page("t", verdict=c.Verdict(heads=heads))))
    assert not page.all("p", "huge")
    assert rows_of(page.all("table")[0]) == [
        ["Target", "This model", "Linear model", "Trivial answer"],
        ["kind Accuracy ↑", "80.0 % 75.0 – 85.0 %", "60.0 %", "10.0 % the most frequent class"],
        ["price RMSE ↓", "12.5000 11.0000 – 14.0000", "–", "30.0000 the mean"],
    ]


def test_the_metrics_table_says_what_was_given() -> None:
    metrics = (
        c.Metric("Accuracy", 0.9, c.Interval(0.88, 0.92, "Wilson"), 0.5, 0.8, "higher", "%"),
        c.Metric("MAPE", 12.5, None, math.nan, None, "lower", note="a trap"),
    )
    rows = rows_of(read(render(Page("t", tests=(c.Results(metrics=metrics),)))).all("table")[0])
    assert rows == [
        ["Metric", "Value", "95 % interval", "Linear model", "Trivial answer"],
        ["Accuracy ↑", "90.0 %", "88.0 – 92.0 % Wilson", "80.0 %", "50.0 %"],
        ["MAPE ↓ a trap", "12.5000", "", "–", "–"],
    ]
    alone = replace(metrics[0], trivial=None, linear=None)
    assert rows_of(read(render(Page("t", tests=(c.Results(metrics=(alone,)),)))).all("table")[0])[0] == rows[0][:3]


def test_a_class_missing_from_a_part_is_marked() -> None:
    data = c.Data((c.Part("train", 9), c.Part("test", 3)), classes=(c.ClassBars(TWO, ((5, 0), (4, 3))),))
    page = read(render(Page("t", data=data)))
    assert [(n.text(), [english(t) for t in n.above() if t.tag == "tr"]) for n in page.all("b", "alarm")] == [
        ("0", ["cat 5 0"])
    ]


def test_kinds_roles_and_parts_are_translated() -> None:
    page = read(render(report_pages.table_page()))
    spans = {(n.children[i].text(), n.children[i + 1].text()) for n in page.walk() for i in range(len(n.children) - 1)}
    for pair in (("number", "数值"), ("left out", "不用"), ("Validation", "验证集"), ("target", "目标")):
        assert pair in spans


def test_heads_stand_under_their_names() -> None:
    page = read(render(report_pages.all_pages()["heads"]))
    named = {n.attributes["id"]: english(n) for n in page.all("h3") if n.attributes.get("id", "").startswith("head")}
    assert named == {"head-0": "income", "head-1": "hours"}


def test_importances_are_ranked_and_drawn_to_scale() -> None:
    found = (c.Importance("a", 0.1), c.Importance("b", 0.4, c.Interval(0.3, 0.5)), c.Importance("c", -0.1))
    page = read(render(Page("t", why=c.Why(importances=(c.Importances(found),)))))
    rows = rows_of(page.all("table")[0])[1:]
    assert [(r[0], r[2], r[3]) for r in rows] == [
        ("b", "0.400", "0.300 – 0.500"),
        ("a", "0.100", ""),
        ("c", "−0.100", ""),
    ]
    widths = [float(r.attributes["width"]) for r in page.all("rect", "bar")]
    assert widths == pytest.approx([widths[0], widths[0] / 4, widths[0] / 4], abs=0.2)


def test_the_configuration_is_shown_character_for_character() -> None:
    config = "data = \"a <b> & 'c'\"\n\n[settings]\n\tepochs = 3\n"
    page = read(render(Page("t", reproduce=c.Reproduce("danlu train 'a b'", config))))
    assert [p.text() for p in page.all("pre")] == ["danlu train 'a b'", config]


def test_rendering_leaves_the_language_in_use_alone() -> None:
    set_language("zh")
    page = report_pages.table_page()
    assert render(page) == (set_language("en"), render(page))[1]


# ---- numbers and colours


@given(st.integers(0, 10**14))
def test_compact_counts_are_short_and_right_to_three_digits(number: int) -> None:
    text = compact(number)
    scale = {"k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}.get(text[-1], 1)
    assert float(text.rstrip("kMGT").replace(",", "")) * scale == pytest.approx(number, rel=6e-3)
    assert len(text) <= 5 or number >= 10**15 - 1


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (812_345_678, "812 MB"), (999_600_000, "1 GB"), (3.2e12, "3.2 TB")],
)
def test_bytes_are_in_the_unit_people_use(number: float, text: str) -> None:
    assert size(int(number)).replace("\u202f", " ") == text


def test_numbers_are_told_with_the_digits_that_matter() -> None:
    assert [value(x, "%") for x in (0.93149, -0.5, None, math.inf)] == ["93.1\u202f%", "−50.0\u202f%", "–", "–"]
    assert [value(x) for x in (0.93149, -0.0003, 51_240.4, 0.0)] == ["0.9315", "−0.0003", "51,240", "0.0000"]
    assert span(c.Interval(0.9, 0.95), "%") == "90.0\u00a0– 95.0\u202f%"
    assert span(c.Interval(0.991, 0.9954), "%") == "99.10\u00a0– 99.54\u202f%"
    assert span(None) == span(c.Interval(math.nan, 1.0)) == ""
    assert count(1234567) == "1,234,567"


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read_on_every_ground(palette: dict[str, str]) -> None:
    ground, raised = rgb(palette["bg"]), rgb(palette["raised"])
    for name in ("ink", "soft", "accent", "bad", "warn", "c1"):
        assert contrast(rgb(palette[name]), ground) >= 4.5, name
        assert contrast(rgb(palette[name]), raised) >= 4.5, name
    for name in (f"c{i}" for i in range(1, 9)):
        assert contrast(rgb(palette[name]), ground) >= 1.9, name
    cells = re.findall(r"\.([rw]\d)\{background:#(\w{6});color:#(\w{6})\}", shades(palette))
    assert len(cells) == 18
    for cell, back, text in cells:
        assert contrast(rgb(back), rgb(text)) >= 4.5, cell


def test_contrast_is_that_of_the_standard() -> None:  # examples of WCAG 2.2's definition
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)
