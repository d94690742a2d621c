"""What the labels of arrays pose: classes, several labels, or numbers; and their codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from danlu.data.labels import as_lists, in_order, indicators, is_labels, label_names
from danlu.errors import DanluError, did_you_mean
from danlu.messages import say
from danlu.types import Bad, Choice, Field, Kind, TaskName

MAX_INTEGER_CLASSES = 200  # more distinct integers than this, with few rows each, are numbers and not classes
IGNORED = -100  # torch's ignore_index


@dataclass(frozen=True)
class Target:
    """What the labels pose: their field, the task, and what was decided."""

    field: Field
    task: TaskName
    choices: tuple[Choice, ...] = ()


def as_values(y: Any) -> np.ndarray:
    """Labels as one array (N, ...) of numbers or strings; tensors, lists, Series and pyarrow columns are welcome.

    Lists of labels, one a row, become an object array (N,): see ``labels.as_lists``.
    """
    if isinstance(y, Tensor):
        return y.detach().cpu().float().numpy() if y.dtype == torch.bfloat16 else y.detach().cpu().numpy()
    if is_labels(y) and any(v is not None and len(v) != 1 for v in y):
        return as_lists(y)
    values = np.asarray(y)
    if values.dtype.kind == "U" and values.ndim == 2 and values.shape[1] > 1:
        return as_lists(values.tolist())
    if values.dtype == object and values.ndim == 1 and len(values) and isinstance(values[0], (list, np.ndarray)):
        values = _matrix(values)
    if values.dtype == object:
        flat = [v.decode() if isinstance(v, bytes) else v for v in values.ravel().tolist()]
        kinds = {str if isinstance(v, str) else float for v in flat if v is not None}
        as_text = kinds == {str}
        values = np.asarray([("" if v is None else str(v)) if as_text else _number(v) for v in flat])
        values = values.reshape(np.asarray(y).shape)
    return values.astype(str) if values.dtype.kind == "S" else values


def _matrix(column: np.ndarray) -> np.ndarray:
    """A column of equally long lists as a matrix; DL163 where they are not."""
    try:
        return np.asarray([np.asarray(v) for v in column])
    except ValueError as error:
        raise DanluError("DL163", where="y", found=str(error)) from error


def _number(value: Any) -> float:
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError) as error:
        raise DanluError("DL163", where="y", found=type(value).__name__) from error


def bad_labels(values: np.ndarray, where: str) -> list[Bad]:
    """Rows whose label is missing: NaN, infinite, or empty text."""
    if values.dtype == object:
        return [Bad(f"{where} {row}", say("data.no_label")) for row, labels in enumerate(values) if labels is None]
    missing = values == "" if values.dtype.kind == "U" else ~np.isfinite(values) if values.dtype.kind == "f" else None
    if missing is None or not missing.any():
        return []
    rows = np.flatnonzero(missing.reshape(len(values), -1).any(axis=1))
    return [Bad(f"{where} {row}", say("data.no_label")) for row in rows.tolist()]


def infer_target(values: np.ndarray, task: str | None, *, keep: bool) -> Target:
    """The target of the training labels ``values`` (N, ...).

    ``keep``: the numbers go to a user's own model as they are (only text becomes codes, and float64 float32).
    Otherwise classes are numbered 0.. in sorted order. DL154 when there is a single class.
    """
    if values.ndim == 2 and values.shape[1] == 1 and not keep:
        values = values[:, 0]
    if task == "multilabel":
        values = _lists_if_numbers(values)
    if values.dtype == object:
        return _of_lists(values, task, keep)
    found, why = task_of_labels(values, task)
    if keep and task is None and found == "classification" and _has_negatives(values):
        found, why = "custom", say("data.task.negative")
    if found == "multilabel":
        names = tuple(str(i) for i in range(values.shape[1]))
        field = Field("y", "multilabel", "target", why, (len(names),), "float32", names)
    elif found == "classification":
        field = _classes_field(values, why, keep)
    else:
        shape = tuple(values.shape[1:])
        kind: Kind = "number" if found == "regression" else "tensor"
        field = Field("y", kind, "target", why, shape, "float32" if kind == "number" else _dtype(values))
    if field.kind == "category" and len(field.classes) < 2:
        raise DanluError("DL154", name=", ".join(field.classes), rows=len(values))
    return Target(field, found, (Choice("task", found, why),))


def _lists_if_numbers(values: np.ndarray) -> np.ndarray:
    """Class numbers in lists of one length, or one label a row, as lists; a matrix of 0 and 1 as it is."""
    if values.dtype == object or (values.dtype.kind != "U" and bool(np.isin(values, (0, 1)).all())):
        return values
    if values.dtype.kind == "f" and not bool((values == np.round(values)).all()):
        return values
    return as_lists(values.reshape(len(values), -1).tolist())


def _of_lists(lists: np.ndarray, task: str | None, keep: bool) -> Target:
    """The target of lists of labels: a column of 0 and 1 for each. DL142 where another task is asked for."""
    if task not in (None, "multilabel", "custom"):
        first = next(labels for labels in lists if labels)
        raise DanluError("DL142", where="y", task=task, labels=", ".join(first[:4]))
    names = in_order(label_names(lists))
    if keep and all(n.isdecimal() for n in names):  # numbers reach a user's own model by their place
        names = tuple(str(i) for i in range(int(names[-1]) + 1))
    if len(names) < 2:
        raise DanluError("DL154", name=", ".join(names), rows=len(lists))
    mean = sum(len(labels or ()) for labels in lists) / len(lists)
    why = say("data.task.lists", n=len(names), mean=f"{mean:.1f}")
    found: TaskName = "custom" if task == "custom" else "multilabel"
    field = Field("y", "multilabel", "target", why, (len(names),), "float32", names)
    return Target(field, found, (Choice("task", found, why),))


def named_targets(target: Any) -> dict[str, Any]:
    """Several targets of one sample by name; those of a tuple are ``y0``, ``y1``, …"""
    if isinstance(target, Mapping):
        return dict(target)
    return {f"y{i}": value for i, value in enumerate(target)} if isinstance(target, (tuple, list)) else {}


def head_fields(targets: Sequence[Any]) -> tuple[Field, ...]:
    """A field for each of several targets, by a few samples' dicts or tuples of them; empty where these pose no tasks.

    Integers are classes, floats numbers, rows of 0 and 1 labels. The classes stay open: samples do not tell how many.
    """
    rows = [named_targets(target) for target in targets]
    if len(rows[0]) < 2 or any(row.keys() != rows[0].keys() for row in rows):
        return ()
    fields = []
    for name in rows[0]:
        try:
            values = np.stack([as_values(row[name]) for row in rows])
        except (ValueError, TypeError, DanluError):
            return ()
        shape, whole = tuple(values.shape[1:]), values.dtype.kind in "iub"
        if values.ndim == 2 and shape[0] > 1 and np.isin(values, (0, 1)).all():
            names = tuple(map(str, range(shape[0])))
            fields.append(Field(name, "multilabel", "target", "", shape, "float32", names))
        elif whole and values.ndim == 1 and (values.astype(np.int64)[values != IGNORED] >= 0).all():
            fields.append(Field(name, "category", "target", "", (), "int64"))
        elif values.dtype.kind == "f" and values.ndim <= 2:
            fields.append(Field(name, "number", "target", "", shape))
        else:
            return ()
    return tuple(fields)


def task_of_labels(values: np.ndarray, task: str | None) -> tuple[TaskName, str]:
    if task is not None:
        return task, say("data.task.given")  # type: ignore[return-value]  # settings allow only the task names
    if values.dtype.kind in "Ub":
        return "classification", say("data.task.text" if values.dtype.kind == "U" else "data.task.bool")
    whole = values.dtype.kind in "iu"
    zero_one = bool(np.isin(values, (0, 1)).all())
    if values.ndim == 1 or values.shape[1:] == (1,):
        if whole:
            return _task_of_integers(values)
        return ("classification", say("data.task.zero_one")) if zero_one else ("regression", say("data.task.float"))
    if values.ndim == 2 and zero_one and (values.sum(axis=1) == 1).all():
        return "classification", say("data.task.one_hot")
    if values.ndim == 2 and zero_one:
        return "multilabel", say("data.task.multilabel", n=values.shape[1])
    if values.ndim == 2 and not whole:
        return "regression", say("data.task.floats", n=values.shape[1])
    return "custom", say("data.task.custom", shape=tuple(values.shape[1:]))


def _task_of_integers(values: np.ndarray) -> tuple[TaskName, str]:
    distinct = len(np.unique(values))
    if distinct > MAX_INTEGER_CLASSES and len(values) < 10 * distinct:
        return "regression", say("data.task.many_integers", n=distinct, rows=len(values))
    return "classification", say("data.task.integers", n=distinct)


def _has_negatives(values: np.ndarray) -> bool:
    """Whether there are labels such as -1, which a user's own loss may want to see as they are."""
    return values.dtype.kind in "if" and bool(((values < 0) & (values != IGNORED)).any())


