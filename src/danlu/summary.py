"""What a model is made of: its modules in the order they run, with output shapes, parameters and FLOPs."""

from __future__ import annotations

import copy
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.utils._python_dispatch import TorchDispatchMode

from danlu.batch import forward, rows_of, to_device
from danlu.device import seed_everything
from danlu.evaluate import evaluating
from danlu.rng import rng_state, set_rng_state

Shapes = tuple[tuple[str, tuple[int, ...]], ...]

_CHANGING = (dict, OrderedDict, list, set)  # what forward may fill in place; a module keeps its tensors in dicts


@dataclass(frozen=True)
class Row:
    """One module. Parameters and FLOPs are its own, without those of the modules inside it, so that columns add up."""

    name: str  # as in named_modules(): "" is the model itself
    kind: str  # its class
    shapes: Shapes  # of the tensors in its first output: ("", (64, 10)) for a tensor, ("logits", …) for a dict's entry
    parameters: int  # a tensor that several modules share is counted at the first of them
    trainable: int
    flops: int | None  # over all its calls
    calls: int  # 0: it holds parameters, but its forward was never called (another module uses them, or none)


@dataclass(frozen=True)
class Summary:
    """A model seen on one batch of ``samples``.

    ``flops``: of one forward pass over the batch, by torch's formulas from the shapes: two for each multiply-add of
    matrix products, convolutions, attention and recurrent layers; all else (activations, norms, look-ups) counts
    nothing. None where torch's counter cannot follow the model. ``bytes``: parameters and buffers in memory.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    flops: int | None
    bytes: int
    samples: int


def summarise(model: nn.Module, batch: Any) -> Summary:
    """Run the model once on a batch (as ``danlu.batch.forward`` does) and write down what happens.

    In eval and inference mode. Afterwards the model and all random generators are as they were: flags, buffers, hooks
    and the attributes that forward sets. A model with lazy modules is copied, so that its own stay lazy.
    """
    model = getattr(model, "_orig_mod", model)  # a compiled one: the module inside is the same, and can be looked into
    if any(map(_uninitialised, (*model.parameters(), *model.buffers()))):
        model = _copy_of_lazy(model)
    device = next((p.device for p in model.parameters()), None)
    if device is not None:
        batch = to_device(batch, device)
    watch = None
    with suppress(Exception):  # the counter cannot follow this model; a mistake of the model's own is raised below
        watch = _watched(model, batch, counting=True)
    if watch is None:
        watch = _watched(model, batch, counting=False)
    rows = tuple(_rows(model, watch))
    tensors = (t for t in (*model.parameters(), *model.buffers()) if not _uninitialised(t))
    return Summary(
        rows=rows,
        parameters=sum(row.parameters for row in rows),
        trainable=sum(row.trainable for row in rows),
        flops=watch.total(),
        bytes=sum(t.numel() * t.element_size() for t in tensors),
        samples=rows_of(batch),
    )


def _uninitialised(tensor: Tensor) -> bool:
    return isinstance(tensor, UninitializedBuffer | UninitializedParameter)


def _copy_of_lazy(model: nn.Module) -> nn.Module:
    """A deep copy; torch cannot copy buffers without a shape, so these are made anew."""
    lazy = [b for b in model.buffers() if _uninitialised(b)]
    fresh = {id(b): nn.UninitializedBuffer(device=b.device, dtype=b.dtype) for b in lazy}  # type: ignore[call-arg]
    return copy.deepcopy(model, fresh)


# ---- the one pass


class _Watch:
    """What the hooks see of every module: its calls, the shapes of its first output, the FLOPs of its own."""

    def __init__(self, model: nn.Module, counter: _Operations | None) -> None:
        self.counter = counter
        self.calls: dict[nn.Module, int] = {}  # in the order of the first calls
        self.shapes: dict[nn.Module, Shapes] = {}
        self.flops: dict[nn.Module, int] = {}
        self.running = [model]  # what runs in no other module that can be watched is the model's
        self.given = 0  # FLOPs that some module has

    def total(self) -> int | None:
        return None if self.counter is None else self.counter.flops

    def settle(self) -> None:
        """What was counted since the last look belongs to the innermost module that runs."""
        total = self.total() or 0
        self.flops[self.running[-1]] = self.flops.get(self.running[-1], 0) + total - self.given
        self.given = total

    def enter(self, module: nn.Module, args: Any) -> None:
        self.settle()
        self.calls[module] = self.calls.get(module, 0) + 1
        self.running.append(module)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self.settle()
        while self.running.pop() is not module:  # one whose error its parent caught never left
            pass
        if module not in self.shapes:
            self.shapes[module] = tuple(_shapes(output))


class _Operations(TorchDispatchMode):
    """The FLOPs of every operator that runs inside, by the formulas of torch's ``FlopCounterMode``.

    That one imports torch's compiler (two seconds) at its first operator, and its tracker of modules fails in inference
    mode on modules that are given a parameter.
    """

    def __init__(self) -> None:
        from torch.utils.flop_counter import flop_registry, shape_wrapper  # imports triton: half a second

        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.formulas = flop_registry | {op: shape_wrapper(f) for op, f in _recurrent_formulas().items()}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # no compiled model comes here: ``summarise`` looks at the module inside

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = self.formulas.get(func._overloadpacket)
        if formula is None and func is not torch.ops.prim.device.default:
            with self:  # an operator made of others counts as those
                found = func.decompose(*args, **kwargs)
            if found is not NotImplemented:
                return found
        out = func(*args, **kwargs)
        if formula is not None:
            self.flops += formula(*args, **kwargs, out_val=out)
        return out


def _watched(model: nn.Module, batch: Any, *, counting: bool) -> _Watch:
    counter = _Operations() if counting else None
    watch = _Watch(model, counter)
    with ExitStack() as stack:
        stack.enter_context(_untouched(model))
        for module in model.modules():
            if not isinstance(module, torch.jit.ScriptModule):  # these take no hooks
                stack.callback(module.register_forward_pre_hook(watch.enter).remove)
                stack.callback(module.register_forward_hook(watch.leave).remove)
        stack.enter_context(evaluating(model))
        if counter is not None:
            stack.enter_context(counter)
        forward(model, batch)
        watch.settle()
    return watch


@contextmanager
def _untouched(model: nn.Module) -> Iterator[None]:
    """Inside, draws start from a seed and attention takes no shortcut past its modules; afterwards all is as it was."""
    states = rng_state(model)
    attributes = [(vars(m), {name: (v, _copied(v)) for name, v in vars(m).items()}) for m in model.modules()]
    buffers = [(b, b.detach().clone()) for b in model.buffers() if not _uninitialised(b)]
    shortcut = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    seed_everything(0)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(shortcut)
        for now, before in attributes:
            _put_back(now, before)
        with torch.no_grad():
            for buffer, content in buffers:
                if not torch.equal(buffer, content):
                    buffer.copy_(content)
        set_rng_state(states, model)


def _copied(value: Any) -> Any:
    return copy.copy(value) if type(value) in _CHANGING else None


def _put_back(now: dict[str, Any], before: dict[str, tuple[Any, Any]]) -> None:
    for name in now.keys() - before.keys():
        del now[name]
    for name, (value, content) in before.items():
        now[name] = value
        if type(value) in _CHANGING:
            value.clear()
            value.extend(content) if type(value) is list else value.update(content)


def _recurrent_formulas() -> dict[Any, Any]:
    """For torch's LSTM, which runs as one operator that its counter does not know: every step meets every matrix."""

    def matrices(x: tuple[int, ...], weights: Any) -> int:
        numbers: int = sum(math.prod(shape) for shape in weights if len(shape) == 2)
        return 2 * math.prod(x[:-1]) * numbers

    def cudnn(x: Any, weights: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return matrices(x, weights)

    def mkldnn(x: Any, w_input: Any, w_hidden: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
        return matrices(x, (w_input, w_hidden))

    return {torch.ops.aten._cudnn_rnn: cudnn, torch.ops.aten.mkldnn_rnn_layer: mkldnn}


def _shapes(output: Any, path: str = "") -> Iterator[tuple[str, tuple[int, ...]]]:
    """Path and shape of every tensor in an output."""
    if isinstance(output, Tensor):
        yield path, tuple(output.shape)
        return
    if isinstance(output, Mapping):
        parts = [*output.items()]
    elif is_dataclass(output) and not isinstance(output, type):
        parts = [(f.name, getattr(output, f.name)) for f in fields(output)]
    elif isinstance(output, tuple | list):
        parts = [*zip(getattr(output, "_fields", range(len(output))), output)]
    else:
        parts = []
    for key, part in parts:
        yield from _shapes(part, f"{path}.{key}" if path else str(key))


# ---- rows


def _rows(model: nn.Module, watch: _Watch) -> Iterator[Row]:
    counted: set[int] = set()
    for name, module in _in_order(model, watch):
        own = [p for p in module.parameters(recurse=False) if id(p) not in counted and not _uninitialised(p)]
        counted |= {id(p) for p in own}
        yield Row(
            name=name,
            kind=type(module).__name__,
            shapes=watch.shapes.get(module, ()),
            parameters=sum(p.numel() for p in own),
            trainable=sum(p.numel() for p in own if p.requires_grad),
            flops=None if watch.counter is None else watch.flops.get(module, 0),
            calls=watch.calls.get(module, 0),
        )


def _in_order(model: nn.Module, watch: _Watch) -> list[tuple[str, nn.Module]]:
    """The modules as they were first called; one that holds parameters but was not, after what it is part of."""
    names = {module: name for name, module in model.named_modules()}
    order = [("", model), *((names[module], module) for module in watch.calls if module is not model)]
    for module, name in names.items():
        if module is model or module in watch.calls or next(module.parameters(recurse=False), None) is None:
            continue
        placed = [other for other, _ in order]
        parent = name.rpartition(".")[0]
        while parent and parent not in placed:
            parent = parent.rpartition(".")[0]
        at = placed.index(parent) + 1
        while at < len(placed) and (not parent or placed[at].startswith(parent + ".")):
            at += 1
        order.insert(at, (name, module))
    return order
