from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.targets import as_values, bad_labels, encode_target, infer_target, with_statistics
from danlu.errors import DanluError


def task_of(y: object, *, keep: bool = False, task: str | None = None) -> tuple[str, tuple[str, ...]]:
    target = infer_target(as_values(y), task, keep=keep)
    return target.task, target.field.classes


@pytest.mark.parametrize(
    ("y", "task", "classes"),
    [
        ([3, 1, 2, 10], "classification", ("1", "2", "3", "10")),
        (["b", "a", "b"], "classification", ("a", "b")),
        ([True, False], "classification", ("0", "1")),
        ([0.0, 1.0, 1.0], "classification", ("0", "1")),
        ([[0.0], [1.0]], "classification", ("0", "1")),
        ([0.5, 1.0, 2.0], "regression", ()),
        ([[0.5, 1.0], [2.0, 3.0]], "regression", ()),
        ([[0, 1, 1], [1, 0, 0]], "multilabel", ("0", "1", "2")),
        ([[0, 1, 0], [1, 0, 0]], "classification", ("0", "1", "2")),
        (list(range(1000)), "regression", ()),
        ([[4, 5], [6, 7]], "custom", ()),
    ],
)
def test_tasks(y: list[object], task: str, classes: tuple[str, ...]) -> None:
    assert task_of(y) == (task, classes)


def test_a_task_that_is_given_wins() -> None:
    assert task_of([1, 2, 3], task="regression")[0] == "regression"
    assert task_of([0.5, 1.5, 0.5], task="classification") == ("classification", ("0.5", "1.5"))


@given(st.lists(st.sampled_from(["猫", "dog", "a b", "10", "9"]), min_size=2).filter(lambda v: len(set(v)) > 1))
def test_codes_and_names_are_each_others_inverse(names: list[str]) -> None:
    values = as_values(names)
    field = infer_target(values, None, keep=False).field
    codes = encode_target(field, values)
    assert [field.classes[c] for c in codes.tolist()] == names
    assert list(field.classes) == sorted(set(names))


def test_a_users_model_gets_labels_as_they_are() -> None:
    values = as_values([5, 2, 7])
    target = infer_target(values, None, keep=True)
    assert encode_target(target.field, values).tolist() == [5, 2, 7]
    assert target.field.classes == tuple("01234567")
    column = as_values([[0.0], [1.0], [1.0]])
    target = infer_target(column, None, keep=True)
    encoded = encode_target(target.field, column)
    assert target.task == "classification"
    assert encoded.dtype == torch.float32
    assert encoded.tolist() == column.tolist()
    hinge = as_values([-1, 1, 1])
    target = infer_target(hinge, None, keep=True)
    assert target.task == "custom"
    assert encode_target(target.field, hinge).tolist() == [-1, 1, 1]
    one_hot = as_values(np.eye(3)[[2, 0, 1]])
    target = infer_target(one_hot, None, keep=True)
    assert target.task == "classification"
    assert encode_target(target.field, one_hot).tolist() == one_hot.tolist()


def test_one_hot_becomes_classes() -> None:
    values = np.eye(3)[[2, 0, 1, 1]]
    field = infer_target(values, None, keep=False).field
    assert encode_target(field, values).tolist() == [2, 0, 1, 1]


def test_large_numbers_keep_their_differences() -> None:
    values = 1.7e9 + np.arange(100.0)
    field = with_statistics(infer_target(values, "regression", keep=False).field, values)
    out = encode_target(field, values)
    assert out.dtype == torch.float32
    np.testing.assert_allclose(out.numpy(), (values - values.mean()) / values.std(), rtol=1e-6)


def test_several_numbers_a_row() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3)) * [1, 10, 100] + 5
    field = with_statistics(infer_target(values, None, keep=False).field, values)
    out = encode_target(field, values).numpy()
    assert field.shape == (3,)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(0), 1, atol=1e-5)


def test_one_class_only() -> None:
    with pytest.raises(DanluError) as caught:
        infer_target(as_values(["cat"] * 5), None, keep=False)
    assert caught.value.code == "DL154"
    assert "cat" in str(caught.value)


def test_a_class_only_in_test() -> None:
    field = infer_target(as_values(["cat", "dog"]), None, keep=False).field
    with pytest.raises(DanluError) as caught:
        encode_target(field, as_values(["cat", "dgo", "dgo"]), "test row")
    assert caught.value.code == "DL155"
    assert "'dgo'" in caught.value.what
    assert "2 samples" in caught.value.why
    assert "'dog'" in caught.value.why


def test_missing_labels() -> None:
    assert [b.where for b in bad_labels(as_values([0.5, float("nan"), np.inf]), "row")] == ["row 1", "row 2"]
    assert [b.where for b in bad_labels(as_values(["a", None, ""]), "row")] == ["row 1", "row 2"]
    assert bad_labels(as_values([1, 2]), "row") == []
    assert [b.where for b in bad_labels(as_values([1, None, 2]), "row")] == ["row 1"]


def test_labels_that_are_nothing_of_this() -> None:
    with pytest.raises(DanluError) as caught:
        as_values([{"a": 1}, {"a": 2}])
    assert caught.value.code == "DL163"


def test_text_for_a_regression() -> None:
    with pytest.raises(DanluError) as caught:
        encode_target(infer_target(as_values(["a", "b"]), "regression", keep=False).field, as_values(["a", "b"]))
    assert caught.value.code == "DL163"
