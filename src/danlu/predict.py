"""Predictor: a trained model, its schema and its task; raw input in, named answers out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from danlu import metrics
from danlu.batch import answer_of, to_device
from danlu.data.groups import check_slice, groups_of
from danlu.data.loader import Loader
from danlu.data.raw import RawBatch, raw_batches
from danlu.device import Precision, kept_randomness
from danlu.errors import DanluError
from danlu.evaluate import Evaluation, answers_of, evaluate, evaluating
from danlu.linear import Linear, beside
from danlu.messages import say
from danlu.metrics import HEADLINES, OwnMetrics
from danlu.report.terminal import Reporter
from danlu.slices import sliced
from danlu.tasks import TASKS, Head, heads_of
from danlu.types import Bad, Prediction, Schema

BATCH = 256


@dataclass(frozen=True)
class Predictor:
    """What ``danlu.load`` returns. ``module`` is a plain ``nn.Module`` in eval mode."""

    module: nn.Module
    schema: Schema
    scale: Any = "logits"  # what the module's outputs are, see tasks.base.Scale; of several heads a dict by name
    precision: Precision = field(default_factory=Precision)
    trivial: Any = ()  # what a model that learnt nothing would answer, see metrics.trivial_answer; or a dict by head
    max_pixels: int = 100_000_000
    linear: Mapping[str, Linear] = field(default_factory=dict)  # what stands beside each head in a test
    told: set[str] = field(default_factory=set, repr=False, compare=False)  # what was said of inputs, once

    def predict(self, inputs: Any, *, batch_size: int = BATCH) -> list[Prediction]:
        """One answer for each input, in order.

        ``inputs``: paths of images, a folder or a table; rows as dicts; a DataFrame; arrays or tensors ``(N, …)``
        or one sample without the first dimension; PIL images. Prepared as in training. An unreadable one raises;
        categories that training never saw are counted and told, the first time.
        """
        answers: list[Prediction] = []
        for raw, found in self.stream(inputs, batch_size=batch_size):
            if raw.bad:
                raise DanluError("DL308", raw.bad[0].where, reason=raw.bad[0].why, line=say("predict.skips"))
            answers += found
            if raw.note and "unseen" not in self.told:
                self.told.add("unseen")
                Reporter().notice(raw.note)
        return answers

    def stream(self, inputs: Any, *, batch_size: int = BATCH) -> Iterator[tuple[RawBatch, list[Prediction]]]:
        """Batch by batch, for input larger than memory: what was read (keys, bad ones) and an answer for each key."""
        for raw in raw_batches(self.schema, inputs, batch_size=batch_size, max_pixels=self.max_pixels):
            yield raw, self.answers(raw.tensors) if raw.tensors is not None else []

    def answers(self, tensors: Iterable[Any]) -> list[Prediction]:
        """Answers for a batch that is ready for the model."""
        heads = heads_of(self.schema, self.scale)
        if heads[0].task.name == "custom" and not heads[0].name:
            raise DanluError("DL309")
        outputs = answers_of(heads, self._forward(tensors))
        each = [h.task.predictions(h.decoded(o).cpu(), h.schema) for h, o in zip(heads, outputs)]
        return each[0] if not self.schema.heads else together(self.schema.heads, each)

    def outputs(self, tensors: Iterable[Any]) -> Any:
        """What the module itself answers to a batch that is ready for it; beside a returned loss its ``logits``."""
        return answer_of(self._forward(tensors))

    def _forward(self, tensors: Iterable[Any]) -> Any:
        """What the module's forward returns for a batch that is ready for it."""
        device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        run: Callable[..., Any] = self.module
        with kept_randomness(seed=0), evaluating(self.module), self.precision.autocast():
            return run(*to_device(tuple(tensors), device))

    def test(
        self,
        dataset: Any,
        brought: dict[str, Any] | None = None,
        left_out: list[Bad] | None = None,
        *,
        slice: Any = None,
        own: Mapping[str, OwnMetrics] | None = None,
    ) -> dict[str, Any]:
        """``test/<metric>`` with interval and baseline on a dataset whose samples are ready for the model.

        ``brought``: arguments of its loader. With ``on_bad="skip"`` among them, samples that cannot be read are left
        out, and told in ``left_out``. ``slice``: see ``Settings.slice``; the groups come in ``test/slices``.
        ``own``: further metrics by head, see ``metrics.own``.
        """
        check_slice(slice, dataset, self.schema)
        kept = ("batch_size", "collate_fn", "num_workers", "sampler", "batch_sampler", "on_bad", "bad_limit")
        options = {k: v for k, v in (brought or {}).items() if k in kept}
        if isinstance(dataset, IterableDataset):
            options.pop("num_workers", None)  # each of several would give every row
        if "batch_sampler" not in options:
            options.setdefault("batch_size", BATCH)
        loader = Loader(dataset, **options, seed=0)
        task = TASKS[self.schema.task]
        tested = evaluate(
            self.module,
            loader,
            task,
            self.schema,
            None,
            precision=self.precision,
            keep=True,
            scale=self.scale,
            own=own,
            linear=beside(self.linear, self.schema) if self.linear else None,
        )
        for head, users in (own or {}).items():
            for failed, (where, reason) in users.failures.items():
                name = f"{head}/{failed}" if head else failed
                raise DanluError("DL365", where=where or f"metrics: {name}", name=name, why=reason)
        if left_out is not None:
            left_out += loader.bad
        given = self.trivial if isinstance(self.trivial, Mapping) else {"": self.trivial}
        trivial = {name: torch.tensor(values, dtype=torch.float64) for name, values in given.items() if values}
        heads = heads_of(self.schema)
        return test_results(heads, tested, trivial, own) | by_group(slice, loader, heads, tested, trivial)


