"""Columns that give the target away, each tried alone: learnt on one half of the rows, asked on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROWS = 10_000  # looked at
LEAST = 40  # fewer rows prove nothing
TELLING = 0.98  # of what a guess leaves over (of the variance, for numbers)


@dataclass(frozen=True)
class Leak:
    """``score``: the share of right answers (classes) or R² (numbers) on the other half; ``guess``: without looking."""

    column: str
    score: float
    guess: float


def leaks(columns: dict[str, np.ndarray], target: np.ndarray, *, classes: bool) -> list[Leak]:
    """Columns are float64 (N,) with NaN for a missing number, or int64 (N,) codes of a category."""
    rows = np.random.default_rng(0).permutation(len(target))[:ROWS]
    half = len(rows) // 2
    known, asked = rows[:half], rows[half:]
    if len(rows) < LEAST:
        return []
    truth = target[asked]
    if classes:
        values, counts = np.unique(target[known], return_counts=True)
        guess = float((truth == values[counts.argmax()]).mean())
    else:
        guess = 0.0
    if guess > 0.9 or (not classes and float(truth.std()) == 0):  # a rare class: too few rows to tell a leak from luck
        return []
    found = []
    for name, column in columns.items():
        answer = _looked_up(column, target, known, asked, classes=classes)
        if classes:
            score = float((answer == truth).mean())
        else:
            score = 1 - float(((answer - truth) ** 2).mean() / truth.var())
        if (score - guess) / (1 - guess) >= TELLING:
            found.append(Leak(name, score, guess))
    return found


def _looked_up(
    column: np.ndarray, target: np.ndarray, known: np.ndarray, asked: np.ndarray, *, classes: bool
) -> np.ndarray:
    """The answers for ``asked``: of a category its own mean or majority, of a number that of the nearest one."""
    if column.dtype.kind == "f":
        return _of_nearest(column, target, known, asked)
    values, group = np.unique(column[known], return_inverse=True)
    if classes:
        names, codes = np.unique(target[known], return_inverse=True)
        table = np.zeros((len(values), len(names)))
        np.add.at(table, (group, codes), 1)
        answers, otherwise = names[table.argmax(1)], names[np.bincount(codes).argmax()]
    else:
        answers = np.bincount(group, target[known]) / np.bincount(group)
        otherwise = target[known].mean()
    at = np.searchsorted(values, column[asked]).clip(max=len(values) - 1)
    return np.asarray(np.where(values[at] == column[asked], answers[at], otherwise))


def _of_nearest(column: np.ndarray, target: np.ndarray, known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    finite = column[known][np.isfinite(column[known])]
    beyond = 2 * float(np.abs(finite).max(initial=0)) + 1  # where missing values lie together
    numbers = np.where(np.isfinite(column), column, beyond)
    order = known[np.argsort(numbers[known], kind="stable")]
    sorted_, wanted = numbers[order], numbers[asked]
    right = np.searchsorted(sorted_, wanted).clip(max=len(order) - 1)
    left = (right - 1).clip(min=0)
    nearer = np.where(np.abs(sorted_[left] - wanted) < np.abs(sorted_[right] - wanted), left, right)
    return np.asarray(target[order[nearer]])
