"""Door 4, your own for loop: danlu.steps trains and yields events; what happens in between is up to you."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import danlu

DIGITS = Path(danlu.__file__).parent / "demo" / "digits"


def digits(part: str) -> tuple[Tensor, Tensor]:
    """Pixels in 0…1, (N, 64), and labels, (N,)."""
    pixels = gzip.decompress((DIGITS / f"{part}-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((DIGITS / f"{part}-labels-idx1-ubyte.gz").read_bytes())
    x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 64) / np.float32(255)
    return torch.from_numpy(x), torch.from_numpy(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64))


class TwoHeads(nn.Module):
    """One body; one head names the digit, the other says how much ink the image holds."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
        self.digit, self.ink = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # (B, 64) -> (B, 10), (B,)
        h = self.body(x)
        return self.digit(h), self.ink(h).squeeze(1)


def both(output: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    return nn.functional.cross_entropy(output[0], target[0]) + 5 * nn.functional.mse_loss(output[1], target[1])


@torch.inference_mode()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    model.eval()  # danlu.steps puts it back into training by itself
    return float((model(x)[0].argmax(1) == y).float().mean())


def main() -> float:
    (x, y), (test_x, test_y) = digits("train"), digits("t10k")
    torch.manual_seed(0)
    model = TwoHeads()
    loader = danlu.Loader(TensorDataset(x, y, x.mean(1)), batch_size=32, shuffle=True, seed=0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)

    best = 0.0
    for event in danlu.steps(model, loader, both, optimizer, epochs=20, clip_norm=5.0):
        if isinstance(event, danlu.Epoch):  # the others are danlu.Stepped: one an update
            found = accuracy(model, test_x, test_y)
            best = max(best, found)
            print(f"epoch {event.epoch}  loss {event.loss:.4f}  accuracy {found:.4f}")
            if best > 0.95:
                break  # an ordinary break stops the training
    return best


if __name__ == "__main__":
    main()