def together(names: Sequence[str], each: Sequence[list[Prediction]]) -> list[Prediction]:
    """One answer an input, of the answers of every head."""
    return [Prediction(None, None, heads=dict(zip(names, row))) for row in zip(*each)]


def test_results(
    heads: Sequence[Head],
    tested: Evaluation,
    trivial: Mapping[str, Tensor],
    own: Mapping[str, OwnMetrics] | None = None,
) -> dict[str, Any]:
    """``test/<metric>`` with ``_low``, ``_high``, ``_interval`` (its kind), ``_baseline`` and ``_linear``.

    ``trivial``: the answer of a model that ignores its input, by head; see ``metrics.trivial_answer``. What each class,
    label or target has alone is in ``test/classes`` or ``test/targets``, a dict each. Of several heads every name has
    the head in front: ``test/kind/accuracy``, and ``test/kind/rows`` are the rows with a target.
    """
    results: dict[str, Any] = {f"test/{k}": v for k, v in tested.metrics.items()}
    results["test/rows"] = tested.rows
    better, own = {True: "higher", False: "lower", None: ""}, own or {}
    for head in heads:
        if head.name in own:
            users = own[head.name].metrics
            results[f"test/{head.key('own')}"] = [{"name": one.name, "better": better[one.greater]} for one in users]
        if head.task.metrics and (head.name in tested.heads or not head.name):
            mine, _ = tested.of(head.name).known() if head.name else (tested, None)
            results |= _results_of(head, mine, trivial.get(head.name), own.get(head.name))
            if head.name:
                results[f"test/{head.name}/rows"] = mine.rows
    return results


