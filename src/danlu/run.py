"""The run folder: its place, its lock, what is written in it, and finding it again."""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from danlu import lock
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.settings import read_toml, to_toml
from danlu.tensorfile import replace_file, write_error

LATEST = "latest"
# a run folder from elsewhere may hold a link in a log's place: never write through it
APPEND = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
MOST_WAITING = 64  # events
MARKS = ("run.toml", "checkpoints", "model")  # a folder with one of these is a run folder


class RunFolder:
    """``runs/<data>-<MMDD-HHMM>/``: run.toml, metrics.jsonl, log.txt, env.json, checkpoints/, model/."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._metrics: int | None = None  # descriptor of metrics.jsonl
        self._lines = 0
        self._waiting: list[Mapping[str, Any]] = []  # events that need not be written at once

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    # the lock ---------------------------------------------------------------------------------------------------------

    def lock(self) -> None:
        """Make this process the only one that writes here. DL403 names the one that already does."""
        try:
            lock.acquire(self.path / ".lock", self.path)
        except OSError as error:
            raise write_error(self.path, error) from error

    def close(self) -> None:
        """Close the log and give the lock back; the folder can be opened again."""
        with contextlib.suppress(DanluError):  # a full disk was told where it mattered
            self._write_waiting()
        if self._metrics is not None:
            os.close(self._metrics)
            self._metrics = None
        lock.release(self.path / ".lock")

    def discard(self) -> None:
        """Remove the folder of a run that never began; what somebody else put there stays."""
        self.close()
        with contextlib.suppress(OSError):
            (self.path / ".lock").unlink(missing_ok=True)
            if self.checkpoints.is_dir():
                self.checkpoints.rmdir()
            self.path.rmdir()

    # run.toml and env.json --------------------------------------------------------------------------------------------

    def write_settings(self, values: Mapping[str, Any], title: str = "") -> None:
        """run.toml: what ``danlu train`` was asked, and every choice made since; running it again repeats the run."""
        replace_file(self.path / "run.toml", to_toml(values, title).encode())

    def read_settings(self) -> dict[str, Any]:
        return read_toml(self.path / "run.toml")

    def write_text(self, name: str, text: str) -> None:
        """A file of the run's for people (README.md), replaced in one step."""
        replace_file(self.path / name, text.encode())

    def write_env(self, values: Mapping[str, Any]) -> None:
        replace_file(self.path / "env.json", json.dumps(values, indent=1, ensure_ascii=False).encode())

    def read_env(self) -> dict[str, Any]:
        """What the run was started with; empty when nobody wrote it down."""
        try:
            found = json.loads((self.path / "env.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    # metrics.jsonl and log.txt ----------------------------------------------------------------------------------------

    @property
    def lines(self) -> int:
        """Whole lines in metrics.jsonl; a checkpoint keeps this number, and ``cut`` goes back to it."""
        self._open_metrics()
        self._write_waiting()
        return self._lines

    def log(self, event: Mapping[str, Any]) -> None:
        """Append one event to metrics.jsonl; NaN and infinity become null, for strict readers."""
        self._waiting.append(event)
        self._write_waiting()

    def log_later(self, event: Mapping[str, Any]) -> None:
        """The same for an event that can wait for the next ones; tensors in it are read when it is written."""
        self._waiting.append(event)
        if len(self._waiting) >= MOST_WAITING:
            self._write_waiting()

    def _write_waiting(self) -> None:
        events, self._waiting = self._waiting, []
        if not events:
            return
        fd = self._open_metrics()
        lines = "".join(json.dumps(_finite(e), ensure_ascii=False, allow_nan=False) + "\n" for e in events).encode()
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(fd, left) :]
        except OSError as error:
            raise write_error(self.path / "metrics.jsonl", error, len(lines)) from error
        self._lines += len(events)

    def cut(self, lines: int) -> None:
        """Drop every line after the first ``lines``: they tell of steps that are made again."""
        self._waiting = []
        fd = self._open_metrics()
        kept = self._whole_lines()[:lines]
        os.ftruncate(fd, sum(len(line) for line in kept))
        self._lines = len(kept)

    def events(self) -> Iterator[dict[str, Any]]:
        """The events in metrics.jsonl, in order; a line that was cut short by a crash is left out."""
        self._write_waiting()
        for line in self._whole_lines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)

    def sync(self) -> None:
        """Wait until metrics.jsonl is on the disk: ahead of each checkpoint, which counts its lines."""
        if self._metrics is not None:
            os.fsync(self._metrics)

    def note(self, text: str) -> None:
        """Append to log.txt, with the time; tracebacks go here. A full disk does not stop the training for it."""
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(OSError):
            fd = os.open(self.path / "log.txt", APPEND, 0o644)
            with open(fd, "a", encoding="utf-8") as file:
                file.write(f"{stamp} {text.rstrip()}\n")

    def _open_metrics(self) -> int:
        if self._metrics is None:
            try:
                self._metrics = os.open(self.path / "metrics.jsonl", APPEND, 0o644)
                lines = self._whole_lines()
                os.ftruncate(self._metrics, sum(len(line) for line in lines))  # a torn last line
            except OSError as error:
                raise write_error(self.path / "metrics.jsonl", error) from error
            self._lines = len(lines)
        return self._metrics

    def _whole_lines(self) -> list[bytes]:
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [line + b"\n" for line in lines[:-1]]

    # for people -------------------------------------------------------------------------------------------------------

    def resume_line(self) -> str:
        return f"danlu resume {_quoted(str(self.path))}"

    def point_latest(self, root: str | Path = "runs") -> None:
        """``runs/latest`` names this folder: a symlink, or a text file where there are none (Windows)."""
        pointer = Path(root) / LATEST
        if pointer.is_dir() and not pointer.is_symlink():  # somebody's own folder
            return
        target = os.path.relpath(self.path, root) if _same_drive(self.path, root) else str(self.path.absolute())
        with contextlib.suppress(OSError):  # a convenience: no reason to stop a training
            pointer.parent.mkdir(parents=True, exist_ok=True)
            temporary = pointer.with_name(f".{LATEST}-{os.getpid()}")
            temporary.unlink(missing_ok=True)
            try:
                temporary.symlink_to(target, target_is_directory=True)
            except (OSError, NotImplementedError):
                temporary.write_text(target, encoding="utf-8")
            os.replace(temporary, pointer)

    def check_space(self, size: int, keep: int = 2) -> None:
        """Before training: can the folder be written (DL402), do the states of ``size`` bytes fit (DL404)?

        They are the ``keep`` newest, the best, and the one being written.
        """
        probe = self.path / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(b"danlu")
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise write_error(self.path, error, 5) from error
        needed = size * (keep + 2)
        if free < needed:
            facts = {"free": free, "needed": needed, "count": keep + 2, "size": size}
            raise DanluError("DL404", where=str(self.path), path=str(self.path), **facts)


