"""The rules of the house that no other test sees: levels, what is imported when, texts, names, frames."""

from __future__ import annotations

import dataclasses
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import danlu
from conftest import ROOT
from danlu.messages import ERRORS, SAYINGS
from danlu.settings import Settings, SettingsDict
from source import SRC, Module, calls, first_text, keywords, modules

# Imports go down only. A room is a module or a folder right under danlu.
LEVELS = (
    ("types", "errors", "messages"),
    ("rules", "settings", "lookup", "device", "interrupts", "lean", "lock", "muon", "plain", "rng", "tensorfile"),
    ("data", "models", "tasks", "optim", "schedule", "ema", "metrics", "batch", "fit", "freeze", "snapshot"),
    ("guard", "linear"),
    ("loop", "evaluate", "checkpoint", "state", "run", "report", "weights", "doctor"),
    ("answers", "doubts", "explain", "importance", "predict", "pretrained", "slices", "summary", "suspects", "trial"),
    ("choose", "several"),
    ("loaders", "match", "vary"),
    ("plan",),
    ("record",),
    ("session",),
    ("beside", "showing"),
    ("finish", "opening"),
    ("looking",),
    ("api",),
    ("cli",),
    ("__main__", "danlu"),
)
LEVEL = {room: i for i, rooms in enumerate(LEVELS) for room in rooms}
SIBLINGS_APART = (LEVEL["data"], LEVEL["loop"])  # on these levels no room imports another

PUBLIC = {
    "DanluError", "Epoch", "Interrupted", "Loader", "Prediction", "Predictor", "Run", "Settings", "Stepped",
    "demo", "load", "load_weights", "look", "resume", "save_weights", "step", "steps", "test", "train",
}  # fmt: skip

HEAVY = {"torch", "numpy", "pyarrow", "PIL", "pandas", "torchvision"}

CJK = re.compile(r"[\u4e00-\u9fff]")
CODE = re.compile(r"DL\d{3}")


def room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "danlu"


# ---- imports


@pytest.mark.parametrize("module", modules().values(), ids=lambda m: m.name)
def test_imports_go_down_only(module: Module) -> None:
    here = room(module.name)
    assert here in LEVEL, f"give {here} a level in {Path(__file__).name}"
    for target in module.imports:
        there = room(target)
        if there in (here, "danlu"):  # "danlu" itself only holds the version and names looked up when used
            continue
        assert LEVEL[there] <= LEVEL[here], f"{module.name} imports {target}, which stands above it"
        if LEVEL[here] in SIBLINGS_APART:
            assert LEVEL[there] < LEVEL[here], f"{module.name} imports its sibling {target}"


def cycles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> Iterator[list[str]]:
        if node in path:
            yield path[path.index(node) :] + [node]
        elif node not in done:
            for target in sorted(graph.get(node, ())):
                yield from walk(target, [*path, node])
            done.add(node)

    for node in sorted(graph):
        yield from walk(node, [])


def test_cycles_are_found() -> None:
    assert list(cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}})) == [["b", "c", "b"]]
    assert list(cycles({"a": {"b", "c"}, "b": {"c"}})) == []


def test_no_import_cycle() -> None:
    graph = {m.name: set(m.imports - {"danlu"}) for m in modules().values() if m.name != "danlu"}
    assert list(cycles(graph)) == []


def heavy_after(code: str, *argv: str) -> tuple[set[str], subprocess.CompletedProcess[str]]:
    """The heavy packages that a fresh interpreter has imported after ``code``."""
    program = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\0', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, timeout=60)
    assert "\0" in done.stdout, done.stdout + done.stderr
    return HEAVY & set(done.stdout.rpartition("\0")[2].split()), done


def test_import_danlu_is_light() -> None:
    assert heavy_after("import danlu; dir(danlu); danlu.__version__")[0] == set()


@pytest.mark.parametrize(
    "argv",
    [["--help"], ["train", "--help"], ["--version"], ["train", "x.csv", "--epocs", "3"], ["tran", "x.csv"]],
    ids=" ".join,
)
def test_help_and_flag_errors_are_light(argv: list[str]) -> None:
    heavy, done = heavy_after("from danlu.cli import main; main(sys.argv[1:])", *argv)
    assert heavy == set()
    assert len(done.stdout + done.stderr) > 20


# ---- names and settings


def test_public_names() -> None:
    assert set(danlu.__all__) == PUBLIC
    assert len(danlu.__all__) == len(PUBLIC)
    for name in danlu.__all__:
        assert getattr(danlu, name) is not None
    assert set(dir(danlu)) >= PUBLIC
    with pytest.raises(AttributeError):
        danlu.no_such_name  # noqa: B018


def test_at_most_forty_settings() -> None:
    assert len(dataclasses.fields(Settings)) <= 40


