"""Short trials before training, on a copy of the model: does one batch work, which precision, which learning rate."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from typing import Any

import torch
from torch import Tensor, nn

from danlu.batch import forward, returned_loss, to_device
from danlu.device import Precision, cpu_has_fast_bf16, has_heavy_layers, kept_randomness
from danlu.errors import DanluError
from danlu.loop import step
from danlu.messages import say
from danlu.types import Choice

Loss = Callable[..., Any] | None
RANGE_STEPS = 100
PRECISION_ROUNDS, PRECISION_SECONDS = 12, 4.0
BF16_GAIN = 1.2  # bfloat16 must be this much faster to be worth its coarser numbers


def few_batches(loader: Iterable[Any], count: int) -> list[Any]:
    """The first batches, without moving the loader's place; samples left out on the way will be met again."""
    state = loader.state_dict() if hasattr(loader, "state_dict") else None
    left_out = dict(getattr(loader, "left_out", {}))
    iterator = iter(loader)
    try:
        return list(islice(iterator, count))
    finally:
        close = getattr(iterator, "close", None)
        if close is not None:
            close()
        if state is not None:
            loader.load_state_dict(state)  # type: ignore[attr-defined]
        if hasattr(loader, "left_out"):
            loader.left_out = left_out


def one_batch(model: nn.Module, batch: Any, loss: Loss, device: torch.device) -> tuple[Any, Any, Tensor | None]:
    """Forward and loss of one batch in eval mode: ``(output, target, loss or None)``; nothing is changed.

    A mistake in the shapes raises DL242 with the layer, the shape it got and torch's own words.
    """
    flags = [(module, module.training) for module in model.modules()]
    batch = to_device(batch, device)
    place: list[str] = []
    hooks = [m.register_forward_pre_hook(_remember(place, name)) for name, m in model.named_modules() if name]
    model.eval()
    try:
        with kept_randomness(), torch.set_grad_enabled(loss is None):  # recorded, for taken_twice to read
            output, target = forward(model, batch)
            place.clear()
            value = returned_loss(output) if loss is None else loss(output, target)
    except DanluError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as reason:
        raise _explained(reason, model, batch, place) from reason
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in flags:
            module.training = training
    if isinstance(value, tuple):
        value = value[0] / value[1]
    return output, target, value if isinstance(value, Tensor) else None


def taken_twice(output: Any, loss: Any) -> Choice | None:
    """What to say when the model's last step is one that the loss takes itself; torch trains on, and learns little.

    The last step is read off what autograd recorded, so that outputs which only look like probabilities are not meant.
    """
    module = getattr(loss, "loss", loss)
    taken = {nn.CrossEntropyLoss: "Softmax", nn.BCEWithLogitsLoss: "Sigmoid"}.get(type(module))
    node = output.grad_fn if isinstance(output, Tensor) else None
    while node is not None and node.name().startswith(_SAME_NUMBERS) and node.next_functions:
        node = node.next_functions[0][0]
    if taken is None or node is None or not node.name().startswith(f"{taken}Backward"):
        return None
    return Choice("loss", type(module).__name__, say("loss.twice", step=taken.lower(), loss=type(module).__name__))


_SAME_NUMBERS = ("View", "Reshape", "UnsafeView", "Squeeze", "Unsqueeze", "Select", "Slice", "Clone", "ToCopy", "Alias")


