from __future__ import annotations

import random
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, Subset, TensorDataset

from danlu.data.user import (
    check_samples,
    generators_restored,
    known_classes,
    known_targets,
    parts_of,
    spread,
    target_name,
    user_error,
)
from danlu.errors import DanluError


class Failing(Dataset[torch.Tensor]):
    def __len__(self) -> int:
        return 5

    def __getitem__(self, i: int) -> torch.Tensor:
        return torch.zeros(2) @ torch.zeros(3)  # the user's own line


def test_an_error_names_the_users_line_and_not_torchs() -> None:
    with pytest.raises(RuntimeError) as caught:
        Failing()[3]
    error = user_error(3, caught.value)
    assert error.code == "DL170"
    assert "test_user.py" in error.where
    assert "__getitem__" in error.where
    assert "index 3" in error.what
    assert "the user's own line" in error.why


def test_an_error_inside_a_library_names_the_call() -> None:
    class Parsing(Dataset[np.ndarray]):
        def __getitem__(self, i: int) -> np.ndarray:
            return np.stack([np.zeros(2), np.zeros(3)])

    with pytest.raises(ValueError) as caught:
        Parsing()[0]
    assert "np.stack" in user_error(0, caught.value).why


def test_generators_are_put_back_and_watched() -> None:
    def draws() -> tuple[float, float, float]:
        return float(torch.rand(())), random.random(), float(np.random.rand())

    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    expected = draws()
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)
    for draw, name in ((torch.rand, "torch"), (random.random, "random"), (np.random.rand, "numpy")):
        with generators_restored() as moved:
            assert moved() == ()
            draw(1) if name != "random" else random.random()
            assert moved() == (name,)
    assert draws() == expected


@pytest.mark.parametrize("n", [1, 2, 5, 8, 9, 100, 60_000])
def test_spread(n: int) -> None:
    rows = spread(n, 8)
    assert rows == sorted(set(rows))
    assert len(rows) == min(n, 8)
    assert rows[0] == 0
    assert rows[-1] == n - 1 or n == 1


@dataclass
class Pair:
    image: int
    label: int


def test_parts_of_a_sample() -> None:
    assert parts_of((1, 2)) == {"x": 1, "y": 2}
    assert parts_of([1, 2, 3]) == {"x0": 1, "x1": 2, "y": 3}
    assert parts_of(5) == {"x": 5}
    assert parts_of({"image": 1, "label": 2}) == parts_of(Pair(1, 2)) == {"image": 1, "label": 2}
    assert parts_of(namedtuple("P", "image label")(1, 2)) == {"image": 1, "label": 2}
    assert target_name(["image", "label"]) == "label"
    assert target_name(["image", "mask"]) is None


def code_of(*samples: object) -> DanluError:
    with pytest.raises(DanluError) as caught:
        check_samples(range(len(samples)), samples)
    return caught.value


def test_samples_that_do_not_stack() -> None:
    shapes = code_of((torch.zeros(3, 8, 8), 0), (torch.zeros(3, 8, 8), 1), (torch.zeros(3, 9, 8), 1))
    assert shapes.code == "DL171"
    assert "[0] (3, 8, 8), [2] (3, 9, 8)" in shapes.what
    pillow = pytest.importorskip("PIL.Image")
    image = code_of((pillow.new("RGB", (4, 4)), 0))
    assert image.code == "DL172"
    assert "ToTensor" in image.fix
    assert code_of((None, 0)).code == "DL172"
    assert code_of({"a": 1}, {"b": 1}).code == "DL171"
    text = code_of((torch.zeros(2), "cat"))
    assert text.code == "DL176"
    assert "'cat'" in text.what
    check_samples([0, 1], [(torch.zeros(2), 1), (torch.ones(2), 2)])


def test_lists_of_labels_are_told_from_numbers_and_from_several_targets() -> None:
    x = torch.zeros(2)
    lists: list[tuple[Any, Any]] = [
        (["a", "b"], ["c"]),
        ([], ["a", "b"]),
        (("a", "b"), ("b", "c")),
        ({"a", "b"}, {"b"}),
        ([3, 1], [2]),
    ]
    for first, second in lists:
        error = code_of((x, first), (x, second))
        assert error.code == "DL186" and error.where == ("[0]" if first else "[1]")
        assert code_of({"x": x, "label": first}, {"x": x, "label": second}).code == "DL186"
    assert "a, b" in code_of((x, ["a", "b"]), (x, [])).what
    several: list[tuple[Any, Any]] = [([1, 2], [3, 4]), ((0.5, 1), (0.1, 0)), ([0.0, 1.0], [1.0, 1.0])]
    for first, second in several:
        check_samples([0, 1], [(x, first), (x, second)])
    assert code_of((x, np.array([1, 2])), (x, np.array([1]))).code == "DL171"


class Labelled(Dataset[int]):
    classes = ("cat", "dog")

    def __init__(self, labels: object) -> None:
        self.targets = labels

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> int:
        raise AssertionError("labels are known without reading")


@pytest.mark.parametrize(
    "labels",
    [[0, 1, 1, 0, 1, 0], torch.tensor([0, 1, 1, 0, 1, 0]), np.array([0, 1, 1, 0, 1, 0])],
    ids=lambda v: type(v).__name__,
)
def test_labels_a_dataset_carries(labels: object) -> None:
    dataset = Labelled(labels)
    assert known_targets(dataset).tolist() == [0, 1, 1, 0, 1, 0]
    part = Subset(dataset, [1, 3])
    assert known_targets(part).tolist() == [1, 0]
    assert known_targets(ConcatDataset([part, dataset])).tolist() == [1, 0, 0, 1, 1, 0, 1, 0]
    assert known_classes(part) == ("cat", "dog")


def test_labels_that_are_none() -> None:
    assert known_targets(Labelled([0, 1])) is None  # another length
    assert known_targets(Labelled([[0, 1]] * 6)) is None
    assert known_targets(Labelled([object()] * 6)) is None
    assert known_targets(TensorDataset(torch.zeros(4), torch.arange(4))).tolist() == [0, 1, 2, 3]
    assert known_classes(TensorDataset(torch.zeros(4))) == ()
