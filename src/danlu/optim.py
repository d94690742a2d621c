"""Optimizers: parameter groups, danlu's defaults, torch's own by name, a factory or an instance."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from danlu import lean
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.muon import MuonAdamW, muon_groups
from danlu.settings import Settings

Groups = list[dict[str, Any]]


@dataclass(frozen=True)
class Default:
    """What an optimizer starts from when nothing is said."""

    cls: type[Optimizer]
    lr: float
    weight_decay: float
    options: dict[str, Any]


DEFAULTS: dict[str, Default] = {
    "adamw": Default(torch.optim.AdamW, 2e-3, 0.01, {}),
    "adam": Default(torch.optim.Adam, 2e-3, 0.0, {}),
    "sgd": Default(torch.optim.SGD, 0.05, 5e-4, {"momentum": 0.9}),
    "muon": Default(MuonAdamW, 2e-3, 0.01, {"momentum": 0.95}),
}

_FUSED = (torch.optim.Adagrad, torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
_LEAN: dict[type[Optimizer], type[Optimizer]] = {torch.optim.Adam: lean.Adam, torch.optim.AdamW: lean.AdamW}
_FUSED_DEVICES = ("cpu", "cuda", "mps", "xpu")


def build_optimizer(spec: Any, model: nn.Module, settings: Settings, body: Collection[str] = frozenset()) -> Optimizer:
    """The optimizer for None (AdamW), a name, a class, ``factory(params)``, or an instance over the model's parameters.

    Names take the settings' ``lr``, ``weight_decay`` and ``momentum``; biases and norms (``ndim <= 1``) never decay.
    The parameters named in ``body`` have groups of their own, with ``body_lr`` times the rate.
    Build it after the model went to its device: fused kernels are chosen by that.
    """
    if isinstance(spec, Optimizer):
        _refuse_settings(spec, settings)
        return _checked(spec, model)
    if not any(p.requires_grad for p in model.parameters()):
        raise DanluError("DL250", where=type(model).__name__)
    if spec is None or isinstance(spec, str) or (isinstance(spec, type) and issubclass(spec, Optimizer)):
        return _by_name(spec or "adamw", model, settings, body if settings.body_lr not in (None, 1.0) else frozenset())
    if not callable(spec):
        raise DanluError("DL251", where=f"optimizer={spec!r}", got=type(spec).__name__)
    made = spec([p for p in model.parameters() if p.requires_grad])
    if not isinstance(made, Optimizer):
        raise DanluError("DL252", where=f"optimizer={getattr(spec, '__name__', spec)}", got=type(made).__name__)
    _refuse_settings(made, settings)
    return _checked(made, model)


def describe(optimizer: Optimizer) -> str:
    """One line for people: ``AdamW, lr 0.002, weight decay 0.01 on 4 of 9 tensors, fused``."""
    groups = optimizer.param_groups
    decays = [g.get("weight_decay", 0) for g in groups]
    tensors = sum(len(g["params"]) for g in groups)
    decayed = sum(len(g["params"]) for g, d in zip(groups, decays) if d)
    rates = sorted({float(g["lr"]) for g in groups if "lr" in g})
    text = say("optim.line", name=type(optimizer).__name__, lr=", ".join(f"{r:g}" for r in rates))
    if any(decays):
        text += say("optim.decay", decay=f"{max(decays):g}", some=decayed, all=tensors)
    return text + (say("optim.fused") if groups[0].get("fused") else "")


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Parameters, each once: those of two and more dimensions decay, biases and norms do not.

    Frozen ones are among them, as in ``AdamW(model.parameters())``: they have no gradient until somebody thaws them.
    """
    able = _able(model)
    groups = [
        {"params": [p for p in able if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in able if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [g for g in groups if g["params"]]


def split_groups(groups: Groups, model: nn.Module, body: Collection[str], lr: float) -> Groups:
    """Each group as two, in the same order inside: the parameters named in ``body`` have the rate ``lr``."""
    ids = {id(p) for name, p in model.named_parameters() if name in body}
    out: Groups = []
    for group in groups:
        inside = [p for p in group["params"] if id(p) in ids]
        out.append({**group, "params": [p for p in group["params"] if id(p) not in ids]})
        out.append({**group, "params": inside, "lr": lr})
    return [g for g in out if g["params"]]


def _able(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.is_floating_point() or p.is_complex()]


def _by_name(spec: str | type[Optimizer], model: nn.Module, settings: Settings, body: Collection[str]) -> Optimizer:
    default = _default(spec)
    if (layer := _sparse_layer(model)) and not _takes_sparse(default.cls, model, settings):
        raise DanluError("DL258", where=layer, name=default.cls.__name__)
    given = inspect.signature(default.cls).parameters
    for setting, needs in (("momentum", "momentum"), ("weight_decay", "weight_decay"), ("body_lr", "lr")):
        if getattr(settings, setting) is not None and needs not in given and default.cls is not MuonAdamW:
            raise DanluError("DL255", where=setting, name=default.cls.__name__, setting=setting)
    lr = float(settings.lr) if isinstance(settings.lr, int | float) else default.lr
    decay = default.weight_decay if settings.weight_decay is None else settings.weight_decay
    options = dict(default.options)
    if settings.momentum is not None:
        options["momentum"] = settings.momentum
    fused = can_fuse(model)
    body_lr = lr * (settings.body_lr or 1.0)
    if default.cls is MuonAdamW:
        groups = muon_groups(model, lr=lr, weight_decay=decay, momentum=options["momentum"], fused=fused)
        return MuonAdamW(split_groups(groups, model, body, body_lr) if body else groups, lr)
    cls = default.cls
    if cls is torch.optim.SGD and options.get("momentum"):
        fused = False  # torch's kernel fails where a parameter gets its first gradient later than the others
    if cls in _FUSED and fused:
        options["fused"] = True
        cls = _LEAN.get(cls, cls)
    if "lr" in given:
        options["lr"] = lr
    groups = parameter_groups(model, decay) if "weight_decay" in given else [{"params": _able(model)}]
    return cls(split_groups(groups, model, body, body_lr) if body else groups, **options)


def check_name(name: str) -> None:
    """DL254 where no optimizer is called that, DL253 for LBFGS."""
    _default(name)


def _default(spec: str | type[Optimizer]) -> Default:
    """danlu's defaults for the optimizers it knows well, torch's own for the others."""
    name = spec.lower() if isinstance(spec, str) else spec.__name__.lower()
    if name in DEFAULTS and (isinstance(spec, str) or spec is DEFAULTS[name].cls):
        return DEFAULTS[name]
    if name == "lbfgs":
        raise DanluError("DL253", where="optimizer='LBFGS'")
    known = {n.lower(): c for n, c in vars(torch.optim).items() if isinstance(c, type) and issubclass(c, Optimizer)}
    cls = spec if isinstance(spec, type) else known.get(name)
    if cls is None or cls is Optimizer:
        names = [*DEFAULTS, *(n for n in known if n not in (*DEFAULTS, "optimizer", "lbfgs"))]
        facts = {"near": did_you_mean(name, names), "line": nearest(name, names) or "adamw"}
        raise DanluError("DL254", where=f"optimizer={spec!r}", name=spec, **facts)
    given = inspect.signature(cls).parameters
    numbers = {n: p.default for n, p in given.items() if isinstance(p.default, int | float)}
    return Default(cls, float(numbers.get("lr", 0.0)), float(numbers.get("weight_decay", 0.0)), {})


def can_fuse(model: nn.Module) -> bool:
    """Whether torch's fused kernels take these parameters."""
    trainable = (p for p in model.parameters() if p.requires_grad)
    return not _sparse_layer(model) and all(
        p.device.type in _FUSED_DEVICES and p.is_floating_point() for p in trainable
    )


def _sparse_layer(model: nn.Module) -> str:
    """The name of a layer whose gradients are sparse, if there is one."""
    layers = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag))
    return next((f"{name} ({type(m).__name__})" for name, m in layers if m.sparse), "")


def _takes_sparse(cls: type[Optimizer], model: nn.Module, settings: Settings) -> bool:
    """Adagrad takes both kinds of gradients, SGD without weight decay too, SparseAdam nothing but sparse ones."""
    if cls is torch.optim.SGD:
        return settings.weight_decay == 0
    sparse = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding | nn.EmbeddingBag) and m.sparse}
    alone = all(id(p) in sparse for p in model.parameters() if p.requires_grad)
    return cls is torch.optim.Adagrad or (cls is torch.optim.SparseAdam and alone)


