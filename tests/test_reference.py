"""The generated reference says what a real run does: its events, its files, its commands and names."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

import danlu
from conftest import ROOT
from danlu.cli.usage import VERBS


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["reference"] = module
    spec.loader.exec_module(module)
    return module


def documented_events(lang: str) -> dict[str, set[str]]:
    """The fields of each event of a run on the page: the first column of the table below its heading."""
    return fields_below("## ", events_page(lang).partition("\n## look\n")[0])


def documented_looks(lang: str) -> dict[str, set[str]]:
    """The same of the lines of ``danlu look --json``: "look: data", "column", …"""
    return fields_below("### ", events_page(lang).partition("\n## look\n")[2])


def events_page(lang: str) -> str:
    page = (ROOT / "docs" / lang / "events.md").read_text("utf-8").partition("\n## Metrics")[0]
    return page.partition("\n## 指标")[0]


def fields_below(heading: str, page: str) -> dict[str, set[str]]:
    sections = re.split(f"^{heading}", page, flags=re.MULTILINE)[1:]
    return {s.split("\n")[0]: set(re.findall(r"^\| `(\w+)` \|", s, re.MULTILINE)) for s in sections}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_event_of_a_run_and_all_its_fields_are_on_the_page(lang: str, penguins: Path, workdir: Path) -> None:
    run = danlu.train(str(penguins), target="species", epochs=2, log="tensorboard", lang=lang)
    danlu.resume(run.dir, epochs=3)
    known = documented_events(lang)
    seen = [json.loads(line) for line in (run.dir / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert {"start", "choice", "step", "epoch", "done"} <= {event["event"] for event in seen}
    for event in seen:
        assert event.keys() - {"event"} <= known[event["event"]], event
    files = set(re.findall(r"^\| `([\w./]+)` \|", (ROOT / "docs" / lang / "run-folder.md").read_text("utf-8"), re.M))
    there = {p.name + ("/" if p.is_dir() else "") for p in run.dir.iterdir()}
    assert {"run.toml", "metrics.jsonl", "model/", "report.html", "README.md", "tensorboard/"} <= there <= files


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_line_of_look_and_all_its_fields_are_on_the_page(lang: str, penguins: Path, workdir: Path) -> None:
    for name in ("cat", "dog"):
        (workdir / "photos" / name).mkdir(parents=True)
        for k in range(6):
            Image.new("RGB", (8 + k, 8), (20 * k, 0, 99)).save(workdir / "photos" / name / f"{k}.png")
    (workdir / "photos" / "cat" / "7.png").write_bytes(b"")
    run = danlu.train(str(penguins), target="species", epochs=1).dir
    looks = [danlu.look(str(penguins), target="species"), danlu.look("photos", output="look.html"), danlu.look(run)]
    looks += [danlu.look("cnn", output="cnn.html", lang=lang)]
    known, runs = documented_looks(lang), documented_events(lang)
    seen: dict[str, set[str]] = {}
    for looked in looks:
        for event in looked.events():
            name = f"look: {event['what']}" if event["event"] == "look" else event["event"]
            assert event.keys() - {"event"} <= {**runs, **known}[name], event
            seen.setdefault(name, set()).update(event.keys() - {"event"})
    sometimes = {"compared"}  # only where there are more files than are read in search of copies
    assert {name: fields - seen[name] - sometimes for name, fields in known.items()} == {name: set() for name in known}


def test_every_function_that_makes_an_event_has_its_section(reference: ModuleType) -> None:
    assert len(reference.makers()) == len(reference.samples()) == len(documented_events("en"))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_metric_of_a_test_is_on_the_page(lang: str, penguins: Path, workdir: Path) -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / lang / "events.md").read_text("utf-8"), re.MULTILINE))
    for target in ("species", "body_mass_g"):
        metrics = danlu.train(str(penguins), target=target, epochs=1, on_bad="skip", bad_limit=0.02).metrics
        found = {k.removesuffix("_low").removeprefix("test/") for k in metrics if k.endswith("_low")}
        (over,) = (k for k in found if k.endswith("_over_linear"))  # a difference of one of them, told with its parts
        assert over.removesuffix("_over_linear") in found
        found.remove(over)
        assert len(found) >= 4
        assert found <= named


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_verb_and_flag_is_on_the_page(lang: str) -> None:
    page = (ROOT / "docs" / lang / "commands.md").read_text("utf-8")
    for verb in VERBS.values():
        section = page.partition(f"## {verb.name}\n")[2].partition("\n## ")[0]
        assert all(place in section for place in verb.places)
        assert all(f"`--{flag}`" in section for flag in verb.flags)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_public_name_and_every_field_of_the_results_is_on_the_page(lang: str) -> None:
    page = (ROOT / "docs" / lang / "python.md").read_text("utf-8")
    for name in danlu.__all__:
        if name.startswith("_"):
            continue
        section = page.partition(f"## {name}\n")[2].partition("\n## ")[0]
        thing = getattr(danlu, name)
        assert f"danlu.{name}" in section
        if is_dataclass(thing) and name in ("Stepped", "Epoch", "Prediction"):
            assert set(re.findall(r"^\| `\.(\w+)` \|", section, re.MULTILINE)) == {f.name for f in fields(thing)}
