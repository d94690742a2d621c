"""Tensors: made, computed with, indexed; then two of them are all the data that a model needs."""

import torch
from torch import Tensor

import danlu


def basics() -> Tensor:
    x = torch.tensor([[1, 2], [3, 4]])  # whole numbers become int64, numbers with a point float32
    assert torch.equal(x + 1, torch.tensor([[2, 3], [4, 5]]))
    assert torch.equal(x * x, torch.tensor([[1, 4], [9, 16]]))  # element by element
    assert torch.equal(x @ x, torch.tensor([[7, 10], [15, 22]]))  # the matrix product
    assert x[0, 1] == 2 and torch.equal(x[1, :], torch.tensor([3, 4])) and torch.equal(x[x > 2], torch.tensor([3, 4]))
    assert x.sum(0).tolist() == [4, 6] and x.float().mean() == 2.5  # int64 has a sum, but no mean
    return x


def main() -> danlu.Run:
    print(basics())

    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(600, 10, generator=draw)
    rule = torch.arange(1.0, 11)  # 1.0, 2.0, …, 10.0
    targets = inputs @ rule + 3  # (600, 10) @ (10,) -> (600,)

    # (N, 1) beside (N,) spreads to (N, N), and a loss over it is nonsense; danlu brings the two into one shape
    assert (inputs[:, :1] - targets).shape == (600, 600)

    torch.manual_seed(0)  # a model made by you starts from numbers drawn before danlu sees it
    model = torch.nn.Linear(10, 1)
    settings = {"loss": "MSELoss", "optimizer": "sgd", "lr": 0.02, "weight_decay": 0.0}
    run = danlu.train((inputs, targets), model=model, epochs=12, **settings)
    print("R²", run.metrics["test/r2"], "the rule it found:", [round(w, 2) for w in model.weight[0].tolist()])
    return run


if __name__ == "__main__":
    main()
