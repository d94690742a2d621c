"""How saved weights and a module compare: names, shapes, tied tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.messages import say

WRAPPERS = ("module.", "_orig_mod.")  # what DataParallel and torch.compile put before every name


@dataclass(frozen=True)
class Fit:
    """What keeps saved tensors from fitting a module; all empty when they fit."""

    missing: tuple[str, ...]  # the module has them, the file does not
    unexpected: tuple[str, ...]  # the file has them, the module does not
    mismatched: tuple[tuple[str, str, str], ...]  # (name, in the file, in the module): another shape or kind of number

    @property
    def ok(self) -> bool:
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        pairs = [f"{name} {saved} ≠ {own}" for name, saved, own in self.mismatched]
        kinds = {"missing": self.missing, "unexpected": self.unexpected, "mismatched": pairs}
        return "; ".join(say(f"fit.{kind}", names=listed(names)) for kind, names in kinds.items() if names)


def fit_report(module: nn.Module, tensors: Mapping[str, Tensor]) -> Fit:
    """Compare ``tensors`` with the module's state_dict; nothing is loaded."""
    own = {name: t for name, t in module.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}
    missing = tuple(name for name in own if name not in tensors)
    unexpected = tuple(name for name in tensors if name not in own)
    pairs = [(name, tensors[name], own[name]) for name in own if name in tensors]
    wrong = tuple((name, _kind(a), _kind(b)) for name, a, b in pairs if not _fits(a, b))
    return Fit(missing, unexpected, wrong)


def _fits(saved: Tensor, own: Tensor) -> bool:
    if nn.parameter.is_lazy(own):
        return True
    alike = (saved.is_floating_point(), saved.is_complex()) == (own.is_floating_point(), own.is_complex())
    return saved.shape == own.shape and alike


def _kind(t: Tensor) -> str:
    return f"{str(t.dtype).removeprefix('torch.')} {tuple(t.shape)}"


def listed(names: Any, most: int = 6) -> str:
    """A few names and how many more; control characters made visible, for names come from files."""
    shown = [n if n.isprintable() else ascii(n) for n in names[:most]]
    return ", ".join(shown) + (f" … (+{len(names) - most})" if len(names) > most else "")


def fill(module: nn.Module, tensors: Mapping[str, Tensor], where: str = "") -> None:
    """Copy ``tensors`` into the module, all or none: DL423 lists what does not fit.

    The prefix that DataParallel and torch.compile leave is dropped where the module has none.
    """
    tensors = unwrapped(tensors, module)
    found = fit_report(module, tensors)
    if not found.ok:
        raise DanluError("DL423", where=where, model=type(module).__qualname__, differences=str(found))
    module.load_state_dict(dict(tensors), strict=False)  # strict would also ask for get_extra_state's


def unwrapped(tensors: Mapping[str, Tensor], module: nn.Module) -> Mapping[str, Tensor]:
    """``tensors`` under the module's own names."""
    own = module.state_dict(keep_vars=True).keys()
    for prefix in WRAPPERS:
        if tensors and all(name.startswith(prefix) for name in tensors) and not any(n.startswith(prefix) for n in own):
            tensors = {name.removeprefix(prefix): t for name, t in tensors.items()}
    return tensors


def built(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], where: str = "") -> nn.Module:
    """``make()`` with ``tensors`` in it, in eval mode.

    It is made on the meta device first: sizes in a file that do not fit its own weights never get memory. The few
    models of torchvision that compute their sizes with tensors cannot be made there, and are made at once.
    """
    try:
        with torch.device("meta"):
            shape = make()
    except NotImplementedError:
        return _filled(make(), tensors, where)
    found = fit_report(shape, unwrapped(tensors, shape))
    if not found.ok:
        raise DanluError("DL423", where=where, model=type(shape).__qualname__, differences=str(found))
    return _filled(make(), tensors, where)


def _filled(module: nn.Module, tensors: Mapping[str, Tensor], where: str) -> nn.Module:
    fill(module, tensors, where)
    return module.eval()


def weights(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a module's state_dict, tied ones once, and ``{alias: name}`` of those left out."""
    seen: dict[Any, str] = {}
    kept: dict[str, Tensor] = {}
    tied: dict[str, str] = {}
    for name, value in model.state_dict(keep_vars=True).items():
        if isinstance(value, Tensor):
            if nn.parameter.is_lazy(value):
                raise DanluError("DL413", where=name, name=name, kind=type(value).__name__)
            key = value.device, value.dtype, value.data_ptr(), tuple(value.shape), value.stride()
            if key in seen and value.numel() and not value.is_meta:
                tied[name] = seen[key]
            else:
                seen[key] = name
                kept[name] = value.detach()
    return kept, tied
