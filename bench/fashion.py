"""Fashion-MNIST, MLP 784-128-10, batch 64, Adam 1e-3, validation on the test part each epoch: loops, danlu, peers.

Each contestant trains in a process of its own, one seed a round; s/epoch is the median of all epochs but each
run's first, start → end counts from the start of the process, imports and reading of the files included.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from common import fashion_folder, headline, interleaved, mark, median, present, read_idx, run_child, spread, table

BATCH, LR = 64, 1e-3


def network():
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))


def tensors(folder: Path, part: str):
    """Images ``(N, 1, 28, 28)`` float32 in 0…1 and labels ``(N,)`` int64."""
    x = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    y = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    return x[:, None].float().div_(255), y.long()


# ---- loops


def tutorial(prepared: Path, epochs: int) -> None:
    """The loop of PyTorch's beginner pages: torchvision's dataset, ToTensor, DataLoader, loss.item() now and then."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader

    train, test = (torchvision_set(prepared, is_train) for is_train in (True, False))
    train_loader, test_loader = DataLoader(train, BATCH, shuffle=True), DataLoader(test, BATCH)
    model, loss_fn = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    for _ in range(epochs):
        model.train()
        for i, (x, y) in enumerate(train_loader):
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if i % 100 == 0:
                print(f"loss: {loss.item():>7f}  [{i * BATCH:>5d}/{len(train):>5d}]")
        model.eval()
        test_loss, correct = 0.0, 0.0
        with torch.no_grad():
            for x, y in test_loader:
                out = model(x)
                test_loss += loss_fn(out, y).item()
                correct += (out.argmax(1) == y).type(torch.float).sum().item()
        mark(accuracy=correct / len(test))


def torchvision_set(prepared: Path, train: bool):
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    return FashionMNIST(prepared / "torchvision", train=train, transform=ToTensor())


def one_tensor(prepared: Path, epochs: int) -> None:
    """By hand, as fast as plain PyTorch gets: all data in one tensor, fused Adam."""
    import torch
    from torch.nn.functional import cross_entropy

    (x, y), (xt, yt) = (tensors(prepared / "idx", part) for part in ("train", "t10k"))
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, fused=True)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            cross_entropy(model(x[rows]), y[rows]).backward()
            optimizer.step()
        with torch.inference_mode():
            mark(accuracy=float((model(xt).argmax(1) == yt).float().mean()))


# ---- danlu


def danlu_run(data: Any, val: Any, epochs: int, test: Any = None) -> None:
    import danlu

    run = danlu.train(
        data, test, val=val, model=network(), loss="CrossEntropyLoss", optimizer="adam", lr=LR, schedule="constant",
        batch_size=BATCH, epochs=epochs, weight_decay=0.0, run="run", seed=int(os.environ["BENCH_SEED"]),
    )  # fmt: skip
    for epoch in epoch_events(Path("run")):
        mark(accuracy=epoch["metrics"]["val/accuracy"], seconds=epoch["seconds"])
    assert run.metrics


def epoch_events(run: Path) -> list[dict[str, Any]]:
    import json

    events = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [e for e in events if e["event"] == "epoch"]


def danlu_tensors(prepared: Path, epochs: int) -> None:
    from torch.utils.data import TensorDataset

    train, test = (TensorDataset(*tensors(prepared / "idx", part)) for part in ("train", "t10k"))
    danlu_run(train, test, epochs)


def danlu_folder(prepared: Path, epochs: int) -> None:
    held = str(prepared / "val")
    danlu_run(str(prepared / "train"), held, epochs, test=held)  # named, so that no training row is held out for it


# ---- peers


