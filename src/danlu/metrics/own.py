"""Metrics that the user brings: functions, scikit-learn's, torchmetrics' objects; never the end of a training."""

from __future__ import annotations

import copy
import functools
import inspect
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from danlu.errors import DanluError, nearest
from danlu.lookup import first_line, where_raised
from danlu.messages import say
from danlu.metrics.resample import Interval, percentiles
from danlu.metrics.rows import METRICS

Kind = Literal["function", "labels", "scores", "stateful"]
TAKEN = ("loss", "rows", "classes", "targets", "slices", "own", "baseline", "linear")
PARTS = ("_low", "_high", "_interval", "_baseline", "_linear")
SECONDS = 30.0  # that resampling one metric may take; how often depends on the rows alone, so that a resumed run agrees
RESAMPLES = ((2_000, 1000), (50_000, 200))  # up to so many rows, so many times


@dataclass(frozen=True)
class Own:
    """One metric. ``greater``: whether more is better; None where nothing says so."""

    name: str
    call: Any
    kind: Kind
    greater: bool | None = None


def own_metrics(spec: Any, task: str) -> tuple[Own, ...]:
    """What a user gave as ``metrics``: one or a list or a dict of functions, scikit-learn's, torchmetrics' objects.

    Raises DL362 for what is no metric, DL363 for a name that is not free.
    """
    found: list[Own] = []
    for name, one in _listed(spec):
        made = _own(name, one)
        used = [*METRICS.get(task, ()), *TAKEN, *(o.name for o in found)]
        if made.name in used or made.name.endswith(PARTS) or "/" in made.name:
            raise DanluError("DL363", where="metrics", name=made.name)
        found.append(made)
    return tuple(found)


def own_of_heads(spec: Any, heads: Sequence[tuple[str, str]]) -> dict[str, OwnMetrics]:
    """The user's metrics by head; ``heads`` are the heads' names and tasks, of a single task its own under "".

    Several heads take a dict, ``{head: what own_metrics takes}``; DL266 for anything else.
    """
    tasks = dict(heads)
    if "" in tasks or spec is None:
        given = {"": spec} if spec is not None else {}
    elif not isinstance(spec, Mapping) or not spec or any(name not in tasks for name in spec):
        named = [str(name) for name in spec] if isinstance(spec, Mapping) else [type(spec).__name__]
        near = nearest(named[0] if named else "", tasks) or next(iter(tasks))
        facts = {"heads": ", ".join(tasks), "given": ", ".join(named) or "{}", "near": near}
        raise DanluError("DL266", where="metrics", **facts)
    else:
        given = dict(spec)
    found = {name: own_metrics(one, tasks[name]) for name, one in given.items()}
    return {name: OwnMetrics(metrics, tasks[name]) for name, metrics in found.items() if metrics}


def _listed(spec: Any) -> list[tuple[str, Any]]:
    """Name and metric, the name empty where none was given; collections are taken apart."""
    if spec is None:
        return []
    if hasattr(spec, "update") and hasattr(spec, "compute") and not isinstance(spec, type):
        if hasattr(spec, "items"):  # a collection of torchmetrics
            return [(str(name), one) for name, one in spec.items()]
        return [("", spec)]
    if isinstance(spec, Mapping):
        parts = [(str(name), part) for name, one in spec.items() for part in _listed(one)]
        return [(f"{name}_{inner}" if inner else name, one) for name, (inner, one) in parts]
    if isinstance(spec, (list, tuple)):
        return [part for one in spec for part in _listed(one)]
    return [("", spec)]


