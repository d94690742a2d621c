"""A CIFAR-10 ResNet-20 fine-tuned to other images, beside the same network from scratch at the same number of steps."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import ROOT, data_folder, headline, read_idx, spread, table

WEIGHTS = "resnet_cifar10/resnet20-12fca82f.th"  # github.com/akamaster/pytorch_resnet_cifar10, BSD
WAYS: dict[str, dict[str, Any]] = {
    "from scratch": {},
    "from scratch, lr 0.01": {"lr": 0.01},
    "fine-tuned": {"weights": WEIGHTS},
    "fine-tuned, lr 0.01": {"weights": WEIGHTS, "lr": 0.01},
    "body frozen, lr 0.01": {"weights": WEIGHTS, "lr": 0.01, "freeze": "body"},
}
BATCH = 16
TRAIN_ROWS, TEST_ROWS = 500, 1000  # of Fashion-MNIST


def models_folder() -> Path:
    named = os.environ.get("DANLU_MODELS")
    folder = Path(named) if named else ROOT.parent / "shared" / "models"
    if not (folder / WEIGHTS).is_file():
        raise SystemExit(f"set DANLU_MODELS to the folder that has {WEIGHTS}")
    return folder


def network() -> Any:
    """The class that the weights were trained with, as its author's users have it in a file of theirs."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Block(nn.Module):
        def __init__(self, channels: int, out: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(out)
            self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(out)
            self.stride, self.more = stride, out - channels

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            around = x[:, :, :: self.stride, :: self.stride]
            if self.more:  # new channels are zeros: "option A" of He et al.
                around = F.pad(around, (0, 0, 0, 0, self.more // 2, self.more // 2))
            x = F.relu(self.bn1(self.conv1(x)))
            return F.relu(self.bn2(self.conv2(x)) + around)

    class ResNet20(nn.Module):
        def __init__(self, num_classes: int = 10) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(16)
            self.layer1 = nn.Sequential(Block(16, 16, 1), Block(16, 16, 1), Block(16, 16, 1))
            self.layer2 = nn.Sequential(Block(16, 32, 2), Block(32, 32, 1), Block(32, 32, 1))
            self.layer3 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1), Block(64, 64, 1))
            self.linear = nn.Linear(64, num_classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = F.relu(self.bn1(self.conv1(x)))
            return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))

    return ResNet20


def clothing() -> dict[str, Any]:
    return {"data": str(data_folder() / "images_clothing10"), "size": 32}


def fashion() -> dict[str, Any]:
    """The first rows of Fashion-MNIST as colour pictures of 32 × 32."""
    from torch.nn import functional as F

    parts = []
    for part, rows in (("train", TRAIN_ROWS), ("t10k", TEST_ROWS)):
        folder = data_folder() / "images_idx_fashion"
        x = read_idx(folder / f"{part}-images-idx3-ubyte.gz")[:rows]
        y = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")[:rows]
        parts.append((F.pad(x, (2, 2, 2, 2))[:, None].repeat(1, 3, 1, 1), y.long()))
    return {"data": parts[0], "test": parts[1]}


DATA = {"clothing10, 820 photos": clothing, "Fashion-MNIST, 500 rows": fashion}


def accuracy(job: str, way: str, seed: int, steps: int) -> float:
    import danlu

    settings = dict(WAYS[way])
    if "weights" in settings:
        settings["weights"] = str(models_folder() / settings["weights"])
    run = danlu.train(model=network(), seed=seed, steps=steps, batch_size=BATCH, **settings, **DATA[job]())
    return float(run.metrics["test/accuracy"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--only", help="one of the data sets")
    given = parser.parse_args()
    models_folder()
    print(headline([]))
    rows = []
    with tempfile.TemporaryDirectory(prefix="danlu-bench-") as folder:  # accuracy, not time: one process does for all
        os.chdir(folder)
        for job in DATA:
            for way in WAYS:
                if given.only in (None, job):
                    began = time.perf_counter()
                    found = [accuracy(job, way, seed, given.steps) for seed in range(given.seeds)]
                    each = (time.perf_counter() - began) / given.seeds
                    rows.append([job, way, spread(found), f"{each:.0f}"])
                    print(*rows[-1], sep=", ", file=sys.stderr)
    table(["data", "way", f"test accuracy after {given.steps} steps, {given.seeds} seeds", "s a run"], rows)