def lightning(prepared: Path, epochs: int) -> None:
    import lightning as lt
    import torch
    from torch.nn.functional import cross_entropy
    from torch.utils.data import DataLoader

    class Net(lt.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def training_step(self, batch, _):
            value = cross_entropy(self.net(batch[0]), batch[1])
            self.log("train/loss", value)
            return value

        def validation_step(self, batch, _):
            hit = (self.net(batch[0]).argmax(1) == batch[1]).float().mean()
            self.log("val/accuracy", hit, batch_size=len(batch[1]))

        def on_train_epoch_end(self) -> None:  # after validation
            mark(accuracy=float(self.trainer.callback_metrics["val/accuracy"]))

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=LR)

    train, test = (torchvision_set(prepared, is_train) for is_train in (True, False))
    trainer = lt.Trainer(max_epochs=epochs, accelerator="cpu", num_sanity_val_steps=0)
    trainer.fit(Net(), DataLoader(train, BATCH, shuffle=True), DataLoader(test, BATCH))


def hf(prepared: Path, epochs: int) -> None:
    import torch
    from torch import nn
    from torch.nn.functional import cross_entropy
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network()

        def forward(self, x, labels):
            out = self.net(x)
            return {"loss": cross_entropy(out, labels), "logits": out}

    class Marks(TrainerCallback):
        def on_evaluate(self, *_, metrics, **__):
            mark(accuracy=metrics["eval_accuracy"])

    def collate(rows):
        return {"x": torch.stack([x for x, _ in rows]), "labels": torch.tensor([y for _, y in rows])}

    def accuracy(predicted):
        return {"accuracy": float((predicted.predictions.argmax(1) == predicted.label_ids).mean())}

    train, test = (torchvision_set(prepared, is_train) for is_train in (True, False))
    model = Net()
    arguments = TrainingArguments(
        "out", num_train_epochs=epochs, per_device_train_batch_size=BATCH, per_device_eval_batch_size=BATCH,
        eval_strategy="epoch", save_strategy="epoch", lr_scheduler_type="constant", max_grad_norm=0, use_cpu=True,
        report_to=[], remove_unused_columns=False, label_names=["labels"], seed=int(os.environ["BENCH_SEED"]),
    )  # fmt: skip
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    Trainer(
        model, arguments, data_collator=collate, train_dataset=train, eval_dataset=test, compute_metrics=accuracy,
        callbacks=[Marks()], optimizers=(optimizer, None),
    ).train()  # fmt: skip


def fastai(prepared: Path, epochs: int) -> None:
    from fastai.basics import Adam, Callback, DataLoaders, Learner, accuracy
    from torch.nn import CrossEntropyLoss
    from torch.utils.data import DataLoader  # noqa: F401  (fastai's own DataLoader is used below)

    class Marks(Callback):
        def after_epoch(self):
            mark(accuracy=float(self.recorder.log[-1]))

    train, test = (torchvision_set(prepared, is_train) for is_train in (True, False))
    loaders = DataLoaders.from_dsets(train, test, bs=BATCH, num_workers=0, device="cpu")
    learner = Learner(loaders, network(), loss_func=CrossEntropyLoss(), opt_func=Adam, lr=LR, metrics=accuracy, wd=0)
    learner.fit(epochs, cbs=[Marks()])


def keras(prepared: Path, epochs: int) -> None:
    os.environ["KERAS_BACKEND"] = "torch"
    import keras as k

    class Marks(k.callbacks.Callback):
        def on_epoch_end(self, _, logs=None):
            mark(accuracy=logs["val_accuracy"])

    (x, y), (xt, yt) = ((a.numpy(), b.numpy()) for a, b in (tensors(prepared / "idx", p) for p in ("train", "t10k")))
    k.utils.set_random_seed(int(os.environ["BENCH_SEED"]))
    layers = [k.layers.Flatten(), k.layers.Dense(128, activation="relu"), k.layers.Dense(10)]
    model = k.Sequential([k.Input((1, 28, 28)), *layers])
    loss = k.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=k.optimizers.Adam(LR), loss=loss, metrics=["accuracy"])
    model.fit(x, y, batch_size=BATCH, epochs=epochs, validation_data=(xt, yt), callbacks=[Marks()])


