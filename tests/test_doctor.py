"""The environment report: it names what is wrong, with the line that mends it, and never fails itself."""

from __future__ import annotations

import builtins
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from danlu import doctor
from danlu.messages import set_language


def named(rows: list[doctor.Row], name: str) -> doctor.Row:
    return next(row for row in rows if row.name == name)


def test_here_nothing_is_broken() -> None:
    rows = doctor.report()
    assert [row for row in rows if row.state == "error"] == []
    assert torch.__version__ in named(rows, "torch").value
    assert metadata.version("pyarrow") in named(rows, "needed").value
    assert all(row.fix for row in rows if row.state == "error")


def test_in_chinese() -> None:
    set_language("zh")
    assert "可用" in named(doctor.report(), "内存").value


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KB"), (10 * 2**20, "10 MB"), (24 * 2**30, "24 GB"), (2**41, "2.0 TB")],
)
def test_sizes(amount: float, text: str) -> None:
    assert doctor.size(amount) == text


def test_missing_and_broken_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda p: "" if p in ("torch", "pyarrow") else real(p))
    rows = doctor.report()
    assert (named(rows, "torch").state, named(rows, "torch").fix) == ("error", "pip install torch")
    assert [r.fix for r in rows if r.name == "needed" and r.state == "error"] == ["pip install pyarrow"]


def test_a_torch_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> Any:
        raise OSError("libcudart.so.13: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", broken)
    row = named(doctor.report(), "torch")
    assert row.state == "error"
    assert "libcudart" in row.value


def test_a_torchvision_for_another_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: ["numpy", "torch==2.0.1", "pillow>=5"])
    row = doctor._torchvision(torch)
    assert row.state == "warning"
    assert "2.0.1" in row.value
    assert row.fix == "pip install --upgrade torch torchvision"
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: [f"torch (=={torch.__version__.split('+')[0]})"])
    assert doctor._torchvision(torch).state == "ok"
    monkeypatch.setattr(doctor, "_version", lambda name: "")
    assert doctor._torchvision(torch).state == "note"


def fake_torch(cuda: str | None, available: bool = False) -> Any:
    gpu = SimpleNamespace(name="H100", total_memory=80 * 2**30)
    return SimpleNamespace(
        cuda=SimpleNamespace(
            is_available=lambda: available, device_count=lambda: 1, get_device_properties=lambda i: gpu
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        version=SimpleNamespace(cuda=cuda),
    )


def test_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._gpus(fake_torch("13.2", available=True))[0].value == "cuda:0 H100, 80 GB"
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert doctor._gpus(fake_torch(None))[0].state == "warning"  # a driver, and a torch for the CPU
    assert doctor._gpus(fake_torch("13.2"))[0].fix == "nvidia-smi"


def test_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor._disk(tmp_path).state == "ok"
    assert [p.name for p in tmp_path.iterdir()] == ["cwd"]  # conftest's, and nothing of ours
    assert doctor._disk(tmp_path / "nothing").state == "error"
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(2**40, 0, 2**20))
    assert doctor._disk(tmp_path).state == "warning"


def test_small_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: usage(2**26, 0, 2**26))
    (row,) = doctor._shared_memory(str(tmp_path))
    assert row.state == "warning"
    assert "64 MB" in row.value
    assert doctor._shared_memory(str(tmp_path / "nothing")) == []


def test_a_containers_limits_count(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"/sys/fs/cgroup/memory.max": str(2**30), "/sys/fs/cgroup/memory.current": str(2**28)}
    files["/sys/fs/cgroup/cpu.max"] = "100000 100000"
    monkeypatch.setattr(doctor, "_first_line", lambda path: files.get(path, ""))
    free = min(psutil.virtual_memory().available, 2**30 - 2**28)
    assert doctor._memory()[0].value == f"{doctor.size(free)} free of 1.0 GB"
    assert doctor.cores() == 1


def test_without_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "psutil":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert doctor._memory() == []
