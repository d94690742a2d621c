"""Door 3, your own objects: a Dataset and a CNN as in the tutorials, on 3x32x32 images; no loop to write."""

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import danlu

DIGITS = Path(danlu.__file__).parent / "demo" / "digits"


class Digits(Dataset[tuple[Tensor, int]]):
    """Handwritten digits as colour images of 32x32; with ``shift`` each is moved at random by up to two pixels."""

    def __init__(self, part: str, shift: bool = False) -> None:
        pixels = gzip.decompress((DIGITS / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((DIGITS / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        self.images = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 8, 8)
        self.targets = np.frombuffer(labels, np.uint8, offset=8).astype(int)
        self.classes = list("0123456789")
        self.shift = shift

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        grey = torch.from_numpy(self.images[index].copy()).float() / 255
        image = grey.repeat_interleave(4, 0).repeat_interleave(4, 1).expand(3, 32, 32)
        if self.shift:
            x, y = torch.randint(-2, 3, (2,)).tolist()  # drawn from danlu's seed: each resumed run draws the same
            image = image.roll((x, y), (1, 2))
        return image, int(self.targets[index])


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(4),
            nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(4),
        )  # fmt: skip
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(32 * 2 * 2, 10))

    def forward(self, images: Tensor) -> Tensor:  # (B, 3, 32, 32) -> (B, 10)
        return self.head(self.features(images))


def main() -> danlu.Run:
    train_set, val_set, test_set = Digits("train", shift=True), Digits("train"), Digits("t10k")
    rows = torch.randperm(len(train_set), generator=torch.Generator().manual_seed(0)).tolist()
    run = danlu.train(
        torch.utils.data.Subset(train_set, rows[200:]),
        test_set,
        val=torch.utils.data.Subset(val_set, rows[:200]),  # the same images, never shifted
        model=Net(),
        loss=nn.CrossEntropyLoss(label_smoothing=0.05),
        optimizer=lambda params: torch.optim.AdamW(params, lr=3e-3),
        batch_size=32,
        epochs=3,
    )
    print("accuracy", run.metrics["test/accuracy"], "a guess reaches", run.metrics["test/accuracy_baseline"])

    model = danlu.load(run.dir, model=Net)  # the class is yours, so you give it: loading never imports code
    image, label = test_set[0]
    print("predicted", model.predict(image[None])[0].label, "is", label)
    return run


if __name__ == "__main__":
    main()
