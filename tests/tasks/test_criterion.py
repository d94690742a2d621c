"""The criterion equals torch's losses, and added sums over any split equal the big batch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.tasks import TASKS, Criterion, check_value, criterion, divisor, sums
from danlu.tasks.criterion import accumulated, several
from danlu.types import Field, Schema

CLASSES = Schema(
    (Field("x", "tensor", "input", shape=(5,)), Field("y", "category", "target", classes=("a", "b", "c"))),
    "classification",
)
LABELS = Schema((Field("y", "multilabel", "target", classes=("a", "b", "c")),), "multilabel")
NUMBERS = Schema((Field("y", "number", "target"),), "regression")
BINARY = Schema((Field("y", "category", "target", classes=("no", "yes")),), "classification")
CLASSIFY, LABEL, REGRESS = TASKS["classification"], TASKS["multilabel"], TASKS["regression"]

W = [0.2, 1.0, 3.0]


def made(spec: Any, task: str = "classification", schema: Schema = CLASSES, **options: Any) -> Criterion:
    targets = options.pop("train_targets", None)
    return criterion(spec, TASKS[task], schema, Settings(**options), targets)


def mean_of_squares(output: Tensor, target: Tensor) -> Tensor:
    return (output.mean(1) - target.float()).square().mean()


def weighted(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    weight = 1 + target.float()
    return (weight * output.logsumexp(1)).sum(), weight.sum()


class Doubled(nn.CrossEntropyLoss):
    """A subclass may do as it likes: it counts as a callable giving a mean."""

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return 2 * super().forward(input, target)


def class_target(n: int, g: torch.Generator) -> Tensor:
    y = torch.randint(0, 3, (n,), generator=g)
    y[::7] = -100  # ignored rows
    return y


def zero_one(n: int, g: torch.Generator) -> Tensor:
    return torch.randint(0, 2, (n, 3), generator=g).float()


def real(n: int, g: torch.Generator) -> Tensor:
    return torch.randn(n, 3, generator=g)


def plain_class(n: int, g: torch.Generator) -> Tensor:
    return torch.randint(0, 3, (n,), generator=g)


def soft(n: int, g: torch.Generator) -> Tensor:
    return torch.rand(n, 3, generator=g).softmax(1)


LOSSES: dict[str, tuple[Any, Any]] = {
    "cross-entropy": (nn.CrossEntropyLoss(), class_target),
    "cross-entropy, all at once": (nn.CrossEntropyLoss(weight=torch.tensor(W), label_smoothing=0.1), class_target),
    "cross-entropy, another ignore": (nn.CrossEntropyLoss(ignore_index=1), plain_class),
    "cross-entropy, soft": (nn.CrossEntropyLoss(weight=torch.tensor(W)), soft),
    "negative log-likelihood": (nn.NLLLoss(weight=torch.tensor(W)), class_target),
    "binary": (nn.BCEWithLogitsLoss(pos_weight=torch.tensor(W)), zero_one),
    "mse": (nn.MSELoss(), real),
    "huber": (nn.HuberLoss(delta=0.5), real),
    "l1": (nn.L1Loss(), real),
    "poisson": (nn.PoissonNLLLoss(), zero_one),
    "soft margin": (nn.SoftMarginLoss(), zero_one),
    "smooth l1": (nn.SmoothL1Loss(), real),
    "multi-margin": (nn.MultiMarginLoss(), plain_class),
    "multi-label soft margin": (nn.MultiLabelSoftMarginLoss(weight=torch.tensor(W)), zero_one),
    "a subclass": (Doubled(), plain_class),
    "a mean": (mean_of_squares, plain_class),
    "a sum and a weight": (weighted, plain_class),
    "a sum": (nn.MSELoss(reduction="sum"), real),
    "a sum of classes": (nn.CrossEntropyLoss(reduction="sum"), class_target),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_added_sums_equal_the_big_batch(name: str, dtype: torch.dtype, within: float, data: st.DataObject) -> None:
    loss, make_target = LOSSES[name]
    loss = loss.to(dtype) if isinstance(loss, nn.Module) else loss
    n = data.draw(st.integers(2, 40))
    g = torch.Generator().manual_seed(data.draw(st.integers(0, 999)))
    x, y = torch.randn(n, 5, generator=g).to(dtype), make_target(n, g)
    y = y.to(dtype) if y.is_floating_point() else y
    ignored = getattr(loss, "ignore_index", -100)
    if not y.is_floating_point() and bool((y == ignored).all()):  # torch's mean of nothing is NaN
        y[-1] = 1 if ignored != 1 else 0
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=6)))
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).to(dtype)
    compare(model, made(loss), x, y, cuts, within)


def compare(model: nn.Module, loss: Criterion, x: Tensor, y: Any, cuts: list[int], within: float) -> None:
    """Gradients and value by one batch, and by parts cut at ``cuts``."""
    params = list(model.parameters())
    whole = loss(model(x), y)
    expected = torch.autograd.grad(whole, params)
    mean = float(whole.detach())
    pieces = [0, *cuts, len(x)]
    value, count = 0.0, 0.0
    got = [torch.zeros_like(p) for p in params]
    some = [tuple(t[a:b] for t in y) if isinstance(y, tuple) else y[a:b] for a, b in pairwise(pieces)]
    for a, b, target, part_sums in zip(pieces, pieces[1:], some, accumulated(loss, some)):
        part, weight = part_sums(model(x[a:b]), target)
        for mine, g in zip(got, torch.autograd.grad(part, params)):
            mine += g
        value, count = value + part.detach(), count + weight
    divide = divisor(count)
    assert abs(float(value / divide) - mean) <= within * max(1.0, abs(mean))
    for mine, g in zip(got, expected):
        torch.testing.assert_close(mine / divide, g, rtol=within, atol=within * max(1.0, float(g.abs().max())))


class TwoHeads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.a, self.b = nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x).tanh()
        return self.a(x), self.b(x)[:, 0]


@given(seed=st.integers(0, 99), cuts=st.sets(st.integers(1, 23), max_size=5))
@settings(max_examples=15, deadline=None)
def test_added_sums_of_a_dict_of_losses(seed: int, cuts: set[int]) -> None:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(24, 5, generator=g).double()
    y = (torch.randn(24, 3, generator=g).double(), torch.randn(24, generator=g).double())
    loss = made({"a": ("HuberLoss", 0.3), "b": nn.MSELoss()}, "custom")
    compare(TwoHeads().double(), loss, x, y, sorted(cuts), 1e-12)


PAIR = (torch.randn(4, 3), torch.randn(4, 3))
SOME = torch.tensor([0, 1, -100, 2])
BOTH_COUNT: dict[str, Any] = {
    "labels ignored": nn.CrossEntropyLoss(),
    "class weights": nn.CrossEntropyLoss(weight=torch.tensor(W)),
    "a sum": nn.CrossEntropyLoss(reduction="sum"),
    "a mean of one's own": lambda output, target: (output.mean(1) - target.clamp(min=0)).square().mean(),
}


@pytest.mark.parametrize("name", BOTH_COUNT)
@pytest.mark.parametrize("weights", [None, {"a": 0.3}, "learnt"])
@given(seed=st.integers(0, 99), cuts=st.sets(st.integers(1, 23), max_size=5))
@settings(max_examples=8, deadline=None)
def test_losses_that_count_differently_add_up_to_the_big_batch(
    name: str, weights: Any, seed: int, cuts: set[int]
) -> None:
    """Rows that lack one target, or both; torch's own losses over the whole batch are the truth."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(24, 5, generator=g).double()
    kind, price = class_target(24, g), torch.randn(24, generator=g).double()
    price[torch.randperm(24, generator=g)[:9]] = float("nan")
    loss = BOTH_COUNT[name]
    loss = loss.double() if isinstance(loss, nn.Module) else loss
    absent = ["a", "b"] if name in ("class weights", "a sum") else ["b"]
    both = several({"a": loss, "b": nn.MSELoss()}, weights, absent)
    model = TwoHeads().double()
    a, b = model(x)
    rows = kind != -100 if "a" in absent else torch.ones(24, dtype=torch.bool)
    known = ~price.isnan()
    alone = [loss(a[rows], kind[rows]), nn.MSELoss()(b[known], price[known])]
    shares = {None: [1.0, 1.0], "learnt": [1.0, 0.5]}.get(weights if not isinstance(weights, dict) else "", [0.3, 1.0])
    torch.testing.assert_close(both((a, b), (kind, price)), shares[0] * alone[0] + shares[1] * alone[1])
    compare(model, both, x, (kind, price), sorted(cuts), 1e-12)