def _classes_field(values: np.ndarray, why: str, keep: bool) -> Field:
    if values.ndim == 2 and values.shape[1] > 1:  # one-hot
        names = tuple(str(i) for i in range(values.shape[1]))
        shape: tuple[int, ...] = (len(names),) if keep else ()
        return Field("y", "category", "target", why, shape, "float32" if keep else "int64", names)
    distinct = np.unique(values[values != IGNORED] if values.dtype.kind in "iu" else values)
    if keep and values.dtype.kind in "iuf" and len(distinct) and distinct[0] >= 0:
        names = tuple(str(i) for i in range(max(int(distinct[-1]) + 1, 2)))  # numbers reach the loss as they are
    else:
        names = tuple(class_name(v) for v in distinct.tolist())
    return Field("y", "category", "target", why, tuple(values.shape[1:]) if keep else (), _dtype(values, keep), names)


def _dtype(values: np.ndarray, keep: bool = True) -> str:
    if values.dtype.kind in "Uiub" or not keep:
        return "int64"
    return "float32"


def class_name(value: Any) -> str:
    """1.0 and 1 are the class "1"; text is its own name."""
    return (
        str(int(value)) if isinstance(value, bool) or (isinstance(value, float) and value.is_integer()) else str(value)
    )


def encode_target(field: Field, values: np.ndarray, part: str = "") -> Tensor:
    """The codes or numbers of ``values`` under a training ``field``.

    A class the training rows do not have raises DL155 with its name, count and the nearest known one.
    """
    if field.kind == "multilabel":
        values = _lists_if_numbers(values)
    if values.dtype == object:
        if field.kind != "multilabel":
            labels = ", ".join(sorted(label_names(values))[:4])
            raise DanluError("DL142", where=part or "y", task=field.kind, labels=labels)
        return indicators(values, field.classes, part)
    if field.kind == "number":
        return _standardised(field, values)
    if field.kind != "category" or (field.shape and field.shape == (len(field.classes),)):
        return torch.from_numpy(values.astype(field.dtype)).reshape(len(values), *field.shape)
    if values.ndim == 2 and values.shape[1] == len(field.classes) > 1:
        return torch.from_numpy(values.argmax(axis=1).astype(np.int64))
    distinct, code = np.unique(values, return_inverse=True)
    numbers = {name: i for i, name in enumerate(field.classes)}
    table = np.empty(len(distinct), dtype=np.int64)
    for i, value in enumerate(distinct.tolist()):
        name = class_name(value)
        if name in numbers:
            table[i] = numbers[name]
        elif value == IGNORED:
            table[i] = IGNORED
        else:
            count = int((code == i).sum())
            raise DanluError("DL155", where=part, name=name, count=count, near=did_you_mean(name, field.classes))
    out = torch.from_numpy(table[code.reshape(values.shape)]).reshape(len(values), *field.shape)
    return out if field.dtype == "int64" else out.to(torch.float32)


def _standardised(field: Field, values: np.ndarray) -> Tensor:
    """float32 ``(values - mean) / std``, computed in float64 so that a large mean costs no digits."""
    wide = _as_float(values).reshape(len(values), *field.shape)
    if field.mean:
        shape = field.shape or ()
        wide = (wide - np.reshape(field.mean, shape)) / np.reshape(field.std, shape)
    return torch.from_numpy(wide.astype(np.float32))


def _as_float(values: np.ndarray) -> np.ndarray:
    try:
        return values.astype(np.float64)
    except ValueError as error:  # text, and the task is given as regression
        raise DanluError("DL163", where="y", found=str(error)) from error


def with_statistics(field: Field, values: np.ndarray) -> Field:
    """A regression target's field with mean and std (float64) of the training rows ``values``, one a column."""
    wide = _as_float(values).reshape(len(values), -1)
    std = wide.std(axis=0)
    return replace(field, mean=tuple(wide.mean(axis=0).tolist()), std=tuple(np.where(std > 0, std, 1.0).tolist()))
