"""What makes a figure doubtful, with the evidence and the line that helps: in the data, and in a test's results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor

from danlu.data.columns import Data
from danlu.data.duplicates import Copies
from danlu.errors import DanluError
from danlu.messages import say
from danlu.metrics import HEADLINES, METRICS
from danlu.report.layout import number
from danlu.report.lines import metric_name

Z = 1.959963984540054
UNEQUAL = 20  # the largest class has so many times the rows of the smallest
# no answer that ignores the input is expected to be beyond the baseline in these: what is has learned something, even
# where weighted classes cost accuracy, or the rows' own spread makes the headline's interval wide
NO_GUESS_BEATS: dict[str, tuple[str, ...]] = {
    "classification": ("auroc", "balanced_accuracy", "log_loss"),
    "multilabel": ("auroc", "log_loss"),
    "regression": ("r2",),
}
RARE = 5  # test rows of a class: of fewer its own figures say nothing
COARSE = 0.05  # half an interval's width, of a share
FEW_COPIES = 0.005  # share of a part's rows: fewer hardly move a figure


@dataclass(frozen=True)
class Doubt:
    """``told`` holds the code and the texts: DL330 to DL339. ``head``: the one of several heads that it is about."""

    severity: Literal["warning", "note"]
    told: DanluError
    head: str = ""

    @property
    def what(self) -> str:
        """What is told, behind the name of the head."""
        return say("line.of_heads", heads=self.head, text=self.told.what) if self.head else self.told.what

    @property
    def why(self) -> str:
        return self.told.why

    @property
    def fix(self) -> str:
        return self.told.fix


@dataclass(frozen=True)
class Trained:
    """What of a finished training the doubts look at. ``history`` are its epochs' events."""

    task: str
    monitor: str  # the validation metric that named the best epoch: "val/accuracy"
    results: Mapping[str, Any]  # what Run.metrics will be
    history: Sequence[Mapping[str, Any]]
    val_rows: int
    more: str  # the line that tests on more data
    longer: str  # the line that trains on
    head: str = ""  # the one of several heads that all this is about

    def at(self, place: str) -> str:
        """A metric's name in the run: "test/accuracy", of a head "test/kind/accuracy"."""
        part, _, name = place.partition("/")
        return f"{part}/{self.head}/{name}" if self.head else place


def of_head(trained: Trained, head: str, task: str) -> Trained:
    """What there is of one of several heads, under the names that the only task would have."""

    def own(metrics: Mapping[str, Any]) -> dict[str, Any]:
        found = {k: v for k, v in metrics.items() if "/" not in k}
        for part in ("test/", "val/"):
            start = f"{part}{head}/"
            found |= {part + k.removeprefix(start): v for k, v in metrics.items() if k.startswith(start)}
        return found

    history = [{**epoch, "metrics": own(epoch["metrics"])} for epoch in trained.history]
    return replace(trained, task=task, results=own(trained.results), history=history, head=head)


def doubts_of_data(
    data: Data, classes: Sequence[str], target: Tensor | None, copies: Sequence[Copies], *, weighted: bool
) -> list[Doubt]:
    """Before training: copies of training rows in other parts, classes of very unequal size (``target`` (N,) int)."""
    found = []
    for part in copies:
        here, train = getattr(data, part.part), data.train
        examples = ", ".join(f"{here.name(i)} = {train.name(j)}" for i, j in part.examples[:2])
        share = f"{float(f'{100 * part.count / part.rows:.2g}'):g}%"
        facts = {"count": f"{part.count:,}", "share": share, "examples": examples}
        told = DanluError("DL336", part.part, part=say(f"doubt.{part.part}"), **facts)
        found.append(Doubt("note" if part.count < FEW_COPIES * part.rows else "warning", told))
    if target is not None and len(classes) > 1 and not weighted:
        counts = torch.bincount(target[target >= 0].long(), minlength=len(classes)).tolist()
        there = [(n, name) for n, name in zip(counts, classes) if n]
        (fewest, rare), (most, common) = min(there), max(there)
        if most >= UNEQUAL * fewest:
            facts = {"most": common, "fewest": rare, "ratio": f"{most / fewest:,.0f}", "rows": f"{fewest:,}"}
            found.append(Doubt("note", DanluError("DL337", rare, **facts)))
    return found


