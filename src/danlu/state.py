"""The whole state of a training as tensors and JSON: what resume needs to go on bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.fit import fit_report, listed, weights
from danlu.messages import say
from danlu.plain import decode, encode
from danlu.rng import rng_state, set_rng_state

Tensors = dict[str, Tensor]
Values = dict[str, Any]


def capture(
    model: nn.Module,
    optimizer: Any,
    schedule: Any = None,
    ema: Any = None,
    loader: Any = None,
    progress: Mapping[str, Any] | None = None,
    *,
    others: Mapping[str, Any] | None = None,
) -> tuple[Tensors, Values]:
    """Everything the next step depends on, as it is now. Nothing is copied: hand it to ``Saver.snapshot`` at once.

    Names of ``tensors`` are ``model/<parameter>``, ``optimizer/<parameter>/<slot>``, ``rng/…``. ``others`` are
    further objects with state()/load() or state_dict()/load_state_dict(): a scaler, a loss with weights of its own.
    DL412 names a value that is neither a tensor nor plain.
    """
    tensors: Tensors = {}
    values: Values = {"model": _capture_model(model, tensors), "progress": encode(progress or {}, "progress", tensors)}
    if optimizer is not None:
        values["optimizer"] = _capture_optimizer(model, optimizer, tensors)
    parts = {"schedule": schedule, "ema": ema, "loader": loader, **(others or {})}
    for name, part in parts.items():
        if part is not None:
            values[name] = encode(_read(part), name, tensors)
    values["rng"] = encode(rng_state(model), "rng", tensors)
    return tensors, values


def restore(
    tensors: Mapping[str, Tensor],
    values: Mapping[str, Any],
    model: nn.Module,
    optimizer: Any,
    schedule: Any = None,
    ema: Any = None,
    loader: Any = None,
    *,
    others: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Put a captured state back; the progress values come back. Random generators last.

    Nothing is changed when the model (DL410) or the optimizer (DL411) holds other parameters.
    """
    _check_model(tensors, values["model"], model)
    if optimizer is not None:
        _check_optimizer(values["optimizer"], model, optimizer)
    _restore_model(tensors, values["model"], model)
    if optimizer is not None:
        _restore_optimizer(tensors, values["optimizer"], model, optimizer)
    parts = {"schedule": schedule, "ema": ema, "loader": loader, **(others or {})}
    for name, part in parts.items():
        if part is not None and name in values:
            _write(part, decode(values[name], tensors))
    progress: dict[str, Any] = decode(values["progress"], tensors)
    set_rng_state(decode(values["rng"], tensors), model)
    return progress


def restore_weights(
    tensors: Mapping[str, Tensor], values: Mapping[str, Any], model: nn.Module, ema: Any = None
) -> None:
    """Only what the model answers with: its weights and buffers, and the averaged weights; training cannot go on."""
    _check_model(tensors, values["model"], model)
    _restore_model(tensors, values["model"], model)
    if ema is not None and "ema" in values:
        _write(ema, decode(values["ema"], tensors))


def _read(part: Any) -> Any:
    return part.state() if hasattr(part, "state") and callable(part.state) else part.state_dict()


def _write(part: Any, state: Any) -> None:
    if hasattr(part, "load") and callable(part.load):
        part.load(state)
    else:
        part.load_state_dict(state)


# --- model -----------------------------------------------------------------------------------------------------------


def _capture_model(model: nn.Module, tensors: Tensors) -> Values:
    kept, tied = weights(model)
    tensors |= {f"model/{name}": value for name, value in kept.items()}
    extra = {k: v for k, v in model.state_dict(keep_vars=True).items() if not isinstance(v, Tensor)}
    known = kept.keys() | tied.keys()
    hidden = {
        n: b.detach() for n, b in model.named_buffers() if n not in known
    }  # persistent=False, yet they may change
    return {
        "tied": tied,
        "extra": encode(extra, "model-extra", tensors),
        "hidden": encode(hidden, "model-hidden", tensors),
    }


def _check_model(tensors: Mapping[str, Tensor], saved: Values, model: nn.Module) -> None:
    fit = fit_report(model, _saved_weights(tensors, saved))
    extra = {name for name, value in model.state_dict(keep_vars=True).items() if not isinstance(value, Tensor)}
    found = [str(fit)] if not fit.ok else []
    if changed := sorted(extra ^ saved["extra"].keys()):
        found.append(f"get_extra_state: {listed(changed)}")
    if found:
        raise DanluError("DL410", where=type(model).__qualname__, differences="; ".join(found))


def _saved_weights(tensors: Mapping[str, Tensor], saved: Values) -> Tensors:
    kept = {name.removeprefix("model/"): t for name, t in tensors.items() if name.startswith("model/")}
    return kept | {alias: kept[name] for alias, name in saved["tied"].items()}


def _restore_model(tensors: Mapping[str, Tensor], saved: Values, model: nn.Module) -> None:
    extra = decode(saved["extra"], tensors)
    model.load_state_dict(_saved_weights(tensors, saved) | extra)
    hidden = decode(saved["hidden"], tensors)
    for name, buffer in model.named_buffers():
        if name in hidden and buffer.shape == hidden[name].shape:
            with torch.no_grad():
                buffer.copy_(hidden[name])