def _refuse_settings(optimizer: Optimizer, settings: Settings) -> None:
    """The user's optimizer has its own numbers: a setting that would do nothing is refused."""
    given = {name: getattr(settings, name) for name in ("lr", "weight_decay", "momentum", "body_lr")}
    for name, value in given.items():
        if value is not None and value != "auto":
            raise DanluError("DL256", where=f"{name}={value}", setting=name, name=type(optimizer).__name__, value=value)


def _checked(optimizer: Optimizer, model: nn.Module) -> Optimizer:
    if isinstance(optimizer, torch.optim.LBFGS):
        raise DanluError("DL253", where="optimizer")
    foreign, missing, _ = _compared(optimizer, model)
    if foreign and missing:  # foreign alone may be a loss's own parameters, missing alone a frozen part
        raise _stranger(optimizer, model)
    return optimizer


def refuse_strangers(optimizer: Optimizer, model: nn.Module) -> None:
    """DL257 when the optimizer holds not one parameter of this model: its updates would change nothing."""
    _, missing, shared = _compared(optimizer, model)
    if missing and not shared:
        raise _stranger(optimizer, model)


def _compared(optimizer: Optimizer, model: nn.Module) -> tuple[int, list[str], int]:
    """How many tensors of the optimizer are not the model's, which of the model's it lacks, how many they share."""
    own = {id(p): name for name, p in model.named_parameters() if p.requires_grad}
    held = {id(p) for g in optimizer.param_groups for p in g["params"]}
    return len(held - own.keys()), [n for key, n in own.items() if key not in held], len(held & own.keys())


def _stranger(optimizer: Optimizer, model: nn.Module) -> DanluError:
    foreign, missing, _ = _compared(optimizer, model)
    return DanluError(
        "DL257",
        where=type(optimizer).__name__,
        foreign=foreign,
        missing=", ".join(missing[:3]) + (" …" if len(missing) > 3 else ""),
        model=type(model).__name__,
    )