def _own(name: str, one: Any) -> Own:
    if isinstance(one, type) or not (callable(one) or hasattr(one, "update")):
        got = one.__name__ if isinstance(one, type) else type(one).__name__
        raise DanluError("DL362", where="metrics", got=got, line=say("own.line"))
    if hasattr(one, "update") and hasattr(one, "compute"):
        return Own(name or type(one).__name__, one, "stateful", getattr(one, "higher_is_better", None))
    inner = one
    while isinstance(inner, functools.partial):
        inner = inner.func
    called = getattr(inner, "__name__", type(inner).__name__)
    if called == "<lambda>" and not name:
        raise DanluError("DL364", where="metrics")
    if not str(getattr(inner, "__module__", "")).startswith("sklearn.metrics"):
        return Own(name or called, one, "function")
    # what ends with _score is to be maximised, with _error, _loss or _deviance minimised: scikit-learn's guide says so
    greater = (
        True if called.endswith("_score") else False if called.endswith(("_error", "_loss", "_deviance")) else None
    )
    second = list(inspect.signature(inner).parameters)[1]
    scores = second in ("y_score", "y_proba", "y_prob", "pred_decision") or called == "log_loss"
    return Own(name or called, one, "scores" if scores else "labels", greater)


@dataclass
class OwnMetrics:
    """The user's metrics over one pass after the other: ``start``, ``update`` for each batch, ``compute``.

    ``prediction`` and ``target`` are as the task's own metrics see them (see ``seen``). A metric that fails is NaN, and
    ``failures`` says where: a user's mistake ends no training.
    """

    metrics: tuple[Own, ...]
    task: str
    failures: dict[str, tuple[str, str]] = field(default_factory=dict)  # name -> (the user's line, what was raised)

    @property
    def whole(self) -> bool:
        """Whether a metric that still works needs all rows at once."""
        return any(one.kind != "stateful" and one.name not in self.failures for one in self.metrics)

    def start(self, device: torch.device) -> None:
        self.failures.clear()
        self._shapes: tuple[Any, Any] | None = None
        for one in self._stateful():
            if hasattr(one.call, "to"):
                one.call.to(device)
            self._guarded(one.name, one.call.reset)

    def update(self, decoded: Tensor, target: Tensor) -> None:
        """A batch for the metrics that keep a state; rows of another size than before end those that need all."""
        shapes = (decoded.shape[1:], target.shape[1:])
        self._shapes = self._shapes or shapes
        if shapes != self._shapes:
            sizes = ", ".join(str(tuple(shape)) for pair in (self._shapes, shapes) for shape in pair[:1])
            of_all = [one.name for one in self.metrics if one.kind != "stateful"]
            self.failures |= {name: ("", say("own.sizes", sizes=sizes)) for name in of_all if name not in self.failures}
        for one in self._stateful():
            if one.name not in self.failures:
                self._guarded(one.name, functools.partial(_update, one, self.task, decoded, target))

    def compute(self, decoded: Tensor | None, target: Tensor | None) -> dict[str, float]:
        """Each metric's value; ``decoded`` and ``target`` hold all rows where ``whole``."""
        found = {}
        for one in self.metrics:
            if one.kind == "stateful":
                make: Callable[[], Any] = one.call.compute
            elif decoded is None or target is None or one.name in self.failures:
                found[one.name] = math.nan
                continue
            else:
                make = functools.partial(value_of, one, self.task, decoded, target)
            value = self._guarded(one.name, functools.partial(_made, make, one.name))
            found[one.name] = math.nan if value is None else value
        return found

    def beside(self, decoded: Tensor, target: Tensor) -> dict[str, float]:
        """The metrics of other answers, such as a baseline's; those that fail on them are left out."""
        found = {}
        for one in self.metrics:
            try:
                with warnings.catch_warnings(action="ignore"):
                    found[one.name] = value_of(one, self.task, decoded, target)
            except Exception:  # told where the model's own answers were measured
                continue
        return found

    def intervals(self, decoded: Tensor, target: Tensor) -> dict[str, Interval]:
        """95 % percentile bootstrap intervals over rows, of the metrics that are quick enough."""
        found = {}
        for one in self.metrics:
            if one.name not in self.failures and (interval := self._interval(one, decoded.cpu(), target.cpu())):
                found[one.name] = interval
        return found

    def _interval(self, one: Own, decoded: Tensor, target: Tensor) -> Interval | None:
        n, generator = len(target), torch.Generator().manual_seed(0)
        times = next((times for most, times in RESAMPLES if n <= most), 0) if n > 1 else 0
        values: list[float] = []
        began = time.perf_counter()
        with warnings.catch_warnings(action="ignore"):
            while len(values) < times:
                rows = torch.randint(n, (n,), generator=generator)
                try:
                    values.append(value_of(one, self.task, decoded[rows], target[rows]))
                except Exception:  # a resample without a class, say
                    values.append(math.nan)
                if len(values) == 3 and (time.perf_counter() - began) / 3 * times > SECONDS:
                    return None
        return percentiles(torch.tensor(values, dtype=torch.float64)) if values else None

    def _stateful(self) -> list[Own]:
        return [one for one in self.metrics if one.kind == "stateful"]

    def _guarded(self, name: str, make: Callable[[], Any]) -> Any:
        if name in self.failures:
            return None
        try:
            with warnings.catch_warnings(action="ignore"):
                return make()
        except Exception as error:
            self.failures[name] = (
                where_raised(error),
                error.why if isinstance(error, DanluError) else first_line(error),
            )
            return None


