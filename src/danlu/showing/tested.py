"""The test's part of the page: metrics, classes, confusion, curves, calibration, residuals, mistakes, label errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from danlu.evaluate import Evaluation
from danlu.metrics.ranked import auroc_and_precision, curve
from danlu.metrics.rows import BINS, Classes, Labels, Values, class_counts, rows_of
from danlu.report.layout import number
from danlu.report.page.contents import (
    Bin,
    Calibration,
    Cell,
    ClassScore,
    Confusion,
    Curve,
    LabelCounts,
    LabelError,
    Mistake,
    Results,
    Target,
)
from danlu.showing.samples import Gallery
from danlu.showing.slices import slices_of
from danlu.showing.texts import interval_of, kinds_of_interval, metrics_of
from danlu.suspects import find_suspects
from danlu.types import Schema

MISTAKES, SUSPECTS = 24, 12
CELL_SAMPLES, CELLS = 4, 100  # samples that a cell of the confusion matrix opens, and how many wrong cells have some
GRID, SHOWN = 20, 520  # up to so many classes each cell opens; samples in all of them
CURVES = 6  # classes with curves of their own: those with the smallest area
POINTS = 2000  # of a scatter plot
HISTOGRAM = 30


def results_of(
    schema: Schema, results: Mapping[str, Any], tested: Evaluation, gallery: Gallery, name: str = ""
) -> Results:
    """Everything the test gave, ready to be drawn; ``name`` is that of the head, where there are several."""
    assert tested.decoded is not None and tested.target is not None
    rows = rows_of(schema.task, tested.decoded, tested.target)
    metrics, by_group = metrics_of(schema.task, results, kinds_of_interval()), slices_of(schema.task, results)
    if isinstance(rows, Values):
        return Results(name, tested.rows, metrics, targets=_targets(schema, rows), slices=by_group)
    roc, pr, curves = _curves(schema.classes, rows)
    scores = tuple(_score(part) for part in results.get("test/classes", ()))
    if isinstance(rows, Labels):
        shown = _labels(schema, rows)
        return Results(name, tested.rows, metrics, scores, roc=roc, pr=pr, curves=curves, slices=by_group, labels=shown)
    return Results(
        name,
        tested.rows,
        metrics,
        scores,
        _confusion(schema.classes, tested, gallery),
        roc,
        pr,
        curves,
        _calibration(rows, results),
        by_group,
    )


def mistakes_of(
    schema: Schema, tested: Evaluation, gallery: Gallery, heads: int = 1, name: str = ""
) -> tuple[tuple[Mistake, ...], int]:
    """The wrong test rows with the largest loss, the worst first, and how many are wrong in all (of numbers: 0).

    ``heads`` of them share the place there is.
    """
    assert tested.decoded is not None and tested.target is not None
    names, decoded, target = schema.classes, tested.decoded, tested.target
    found = []
    for i, loss in _worst(schema.task, decoded, target):
        sample = gallery.sample(i)
        if schema.task == "classification":
            guess = int(decoded[i].argmax())
            truth, answer = _name(names, int(target[i])), _name(names, guess)
            found.append(Mistake(sample, truth, answer, float(decoded[i, guess]), loss))
        elif schema.task == "multilabel":
            truth, answer = (", ".join(_there(names, row)) or "–" for row in (target[i], decoded[i]))
            found.append(Mistake(sample, truth, answer, None, loss))
        else:
            rows = target[i], decoded[i], decoded[i].double() - target[i].double()
            truth, answer, off = (", ".join(number(float(v)).replace("nan", "NaN") for v in row) for row in rows)
            found.append(Mistake(sample, truth, answer, off=off.replace("-", "−")))
    named = [replace(one, truth=f"{name}: {one.truth}") for one in found] if name else found
    many = 0 if schema.task == "regression" else int(wrong_rows(schema.task, decoded, target).sum())
    return tuple(named[: MISTAKES // heads]), many


def suspects_of(schema: Schema, tested: Evaluation, gallery: Gallery, name: str = "") -> tuple[LabelError, ...]:
    """Test rows whose label is probably wrong, the most suspicious; the model never learnt from them."""
    if schema.task != "classification" or tested.decoded is None or tested.target is None:
        return ()
    if int(tested.target.max()) >= tested.decoded.shape[1]:
        return ()
    names, head = schema.classes, f"{name}: " if name else ""
    return tuple(
        LabelError(
            gallery.sample(s.row), head + _name(names, s.given), _name(names, s.suggested), s.suggested_probability
        )
        for s in find_suspects(tested.decoded, tested.target)[:SUSPECTS]
    )


def _worst(task: str, decoded: Tensor, target: Tensor) -> list[tuple[int, float]]:
    if task == "classification":
        p = decoded.gather(1, target.clamp(min=0)[:, None])[:, 0].double().clamp(min=1e-12)
        loss = -p.log()
    elif task == "multilabel":
        p = decoded.double().clamp(1e-12, 1 - 1e-12)
        loss = -torch.where(target > 0.5, p, 1 - p).log().mean(1)
    else:
        spread = target.double().std(0, correction=0).clamp(min=1e-12)
        loss = ((decoded - target).double() / spread).abs().mean(1)
    loss = loss.nan_to_num(nan=torch.inf)  # nothing is worse than an answer that is no number
    loss = loss.where(wrong_rows(task, decoded, target), -1.0)  # among many classes right answers are unsure too
    top = loss.topk(min(MISTAKES, len(loss)))
    return [(i, v) for i, v in zip(top.indices.tolist(), top.values.tolist()) if v > 0]


def wrong_rows(task: str, decoded: Tensor, target: Tensor) -> Tensor:
    """Which rows are answered wrongly, bool (N,): a number whenever it is not exact; none without a target."""
    if task == "classification":
        return (decoded.argmax(1) != target) & (target >= 0)
    return ((decoded > 0.5) != (target > 0.5)).any(1) if task == "multilabel" else (decoded != target).any(1)


def _there(names: tuple[str, ...], row: Tensor) -> list[str]:
    return [_name(names, k) for k in torch.nonzero(row > 0.5)[:, 0].tolist()]


def _name(names: tuple[str, ...], k: int) -> str:
    return names[k] if 0 <= k < len(names) else str(k)


def _score(part: Mapping[str, Any]) -> ClassScore:
    values_, between = [part.get(k) for k in ("precision", "recall", "f1")], []
    for k in ("precision", "recall", "f1"):
        between.append(interval_of(part, k))
    return ClassScore(str(part["name"]), int(part["rows"]), *values_, *between)


def _confusion(names: tuple[str, ...], tested: Evaluation, gallery: Gallery) -> Confusion | None:
    assert tested.decoded is not None and tested.target is not None
    classes, target = tested.decoded.shape[1], tested.target
    guess = tested.decoded.argmax(1)
    known = torch.nonzero((target >= 0) & (target < classes))[:, 0]
    cell = target[known] * classes + guess[known]
    counts = torch.bincount(cell, minlength=classes * classes).view(classes, classes)
    off = counts.clone().fill_diagonal_(0)
    most = classes * classes if classes <= GRID else CELLS
    largest = [k for k in off.flatten().argsort(descending=True)[:most].tolist() if off.view(-1)[k]]
    diagonal = [k * (classes + 1) for k in range(min(classes, GRID)) if counts[k, k]]
    cells, spare = [], max(0, SHOWN - len(largest) - len(diagonal))
    for k in [*largest, *diagonal]:  # one sample each, and more for the largest confusions
        more = min(CELL_SAMPLES - 1, spare)
        rows = known[torch.nonzero(cell == k)[: 1 + more, 0]].tolist()
        spare -= len(rows) - 1
        cells.append(Cell(k // classes, k % classes, tuple(gallery.sample(i) for i in rows)))
    shown = tuple(_name(names, c) for c in range(classes))
    return Confusion(shown, tuple(map(tuple, counts.tolist())), tuple(cells))


def _curves(names: tuple[str, ...], rows: Classes | Labels) -> tuple[tuple[Curve, ...], tuple[Curve, ...], int]:
    """ROC and precision–recall curves, of many classes those with the smallest areas; and how many classes have any."""
    two = isinstance(rows, Classes) and rows.scores.shape[1] == 2
    ones = torch.ones(1, len(rows.actual), dtype=torch.float64)
    areas: dict[int, tuple[float, float]] = {}
    for c, (score, truth) in enumerate(rows.ranked()):
        if bool(truth.any()) and not bool(truth.all()):
            area, precision = auroc_and_precision(score, truth, [ones])
            areas[c] = float(area), float(precision)
    worst = [sorted(areas, key=lambda c: (areas[c][k], c))[:CURVES] for k in (0, 1)]
    drawn: dict[int, tuple[list[float], ...]] = {}
    for c, (score, truth) in enumerate(rows.ranked()):
        if c in worst[0] or c in worst[1]:
            _, hits, false = curve(score, truth)
            kept = _corners(hits)
            hits, false = hits[kept], false[kept]
            found, wrong, precision = hits / hits[-1], false / false[-1], hits / (hits + false)
            drawn[c] = wrong.tolist(), found.tolist(), precision.tolist()

    def name(c: int) -> str:
        return _name(names, 1 if two else c)

    roc = tuple(Curve(name(c), ((0.0, 0.0), *zip(*drawn[c][:2])), areas[c][0]) for c in sorted(worst[0]))
    pr = tuple(Curve(name(c), tuple(zip(*drawn[c][1:])), areas[c][1]) for c in sorted(worst[1]))
    return roc, pr, len(areas)


def _corners(hits: Tensor) -> Tensor:
    """Where a curve turns, bool (N,): between two of these no row more is found, and the line is straight."""
    same = hits[1:] == hits[:-1]
    inside = torch.zeros(len(hits), dtype=torch.bool)
    inside[1:-1] = same[1:] & same[:-1]
    return ~inside


def _labels(schema: Schema, rows: Labels) -> tuple[LabelCounts, ...]:
    hits, guesses, actuals = class_counts(rows, torch.ones(1, len(rows.actual), dtype=torch.float64))
    n, found = len(rows.actual), []
    for i, (hit, guess, actual) in enumerate(zip(*(each[0].long().tolist() for each in (hits, guesses, actuals)))):
        found.append(LabelCounts(_name(schema.classes, i), hit, actual - hit, guess - hit, n - guess - actual + hit))
    return tuple(found)


def _calibration(rows: Classes, results: Mapping[str, Any]) -> Calibration:
    bins = []
    for b in range(BINS):
        inside = rows.bin == b
        if bool(inside.any()):
            confidence, accuracy = float(rows.confidence[inside].mean()), float(rows.hit[inside].mean())
            bins.append(Bin(b / BINS, (b + 1) / BINS, confidence, accuracy, int(inside.sum())))
    return Calibration(tuple(bins), results.get("test/calibration_error"))


def _targets(schema: Schema, rows: Values) -> tuple[Target, ...]:
    from danlu.predict import target_names

    some = torch.linspace(0, len(rows.actual) - 1, min(POINTS, len(rows.actual))).long()
    found = []
    for t, name in enumerate(target_names(schema) or map(str, range(rows.actual.shape[1]))):
        truth, answer = rows.actual[:, t], rows.guess[:, t]
        wrong = (answer - truth)[(answer - truth).isfinite()]
        if not len(wrong):
            continue
        low, high = (float(v) for v in torch.quantile(wrong[:1_000_000], torch.tensor([0.001, 0.999]).double()))
        edges = torch.linspace(low, high if high > low else low + 1, HISTOGRAM + 1, dtype=torch.float64)
        counts = torch.histogram(wrong.clamp(low, high), edges).hist
        points = tuple(zip(truth[some].tolist(), answer[some].tolist()))
        beyond = int(((wrong < edges[0]) | (wrong > edges[-1])).sum())
        bars = tuple(edges.tolist()), tuple(int(c) for c in counts)
        found.append(Target(name, points, *bars, total=len(truth), beyond=beyond))
    return tuple(found)
