"""Several targets of different kinds, each answered by a head of its own: every head is one of the other tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.settings import Settings
from danlu.tasks import classification, custom, multilabel, regression
from danlu.tasks.base import Task, last_layer, scale_of
from danlu.tasks.criterion import Criterion, by_name, several
from danlu.tasks.losses import from_settings, make_loss
from danlu.tasks.parts import has_target
from danlu.types import Prediction, Schema

SINGLE: dict[str, Task] = {t.TASK.name: t.TASK for t in (classification, multilabel, regression, custom)}


@dataclass(frozen=True)
class Head:
    """One answer of a model: the only one (its name is empty), or one of several.

    ``schema`` has this head's target alone. ``loss`` is what ``Task.decode`` takes: a criterion, a loss module, the
    name of a scale, or None.
    """

    name: str
    schema: Schema
    task: Task
    loss: Any = None

    def key(self, name: str) -> str:
        """A metric's name among those of all heads: ``accuracy``, or ``kind/accuracy``."""
        return f"{self.name}/{name}" if self.name else name

    def decoded(self, output: Any) -> Tensor:
        return self.task.decode(output, self.schema, self.loss)

    def target(self, y: Any) -> Tensor:
        return self.task.target(y, self.schema)


def heads_of(schema: Schema, loss: Any = None) -> tuple[Head, ...]:
    """The heads of a task in the order of its targets; a single task is its own only head.

    ``loss``: the criterion, the scale of the outputs as saved with a model (of several heads a dict), or None.
    """
    if not schema.heads:
        return (Head("", schema, SINGLE[schema.task], loss),)
    losses: Mapping[str, Any] = loss if isinstance(loss, Mapping) else {}
    if isinstance(loss, Criterion):
        losses = {name: part.loss for name, part, _ in loss.parts}
    subs = {name: schema.head(name) for name in schema.heads}
    return tuple(Head(name, sub, SINGLE[sub.task], losses.get(name)) for name, sub in subs.items())


def outputs_of(heads: Sequence[Head], output: Any) -> Sequence[Any]:
    """What a model answered, head by head: of a dict by name, of a tuple by order."""
    names = [head.name for head in heads]
    return [output] if names == [""] else by_name(output, names, "output")


def targets_of(heads: Sequence[Head], target: Any) -> Sequence[Any]:
    """A batch's targets, head by head."""
    names = [head.name for head in heads]
    return [target] if names == [""] else by_name(target, names, "target")


def scales_of(schema: Schema, loss: Any) -> Any:
    """The scale of the model's outputs as it is saved with the model; of several heads a dict."""
    if not schema.heads:
        return scale_of(loss)
    return {head.name: scale_of(head.loss) for head in heads_of(schema, loss)}


def check(
    output: Any,
    target: Any,
    schema: Schema,
    loss: Any,
    *,
    model: nn.Module | None = None,
    row: Callable[[int], str] | None = None,
) -> None:
    """Each head's own check over the rows that have its target; an error names the head."""
    heads = heads_of(schema, loss)
    try:
        outputs, targets = outputs_of(heads, output), targets_of(heads, target)
    except DanluError as error:
        raise DanluError(error.code, error.where or last_layer(model), **error.facts) from None
    for head, o, t in zip(heads, outputs, targets):
        name = row
        if schema.origin == "table" and not bool((known := has_target(t)).all()):
            o, t, at = o[known], t[known], known.nonzero()[:, 0].tolist()
            name = None if row is None else lambda i, at=at: row(at[i])
            if not len(t):
                continue
        try:
            head.task.check(o, t, head.schema, head.loss, model=model, row=name)
        except DanluError as error:
            raise DanluError(error.code, f"{head.name}: {error.where}", **error.facts) from None


def criterion_of(
    spec: Mapping[str, Any] | None,
    schema: Schema,
    settings: Settings,
    train_targets: Callable[[str], Tensor | None],
    absent: Sequence[str] = (),
) -> Criterion:
    """The criterion of several heads: for each the loss of its task, or the one that ``spec`` has for it.

    Class weights and label smoothing reach the heads that have classes; DL226 and DL227 where none has.
    ``train_targets`` gives a head's training targets; ``absent`` names the heads that lack some rows' target.
    """
    if spec is not None:
        if settings.class_weights is not None or settings.label_smoothing > 0:
            named = "class_weights" if settings.class_weights is not None else "label_smoothing"
            raise DanluError("DL219", where=named, setting=named, loss=", ".join(spec))
        return several(spec, settings.loss_weights, absent)
    losses: dict[str, Any] = {}
    heads = heads_of(schema)
    with_classes = [h for h in heads if h.task.name == "classification"]
    able = {"class_weights": [h for h in heads if h.schema.classes], "label_smoothing": with_classes}
    for head in heads:
        of = replace(
            settings,
            class_weights=settings.class_weights if head in (able["class_weights"] or heads) else None,
            label_smoothing=settings.label_smoothing if head in (able["label_smoothing"] or heads) else 0.0,
        )
        loss, known = make_loss(None, head.task.default_loss), train_targets(head.name)
        if known is None and of.class_weights == "balanced":
            facts = {"head": head.name, "line": _with_weights(heads, head)}
            raise DanluError("DL265", where='class_weights="balanced"', **facts)
        known = None if known is None else known[has_target(known)]
        try:
            losses[head.name] = from_settings(loss, head.task, head.schema, of, known)
        except DanluError as error:
            raise DanluError(error.code, f"{head.name}: {error.place}", **error.facts) from None
    return several(losses, settings.loss_weights, absent)


def _with_weights(heads: Sequence[Head], weighted: Head) -> str:
    """A dict of losses as it is written, with weights for one head's classes."""
    argument = "pos_weight" if weighted.task.name == "multilabel" else "weight"
    losses = {h.name: f"nn.{h.task.default_loss}({f'{argument}=…' if h is weighted else ''})" for h in heads}
    each = [f"{h.name!r}: {losses[h.name] if h.task.default_loss else '…'}" for h in heads]
    return f"loss={{{', '.join(each)}}}"


def decode(output: Any, schema: Schema, loss: Any = None) -> Tensor:
    """The first head's; heads are decoded one by one, see ``heads_of``."""
    heads = heads_of(schema, loss)
    return heads[0].decoded(outputs_of(heads, output)[0])


def target(y: Any, schema: Schema) -> Tensor:
    """The first head's, as in ``decode``."""
    heads = heads_of(schema)
    return heads[0].target(targets_of(heads, y)[0])


def predictions(decoded: Tensor, schema: Schema) -> list[Prediction]:
    """The first head's, as in ``decode``."""
    head = heads_of(schema)[0]
    return head.task.predictions(decoded, head.schema)


TASK = Task("multitask", "", (), "loss", decode, target, check, predictions)
