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
CELL_SAMPLES, CELLS = 4, 100  # samples a cell of the confusion matrix opens, and how many cells have some
CURVES = 12  # classes with curves of their own
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
    roc, pr = _curves(schema.classes, rows)
    scores = tuple(_score(part) for part in results.get("test/classes", ()))
    if isinstance(rows, Labels):
        shown = _labels(schema, rows)
        return Results(name, tested.rows, metrics, scores, roc=roc, pr=pr, slices=by_group, labels=shown)
    return Results(
        name,
        tested.rows,
        metrics,
        scores,
        _confusion(schema.classes, tested, gallery),
        roc,
        pr,
        _calibration(rows, results),
        by_group,
    )


def mistakes_of(
    schema: Schema, tested: Evaluation, gallery: Gallery, heads: int = 1, name: str = ""
) -> tuple[Mistake, ...]:
    """The test rows with the largest loss, the worst first; ``heads`` of them share the place there is."""
    assert tested.decoded is not None and tested.target is not None
    names, decoded, target = schema.classes, tested.decoded, tested.target
    found = []
    for i, loss in _worst(schema.task, decoded, target):
        sample = gallery.sample(i)
        if schema.task == "classification":
            guess = int(decoded[i].argmax())
            if guess != int(target[i]):
                truth, answer = _name(names, int(target[i])), _name(names, guess)
                found.append(Mistake(sample, truth, answer, float(decoded[i, guess]), loss))
        elif schema.task == "multilabel":
            truth, answer = (", ".join(_there(names, row)) or "–" for row in (target[i], decoded[i]))
            if truth != answer:
                found.append(Mistake(sample, truth, answer, None, loss))
        else:
            truth, answer = (", ".join(number(float(v)) for v in row) for row in (target[i], decoded[i]))
            found.append(Mistake(sample, truth, answer, None, loss))
    named = [replace(one, truth=f"{name}: {one.truth}") for one in found] if name else found
    return tuple(named[: MISTAKES // heads])


def suspects_of(schema: Schema, tested: Evaluation, gallery: Gallery, name: str = "") -> tuple[LabelError, ...]:
    """Test rows whose label is probably wrong; the model never learnt from them."""
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
        loss = torch.where(target >= 0, -p.log(), -1.0)
    elif task == "multilabel":
        p = decoded.double().clamp(1e-12, 1 - 1e-12)
        loss = -torch.where(target > 0.5, p, 1 - p).log().mean(1)
    else:
        spread = target.double().std(0, correction=0).clamp(min=1e-12)
        loss = ((decoded - target).double() / spread).abs().mean(1)
    top = loss.topk(min(2 * MISTAKES, len(loss)))
    return [(i, v) for i, v in zip(top.indices.tolist(), top.values.tolist()) if v > 0]


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
    largest = [k for k in off.flatten().argsort(descending=True)[:CELLS].tolist() if off.view(-1)[k]]
    diagonal = [k * (classes + 1) for k in range(min(classes, 20)) if counts[k, k]]
    cells = []
    for k in [*largest, *diagonal]:
        rows = known[torch.nonzero(cell == k)[:CELL_SAMPLES, 0]].tolist()
        cells.append(Cell(k // classes, k % classes, tuple(gallery.sample(i) for i in rows)))
    shown = tuple(_name(names, c) for c in range(classes))
    return Confusion(shown, tuple(map(tuple, counts.tolist())), tuple(cells))


def _curves(names: tuple[str, ...], rows: Classes | Labels) -> tuple[tuple[Curve, ...], tuple[Curve, ...]]:
    columns = list(rows.ranked())
    two = isinstance(rows, Classes) and rows.scores.shape[1] == 2
    roc, pr, ones = [], [], torch.ones(1, len(rows.actual), dtype=torch.float64)
    for c, (score, truth) in enumerate(columns[:CURVES]):
        if not bool(truth.any()) or bool(truth.all()):
            continue
        name = _name(names, 1 if two else c)
        _, hits, false = curve(score, truth)
        area, mean_precision = (float(v) for v in auroc_and_precision(score, truth, [ones]))
        rates = zip((false / false[-1]).tolist(), (hits / hits[-1]).tolist())
        roc.append(Curve(name, ((0.0, 0.0), *rates), area))
        precision = zip((hits / hits[-1]).tolist(), (hits / (hits + false)).tolist())
        pr.append(Curve(name, tuple(precision), mean_precision))
    return tuple(roc), tuple(pr)


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
        wrong = answer - truth
        low, high = (float(v) for v in torch.quantile(wrong[:1_000_000], torch.tensor([0.001, 0.999]).double()))
        edges = torch.linspace(low, high if high > low else low + 1, HISTOGRAM + 1, dtype=torch.float64)
        counts = torch.histogram(wrong.clamp(low, high), edges).hist
        points = tuple(zip(truth[some].tolist(), answer[some].tolist()))
        found.append(Target(name, points, tuple(edges.tolist()), tuple(int(c) for c in counts)))
    return tuple(found)
