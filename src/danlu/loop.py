"""The training loop: step() makes one update, steps() yields an event after each and at each epoch's end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from danlu.batch import Batches, forward, returned_loss, rows_of, split_batch, to_device
from danlu.data.seeded import name_of
from danlu.device import Precision
from danlu.errors import DanluError
from danlu.guard import Guard, NotFinite, norm_to_clip
from danlu.lean import clear
from danlu.optim import build_optimizer
from danlu.settings import Settings
from danlu.tasks.criterion import accumulated, divisor, one_loss
from danlu.types import Epoch, Stepped

FP32 = Precision()
Loss = Callable[..., Any] | Mapping[str, Any] | None
_END = object()


@dataclass
class Progress:
    """How far training has come: what a checkpoint keeps of the loop itself."""

    step: int = 0  # updates made
    epoch: int = 0  # epochs finished
    loss_sum: float | Tensor = 0.0  # of this epoch's samples so far (a 0-d float64 tensor while running)
    rows: int = 0  # this epoch's samples so far
    seconds: float = 0.0  # spent in this epoch so far
    waited: float = 0.0  # of them, waiting for data
    began: int = 0  # the step where the schedule began: later than 0 when a finished run is trained further
    stop: bool = False  # end with this update, as if it were the last (time is up, nothing improves)

    def start_epoch(self) -> None:
        self.loss_sum, self.rows, self.seconds, self.waited = 0.0, 0, 0.0, 0.0


class Schedule(Protocol):
    """How the learning rate moves; see schedule.py."""

    def before_step(self, step: int) -> None: ...
    def after_step(self) -> None: ...


class Average(Protocol):
    """Averaged weights; see ema.py."""

    def update(self) -> None: ...


def step(
    model: nn.Module,
    batch: Any,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    *,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    precision: Precision = FP32,
    guard: Guard | bool = True,
    scaler: torch.amp.GradScaler | None = None,
) -> Tensor:
    """One update of the model: forward, loss, backward, clip, optimizer step.

    Args:
        batch: what it means is told in ``danlu.batch.forward``; ``(x, y)`` → ``loss(model(x), y)``.
        loss: ``loss(output, target) -> 0-d tensor`` (or ``(sum, weight)``); a dict of losses for several heads, with
            ``(loss, weight)`` where they weigh differently; None uses the output's own ``.loss``.
        clip_norm: largest 2-norm of all gradients together. clip_value: largest absolute value of each element.
        guard: look at the gradients before the update; NaN or infinity raises DL301 and leaves the weights alone.

    Returns:
        The loss, a detached 0-d tensor on the model's device: the mean over the samples.
    """
    if not hasattr(optimizer, "param_groups"):  # a name: its state would be lost with every update
        raise DanluError("DL368", where=f"optimizer={optimizer!r}", got=type(optimizer).__name__)
    clear(optimizer)
    plain = loss is None or (callable(loss) and not isinstance(loss, type))
    criterion: Callable[..., Any] | None = loss if plain else one_loss(loss)  # type: ignore[assignment]
    if type(batch) is Batches:
        total: Any = 0.0
        weight: Any = 0.0
        targets = [split_batch(model, part)[2] for part in batch]
        parts = accumulated(criterion, targets) if criterion is not None else [None] * len(batch)
        for part, both in zip(batch, parts):
            with precision.autocast():
                part_sum, part_weight = _sum_of(model, part, both)
            (part_sum if scaler is None else scaler.scale(part_sum)).backward()
            total, weight = total + part_sum.detach(), weight + part_weight
        weight = divisor(weight)
        _divide_gradients(optimizer, weight)
        value: Tensor = total / weight
    else:
        if precision.name == "fp32":
            value = _mean_of(model, batch, criterion)
        else:
            with precision.autocast():
                value = _mean_of(model, batch, criterion)
        (value if scaler is None else scaler.scale(value)).backward()
        value = value.detach()

    if scaler is not None:  # it skips updates with infinite gradients itself, by lowering its scale
        scaler.unscale_(optimizer)
    elif guard:
        watch = guard if isinstance(guard, Guard) else Guard.of(optimizer)
        watch.look(value, model, batch, optimizer)
    if clip_value is not None:
        nn.utils.clip_grad_value_(_parameters(optimizer), clip_value)
    if clip_norm is not None:
        nn.utils.clip_grads_with_norm_(_parameters(optimizer), clip_norm, norm_to_clip(optimizer))
    if scaler is None:
        optimizer.step()
    else:
        scaler.step(optimizer)
        scaler.update()
    return value


def steps(
    model: nn.Module,
    loader: Iterable[Any],
    loss: Loss,
    optimizer: Any,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    schedule: Schedule | None = None,
    ema: Average | None = None,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    accumulate: int = 1,
    precision: Precision = FP32,
    guard: bool = True,
    scaler: torch.amp.GradScaler | None = None,
    progress: Progress | None = None,
    step: Callable[..., Tensor] = step,
) -> Iterator[Stepped | Epoch]:
    """Train, yielding ``Stepped`` after every update and ``Epoch`` whenever the loader came to its end.

    Stops after ``epochs`` epochs or ``steps`` updates, whichever comes first (neither: never; break when you like).
    The model may be evaluated or changed between events; its train/eval flags are set back before the next update.

    Args:
        optimizer: one over the model's parameters; or a name, a class or ``factory(params)``, at its default rate.
        loader: any iterable of batches, read once an epoch: a danlu or torch loader, a list.
        accumulate: batches an update; gradients are those of the mean over all their samples.
        progress: goes on from there, and is kept up to date; with ``loader.load_state_dict`` this resumes a run.
        step: ``step(model, batch, loss, optimizer) -> loss`` instead of danlu's own, for training methods that need
            another shape (two optimizers, distillation); clip, precision, guard and accumulation are then its business.
    """
    progress = progress or Progress()
    loss = one_loss(loss)
    if step is danlu_step and not hasattr(optimizer, "param_groups"):
        optimizer = build_optimizer(optimizer, model, Settings())
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    options: dict[str, Any] = {}
    if step is danlu_step:
        options = {"clip_norm": clip_norm, "clip_value": clip_value, "precision": precision}
        options["guard"] = guard and Guard.of(optimizer)
        options["scaler"] = scaler or precision.scaler()
    elif accumulate > 1:
        raise DanluError("DL303")
    flags = [(module, module.training) for module in model.modules()]
    if not model.training:
        model.train()
        flags = [(module, True) for module in model.modules()]

    if progress.rows and (progress.stop or (steps is not None and progress.step >= steps)):
        yield _close_epoch(progress)  # saved after the last update, before its epoch was closed

    empty = False  # the rest of an epoch that was saved at its very end holds nothing; twice nothing is an error
    while (
        not progress.stop and (epochs is None or progress.epoch < epochs) and (steps is None or progress.step < steps)
    ):
        total = torch.as_tensor(progress.loss_sum, dtype=torch.float64).to(_sum_device(device))
        progress.loss_sum = total
        batches = _grouped(iter(loader), accumulate)
        began, before, got_any = time.perf_counter(), progress.seconds, progress.rows > 0
        try:
            while not progress.stop and (steps is None or progress.step < steps):
                asked = time.perf_counter()
                batch = next(batches, _END)
                progress.waited += time.perf_counter() - asked
                if batch is _END:
                    break
                got_any = True
                rows = rows_of(batch) if type(batch) is not Batches else sum(map(rows_of, batch))
                if device.type != "cpu":
                    batch = to_device(batch, device)
                if schedule is not None:
                    schedule.before_step(progress.step - progress.began)
                try:
                    value = step(model, batch, loss, optimizer, **options)
                except NotFinite as bad:
                    raise _named(bad, loader, optimizer, progress, rows) from None
                if schedule is not None:
                    schedule.after_step()
                if ema is not None:
                    ema.update()
                total.add_(value, alpha=rows)
                progress.step += 1
                progress.rows += rows
                progress.seconds = before + time.perf_counter() - began
                yield Stepped(progress.step, progress.epoch, value, rows)
                if not model.training:
                    for module, training in flags:
                        module.training = training
        finally:
            batches.close()
        if not got_any:
            if empty or not hasattr(loader, "load_state_dict"):
                raise DanluError("DL304")
            empty = True
            continue
        empty = False
        if guard:
            Guard.of(optimizer).settle()
        yield _close_epoch(progress)
        if not model.training:
            for module, training in flags:
                module.training = training


danlu_step = step


def _close_epoch(progress: Progress) -> Epoch:
    rows = progress.rows
    progress.epoch += 1
    mean = float(progress.loss_sum) / rows if rows else float("nan")
    event = Epoch(progress.epoch, progress.step, mean, rows, progress.seconds, progress.waited)
    progress.start_epoch()
    return event


def _grouped(batches: Iterator[Any], size: int) -> Any:
    """The batches as they are (size 1), or in groups of ``size``; the last group of an epoch may be smaller."""
    try:
        if size == 1:
            yield from batches
            return
        group: list[Any] = []
        for batch in batches:
            group.append(batch)
            if len(group) == size:
                yield Batches(group)
                group = []
        if group:
            yield Batches(group)
    finally:
        close = getattr(batches, "close", None)
        if close is not None:
            close()  # an abandoned epoch leaves no worker process behind


def _mean_of(model: nn.Module, batch: Any, loss: Callable[..., Any] | None) -> Tensor:
    output, target = forward(model, batch)
    value = returned_loss(output) if loss is None else loss(output, target)
    if type(value) is tuple:
        value = value[0] / value[1]
    if not isinstance(value, Tensor) or value.ndim:
        raise DanluError("DL305", got=_shape(value))
    return value


def _sum_of(model: nn.Module, batch: Any, both: Callable[..., tuple[Tensor, Any]] | None) -> tuple[Tensor, Any]:
    output, target = forward(model, batch)
    if both is None:
        value = returned_loss(output)
        if value is None:
            raise DanluError("DL305", got=_shape(output))
        rows = rows_of(batch)
        return value * rows, rows
    return both(output, target)


def _shape(value: Any) -> str:
    return f"Tensor{tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__


def _divide_gradients(optimizer: torch.optim.Optimizer, weight: Tensor | float) -> None:
    if type(weight) is float and weight == 1.0:
        return
    grads = [p.grad for p in _parameters(optimizer) if p.grad is not None]
    if isinstance(weight, Tensor):
        for grad in grads:  # each in its own precision: a count of 257 is not a bfloat16
            grad.div_(weight)
    else:
        torch._foreach_div_(grads, float(weight))


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def _sum_device(device: torch.device) -> torch.device:
    return torch.device("cpu") if device.type == "mps" else device  # Apple's GPUs have no float64


def _named(bad: NotFinite, loader: Any, optimizer: torch.optim.Optimizer, progress: Progress, rows: int) -> DanluError:
    """The guard's finding with the run's step number and the user's own names of the rows."""
    behind = Guard.of(optimizer).seen - bad.facts["step"]  # 0 on a CPU; on a GPU the flag is read a step later
    names = "" if behind else row_names(loader, rows, bad.facts["rows"])
    facts = {"step": progress.step + 1 - behind, "epoch": progress.epoch + 1, "cause": bad.facts["cause"]}
    facts |= {name: bad.facts[name] for name in ("cure", "state")}
    return NotFinite(bad.code, where=names, rows=names, **facts)


def row_names(loader: Any, count: int, inside: list[int]) -> str:
    """The user's names for the ``count`` rows the loader gave last (of ``inside`` only, if any)."""
    if not hasattr(loader, "handed_out"):
        return ""
    whole = loader.batch_size is None and loader.batch_sampler is None  # the dataset makes batches: they have a name
    order = loader.handed_out()[-1 if whole else -count :]
    inside = [] if whole else inside
    wanted = [order[i] for i in inside if i < len(order)] or order
    named = [name_of(loader.dataset, i) for i in wanted[:8]]
    return ", ".join(named) + (f" … ({len(wanted)})" if len(wanted) > 8 else "")
