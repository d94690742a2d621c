"""Checkpoints: a folder a step, committed so that a crash at any instant leaves the newest or the one before."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.errors import DanluError
from danlu.messages import say
from danlu.snapshot import Memory
from danlu.tensorfile import (
    hash_file,
    make_folder,
    read_tensors,
    remove_folder,
    sync_folder,
    write,
    write_error,
    write_tensors,
)

TENSORS, VALUES, MANIFEST = "state.safetensors", "values.json", "manifest.json"
_NAME = re.compile(r"step-(\d{1,18})-([0-9a-f]{16})")  # the hash is that of manifest.json
_LEFTOVER = re.compile(r"step-\d+.*\.(tmp|del)-[0-9a-f]{8}")
_SMALL = 64 << 20  # bytes; a larger manifest or values file is not ours


@dataclass(frozen=True)
class Checkpoint:
    """A state that was found whole."""

    step: int
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    path: Path


def save(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    *,
    keep: int = 2,
    pinned: Collection[int] = (),
    config: str = "",
) -> Path:
    """Commit one checkpoint; on the disk when this returns, and only then are older ones deleted.

    The ``keep`` newest stay, this one included, and the steps in ``pinned``.
    Raises DL401 (disk full) or DL402 (unwritable); the checkpoints there before are untouched then.
    """
    return _commit(Path(folder), step, tensors, _encode(values), keep=keep, pinned=pinned, config=config)


def _encode(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, allow_nan=False, indent=1).encode()


def _commit(
    folder: Path,
    step: int,
    tensors: Mapping[str, Tensor],
    values: bytes,
    *,
    keep: int,
    pinned: Collection[int],
    config: str,
) -> Path:
    temporary = folder / f"step-{step}.tmp-{secrets.token_hex(4)}"
    try:
        make_folder(folder)
        os.mkdir(temporary)
        files = {
            TENSORS: write_tensors(temporary / TENSORS, tensors),
            VALUES: write(temporary / VALUES, [values], len(values)),
        }
        manifest = _manifest(step, {name: vars(info) for name, info in files.items()}, config)
        write(temporary / MANIFEST, [manifest], len(manifest))
        sync_folder(temporary)
        target = folder / f"step-{step}-{hashlib.sha256(manifest).hexdigest()[:16]}"
        if target.exists() and not damage(target):  # the very same state, saved before
            remove_folder(temporary)
            return target
        if target.exists():
            os.rename(target, folder / f"{target.name}.bad-{secrets.token_hex(4)}")
        os.rename(temporary, target)
        sync_folder(folder)
    except OSError as error:
        remove_folder(temporary, missing_ok=True)
        raise write_error(temporary, error) from error
    except BaseException:  # a full disk, or an interrupt: the half-written folder gives its space back
        remove_folder(temporary, missing_ok=True)
        raise
    _prune(folder, target, keep, pinned)
    return target


def _manifest(step: int, files: dict[str, Any], config: str) -> bytes:
    from danlu import __version__

    versions = {"danlu": __version__, "torch": str(torch.__version__), "numpy": np.__version__}
    content = {"format": 1, "step": step, "files": files, "versions": versions, "config": config}
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _found(folder: Path) -> list[tuple[int, Path]]:
    """Committed folders, newest first; whether they are whole is not looked at."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    hits = [(int(m[1]), folder / name) for name in names if (m := _NAME.fullmatch(name))]
    return sorted(hits, key=lambda hit: (hit[0], hit[1].name), reverse=True)


def latest(folder: Path, *, on_skip: Callable[[Path, str], None] | None = None) -> Checkpoint | None:
    """The highest step whose every byte verifies; None when nothing was ever committed.

    Each damaged one met on the way goes to ``on_skip(path, why)``. DL405 when all are damaged:
    starting over silently would lose the run.
    """
    damaged = []
    for step, path in _found(Path(folder)):
        why = damage(path)
        if not why:
            try:
                return _read(step, path)
            except (DanluError, OSError, ValueError, RecursionError) as error:  # changed since the check
                why = str(error)
        damaged.append(path.name)
        if on_skip:
            on_skip(path, why)
    if damaged:
        raise DanluError("DL405", where=str(folder), count=len(damaged), folder=str(folder))
    return None


def load_step(folder: Path, step: int) -> Checkpoint | None:
    """The checkpoint of one step (a kept best epoch), if it is there and whole."""
    for found, path in _found(Path(folder)):
        if found == step and not damage(path):
            return _read(step, path)
    return None


def _read(step: int, path: Path) -> Checkpoint:
    return Checkpoint(step, read_tensors(path / TENSORS), json.loads((path / VALUES).read_bytes()), path)


