"""Which of the three a person means: data, a run, or a model; and how to say it where that is not clear."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, get_args

from torch import nn

from danlu import models
from danlu import run as run_folder
from danlu.data.places import located
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.looking.found import What
from danlu.looking.nets import is_model_name
from danlu.lookup import is_reference, resolve
from danlu.predict import Predictor
from danlu.report.page.contents import Text
from danlu.showing.texts import told

RUN_FILES = ("run.toml", "metrics.jsonl")
MODEL_FILES = ("config.json", "schema.json")


def kind_of(given: Any, wanted: str | None = None) -> tuple[What, Text]:
    """What ``given`` is, and a line for the person where it might have been another. ``wanted`` decides.

    DL150 where a path does not exist, DL270 where it is nearly a model's name, DL348 for a ``wanted`` that is none.
    """
    if wanted is not None:
        if wanted not in get_args(What):
            line = nearest(wanted, get_args(What)) or "data"
            raise DanluError("DL348", where=f"kind={wanted!r}", kind=wanted, line=line)
        return wanted, ""  # type: ignore[return-value]
    if isinstance(given, (nn.Module, Predictor)) or (isinstance(given, type) and issubclass(given, nn.Module)):
        return "model", ""
    if not isinstance(given, (str, Path)):
        return "data", ""
    if is_reference(given):
        found = resolve(str(given))
        is_model = isinstance(found, nn.Module) or (isinstance(found, type) and issubclass(found, nn.Module))
        return ("model" if is_model else "data"), ""
    path = Path(given).expanduser()
    if path.exists() or path.is_symlink():
        found_kind = of_path(path)
        if is_model_name(str(given)):
            return found_kind, told("look.or_model", name=str(given), kind=told(f"look.is.{found_kind}"))
        return found_kind, _or(path, found_kind)
    if is_model_name(str(given)):
        return "model", ""
    if path.name == run_folder.LATEST:
        return "run", ""
    return _missing(str(given)), ""


def of_path(path: Path) -> What:
    """By the files that lie there; whatever is no run and no model is data."""
    if path.name == "run.toml" and path.is_file():
        return "run"
    if path.is_file() and path.name == "latest":  # where there are no links
        return "run"
    if all((path / name).is_file() for name in MODEL_FILES):
        return "model"
    if any((path / name).is_file() for name in RUN_FILES) or (path / "model" / MODEL_FILES[0]).is_file():
        return "run"
    return "data"


def _or(path: Path, kind: What) -> Text:
    """A run's folder holds a model too."""
    if kind == "run" and _has_own_model(path):
        return told("look.or_layers", line=f"danlu look {shlex.quote(str(path / 'model'))}")
    return ""


def _has_own_model(run: Path) -> bool:
    """Whether its model is one of danlu's: a user's own is not made without his class."""
    try:
        config = json.loads((run / "model" / MODEL_FILES[0]).read_bytes())
        return bool(config["model"]["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _missing(name: str) -> What:
    """Neither a path nor a name: the error with what is nearest."""
    try:
        located(name)
    except DanluError as error:
        near = nearest(name, models.MODELS)
        if not error.facts.get("near") and near and "." not in name and "/" not in name:
            raise DanluError(
                "DL270", where=name, name=name, near=did_you_mean(name, models.MODELS), line=near
            ) from None
        raise
    return "data"
