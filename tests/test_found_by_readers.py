"""What readers of tutorials ran into with danlu: things that looked right and were not taken, or did nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader, Dataset, TensorDataset

import danlu
from danlu.cli import main
from danlu.plan import Asked, make_plan
from danlu.settings import Settings

X = torch.randn(300, 4, generator=torch.Generator().manual_seed(0))
Y = (X.sum(1) > 1.5).long()


class Pairs(Dataset[Any]):
    def __init__(self) -> None:
        self.targets = Y.tolist()

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return X[i], self.targets[i]


class Ragged(Dataset[Any]):
    """Sequences of 1 to 7 numbers; the sequence alone says the class."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return torch.arange(1, 2 + i % 7), i % 2


def padded(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    return pad_sequence([x for x, _ in samples], batch_first=True), torch.tensor([y for _, y in samples])


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.out = nn.EmbeddingBag(10, 4, mode="mean", padding_idx=0), nn.Linear(4, 2)

    def forward(self, ids: Tensor) -> Tensor:
        return self.out(self.words(ids))


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def test_danlus_own_loader_may_stand_where_torchs_may() -> None:
    def trained(loader: Any, test: Any) -> danlu.Run:
        return danlu.train(loader, test, model=net(), lr=0.01, epochs=2)

    options: dict[str, Any] = {"batch_size": 16, "shuffle": True, "drop_last": True}
    torchs = trained(DataLoader(Pairs(), **options), DataLoader(Pairs(), batch_size=50))
    danlus = trained(danlu.Loader(Pairs(), **options), danlu.Loader(Pairs(), batch_size=50))
    assert danlus.metrics == torchs.metrics
    both = danlu.train((danlu.Loader(Pairs(), **options), danlu.Loader(Pairs())), model=net(), lr=0.01, epochs=2)
    assert both.metrics["test/rows"] == 300
    assert danlus.test(danlu.Loader(Pairs(), batch_size=7))["test/accuracy"] == danlus.metrics["test/accuracy"]


def test_balanced_weights_from_the_labels_that_a_dataset_carries() -> None:
    asked = Asked(Pairs(), model=net(), settings=Settings(class_weights="balanced"))
    plan = make_plan(asked, {}, lambda choice: None)
    labels = np.array(plan.data.train.dataset.targets)[plan.data.train.indices]  # a tenth went into validation
    assert plan.criterion is not None
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    torch.testing.assert_close(plan.criterion.loss.weight, torch.tensor(expected, dtype=torch.float32))


@pytest.mark.parametrize("door", ["step", "steps"])
@pytest.mark.parametrize("options", [{}, {"clip_value": 1.0}, {"clip_norm": 1.0}], ids=str)
def test_the_optimizer_of_another_model_is_told_instead_of_training_nothing(door: str, options: dict[str, Any]) -> None:
    model, optimizer = net(), torch.optim.SGD(net().parameters(), lr=0.1)
    with pytest.raises(danlu.DanluError) as caught:
        if door == "step":
            danlu.step(model, (X, Y), nn.CrossEntropyLoss(), optimizer, **options)
        else:
            list(danlu.steps(model, [(X, Y)], nn.CrossEntropyLoss(), optimizer, epochs=1, **options))
    assert caught.value.code == "DL257"
    assert caught.value.facts["foreign"] == 4


def test_an_optimizer_over_a_part_of_the_model_is_welcome() -> None:
    model = net()
    danlu.step(model, (X, Y), nn.CrossEntropyLoss(), torch.optim.SGD(model[2].parameters(), lr=0.1))
    picture = X.clone().requires_grad_()  # not the model, but its input is what changes
    before = picture.detach().clone()
    danlu.step(model, (picture, Y), nn.CrossEntropyLoss(), torch.optim.SGD([picture], lr=0.1))
    assert not torch.equal(picture.detach(), before)


def test_sequences_are_predicted_through_the_users_collate() -> None:
    torch.manual_seed(0)
    loader = DataLoader(Ragged(), batch_size=8, collate_fn=padded)
    run = danlu.train(loader, model=Bag(), epochs=1)
    answers = run.predict(loader)
    with torch.inference_mode():
        alone = [run.model(Ragged()[i][0][None]).softmax(1)[0, 1].item() for i in range(60)]
    assert [a.scores["1"] for a in answers] == pytest.approx(alone, abs=1e-6)  # padding changes no answer


@pytest.mark.parametrize("inputs", [Ragged(), [Ragged()[0][0], Ragged()[3][0]]], ids=["dataset", "list"])
def test_sequences_without_collate_are_named(inputs: Any) -> None:
    run = danlu.train(DataLoader(Ragged(), batch_size=8, collate_fn=padded), model=Bag(), epochs=1)
    with pytest.raises(danlu.DanluError) as caught:
        run.predict(inputs)
    assert caught.value.code == "DL192" and caught.value.where == "[1]"


def test_numbers_of_words_that_are_not_whole_are_told_the_right_cure() -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(TensorDataset(X, Y), model=Bag(), epochs=1)
    assert caught.value.code == "DL244" and "x.long()" in caught.value.fix
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(TensorDataset(X.double(), Y), model=net(), epochs=1)
    assert caught.value.code == "DL244" and "x.float()" in caught.value.fix


class Ends(nn.Module):
    """A model whose last step is ``last``, with one or two output units."""

    def __init__(self, last: Any, units: int) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(4, units), last

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layer(x))


