"""argv to a call: the verb and its function's arguments, or the usage error with the nearest flag."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu import __version__
from danlu.cli import usage
from danlu.cli.usage import COMMON, SHORT, VERBS, Verb
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.report import Mode
from danlu.report.lines import Page
from danlu.rules import ELSEWHERE, RULES, parse_time
from danlu.settings import make_settings, merge_settings, read_text, read_toml

LATEST = "runs/latest"
RUN_MARKS = ("run.toml", "model", "checkpoints")  # a folder with one of these is a run
_WIDE = Page()


@dataclass(frozen=True)
class Call:
    """What was typed: the verb and the keyword arguments of its function in api."""

    verb: str
    arguments: dict[str, Any]
    mode: Mode
    debug: bool


def parse(argv: Sequence[str], page: Page = _WIDE) -> Call | str:
    """The call that ``argv`` stands for, or the help page it asks for; DanluError where it makes no sense."""
    if not argv or argv[0] in ("-h", "--help"):
        return usage.overview(__version__, page)
    if argv[0] in ("-V", "--version"):
        return f"danlu {__version__}"
    name, rest = argv[0], [_dashes(token) for token in argv[1:]]
    if name == "help":
        name, rest = (rest[0], ["--help"]) if rest else ("--help", [])
        return parse([name, *rest], page)
    if name.startswith("--lang"):  # before the command
        return _spoken(argv, page)
    if name not in VERBS:
        raise _no_verb(name, argv)
    verb = VERBS[name]
    if "-h" in rest or "--help" in rest:
        return usage.of_verb(verb, page)
    return _call(verb, _read(verb, rest))


def _spoken(argv: Sequence[str], page: Page) -> Call | str:
    """``--lang zh train …`` is ``train --lang zh …``."""
    own = 1 if "=" in argv[0] else 2
    lang, rest = argv[:own], argv[own:]
    if rest and rest[0] in VERBS:
        rest = [rest[0], *lang, *rest[1:]]
    return parse(rest, page)


def _call(verb: Verb, given: dict[str, Any]) -> Call:
    places: list[str] = given.pop("places")
    mode, debug = Mode(given.pop("json", False), given.pop("quiet", False)), given.pop("debug", False)
    settings = {k: _value(k, v) for k, v in given.items() if k in RULES}
    arguments = {k: v for k, v in given.items() if k not in RULES}
    make_settings(settings, "flag")  # every wrong value is a usage error, said before torch is imported
    arguments |= {k: v for k, v in settings.items() if verb.settings or k in verb.flags}
    return Call(verb.name, _ARGUMENTS[verb.name](verb, places, arguments), mode, debug)


# --- from the words typed to the arguments of api's functions


def _train(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    data, test = _places(verb, places, required=1)
    if test is not None:
        if "time" in arguments and _is_unit(test):  # --time 5 min
            whole = f"{arguments['time']}{test}"
            raise DanluError("DL010", test, name=test, usage=say("rule.time"), line=f"--time {whole}")
        if "test" in arguments:
            raise _too_many(verb, test)
        arguments["test"] = test
    if data.endswith(".toml"):
        return merge_settings(_recorded(data), arguments)
    return {"data": data, **arguments}


def _is_unit(word: str) -> bool:
    """Whether the word is the second half of a time written apart, and no file."""
    try:
        return parse_time(f"1{word}") > 0 and not word.isdecimal() and not Path(word).exists()
    except ValueError:
        return False


def _recorded(path: str) -> dict[str, Any]:
    """The arguments a run.toml keeps; its tables tell of what was chosen, not of what was asked."""
    record = read_toml(path)
    if record.get("objects"):
        raise DanluError("DL016", path, path=path, objects=", ".join(record["objects"]))
    return {k: v for k, v in record.items() if k != "chosen"}


def _test(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    if len(places) == 1 and not _names_run(places[0]):
        places = [LATEST, *places]
    run, data = _places(verb, places, required=0)
    return {"run": run or LATEST, "data": data, **arguments}


def _predict(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    run = places[0] if places and _names_run(places[0]) else LATEST
    inputs = places[1:] if places and run == places[0] else places
    if not inputs:
        raise _missing(verb, "INPUT")
    return {"run": run, "inputs": inputs, **arguments}


def _resume(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    (run,) = _places(verb, places, required=0)
    return {"run": run or LATEST, **arguments}


def _look(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    data, test = _places(verb, places, required=0)
    if test is not None:
        if "test" in arguments:
            raise _too_many(verb, test)
        arguments["test"] = test
    return {"data": data or LATEST, **arguments}


def _demo(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    (kind,) = _places(verb, places, required=0)
    kinds = ("image", "table")
    if kind is not None and kind not in kinds:
        near = nearest(kind, kinds) or kinds[0]
        expected = say("rule.names", names=", ".join(kinds))
        raise DanluError("DL005", f"demo {kind}", name="demo", value=kind, expected=expected, line=f"danlu demo {near}")
    return {"kind": kind or "image", **arguments}


def _doctor(verb: Verb, places: list[str], arguments: dict[str, Any]) -> dict[str, Any]:
    _places(verb, places, required=0)
    return arguments


_ARGUMENTS: dict[str, Callable[[Verb, list[str], dict[str, Any]], dict[str, Any]]] = {
    "train": _train,
    "test": _test,
    "predict": _predict,
    "resume": _resume,
    "look": _look,
    "demo": _demo,
    "doctor": _doctor,
}


def _places(verb: Verb, places: list[str], required: int) -> list[Any]:
    """As many values as the verb has places, None for those left out."""
    if len(places) > len(verb.places):
        raise _too_many(verb, places[len(verb.places)], _pattern(verb, places))
    if len(places) < required:
        raise _missing(verb, verb.places[len(places)])
    return [*places, *[None] * (len(verb.places) - len(places))]


def _names_run(text: str) -> bool:
    """Whether the first word of predict or test is the run: a run's folder, or something that is no data either."""
    path = Path(text).expanduser()
    model = all((path / name).is_file() for name in ("config.json", "schema.json"))  # a copied model/ folder
    if model or path.name == "latest" or any((path / mark).exists() for mark in RUN_MARKS):
        return True
    return not path.exists() and not any(c in text for c in "*?[") and ".py:" not in text


