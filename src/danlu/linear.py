"""The cheap model that a trained one has to beat: linear on at most 1,024 raw features, solved at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from danlu.batch import split_batch
from danlu.types import Schema

FEATURES = 1024
SHRINKAGES = (0.001, 0.01, 0.1, 0.5)  # tried on the validation rows
UNTRIED = 0.1  # without validation rows
EPS = 1e-4  # a share is never surer than this


@dataclass(frozen=True)
class Linear:
    """``answer(x)`` for features (B, D) in the form of the task's ``decode``: probabilities, or values."""

    task: str
    shift: Tensor  # (D,)
    scale: Tensor  # (D,)
    weight: Tensor  # (D, K)
    bias: Tensor  # (K,)

    def answer(self, x: Tensor) -> Tensor:
        scores = ((x - self.shift) / self.scale).double() @ self.weight + self.bias
        if self.task == "classification":
            return scores.softmax(1)
        return scores if self.task == "regression" else scores.clamp(EPS, 1 - EPS)

    def tensors(self) -> dict[str, Tensor]:
        """What a file keeps of it; ``restored`` makes it again."""
        return {"shift": self.shift, "scale": self.scale, "weight": self.weight, "bias": self.bias}


def restored(task: str, tensors: Mapping[str, Tensor]) -> Linear | None:
    """The model that ``Linear.tensors`` tells of; None where they are not of one size."""
    if set(tensors) != {"shift", "scale", "weight", "bias"} or tensors["weight"].ndim != 2:
        return None
    rows, columns = tensors["weight"].shape
    fits = tensors["shift"].shape == tensors["scale"].shape == (rows,) and tensors["bias"].shape == (columns,)
    return Linear(task, *(tensors[k] for k in ("shift", "scale", "weight", "bias"))) if fits else None


def seen(schema: Schema, model: nn.Module, batch: Any) -> Tensor | None:
    """The features of a batch that is ready for ``model``."""
    categories = [len(f.classes) + 1 for f in schema.inputs if f.kind == "category"]
    args, kwargs, _ = split_batch(model, batch)
    return features(
        [*args, *kwargs.values()], categories if schema.layout == "columns" or "categories" in schema.parts else []
    )


def tensors_of(linear: Mapping[str, Linear]) -> dict[str, Tensor]:
    """What a file keeps of the linear model of each head; ``restored_of`` makes them again."""
    found: dict[str, Tensor] = {}
    for head, model in linear.items():
        found |= {f"{head}/{name}" if head else name: tensor for name, tensor in model.tensors().items()}
    return found


def restored_of(schema: Schema, tensors: Mapping[str, Tensor]) -> dict[str, Linear]:
    """The linear model of each head that ``tensors_of`` tells of."""
    if not schema.heads:
        alone = restored(schema.task, tensors)
        return {"": alone} if alone is not None else {}
    found = {}
    for head in schema.heads:
        own = {k.removeprefix(f"{head}/"): tensor for k, tensor in tensors.items() if k.startswith(f"{head}/")}
        model = restored(schema.head(head).task, own)
        if model is not None:
            found[head] = model
    return found


def beside(linear: Mapping[str, Linear], schema: Schema) -> Callable[[nn.Module, Any], dict[str, Tensor]]:
    """What answers the batches of a test beside the model itself: ``(model, batch) -> answers by head``."""

    def answer(module: nn.Module, batch: Any) -> dict[str, Tensor]:
        x = seen(schema, module, batch)
        assert x is not None
        return {head: model.answer(x) for head, model in linear.items()}

    return answer


