"""Regression with MSE and clipped gradients, although some targets are wild: MSE's gradients follow the outliers."""

import numpy as np
import torch
from torch import nn

import danlu


def waves(n: int, seed: int, wild: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (N, 4) and targets (N,); a share ``wild`` of the targets is a mistake, a hundred times too far off."""
    draw = np.random.default_rng(seed)
    x = draw.uniform(-2, 2, (n, 4)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.1 * draw.standard_normal(n)
    y[draw.random(n) < wild] += 100
    return x, y.astype(np.float32)


def by_hand() -> float:
    """One update of a loop of your own, clipped in the same way; the largest gradient that it was made with."""
    x, y = (torch.from_numpy(part) for part in waves(50, seed=1, wild=0.5))
    model = nn.Linear(4, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    # zero_grad, forward, loss, backward, clip_grad_value_, step: in this order
    danlu.step(model, (x, y[:, None]), nn.MSELoss(), optimizer, clip_value=0.5)
    return max(float(p.grad.abs().max()) for p in model.parameters())  # they stay until the next step


def main() -> danlu.Run:
    assert by_hand() == 0.5
    run = danlu.train(
        waves(3000, seed=1, wild=0.002),
        waves(500, seed=2, wild=0.0),
        val=waves(500, seed=3, wild=0.0),
        model=nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0)),
        loss="MSELoss",
        lr=3e-3,
        epochs=10,
        clip_value=0.5,  # first each gradient to ±0.5 …
        clip_norm=1.0,  # … then all of them together to length 1
    )
    print("R²", run.metrics["test/r2"], "the mean as answer:", run.metrics["test/r2_baseline"])
    return run


if __name__ == "__main__":
    main()