def _update(one: Own, task: str, decoded: Tensor, target: Tensor) -> None:
    one.call.update(*seen(one, task, decoded, target))


def _made(make: Callable[[], Any], name: str) -> float:
    return _number(make(), name)


def value_of(one: Own, task: str, decoded: Tensor, target: Tensor) -> float:
    """One metric of all rows at once."""
    prediction, truth = seen(one, task, decoded, target)
    if one.kind == "function":
        return _number(one.call(prediction.cpu(), truth.cpu()), one.name)
    if one.kind == "stateful":
        fresh = copy.deepcopy(one.call)
        if hasattr(fresh, "to"):
            fresh.to(prediction.device)
        fresh.reset()
        fresh.update(prediction, truth)
        return _number(fresh.compute(), one.name)
    return _number(one.call(truth.cpu().numpy(), prediction.cpu().numpy()), one.name)


def seen(one: Own, task: str, decoded: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """What a metric is given as (prediction, target), rows whose class is ignored left out.

    Classes: probabilities (N, C) and class numbers (N,); labels: probabilities (N, L) and 0/1 (N, L), int64; numbers in
    their own unit, float64, (N,) where it is one a row, else (N, T); a custom task: the model's output and the target.
    scikit-learn's functions get (target, prediction) as arrays: the guessed classes or labels, or where they ask for
    scores the probabilities, of two classes the second's. A Binary… of torchmetrics gets the second class's too.
    """
    if task == "classification":
        keep = target >= 0
        if not bool(keep.all()):
            decoded, target = decoded[keep], target[keep]
        if one.kind == "labels":
            return decoded.argmax(1), target
        of_two = one.kind == "scores" or any(c.__name__.startswith("Binary") for c in type(one.call).__mro__)
        if of_two and decoded.shape[1] == 2:
            return decoded[:, 1], target
        return (_summing_to_one(decoded) if one.kind == "scores" else decoded), target
    if task == "multilabel":
        return ((decoded > 0.5).long() if one.kind == "labels" else decoded), target.long()
    if task == "regression":
        if decoded.ndim == 2 and decoded.shape[1] == 1:
            decoded, target = decoded[:, 0], target[:, 0]
        if one.kind == "stateful":  # torchmetrics keeps its sums in float32
            return decoded.float(), target.float()
    return decoded, target


def _summing_to_one(p: Tensor) -> Tensor:
    """Float32 probabilities add up to 1 within 1e-7 a class; scikit-learn wants them closer."""
    wide = p.double()
    return wide / wide.sum(1, keepdim=True)


def _number(value: Any, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        what = f"{type(value).__name__}{tuple(value.shape) if hasattr(value, 'shape') else ''}"
        raise DanluError("DL365", where="metrics", name=name, got=what, why=say("own.no_number", got=what)) from None
