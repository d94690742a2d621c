"""A model's head and body: which weights belong to which, and for how long the body stays as it is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Body:
    """The trainable parameters that are not the head's, by name, and the epochs for which they stay frozen.

    Frozen ones keep their place in the optimizer; they have no gradient, so it leaves them alone, weight decay
    included. Their normalisation layers use the running statistics and do not move them.
    """

    names: frozenset[str] = frozenset()
    head: tuple[str, ...] = ()
    epochs: float = 0  # 0: never frozen; inf: always

    def frozen(self, epoch: int) -> bool:
        """Whether the body is frozen when ``epoch`` epochs are finished."""
        return epoch < self.epochs

    def apply(self, model: nn.Module, epoch: int) -> None:
        """Bring the model's flags to what they are in training after ``epoch`` epochs; nothing to do without freezing.

        A function of the epoch alone: a run that goes on calls it and is where it was.
        """
        if self.epochs:
            self._set(model, frozen=self.frozen(epoch))

    def thaw(self, model: nn.Module) -> None:
        """Every parameter trainable again that was so before."""
        if self.epochs:
            self._set(model, frozen=False)

    def _set(self, model: nn.Module, *, frozen: bool) -> None:
        for name, p in model.named_parameters():
            if name in self.names:
                p.requires_grad_(not frozen)
        for name, module in model.named_modules():
            if getattr(module, "running_mean", None) is not None and self._holds(name, module):
                module.train(not frozen)

    def _holds(self, name: str, module: nn.Module) -> bool:
        own = [f"{name}.{p}" if name else p for p, _ in module.named_parameters(recurse=False)]
        return all(p in self.names for p in own)


def find_body(model: nn.Module, new: Collection[str], freeze: int | str) -> Body:
    """``new``: parameters that begin at random. They and the last layer are the head, all else the body."""
    last = last_layer(model)
    trainable = [
        n for n, p in model.named_parameters() if p.requires_grad and (p.is_floating_point() or p.is_complex())
    ]
    head = [n for n in trainable if n in new or n.rpartition(".")[0] in last]
    epochs = {"none": 0.0, "body": float("inf")}.get(str(freeze)) if isinstance(freeze, str) else freeze
    assert epochs is not None
    return Body(frozenset(trainable) - frozenset(head), tuple(head), epochs)


def last_layer(model: nn.Module) -> set[str]:
    """The names of timm's classifiers, else of the last module that has a weight of two or more dimensions."""
    named = getattr(model, "get_classifier", None)
    if callable(named):
        found = named()
        layers = {id(m) for m in (found if isinstance(found, tuple | list) else (found,))}
        if names := {name for name, module in model.named_modules() if id(module) in layers}:
            return names
    weighted = [
        n for n, m in model.named_modules() if isinstance(w := getattr(m, "weight", None), nn.Parameter) and w.ndim > 1
    ]
    return set(weighted[-1:])