def make(name: str, root: str | Path = "runs") -> RunFolder:
    """A new ``root/<name>-<MMDD-HHMM>/``, with -2, -3 … behind it when that is taken."""
    clean = "".join(c if c.isalnum() or c in "-_." else "-" for c in name).strip("-.")[:60] or "run"
    stem, count = f"{clean}-{time.strftime('%m%d-%H%M')}", 1
    while True:
        path = Path(root) / (stem if count == 1 else f"{stem}-{count}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            return RunFolder(path)
        except FileExistsError:
            if not path.parent.is_dir():
                raise write_error(path, NotADirectoryError(20, f"{path.parent} is a file")) from None
            count += 1
        except OSError as error:
            raise write_error(path, error) from error


def at(path: str | Path) -> RunFolder:
    """The folder of ``--run DIR``; made when it is not there."""
    folder = Path(path).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error
    return RunFolder(folder)


def keep_apart(run: str | Path | None, sources: Iterable[str | Path]) -> None:
    """DL406 where a new run's folder would be the data's own, lie inside it, or hold it; nothing is made."""
    folder = Path(os.path.realpath(Path("runs/new" if run is None else run).expanduser()))
    for source in sources:
        data = Path(os.path.realpath(Path(source).expanduser()))
        if data.exists() and (folder.is_relative_to(data) or data.is_relative_to(folder)):
            beside = data.with_name(f"{data.name.partition('.')[0] or data.name}-run")
            line = os.path.relpath(beside) if _same_drive(beside, ".") else str(beside)
            shown = "runs/" if run is None else str(run)
            raise DanluError("DL406", where=f"run={shown!r}", run=shown, data=str(source), line=_quoted(line))


def resolve(path: str | Path = "runs/latest") -> Path:
    """The run folder that ``path`` names, through ``runs/latest`` in either form. DL400 with a did-you-mean."""
    given = Path(path).expanduser()
    folder = given
    if given.name == LATEST and given.is_file():
        folder = given.parent / given.read_text(encoding="utf-8").strip()
    elif given.is_symlink():
        folder = given.parent / os.readlink(given)
    folder = Path(os.path.normpath(folder))
    if folder.is_dir() and any((folder / mark).exists() for mark in MARKS):
        return folder
    why, line = _instead(folder)
    if folder.is_dir():
        why = say("run.empty", marks=", ".join(MARKS))
    raise DanluError("DL400", where=str(path), path=str(path), why=why, line=line)


def model_folder(path: str | Path) -> Path:
    """``model/`` of the run that ``path`` names; a copied ``model/`` folder is taken as it is."""
    given = Path(path).expanduser()
    return given if (given / "config.json").is_file() else resolve(given) / "model"


def _instead(path: Path) -> tuple[str, str]:
    """What to say and to write where ``path`` is no run: the run with the nearest name, or the newest one."""
    parent = path.parent
    try:
        runs = [entry for entry in parent.iterdir() if (entry / "run.toml").is_file() and not entry.is_symlink()]
        runs.sort(key=lambda entry: (entry / "run.toml").stat().st_mtime)
    except OSError:
        runs = []
    names = [entry.name for entry in runs]
    if not runs:
        return say("run.none", parent=str(parent)), "danlu train DATA"
    if near := nearest(path.name, names):
        return did_you_mean(path.name, names), str(parent / near)
    return say("run.newest", parent=str(parent), count=len(runs), name=names[-1]), str(runs[-1])


def environment(device: str = "", threads: int = 0) -> dict[str, Any]:
    """What a bit-identical resume needs alike: versions, machine, device, threads."""
    names = ("danlu", "torch", "numpy", "torchvision", "pyarrow", "pillow")
    versions = {}
    for name in names:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    machine = {"system": platform.system(), "machine": platform.machine(), "processor": _processor()}
    return {"python": platform.python_version(), **versions, **machine, "device": device, "threads": threads}


def _processor() -> str:
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def changes(saved: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two environments, as "torch 2.10 → 2.11"; such a resume may not be bit-identical."""
    return [f"{name} {saved[name]} → {now[name]}" for name in saved if name in now and saved[name] != now[name]]


def _finite(value: Any) -> Any:
    if hasattr(value, "item"):  # a 0-d tensor or a numpy number
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return value


def _same_drive(one: str | Path, other: str | Path) -> bool:
    return os.path.splitdrive(os.path.abspath(one))[0] == os.path.splitdrive(os.path.abspath(other))[0]


def _quoted(text: str) -> str:
    """Text for a shell; a path with spaces stays one argument."""
    if os.name == "nt":
        return f'"{text}"' if " " in text else text
    import shlex

    return shlex.quote(text)
