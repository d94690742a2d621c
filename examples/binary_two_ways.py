"""Yes or no with one output unit: as a logit with BCEWithLogitsLoss, or through a sigmoid with BCELoss."""

from pathlib import Path

import pyarrow.csv
import torch
from torch import Tensor, nn

import danlu

PENGUINS = Path(danlu.__file__).parent / "demo" / "penguins.csv"


def penguins() -> tuple[Tensor, Tensor]:
    """Four measures of each bird, standardised, (N, 4), and whether it is a male, (N, 1)."""
    table = pyarrow.csv.read_csv(PENGUINS, convert_options=pyarrow.csv.ConvertOptions(strings_can_be_null=True))
    rows = table.drop_null().to_pylist()
    names = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    x = torch.tensor([[float(row[name]) for name in names] for row in rows])
    y = torch.tensor([[float(row["sex"] == "male")] for row in rows])
    return (x - x.mean(0)) / x.std(0), y


class SimpleNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 50)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(50, 1)

    def forward(self, x: Tensor) -> Tensor:  # (B, 4) -> (B, 1): a logit, any number
        return self.fc2(self.dropout(torch.relu(self.fc1(x))))


class WithSigmoid(SimpleNet):
    def forward(self, x: Tensor) -> Tensor:  # (B, 4) -> (B, 1): a probability, 0…1
        return torch.sigmoid(super().forward(x))


def main() -> tuple[danlu.Run, danlu.Run]:
    x, y = penguins()
    runs = []
    for net, loss in ((SimpleNet, "BCEWithLogitsLoss"), (WithSigmoid, "BCELoss")):
        torch.manual_seed(0)
        run = danlu.train((x, y), model=net(), loss=loss, lr=0.01, epochs=20, run=f"{loss}_run")
        print(loss, "accuracy", run.metrics["test/accuracy"], "a guess:", run.metrics["test/accuracy_baseline"])
        print(danlu.load(run.dir, model=net).predict(x[:1])[0])  # danlu knows from the loss what the output means
        runs.append(run)
    return runs[0], runs[1]


if __name__ == "__main__":
    main()
