"""Arrays and tensors: images recognised, numbers standardised for danlu's models, left alone for a user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from danlu.data.columns import Columns, Data, most_bad
from danlu.data.duplicates import distinct_enough
from danlu.data.inputs import Treatment, as_tensor, encode_input, input_fields
from danlu.data.prepare import prepare
from danlu.data.split import TEST_SHARE, VAL_SHARE, content_of, split
from danlu.data.targets import as_values, bad_labels, encode_target, infer_target, with_statistics
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Bad, Choice, Field, Schema


@dataclass(frozen=True)
class Arrays:
    """Rows as they came: inputs (N, ...) each, labels (N, ...) or None, and what to call a row."""

    inputs: tuple[Tensor, ...]
    target: np.ndarray | None
    where: str = "row"

    def __len__(self) -> int:
        return len(self.inputs[0])


def as_arrays(values: Sequence[Any], where: str = "row") -> Arrays:
    """``(x, y)`` or ``(a, b, y)`` of anything array-like; DL162 when lengths differ, DL163 when no numbers."""
    inputs = tuple(as_tensor(value, where) for value in values[:-1])
    target = as_values(values[-1])
    lengths = [len(t) if t.ndim else 0 for t in inputs] + [len(target) if target.ndim else 0]
    if len(set(lengths)) > 1:
        raise DanluError("DL162", where=where, lengths=", ".join(map(str, lengths)))
    if not lengths[0]:
        raise DanluError("DL173", where=where, where_from=where)
    return Arrays(inputs, target, where)


def open_arrays(
    train: Arrays,
    test: Arrays | None,
    val: Arrays | None,
    settings: Settings,
    *,
    name: str,
    origin: Literal["arrays", "idx"] = "arrays",
    treatment: Treatment = "standardise",
    shares: tuple[float, float] = (VAL_SHARE, TEST_SHARE),
) -> Data:
    """The data of in-memory rows; val and test are split off by ``shares`` where they are not given."""
    parts = [train, test, val]
    bad: list[Bad] = []
    for i, part in enumerate(parts):
        if part is not None:
            parts[i], dropped = drop_bad(part, settings)
            bad += dropped
    first = parts[0]
    assert first is not None and first.target is not None
    rows, choices = _split(
        first, settings, val=0.0 if parts[2] is not None else shares[0], test=0.0 if parts[1] is not None else shares[1]
    )
    target = infer_target(first.target, settings.task, keep=treatment != "standardise")
    inputs, notes = input_fields(first.inputs, rows[0], treatment)
    label = target.field
    if treatment == "standardise" and label.kind == "number":
        label = with_statistics(label, first.target[rows[0].numpy()])
    schema = Schema(
        (*inputs, label), target.task, _layout(inputs, treatment), "dataset" if treatment == "untouched" else origin
    )
    whole = encode(schema, first)
    out = [whole.take(r) if len(r) else None for r in rows]
    for i, part in ((1, parts[2]), (2, parts[1])):
        if part is not None:
            out[i] = encode(schema, part)
    return Data(name, out[0], out[1], out[2], schema, (*target.choices, *notes, *choices), tuple(bad))


def _split(
    train: Arrays, settings: Settings, *, val: float, test: float
) -> tuple[tuple[Tensor, Tensor, Tensor], list[Choice]]:
    n, none = len(train), torch.zeros(0, dtype=torch.int64)
    if not val and not test:
        return (torch.arange(n), none, none), []
    assert train.target is not None
    flat = train.target.ndim == 1 or train.target.shape[1:] == (1,)
    kind = train.target.dtype.kind
    classes = flat and (kind in "iubU" or (kind != "O" and bool(np.isin(train.target, (0, 1)).all())))
    strata = torch.from_numpy(np.unique(train.target, return_inverse=True)[1].reshape(-1)) if classes else None
    rows = split(n, strata=strata, content=_content(train.inputs), seed=settings.seed, val=val, test=test)
    return rows, [split_choice(*(len(r) for r in rows), stratified=strata is not None)]


def _content(inputs: tuple[Tensor, ...]) -> Tensor | None:
    """Equal numbers for equal rows; None where rows repeat because few different ones are possible."""
    content = content_of(*inputs)
    return content if distinct_enough(content) else None


def split_choice(train: int, val: int, test: int, *, stratified: bool) -> Choice:
    """What is said about a split danlu made."""
    why = [say("data.split.asked_val" if not test else "data.split.asked_test" if not val else "data.split.asked_both")]
    if stratified:
        why.append(say("data.split.stratified"))
    return Choice("split", split_counts(train, val, test), "".join(why))


def split_counts(train: int, val: int, test: int) -> str:
    """``1,049 train, 225 validation, 225 test``; a part without rows is left out."""
    counts = {"data.split.train": train, "data.split.val": val, "data.split.test": test}
    return say("data.split.comma").join(say(key, count=f"{count:,}") for key, count in counts.items() if count)


def drop_bad(part: Arrays, settings: Settings) -> tuple[Arrays, list[Bad]]:
    """The rows without a missing label or a NaN input; DL164/DL165 when on_bad is "stop", DL158 over the limit."""
    bad = [] if part.target is None else bad_labels(part.target, part.where)
    if bad and settings.on_bad != "skip":
        raise DanluError("DL164", where=bad[0].where, count=len(bad), rows=some([b.where for b in bad]))
    keep = torch.ones(len(part), dtype=torch.bool)
    for b in bad:
        keep[int(b.where.rsplit(" ", 1)[1])] = False
    for x in part.inputs:
        if x.is_floating_point() and not bool(x.sum().isfinite()) and not bool(x.isfinite().all()):
            wrong = (~x.isfinite()).reshape(len(x), -1).any(1) & keep
            named = [Bad(f"{part.where} {r}", say("data.not_finite")) for r in wrong.nonzero().flatten().tolist()]
            if named and settings.on_bad != "skip":
                raise DanluError("DL165", where=named[0].where, count=len(named), rows=some([b.where for b in named]))
            keep &= ~wrong
            bad += named
    if not bad:
        return part, bad
    check_limit(bad, len(part), settings)
    if not bool(keep.any()):
        raise DanluError("DL173", where=part.where, where_from=part.where)
    target = None if part.target is None else part.target[keep.numpy()]
    return Arrays(tuple(x[keep] for x in part.inputs), target, part.where), bad


def check_limit(bad: Sequence[Bad], total: int, settings: Settings) -> None:
    """DL158 when more samples are bad than may be skipped."""
    if len(bad) > most_bad(total, settings.bad_limit):
        share = len(bad) / max(total, 1)
        raise DanluError(
            "DL158",
            where=bad[0].where,
            count=len(bad),
            total=total,
            why=bad[0].why,
            share=f"{share:.2%}",
            limit=f"{settings.bad_limit:.2%}",
            enough=f"{min(1.0, -(-share * 1000 // 1) / 1000):g}",
        )


def some(names: Sequence[str], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:most]) + (f" (+{len(names) - most})" if len(names) > most else "")


def _layout(inputs: Sequence[Field], treatment: Treatment) -> Literal["image", "matrix", "tensor"]:
    if treatment == "untouched":
        return "tensor"
    if len(inputs) == 1 and inputs[0].kind == "image":
        return "image"
    return "matrix" if treatment == "standardise" and len(inputs) == 1 else "tensor"


def encode(schema: Schema, part: Arrays) -> Columns:
    """A part's rows under the training schema; DL168 when an input's shape is another."""
    names: Callable[[int], str] = _Names(part.where)
    if schema.origin == "dataset":  # a user's TensorDataset is not touched
        labels = () if part.target is None else (torch.from_numpy(part.target),)
        return Columns((*part.inputs, *labels), names=names)
    inputs = tuple(encode_input(f, x, part.where) for f, x in zip(schema.inputs, part.inputs, strict=True))
    columns, exact = inputs, None
    if part.target is not None:
        columns = (*inputs, encode_target(schema.targets[0], part.target, part.where))
        if schema.targets[0].kind == "number":
            exact = torch.from_numpy(part.target.astype(np.float64).reshape(len(part), -1))
    return Columns(columns, prepare=prepare(schema), names=names, exact=exact)


@dataclass(frozen=True)
class _Names:
    """``row 17``; a class, so that it travels to worker processes."""

    where: str

    def __call__(self, row: int) -> str:
        return f"{self.where} {row}"
