"""What checkpoints cost: a run with three against the same without, and how long a snapshot blocks training."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from common import headline, median, table

BATCH = 64


def network():
    """25.2 M parameters; with Adam's two moments a state of 302 MB."""
    from torch import nn

    layers = [nn.Linear(1024, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1024)]
    return nn.Sequential(*layers)


def setting(rows: int):
    import torch
    from torch.utils.data import TensorDataset

    import danlu

    torch.manual_seed(0)
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    x = torch.randn(rows, 1024)
    loader = danlu.Loader(TensorDataset(x, x.roll(1, 1)), batch_size=BATCH, shuffle=True, seed=0)
    return model, optimizer, loader


def train(setup, steps: int, saves: int, folder: Path) -> float:
    """Seconds for ``steps`` updates with ``saves`` checkpoints spread over them, the last one on the disk included."""
    from torch.nn import MSELoss

    import danlu
    from danlu.checkpoint import Saver
    from danlu.state import capture

    model, optimizer, loader = setup
    saver = Saver(folder)
    at = {round(steps * (i + 1) / (saves + 1)) for i in range(saves)}
    began = time.perf_counter()
    for event in danlu.steps(model, loader, MSELoss(), optimizer, steps=steps):
        if isinstance(event, danlu.Stepped) and event.step in at:
            saver.snapshot(event.step, *capture(model, optimizer, loader=loader))
    saver.wait()
    return time.perf_counter() - began


def compare_runs(seconds: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as name:
        setup = setting(BATCH * 64)
        train(setup, 5, 1, Path(name))  # warm-up
        steps = max(8, round(20 * seconds / train(setup, 20, 0, Path(name))))
        times: dict[int, list[float]] = {0: [], 3: []}
        for i in range(rounds):
            for saves in (0, 3) if i % 2 == 0 else (3, 0):
                times[saves].append(train(setup, steps, saves, Path(name)))
                print(f"\rround {i + 1}/{rounds}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
    longer = median([b / a - 1 for a, b in zip(times[0], times[3])])
    table(
        [f"{steps} updates, 25.2 M parameters", "seconds", "longer by"],
        [
            ["no checkpoint", f"{median(times[0]):.1f}", ""],
            ["3 checkpoints", f"{median(times[3]):.1f}", f"{longer:.1%}"],
        ],
    )


def blocked(rounds: int) -> None:
    import numpy as np
    import torch
    from torch.nn.functional import mse_loss

    from danlu.checkpoint import Saver
    from danlu.state import capture

    model, optimizer, _ = setting(BATCH)
    x = torch.randn(BATCH, 1024)
    mse_loss(model(x), x).backward()
    optimizer.step()
    tensors, _ = capture(model, optimizer)
    parts = [t.detach().reshape(-1).view(torch.uint8) for t in tensors.values() if t.numel()]
    size = sum(map(len, parts))
    flat, copy = np.empty(size, np.uint8), torch.empty(size, dtype=torch.uint8)
    flat.fill(0), copy.fill_(0)
    found: dict[str, list[float]] = {
        "one memcpy": [],
        "torch copy_ of each tensor": [],
        "danlu, capture and snapshot": [],
    }
    source = torch.cat(parts).numpy()
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as name:
        saver = Saver(Path(name))
        for i in range(-2, rounds):  # two rounds that do not count
            began = time.perf_counter()
            np.copyto(flat, source)
            memcpy = time.perf_counter() - began
            began, offset = time.perf_counter(), 0
            for part in parts:
                copy[offset : offset + len(part)].copy_(part)
                offset += len(part)
            each = time.perf_counter() - began
            began = time.perf_counter()
            saver.snapshot(i + 3, *capture(model, optimizer))
            snapshot = time.perf_counter() - began
            saver.wait()
            if i >= 0:
                for times, value in zip(found.values(), (memcpy, each, snapshot)):
                    times.append(value)
    base = found["one memcpy"]
    table(
        [f"a state of {size / 1e6:.0f} MB", "training blocked, ms", "× memcpy"],
        [
            [n, f"{median(v) * 1e3:.0f}", f"{median([a / b for a, b in zip(v, base)]):.2f}"]
            for n, v in found.items()
        ],
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="length of the run without checkpoints")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    print(headline([]))
    blocked(7)
    print()
    compare_runs(given.seconds, given.rounds)