def test_the_log_variances_of_learnt_weights_count_once_an_update() -> None:
    both = several({"a": nn.CrossEntropyLoss(), "b": nn.MSELoss()}, "learnt")
    assert both.learnt is not None
    with torch.no_grad():
        both.learnt.log_variance.copy_(torch.tensor([0.4, -0.9]))
    model, x = TwoHeads(), torch.randn(12, 5)
    y = (torch.arange(12) % 3, torch.randn(12))
    (expected,) = torch.autograd.grad(both(model(x), y), [both.learnt.log_variance])
    some = [tuple(t[i : i + 5] for t in y) for i in (0, 5, 10)]
    found = [each(model(x[i : i + 5]), target) for i, target, each in zip((0, 5, 10), some, accumulated(both, some))]
    (got,) = torch.autograd.grad(sum(value for value, _ in found), [both.learnt.log_variance])
    torch.testing.assert_close(got, expected)


def test_a_loss_that_tells_its_weight_with_its_value_is_not_accumulated_beside_others() -> None:
    pair, target = (torch.randn(4, 3), torch.randn(4, 3)), (torch.tensor([0, 1, 2, 2]), torch.randn(4, 3))
    (both,) = accumulated(made({"a": weighted, "b": "MSELoss"}, "custom"), [target])
    with pytest.raises(DanluError) as error:
        both(pair, target)
    assert error.value.code == "DL215" and "'a'" in error.value.where


