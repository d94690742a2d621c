"""Door 5, your own loop: an MLP trained by danlu.step, which makes one guarded update; all else is plain PyTorch."""

import torch
from torch import Tensor, nn

import danlu


def spirals(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Two spirals wound into each other: points (N, 2) and labels (N,). A straight line gets about half of them."""
    draw = torch.Generator().manual_seed(seed)
    label = torch.arange(n) % 2
    turn = torch.rand(n, generator=draw).sqrt() * 7
    angle = turn + torch.pi * label
    points = torch.stack([angle.cos(), angle.sin()], 1) * turn[:, None] / 7
    return points + 0.02 * torch.randn(n, 2, generator=draw), label


def main() -> float:
    torch.manual_seed(0)
    (x, y), (test_x, test_y) = spirals(2000, seed=1), spirals(500, seed=2)
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss_of = nn.CrossEntropyLoss()

    for epoch in range(25):
        for rows in torch.randperm(len(x)).split(50):
            # zero_grad, forward, loss, backward, clip, step; NaN gradients raise an error before they reach the weights
            loss = danlu.step(model, (x[rows], y[rows]), loss_of, optimizer, clip_norm=1.0)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}  last loss {loss.item():.4f}")

    with torch.inference_mode():
        accuracy = float((model(test_x).argmax(1) == test_y).float().mean())
    print(f"accuracy {accuracy:.4f}")
    return accuracy


if __name__ == "__main__":
    main()
