"""Images in a Dataset of your own: transforms that move an image for training only, and one DataLoader a part."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset
from torchvision import transforms

import danlu

DIGITS = Path(danlu.__file__).parent / "demo" / "digits"


class Photos(Dataset[tuple[Tensor, int]]):
    def __init__(self, part: str, transform: Callable[[Image.Image], Tensor]) -> None:
        pixels = gzip.decompress((DIGITS / f"{part}-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((DIGITS / f"{part}-labels-idx1-ubyte.gz").read_bytes())
        grey = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 8, 8)
        self.images = [Image.fromarray(image).convert("RGB") for image in grey]
        self.targets = np.frombuffer(labels, np.uint8, offset=8).tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.images[index]), self.targets[index]


def main() -> danlu.Run:
    fixed = [
        transforms.Resize((32, 32)),
        transforms.ToTensor(),  # (H, W, C) 0…255 -> (C, H, W) 0…1
        transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),  # one number a channel; 0…1 -> -1…1
    ]
    still = transforms.Compose(fixed)
    moved = transforms.Compose([transforms.RandomAffine(degrees=8, translate=(0.1, 0.1)), *fixed])
    train_set, same_unmoved, test_set = Photos("train", moved), Photos("train", still), Photos("t10k", still)
    learnt, held_out = range(480), range(480, 560)  # not all of them: this is to be over in a few seconds

    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1),  # (B, 3, 32, 32) -> (B, 64, 32, 32)
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.MaxPool2d(2, 2),  # -> (B, 64, 16, 16)
        nn.Flatten(),
        nn.Linear(64 * 16 * 16, 10),
    )
    run = danlu.train(  # a DataLoader's batch size, order, drop_last, collate_fn and workers are taken over
        DataLoader(Subset(train_set, learnt), batch_size=32, shuffle=True, drop_last=True),
        DataLoader(test_set, batch_size=256),
        val=Subset(same_unmoved, held_out),
        model=model,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.Adam(model.parameters(), lr=0.001),
        epochs=2,
    )
    print("accuracy", run.metrics["test/accuracy"], "a guess reaches", run.metrics["test/accuracy_baseline"])
    return run


if __name__ == "__main__":
    main()
