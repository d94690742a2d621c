"""Why a model answers so: heat over pictures, what a table's columns are worth; and what the model is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import rows_of
from danlu.data.columns import Columns
from danlu.data.mixed import meaning
from danlu.evaluate import Evaluation, answers_of
from danlu.explain import NOISY, PASSES, occlusion, overlay, smooth_gradient
from danlu.importance import Group, groups_of, permutation_importance, score_of, single_columns
from danlu.metrics import HEADLINES, METRICS, values
from danlu.plan import Plan
from danlu.report.page.contents import Attribution, Importance, Importances, Interval, Layer, Model, Picture, Why
from danlu.showing.samples import Gallery
from danlu.showing.texts import head_and, name_of_metric, told, unit_of
from danlu.summary import Summary, summarise
from danlu.tasks import Head

PICTURES = 8
COPIES = NOISY * 3  # forward passes' worth of work a picture for SmoothGrad: forward and backward for each copy
WORK = 1e11  # floating-point operations spent on pictures: about a second of a small processor
ROWS, COLUMNS, REPEATS = 1000, 40, 5
FEWEST = 10  # rows
FEW = 16  # rows of a batch that the model is written down with
LEAST_ROWS = 50  # shuffling fewer says little


Shown = tuple[Head, Evaluation, Gallery]  # a head, its tested rows, and the gallery that shows them


def why_of(plan: Plan, heads: Sequence[Shown], summary: Summary | None) -> Why:
    """Heat over test pictures (half of them mistakes), or the columns' importances; nothing for other inputs.

    Of several heads for each, by its own rows; they share the pictures and the work there is.
    """
    found = Why()
    for head, tested, gallery in heads:
        if tested.decoded is None or tested.target is None or not len(gallery):
            continue
        one = _of_head(plan, (head, tested, gallery), summary, len(heads))
        attributions = (*found.attributions, *one.attributions)
        found = Why(attributions, found.method or one.method, (*found.importances, *one.importances))
    return found


def _of_head(plan: Plan, shown: Shown, summary: Summary | None, heads: int) -> Why:
    head, tested, gallery = shown
    image = plan.schema.inputs[0] if len(plan.schema.inputs) == 1 else None
    test = plan.data.test
    if image is not None and len(image.shape) == 3 and head.task.name == "classification":
        return _heat(plan, shown, summary, heads)
    if not isinstance(test, Columns):
        return Why()
    mixed = plan.schema.layout == "mixed"
    heat = _heat_of_columns(plan, test, shown, summary, heads) if mixed else Why()
    many = ROWS
    if mixed and summary is not None and summary.flops:  # a pass over the rows for each shuffle of each column
        passes = (1 + REPEATS * len(plan.schema.inputs)) * heads
        many = int(min(ROWS, 5 * WORK * summary.samples / (summary.flops * passes)))
    if many < LEAST_ROWS <= len(gallery):
        return heat
    some = _spread(torch.arange(len(gallery)), many)  # a file of rows in order begins with rows of one kind
    inputs = _inputs(test, [gallery.rows[i] for i in some.tolist()])
    tensors = tuple(t for t in inputs if isinstance(t, Tensor))
    if len(tensors) != len(inputs) or any(t.ndim != 2 for t in tensors if not mixed):
        return Why()
    groups = groups_of(plan.schema) if plan.schema.origin == "table" else {}
    if not groups and len(tensors) == 1:
        groups = single_columns(tensors[0])
    assert tested.target is not None and tested.decoded is not None
    known = bool(tested.decoded[some].isfinite().all())  # of an answer that is no number nothing can be lost
    if not 0 < len(groups) <= COLUMNS or len(some) < FEWEST or not known:
        return heat
    return replace(heat, importances=(_importances(plan, head, tensors, tested.target[some], groups),))


def _inputs(test: Columns, rows: Sequence[int]) -> tuple[Any, ...]:
    """The inputs of some rows as the model gets them, without the targets."""
    parts = test.gather(torch.tensor(list(rows)).to(test.tensors[0].device))
    return parts[: len(parts) - max(1, len(test.heads))]


def _importances(
    plan: Plan, head: Head, inputs: tuple[Tensor, ...], target: Tensor, groups: Mapping[str, Group]
) -> Importances:
    task, name = head.task.name, HEADLINES[head.task.name]
    score = score_of(
        _one_head(plan, head),
        target,
        lambda decoded, target: values(task, decoded, target, [name])[name],
        head.decoded,
    )
    found = permutation_importance(score, inputs, groups, greater=METRICS[task][name].greater, repeats=REPEATS)
    columns = sorted((Importance(i.name, i.drop, Interval(i.low, i.high)) for i in found), key=lambda i: -i.drop)
    return Importances(tuple(columns), head_and(head.name, name_of_metric(name)), unit_of(name))


class _OneHead(nn.Module):
    """The model as one of its heads answers."""

    def __init__(self, model: nn.Module, heads: tuple[Head, ...], place: int) -> None:
        super().__init__()
        self.model, self.heads, self.place = model, heads, place

    def forward(self, *parts: Tensor) -> Any:
        return answers_of(self.heads, self.model(*parts))[self.place]


def _one_head(plan: Plan, head: Head) -> nn.Module:
    heads = plan.heads
    return _OneHead(plan.model, heads, [one.name for one in heads].index(head.name)) if head.name else plan.model


def _heat(plan: Plan, shown: Shown, summary: Summary | None, heads: int) -> Why:
    head, tested, gallery = shown
    assert tested.decoded is not None and tested.target is not None
    each = (summary.flops or 0) / summary.samples * heads if summary is not None else 0
    most = PICTURES // heads
    covered = each > 0 and most * PASSES * each <= WORK  # the more telling way, where it is cheap
    many = most if covered else int(min(most, WORK / (COPIES * each))) if each else 0
    if not many:
        return Why()
    guess = tested.decoded.argmax(1)
    rows, images = _pictures(gallery, _half_wrong(guess, tested.target, many))
    if images is None:
        return Why()
    model = _one_head(plan, head)
    if covered:
        found = occlusion(model, images, classes=guess[rows], decode=head.decoded)
    else:
        found = smooth_gradient(model, images, classes=guess[rows])
    field = plan.schema.inputs[0]
    pictures = [
        overlay(images[k], found.maps[k], mean=field.mean, std=field.std, file_format="JPEG") for k in range(len(rows))
    ]
    tiles = tuple(_attribution(shown, i, made) for i, made in zip(rows.tolist(), pictures))
    return Why(tiles, told("showing.occlusion" if covered else "showing.smooth_gradient"))


def _half_wrong(guess: Tensor, target: Tensor, many: int) -> Tensor:
    """The places of rows from all over the test: up to half of them answered wrongly, then rightly."""
    wrong = _spread(torch.nonzero(guess != target)[:, 0], many // 2)
    return torch.cat([wrong, _spread(torch.nonzero(guess == target)[:, 0], many - len(wrong))])


def _spread(rows: Tensor, most: int) -> Tensor:
    """At most ``most`` of the rows, equally far from each other: the rows of a folder lie class by class."""
    if len(rows) <= most:
        return rows
    return rows[torch.arange(most, device=rows.device) * len(rows) // max(1, most)]


def _attribution(shown: Shown, i: int, heat: bytes) -> Attribution:
    head, tested, gallery = shown
    assert tested.decoded is not None and tested.target is not None
    names = head.schema.classes
    classes = int(tested.target[i]), int(tested.decoded[i].argmax())
    truth, answer = (names[c] if c < len(names) else str(c) for c in classes)
    return Attribution(gallery.sample(i), Picture(heat, "image/jpeg"), truth, answer, head.name)


class _OneImage(nn.Module):
    """The model as a function of one of a row's images, all else as it is in that row."""

    def __init__(self, model: nn.Module, parts: tuple[Tensor, ...], which: int) -> None:
        super().__init__()
        self.model, self.parts, self.which = model, parts, which

    def forward(self, image: Tensor) -> Any:
        parts = [p.expand(len(image), *p.shape[1:]) for p in self.parts]
        parts[self.which] = image
        return self.model(*parts)