def test_settings_and_their_dict_are_alike() -> None:
    def annotation(value: Any) -> str:
        return value if isinstance(value, str) else value.__forward_arg__

    fields = {f.name: annotation(f.type) for f in dataclasses.fields(Settings)}
    assert {name: annotation(a) for name, a in SettingsDict.__annotations__.items()} == fields


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_setting_is_a_flag_with_help(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    from danlu.cli import main

    try:
        main(["train", "--help", "--lang", lang])
    except SystemExit as stop:
        assert not stop.code
    shown = "".join(capsys.readouterr().out.split())  # help is wrapped
    for f in dataclasses.fields(Settings):
        flag = f.name.replace("_", "-")
        assert f"--{flag}" in shown or f"--no-{flag}" in shown
        says = SAYINGS[f"setting.{f.name}"][lang == "zh"]
        assert "".join(says.split()) in shown, f"{flag}: {says!r} is not in the help"


# ---- texts


def placeholders(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def words_left(text: str) -> str:
    """What stays of a text without its placeholders, quoted code, flags and symbols."""
    text = re.sub(r"\{[^{}]*\}", " ", text)
    return " ".join(re.findall(r"[A-Za-z]{3,}", text))


def check_pair(key: str, english: str, chinese: str, *, may_be_code: bool) -> None:
    assert bool(english) == bool(chinese), f"{key}: one language is empty"
    assert placeholders(english) == placeholders(chinese), f"{key}: other placeholders"
    assert not CJK.search(english.replace("丹炉", "")), f"{key}: Chinese in the English text"
    if CJK.search(chinese) or not words_left(chinese):
        return
    assert may_be_code and english == chinese, f"{key}: the Chinese text is not Chinese: {chinese!r}"


@pytest.mark.parametrize("key", sorted(SAYINGS))
def test_sayings_in_two_languages(key: str) -> None:
    english, chinese = SAYINGS[key]
    assert english
    check_pair(key, english, chinese, may_be_code=False)


@pytest.mark.parametrize("code", sorted(ERRORS))
def test_errors_in_two_languages(code: str) -> None:
    assert CODE.fullmatch(code)
    what, why, fix = ERRORS[code]
    assert what[0], f"{code} says nothing"
    check_pair(f"{code} what", *what, may_be_code=False)
    check_pair(f"{code} why", *why, may_be_code=False)
    check_pair(f"{code} fix", *fix, may_be_code=True)  # a line to paste is the same in every language


def codes_used() -> dict[str, list[str]]:
    """Each error code that danlu's source names outside its catalogue, with the modules that do."""
    out: dict[str, list[str]] = {}
    for module in modules().values():
        if room(module.name) != "messages":
            for code in set(re.findall(r"[\"'](DL\d{3})[\"']", module.path.read_text("utf-8"))):
                out.setdefault(code, []).append(module.name)
    return out


def test_errors_raised_are_in_the_catalogue() -> None:
    assert {code: where for code, where in codes_used().items() if code not in ERRORS} == {}


def test_errors_in_the_catalogue_are_raised() -> None:
    assert sorted(set(ERRORS) - set(codes_used())) == []


def test_every_error_has_a_test() -> None:
    seen: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        seen |= set(CODE.findall(path.read_text("utf-8")))
    assert sorted(set(ERRORS) - seen) == []


def facts_missing(call_name: str, texts: Any, given: set[str]) -> Iterator[tuple[str, str, list[str]]]:
    for module in modules().values():
        for call in calls(module.tree, call_name):
            key, names = first_text(call), keywords(call)
            if key is None or names is None:
                continue
            lacking = texts(key) - names - given
            if lacking:
                yield f"{module.name}:{call.lineno}", key, sorted(lacking)


def test_errors_are_raised_with_all_their_facts() -> None:
    def needs(code: str) -> set[str]:
        return {name for part in ERRORS[code] for name in placeholders(part[0])} if code in ERRORS else set()

    assert list(facts_missing("DanluError", needs, {"where"})) == []


def test_things_are_said_with_all_their_facts() -> None:
    def needs(key: str) -> set[str]:
        return placeholders(SAYINGS[key][0]) if key in SAYINGS else {f"no saying named {key}"}

    assert list(facts_missing("say", needs, set())) == []


# ---- words that have no place here

FORBIDDEN = re.compile(
    r"\bissues? ?#? ?\d|(?<![\w&'\"])#\d+\b|(?<![\w.~$])/(?:work|root)/|\.\./shared\b|\bhelper [A-F]\b|\bsub-?agents?\b"
)


def own_files() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:  # an unpacked archive: no git
        listed_names = [
            str(p.relative_to(ROOT)) for top in ("src", "tests", "bench", "docs") for p in (ROOT / top).rglob("*")
        ]
    else:
        listed_names = listed.stdout.split("\0")
    texts = {".py", ".md", ".toml", ".txt", ".sh", "", ".yml", ".yaml", ".html"}
    return [p for n in listed_names if n and (p := ROOT / n).is_file() and p.suffix in texts and p != Path(__file__)]


def test_nothing_of_the_workshop_is_mentioned() -> None:
    found = []
    for path in own_files():
        for i, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if FORBIDDEN.search(line):
                found.append(f"{path.relative_to(ROOT)}:{i}: {line.strip()[:100]}")
    assert found == []


# ---- the path of one line


def test_four_frames_from_the_shell_to_backward(digits: Path, monkeypatch: pytest.MonkeyPatch, workdir: Path) -> None:
    import torch

    from danlu import cli

    stacks: list[list[str]] = []
    backward = torch.autograd.backward

    def watched(*args: Any, **kwargs: Any) -> Any:
        frame, names = sys._getframe(1), []
        while frame is not None and names[-1:] != ["danlu.cli.main"]:
            if Path(frame.f_code.co_filename).is_relative_to(SRC / "danlu"):
                names.append(f"{frame.f_globals['__name__']}.{frame.f_code.co_name}")
            frame = frame.f_back
        stacks.append(names[::-1])
        return backward(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "backward", watched)
    assert cli.main(["train", str(digits), "--model", "mlp", "--steps", "3", "--run", str(workdir / "run")]) == 0
    assert stacks
    for stack in stacks:
        assert stack[0] == "danlu.cli.main"
        assert len(stack) <= 4, stack