def skorch(prepared: Path, epochs: int) -> None:
    import torch
    from skorch import NeuralNetClassifier
    from skorch.callbacks import EpochScoring
    from skorch.dataset import Dataset
    from skorch.helper import predefined_split
    from torch import nn

    class Marks(EpochScoring):
        def on_epoch_end(self, net, *args, **kwargs):
            super().on_epoch_end(net, *args, **kwargs)
            mark(accuracy=float(net.history[-1]["valid_accuracy"]))

    (x, y), (xt, yt) = (tensors(prepared / "idx", part) for part in ("train", "t10k"))
    net = NeuralNetClassifier(
        network(), criterion=nn.CrossEntropyLoss, optimizer=torch.optim.Adam, lr=LR, max_epochs=epochs,
        batch_size=BATCH, iterator_train__shuffle=True, train_split=predefined_split(Dataset(xt, yt)),
        callbacks__valid_acc=Marks("accuracy", name="valid_accuracy", lower_is_better=False), classes=list(range(10)),
    )  # fmt: skip
    net.fit(x, y)


CONTESTANTS = {
    "tutorial": tutorial,
    "one tensor": one_tensor,
    "danlu, tensors": danlu_tensors,
    "danlu, IDX folder": danlu_folder,
    "skorch": skorch,
    "keras": keras,
    "hf": hf,
    "lightning": lightning,
    "fastai": fastai,
}


def prepare() -> Path:
    """The files as each contestant wants them: idx/ (.gz), train/ and val/ (a pair each), torchvision's own layout."""
    prepared = Path(tempfile.mkdtemp(prefix="fashion-"))
    raw = prepared / "torchvision" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    source = fashion_folder()
    for folder in ("idx", "train", "val"):
        (prepared / folder).mkdir()
    for file in source.glob("*-ubyte.gz"):
        shutil.copy(file, prepared / "idx" / file.name)
        if file.name.startswith("train"):
            shutil.copy(file, prepared / "train" / file.name)
        else:
            shutil.copy(file, prepared / "val" / file.name)
        (raw / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
    return prepared


def compare(contestants: list[str], rounds: int, epochs: int) -> None:
    prepared = prepare()

    def one(name: str, i: int) -> dict[str, Any]:
        argv = [sys.executable, str(Path(__file__).resolve()), "--child", name, "--prepared", str(prepared)]
        child = run_child([*argv, "--epochs", str(epochs if i >= 0 else 1)], env={"BENCH_SEED": str(max(i, 0))})
        ends = [child.spawned, *(m["at"] for m in child.marks)]
        seconds = [m["seconds"] if "seconds" in m else b - a for m, a, b in zip(child.marks, ends, ends[1:])]
        return {"total": child.wall, "epochs": seconds[1:] or seconds, "accuracy": child.marks[-1]["accuracy"]}

    try:
        found = interleaved(contestants, rounds, one)
    finally:
        shutil.rmtree(prepared)
    seconds = {n: statistics.median([s for r in v for s in r["epochs"]]) for n, v in found.items()}
    fast, slow = seconds.get("one tensor"), seconds.get("tutorial")
    table(
        [
            f"{epochs} epochs, {rounds} seeds",
            "s/epoch",
            "× one tensor",
            "tutorial ÷ it",
            "start → end, s",
            "accuracy after the last epoch",
        ],
        [
            [
                name,
                f"{seconds[name]:.2f}",
                f"{seconds[name] / fast:.2f}" if fast else "",
                f"{slow / seconds[name]:.1f}" if slow else "",
                f"{median([r['total'] for r in runs]):.1f}",
                spread([r["accuracy"] for r in runs]),
            ]
            for name, runs in found.items()
        ],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--only", help="contestants, separated by semicolons")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--prepared", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        import torch

        torch.manual_seed(int(os.environ["BENCH_SEED"]))
        CONTESTANTS[given.child](given.prepared, given.epochs)
    else:
        wanted = [c for c in CONTESTANTS if not given.only or c in given.only.split(";")]
        contestants = present(wanted)
        print(headline(contestants))
        print(f"data: {fashion_folder()}")
        compare(contestants, given.rounds, given.epochs)
