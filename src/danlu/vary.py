"""Whether and how images are varied while training: decided by what they are and by whether mirrors tell them apart."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Subset

from danlu.choose import Decisions
from danlu.data import order
from danlu.data.augment import STRENGTHS, Augment
from danlu.data.columns import Columns, Data
from danlu.data.loader import Loader
from danlu.data.normalise import image_input
from danlu.linear import features, fit
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Schema

PASSES = 5  # fewer times than this every image is nearly new anyway
SIDE, MOST, MOST_FILES = 12, 4_000, 400  # pixels a side and images that the mirror question is asked of
CERTAIN = 2.0  # standard errors


def choose_augment(
    settings: Settings, data: Data, schema: Schema, passes: float, decisions: Decisions
) -> Augment | None:
    """How training images are varied; None where they are not danlu's to vary, or it would not help."""
    field = image_input(schema) if len(schema.inputs) == 1 else None  # beside numbers a batch has other parts
    ours = field is not None and field.mean and min(field.shape[1:]) >= 8
    if settings.augment == "off" or not ours or schema.task not in ("classification", "multilabel"):
        return None

    def default() -> tuple[str, str]:
        if passes < PASSES:
            return "off", say("augment.passes", passes=f"{passes:.2g}")
        assert field is not None
        if field.shape[0] != 3:
            return "jitter", say("augment.grey")
        if schema.task != "classification":
            return "zoom", say("augment.labels")
        mirrors = mirror_question(data.train, schema)
        facts = {"plain": mirrors.plain, "mirrored": mirrors.mirrored, "rows": mirrors.rows}
        if mirrors.matter:
            return "zoom", say("augment.mirror_matters", **facts)
        return "zoom+mirror", say("augment.photos", **facts)

    return STRENGTHS[decisions.choose("augment", default)]


class Mirrors(NamedTuple):
    """Answers of a linear model to ``rows`` images as they are and in a mirror."""

    plain: int  # right as they are
    mirrored: int  # right in a mirror
    one: int  # right in one of the two only
    rows: int

    @property
    def matter(self) -> bool:
        """Whether so many fewer right answers to mirrors are more than chance (McNemar, 1947)."""
        return self.plain - self.mirrored > CERTAIN * math.sqrt(self.one)


def mirror_question(train: Any, schema: Schema) -> Mirrors:
    """How many training images a linear model answers right as they are, and in a mirror.

    Each half is answered by the model of the other half. Where left and right tell classes apart (digits, letters,
    arrows), or all pictures face one way, mirrors are answered worse.
    """
    rows = order.permutation(0, 0, len(train))[: MOST if isinstance(train, Columns) else MOST_FILES]
    x, y = _read(train, rows)
    half, right = len(y) // 2, []
    for a, b in ((slice(0, half), slice(half, None)), (slice(half, None), slice(0, half))):
        model = fit(schema.task, schema.outputs, [(_flat(x[a]), y[a])])
        if model is not None:
            seen = [model.answer(_flat(images)).argmax(1) == y[b] for images in (x[b], x[b].flip(3))]
            right.append(torch.stack(seen))
    if not right:
        return Mirrors(0, 0, 0, len(y))
    plain, mirrored = torch.cat(right, 1)
    return Mirrors(int(plain.sum()), int(mirrored.sum()), int((plain != mirrored).sum()), len(y))


def _flat(x: Tensor) -> Tensor:
    flat = features([x])
    assert flat is not None  # images are numbers
    return flat


def _read(train: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Small prepared images (B, C, h, w) and classes (B,) of the rows; files that cannot be read are left out."""
    if isinstance(train, Columns):
        device = train.tensors[0].device if train.index is None else train.index.device
        batches = [train.gather(some.to(device)) for some in rows.split(256)]
    else:
        batches = list(Loader(Subset(train, rows.tolist()), 64, on_bad="skip", bad_limit=1.0, seed=0))
    return torch.cat([_small(b[0]) for b in batches]), torch.cat([b[1].cpu() for b in batches])


def _small(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x.cpu().float(), (min(SIDE, x.shape[2]), min(SIDE, x.shape[3])))