def features(inputs: Sequence[object], categories: Sequence[int] = ()) -> Tensor | None:
    """A batch's inputs as one float32 matrix (B, D), D ≤ 1,024; None where they are no numbers of one size.

    Images are averaged down to as many squares as fit, long rows to as many stretches; a table's second part, integer
    codes (B, columns), becomes one column a value (``categories``: how many each column has), the widest left out
    where they do not fit. Other integers (words, ids) are no quantities.
    """
    found: list[Tensor] = []
    wide = sum(isinstance(part, Tensor) and part.is_floating_point() for part in inputs)
    for part in inputs:
        if not isinstance(part, Tensor) or part.is_complex() or not part.ndim:
            return None
        if part.dtype in (torch.int64, torch.int32, torch.int16):
            if part.ndim != 2 or part.shape[1] != len(categories):
                return None
            found += _one_hot(part, categories, FEATURES - sum(f.shape[1] for f in found))
            continue
        found.append(_small(part.detach().float().cpu(), FEATURES // max(1, wide if categories else len(inputs))))
    return torch.cat(found, 1) if found and sum(f.shape[1] for f in found) else None


def _small(x: Tensor, most: int) -> Tensor:
    """(B, …) as (B, at most ``most``)."""
    if x.ndim == 4 and x[0].numel() > most and x.shape[1] <= most:  # (B, C, H, W)
        side = isqrt(most // x.shape[1])
        x = functional.adaptive_avg_pool2d(x, (min(side, x.shape[2]), min(side, x.shape[3])))
    x = x.reshape(len(x), -1)
    return x if x.shape[1] <= most else functional.adaptive_avg_pool1d(x[:, None], most)[:, 0]


def _one_hot(codes: Tensor, sizes: Sequence[int], room: int) -> list[Tensor]:
    found = []
    for i in sorted(range(len(sizes)), key=lambda i: sizes[i]):
        if sizes[i] <= room:
            found.append(functional.one_hot(codes[:, i].long().cpu().clamp(0, sizes[i] - 1), sizes[i]).float())
            room -= sizes[i]
    return found


@dataclass
class _Sums:
    """What the solution needs of the rows, added up batch by batch: memory does not grow with them."""

    shift: Tensor
    scale: Tensor
    n: float = 0.0
    x: Tensor = field(default_factory=lambda: torch.zeros(1))  # (D,)
    xx: Tensor = field(default_factory=lambda: torch.zeros(1))  # (D, D)
    y: Tensor = field(default_factory=lambda: torch.zeros(1))  # (K,)
    xy: Tensor = field(default_factory=lambda: torch.zeros(1))  # (D, K)

    def add(self, x: Tensor, y: Tensor) -> None:
        x = (x - self.shift) / self.scale
        self.n += len(x)
        self.x = self.x + x.sum(0, dtype=torch.float64)
        self.xx = self.xx + (x.T @ x).double()
        self.y = self.y + y.sum(0, dtype=torch.float64)
        self.xy = self.xy + x.T.double() @ y.double()


def fit(
    task: str, outputs: int, rows: Iterable[tuple[Tensor, Tensor]], held_out: Sequence[tuple[Tensor, Tensor]] = ()
) -> Linear | None:
    """The linear model of ``rows``, batches of (features, target in the metrics' form).

    Classes: linear discriminant analysis (Fisher, 1936; Rao, 1948) with a shared covariance shrunk towards a multiple
    of the identity; labels and numbers: ridge regression. The shrinkage is the one that answers ``held_out`` best.
    None where there is nothing to learn from.
    """
    sums: _Sums | None = None
    for x, y in rows:
        x, y = _known(task, x, y)
        if not len(x):
            continue
        if sums is None:
            scale = x.std(0, correction=0)
            sums = _Sums(x.mean(0), scale.where(scale > 0, 1.0))
        sums.add(x, _columns(task, y, outputs))
    if sums is None or sums.n < 3 or (task == "classification" and int((sums.y > 0).sum()) < 2):
        return None
    solved = _Solved.of(task, sums)
    if not held_out:
        return solved.at(UNTRIED)
    seen, truth = _known(task, torch.cat([x for x, _ in held_out]), torch.cat([y for _, y in held_out]))
    target = _columns(task, truth, outputs).double()
    tried = [solved.at(shrinkage) for shrinkage in SHRINKAGES]
    return min(tried, key=lambda model: _wrong(model, seen, target))


def _known(task: str, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    keep = x.isfinite().all(1)
    keep &= (y >= 0) if task == "classification" else y.isfinite().reshape(len(y), -1).all(1)
    return (x, y) if bool(keep.all()) else (x[keep], y[keep])


def _columns(task: str, y: Tensor, outputs: int) -> Tensor:
    """The target as (B, K): one column a class, a label, or a number."""
    return functional.one_hot(y, max(outputs, int(y.max()) + 1 if len(y) else 1)) if task == "classification" else y


def _wrong(model: Linear, x: Tensor, target: Tensor) -> float:
    answer = model.answer(x)
    if model.task == "classification":
        width = min(answer.shape[1], target.shape[1])
        return -float((answer[:, :width].clamp(min=EPS).log() * target[:, :width]).sum())
    return float(((answer - target).square().mean(0) / target.var(0, correction=0).clamp(min=1e-12)).mean())


@dataclass(frozen=True)
class _Solved:
    """One decomposition, from which the solution for every shrinkage is a product of matrices."""

    task: str
    sums: _Sums
    values: Tensor  # (D,) eigenvalues of the (within-class) covariance
    vectors: Tensor  # (D, D)

    @staticmethod
    def of(task: str, sums: _Sums) -> _Solved:
        if task == "classification":
            covariance = sums.xx - sums.xy @ (sums.xy / sums.y.clamp(min=1)).T
        else:
            covariance = sums.xx - torch.outer(sums.x, sums.x) / sums.n
        values, vectors = torch.linalg.eigh(covariance / sums.n)
        return _Solved(task, sums, values.clamp(min=0), vectors)

    def at(self, shrinkage: float) -> Linear:
        sums, shrunk = self.sums, (1 - shrinkage) * self.values + shrinkage * self.values.mean().clamp(min=1e-6)

        def inverse(right: Tensor) -> Tensor:
            return self.vectors @ ((self.vectors.T @ right) / shrunk[:, None])

        if self.task == "classification":
            means = sums.xy / sums.y.clamp(min=1)  # (D, K)
            weight = inverse(means)
            prior = ((sums.y + EPS) / (sums.n + EPS * len(sums.y))).log()
            bias = prior - 0.5 * (means * weight).sum(0)
        else:
            weight = inverse((sums.xy - torch.outer(sums.x, sums.y) / sums.n) / sums.n)
            bias = (sums.y - sums.x @ weight) / sums.n
        return Linear(self.task, sums.shift, sums.scale, weight, bias)