def _results_of(head: Head, tested: Evaluation, trivial: Tensor | None, own: OwnMetrics | None) -> dict[str, Any]:
    results: dict[str, Any] = {}
    if tested.decoded is None or tested.target is None:
        return results
    task, schema, at = head.task, head.schema, f"test/{head.key('')}"
    names = schema.classes if task.name != "regression" else target_names(schema)
    measured = metrics.measure(task.name, tested.decoded, tested.target, names)
    results |= {f"{at}{k}": v for k, v in measured.values.items()}
    for name, (low, high, kind) in measured.intervals.items():
        results |= {f"{at}{name}_low": low, f"{at}{name}_high": high, f"{at}{name}_interval": kind}
    if measured.parts:
        results[f"{at}targets" if task.name == "regression" else f"{at}classes"] = measured.parts
    if trivial is not None:
        beside = metrics.baseline(task.name, trivial, tested.target)
        results[f"{at}baseline"] = beside.pop("what", "")
        results |= {f"{at}{k}_baseline": v for k, v in beside.items()}
    if tested.linear is not None:
        linear = metrics.values(task.name, tested.linear, tested.target)
        results[f"{at}linear"] = say("linear.what")
        results |= {f"{at}{k}_linear": v for k, v in linear.items()} | _over_linear(task.name, tested, at)
    return results | (_of_own(own, tested, trivial, at) if own is not None else {})


def _over_linear(task: str, tested: Evaluation, at: str) -> dict[str, Any]:
    """The headline metric minus the linear model's on the same rows: ``test/accuracy_over_linear``, ``_low``, …"""
    name = metrics.HEADLINES.get(task, "")
    if not name or tested.decoded is None or tested.linear is None or tested.target is None:
        return {}
    found = metrics.difference(task, name, tested.decoded, tested.linear, tested.target)
    key = f"{at}{name}_over_linear"
    if found.interval is None:
        return {key: found.value}
    low, high, kind = found.interval
    return {key: found.value, f"{key}_low": low, f"{key}_high": high, f"{key}_interval": kind}


def _of_own(own: OwnMetrics, tested: Evaluation, trivial: Tensor | None, at: str) -> dict[str, Any]:
    """Intervals of the user's metrics, and what the trivial and the linear answers reach in them."""
    assert tested.decoded is not None and tested.target is not None
    results: dict[str, Any] = {}
    for name, (low, high, kind) in own.intervals(tested.decoded, tested.target).items():
        results |= {f"{at}{name}_low": low, f"{at}{name}_high": high, f"{at}{name}_interval": kind}
    beside = {"linear": tested.linear}
    if trivial is not None and len(trivial) == tested.decoded.shape[1]:
        beside["baseline"] = trivial.to(tested.decoded.dtype).expand(len(tested.target), -1)
    for part, answers in beside.items():
        found = own.beside(answers, tested.target) if answers is not None else {}
        results |= {f"{at}{name}_{part}": value for name, value in found.items()}
    return results


def by_group(
    wanted: Any, loader: Loader, heads: Sequence[Head], tested: Evaluation, trivial: Mapping[str, Tensor]
) -> dict[str, Any]:
    """``{"test/slices": one dict a group}``, see ``slices.sliced``, for each head; nothing where none are wanted."""
    rows = loader.handed_out() if wanted is not None else []
    if len(rows) != tested.rows:  # a collate function made more or fewer rows than it was given
        return {}
    results: dict[str, Any] = {}
    for head in heads:
        task = head.task.name
        own, at = tested.of(head.name).known() if head.name in tested.heads else (tested, None)
        if own.decoded is None or own.target is None or task not in HEADLINES:
            continue
        some = rows if at is None else [rows[i] for i in at.tolist()]
        groups = groups_of(wanted, loader.dataset, head.schema, some)
        found = sliced(task, own.decoded, own.target, groups, trivial.get(head.name), HEADLINES[task])
        results[f"test/{head.key('slices')}"] = found
    return results


def target_names(schema: Schema) -> tuple[str, ...]:
    """A name for each number that a regression answers with: the column's, counted where it holds several."""
    names: list[str] = []
    for f in schema.targets:
        size = prod(f.shape)
        names += [f.name] if size == 1 else [f"{f.name}[{i}]" for i in range(size)]
    return tuple(names)
