"""Two heads with two losses: a dict of losses, matched to the model's outputs by name, each with its weight."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu

DIGITS = Path(danlu.__file__).parent / "demo" / "digits"


class Digits(Dataset[tuple[Tensor, dict[str, Tensor]]]):
    """Handwritten digits with two targets each: the digit, and the share of the image that is ink."""

    def __init__(self, part: str) -> None:
        pixels = gzip.decompress((DIGITS / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((DIGITS / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        self.x = torch.from_numpy(np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 64) / np.float32(255))
        self.y = torch.from_numpy(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.x[i], {"digit": self.y[i], "ink": self.x[i].mean()}


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:  # (B, 64) -> (B, 10) and (B,)
        h = self.body(x)
        return {"digit": self.digit(h), "ink": self.ink(h).squeeze(1)}


def main() -> tuple[float, float]:
    torch.manual_seed(0)
    model, test = TwoHeads(), Digits("t10k")
    losses = {"digit": nn.CrossEntropyLoss(), "ink": (nn.MSELoss(), 5.0)}  # 5.0 is this loss's weight
    danlu.train(Digits("train"), test, model=model, loss=losses, batch_size=32, lr=3e-3, epochs=15)

    with torch.inference_mode():  # the model holds the best epoch's weights, in eval()
        out = model(test.x)
    right = float((out["digit"].argmax(1) == test.y).float().mean())
    error = float((out["ink"] - test.x.mean(1)).abs().mean())
    print(f"digit: accuracy {right:.4f}   ink: off by {error:.4f} on average")
    return right, error


if __name__ == "__main__":
    main()
