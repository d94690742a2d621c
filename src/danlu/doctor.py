"""The environment report: versions, devices, memory, disk, and the lines that mend what is wrong."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from danlu import __version__
from danlu.errors import reason
from danlu.lookup import first_line
from danlu.messages import language, say

State = Literal["ok", "note", "warning", "error"]
NEEDED = ("numpy", "pillow", "pyarrow", "safetensors", "psutil")
OPTIONAL = ("pandas", "polars", "datasets", "numba", "scikit-learn")
MODULES = {"pillow": "PIL", "scikit-learn": "sklearn"}  # where a package and its module are called differently
SMALL_DISK, SMALL_SHM = 2**30, 2**28  # bytes; Docker's default /dev/shm has 2**26


@dataclass(frozen=True)
class Row:
    """One finding: ``fix`` is a line to paste, empty where nothing is wrong."""

    name: str
    value: str
    state: State = "ok"
    fix: str = ""


def report() -> list[Row]:
    """Everything a person needs to know, or to send along with a question. Never raises."""
    rows = [
        Row("danlu", f"{__version__} ({Path(__file__).parent})"),
        Row("Python", f"{platform.python_version()} ({sys.executable})"),
        _machine(),
        *_memory(),
    ]
    torch, row = _load("torch", "torch", "pip install --force-reinstall torch")
    if torch is not None:
        row = Row(row.name, say("doctor.torch.value", version=torch.__version__, threads=torch.get_num_threads()))
        rows += [row, *_gpus(torch), _bf16(torch), _torchvision(torch)]
    else:
        rows.append(row)
    return [*rows, *_needed(), _optional(), _disk(Path.cwd()), *_shared_memory(), _text()]


def size(amount: float) -> str:
    """Bytes as 3.1 GB; 1 GB is 1024³ bytes here, as memory is sold."""
    for unit in ("B", "KB", "MB", "GB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if amount >= 10 or unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TB"


def _load(package: str, name: str, fix: str) -> tuple[Any, Row]:
    """(the module or None, its row)."""
    version = _version(package)
    if not version:
        return None, Row(name, say("doctor.needed.missing", name=package), "error", f"pip install {package}")
    try:
        return importlib.import_module(MODULES.get(package, package)), Row(name, version)
    except Exception as error:  # a wheel for another machine fails in any way it likes
        text = say("doctor.broken", name=package, version=version, reason=first_line(error))
        return None, Row(name, text, "error", fix)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _machine() -> Row:
    facts = {"system": f"{platform.system()} {platform.release()}", "cpu": _cpu(), "cores": cores()}
    return Row(say("doctor.machine"), say("doctor.machine.value", **facts))


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def cores() -> int:
    """Cores this process may use: those it is bound to, or fewer where a container has a quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    count = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        count = min(count, max(1, round(int(quota[0]) / int(quota[1]))))
    return count


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return ""


def _memory() -> list[Row]:
    try:
        import psutil
    except ImportError:  # named among the needed packages
        return []
    memory = psutil.virtual_memory()
    free, total = memory.available, memory.total
    limit, used = _first_line("/sys/fs/cgroup/memory.max"), _first_line("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and int(limit) < total:
        total = int(limit)
        free = min(free, total - int(used or 0))
    return [Row(say("doctor.memory"), say("doctor.memory.value", free=size(free), total=size(total)))]


def _gpus(torch: Any) -> list[Row]:
    name = say("doctor.gpu")
    if torch.cuda.is_available():
        found = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return [Row(name, f"cuda:{i} {gpu.name}, {size(gpu.total_memory)}") for i, gpu in enumerate(found)]
    if torch.backends.mps.is_available():
        return [Row(name, "mps")]
    driver = shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia").exists()
    cuda = torch.version.cuda
    if driver and not cuda:
        return [Row(name, say("doctor.gpu.cpu_build"), "warning", "pip install --force-reinstall torch")]
    if driver:
        return [Row(name, say("doctor.gpu.no_driver", cuda=cuda), "warning", "nvidia-smi")]
    return [Row(name, say("doctor.gpu.none"), "note")]


def _bf16(torch: Any) -> Row:
    tests = {"AMX": "_is_amx_tile_supported", "AVX512-BF16": "_is_avx512_bf16_supported"}
    how = [name for name, test in tests.items() if getattr(torch.cpu, test, bool)()]
    if not how:
        return Row(say("doctor.bf16"), say("doctor.bf16.no"), "note")
    return Row(say("doctor.bf16"), say("doctor.bf16.yes", how=", ".join(how)))


def _torchvision(torch: Any) -> Row:
    """A torchvision made for another torch is what is wrong most often; its metadata names the torch it needs."""
    name, version = "torchvision", _version("torchvision")
    if not version:
        return Row(name, say("doctor.absent"), "note")
    pinned = [re.match(r"torch\s*\(?==\s*([\d.]+)", need) for need in metadata.requires("torchvision") or []]
    wanted = next((found[1] for found in pinned if found), "")
    have = re.match(r"[\d.]+", torch.__version__)
    if wanted and have and wanted != have[0]:
        text = say("doctor.torchvision.mismatch", version=version, wanted=wanted, have=torch.__version__)
        return Row(name, text, "warning", "pip install --upgrade torch torchvision")
    found, row = _load("torchvision", name, "pip install --force-reinstall torch torchvision")
    return row if found is not None else Row(name, row.value, "warning", row.fix)


def _needed() -> list[Row]:
    rows = [_load(package, say("doctor.needed"), f"pip install --force-reinstall {package}")[1] for package in NEEDED]
    broken = [row for row in rows if row.state != "ok"]
    good = [f"{package} {row.value}" for package, row in zip(NEEDED, rows) if row.state == "ok"]
    return [*([Row(say("doctor.needed"), ", ".join(good))] if good else []), *broken]


def _optional() -> Row:
    found = [f"{package} {_version(package)}" for package in OPTIONAL if _version(package)]
    return Row(say("doctor.extras"), ", ".join(found) or say("doctor.absent"), "ok" if found else "note")


def _disk(folder: Path) -> Row:
    """Where runs/ goes: whether it can be written to, and how much fits."""
    name = say("doctor.disk")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"danlu")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        text = say("doctor.disk.readonly", folder=folder, reason=reason(error))
        return Row(name, text, "error", "danlu train … --run DIR")
    state: State = "warning" if free < SMALL_DISK else "ok"
    return Row(name, say("doctor.disk.value", free=size(free), folder=folder), state)


def _shared_memory(path: str = "/dev/shm") -> list[Row]:
    """Worker processes hand batches over through shared memory; containers often have too little."""
    if not Path(path).is_dir():
        return []
    usage = shutil.disk_usage(path)
    if usage.total < SMALL_SHM:
        text = say("doctor.shm.small", total=size(usage.total))
        return [Row(say("doctor.shm"), text, "warning", "docker run --shm-size=2g …")]
    facts = {"free": size(usage.free), "total": size(usage.total)}
    return [Row(say("doctor.shm"), say("doctor.shm.value", **facts))]


def _text() -> Row:
    encoding = getattr(sys.stdout, "encoding", None) or "?"
    good = "utf" in encoding.lower() or encoding.lower() in ("gbk", "cp936", "gb18030")
    fix = "" if good else "set PYTHONUTF8=1" if os.name == "nt" else "export PYTHONUTF8=1"
    value = say("doctor.text.value", encoding=encoding, language=language())
    return Row(say("doctor.text"), value, "ok" if good else "warning", fix)
