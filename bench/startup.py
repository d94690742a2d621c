"""How long until something happens: `danlu --help`, `import danlu`, and process start → first optimizer step."""

from __future__ import annotations

import argparse
import sys

from common import ROOT, headline, interleaved, median, present, ratio, run_child, table

DIGITS = ROOT / "src" / "danlu" / "demo" / "digits"

# Each program ends right after its first update. The finish line is torch's hook on all optimizers; where danlu makes
# the optimizer itself it is the end of that one's step(), because a hook would make it go torch's way.
FINISH = """
import os, sys, time
def finish(*_, needs=NEEDS):
    frame = sys._getframe()
    while needs and frame is not None and frame.f_code.co_name != needs:
        frame = frame.f_back
    if frame is not None:  # else a trial before training
        with open(os.environ["BENCH_MARKS"], "w") as file:
            file.write('{"at": %r}' % time.monotonic())
        os._exit(0)
"""
HOOK = """
from torch.optim.optimizer import register_optimizer_step_post_hook
register_optimizer_step_post_hook(finish)
"""
OWN = """
from danlu import lean
def step(self, closure=None, whole=lean._Lean.step):
    whole(self, closure)
    finish()
step.hooked = True
lean._Lean.step = step
"""
DATA = f"""
import gzip, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
def read(name, skip):
    with gzip.open({str(DIGITS)!r} + "/train-" + name + "-ubyte.gz") as file:
        return torch.frombuffer(bytearray(file.read()[skip:]), dtype=torch.uint8)
x, y = read("images-idx3", 16).view(-1, 64).float() / 255, read("labels-idx1", 8).long()
data = TensorDataset(x, y)
model = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
loss = nn.CrossEntropyLoss()
"""
HAND = """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for xb, yb in DataLoader(data, batch_size=64, shuffle=True):
    optimizer.zero_grad()
    loss(model(xb), yb).backward()
    optimizer.step()
"""
STEPS = """
import danlu
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for event in danlu.steps(model, danlu.Loader(data, batch_size=64, shuffle=True), loss, optimizer, epochs=1):
    pass
"""
TRAIN = """
import danlu
danlu.train(data, model=model, loss=loss, epochs=1, batch_size=64, run="run")
"""
CLI = f"""
import sys
from danlu.cli import main
main(["train", {str(DIGITS)!r}, "--model", "mlp", "--run", "run"])
"""
LIGHTNING = """
import lightning
class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = model
    def training_step(self, batch, _):
        return loss(self.net(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=1e-3)
trainer = lightning.Trainer(max_epochs=1, accelerator="cpu")
trainer.fit(Net(), DataLoader(data, batch_size=64, shuffle=True))
"""
HF = """
from transformers import Trainer, TrainingArguments
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = model
    def forward(self, x, labels):
        out = self.net(x)
        return {"loss": loss(out, labels), "logits": out}
rows = [{"x": a, "labels": b} for a, b in zip(x, y)]
arguments = TrainingArguments("out", num_train_epochs=1, per_device_train_batch_size=64, use_cpu=True, report_to=[])
Trainer(Net(), arguments, train_dataset=rows).train()
"""
FIRST_STEP = {
    "hand loop": DATA + HAND,
    "danlu.steps": DATA + STEPS,
    "danlu.train": DATA + TRAIN,
    "danlu train (CLI)": CLI,
    "lightning": DATA + LIGHTNING,
    "hf": DATA + HF,
}
QUIT = "\nfrom danlu.cli import main\ntry:\n    main({argv})\nexcept SystemExit:\n    pass"
LIGHT = {
    "python -c pass": "pass",
    "import danlu": "import danlu",
    "danlu --help": QUIT.format(argv=["--help"]),
    "danlu, flag error": QUIT.format(argv=["train", "x.csv", "--epocs", "1"]),
}


def light(rounds: int) -> None:
    def measure(name: str, _: int) -> float:
        return run_child([sys.executable, "-c", LIGHT[name]]).cpu

    found = interleaved(list(LIGHT), rounds, measure)
    bare = found["python -c pass"]
    table(
        ["", "CPU, ms", "above bare Python, ms"],
        [[n, f"{median(v) * 1e3:.0f}", f"{(median(v) - median(bare)) * 1e3:.0f}"] for n, v in found.items()],
    )


def first_step(rounds: int, only: str | None) -> None:
    contestants = present(FIRST_STEP, only)
    print(headline(contestants))

    def measure(name: str, _: int) -> float:
        needs = "steps" if name.startswith("danlu") else ""
        line = FINISH.replace("NEEDS", repr(needs)) + (
            OWN if name.startswith("danlu") and name != "danlu.steps" else HOOK
        )
        child = run_child([sys.executable, "-c", line + FIRST_STEP[name]])
        return float(child.marks[0]["at"]) - child.spawned

    found = interleaved(contestants, rounds, measure)
    table(
        ["process start → first step", "seconds", "× hand loop"],
        [[n, f"{median(v):.2f}", f"{ratio(v, found['hand loop']):.2f}"] for n, v in found.items()],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="contestants, separated by commas (the hand loop must be among them)")
    given = parser.parse_args()
    light(given.rounds * 2)
    print()
    first_step(given.rounds, given.only)
