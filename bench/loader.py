"""Samples a second that a loader delivers for unchanged user code: torch's DataLoader and danlu.Loader, epoch by epoch.

Each contestant is a process of its own, in turn; a warm-up epoch fills caches and is shown too, it is where files are
decoded. Samples per second by the clock, and per second of the processor (its workers' included).
"""

from __future__ import annotations

import argparse
import gzip
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import data_folder, headline, interleaved, mark, median, run_child, table

BATCH = 128
FASHION = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


def fashion(place: Path) -> Any:
    """The torchvision class with ToTensor and Normalize, as every tutorial has it."""
    import torchvision
    from torchvision import transforms

    raw = place / "FashionMNIST" / "raw"
    raw.mkdir(parents=True, exist_ok=True)
    for packed in FASHION.glob("*.gz"):
        if not (raw / packed.stem).exists():
            (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.2860,), (0.3530,))])
    return torchvision.datasets.FashionMNIST(str(place), transform=steps)


def cifar(place: Path) -> Any:
    """Files in folders with a random crop, a flip and Normalize."""
    import torchvision
    from torchvision import transforms

    steps = [transforms.RandomCrop(32, 4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    steps.append(transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)))
    return torchvision.datasets.ImageFolder(str(data_folder() / "images_cifar10" / "train"), transforms.Compose(steps))


WORKLOADS: dict[str, Callable[[Path], Any]] = {"fashion": fashion, "cifar": cifar}


def contest(name: str, workload: str, place: Path, epochs: int) -> None:
    """One contestant: marks what each epoch gave."""
    import torch

    dataset = WORKLOADS[workload](place)
    kind, workers = name.split(", ")
    options: dict[str, Any] = {"batch_size": BATCH, "shuffle": True, "num_workers": int(workers.split()[0])}
    if kind == "torch":
        loader: Any = torch.utils.data.DataLoader(dataset, **options)
    else:
        import danlu

        loader = danlu.Loader(dataset, seed=0, **options)
    for epoch in range(epochs):
        began, used, samples = time.perf_counter(), _used(), 0
        for x, _ in loader:
            samples += len(x)
        wall, cpu = time.perf_counter() - began, _used() - used
        mark(epoch=epoch, rate=samples / wall, per_cpu=samples / max(cpu, 1e-9))


def _used() -> float:
    """Seconds of the processor, of this process and of the workers that have ended."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workload", choices=WORKLOADS, action="append")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--epochs", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        contest(given.child, given.workload[0], given.place, given.epochs)
        return
    print(headline(["tutorial"]))
    with tempfile.TemporaryDirectory() as folder:
        for workload in given.workload or WORKLOADS:
            WORKLOADS[workload](Path(folder))  # what is prepared once for all
            show(workload, Path(folder), given.rounds)


def show(workload: str, place: Path, rounds: int) -> None:
    names = [f"{kind}, {n} workers" for kind in ("torch", "danlu") for n in (0, 1, 2)]
    found: dict[str, list[list[dict[str, Any]]]] = {name: [] for name in names}

    def measure(name: str, number: int) -> float:
        epochs = 6 if name.startswith("danlu") else 2
        argv = [sys.executable, str(Path(__file__).resolve()), "--child", name, "--workload", workload]
        child = run_child([*argv, "--place", str(place), "--epochs", str(epochs)])
        if number >= 0:
            found[name].append(child.marks)
        return child.wall

    interleaved(names, rounds, measure)
    rows = []
    for name, runs in found.items():
        first = [run[0]["rate"] for run in runs]
        later = [one["rate"] for run in runs for one in run[1:]]
        per_cpu = [one["per_cpu"] for run in runs for one in run[1:]]
        figures = (median(first), median(later), min(later), max(later), median(per_cpu))
        rows.append([name, *(f"{v:,.0f}" for v in figures)])
    print(f"\n{workload}, batch {BATCH}, {os.cpu_count()} cores; samples a second")
    table(["loader", "epoch 1", "later, median", "least", "most", "later, a processor's second"], rows)


if __name__ == "__main__":
    main()
