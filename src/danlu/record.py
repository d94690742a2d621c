"""What run.toml says of a run: its arguments, what was chosen, and which Python objects it was made from."""

from __future__ import annotations

import hashlib
import math
import shlex
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from danlu.checkpoint import Checkpoint, latest
from danlu.errors import DanluError
from danlu.lookup import is_reference
from danlu.messages import say
from danlu.plan import Asked
from danlu.settings import (
    LENGTHS,
    Settings,
    changed,
    make_settings,
    merge_settings,
    parse_time,
    read_toml,
    spell,
    to_toml,
)
from danlu.tensorfile import replace_file

# never change the result, so a resumed run may differ in them; what is left out (on_bad) was no part of it before
FREE = frozenset({"lang", "check", "workers", "cache", "log", "on_bad", "bad_limit", "slice"})
FILE = "run.toml"
PARTS = ("data", "test", "val", "model", "loss", "optimizer", "metrics")


def arguments(asked: Asked) -> dict[str, Any]:
    """run.toml's content for what was asked: plain values as keys, Python objects described in a table of their own."""
    plain: dict[str, Any] = {}
    objects: dict[str, str] = {}
    given: dict[str, Any] = {name: getattr(asked, name) for name in PARTS} | changed(asked.settings)
    for name, value in given.items():
        if value is None:
            continue
        if is_plain(value):
            plain[name] = str(value) if isinstance(value, Path) else value
        else:
            objects[name] = describe(value)
    return plain | ({"objects": objects} if objects else {})


def is_plain(value: Any) -> bool:
    """Whether run.toml can hold the value itself."""
    if isinstance(value, (list, tuple)):
        return all(is_plain(v) for v in value)
    if isinstance(value, Mapping):  # the weights of several heads' losses
        return all(isinstance(v, (int, float)) for v in value.values())
    return isinstance(value, (str, Path, bool, int, float))


def describe(value: Any) -> str:
    """A Python object by what must not change between a run and its resumption: class, names, shapes, length."""
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, nn.Module):
        shapes = [f"{k}{tuple(p.shape)}" for k, p in value.named_parameters()]
        count = sum(p.numel() for p in value.parameters())
        digest = hashlib.sha256(" ".join(shapes).encode()).hexdigest()[:8]
        return f"{name}, {count} parameters in {len(shapes)} tensors ({digest})"
    if isinstance(value, Optimizer):
        plain = {k: v for k, v in value.defaults.items() if isinstance(v, (bool, int, float))}
        return f"{name} {plain}"
    if isinstance(value, Tensor) or hasattr(value, "shape"):
        return f"{name} {tuple(value.shape)} {value.dtype if hasattr(value, 'dtype') else ''}".rstrip()
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(describe(v) for v in value[:8]) + ")"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (str, bool, int, float)):
        return repr(value)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return f"{value.__module__}.{value.__qualname__}"
    try:
        return f"{name} of {len(value)}"
    except TypeError:
        return name


def compare(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """The same command continues a run; another one is refused with every difference (DL311)."""
    old, new = _flat(before), _flat(now)
    names = [k for k in sorted(old.keys() | new.keys()) if _same(old.get(k)) != _same(new.get(k)) and k not in FREE]
    if not names:
        return
    differences = "; ".join(say("record.difference", name=k, old=old.get(k, "–"), new=new.get(k, "–")) for k in names)
    longer = [k for k in names if k in LENGTHS and k in new]
    line = f"danlu resume {shlex.quote(str(folder))}" + "".join(f" --{k} {shlex.quote(str(new[k]))}" for k in longer)
    raise DanluError("DL311", where=str(folder), differences=differences, line=line)


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    objects = dict(record.get("objects", {}))
    return {k: v for k, v in record.items() if k not in ("objects", "chosen")} | objects


def _same(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def arguments_of(folder: Path) -> dict[str, Any]:
    """train()'s arguments as run.toml has them; DL312 when some of them were Python objects."""
    record = read_toml(folder / FILE)
    if record.get("objects"):
        raise DanluError("DL312", where=str(folder / FILE), objects=", ".join(record["objects"]), run=str(folder))
    return {k: v for k, v in record.items() if k not in ("chosen", "objects")}


def model_named_in(folder: Path) -> str:
    """The "file.py:Class" that run.toml names as the model, to be shown; empty when there is none."""
    try:
        named = read_toml(folder / FILE).get("model")
    except DanluError:
        return ""
    return str(named) if is_reference(named) else ""


def lengthen(folder: Path, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a run that goes on with ``wanted`` settings, written to its run.toml.

    Only the length may change, and what never touches the result; a new length starts a fresh schedule at the
    newest checkpoint.
    """
    changes = {k: v for k, v in wanted.items() if v is not None and v != before.get(k)}
    others = sorted(changes.keys() - FREE - set(LENGTHS))
    if others:
        differences = "; ".join(
            say("record.difference", name=k, old=before.get(k, "–"), new=changes[k]) for k in others
        )
        line = f"danlu resume {shlex.quote(str(folder))}"
        raise DanluError("DL311", where=str(folder), differences=differences, line=line)
    names = {f.name for f in fields(Settings)}
    settings = merge_settings({k: v for k, v in before.items() if k in names}, changes)
    arguments = {k: v for k, v in before.items() if k not in names} | changed(make_settings(settings))
    if changes.keys() & set(LENGTHS):
        saved = latest(folder / "checkpoints")
        if saved is not None:
            _refuse_shorter(folder, saved, changes)
        chosen = {
            k: v for k, v in read_toml(folder / FILE).get("chosen", {}).items() if k not in ("epochs", "total_steps")
        }
        chosen["schedule_from"] = saved.step if saved is not None else 0
        replace_file(
            folder / FILE, to_toml({**arguments, "chosen": chosen}, say("record.title", folder=folder)).encode()
        )
    return arguments


def _refuse_shorter(folder: Path, saved: Checkpoint, changes: Mapping[str, Any]) -> None:
    """DL318: training that was done cannot be taken back, and run.toml would no longer say what was done."""
    past, seconds = saved.values["progress"]["progress"], saved.values["progress"]["elapsed"]
    done = {"epochs": past["epoch"], "steps": past["step"], "time": seconds}
    for name in LENGTHS:
        wanted = changes.get(name)
        if wanted is not None and (parse_time(wanted) if name == "time" else wanted) < done[name]:
            has = f"{seconds:.0f}s" if name == "time" else done[name]
            more = f"{math.ceil(2 * seconds)}s" if name == "time" else 2 * done[name]
            facts = {"name": name, "wanted": wanted, "done": has, "folder": shlex.quote(str(folder)), "more": more}
            raise DanluError("DL318", where=spell(name, wanted, "python"), **facts)
