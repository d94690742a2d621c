"""What each column of a table is worth to a model: how much a metric drops when the column is shuffled."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from danlu.batch import answer_of, to_device
from danlu.data.mixed import meaning
from danlu.device import kept_randomness
from danlu.evaluate import evaluating
from danlu.metrics import Z
from danlu.types import Schema

Inputs = tuple[Tensor, ...]
Group = tuple[tuple[int, int], ...]  # columns that belong together, each as (which tensor, which column of it)


@dataclass(frozen=True)
class Importance:
    """What a column is worth: how much a metric gets worse when the column's values are dealt out at random."""

    name: str
    drop: float  # mean over the repeats, in the metric's own unit; positive: the model needs the column
    low: float  # 95 % interval of that mean over further repeats (Student's t); not over other test rows
    high: float
    drops: tuple[float, ...]


def permutation_importance(
    score: Callable[[Inputs], float],
    inputs: Inputs,
    groups: Mapping[str, Group],
    *,
    greater: bool = True,
    repeats: int = 10,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """The worth of each group of columns, in the order of ``groups``.

    Each group is put into another order of rows, alone and as a whole, and the metric measured anew. Source: Breiman,
    Random Forests, 2001. Columns that tell the same stand in for each other, and then each alone seems worth little.

    Args:
        score: the metric on inputs like ``inputs``, whose targets stay where they are; see ``score_of``.
        inputs: tensors with a row each for every test row, ready for the model; each is (N, columns).
        groups: see ``groups_of`` and ``single_columns``. greater: whether more of the metric is better.
        repeats: at least 2; one order of rows for each, the same for all groups.
    """
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(inputs[0]), generator=generator) for _ in range(repeats)]
    whole = score(inputs)
    found = []
    for name, group in groups.items():
        drops = [whole - score(_shuffled(inputs, group, order)) for order in orders]
        found.append(_importance(name, [drop if greater else -drop for drop in drops]))
    return tuple(found)


def _shuffled(inputs: Inputs, group: Group, order: Tensor) -> Inputs:
    changed = list(inputs)
    for which in {which for which, _ in group}:
        if inputs[which].ndim == 1:  # one column asked for by its name
            changed[which] = inputs[which].index_select(0, order.to(inputs[which].device))
            continue
        columns = torch.tensor([column for other, column in group if other == which], device=inputs[which].device)
        moved = inputs[which].index_select(1, columns).index_select(0, order.to(columns.device))
        changed[which] = inputs[which].index_copy(1, columns, moved)
    return tuple(changed)


def _importance(name: str, drops: list[float]) -> Importance:
    mean = math.fsum(drops) / len(drops)
    half = t_quantile(len(drops) - 1) * statistics.stdev(drops) / math.sqrt(len(drops))
    return Importance(name, mean, mean - half, mean + half, tuple(drops))


def t_quantile(freedom: int) -> float:
    """The 97.5 % point of Student's t, from 4 degrees of freedom on: Abramowitz and Stegun's expansion 26.7.5."""
    z = Z
    terms: tuple[float, ...] = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(freedom) ** power for power, term in enumerate(terms, 1))


def score_of(
    model: nn.Module,
    target: Tensor,
    metric: Callable[[Tensor, Tensor], float],
    decode: Callable[[Tensor], Tensor],
    *,
    batch_size: int = 1024,
) -> Callable[[Inputs], float]:
    """``metric(decoded (N, …), target)`` of the model's answers, as ``permutation_importance`` asks for it."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))

    def score(inputs: Inputs) -> float:
        batches = zip(*(tensor.split(batch_size) for tensor in inputs))
        with kept_randomness(seed=0), evaluating(model):
            answers = [decode(answer_of(model(*to_device(batch, device)))).cpu() for batch in batches]
            return metric(torch.cat(answers), target)

    return score


def single_columns(x: Tensor, names: Sequence[str] = ()) -> dict[str, Group]:
    """Every column of one matrix (N, D) for itself."""
    return {(names[i] if names else str(i)): ((0, i),) for i in range(x.shape[1])}


def groups_of(schema: Schema) -> dict[str, Group]:
    """The columns of a table as its model sees them: a number with its missing flag, all parts of a one-hot category.

    For the layouts "columns" (numbers with flags behind them, category codes) and "matrix" (numbers, flags, one-hot
    categories); see ``danlu.data.encode.prepare_table``.
    """
    if schema.layout == "mixed":
        return _groups_of_parts(schema)
    numbers = [f for f in schema.inputs if f.kind == "number"]
    flagged = [f.name for f in numbers if f.missing]
    groups: dict[str, Group] = {}
    for i, f in enumerate(numbers):
        flag = ((0, len(numbers) + flagged.index(f.name)),) if f.missing else ()
        groups[f.name] = ((0, i), *flag)
    start = len(numbers) + len(flagged)
    for i, f in enumerate(f for f in schema.inputs if f.kind == "category"):
        if schema.layout == "columns":
            groups[f.name] = ((1, i),)
        else:
            groups[f.name] = tuple((0, start + k) for k in range(len(f.classes)))
            start += len(f.classes)
    return {f.name: groups[f.name] for f in schema.inputs if f.name in groups}


def _groups_of_parts(schema: Schema) -> dict[str, Group]:
    """The same of a table with images: an image (B, C, H, W) with all its channels, what lies in the blocks, and what
    the model asked for by name (a tensor (B,) counts as one column). What the model does not get has no worth.
    """
    by_kind = {kind: [f for f in schema.inputs if f.kind == kind] for kind in ("image", "number", "category")}
    table = groups_of(replace(schema, layout="columns"))
    groups: dict[str, Group] = {}
    for which, (kind, i) in enumerate(meaning(schema)):
        if kind == "block":
            found = {f.name: tuple((which, k) for _, k in table[f.name]) for f in by_kind[("number", "category")[i]]}
        else:
            field = by_kind[kind][i]
            found = {field.name: tuple((which, k) for k in range(field.shape[0] if kind == "image" else 1))}
        for name, columns in found.items():
            groups[name] = (*groups.get(name, ()), *columns)
    return {f.name: groups[f.name] for f in schema.inputs if f.name in groups}