# --- argparse


def _read(verb: Verb, argv: list[str]) -> dict[str, Any]:
    """The flags given, by name, and the other words as "places"."""
    parser = _parser(verb)
    try:
        known, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise _wrong_value(verb, error.argument_name or "") from None
    unknown = [word for word in rest if word.startswith("-") and word != "-"]
    if unknown:
        raise _no_flag(verb, unknown[0], argv, parser)
    given = vars(known)
    given["places"] = [*given["places"], *rest]  # words that stand between flags
    return given


def _parser(verb: Verb) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, exit_on_error=False, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("places", nargs="*", default=[])
    for name in (*verb.flags, *(RULES if verb.settings else ("lang",))):
        flag = "--" + name.replace("_", "-")
        if name in RULES and RULES[name].kinds == ("flag",):
            parser.add_argument(flag, dest=name, action="store_true")
            parser.add_argument(f"--no-{flag[2:]}", dest=name, action="store_false")
        else:
            parser.add_argument(*([SHORT[name]] if name in SHORT else []), flag, dest=name)
    for name in verb.switches:
        parser.add_argument(f"--{name}", dest=name, action="store_true")
    for name in COMMON:
        parser.add_argument(*([SHORT[name]] if name in SHORT else []), f"--{name}", dest=name, action="store_true")
    return parser


def _dashes(token: str) -> str:
    """--batch_size, as the setting is called, is --batch-size."""
    flag, equals, value = token.partition("=")
    return flag.replace("_", "-") + equals + value if token.startswith("--") else token


def _value(name: str, text: Any) -> Any:
    return read_text(name, text) if isinstance(text, str) else text


# --- usage errors


def _no_verb(name: str, argv: Sequence[str]) -> DanluError:
    if name.startswith("-"):
        return DanluError("DL009", f"danlu {name}", name="COMMAND", usage=_commands(VERBS), line="danlu --help")
    near = nearest(name, VERBS)
    if near:
        return DanluError(
            "DL008", f"danlu {name}", name=name, near=did_you_mean(name, VERBS), line=again(near, argv[1:])
        )
    is_data = Path(name).exists() or ".py:" in name
    line = again("train", argv) if is_data else "danlu --help"
    return DanluError("DL008", f"danlu {name}", name=name, near=_commands(VERBS), line=line)


def _commands(names: Iterable[str]) -> str:
    return say("usage.commands", names=", ".join(names))


def again(verb: str, words: Sequence[str]) -> str:
    return " ".join(["danlu", verb, *(json.dumps(w, ensure_ascii=False) if " " in w else w for w in words)])


def _no_flag(verb: Verb, word: str, argv: Sequence[str], parser: argparse.ArgumentParser) -> DanluError:
    flag, equals, value = word.partition("=")
    known = [option for action in parser._actions for option in action.option_strings]
    here = "--" + ELSEWHERE.get(flag.lstrip("-").lower().replace("-", "_"), "").replace("_", "-")
    near = here if here in known else nearest(flag, known)
    if not near:
        return DanluError("DL007", word, name=flag, near=say("usage.help", verb=verb.name), line="")
    line = again(verb.name, [near + equals + value if w == word else w for w in argv])
    return DanluError("DL007", word, name=flag, near=did_you_mean(near, known), line=line)


def _wrong_value(verb: Verb, option: str) -> DanluError:
    flag = option.split("/")[-1]
    name = flag.removeprefix("--").removeprefix("no-").replace("-", "_")
    if name in (*COMMON, *verb.switches) or (name in RULES and RULES[name].kinds == ("flag",)):
        return DanluError("DL015", flag, name=flag, line=flag)
    example = RULES[name].example if name in RULES else "…"
    expected = say(f"setting.{name}") if name in RULES else say(f"flag.{verb.name}.{name}")
    return DanluError("DL014", flag, name=flag, expected=expected, line=f"{flag} {example}")


def _missing(verb: Verb, name: str) -> DanluError:
    line = usage.line(verb)
    return DanluError("DL009", f"danlu {verb.name}", name=name, usage=say("usage.line", line=line), line=_first(verb))


def _pattern(verb: Verb, places: Sequence[str]) -> str:
    """The line with the pattern in quotes, where the words are files that the shell made of it; else empty."""
    suffixes = {Path(p).suffix for p in places}
    if len(verb.places) < 2 or len(suffixes) > 1 or not all(Path(p).is_file() for p in places):
        return ""
    return f'danlu {verb.name} "{os.path.commonprefix(places)}*{suffixes.pop()}"'  # noqa: RUF071 - by characters


def _too_many(verb: Verb, word: str, line: str = "") -> DanluError:
    shown = say("usage.line", line=usage.line(verb))
    return DanluError("DL010", word, name=word, usage=shown, line=line or _first(verb))


def _first(verb: Verb) -> str:
    """The first example of a verb, as a line to paste."""
    return (usage.examples(verb.name) or [f"danlu {verb.name}"])[0].partition("#")[0].strip()
