"""Time per update around a tiny model, Linear(10, 1) at batch 1: a bare loop against danlu and its peers."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from common import StepClock, headline, interleaved, mark, median, present, ratio, run_child, table

STEPS, PEER_STEPS, WARM = 20_000, 3_000, 500  # updates measured, and before them


def tiny(count: int):
    """Model, rows, loss and optimizer: the same for everyone."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(count, 10)
    model = torch.nn.Linear(10, 1)
    return model, x, x.sum(1, keepdim=True), torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=1e-3)


def dense(count: int):
    """The same with three dense layers: about a millisecond an update, most of it moving 132 k weights about."""
    import torch

    torch.manual_seed(0)
    x = torch.randn(count * 64, 256)
    layers = [torch.nn.Linear(256, 256), torch.nn.ReLU(), torch.nn.Linear(256, 256), torch.nn.ReLU()]
    model = torch.nn.Sequential(*layers, torch.nn.Linear(256, 1))
    return model, x, x.sum(1, keepdim=True), torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=1e-3)


def convolutions(count: int):
    """The same with two convolutions: about a millisecond an update, most of it arithmetic."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    x = torch.randn(count * 32, 1, 14, 14)
    first = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)]
    model = nn.Sequential(*first, nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 1))
    return model, x, x.sum((1, 2, 3))[:, None], nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=1e-3)


SIZES = {"tiny model": (tiny, 1), "dense layers": (dense, 64), "convolutions": (convolutions, 32)}


# ---- contestants: each trains past WARM + its number of updates; the clock is torch's optimizer hook


def bare(task, count: int, batch: int) -> None:
    model, x, y, loss, optimizer = task(count)
    batches = list(zip(x.split(batch), y.split(batch)))
    for xb, yb in batches:
        optimizer.zero_grad()
        loss(model(xb), yb).backward()
        optimizer.step()


def dataloader(task, count: int, batch: int) -> None:
    from torch.utils.data import DataLoader, TensorDataset

    model, x, y, loss, optimizer = task(count)
    for xb, yb in DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True):
        optimizer.zero_grad()
        loss(model(xb), yb).backward()
        optimizer.step()


def danlu_steps(task, count: int, batch: int, guard: bool = True) -> None:
    from torch.utils.data import TensorDataset

    import danlu

    model, x, y, loss, optimizer = task(count)
    loader = danlu.Loader(TensorDataset(x, y), batch_size=batch, shuffle=True)
    for _ in danlu.steps(model, loader, loss, optimizer, epochs=1, guard=guard):
        pass


def danlu_steps_unguarded(task, count: int, batch: int) -> None:
    danlu_steps(task, count, batch, guard=False)


def danlu_train(task, count: int, batch: int) -> None:
    from torch.utils.data import TensorDataset

    import danlu

    model, x, y, loss, optimizer = task(count)
    train, val = TensorDataset(x, y), TensorDataset(x[:batch], y[:batch])
    danlu.train(
        train, val=val, model=model, loss=loss, optimizer=optimizer, batch_size=batch, epochs=1, schedule="constant",
        precision="fp32", checkpoint_steps=count // 2, check=False, run="run",
    )  # fmt: skip


def lightning(task, count: int, batch: int) -> None:
    import lightning as lt
    from lightning.pytorch.callbacks import ModelCheckpoint
    from torch.utils.data import DataLoader, TensorDataset

    model, x, y, loss, optimizer = task(count)

    class Net(lt.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def training_step(self, parts, _):
            value = loss(self.net(parts[0]), parts[1])
            self.log("loss", value)
            return value

        def configure_optimizers(self):
            return optimizer

    saver = ModelCheckpoint(every_n_train_steps=count // 2)
    trainer = lt.Trainer(max_epochs=1, accelerator="cpu", callbacks=[saver])
    trainer.fit(Net(), DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True))


def hf(task, count: int, batch: int) -> None:
    from torch import nn
    from transformers import Trainer, TrainingArguments

    model, x, y, loss, optimizer = task(count)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = model

        def forward(self, x, labels):
            out = self.net(x)
            return {"loss": loss(out, labels), "logits": out}

    rows = [{"x": a, "labels": b} for a, b in zip(x, y)]
    arguments = TrainingArguments(
        "out", num_train_epochs=1, per_device_train_batch_size=batch, use_cpu=True, report_to=[], save_steps=count // 2,
        max_grad_norm=0,
    )  # fmt: skip
    Trainer(Net(), arguments, train_dataset=rows, optimizers=(optimizer, None)).train()


def ignite(task, count: int, batch: int) -> None:
    from ignite.engine import Events, create_supervised_trainer
    from ignite.handlers import Checkpoint, DiskSaver, ProgressBar
    from ignite.metrics import RunningAverage
    from torch.utils.data import DataLoader, TensorDataset

    model, x, y, loss, optimizer = task(count)
    trainer = create_supervised_trainer(model, optimizer, loss)
    RunningAverage(output_transform=lambda value: value).attach(trainer, "loss")
    ProgressBar().attach(trainer, ["loss"])
    saver = Checkpoint({"model": model, "optimizer": optimizer}, DiskSaver("saved", create_dir=True), n_saved=2)
    trainer.add_event_handler(Events.ITERATION_COMPLETED(every=count // 2), saver)
    trainer.run(DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=True), max_epochs=1)


CONTESTANTS = {
    "bare loop": bare,
    "loop, DataLoader": dataloader,
    "danlu.steps, no guard": danlu_steps_unguarded,
    "danlu.steps": danlu_steps,
    "danlu.train": danlu_train,
    "ignite": ignite,
    "hf": hf,
    "lightning": lightning,
}
OWN = [name for name in CONTESTANTS if name == "bare loop" or name.startswith("danlu")]


def child(name: str, size: str, steps: int) -> None:
    import torch

    StepClock(WARM, WARM + steps)
    task, batch = SIZES[size]
    CONTESTANTS[name](task, WARM + steps, batch)
    mark(versions=torch.__version__)


def measure(name: str, size: str, steps: int) -> float:
    argv = [sys.executable, str(Path(__file__).resolve()), "--child", name, "--size", size, "--steps", str(steps)]
    found = [m["microseconds"] for m in run_child(argv).marks if "microseconds" in m]
    return float(found[0])


def compare(size: str, contestants: list[str], rounds: int) -> None:
    def one(name: str, _: int) -> float:
        few = size != "tiny model" or name not in (*OWN, "loop, DataLoader")
        return measure(name, size, PEER_STEPS if few else STEPS)

    found = interleaved(contestants, rounds, one)
    bare_loop = found["bare loop"]
    table(
        [size, "µs a step", "above the bare loop, µs", "× bare loop"],
        [
            [
                n,
                f"{median(v):.0f}",
                f"{median([a - b for a, b in zip(v, bare_loop)]):.0f}",
                f"{ratio(v, bare_loop):.2f}",
            ]
            for n, v in found.items()
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="contestants, separated by semicolons (the bare loop must be among them)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--size", default="tiny model", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=STEPS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child, given.size, given.steps)
    else:
        wanted = [c for c in CONTESTANTS if not given.only or c in given.only.split(";")]
        contestants = present(wanted)
        print(headline(contestants))
        for size in SIZES:
            print()
            compare(size, contestants if size == "tiny model" else [c for c in contestants if c in OWN], given.rounds)
