"""Every task reads outputs by the loss, and names both shapes where outputs and targets do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.tasks import TASKS, criterion, infer_task, last_layer, scale_of
from danlu.types import Field, Schema, TaskName

CLASSES = Schema((Field("y", "category", "target", classes=("a", "b", "c")),), "classification")
BINARY = Schema((Field("y", "category", "target", classes=("no", "yes")),), "classification")
LABELS = Schema((Field("y", "multilabel", "target", classes=("a", "b", "c")),), "multilabel")
NUMBERS = Schema(
    (
        Field("u", "number", "target", mean=(200_000.0,), std=(100_000.0,)),
        Field("v", "number", "target", mean=(1.0,), std=(2.0,)),
    ),
    "regression",
)
NUMBER = Schema((Field("u", "number", "target"),), "regression")
CUSTOM = Schema((), "custom")
NET = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 4), nn.LayerNorm(4))
Z = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.0, 3.0]])


def test_the_same_model_by_four_losses_gives_the_same_probabilities() -> None:
    decode = TASKS["classification"].decode
    expected = Z.softmax(1)
    torch.testing.assert_close(decode(Z, CLASSES, nn.CrossEntropyLoss()), expected)
    torch.testing.assert_close(decode(Z.log_softmax(1), CLASSES, nn.NLLLoss()), expected)
    torch.testing.assert_close(decode(expected, CLASSES, "probabilities"), expected)
    torch.testing.assert_close(decode(Z, CLASSES, None), expected)


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_one_unit_is_the_second_class(shape: tuple[int, ...]) -> None:
    logits = torch.tensor([-2.0, 0.0, 1.0, 30.0]).reshape(shape)
    p = logits.flatten().sigmoid()
    expected = torch.stack([1 - p, p], 1)
    decode = TASKS["classification"].decode
    torch.testing.assert_close(decode(logits, BINARY, nn.BCEWithLogitsLoss()), expected)
    torch.testing.assert_close(decode(logits.sigmoid(), BINARY, nn.BCELoss()), expected)


def test_labels_are_sigmoids_of_their_own() -> None:
    torch.testing.assert_close(TASKS["multilabel"].decode(Z, LABELS, None), Z.sigmoid())
    assert torch.equal(TASKS["multilabel"].decode(Z.sigmoid(), LABELS, nn.BCELoss()), Z.sigmoid())


def test_numbers_come_in_their_own_unit() -> None:
    task = TASKS["regression"]
    raw = torch.tensor([[123_456.0, 3.0], [250_000.0, -1.0]], dtype=torch.float64)
    standard = ((raw - torch.tensor([200_000.0, 1.0])) / torch.tensor([100_000.0, 2.0])).float()
    torch.testing.assert_close(task.decode(standard, NUMBERS, None), raw, rtol=1e-6, atol=0)
    torch.testing.assert_close(task.target(standard, NUMBERS), raw, rtol=1e-6, atol=0)
    assert task.target(torch.ones(5), NUMBER).shape == (5, 1)
    torch.testing.assert_close(task.decode(torch.zeros(2), NUMBER, nn.PoissonNLLLoss())[:, 0], torch.ones(2).double())


def test_half_precision_is_widened_before_the_softmax() -> None:
    decoded = TASKS["classification"].decode(Z.bfloat16(), CLASSES, None)
    assert decoded.dtype is torch.float32 and float(decoded.sum(1)[0]) == pytest.approx(1, abs=1e-6)


def test_targets_of_classes() -> None:
    target = TASKS["classification"].target
    assert target(torch.tensor([[1.0], [0.0]]), BINARY).tolist() == [1, 0]
    assert target(torch.tensor([[0.1, 0.7, 0.2]]), CLASSES).tolist() == [1]
    assert target(torch.tensor([2, 0], dtype=torch.int32), CLASSES).dtype is torch.int64


def test_scales_are_saved_by_name() -> None:
    assert scale_of(criterion("NLLLoss", TASKS["classification"], CLASSES, Settings())) == "log_probabilities"
    assert scale_of("probabilities") == "probabilities" and scale_of(None) == "logits"
    assert scale_of(nn.PoissonNLLLoss(log_input=False)) == "logits"


def test_predictions_carry_names_and_scores() -> None:
    found = TASKS["classification"].predictions(Z.softmax(1), CLASSES)
    assert [p.label for p in found] == ["a", "c"]
    assert found[0].score == found[0].scores["a"] == pytest.approx(float(Z.softmax(1)[0, 0]))
    assert sum(found[1].scores.values()) == pytest.approx(1)
    labels = TASKS["multilabel"].predictions(torch.tensor([[0.9, 0.2, 0.6], [0.1, 0.1, 0.5]]), LABELS)
    assert [p.label for p in labels] == [("a", "c"), ()]
    assert labels[0].score == pytest.approx(0.9 * 0.8 * 0.6)
    numbers = TASKS["regression"].predictions(torch.tensor([[1.5, 2.0]]), NUMBERS)[0]
    assert numbers.value == (1.5, 2.0) and numbers.label is None
    assert TASKS["regression"].predictions(torch.tensor([[1.5]]), NUMBER)[0].value == 1.5
    assert TASKS["custom"].predictions(torch.tensor([[1.5, 0.5]]), CUSTOM)[0].value == (1.5, 0.5)


def test_custom_outputs_are_the_first_tensor() -> None:
    decode = TASKS["custom"].decode
    assert decode({"a": (Z, 1)}, CUSTOM, None) is Z


@pytest.mark.parametrize(
    ("sample", "loss", "task"),
    [
        (3, None, "classification"),
        (np.int64(3), None, "classification"),
        (torch.tensor(3), None, "classification"),
        (torch.tensor([3]), None, "classification"),
        (0.5, None, "regression"),
        (np.float32(0.5), nn.HuberLoss(), "regression"),
        (torch.tensor([0.5, 1.0]), None, "regression"),
        (torch.tensor([0.0, 1.0, 1.0]), nn.BCEWithLogitsLoss(), "multilabel"),
        (torch.tensor([0, 1, 1]), "BCEWithLogitsLoss", "multilabel"),
        (torch.tensor([1.0]), nn.BCEWithLogitsLoss(), "classification"),
        (1.0, nn.BCELoss(), "classification"),
        (torch.tensor([0.2, 0.8]), nn.CrossEntropyLoss(), "classification"),
        (torch.zeros(8, 8, dtype=torch.int64), nn.CrossEntropyLoss(), "custom"),
        (torch.zeros(3, 8, 8), nn.MSELoss(), "custom"),
        (torch.tensor([0.5, 1.0]), lambda output, target: output.sum(), "custom"),
        ((1, 2), None, "custom"),
        (3, {"a": "CrossEntropyLoss"}, "custom"),
        ("cat", None, "custom"),
    ],
)
def test_the_task_of_a_users_target(sample: Any, loss: Any, task: TaskName) -> None:
    assert infer_task(sample, loss) == task


def test_the_last_layer_holds_a_matrix() -> None:
    assert last_layer(NET) == "2 = Linear(in_features=8, out_features=4, bias=True)"
    assert last_layer(nn.Linear(2, 3)) == "Linear(in_features=2, out_features=3, bias=True)"
    assert last_layer(None) == ""


def checked(task: str, output: Any, target: Any, schema: Schema, loss: Any = None, **options: Any) -> None:
    made = criterion(loss, TASKS[task], schema, Settings()) if not isinstance(loss, dict) else loss
    TASKS[task].check(output, target, schema, made, model=NET, **options)


B = 4
LONG = torch.tensor([0, 1, 2, 1])
WRONG: list[tuple[str, str, Any, Any, Schema, Any]] = [
    ("DL200", "classification", (Z, Z), LONG, CLASSES, None),
    ("DL201", "classification", torch.randn(12), LONG, CLASSES, None),
    ("DL202", "classification", torch.randn(B, 10), LONG, CLASSES, None),
    ("DL202", "multilabel", torch.randn(B, 5), torch.ones(B, 5), LABELS, None),
    ("DL202", "classification", torch.randn(B, 1), LONG % 2, CLASSES, "BCEWithLogitsLoss"),
    ("DL203", "classification", torch.randn(B, 2), LONG % 2, BINARY, "BCEWithLogitsLoss"),
    ("DL203", "multilabel", torch.randn(B, 5), torch.ones(B, 3), LABELS, None),
    ("DL203", "regression", torch.randn(B, 2), torch.randn(B), NUMBER, None),
    ("DL204", "classification", torch.randn(B, 1), LONG % 2, BINARY, None),
    ("DL205", "classification", torch.randn(B, 3), LONG[:, None], CLASSES, None),
    ("DL206", "classification", torch.randn(B, 3), LONG.float(), CLASSES, None),
    ("DL207", "classification", torch.randn(B, 3), torch.zeros(B, 8, 8, dtype=torch.int64), CLASSES, None),
    ("DL208", "classification", torch.randn(B, 3), LONG + 1, CLASSES, None),
    ("DL208", "classification", torch.randn(B, 3), LONG - 1, CLASSES, "NLLLoss"),
    ("DL209", "multilabel", torch.randn(B, 3), torch.full((B, 3), 2.0), LABELS, None),
    ("DL210", "regression", torch.randn(B), torch.tensor([-1.0, 0, 1, 2]), NUMBER, "PoissonNLLLoss"),
    ("DL211", "regression", torch.randn(B), torch.tensor([0.0, float("nan"), 1, 2]), NUMBER, None),
    ("DL230", "classification", torch.tensor([[-0.1], [0.5], [0.9], [3.0]]), LONG % 2, BINARY, "BCELoss"),
    ("DL230", "multilabel", torch.randn(B, 3) + 2, torch.ones(B, 3), LABELS, "BCELoss"),
    ("DL231", "classification", torch.randn(B, 3), LONG, CLASSES, "NLLLoss"),
    ("DL231", "classification", torch.randn(B, 3).softmax(1), LONG, CLASSES, "NLLLoss"),
]


@pytest.mark.parametrize(
    ("output", "target", "line"),
    [
        (Z, {"k": LONG}, "return x, y['k'] "),
        (Z, (LONG,), "return x, y[0] "),
        (Z, {"k": LONG, "m": Z}, "return {'k': …, 'm': …} "),
        (Z, [LONG, LONG], "return {'y0': …, 'y1': …} "),
        ((Z, Z), LONG, "loss={'a': 'CrossEntropyLoss'"),
    ],
)
def test_one_output_for_each_target_is_what_the_error_asks_for(output: Any, target: Any, line: str) -> None:
    with pytest.raises(DanluError) as error:
        checked("classification", output, target, CLASSES)
    assert error.value.code == "DL200" and line in error.value.fix


@pytest.mark.parametrize(("code", "task", "output", "target", "schema", "loss"), WRONG)
def test_what_does_not_fit_is_named(code: str, task: str, output: Any, target: Any, schema: Schema, loss: Any) -> None:
    with pytest.raises(DanluError) as error:
        checked(task, output, target, schema, loss)
    said = str(error.value)
    assert error.value.code == code and len(said.splitlines()) <= 8
    if code not in ("DL208", "DL209", "DL210", "DL211", "DL230", "DL231"):
        assert "Linear(in_features=8" in said  # the last layer
        assert isinstance(output, tuple) or str(tuple(output.shape)) in said  # both shapes
        assert str(tuple(target.shape)) in said


def test_outputs_of_the_right_scale_pass() -> None:
    checked("classification", torch.rand(B, 1), LONG % 2, BINARY, "BCELoss")
    checked("classification", torch.randn(B, 3).log_softmax(1), LONG, CLASSES, "NLLLoss")
    checked("multilabel", torch.rand(B, 3), torch.ones(B, 3), LABELS, "BCELoss")


@pytest.mark.parametrize(("output", "other"), [(torch.rand(B, 1), "BCELoss"), (torch.randn(B, 1), "BCEWithLogitsLoss")])
def test_one_unit_is_told_the_loss_that_fits_its_scale(output: Tensor, other: str) -> None:
    with pytest.raises(DanluError) as error:
        checked("classification", output, LONG % 2, BINARY)
    assert error.value.code == "DL204" and error.value.fix.startswith(f"loss='{other}'")
    checked("classification", output, LONG % 2, BINARY, other)  # and what it says works


def test_labels_counted_from_one_are_not_the_models_fault() -> None:
    three = Schema((Field("y", "category", "target", classes=("0", "1", "2", "3")),), "classification")
    with pytest.raises(DanluError) as error:
        checked("classification", torch.randn(B, 3), torch.tensor([1, 2, 3, 1]), three)
    assert error.value.code == "DL208" and "y = y - y.min()" in error.value.fix


def test_a_label_out_of_range_names_its_row() -> None:
    with pytest.raises(DanluError) as error:
        checked(
            "classification", torch.randn(B, 3), torch.tensor([0, 1, 7, 9]), CLASSES, row=lambda i: f"a.csv row {i}"
        )
    assert error.value.where == "a.csv row 2" and "label 7" in str(error.value)


def test_ignored_labels_are_in_range() -> None:
    checked("classification", torch.randn(B, 3), torch.tensor([0, -100, 2, -100]), CLASSES)


@pytest.mark.parametrize(
    ("task", "output", "target", "schema", "loss"),
    [
        ("classification", torch.randn(B, 3), LONG, CLASSES, None),
        ("classification", torch.randn(B, 1), LONG % 2, BINARY, "BCEWithLogitsLoss"),
        ("classification", torch.randn(B), (LONG % 2).float(), BINARY, "BCEWithLogitsLoss"),
        ("classification", torch.randn(B, 3), torch.rand(B, 3).softmax(1), CLASSES, None),
        ("multilabel", torch.randn(B, 3), torch.ones(B, 3), LABELS, None),
        ("regression", torch.randn(B, 1), torch.randn(B), NUMBER, None),
        ("regression", torch.randn(B), torch.randn(B, 1), NUMBER, None),
        ("custom", {"a": Z}, None, CUSTOM, "MSELoss"),
    ],
)
def test_what_fits_passes(task: str, output: Any, target: Tensor, schema: Schema, loss: Any) -> None:
    checked(task, output, target, schema, loss)


def test_a_dict_of_losses_finds_its_outputs() -> None:
    loss = criterion({"a": "mse", "b": "mse"}, TASKS["custom"], CUSTOM, Settings())
    TASKS["custom"].check((Z, Z), (Z, Z), CUSTOM, loss, model=NET)
    with pytest.raises(DanluError) as error:
        TASKS["custom"].check(Z, Z, CUSTOM, loss, model=NET)
    assert error.value.code == "DL223" and "Linear" in error.value.where


def test_no_tensor_at_all() -> None:
    with pytest.raises(DanluError, match="DL212"):
        TASKS["custom"].decode(None, CUSTOM, None)