# --- optimizer -------------------------------------------------------------------------------------------------------


def _parameters(model: nn.Module, optimizer: Any) -> list[tuple[str, Tensor, int]]:
    """(name, parameter, group) in the order of ``optimizer.state_dict()``; a tied parameter has its first name.

    A parameter that is not the model's (a loss may have weights of its own) is named by its place.
    """
    names = {id(p): name for name, p in model.named_parameters()}
    out, seen = [], set()
    for g, group in enumerate(optimizer.param_groups):
        for i, p in enumerate(group["params"]):
            if id(p) not in seen:
                seen.add(id(p))
                out.append((names.get(id(p), f"<group {g}, {i}>"), p, g))
    return out


def _capture_optimizer(model: nn.Module, optimizer: Any, tensors: Tensors) -> Values:
    whole = optimizer.state_dict()
    names = [name for name, _, _ in _parameters(model, optimizer)]
    state = {
        names[key] if isinstance(key, int) else key: encode(slots, f"optimizer/{_place(names, key)}", tensors)
        for key, slots in whole["state"].items()
    }
    groups = [
        {
            "params": [names[i] for i in group["params"]],
            "options": encode({k: v for k, v in group.items() if k != "params"}, f"optimizer-group/{g}", tensors),
        }
        for g, group in enumerate(whole["param_groups"])
    ]
    foreign = {  # their values live nowhere else
        name: p for name, p, _ in _parameters(model, optimizer) if name.startswith("<group ")
    }
    rest = {k: v for k, v in whole.items() if k not in ("state", "param_groups")}
    return {
        "class": type(optimizer).__qualname__,
        "state": state,
        "groups": groups,
        "foreign": encode(foreign, "optimizer-foreign", tensors),
        "rest": encode(rest, "optimizer-rest", tensors),
    }


def _place(names: list[str], key: Any) -> str:
    return names[key] if isinstance(key, int) else f"<{key}>"


def _check_optimizer(saved: Values, model: nn.Module, optimizer: Any) -> None:
    now: list[list[str]] = [[] for _ in optimizer.param_groups]
    for name, _, g in _parameters(model, optimizer):
        now[g].append(name)
    then = [group["params"] for group in saved["groups"]]
    found = []
    flat_now, flat_then = [n for names in now for n in names], [n for names in then for n in names]
    if saved["class"] != type(optimizer).__qualname__:
        found.append(f"{saved['class']} ≠ {type(optimizer).__qualname__}")
    if missing := [n for n in flat_now if n not in set(flat_then)]:
        found.append(say("fit.missing", names=listed(missing)))
    if unexpected := [n for n in flat_then if n not in set(flat_now)]:
        found.append(say("fit.unexpected", names=listed(unexpected)))
    if not found and [sorted(names) for names in now] != [sorted(names) for names in then]:
        sizes = [[len(names) for names in groups] for groups in (then, now)]
        found.append(say("state.groups", saved=sizes[0], now=sizes[1]))
    if found:
        raise DanluError("DL411", where=type(optimizer).__qualname__, differences="; ".join(found))


def _restore_optimizer(tensors: Mapping[str, Tensor], saved: Values, model: nn.Module, optimizer: Any) -> None:
    known = {name: (i, p) for i, (name, p, _) in enumerate(_parameters(model, optimizer))}
    state = {name: decode(slots, tensors) for name, slots in saved["state"].items()}
    groups, start = [], 0
    for group in optimizer.param_groups:
        count = len(group["params"])
        groups.append({"params": list(range(start, start + count))})
        start += count
    for group, then in zip(groups, saved["groups"]):
        group |= decode(then["options"], tensors)
    packed = {
        known[name][0] if name in known else name: _laid_out(slots, known.get(name)) for name, slots in state.items()
    }
    optimizer.load_state_dict({"state": packed, "param_groups": groups} | decode(saved["rest"], tensors))
    for name, slots in state.items():  # load_state_dict casts floating slots to the parameter's dtype
        if name in known:
            _exact(optimizer.state[known[name][1]], slots)
    for name, value in decode(saved["foreign"], tensors).items():
        with torch.no_grad():
            known[name][1].copy_(value)


def _laid_out(slots: Any, target: tuple[int, Tensor] | None) -> Any:
    """Slots in their parameter's memory order: fused kernels walk both in step without looking at strides."""
    if target is None or not isinstance(slots, dict):
        return slots
    p = target[1].detach()
    return {
        k: torch.empty_like(p, dtype=v.dtype, device="cpu").copy_(v)
        if isinstance(v, Tensor) and v.shape == p.shape and v.stride() != p.stride()
        else v
        for k, v in slots.items()
    }


def _exact(now: dict[str, Any], slots: dict[str, Any]) -> None:
    for key, value in slots.items():
        if isinstance(value, Tensor) and now[key].dtype != value.dtype:
            now[key] = torch.empty_like(now[key], dtype=value.dtype).copy_(value)
