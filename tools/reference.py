"""The generated reference: commands.md, events.md, python.md, and the table of files in run-folder.md.

What there is comes from the code; what it means in two languages from reference.toml, and a test holds both together.
"""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import danlu
from danlu.cli.usage import COMMON, SHORT, VERBS, examples, line
from danlu.messages import say
from danlu.metrics.rows import METRICS, Metric
from danlu.report import events

TEXTS = tomllib.loads(Path(__file__).with_name("reference.toml").read_text("utf-8"))


def text(lang: str, *path: str) -> str:
    """The text at ``path`` in reference.toml; each is a pair, English and Chinese."""
    found: Any = TEXTS
    for name in path:
        if name not in found:
            raise KeyError(f"tools/reference.toml has no {'.'.join(path)}")
        found = found[name]
    return str(found[lang == "zh"]).strip()


def page(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def plain(words: str) -> str:
    """Words of a message as Markdown shows them."""
    return re.sub(r"([\\`*_<>\[\]#])", r"\\\1", words)


# ---- commands.md


def commands_page(lang: str) -> str:
    """Every verb: how it is typed, what it does, its own flags, lines to paste."""
    parts = [text(lang, "commands", "title"), text(lang, "commands", "intro")]
    for verb in VERBS.values():
        typed = line(verb) + (" [--…]" if verb.settings or verb.flags else "")
        parts += [f"## {verb.name}", f"```text\n{typed}\n```", plain(say(f"verb.{verb.name}"))]
        own = [[_flag(name), plain(say(f"flag.{verb.name}.{name}"))] for name in (*verb.flags, *verb.switches)]
        parts += [table(_heads(lang), own)] if own else []
        parts += [text(lang, "commands", "settings")] if verb.settings else []
        parts += ["\n".join(map(example, examples(verb.name)))]
    common = [[_flag(name), plain(say(f"flag.{name}"))] for name in COMMON]
    common.insert(0, ["`--lang`", plain(say("setting.lang"))])
    return page(*parts, text(lang, "commands", "common"), table(_heads(lang), common), text(lang, "commands", "exit"))


def example(typed: str) -> str:
    """A line to type as a list item; its comment stands behind it."""
    code, _, comment = (part.strip() for part in typed.partition("  #"))
    return f"- `{code}`" + (f" ({plain(comment)})" if comment else "")


def _heads(lang: str) -> list[str]:
    return [text(lang, "words", "flag"), text(lang, "words", "meaning")]


def _flag(name: str) -> str:
    return f"`{SHORT[name]}`, `--{name}`" if name in SHORT else f"`--{name}`"


# ---- events.md


def samples() -> dict[str, events.Event]:
    """An event of each kind, made by the functions that make them."""
    from danlu.types import Bad, Choice, Epoch

    facts = events.Start(
        "runs/photos-1125-0930", "photos", "classification", "cnn", 24_010, {"train": 700, "val": 150, "test": 150},
        10, 220, 32, "cpu", "fp32", 0, 0, {"danlu": danlu.__version__, "torch": "2.15.0"},
    )  # fmt: skip
    end = Epoch(epoch=1, step=22, loss=1.94, rows=700, seconds=2.5, waited=0.1)
    made = [
        events.start(facts),
        events.choice(Choice("batch_size", "32", "…")),
        events.bad(Bad("photos/cat/7.jpg", "…")),
        events.finding("DL333", "warning", "test", "…", "…", "…"),
        events.range_test([(1e-6, 2.3)], 0.002),
        events.step(22, 1.7),
        events.epoch(end, {"val/loss": 1.6, "val/accuracy": 0.51}, True, 734_003_200),
        events.saved(22, "runs/photos-1125-0930/checkpoints"),
        events.notice("…"),
        events.stopped(22, "danlu resume runs/photos-1125-0930"),
        events.done({"test/accuracy": 0.62, "test/accuracy_low": 0.54}, "runs/photos-1125-0930"),
    ]
    return {event["event"]: event for event in made}


def look_samples() -> dict[str, events.Event]:
    """The events of ``danlu look --json`` that no run has, made by the functions that make them."""
    from danlu.looking.events import events_of
    from danlu.looking.found import Column, Curve, Fact, FoundData, FoundModel, FoundRun
    from danlu.summary import Row, Summary

    page, line = Path("look.html"), ("danlu …",)
    facts = [Fact(name, "…") for name in ("opened", "sizes", "modes", "compared", "model_sees")]
    columns = (Column("image", "image", "input", "…", 0, 0, "…"),)
    counts = ((70, 15, 15), (70, 15, 15))
    data = FoundData("photos", "photos/", "images", {"train": 140}, "classification", "label", ("cat", "dog"), counts)
    data = replace(data, facts=tuple(facts), columns=columns, commands=line)
    known = [Fact(name, "…") for name in ("data", "task", "rows", "model", "time")]
    curve = (Curve("val/loss", (1.6, 1.4)),)
    run = FoundRun(Path("runs/photos"), "finished", (), tuple(known), best=2, epochs=2, curves=curve, page=page)
    rows = (Row("fc", "Linear", (("", (1, 10)),), 650, 650, 1280, 1),)
    model = FoundModel("cnn", Summary(rows, 650, 650, 1280, 2600, 1), "…", commands=line)
    made = [event for found in (data, run, model) for event in events_of(found, page)]
    return {f"look: {e['what']}" if e["event"] == "look" else e["event"]: e for e in made}


def makers() -> set[str]:
    """The functions of report/events.py that make an event."""
    public = vars(events).items()
    return {n for n, f in public if inspect.isfunction(f) and f.__annotations__.get("return") == "Event"}


def events_page(lang: str) -> str:
    """Every event with its fields, those of look after those of a run, then every metric of every task."""
    parts = [text(lang, "events", "title"), text(lang, "events", "intro")]
    heads = [text(lang, "words", "field"), text(lang, "words", "type"), text(lang, "words", "meaning")]
    for name, event in samples().items():
        parts += [f"## {name}", text(lang, "events", name, "about"), table(heads, _fields(event, lang, "events", name))]
    parts += [text(lang, "look", "title"), text(lang, "look", "intro")]
    for name, event in look_samples().items():
        parts += [f"### {name}", text(lang, "look", name, "about"), table(heads, _fields(event, lang, "look", name))]
    parts += [text(lang, "metrics", "title"), text(lang, "metrics", "intro")]
    heads = [text(lang, "words", name) for name in ("name", "meaning", "range", "better", "interval")]
    for task, known in METRICS.items():
        rows = [
            [f"`{name}`", text(lang, "metrics", "of", name), *_figures(metric, lang)] for name, metric in known.items()
        ]
        parts += [f"### {text(lang, 'metrics', 'task', task)}", table(heads, rows)]
    return page(*parts, text(lang, "metrics", "outro"))


def _fields(event: events.Event, lang: str, *path: str) -> list[list[str]]:
    """A row for each field: its name, its type, what it means."""
    names = [name for name in event if name != "event"]
    return [[f"`{name}`", _type(event[name], lang), text(lang, *path, "fields", name)] for name in names]


def _type(value: Any, lang: str) -> str:
    kinds = {bool: "boolean", int: "integer", float: "number", str: "string", dict: "object", list: "list"}
    return text(lang, "types", kinds[type(value)])


def _figures(metric: Metric, lang: str) -> list[str]:
    low, high = (str(v).replace("inf", "∞").replace(".0", "").replace("-", "−") for v in (metric.low, metric.high))
    better = text(lang, "words", "higher" if metric.greater else "lower")
    return [f"{low} … {high}", better, text(lang, "words", "wilson" if metric.share else "resampled")]


# ---- run-folder.md


def files_table(lang: str) -> str:
    """The files of a run folder, in the order in which they matter."""
    rows = [[f"`{name}`", text(lang, "files", name)] for name in TEXTS["files"]]
    return table([text(lang, "words", "file"), text(lang, "words", "what")], rows)


# ---- python.md


def python_page(lang: str) -> str:
    """Every public name: how it is called and what it does; methods and fields below."""
    parts = [text(lang, "python", "title"), text(lang, "python", "intro")]
    for name in public_names():
        thing = getattr(danlu, name)
        about = first_paragraph(thing) if lang == "en" else text(lang, "python", "of", name)
        parts += [f"## {name}", f"```text\n{signature(name, thing)}\n```", about]
        rows = [
            [f"`{call}`", member if lang == "en" else text(lang, "python", "members", name, call.partition("(")[0])]
            for call, member in members(thing)
        ]
        known = TEXTS["python"]["fields"].get(name, {})
        rows = [[f"`.{field}`", text(lang, "python", "fields", name, field)] for field in known] + rows
        parts += [table([text(lang, "words", "member"), text(lang, "words", "meaning")], rows)] if rows else []
    return page(*parts)


def public_names() -> list[str]:
    """Verbs first, in the order of their use, then what they take and give."""
    first = list(TEXTS["python"]["of"])
    return [n for n in first if n in danlu.__all__] + [n for n in danlu.__all__ if n not in first and n[0] != "_"]


def signature(name: str, thing: Any) -> str:
    """How it is called, without types, broken where it would be long."""
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return f"danlu.{name}"
    if name == "Settings":
        return "danlu.Settings(*, …)"  # settings.md has them all
    parameters = list(inspect.signature(thing).parameters.values())
    shown: list[str] = []
    for i, p in enumerate(parameters):
        before = parameters[i - 1].kind if i else p.POSITIONAL_ONLY
        if p.kind is p.KEYWORD_ONLY and before not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            shown.append("*")
        literal = p.default is p.empty or isinstance(p.default, (bool, int, float, str, tuple, type(None)))
        shown.append(str(p.replace(annotation=p.empty)) if literal else f"{p.name}=…")
    whole = f"danlu.{name}({', '.join(shown)})"
    if len(whole) <= 100:
        return whole
    lines, row = [], ""
    for one in shown:
        if row and len(row) + len(one) > 96:
            lines.append(row.rstrip())
            row = ""
        row += f"{one}, "
    return "\n".join([f"danlu.{name}(", *(f"    {r}" for r in [*lines, row.removesuffix(", ")]), ")"])


def first_paragraph(thing: Any) -> str:
    """What a docstring says before its sections, its ``code`` as Markdown has it."""
    doc = inspect.getdoc(thing) or ""
    kept: list[str] = []
    for paragraph in doc.split("\n\n"):
        if re.match(r"(Args|Returns|Raises|Yields):", paragraph):
            break
        kept.append(" ".join(paragraph.split()))
    return "\n\n".join(kept).replace("``", "`")


def members(thing: Any) -> Iterator[tuple[str, str]]:
    """Public methods and properties of a class that say what they do."""
    if not isinstance(thing, type):
        return
    for name, member in vars(thing).items():
        if name.startswith("_") or not (inspect.isfunction(member) or isinstance(member, (property, staticmethod))):
            continue
        doc = inspect.getdoc(member)
        if not doc:
            continue
        call = name
        if inspect.isfunction(member):
            names = [p for p in inspect.signature(member).parameters if p != "self"]
            call = f"{name}({', '.join(names)})"
        sentence = re.split(r"(?<=\.)\s", " ".join(first_line(doc).split()))[0]
        yield call, sentence.replace("``", "`")


def first_line(doc: str) -> str:
    return doc.split("\n\n")[0]
