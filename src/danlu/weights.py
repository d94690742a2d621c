"""Weights in files: a plain state_dict, or a run's model/ folder; reading one never runs code."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import secrets
import shutil
import stat
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn

from danlu.errors import DanluError, did_you_mean, reason
from danlu.fit import built, fill, fit_report, listed
from danlu.fit import weights as weights_of
from danlu.messages import say
from danlu.plain import encode
from danlu.tensorfile import (
    MAX_HEADER,
    hash_file,
    read_tensors,
    replace_with,
    sync_folder,
    write,
    write_error,
    write_tensors,
)
from danlu.types import Field, Kind, Role, Schema, TaskName

__all__ = [
    "built",
    "fill",
    "fit_report",
    "load_linear",
    "load_model_files",
    "load_weights",
    "save_model",
    "save_weights",
]

WEIGHTS, CONFIG, SCHEMA, LINEAR = "weights.safetensors", "config.json", "schema.json", "linear.safetensors"
_WRAPPED_IN = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module")
_MAX_JSON = 64 << 20  # bytes
_MODEL_NAME = r"((torchvision|timm)/\w+(\.\w+)?|[^\W\d]\w*)"
_LAYOUTS = ("image", "columns", "matrix", "mixed", "tensor")


# --- one file --------------------------------------------------------------------------------------------------------


def save_weights(model: nn.Module | Mapping[str, Tensor], path: str | Path) -> Path:
    """Write a module's state_dict (or a dict of tensors) to ``.safetensors``, or to ``.pth``/``.pt``/``.bin``.

    The file is replaced in one step. Any program that reads these formats reads it.
    """
    path = Path(path)
    values = model.state_dict() if isinstance(model, nn.Module) else model
    tensors = {name: t.detach().cpu() for name, t in values.items() if isinstance(t, Tensor)}
    extra = {name: v for name, v in values.items() if not isinstance(v, Tensor)}
    encode(extra, "state_dict", {})  # nothing goes out that would not be read back
    suffix = path.suffix.lower()
    if suffix == ".safetensors":
        if extra:
            raise DanluError("DL412", where=str(path), name=listed(list(extra)), kind="value that is no tensor")
        replace_with(path, lambda temporary: write_tensors(temporary, tensors))
    elif suffix in (".pth", ".pt", ".bin"):
        packed = io.BytesIO()  # torch's own writer tells a full disk as a RuntimeError without numbers
        torch.save({**tensors, **extra}, packed)
        replace_with(path, lambda temporary: write(temporary, [packed.getbuffer()], packed.tell()))
    else:
        raise DanluError("DL426", where=str(path), suffix=suffix)
    return path


def load_weights(path: str | Path, model: nn.Module | None = None) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a ``.pth``/``.pt``/``.bin`` state_dict, by name, on the CPU.

    Read by content, not by suffix, and without running code. A training's file that wraps its
    state_dict ({"model": …, "epoch": …}) is opened. With ``model`` they are loaded into it.
    DL420 unreadable, DL421 holds code, DL422 not there, DL423 does not fit, DL425 a zip bomb.
    """
    path = Path(path)
    if path.is_dir():
        path = path / WEIGHTS
    _check_regular(path)
    tensors = read_tensors(path) if _is_safetensors(path) else _read_torch(path)
    if model is not None:
        fill(model, tensors, str(path))
    return tensors