def _remember(place: list[str], name: str) -> Callable[..., None]:
    def before(module: nn.Module, args: tuple[Any, ...]) -> None:
        shapes = ", ".join(_describe(a) for a in args)
        place[:] = [f"{name} ({type(module).__name__})", shapes]

    return before


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_describe(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "(" + ", ".join(map(_describe, value)) + ")"
    return type(value).__name__


def _explained(reason: Exception, model: nn.Module, batch: Any, place: list[str]) -> DanluError:
    first_line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
    if "dtype" in first_line or "scalar type" in first_line:
        if not place:  # forward is over: the loss
            return DanluError("DL245", where=type(model).__name__, got=_describe(batch), reason=first_line)
        line = say("dtype.whole" if "Embedding" in place[0] else "dtype.float")
        return DanluError("DL244", where=place[0], got=place[1], reason=first_line, line=line)
    if place:
        return DanluError("DL242", where=place[0], got=place[1], reason=first_line, model=type(model).__name__)
    return DanluError("DL243", where=type(model).__name__, got=_describe(batch), reason=first_line)


def trial_steps(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[Any],
    loss: Loss,
    count: int,
    precision: Precision,
) -> float:
    """Seconds one update takes: the median of ``count`` on a copy, after one for warming up."""
    times = []
    with kept_randomness(seed=0):
        copied, copied_optimizer = copy.deepcopy((model, optimizer))
        for batch in islice(cycle(batches), count + 1):
            times.append(_seconds(copied, copied_optimizer, batch, loss, precision))
    return sorted(times[1:])[count // 2]


def _seconds(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any, loss: Loss, precision: Precision) -> float:
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    model.train()
    started = time.perf_counter()
    step(model, to_device(batch, device), loss, optimizer, precision=precision, guard=False)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def choose_precision(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any], loss: Loss, device: torch.device
) -> tuple[Precision, Choice]:
    """What ``precision="auto"`` means on this machine for this model, with the reason."""

    def chosen(name: str, why: str, **facts: Any) -> tuple[Precision, Choice]:
        return Precision(name, device.type), Choice("precision", name, say(why, **facts))

    if device.type == "cuda":
        good = torch.cuda.is_bf16_supported(including_emulation=False)
        return chosen("bf16", "precision.gpu") if good else chosen("fp32", "precision.old_gpu")
    if device.type != "cpu" or not cpu_has_fast_bf16():
        return chosen("fp32", "precision.no_bf16")
    if not has_heavy_layers(model):
        return chosen("fp32", "precision.light")
    full, half = Precision("fp32", "cpu"), Precision("bf16", "cpu")
    try:
        gain = _gain(model, optimizer, batches, loss, full, half)
    except (RuntimeError, TypeError) as reason:  # the model, the loss or the copy does not take bfloat16
        return chosen("fp32", "precision.refused", reason=str(reason).splitlines()[0])
    return chosen("bf16" if gain >= BF16_GAIN else "fp32", "precision.measured", gain=f"{gain:.2f}")


def _gain(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any], loss: Loss, a: Precision, b: Precision
) -> float:
    """How many times faster ``b`` is than ``a``: both take each batch in turn, and the quickest updates are compared.

    What other programs do on the machine only ever makes an update slower. Ends after 12 rounds, or after 4 s when
    three were taken; the first round warms up.
    """
    times: tuple[list[float], list[float]] = ([], [])
    with kept_randomness(seed=0):
        sides = [(*copy.deepcopy((model, optimizer)), precision) for precision in (a, b)]
        began = time.perf_counter()
        for i, batch in enumerate(islice(cycle(batches), PRECISION_ROUNDS + 1)):
            for (copied, copied_optimizer, precision), found in zip(sides, times):
                found.append(_seconds(copied, copied_optimizer, batch, loss, precision))
            if i >= 3 and time.perf_counter() - began > PRECISION_SECONDS:
                break
    return min(times[0][1:]) / min(times[1][1:])


def range_test(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Any], loss: Loss, precision: Precision
) -> tuple[float, list[tuple[float, float]]]:
    """A learning rate by the range test (L. N. Smith, arXiv:1506.01186): the rate grows over at most 100 updates of a
    copy; the answer is a tenth of the rate at which the smoothed loss was lowest. Also returns (rate, loss) pairs.
    """
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    low, high = 1e-6, 1.0
    curve: list[tuple[float, float]] = []
    smooth, best = 0.0, math.inf
    with kept_randomness(seed=0):
        copied, copied_optimizer = copy.deepcopy((model, optimizer))
        copied.train()
        rates = [float(group["lr"]) for group in copied_optimizer.param_groups]
        for i, batch in enumerate(islice(cycle(batches), RANGE_STEPS)):
            rate = low * (high / low) ** (i / (RANGE_STEPS - 1))
            for group, own in zip(copied_optimizer.param_groups, rates):
                group["lr"] = rate * own / max(rates)  # a part with a smaller rate keeps its share
            value = step(copied, to_device(batch, device), loss, copied_optimizer, precision=precision, guard=False)
            smooth = 0.9 * smooth + 0.1 * float(value)
            corrected = smooth / (1 - 0.9 ** (i + 1))  # an exponential average starts too low
            if not math.isfinite(corrected) or (i > 10 and corrected > 4 * best):
                break
            best = min(best, corrected)
            curve.append((rate, corrected))
    if len(curve) < 10:
        raise DanluError("DL306")
    return min(curve, key=lambda point: point[1])[0] / 10, curve