def doubts_of_results(trained: Trained) -> list[Doubt]:
    """After the test, the most serious first."""
    found = [_guessing(trained), _linear(trained), _disagree(trained), _remembers(trained), _still_improving(trained)]
    found += [_worse_group(trained), _few_rows(trained), _rare_class(trained)]
    return [replace(doubt, head=trained.head) for doubt in found if doubt is not None]


def _headline(trained: Trained) -> tuple[str, float, float, float] | None:
    """``(name, value, low, high)`` of the test metric that the doubts are about."""
    name = HEADLINES.get(trained.task, "")
    found = [trained.results.get(f"test/{name}{part}") for part in ("", "_low", "_high")]
    if not name or any(v is None or math.isnan(v) for v in found):
        return None
    value, low, high = (float(v) for v in found if v is not None)
    return name, value, low, high


def _as_good(name: str, task: str, one: float, other: float) -> bool:
    return one >= other if METRICS[task][name].greater else one <= other


def _guessing(trained: Trained) -> Doubt | None:
    headline = _headline(trained)
    if headline is None:
        return None
    name, value, low, high = headline
    trivial = trained.results.get(f"test/{name}_baseline")
    worst = low if METRICS[trained.task][name].greater else high
    if trivial is None or math.isnan(trivial) or not _as_good(name, trained.task, trivial, worst):
        return None
    if any(_beats_all_guesses(trained, other) for other in NO_GUESS_BEATS[trained.task]):
        return None
    numbers = {k: number(v) for k, v in {"value": value, "low": low, "high": high, "baseline": trivial}.items()}
    told = DanluError("DL332", trained.at(f"test/{name}"), metric=metric_name(name), line=trained.longer, **numbers)
    return Doubt("warning", told)


def _beats_all_guesses(trained: Trained, name: str) -> bool:
    """Whether a metric's whole interval lies beyond the baseline's."""
    metric, known = METRICS[trained.task][name], [trained.results.get(f"test/{name}{k}") for k in ("_low", "_high")]
    baseline, worst = trained.results.get(f"test/{name}_baseline"), known[0 if metric.greater else 1]
    if baseline is None or worst is None or math.isnan(baseline) or math.isnan(worst):
        return False
    return bool(worst > baseline if metric.greater else worst < baseline)


def _linear(trained: Trained) -> Doubt | None:
    """No better than the linear model, or by so little that their difference on the same rows may be chance."""
    headline = _headline(trained)
    linear = trained.results.get(f"test/{headline[0]}_linear") if headline else None
    if headline is None or linear is None:
        return None
    name = headline[0]
    facts = {"metric": metric_name(name), "value": number(headline[1]), "linear": number(linear)}
    if _as_good(name, trained.task, linear, headline[1]):
        facts["how"] = say("doubt.linear.better" if _linear_is_better(trained, name) else "doubt.linear.as_good")
        return Doubt("warning", DanluError("DL331", trained.at(f"test/{name}"), line=trained.longer, **facts))
    low, high = (trained.results.get(f"test/{name}_over_linear_{end}") for end in ("low", "high"))
    if low is None or high is None or low > 0 or high < 0:
        return None
    facts["how"] = say("doubt.linear.unsure", low=number(low), high=number(high))
    return Doubt("warning", DanluError("DL331", trained.at(f"test/{name}"), line=trained.longer, **facts))


def _linear_is_better(trained: Trained, name: str) -> bool:
    """By more than chance explains, on the same rows."""
    low, high = (trained.results.get(f"test/{name}_over_linear_{end}") for end in ("low", "high"))
    return low is not None and high is not None and (high < 0 if METRICS[trained.task][name].greater else low > 0)


def _disagree(trained: Trained) -> Doubt | None:
    """More than chance between validation and test, were both drawn alike; their errors scale with 1/√rows."""
    headline, rows = _headline(trained), trained.results.get("test/rows", 0)
    val = trained.results.get(f"val/{headline[0]}") if headline else None
    if headline is None or val is None or not rows or not trained.val_rows:
        return None
    name, value, low, high = headline
    limit = (high - low) / 2 * math.sqrt(1 + rows / trained.val_rows)
    if abs(val - value) <= limit:
        return None
    facts = {"val": number(val), "test": number(value), "limit": number(limit)}
    return Doubt("warning", DanluError("DL330", trained.at(f"val/{name}"), metric=metric_name(name), **facts))