def damage(path: Path) -> str:
    """Why a committed folder must not be used, in words; empty when every byte is as it was written."""
    why = _shallow_damage(path)
    if why:
        return why
    try:
        files = json.loads((path / MANIFEST).read_bytes())["files"]
        for name in (TENSORS, VALUES):
            if hash_file(path / name).sha256 != files[name]["sha256"]:
                return say("checkpoint.changed", file=name)
    except OSError as error:
        return str(error)
    return ""


def verify(path: Path) -> bool:
    """True when every byte of the checkpoint folder ``path`` is as it was written."""
    return not damage(Path(path))


def _shallow_damage(path: Path) -> str:
    """What names, the manifest and sizes tell without reading the large file."""
    match = _NAME.fullmatch(path.name)
    try:
        if (path / MANIFEST).stat().st_size > _SMALL or (path / VALUES).stat().st_size > _SMALL:
            return say("checkpoint.changed", file=MANIFEST)
        manifest = (path / MANIFEST).read_bytes()
        if not match or hashlib.sha256(manifest).hexdigest()[:16] != match[2]:
            return say("checkpoint.changed", file=MANIFEST)
        content = json.loads(manifest)
        if content["step"] != int(match[1]) or content["format"] != 1:
            return say("checkpoint.changed", file=MANIFEST)
        for name in (TENSORS, VALUES):
            size = (path / name).stat().st_size
            if size != content["files"][name]["size"]:
                return say("checkpoint.size", file=name, size=size, expected=content["files"][name]["size"])
    except FileNotFoundError as error:
        return say("checkpoint.missing", file=Path(str(error.filename)).name)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return f"{MANIFEST}: {error}"
    return ""


def _prune(folder: Path, newest: Path, keep: int, pinned: Collection[int]) -> None:
    """Delete what is older than the ``keep`` newest whole ones; a step above the newest is left for latest() to judge.

    Each folder is renamed before its files go: a half-deleted one never looks like a checkpoint.
    A failure to delete costs space, not data, so it is no error.
    """
    step = int(newest.name.split("-")[1])
    kept = 1
    for other, path in _found(folder):
        if path == newest or other > step:
            continue
        if other < step and (other in pinned or kept < keep) and not _shallow_damage(path):
            kept += 1
            continue
        try:
            doomed = path.with_name(f"{path.name}.del-{secrets.token_hex(4)}")
            os.rename(path, doomed)
            remove_folder(doomed)
        except OSError:
            continue


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written; only for the holder of the run's lock."""
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if _LEFTOVER.fullmatch(name):
            remove_folder(Path(folder) / name, missing_ok=True)


class Saver:
    """Saves in the background: ``snapshot`` blocks for one memory copy, a thread does the rest.

    A failure of the thread is raised by the next ``snapshot`` or ``wait``. ``before`` runs in the
    thread ahead of each commit (the run folder syncs its log there). One buffer, kept between saves.
    """

    def __init__(
        self, folder: Path, *, keep: int = 2, config: str = "", before: Callable[[], None] | None = None
    ) -> None:
        self.folder, self.keep, self.config, self.before = Path(folder), keep, config, before
        self.saved: Path | None = None  # the last one committed
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._memory = Memory()
        self._swept = False

    @property
    def busy(self) -> bool:
        """True while a commit is under way; a snapshot now would wait for it first."""
        return self._thread is not None and self._thread.is_alive()

    def reserve(self, size: int) -> None:
        """Get memory for a state of ``size`` bytes ready, so that the first snapshot is as fast as the others."""
        self._memory.reserve(size)

    def snapshot(
        self,
        step: int,
        tensors: Mapping[str, Tensor],
        values: Mapping[str, Any],
        *,
        pinned: Collection[int] = (),
    ) -> None:
        """Copy the state and return; it is committed in the background, after the save before has ended."""
        self.wait()
        payload = _encode(values)
        copies = self._memory.copy(tensors)
        steps = frozenset(pinned)

        def commit() -> None:
            try:
                if not self._swept:
                    sweep(self.folder)
                    self._swept = True
                if self.before:
                    self.before()
                self.saved = _commit(
                    self.folder, step, copies, payload, keep=self.keep, pinned=steps, config=self.config
                )
            except BaseException as error:
                self._error = error

        # not a daemon: an interpreter that ends waits for the commit
        self._thread = threading.Thread(target=commit, name="danlu-save")
        self._thread.start()

    def wait(self) -> Path | None:
        """Wait for the commit under way; the newest checkpoint's folder. Raises what the thread met."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return self.saved
