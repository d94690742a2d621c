"""A model in a file: its weights (safe, and enough), or the whole object (a program that runs when it is loaded)."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

import danlu


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (B, 8) -> (B, 2)
        return self.layers(x)


class Stranger:
    """What may hide in a file: to load it is to call ``Path("ran").touch()``, and it could be any other call."""

    def __reduce__(self) -> tuple[Any, tuple[Path]]:
        return Path.touch, (Path("ran"),)


def main() -> danlu.Run:
    x = torch.randn(600, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    run = danlu.train((x, x[:, :2].argmax(1)), model=Net(), lr=0.01, epochs=5)
    net = run.model  # in eval(): BatchNorm uses what it learnt, Dropout does nothing
    answers = net(x)

    # 1. the weights, with plain PyTorch
    torch.save(net.state_dict(), "net.pth")
    again = Net()
    again.load_state_dict(torch.load("net.pth", weights_only=True))
    again.eval()  # a new module is in training mode: without this line the answers differ
    assert torch.equal(again(x), answers)

    # 2. the weights, with danlu: safetensors hold numbers and names, nothing that could run; .pth is read as safely
    danlu.save_weights(net, "net.safetensors")
    for file in ("net.safetensors", "net.pth"):
        other = Net().eval()
        danlu.load_weights(file, other)
        assert torch.equal(other(x), answers)

    # 3. the whole object: this file names code, and needs this very class at this very place to be read at all
    torch.save(net, "whole.pth")
    torch.save({"weights": net.state_dict(), "more": Stranger()}, "strange.pth")
    for file in ("whole.pth", "strange.pth"):
        try:
            danlu.load_weights(file)
        except danlu.DanluError as error:
            print(error.code, error.what)
    assert not Path("ran").exists()
    torch.load("strange.pth", weights_only=False)
    assert Path("ran").exists()  # loading was enough
    return run


if __name__ == "__main__":
    main()