def _remembers(trained: Trained) -> Doubt | None:
    """Validation loss well above the training loss, and rising since the best epoch."""
    if len(trained.history) < 3:
        return None
    last = trained.history[-1]["metrics"]
    losses = [e["metrics"].get("val/loss") for e in trained.history]
    train, val = last.get("train/loss"), losses[-1]
    known = [v for v in losses if v is not None]
    if train is None or val is None or not known or train < 0 or val < 1.5 * train or val < 1.1 * min(known):
        return None
    facts = {"train": number(train), "val": number(val), "best": trained.results.get("best_epoch", "?")}
    return Doubt("note", DanluError("DL334", "val/loss", **facts))


def _still_improving(trained: Trained) -> Doubt | None:
    """The last epoch is the best, and the last quarter of the training gained more than validation's own error."""
    headline, epochs = _headline(trained), len(trained.history)
    if headline is None or epochs < 4 or trained.results.get("best_epoch") != trained.history[-1]["epoch"]:
        return None
    name, _, low, high = headline
    values = [e["metrics"].get(f"val/{name}") for e in trained.history]
    before, after, rows = values[-1 - epochs // 4], values[-1], trained.results.get("test/rows", 0)
    if before is None or after is None or not trained.val_rows:
        return None
    error = (high - low) / 2 / Z * math.sqrt(rows / trained.val_rows)
    if (after - before) * (1 if METRICS[trained.task][name].greater else -1) <= error:
        return None
    facts = {"metric": metric_name(name), "before": number(before), "after": number(after), "line": trained.longer}
    return Doubt("note", DanluError("DL335", trained.at(f"val/{name}"), **facts))


def _worse_group(trained: Trained) -> Doubt | None:
    """The group of a slice that is most surely worse than the other rows, and how many were compared."""
    worse = [part for part in trained.results.get("test/slices", ()) if "worse" in part]
    if not worse:
        return None
    worse.sort(key=lambda part: -part["worse"]["by"])
    first, told = worse[0], worse[0]["worse"]
    name = told["metric"]
    figures = {"value": first[name], "low": first[f"{name}_low"], "high": first[f"{name}_high"]}
    numbers = {k: number(v) for k, v in (figures | {k: told[k] for k in ("rest", "rest_low", "rest_high")}).items()}
    others = ", ".join(f"{part['column']}: {part['group']}" for part in worse[1:4])
    also = say("doubt.also_worse", groups=others, count=len(worse) - 1) if others else ""
    guess = first.get(f"{name}_baseline")
    also = (say("doubt.group_baseline", baseline=number(guess)) if guess is not None else "") + also
    facts = {"group": f"{first['column']}: {first['group']}", "rows": f"{first['rows']:,}", "also": also}
    where, metric, compared = trained.at(f"test/{name}"), metric_name(name), told["compared"]
    return Doubt("warning", DanluError("DL338", where, metric=metric, compared=compared, **facts, **numbers))


def _few_rows(trained: Trained) -> Doubt | None:
    headline = _headline(trained)
    if headline is None or trained.task == "regression":
        return None
    name, _, low, high = headline
    half, rows = (high - low) / 2, trained.results.get("test/rows", 0)
    if half <= COARSE:
        return None
    facts = {"half": f"{half:.2f}", "rows": f"{rows:,}", "needed": f"{round(rows * (half / 0.02) ** 2, -2):,.0f}"}
    return Doubt(
        "note", DanluError("DL333", trained.at(f"test/{name}"), metric=metric_name(name), line=trained.more, **facts)
    )


def _rare_class(trained: Trained) -> Doubt | None:
    """Means over the classes count a class of a few rows as much as one of thousands."""
    counts = sorted((p["rows"], p["name"]) for p in trained.results.get("test/classes", ()) if 0 < p["rows"] < RARE)
    if not counts or trained.task not in ("classification", "multilabel"):
        return None
    classes = ", ".join(f"{name} ({rows})" for rows, name in counts[:5]) + (", …" if len(counts) > 5 else "")
    facts = {"count": len(counts), "classes": classes, "metrics": metric_name("macro_f1"), "line": trained.more}
    return Doubt("note", DanluError("DL339", trained.at("test/macro_f1"), **facts))
