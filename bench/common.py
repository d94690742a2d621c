"""What the benchmarks share: child processes on a pseudo-terminal, the data, versions, and the tables they print."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PEERS = {  # contestant -> packages it needs
    "lightning": ("lightning",),
    "hf": ("transformers", "accelerate"),
    "ignite": ("pytorch-ignite",),
    "fastai": ("fastai",),
    "keras": ("keras",),
    "skorch": ("skorch",),
    "tutorial": ("torchvision",),
}


# ---- what is here


def missing(contestant: str) -> list[str]:
    """Packages that a contestant needs and this environment lacks."""
    lacking = []
    for package in PEERS.get(contestant, ()):
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            lacking.append(package)
    return lacking


def present(contestants: Iterable[str], only: str | None = None) -> list[str]:
    """The contestants that can run here; a line is printed for each that cannot."""
    wanted = [c for c in contestants if only is None or c in only.split(",")]
    for contestant in wanted:
        if lacking := missing(contestant):
            print(f"skipped: {contestant} (not installed: {', '.join(lacking)})")
    return [c for c in wanted if not missing(c)]


def headline(contestants: Iterable[str]) -> str:
    """Machine and versions, for the first line of every table."""
    packages = ["torch", *(p for c in contestants for p in PEERS.get(c, ()))]
    versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in dict.fromkeys(packages))
    return f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


# ---- children: each measurement is a process of its own, so that no contestant warms or slows another


@dataclass(frozen=True)
class Child:
    spawned: float  # time.monotonic(), the same clock in every process of a machine
    wall: float  # seconds
    cpu: float  # seconds, user and system
    marks: list[dict[str, Any]]  # what mark() wrote in it
    shown: str  # what it wrote to its terminal


def run_child(argv: Sequence[str], *, env: dict[str, str] | None = None, timeout: float = 1200) -> Child:
    """Run ``argv`` on a pseudo-terminal (progress lines are drawn, as for a person) in an empty folder."""
    folder = Path(tempfile.mkdtemp(prefix="danlu-bench-"))
    marks = folder / "marks.jsonl"
    main, sub = pty.openpty()
    shown: list[bytes] = []
    full = os.environ | {"BENCH_MARKS": str(marks), "PYTHONUNBUFFERED": "", "DANLU_LANG": "en"} | (env or {})
    try:
        spawned = time.monotonic()
        process = subprocess.Popen(argv, cwd=folder, env=full, stdin=subprocess.DEVNULL, stdout=sub, stderr=sub)
        os.close(sub)
        reader = threading.Thread(target=drain, args=(main, shown), daemon=True)
        reader.start()
        watchdog = threading.Timer(timeout, process.kill)
        watchdog.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - spawned
        watchdog.cancel()
        reader.join(5)
        os.close(main)
        text = b"".join(shown).decode("utf-8", "replace")
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise ChildFailed(f"{' '.join(argv)[:300]}\nexit {process.returncode}\n{text[-2500:]}")
        lines = marks.read_text().splitlines() if marks.exists() else []
        return Child(spawned, wall, usage.ru_utime + usage.ru_stime, [json.loads(line) for line in lines], text)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class ChildFailed(RuntimeError):
    """A measured process ended with an error; its last words are in the text."""


def drain(terminal: int, shown: list[bytes]) -> None:
    while True:
        try:
            got = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return
        if not got:
            return
        shown.append(got)


def mark(**facts: Any) -> None:
    """Called in a child: tell the parent something, stamped with the time."""
    with open(os.environ["BENCH_MARKS"], "a") as file:
        file.write(json.dumps({"at": time.monotonic(), **facts}) + "\n")


class StepClock:
    """Times updates ``warm`` to ``last`` by torch's hook on every optimizer: one clock for all contestants."""

    def __init__(self, warm: int, last: int) -> None:
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self.warm, self.last, self.count, self.began = warm, last, 0, 0.0
        register_optimizer_step_post_hook(self.tick)

    def tick(self, *_: Any) -> None:
        self.count += 1
        if self.count == self.warm:
            self.began = time.perf_counter()
        elif self.count == self.last:
            seconds = time.perf_counter() - self.began
            mark(microseconds=seconds / (self.last - self.warm) * 1e6)


def interleaved(
    contestants: Sequence[str], rounds: int, measure: Callable[[str, int], Any], *, warm: bool = True
) -> dict[str, list[Any]]:
    """``measure(contestant, round)`` of each in turn, ``rounds`` times, after a round -1 that does not count."""
    out: dict[str, list[Any]] = {c: [] for c in contestants}
    for i in range(-1 if warm else 0, rounds):
        for contestant in contestants:
            if contestant not in out:
                continue
            print(f"\r{max(i + 1, 0)}/{rounds} {contestant:24}", end="", file=sys.stderr, flush=True)
            try:
                value = measure(contestant, i)
            except ChildFailed as failure:
                print(f"\nskipped: {contestant} failed\n{failure}")
                del out[contestant]
                continue
            if i >= 0:
                out[contestant].append(value)
    print(file=sys.stderr)
    return out


# ---- data


def read_idx(path: Path) -> Any:
    """An IDX file (plain or .gz) as a uint8 tensor."""
    import torch

    raw = path.read_bytes()
    raw = gzip.decompress(raw) if path.suffix == ".gz" else raw
    sizes = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return torch.frombuffer(bytearray(raw[4 + 4 * len(sizes) :]), dtype=torch.uint8).view(sizes)


def fashion_folder() -> Path:
    """Fashion-MNIST: Debian's package dataset-fashion-mnist (60,000 rows), else the 15,000 rows of $DANLU_DATA."""
    full = Path("/usr/share/datasets/fashion-mnist")
    if full.is_dir():
        return full
    return data_folder() / "images_idx_fashion"


def data_folder() -> Path:
    named = os.environ.get("DANLU_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        raise SystemExit("set DANLU_DATA to the folder of the public data sets, or apt install dataset-fashion-mnist")
    return folder


# ---- printing


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 4) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):.{digits}f} ± {deviation:.{digits}f}"


def ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Median over the rounds of the ratio within a round: what else the machine did in a round hits both."""
    return median([a / b for a, b in zip(values, base)])


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for n, line in enumerate(lines):
        cells = [cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))]
        print("| " + " | ".join(cells) + " |")
        if n == 0:
            print("|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|")