def _heat_of_columns(plan: Plan, test: Columns, shown: Shown, summary: Summary | None, heads: int) -> Why:
    """Maps of what hiding places of each image does, half of them for mistakes; nothing where that takes long."""
    head, tested, gallery = shown
    assert tested.decoded is not None and tested.target is not None
    each = (summary.flops or 0) / summary.samples if summary is not None else 0
    images = [f for f in plan.schema.inputs if f.kind == "image"]
    which = [(k, images[i]) for k, (kind, i) in enumerate(meaning(plan.schema)) if kind == "image"]
    times = max(1, len(which)) * heads
    most = min(PICTURES // times, int(WORK / (PASSES * each * times)) if each else 0)
    if head.task.name != "classification" or not most or not which:
        return Why()
    guess, model, tiles = tested.decoded.argmax(1), _one_head(plan, head), []
    for i in _half_wrong(guess, tested.target, most).tolist():
        parts = _inputs(test, [gallery.rows[i]])
        for k, field in which:
            found = occlusion(
                _OneImage(model, parts, k),
                parts[k],
                classes=guess[i : i + 1],
                fill=0.0,  # the training images' mean
                decode=head.decoded,
            )
            made = overlay(parts[k][0], found.maps[0], mean=field.mean, std=field.std, file_format="JPEG")
            tiles.append(_attribution(shown, i, made))
    return Why(tuple(tiles), told("showing.occlusion"))


def _pictures(gallery: Gallery, rows: Tensor) -> tuple[Tensor, Tensor | None]:
    """The rows that are pictures (C, H, W) of one size and type, and these in one tensor; None without any."""
    found = [(i, gallery.first(i)) for i in rows.tolist()]
    images = [(i, x) for i, x in found if x is not None and x.ndim == 3 and x.is_floating_point()]
    images = [(i, x) for i, x in images if x.shape == images[0][1].shape and x.dtype == images[0][1].dtype]
    kept = torch.tensor([i for i, _ in images], dtype=torch.int64)
    return kept, torch.stack([x for _, x in images]) if images else None


def summary_of(plan: Plan) -> Summary | None:
    """The model on one batch of the data; None where there is none."""
    loader = plan.test_loader or plan.val_loader or plan.loader
    batch = next(iter(loader), None)
    if batch is None:
        return None
    try:
        return summarise(plan.model, few_rows(batch, rows_of(batch)))
    except Exception:  # a batch whose parts belong together in a way of their own
        return summarise(plan.model, batch)


def few_rows(batch: Any, rows: int) -> Any:
    """The first rows of a batch: a layer's shape and work for one sample are the same in all of them."""
    if isinstance(batch, Tensor):
        return batch[:FEW] if batch.ndim and len(batch) == rows else batch
    if isinstance(batch, dict):
        return {k: few_rows(v, rows) for k, v in batch.items()}
    if type(batch) in (list, tuple):
        return type(batch)(few_rows(v, rows) for v in batch)
    return batch


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
