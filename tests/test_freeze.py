"""Freezing: which parameters stay as they are, norm statistics among them, and for how long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import danlu
from danlu.errors import DanluError
from danlu.freeze import Body, find_body


class Net(nn.Module):
    """A BatchNorm with and one without weights, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.BatchNorm1d(8, affine=False), nn.ReLU())
        self.neck = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.1))
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.neck(self.body(x)))
        return out


def rows(count: int = 64) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(count, 6, generator=draw)
    return 3 + 2 * x, x[:, :3].argmax(1)


def trained(**settings: Any) -> tuple[dict[str, Tensor], dict[str, Tensor], danlu.Run]:
    torch.manual_seed(0)
    model = Net()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    quick: dict[str, Any] = {"epochs": 3, "batch_size": 16, "precision": "fp32", "weight_decay": 0.1, "lr": 0.01}
    run = danlu.train(rows(), rows(16), val=rows(), model=model, monitor="loss", **{**quick, **settings})
    return before, model.state_dict(), run


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_a_frozen_body_does_not_move_in_any_bit() -> None:
    before, after, run = trained(freeze="body")
    assert changed(before, after) == {"head.weight", "head.bias"}  # neither statistics nor weight decay
    assert all(p.requires_grad for p in run.model.parameters())  # afterwards the model is as it was given


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "muon", lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1)])
def test_every_optimizer_leaves_it_alone_and_takes_it_up_again(optimizer: Any) -> None:
    own = {"lr": None, "weight_decay": None} if callable(optimizer) else {}
    before, after, _ = trained(freeze="body", optimizer=optimizer, **own)
    assert changed(before, after) == {"head.weight", "head.bias"}
    torch.manual_seed(0)
    before, after, _ = trained(freeze=1, optimizer=optimizer, **own)
    assert {"body.0.weight", "body.1.running_mean", "neck.0.weight"} <= changed(before, after)


def test_the_body_thaws_after_the_epochs_it_was_frozen_for() -> None:
    torch.manual_seed(0)
    model, seen = Net(), []
    start = {k: v.clone() for k, v in model.state_dict().items()}

    class Watch(torch.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            seen.append((len(self.param_groups[0]["params"]), changed(start, model.state_dict())))
            return super().step(closure)

    danlu.train(rows(), model=model, optimizer=lambda p: Watch(p, 0.05), freeze=2, epochs=4, batch_size=16)
    per_epoch = len(seen) // 4
    early, first, late = seen[: 2 * per_epoch], seen[2 * per_epoch], seen[2 * per_epoch + 1 :]
    assert all(moved <= {"head.weight", "head.bias"} for _, moved in early)
    assert (
        "body.2.running_mean" in first[1] and "body.0.weight" not in first[1]
    )  # the forward pass is before the update
    assert all("body.0.weight" in moved for _, moved in late)
    assert {count for count, _ in seen} == {8}  # the optimizer held all of them all along


def test_the_head_is_the_last_layer_and_all_that_begins_at_random() -> None:
    model = Net()
    assert find_body(model, (), "body").head == ("head.weight", "head.bias")
    assert find_body(model, ("body.0.weight",), "body").head == ("body.0.weight", "head.weight", "head.bias")
    model.neck.requires_grad_(False)  # frozen by the user: not danlu's to thaw
    body = find_body(model, (), 2)
    assert not any(name.startswith("neck") for name in body.names)
    body.apply(model, 5)
    assert not model.neck[0].weight.requires_grad


def test_the_classifier_of_timm_is_the_head() -> None:
    timm = pytest.importorskip("timm")
    model = timm.create_model("test_vit", num_classes=4)
    assert find_body(model, (), "body").head == ("head.weight", "head.bias")


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [("none", [False] * 3), ("body", [True] * 3), (2, [True, True, False]), (1, [True, False, False])],
)
def test_frozen_is_a_function_of_the_epochs_done(freeze: int | str, frozen: list[bool]) -> None:
    body = find_body(Net(), (), freeze)
    assert [body.frozen(epoch) for epoch in range(3)] == frozen


def test_without_freezing_nothing_is_touched() -> None:
    model = Net().eval()
    model.body.requires_grad_(False)
    Body(frozenset(n for n, _ in model.named_parameters()), (), 0).apply(model, 0)
    assert not model.body[0].weight.requires_grad and not model.training


def test_freezing_random_weights_is_refused(digits: Path) -> None:
    for model in (None, "cnn"):
        with pytest.raises(DanluError) as error:
            danlu.train(str(digits), model=model, freeze="body")
        assert error.value.code == "DL286" and "weights=" in error.value.fix
