"""danlu.Loader in somebody else's loop: torch's DataLoader by another name, whose place can be saved and restored."""

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import danlu


def loader() -> danlu.Loader:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(1000, 20, generator=draw)
    y = (x[:, :3].sum(1) > 0).long()
    return danlu.Loader(TensorDataset(x, y), batch_size=50, shuffle=True, seed=7)


def train(model: nn.Module, batches: danlu.Loader, epochs: int) -> float:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss = torch.zeros(())
    for _ in range(epochs):
        for x, y in batches:  # every iter() is the next epoch, in an order of its own
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    return loss.item()


def rest_of_epoch(batches: danlu.Loader, after: int) -> tuple[list[Tensor], list[Tensor]]:
    """The labels of an epoch's later batches: read through, and read by another loader that was given the place."""
    through, place = [], {}
    for i, (_, y) in enumerate(batches, 1):
        if i == after:
            place = batches.state_dict()  # three numbers: seed, epoch, samples consumed
        if i > after:
            through.append(y)
    other = loader()
    other.load_state_dict(place)
    return through, [y for _, y in other]


def main() -> float:
    torch.manual_seed(0)
    batches = loader()
    last = train(nn.Linear(20, 2), batches, epochs=5)
    through, resumed = rest_of_epoch(batches, after=12)
    assert len(through) == len(resumed) == 8 and all(map(torch.equal, through, resumed))
    print(f"last loss {last:.4f}; after batch 12 both loaders gave the same {len(resumed)} batches")
    return last


if __name__ == "__main__":
    main()