def test_a_dict_with_classes_is_accumulated_where_every_row_counts() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(24, 5, generator=g).double(), torch.randint(0, 3, (24,), generator=g)
    loss = made({"a": "CrossEntropyLoss", "b": ("MSELoss", 0.5)}, "custom")
    compare(TwoHeads().double(), loss, x, (y, torch.randn(24, generator=g).double()), [3, 10, 11], 1e-12)


def test_tallies_are_the_losses_one_by_one() -> None:
    loss = made({"a": "CrossEntropyLoss", "b": ("MSELoss", 0.5)}, "custom")
    targets = (SOME, PAIR[1] + 1)
    found = [(name, share, *tally(PAIR, targets)) for name, share, tally in loss.tallies()]
    assert [(name, share, float(count)) for name, share, _, count in found] == [("a", 1.0, 3.0), ("b", 0.5, 12.0)]
    whole = sum(share * total / count for _, share, total, count in found)
    torch.testing.assert_close(whole, loss(PAIR, targets))


def test_added_sums_take_bare_losses_too() -> None:
    out, y = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, -100, 1])
    total, count = sums(nn.CrossEntropyLoss())(out, y)
    assert int(count) == 5
    torch.testing.assert_close(total / count, nn.functional.cross_entropy(out, y))


@pytest.mark.parametrize("name", [n for n in LOSSES if n not in ("a sum and a weight",)])
def test_the_mean_is_bit_for_bit_the_loss_itself(name: str) -> None:
    loss, make_target = LOSSES[name]
    loss = loss.float() if isinstance(loss, nn.Module) else loss
    g = torch.Generator().manual_seed(3)
    output, y = torch.randn(33, 3, generator=g), make_target(33, g)
    assert torch.equal(made(loss)(output, y), loss(output, y))


def test_a_sum_and_weight_give_their_mean() -> None:
    output, y = torch.randn(8, 3), torch.randint(0, 3, (8,))
    total, weight = weighted(output, y)
    assert torch.equal(made(weighted)(output, y), total / weight)


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("CrossEntropyLoss", nn.CrossEntropyLoss),
        ("cross_entropy", nn.CrossEntropyLoss),
        ("bce_with_logits", nn.BCEWithLogitsLoss),
        ("mse", nn.MSELoss),
        ("MAE", nn.L1Loss),
        ("huber", nn.HuberLoss),
        ("smooth-l1", nn.SmoothL1Loss),
        (nn.SoftMarginLoss, nn.SoftMarginLoss),
    ],
)
def test_losses_by_name(name: Any, cls: type) -> None:
    assert type(made(name).loss) is cls


def test_every_task_has_a_default() -> None:
    assert type(made(None).loss) is nn.CrossEntropyLoss
    assert type(made(None, "multilabel", LABELS).loss) is nn.BCEWithLogitsLoss
    assert type(made(None, "regression", NUMBERS).loss) is nn.MSELoss


def test_balanced_class_weights_are_scikit_learns() -> None:
    y = torch.tensor([0] * 7 + [1] * 2 + [2] * 5)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=y.numpy())
    loss = made(None, class_weights="balanced", train_targets=y).loss
    torch.testing.assert_close(loss.weight.double(), torch.tensor(expected), rtol=1e-6, atol=0)


def test_balanced_labels_weigh_what_is_rare() -> None:
    y = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 0]])
    loss = made(None, "multilabel", LABELS, class_weights="balanced", train_targets=y).loss
    assert loss.pos_weight.tolist() == [3.0, 1.0, 1.0]  # the last label is never there: 1


