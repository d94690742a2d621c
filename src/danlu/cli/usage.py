"""The help pages, made from the settings' table and the texts in two languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from danlu.messages import SAYINGS, say
from danlu.report.layout import pad, paint, width, wrap
from danlu.report.lines import Page
from danlu.rules import RULES
from danlu.settings import Settings

GROUPS: dict[str, tuple[str, ...]] = {
    "length": ("epochs", "steps", "time", "patience", "monitor"),
    "update": (
        *("batch_size", "lr", "schedule", "warmup", "weight_decay", "momentum", "clip_norm", "clip_value"),
        *("accumulate", "ema", "class_weights", "label_smoothing", "loss_weights"),
        *("weights", "freeze", "body_lr"),
    ),
    "data": ("target", "task", "ignore", "slice", "size", "augment", "on_bad", "bad_limit", "max_pixels"),
    "machine": ("seed", "device", "precision", "workers", "checkpoint_steps", "cache", "log", "check"),
    "rest": ("lang",),
}
COMMON = ("json", "quiet", "debug", "help")


@dataclass(frozen=True)
class Verb:
    """A command: its arguments in order ("[RUN]" may be left out, "INPUT…" repeats) and its flags."""

    name: str
    places: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()  # with a value, beside the settings
    settings: bool = False  # whether it takes all of them
    switches: tuple[str, ...] = ()  # flags without a value


_LOOK = ("val", "test", "sample", "kind", "output")
VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "train", ("DATA", "[TEST]"), ("val", "test", "model", "loss", "optimizer", "metrics", "run"), settings=True
        ),
        Verb("test", ("[RUN]", "[DATA]"), ("model", "slice", "metrics")),
        Verb("predict", ("[RUN]", "INPUT…"), ("output", "model")),
        Verb("resume", ("[RUN]",), (), settings=True),
        Verb("look", ("[DATA|RUN|MODEL]", "[TEST]"), _LOOK, settings=True, switches=("whole",)),
        Verb("demo", ("[image|table]",), (), settings=True),
        Verb("doctor"),
    )
}
SHORT = {"output": "-o", "quiet": "-q", "help": "-h"}


def line(verb: Verb) -> str:
    """How the command is typed, on one line."""
    return " ".join(["danlu", verb.name, *verb.places])


def overview(version: str, page: Page) -> str:
    """What ``danlu --help`` shows."""
    rows = [(line(verb), say(f"verb.{verb.name}")) for verb in VERBS.values()]
    title = say("usage.title", version=version)
    head = wrap(title, page.width) if page.columns else title
    parts = [paint(head, "bold", page.colour), "", *_table(rows, page), ""]
    parts += [say("usage.first")] + [f"  {example}" for example in examples("usage")]
    more = say("usage.more")
    return "\n".join([*parts, "", wrap(more, page.width, 2) if page.columns else more])


def of_verb(verb: Verb, page: Page) -> str:
    """What ``danlu VERB --help`` shows."""
    typed = line(verb) + (" [--…]" if verb.flags or verb.settings else "")
    text = say(f"verb.{verb.name}")
    parts = [paint(typed, "bold", page.colour), "", "  " + (wrap(text, page.width, 2) if page.columns else text)]
    shown = examples(verb.name)
    if shown:
        parts += ["", say("usage.examples"), *(f"  {example}" for example in shown)]
    own = [(_flag(name), say(f"flag.{verb.name}.{name}")) for name in verb.flags]
    own += [(_flag(name, ""), say(f"flag.{verb.name}.{name}")) for name in verb.switches]
    if own:
        parts += ["", say("group.own"), *_table(own, page)]
    if verb.settings:
        for group, names in GROUPS.items():
            rows = [_setting(name) for name in names]
            rows += [(_flag(name, ""), say(f"flag.{name}")) for name in COMMON] if group == "rest" else []
            parts += ["", say(f"group.{group}"), *_table(rows, page)]
    else:
        rows = [_setting("lang"), *((_flag(name, ""), say(f"flag.{name}")) for name in COMMON)]
        parts += ["", say("group.rest"), *_table(rows, page)]
    return "\n".join(parts)


def examples(name: str) -> list[str]:
    """Lines to paste for a verb, or for the whole ("usage")."""
    return say(f"examples.{name}").splitlines() if f"examples.{name}" in SAYINGS else []


def _flag(name: str, value: str | None = None) -> str:
    short = f"{SHORT[name]}, " if name in SHORT else ""
    metavar = {"output": "FILE", "run": "DIR", "val": "DATA", "test": "DATA"}.get(name, "NAME")
    return f"{short}--{name} {metavar if value is None else value}".rstrip()


def _setting(name: str) -> tuple[str, str]:
    rule = RULES[name]
    flag = "--" + name.replace("_", "-")
    text = say(f"setting.{name}")
    if name == "check":
        return "--no-check", say("setting.check.off", text=text)
    kind = {"whole": "N", "number": "X", "numbers": "X,X", "time": "TIME", "path": "PATH"}.get(
        next(iter(rule.kinds), ""), "NAME"
    )
    default = next(f.default for f in fields(Settings) if f.name == name)
    if default is not None:
        shown = f"{default:,}" if isinstance(default, int) and default >= 10_000 else default
        text += say("usage.default", value=shown)
    return f"{flag} {kind}", text


def _table(rows: Sequence[tuple[str, str]], page: Page) -> list[str]:
    """Flags at the left, texts beside them; under them where the page is narrow."""
    size = min(max(width(left) for left, _ in rows), 32)
    indent = size + 4
    if page.columns is not None and page.width < indent + 30:
        return [line for left, right in rows for line in (f"  {left}", "      " + wrap(right, page.width, 6))]
    out = []
    for left, right in rows:
        text = right if page.columns is None else wrap(right, page.width, indent)
        out.append(f"  {paint(pad(left, size), 'cyan', page.colour)}  {text}")
    return out
