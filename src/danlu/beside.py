"""What stands beside a trained model: the linear one, fitted on the same rows and asked the same test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor

from danlu.batch import rows_of, split_batch
from danlu.data import order
from danlu.data.columns import Columns
from danlu.data.loader import Loader
from danlu.device import kept_randomness
from danlu.linear import Linear, fit, seen
from danlu.loaders import make_loader
from danlu.plan import Plan
from danlu.tasks import targets_of

ROWS, ROWS_READ = (
    20_000,
    5_000,
)  # training rows that it learns from: held in memory, or read once more by the user's code


def fit_beside(plan: Plan) -> dict[str, Linear]:
    """The linear model of this run's data, for each head; none where its inputs are no numbers or the task is the
    user's own.
    """
    heads = [(i, head) for i, head in enumerate(plan.heads) if head.task.metrics]
    if not heads:
        return {}

    def rows(loader: Loader, most: int) -> Iterator[tuple[Tensor, list[Tensor]]]:
        taken = 0
        for batch in loader:
            x = seen(plan.schema, plan.model, batch)
            if x is None:
                return
            targets = targets_of(plan.heads, split_batch(plan.model, batch)[2])
            yield x, [head.target(targets[i].cpu()) for i, head in heads]
            taken += rows_of(batch)
            if taken >= most:
                return

    with kept_randomness(seed=0):
        held_out = list(rows(plan.val_loader, ROWS_READ)) if plan.val_loader is not None else []
        training: Iterable[tuple[Tensor, list[Tensor]]] = rows(*_training(plan))
        training = list(training) if len(heads) > 1 else training  # read once for all heads
        models = {}
        for k, (_, head) in enumerate(heads):
            own = ((x, targets[k]) for x, targets in training)
            models[head.name] = fit(
                head.task.name, head.schema.outputs, own, [(x, targets[k]) for x, targets in held_out]
            )
    return {name: model for name, model in models.items() if model is not None}


def _training(plan: Plan) -> tuple[Loader, int]:
    """A loader of training rows in random order, and how many to take of them."""
    train = plan.data.train
    if not isinstance(train, Columns):
        return make_loader("train", plan.data, plan.settings), ROWS_READ
    some = order.permutation(plan.settings.seed, 0, len(train))[:ROWS].sort().values
    device = train.tensors[0].device if train.index is None else train.index.device
    return Loader(train.take(some.to(device)), 1024), ROWS