def test_binary_class_weights_become_a_positive_weight() -> None:
    loss = made("BCEWithLogitsLoss", schema=BINARY, class_weights=[0.5, 2.0]).loss
    assert loss.pos_weight.tolist() == [4.0]


def test_label_smoothing_reaches_the_loss() -> None:
    assert made(None, label_smoothing=0.1).loss.label_smoothing == 0.1


@pytest.mark.parametrize("shapes", [((4, 1), (4,)), ((4,), (4, 1)), ((4,), (4,))])
def test_a_column_and_a_row_of_numbers_are_matched(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    output, target = torch.randn(shapes[0]), torch.randn(shapes[1])
    expected = (output.flatten() - target.flatten()).square().mean()
    torch.testing.assert_close(made("mse", "regression", NUMBERS)(output, target), expected)


def test_integer_and_double_targets_are_cast() -> None:
    out = torch.randn(6, 1, requires_grad=True)
    y = torch.tensor([0, 1, 0, 1, 1, 0])
    made("bce_with_logits", schema=BINARY)(out, y).backward()
    made("mse", "regression", NUMBERS)(out, y.double()).backward()
    assert made(None)(torch.randn(6, 3), y.int()).dtype is torch.float32


def test_dicts_match_by_name_and_tuples_by_order() -> None:
    a, b = torch.randn(4, 3), torch.randn(4)
    ya, yb = torch.tensor([0, 1, 2, 0]), torch.randn(4)
    loss = made({"a": "CrossEntropyLoss", "b": ("MSELoss", 0.5)}, "custom")
    expected = nn.functional.cross_entropy(a, ya) + 0.5 * nn.functional.mse_loss(b, yb)
    torch.testing.assert_close(loss((a, b), (ya, yb)), expected)
    torch.testing.assert_close(loss({"b": b, "a": a}, {"a": ya, "b": yb}), expected)
    assert loss.name == "a: CrossEntropyLoss + b: 0.5·MSELoss"


def test_class_weights_move_with_the_criterion() -> None:
    loss = made(None, class_weights=W).to("meta")
    assert loss.loss.weight.device.type == "meta"


BAD: dict[str, Any] = {
    "DL213": lambda: made(None, "custom"),
    "DL214": lambda: made("CrosEntropyLos"),
    "DL219": lambda: made(nn.CrossEntropyLoss(), label_smoothing=0.1),
    "DL220": lambda: made({}, "custom"),
    "DL221": lambda: made({"a": ("MSELoss", "half")}, "custom"),
    "DL222": lambda: made({"a": "mse", "b": "mse"}, "custom")({"a": torch.ones(2)}, torch.ones(2)),
    "DL223": lambda: made({"a": "mse", "b": "mse"}, "custom")(torch.ones(2), torch.ones(2)),
    "DL224": lambda: made(type("Needy", (nn.Module,), {"__init__": lambda self, size: None})),
    "DL225": lambda: made(3),
    "DL226": lambda: made("mse", "regression", NUMBERS, label_smoothing=0.1),
    "DL227": lambda: made("mse", "regression", NUMBERS, class_weights=[1.0]),
    "DL228": lambda: made(None, class_weights=[1.0, 2.0]),
    "DL229": lambda: made(None, class_weights="balanced"),
}


def test_numbers_have_no_classes_to_balance() -> None:
    with pytest.raises(DanluError) as error:
        made("mse", "regression", NUMBERS, class_weights="balanced", train_targets=torch.rand(5, 1))
    assert error.value.code == "DL227"


@pytest.mark.parametrize("code", BAD)
def test_what_cannot_be_a_criterion_is_said(code: str) -> None:
    with pytest.raises(DanluError) as error:
        BAD[code]()
    assert error.value.code == code
    assert len(str(error.value).splitlines()) <= 8


def test_a_wrong_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(DanluError, match="CrossEntropyLoss"):
        made("CrosEntropyLoss")


@pytest.mark.parametrize(
    ("value", "code"), [(3.0, "DL216"), (torch.ones(3, requires_grad=True), "DL217"), (torch.tensor(1.0), "DL218")]
)
def test_a_loss_has_to_be_one_number_of_the_weights(value: Any, code: str) -> None:
    with pytest.raises(DanluError) as error:
        check_value(value, mean_of_squares)
    assert error.value.code == code and error.value.where == "mean_of_squares"
    check_value(torch.ones((), requires_grad=True), mean_of_squares)


def test_nothing_counted_divides_by_one() -> None:
    assert divisor(0.0) == 1.0 and divisor(3.0) == 3.0
    assert divisor(torch.tensor(0)).item() == 1 and divisor(torch.tensor(2.5)).item() == 2.5
