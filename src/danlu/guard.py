"""The NaN guard: looks at the gradients before each update, so that bad ones never reach the weights."""

from __future__ import annotations

import math
import weakref
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import Batches, rows_of, split_batch
from danlu.errors import DanluError
from danlu.messages import say
from danlu.optim import refuse_strangers

_guards: weakref.WeakKeyDictionary[torch.optim.Optimizer, Guard] = weakref.WeakKeyDictionary()


class NotFinite(DanluError):
    """NaN or infinity in the gradients; ``facts``: ``step`` (as the guard counts), ``cause``, ``rows`` of the batch."""


class Guard:
    """One optimizer's watch. How it looks depends on where the gradients are:

    - ``now`` (CPU): they are judged before the update, which costs little there.
    - ``fused`` (GPU, fused optimizer): a flag on the device makes the optimizer's own kernel skip this and all
      later updates; the host reads the flag one step later, without waiting for the device.
    - ``later`` (GPU, other optimizers): the same flag, but nothing skips the update; weights must be rolled back.
    """

    def __init__(self, mode: str, device: torch.device) -> None:
        self.mode, self.device = mode, device
        self.seen = 0  # updates looked at
        self._first_bad: Tensor | None = None  # on the device: number of the first bad update, 0 = none so far
        self._found, self._one = torch.zeros(1, dtype=torch.float32), torch.ones((), dtype=torch.float32)  # CPU
        self._copy: Tensor | None = None  # on the host
        self._event: Any = None

    @staticmethod
    def of(optimizer: torch.optim.Optimizer) -> Guard:
        """The guard of this optimizer, made at the first call."""
        guard = _guards.get(optimizer)
        if guard is None:
            device = next((p.device for g in optimizer.param_groups for p in g["params"]), torch.device("cpu"))
            fused = all(group.get("fused") for group in optimizer.param_groups)
            guard = Guard("now" if device.type == "cpu" else ("fused" if fused else "later"), device)
            _guards[optimizer] = guard
        return guard

    def look(self, loss: Tensor, model: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> None:
        """Judge one update's gradients; raises DL301 when this or an earlier one was bad, DL257 at the first when the
        optimizer is another model's.
        """
        self.seen += 1
        if self.seen == 1 and all(p.grad is None for group in optimizer.param_groups for p in group["params"]):
            refuse_strangers(optimizer, model)
        if self.mode == "now":
            if self._any_bad(optimizer):
                found = diagnosis(loss, model, batch, optimizer)
                cure = say("nan.clean" if found["rows"] else "nan.slower")
                raise NotFinite("DL301", step=self.seen, cure=cure, **found)
            return
        self.settle(wait=False)
        if self._first_bad is None:
            self._first_bad = torch.zeros((), dtype=torch.int64, device=self.device)
        bad = (~torch.isfinite(grad_norm(optimizer))) & (self._first_bad == 0)
        self._first_bad += bad * self.seen
        if self.mode == "fused":
            optimizer.found_inf = (self._first_bad > 0).to(torch.float32)  # type: ignore[attr-defined]
        if self._event is None:
            self._copy = self._first_bad.to("cpu", non_blocking=True)
            self._event = torch.cuda.Event() if self.device.type == "cuda" else None
            if self._event is not None:
                self._event.record()

    def _any_bad(self, optimizer: torch.optim.Optimizer) -> bool:
        """Whether any gradient on the CPU holds NaN or infinity, by the kernel of torch's GradScaler: the cheapest
        pass over all of them (multiplying by 1 changes no bit).
        """
        grads = [g for group in optimizer.param_groups for p in group["params"] if (g := p.grad) is not None]
        try:
            torch._amp_foreach_non_finite_check_and_unscale_(grads, self._found, self._one)
        except NotImplementedError:  # sparse or complex gradients
            return not math.isfinite(grad_norm(optimizer).item())
        if not self._found.item():
            return False
        self._found.zero_()
        return True

    def settle(self, *, wait: bool = True) -> None:
        """Read the device's flag if it has arrived (or wait for it); raises DL301 when an update was bad."""
        if self._first_bad is None:
            return
        if wait:
            first = int(self._first_bad.item())
        elif self._event is not None and self._copy is not None and self._event.query():
            first, self._event = int(self._copy.item()), None
        else:
            return
        if first:
            facts: dict[str, Any] = {
                "cause": say("nan.later"),
                "state": say("nan.good"),
                "cure": say("nan.slower"),
                "rows": [],
            }
            raise NotFinite("DL302" if self.mode == "later" else "DL301", step=first, **facts)


def grad_norm(optimizer: torch.optim.Optimizer) -> Tensor:
    """The 2-norm of all gradients together, 0-d, equal bit for bit to ``torch.nn.utils.get_total_norm``."""
    grads = [g for group in optimizer.param_groups for p in group["params"] if (g := p.grad) is not None]
    if not grads:
        return torch.zeros(())
    first = grads[0]
    if first.is_sparse or any(g.dtype != first.dtype or g.device != first.device for g in grads):
        return nn.utils.get_total_norm(grads)
    norm: Tensor = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads)))
    return norm


def norm_to_clip(optimizer: torch.optim.Optimizer) -> Tensor:
    """``grad_norm``; on the CPU in float64 where finite gradients have squares too large for float32.

    torch divides by the infinite norm there, and the update silently becomes zero.
    """
    norm = grad_norm(optimizer)
    if norm.device.type != "cpu" or not torch.isinf(norm):
        return norm
    return nn.utils.get_total_norm(
        [g.double() for group in optimizer.param_groups for p in group["params"] if (g := p.grad) is not None]
    )


def diagnosis(loss: Tensor, model: nn.Module, batch: Any, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Where the trouble begins: in the inputs (which rows of the batch, or of the batches that make one update), the
    weights, the loss, or one parameter's gradient; and whether the weights are still good.
    """
    names = {p: name for name, p in model.named_parameters()}
    gone = next((name for p, name in names.items() if not torch.isfinite(p).all()), None)
    state = say("nan.good") if gone is None else say("nan.gone", name=gone)

    def found(cause: str, rows: list[int] | None = None) -> dict[str, Any]:
        return {"cause": cause, "state": state, "rows": rows or [], "loss": float(loss)}

    if rows := _bad_rows(model, batch):
        return found(say("nan.input"), rows)
    if not math.isfinite(float(loss)):
        return found(say("nan.loss", loss=float(loss)))
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p.grad is not None and not torch.isfinite(p.grad).all():
                return found(say("nan.gradient", name=names.get(p, "?")))
    return found(say("nan.overflow"))


def _bad_rows(model: nn.Module, batch: Any) -> list[int]:
    """The rows whose inputs or targets hold NaN or infinity, counted through all batches of the update."""
    rows: set[int] = set()
    start = 0
    for part in batch if type(batch) is Batches else (batch,):
        args, kwargs, target = split_batch(model, part)
        for value in [*args, *kwargs.values(), target]:
            if isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex()) and value.ndim:
                finite = torch.isfinite(value.reshape(len(value), -1)).all(1)  # (B,)
                rows |= {start + i for i in torch.nonzero(~finite).flatten().tolist()}
        start += rows_of(part)
    return sorted(rows)
