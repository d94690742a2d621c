"""MNIST through torchvision, with train() and test() written by hand, right: on a CPU or a GPU, over samples."""

import gzip
import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import Subset
from torchvision import datasets, transforms

import danlu

DEMO = Path(danlu.__file__).parent / "demo" / "digits"
FASHION = Path(os.environ.get("DANLU_DATA", "data")) / "images_idx_fashion"


def root() -> Path:
    """Where torchvision finds MNIST's four files, unpacked; with a network ``download=True`` fetches MNIST itself."""
    raw = Path("data/MNIST/raw")
    raw.mkdir(parents=True, exist_ok=True)
    for packed in (FASHION if FASHION.exists() else DEMO).glob("*.gz"):
        (raw / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
    return raw.parents[1]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(28 * 28, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x: Tensor) -> Tensor:  # (B, 1, 28, 28) -> (B, 10): logits, without a softmax
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def train(loader: danlu.Loader, model: nn.Module, loss_of: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """One epoch; the mean loss over its samples."""
    device = next(model.parameters()).device
    model.train()
    total, seen = 0.0, 0
    for images, labels in loader:
        batch = images.to(device), labels.to(device)
        loss = danlu.step(model, batch, loss_of, optimizer)  # zero_grad, forward, loss, backward, step
        total += loss.item() * len(labels)  # a smaller last batch counts for what it is
        seen += len(labels)
    return total / seen


@torch.inference_mode()
def test(loader: danlu.Loader, model: nn.Module, loss_of: nn.Module) -> tuple[float, float]:
    """The mean loss and the share of right answers over all samples."""
    device = next(model.parameters()).device
    model.eval()
    total, right, seen = 0.0, 0, 0
    for images, labels in loader:
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        predicted = logits.argmax(1)
        total += loss_of(logits, labels).item() * len(labels)
        right += int((predicted == labels).sum())
        seen += len(labels)
    return total / seen, right / seen


def main() -> tuple[list[float], float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    look = transforms.Compose([transforms.Resize(28), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    folder = root()
    train_set = datasets.MNIST(folder, train=True, transform=look)
    test_set = datasets.MNIST(folder, train=False, transform=look)
    train_set, test_set = (Subset(part, range(min(2000, len(part)))) for part in (train_set, test_set))
    train_loader = danlu.Loader(train_set, batch_size=64, shuffle=True, seed=0)
    test_loader = danlu.Loader(test_set, batch_size=64)

    torch.manual_seed(0)
    model = Net().to(device)
    loss_of = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.3)
    losses, accuracy = [], 0.0
    for epoch in range(3):
        losses.append(train(train_loader, model, loss_of, optimizer))
        schedule.step()  # once an epoch, after its updates
        found, accuracy = test(test_loader, model, loss_of)
        print(f"epoch {epoch + 1}  loss {losses[-1]:.4f}  test loss {found:.4f}  accuracy {accuracy:.4f}")
    return losses, accuracy


if __name__ == "__main__":
    main()