TWICE = {
    "softmax": (lambda z: z.softmax(1), 2, nn.CrossEntropyLoss),
    "a softmax layer": (nn.Softmax(dim=1), 2, nn.CrossEntropyLoss),
    "sigmoid": (torch.sigmoid, 1, nn.BCEWithLogitsLoss),
    "sigmoid, then squeeze": (lambda z: torch.sigmoid(z).squeeze(1), 1, nn.BCEWithLogitsLoss),
}
ONCE = {
    "logits": (lambda z: z, 2, nn.CrossEntropyLoss),
    "log-softmax, which may be taken twice": (lambda z: z.log_softmax(1), 2, nn.CrossEntropyLoss),
    "numbers that look like probabilities": (lambda z: z.abs() / z.abs().sum(1, keepdim=True), 2, nn.CrossEntropyLoss),
    "a sigmoid inside": (lambda z: torch.sigmoid(z) * 8 - 4, 1, nn.BCEWithLogitsLoss),
    "a sigmoid for BCELoss": (torch.sigmoid, 1, nn.BCELoss),
}


@pytest.mark.parametrize("case", [*TWICE, *ONCE])
@pytest.mark.parametrize("named", [False, True], ids=["object", "name"])
def test_a_softmax_or_sigmoid_that_the_loss_takes_again_is_told(
    case: str, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    last, units, loss = (TWICE | ONCE)[case]
    data = (X, Y.float() if units == 1 else Y)
    run = danlu.train(data, model=Ends(last, units), loss=loss.__name__ if named else loss(), epochs=1, run="run")
    told = capsys.readouterr().err
    assert ("takes one itself" in told) == (case in TWICE)
    assert run.metrics["test/rows"] > 0


class Endless(Dataset[Any]):
    """Forgets to say how long it is."""

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return X[i], 1


class Hollow(Endless):
    """A skeleton with nothing in it."""

    def __len__(self) -> int:
        return None  # type: ignore[return-value]  # noqa: PLE0303


@pytest.mark.parametrize("dataset", [Endless(), Hollow()], ids=["no __len__", "returns None"])
@pytest.mark.parametrize("part", ["data", "test", "val"])
def test_a_dataset_without_a_length_is_told_what_to_write(dataset: Dataset[Any], part: str) -> None:
    parts: dict[str, Any] = {"data": Pairs(), part: dataset}
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(**parts, model=net(), epochs=1)
    assert caught.value.code == "DL189" and "__len__" in caught.value.fix


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss, "CrossEntropyLoss", "cross_entropy"], ids=str)
def test_a_loss_by_its_class_or_name_in_a_loop_of_ones_own(loss: Any) -> None:
    def after(given: Any, door: str) -> Tensor:
        model = net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if door == "step":
            danlu.step(model, (X, Y), given, optimizer)
        else:
            list(danlu.steps(model, [(X, Y)], given, optimizer, epochs=1))
        return model[0].weight

    for door in ("step", "steps"):
        assert torch.equal(after(loss, door), after(nn.CrossEntropyLoss(), door))


@pytest.mark.parametrize("name, here", [("learning_rate", "lr"), ("num_epochs", "epochs"), ("criterion", "loss")])
def test_settings_by_the_names_of_tutorials(name: str, here: str) -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train((X, Y), model=net(), **{name: 1})
    assert caught.value.code == "DL001" and f"'{here}'" in caught.value.why
    assert caught.value.fix == f"{here}=1"


def test_flags_by_the_names_of_tutorials(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "x.csv", "--learning-rate", "0.1", "--epochs", "3"]) == 2
    assert "danlu train x.csv --lr 0.1 --epochs 3" in capsys.readouterr().err
