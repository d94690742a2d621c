"""Muon for the matrices inside a model, AdamW for all else, behind one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


class MuonAdamW(Optimizer):
    """``torch.optim.Muon`` on the groups with ``muon=True``, ``torch.optim.AdamW`` on the others.

    Both work on this object's own groups and state, so that ``param_groups``, ``state``, ``state_dict`` and
    ``load_state_dict`` are those of one optimizer.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr})
        self._share()

    def _share(self) -> None:
        self._halves: list[Optimizer] = []
        for cls, muon in ((torch.optim.Muon, True), (torch.optim.AdamW, False)):
            groups = [g for g in self.param_groups if g["muon"] is muon]
            if groups:
                half: Optimizer = cls(groups)  # fills in what a group leaves open; the dicts stay these
                half.state = self.state
                self._halves.append(half)

    def __setstate__(self, state: dict[str, Any]) -> None:  # load_state_dict and pickle put new groups and state here
        super().__setstate__(state)
        self._share()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group({"muon": False, **param_group})
        if hasattr(self, "_halves"):
            self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for half in self._halves:
            half.step()
        return loss


def muon_groups(
    model: nn.Module, *, lr: float, weight_decay: float, momentum: float, fused: bool
) -> list[dict[str, Any]]:
    """Muon on the hidden matrices, AdamW on the rest, one learning rate for both.

    Its updates are scaled to the size of AdamW's (``adjust_lr_fn="match_rms_adamw"``, Liu et al., Muon is Scalable
    for LLM Training, 2025), so AdamW's rates fit.
    """
    hidden = hidden_matrices(model)
    ids = {id(p) for p in hidden}
    rest = [p for p in model.parameters() if p.is_floating_point() and id(p) not in ids]
    muon = {"muon": True, "momentum": momentum, "adjust_lr_fn": "match_rms_adamw"}
    adamw = {"muon": False, "fused": True if fused else None}
    groups: list[dict[str, Any]] = [
        {"params": hidden, "lr": lr, "weight_decay": weight_decay, **muon},
        {"params": [p for p in rest if p.ndim >= 2], "lr": lr, "weight_decay": weight_decay, **adamw},
        {"params": [p for p in rest if p.ndim < 2], "lr": lr, "weight_decay": 0.0, **adamw},
    ]
    return [g for g in groups if g["params"]]


def hidden_matrices(model: nn.Module) -> list[nn.Parameter]:
    """Matrices, frozen ones too, of layers that are no embedding and not the last (Jordan et al., Muon, 2024)."""
    embedded = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag)}
    weights = [getattr(m, "weight", None) for m in model.modules()]
    last = next((id(w) for w in reversed(weights) if isinstance(w, nn.Parameter) and w.ndim >= 2), 0)
    matrices = (p for p in model.parameters() if p.is_floating_point() and p.ndim == 2)
    return [p for p in matrices if id(p) not in embedded and id(p) != last]