def _check_regular(path: Path) -> None:
    """A device or a pipe would be read for ever."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        why = did_you_mean(path.name, names) if isinstance(error, FileNotFoundError) and names else str(error)
        raise DanluError("DL422", where=str(path), path=str(path), why=why, parent=str(path.parent)) from None
    if not stat.S_ISREG(mode):
        raise DanluError("DL420", where=str(path), path=str(path), reason=say("model.irregular", file=path.name))


def _is_safetensors(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(9)
    zip_or_pickle = head[:2] in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    return path.suffix.lower() == ".safetensors" or (len(head) == 9 and head[8:] == b"{" and not zip_or_pickle)


def _read_torch(path: Path) -> dict[str, Tensor]:
    _check_archive(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if code := re.search(r"GLOBAL (\S+)", str(error)):
            raise DanluError("DL421", where=str(path), path=str(path), found=listed([code[1]])) from None
        raise DanluError("DL420", where=str(path), path=str(path), reason=say("weights.other")) from None
    except Exception as error:  # a hostile file reaches every corner of the reader
        raise DanluError("DL420", where=str(path), path=str(path), reason=_first_line(error)) from None
    tensors = _tensors_in(found)
    if not tensors:
        raise DanluError("DL420", where=str(path), path=str(path), reason=say("weights.none"))
    return tensors


def _first_line(error: BaseException) -> str:
    text = (str(error).strip().splitlines() or [""])[0][:200]
    return listed([f"{type(error).__name__}: {text}"])


def _tensors_in(found: Any) -> dict[str, Tensor]:
    if not isinstance(found, Mapping):
        return {}
    own = {name: t.detach() for name, t in found.items() if isinstance(name, str) and isinstance(t, Tensor)}
    if own:
        return own
    return next((inner for key in _WRAPPED_IN if (inner := _tensors_in(found.get(key)))), {})


def _check_archive(path: Path) -> None:
    """torch stores its archives uncompressed: what would unpack to more than the file is no weights file."""
    if not zipfile.is_zipfile(path):
        return
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DanluError("DL420", where=str(path), path=str(path), reason=_first_line(error)) from None
    if unpacked > size:
        raise DanluError("DL425", where=str(path), path=str(path), size=size, unpacked=unpacked)


# --- a run's model/ folder -------------------------------------------------------------------------------------------


def save_model(
    folder: str | Path,
    module: nn.Module,
    config: Mapping[str, Any],
    schema: Schema,
    linear: Mapping[str, Tensor] | None = None,
) -> None:
    """Write ``model/``: weights.safetensors, config.json (``config`` and the weights' hash), schema.json.

    ``linear`` (the cheap model that stands beside in a test) goes into linear.safetensors.
    ``config["model"]`` is {"name", "arguments"} for a model of danlu's, {"class"} for the user's own.
    The whole folder is made beside and renamed; a crash leaves the old one, under its name or as
    ``model.old``, which ``load_model_files`` finds.
    """
    folder = Path(folder)
    temporary, old = (
        folder.with_name(f"{folder.name}.tmp-{secrets.token_hex(4)}"),
        folder.with_name(f"{folder.name}.old"),
    )
    kept, tied = weights_of(module)
    try:
        temporary.mkdir(parents=True)
        written = write_tensors(temporary / WEIGHTS, kept, {"format": "pt"})
        content = {"format": 1, **config, "tied": tied, "weights": vars(written)}
        if linear is not None:
            content["linear"] = vars(write_tensors(temporary / LINEAR, linear))
        for name, value in ((SCHEMA, schema.to_json()), (CONFIG, content)):
            data = json.dumps(value, ensure_ascii=False, indent=1).encode()
            write(temporary / name, [data], len(data))
        sync_folder(temporary)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            os.rename(folder, old)
        os.rename(temporary, folder)
        sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load_model_files(folder: str | Path) -> tuple[dict[str, Any], Schema, dict[str, Tensor]]:
    """``(config, schema, tensors)`` of a ``model/`` folder, or of the run around it: data, a class only by name.

    DL424 says what is missing, changed since it was written, or not as danlu writes it.
    """
    folder = Path(folder)
    if not (folder / CONFIG).exists() and folder.name != "model":
        folder = folder / "model"
    old = folder.with_name(f"{folder.name}.old")
    if not folder.exists() and old.is_dir():  # a crash between two renames
        folder = old
    config, schema = _json(folder, CONFIG), _json(folder, SCHEMA)
    written, tied = _config_entries(folder, config)
    path = folder / WEIGHTS
    _ordinary(folder, WEIGHTS)
    if path.stat().st_size != written.get("size") or hash_file(path).sha256 != written.get("sha256"):
        raise _unusable(folder, say("model.changed", file=WEIGHTS))
    tensors = read_tensors(path)
    if not all(name in tensors and alias not in tensors for alias, name in tied.items()):
        raise _unusable(folder, say("model.entry", file=CONFIG, entry="tied"))
    return config, _schema(folder, schema), tensors | {alias: tensors[name] for alias, name in tied.items()}


def load_linear(folder: str | Path, config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of linear.safetensors; empty where the run kept none. DL424 where it is not what was written."""
    written, folder = config.get("linear"), Path(folder)
    if written is None:
        return {}
    if not (folder / CONFIG).exists():
        folder = folder / "model" if (folder / "model").exists() else folder.with_name(f"{folder.name}.old")
    _ordinary(folder, LINEAR)
    path = folder / LINEAR
    if not isinstance(written, dict) or hash_file(path).sha256 != written.get("sha256"):
        raise _unusable(folder, say("model.changed", file=LINEAR))
    return read_tensors(path)


def _config_entries(folder: Path, config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    written, tied, model = config.get("weights"), config.get("tied", {}), config.get("model", {})
    checks = {
        "format": config.get("format") == 1,
        "weights": isinstance(written, dict),
        "tied": isinstance(tied, dict) and all(isinstance(v, str) for v in tied.values()),
        "model": isinstance(model, dict),
    }
    if isinstance(model, dict):
        name = model.get("name", "_")  # a name of ours or a library's, never a path
        checks["model.name"] = isinstance(name, str) and re.fullmatch(_MODEL_NAME, name) is not None
        checks["model.arguments"] = isinstance(model.get("arguments", {}), dict)
        checks["model.class"] = isinstance(model.get("class", ""), str)
    for entry, good in checks.items():
        if not good:
            raise _unusable(folder, say("model.entry", file=CONFIG, entry=entry))
    assert isinstance(written, dict)
    return written, tied


def _unusable(folder: Path, reason: str) -> DanluError:
    return DanluError("DL424", where=str(folder), path=str(folder), reason=reason)


def _ordinary(folder: Path, name: str, most: int | None = None) -> None:
    try:
        info = (folder / name).stat()
    except FileNotFoundError:
        raise _unusable(folder, say("model.missing", file=name)) from None
    except OSError as error:
        raise _unusable(folder, f"{name}: {reason(error)}") from None
    if not stat.S_ISREG(info.st_mode):
        raise _unusable(folder, say("model.irregular", file=name))
    if most is not None and info.st_size > most:
        raise _unusable(folder, say("model.large", file=name, size=info.st_size))


def _json(folder: Path, name: str) -> dict[str, Any]:
    _ordinary(folder, name, _MAX_JSON)
    try:
        value = json.loads((folder / name).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unusable(folder, f"{name}: {_first_line(error)}") from None
    if not isinstance(value, dict):
        raise _unusable(folder, say("model.entry", file=name, entry=type(value).__name__))
    return value


def _schema(folder: Path, value: dict[str, Any]) -> Schema:
    try:
        schema = Schema.from_json(value)
    except (KeyError, TypeError, AttributeError) as error:
        raise _unusable(folder, f"{SCHEMA}: {_first_line(error)}") from None
    whole = schema.task in get_args(TaskName) and schema.layout in _LAYOUTS and isinstance(schema.origin, str)
    wrong = [] if whole else ["task, layout, origin"]
    wrong += [] if all(isinstance(part, str) for part in schema.parts) else ["parts"]
    wrong += [str(f.name) for f in schema.fields if not _is_field(f)]
    if wrong:
        raise _unusable(folder, say("model.entry", file=SCHEMA, entry=listed(wrong)))
    return schema


def _is_field(f: Field) -> bool:
    def each(values: Any, *kinds: type) -> bool:
        return isinstance(values, tuple) and all(isinstance(v, kinds) and not isinstance(v, bool) for v in values)

    texts = all(isinstance(v, str) for v in (f.name, f.why, f.dtype))
    known = f.kind in get_args(Kind) and f.role in get_args(Role)
    shape = each(f.shape, int) and all(0 <= s < MAX_HEADER for s in f.shape)
    numbers = each(f.mean, int, float) and each(f.std, int, float) and type(f.missing) is int
    numbers = numbers and all(abs(v) <= sys.float_info.max for v in (*f.mean, *f.std))  # NaN is not
    return texts and known and shape and numbers and each(f.classes, str)
