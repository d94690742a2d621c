"""Why a model answers so: heat over pictures, what a table's columns are worth; and what the model is made of."""

from __future__ import annotations

import torch
from torch import Tensor

from danlu.data.columns import Columns
from danlu.doubts import HEADLINES
from danlu.evaluate import Evaluation
from danlu.explain import NOISY, PASSES, occlusion, overlay, smooth_gradient
from danlu.importance import groups_of, permutation_importance, score_of, single_columns
from danlu.metrics import METRICS, values
from danlu.plan import Plan
from danlu.report.page.contents import Attribution, Importance, Interval, Layer, Model, Picture, Why
from danlu.showing.samples import Gallery
from danlu.showing.texts import head_and, name_of_metric, told
from danlu.summary import Summary, summarise
from danlu.tasks import Head, outputs_of

PICTURES = 8
COPIES = NOISY * 3  # forward passes' worth of work a picture for SmoothGrad: forward and backward for each copy
WORK = 1e11  # floating-point operations spent on pictures: about a second of a small processor
ROWS, COLUMNS, REPEATS = 1000, 40, 5


def why_of(plan: Plan, head: Head, tested: Evaluation, gallery: Gallery, summary: Summary | None) -> Why:
    """Heat over test pictures (half of them mistakes), or the columns' importances; nothing for other inputs.

    Of several heads it is about one, ``head``: its rows are those of ``tested`` and ``gallery``.
    """
    image = plan.schema.inputs[0] if len(plan.schema.inputs) == 1 else None
    test = plan.data.test
    if tested.decoded is None or tested.target is None or not isinstance(test, Columns) or not len(gallery):
        return Why()
    if image is not None and len(image.shape) == 3 and head.task.name == "classification" and not head.name:
        return _heat(plan, tested, gallery, summary, test)
    rows = torch.tensor(list(gallery.rows[:ROWS]))
    parts = test.gather(rows.to(test.tensors[0].device))
    inputs = parts[: len(parts) - max(1, len(test.heads))]
    tensors = tuple(t for t in inputs if isinstance(t, Tensor))
    if len(tensors) != len(inputs) or any(t.ndim != 2 for t in tensors):
        return Why()
    groups = groups_of(plan.schema) if plan.schema.origin == "table" else {}
    if not groups and len(tensors) == 1:
        groups = single_columns(tensors[0])
    if not 0 < len(groups) <= COLUMNS:
        return Why()
    task, name, every = head.task.name, HEADLINES[head.task.name], plan.heads
    place = [one.name for one in every].index(head.name)
    score = score_of(
        plan.model,
        tested.target[: len(rows)],
        lambda decoded, target: values(task, decoded, target, name)[name],
        lambda output: every[place].decoded(outputs_of(every, output)[place]),
    )
    found = permutation_importance(score, tensors, groups, greater=METRICS[task][name].greater, repeats=REPEATS)
    importances = sorted((Importance(i.name, i.drop, Interval(i.low, i.high)) for i in found), key=lambda i: -i.drop)
    return Why(importances=tuple(importances), metric=head_and(head.name, name_of_metric(name)))


def _heat(plan: Plan, tested: Evaluation, gallery: Gallery, summary: Summary | None, test: Columns) -> Why:
    assert tested.decoded is not None and tested.target is not None
    each = (summary.flops or 0) / summary.samples if summary is not None else 0
    covered = each > 0 and PICTURES * PASSES * each <= WORK  # the more telling way, where it is cheap
    many = PICTURES if covered else int(min(PICTURES, WORK / (COPIES * each))) if each else 0
    if not many:
        return Why()
    guess = tested.decoded.argmax(1)
    wrong = torch.nonzero(guess != tested.target)[: many // 2, 0]
    right = torch.nonzero(guess == tested.target)[: many - len(wrong), 0]
    rows = torch.cat([wrong, right])
    own = torch.tensor([gallery.rows[i] for i in rows.tolist()])
    images = test.gather(own.to(test.tensors[0].device))[0]
    if covered:
        found = occlusion(
            plan.model,
            images,
            classes=guess[rows],
            decode=lambda out: plan.task.decode(out, plan.schema, plan.criterion),
        )
    else:
        found = smooth_gradient(plan.model, images, classes=guess[rows])
    field, names = plan.schema.inputs[0], plan.schema.classes
    shown = []
    for k, i in enumerate(rows.tolist()):
        heat = overlay(images[k], found.maps[k], mean=field.mean, std=field.std, file_format="JPEG")
        truth, answer = (names[int(c)] if int(c) < len(names) else str(int(c)) for c in (tested.target[i], guess[i]))
        shown.append(Attribution(gallery.sample(i), Picture(heat, "image/jpeg"), truth, answer))
    return Why(tuple(shown), told("showing.occlusion" if covered else "showing.smooth_gradient"))


def summary_of(plan: Plan) -> Summary | None:
    """The model on one batch of the data; None where there is none."""
    loader = plan.test_loader or plan.val_loader or plan.loader
    batch = next(iter(loader), None)
    return None if batch is None else summarise(plan.model, batch)


def model_of(name: str, summary: Summary | None) -> Model:
    if summary is None:
        return Model(name)
    layers = []
    for row in summary.rows:
        shape = row.shapes[0][1][1:] if row.shapes else ""
        flops = None if row.flops is None else round(row.flops / summary.samples)
        kind = row.kind if row.calls == 1 else f"{row.kind} × {row.calls}"
        layers.append(Layer(row.name or name, kind, shape, row.parameters, flops))
    flops = None if summary.flops is None else round(summary.flops / summary.samples)
    return Model(name, tuple(layers), summary.parameters, flops)
