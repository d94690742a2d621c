"""Save, load and go on: a run resumed from its folder, the same run from a script, and plain state_dict files."""

from pathlib import Path

import torch
from torch import nn

import danlu

PENGUINS = Path(danlu.__file__).parent / "demo" / "penguins.csv"


def from_files() -> danlu.Run:
    """A run of files knows all it was made from: danlu.resume needs only its folder."""
    run = danlu.train(PENGUINS, target="species", epochs=5, run="penguins_run")
    run = danlu.resume("penguins_run", epochs=15)  # the finished run, trained further: ten epochs more
    answers = danlu.load("penguins_run").predict(PENGUINS)  # one for each row, in order
    assert len(answers) == 344 and answers[0].label == "Adelie"
    return run


def from_objects() -> danlu.Run:
    """A run of Python objects goes on when its script runs again with the same ``run=``: kill it anywhere and try."""
    torch.manual_seed(0)
    x = torch.randn(600, 8)
    y = x[:, :2].argmax(1)
    return danlu.train((x, y), model=nn.Linear(8, 2), lr=0.05, epochs=4, run="objects_run")


def weights_only(trained: nn.Module) -> nn.Module:
    """Plain state_dict files: for other programs, or from them. Reading one never runs code, .pth included."""
    danlu.save_weights(trained, "weights.safetensors")
    danlu.save_weights(trained, "weights.pth")
    model = nn.Linear(8, 2)
    danlu.load_weights("weights.pth", model)  # names and shapes are compared first: all of them fit, or none is loaded
    return model


def main() -> danlu.Run:
    from_files()
    first = from_objects()
    again = from_objects()  # nothing is left to do: it restores, tests, and answers the same
    assert again.metrics == first.metrics
    copy = weights_only(first.model)
    assert torch.equal(copy.weight, first.model.weight)
    return first


if __name__ == "__main__":
    main()
