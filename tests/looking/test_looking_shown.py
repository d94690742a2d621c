"""What looking shows: lines that fit their terminal, JSON by the line, and a page that overwrites nobody's file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import danlu
from danlu.cli import main
from danlu.errors import DanluError
from danlu.looking import FoundData
from danlu.looking.found import Curve, FoundRun
from danlu.looking.lines import LEVELS, class_bars, curve_line, histogram, of_data, of_run
from danlu.report.layout import encodable, width
from danlu.report.lines import Page
from html_reader import read

LONG = "一种名字特别特别长的小动物它的名字就是这样子的没有办法"


@pytest.fixture
def photos(workdir: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, count in {"猫": 30, LONG: 12, "a b & <c>": 9, "rare": 1}.items():
        (workdir / "photos" / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(
                workdir / "photos" / name / f"{i}.png"
            )
    (workdir / "photos" / "猫" / "0.png").write_bytes(b"")
    return Path("photos")


def shown(looked: object, columns: int | None, colour: bool = False) -> list[str]:
    page = Page(columns, colour)
    return [line for text in looked.lines(page) for line in text.split("\n")]  # type: ignore[attr-defined]


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_lines_fit_their_terminal(columns: int, lang: str, photos: Path, penguins: Path) -> None:
    looks = (danlu.look(photos, lang=lang), danlu.look(penguins, target="species", lang=lang))
    for looked in (*looks, danlu.look(penguins, lang=lang)):
        assert isinstance(looked.found, FoundData)
        whole = set(looked.found.commands) | {str(looked.html)}  # to be copied: never wrapped
        for line in shown(looked, columns):
            pasted = any(line.endswith(text) for text in whole) or "  fix" in line or "办法" in line
            words = max((width(w) for w in line.split()), default=0)  # a path is never broken
            assert width(line) < columns or pasted or words > columns - 20, line


def test_bars_start_in_one_column_whatever_the_names(photos: Path) -> None:
    found = danlu.look(photos).found
    assert isinstance(found, FoundData)
    lines = class_bars(found, Page(80))
    starts = {width(re.split("[█▏▎▍▌▋▊▉]", line)[0]) for line in lines}
    assert len(lines) == 4 and len(starts) == 1
    bars = {line.split()[0]: len(re.findall("█", line)) for line in lines}
    assert bars["猫"] == max(bars.values()) and "none in: validation, test" in next(x for x in lines if "rare" in x)


def many(classes: int) -> FoundData:
    counts = tuple((10 + k, 1, 1) for k in range(classes))
    names = tuple(f"class{k:03d}" for k in range(classes))
    return FoundData(
        "many", "many", "images", {"train": 1, "val": 1, "test": 1}, "classification", "label", names, counts
    )


def test_very_many_classes_are_cut_short_and_said_to_be() -> None:
    lines = class_bars(many(200), Page(80))
    assert len(lines) == 11 and lines[-1] == "  … and 190 more, 12 to 201 rows each"
    assert lines[0].split()[0] == "class199"  # the largest first
    assert len(class_bars(many(12), Page(80))) == 12


def test_a_histogram_has_the_shape_of_its_counts() -> None:
    found = FoundData("x", "x", "table", {}, histogram=((0.0, 1.0, 0), (1.0, 2.0, 7), (2.0, 3.0, 14)))
    (line,) = histogram(found, Page(80))
    assert line == "  0  ▅█ 3" or line == "  0  ▄█ 3"


def test_a_curve_rises_and_falls_as_its_values() -> None:
    curve = Curve("train/loss", (3.0, 2.0, float("nan"), 1.0))
    line = curve_line(curve, [curve], Page(80))
    assert line == f"  loss  {LEVELS[7]}{LEVELS[4]} {LEVELS[0]}  3.0000 → 1.0000"
    long = Curve("train/loss", tuple(map(float, range(1000))))
    drawn = curve_line(long, [long], Page(80)).split()[1]
    assert len(drawn) <= 40 and drawn[0] == LEVELS[0] and drawn[-1] == LEVELS[7]
    assert list(drawn) == sorted(drawn)


def test_no_colours_without_a_terminal_and_none_from_names(photos: Path) -> None:
    (photos / "\x1b[31mred").mkdir()
    Image.new("L", (9, 9)).save(photos / "\x1b[31mred" / "0.png")
    looked = danlu.look(photos)
    assert "\x1b" not in "\n".join(shown(looked, None)) and "\x1b" not in str(looked)
    assert "\x1b[31mred" not in "\n".join(shown(looked, 80, colour=True))


def test_a_console_without_blocks_gets_plain_signs() -> None:
    class Stream:
        encoding = "ascii"

    text = encodable("▁▂▃▄▅▆▇█ ▏▎▍▌▋▊▉ → ×", Stream())  # type: ignore[arg-type]
    assert text.isascii() and "\\" not in text and len(text.split()[0]) == 8


# ---- the command


def test_the_verb_is_listed_and_explained(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "danlu look [DATA|RUN|MODEL] [TEST]" in capsys.readouterr().out
    for lang in ("en", "zh"):
        main(["look", "--help", "--lang", lang])
        text = capsys.readouterr().out
        assert all(
            flag in text for flag in ("--kind", "--sample", "--whole", "-o, --output FILE", "--target", "--size")
        )


def test_the_command_shows_what_python_shows(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", str(penguins), "--target", "species"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip("\n") == str(danlu.look(penguins, target="species"))
    assert main(["look", "--target", "species", str(penguins), "--lang", "zh"]) == 0
    assert "字段" in capsys.readouterr().out


def test_json_is_an_object_a_line_and_makes_no_page(penguins: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["look", str(penguins), "--json", "--target", "species"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert not Path("runs").exists()
    head = events[0]
    assert head["event"] == "look" and head["what"] == "data" and sum(head["rows"].values()) == 344
    columns = [e["name"] for e in events if e["event"] == "column"]
    assert columns == penguins.read_text().split("\n")[0].replace('"', "").split(",")
    classes = {e["name"]: sum(e["rows"].values()) for e in events if e["event"] == "class"}
    assert classes == {"Adelie": 152, "Gentoo": 124, "Chinstrap": 68}
    assert main(["look", "mlp", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(e["parameters"] for e in events if e["event"] == "module") == events[0]["parameters"]
    danlu.train(penguins, target="species", steps=2, run="runs/a")
    capsys.readouterr()
    assert main(["look", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert events[0]["what"] == "run" and events[0]["state"] == "finished" and events[-1]["event"] in ("next", "notice")
    assert {e["event"] for e in events} >= {"look", "curve", "next"}


@pytest.mark.parametrize(
    ("argv", "code", "exit_code"),
    [
        (["look", "no.csv"], "DL150", 1),
        (["look", "resnet81"], "DL270", 2),
        (["look", "mlp", "--kind", "modl"], "DL348", 1),
        (["look", "a", "b", "c"], "DL010", 2),
        (["look", "a", "b", "--test", "c"], "DL010", 2),
        (["look", "mlp", "--wohle"], "DL007", 2),
        (["look", "mlp", "--whole=yes"], "DL015", 2),
        (["look"], "DL400", 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_on_the_command_line(
    argv: list[str], code: str, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == exit_code
    assert capsys.readouterr().err.startswith(code)


# ---- the page


def test_the_page_is_whole_offline_and_in_two_languages(photos: Path) -> None:
    looked = danlu.look(photos)
    assert looked.html == Path("runs/look-photos.html") and looked.html.is_file()
    html = looked.html.read_text("utf-8")
    page = read(html)
    assert "http" not in re.sub(r"http-equiv|http://www\.w3\.org/2000/svg", "", html)
    ids = [section.attributes["id"] for section in page.all("section")]
    assert ids == ["verdict", "data", "reproduce"]
    text = page.text()
    for word in (
        "猫",
        LONG[:20],
        "a b & <c>",
        "In short",
        "概览",
        "Cannot be used",
        "无法使用的样本",
        "danlu train photos",
    ):
        assert word in text, word
    assert len(page.all("use")) == 12  # the gallery
    assert "DL346" in text and "DL337" in text


def test_equal_findings_give_equal_bytes(photos: Path, workdir: Path) -> None:
    first = danlu.look(photos).html
    second = danlu.look(photos, output="again.html").html
    assert first is not None and second is not None and second == Path("again.html")
    assert first.read_bytes() == second.read_bytes()


def test_a_page_is_made_again_but_nobody_elses_file_is_touched(penguins: Path) -> None:
    Path("mine.html").write_text("<html>mine</html>")
    with pytest.raises(DanluError) as refused:
        danlu.look(penguins, target="species", output="mine.html")
    assert refused.value.code == "DL347" and Path("mine.html").read_text() == "<html>mine</html>"
    Path("runs").mkdir()
    Path("runs/look-penguins.html").write_text("mine too")
    assert danlu.look(penguins, target="species").html == Path("runs/look-penguins-2.html")
    assert danlu.look(penguins, target="species", lang="zh").html == Path("runs/look-penguins-2.html")
    assert Path("runs/look-penguins.html").read_text() == "mine too"
    run = danlu.train(penguins, target="species", steps=1, run="runs/a")
    with pytest.raises(DanluError) as report:
        danlu.look(penguins, target="species", output=run.report())  # a run's page is no look's
    assert report.value.code == "DL347"


def test_nothing_is_written_among_the_data(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DanluError) as refused:
        danlu.look(photos, output=photos / "look.html")
    assert refused.value.code == "DL406"
    before = sorted(photos.rglob("*"))
    monkeypatch.chdir(photos)
    looked = danlu.look(".")
    assert looked.html is None and "no page was written" in str(looked)
    monkeypatch.undo()
    assert sorted(photos.resolve().rglob("*")) or before


def test_a_model_has_a_page_where_one_is_asked_for() -> None:
    looked = danlu.look(nn.Sequential(nn.Linear(7, 3)), torch.zeros(2, 7), output="net.html")
    assert looked.html == Path("net.html") and "Linear" in read(looked.html.read_text("utf-8")).text()
    assert danlu.look(nn.Linear(7, 3)).html is None


def test_everything_of_nothing_is_still_lines() -> None:
    assert of_data(FoundData("x", "x", "dataset", {}), Page(80))
    assert of_run(FoundRun(Path("x"), "empty"), Page(40))
