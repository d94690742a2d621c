"""torch's Adam and AdamW with its own kernels and state, without the bookkeeping that costs as much as they do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import profiler
from torch.optim import Optimizer, optimizer


def _bare(method: Any) -> Any:
    """The method without the wrapper that imports torch.compile's machinery (about a second) when first called."""
    return getattr(method, "__wrapped__", method)


def clear(optimizer: Optimizer) -> None:
    """``optimizer.zero_grad(set_to_none=True)``; a zero_grad of the optimizer's own is called as it is."""
    if type(optimizer).zero_grad not in _ZERO_GRAD or "zero_grad" in vars(optimizer):
        optimizer.zero_grad(set_to_none=True)
        return
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = None


_ZERO_GRAD = (Optimizer.zero_grad, _bare(Optimizer.zero_grad))


class _Lean(torch.optim.Adam):
    """One call of the fused kernel for each group; anything out of the ordinary goes torch's own way.

    State, ``state_dict`` and every bit of the result are those of ``torch.optim.Adam(fused=True)``.
    """

    add_param_group = _bare(Optimizer.add_param_group)
    zero_grad = _bare(Optimizer.zero_grad)
    state_dict = _bare(Optimizer.state_dict)
    load_state_dict = _bare(Optimizer.load_state_dict)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        if closure is not None or self._watched():
            return self._torchs_step(closure)
        with torch.no_grad():
            work = [(group, lists) for group in self.param_groups if (lists := self._lists(group))[0]]
            if not all(_ordinary(group, lists) for group, lists in work):
                return self._torchs_step()
            found_inf = getattr(self, "found_inf", None)
            for group, (params, grads, averages, squares, largest, steps) in work:
                torch._foreach_add_(steps, 1)
                kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
                kernel(
                    params,
                    grads,
                    averages,
                    squares,
                    largest,
                    steps,
                    lr=group["lr"],
                    beta1=group["betas"][0],
                    beta2=group["betas"][1],
                    weight_decay=group["weight_decay"],
                    eps=group["eps"],
                    amsgrad=group["amsgrad"],
                    maximize=group["maximize"],
                    grad_scale=None,
                    found_inf=found_inf,
                )
                if found_inf is not None:
                    torch._foreach_sub_(steps, [found_inf] * len(steps))
        return None

    step.hooked = True  # type: ignore[attr-defined]  # keeps torch from wrapping it: see _torchs_step

    def _torchs_step(self, closure: Callable[[], Any] | None = None) -> Any:
        """torch's own step, with its hooks and the profiler's range around it."""
        whole: Any = torch.optim.Adam.step
        if not getattr(whole, "hooked", False):
            whole = Optimizer.profile_hook_step(whole)
        return whole(self, closure)

    def _watched(self) -> bool:
        """Whether somebody looks on or takes part: hooks, the profiler, torch.compile, a gradient scaler."""
        return bool(
            self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
            or optimizer._global_optimizer_pre_hooks
            or optimizer._global_optimizer_post_hooks
            or profiler._is_profiler_enabled
            or torch.compiler.is_compiling()
            or getattr(self, "grad_scale", None) is not None
        )

    def _lists(self, group: dict[str, Any]) -> tuple[list[Tensor], ...]:
        """What torch's step works on: parameters with a gradient, gradients, their state (made where there is none)."""
        lists: tuple[list[Tensor], ...] = ([], [], [], [], [], [])
        self._init_group(group, *lists)  # type: ignore[no-untyped-call]
        return lists


def _ordinary(group: dict[str, Any], lists: tuple[list[Tensor], ...]) -> bool:
    """Whether the kernel may take the group as it is: fused, plain numbers, one dtype and one device."""
    if not group["fused"] or not all(type(group[k]) is float for k in ("lr", "eps")):
        return False
    params, grads = lists[:2]
    dtype, device = params[0].dtype, params[0].device
    if not dtype.is_floating_point or not all(type(beta) is float for beta in group["betas"]):
        return False
    return all(p.dtype is dtype and g.dtype is dtype and p.device == device for p, g in zip(params, grads))


class Adam(_Lean):
    """``torch.optim.Adam(fused=True)``, leaner."""


class AdamW(_Lean, torch.optim.AdamW):
    """``torch.optim.AdamW(fused=True)``, leaner."""
