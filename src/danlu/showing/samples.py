"""Rows of a part as a person sees them: the picture the model got, or a table's row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from danlu.data.columns import Columns
from danlu.data.seeded import name_of
from danlu.device import kept_randomness
from danlu.errors import DanluError
from danlu.plan import Plan
from danlu.report.layout import number
from danlu.report.page.contents import Picture, Sample
from danlu.types import Field, Schema

SIDE = 96  # a thumbnail's longer side, pixels; a smaller image stays as it is
LOSSLESS = 40  # up to here PNG is as small as JPEG


class Gallery:
    """The rows of one part as samples, each made once: a user's own code is asked for a row no more than once.

    ``rows`` are the part's own numbers of the rows that are shown, where a loader left some out or mixed them.
    """

    def __init__(self, part: Any, schema: Schema, rows: Sequence[int] | None = None) -> None:
        self.part, self.schema = part, schema
        self.rows = range(len(part)) if rows is None else rows
        self._made: dict[int, Sample] = {}
        self._first: dict[int, Tensor | None] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def sample(self, i: int, label: str = "") -> Sample:
        """Row ``i``; ``label`` is shown below it."""
        if i not in self._made:
            self._made[i] = self._make(self.rows[i])
        made = self._made[i]
        return made if not label else Sample(made.where, made.picture, made.row, made.text, label)

    def some(self, places: Sequence[int]) -> Gallery:
        """The gallery of some of the rows, by their places in this one."""
        return Gallery(self.part, self.schema, [self.rows[i] for i in places])

    def first(self, i: int) -> Tensor | None:
        """The first input of row ``i`` as the model gets it, kept for its sample; None where it cannot be read."""
        row = self.rows[i]
        if row not in self._first:
            try:
                if isinstance(self.part, Columns):
                    device = self.part.tensors[0].device
                    self._first[row] = self.part.gather(torch.tensor([row], device=device))[0][0]
                else:
                    self._first[row] = self._first_input(row)
            except Exception:  # left out with on_bad="skip", and told where it was met
                self._first[row] = None
        return self._first[row]

    def _make(self, i: int) -> Sample:
        where = name_of(self.part, i)
        if self.schema.origin == "table":
            try:
                return _table_sample(self.schema, self.part, i, where)
            except DanluError:  # a damaged image, left out with on_bad="skip": told where it was met
                return Sample(where)
        try:
            first = self._first_input(i)
        except (
            Exception
        ):  # a sample that the user's code cannot make, left out with on_bad="skip": told where it was met
            return Sample(where)
        if first is None:
            return Sample(where)
        shown = picture(first, self.schema.inputs[0] if self.schema.inputs else None)
        if shown is not None:
            return Sample(where, picture=shown)
        values = first.reshape(-1)[:8].tolist() if first.dtype is not torch.bool else []
        return Sample(where, row=tuple((str(k), number(float(v))) for k, v in enumerate(values)))

    def _first_input(self, i: int) -> Tensor | None:
        if isinstance(self.part, Columns):
            row = torch.tensor([i]) if self.part.index is None else self.part.index[i : i + 1]
            return self.part.tensors[0].index_select(0, row)[0]
        if self._first.get(i) is not None:
            return self._first[i]
        with kept_randomness(seed=0):
            sample = self.part[i]
        while isinstance(sample, (tuple, list, dict)) and len(sample):
            sample = next(iter(sample.values())) if isinstance(sample, dict) else sample[0]
        return sample if isinstance(sample, Tensor) else None


def varied(plan: Plan, rows: Sequence[int], labels: Sequence[str]) -> tuple[Sample, ...]:
    """The training images ``rows``, the first of the first epoch, varied as they were then; empty where none are."""
    train, loader = plan.data.train, plan.loader
    if loader.augment is None:
        return ()
    try:
        x = torch.stack([train[i][0] for i in rows])
    except Exception:  # a file that has gone since, or was left out: shown one by one instead
        return ()
    seen = loader.augment(x, loader.seed, 0, torch.arange(len(rows)))
    field = plan.schema.inputs[0]
    return tuple(Sample(name_of(train, i), picture(one, field), label=k) for i, one, k in zip(rows, seen, labels))


class Unknown(Gallery):
    """Rows that nobody can be asked for again: a stream's, or those of a collate function that makes its own."""

    def __init__(self, schema: Schema) -> None:
        super().__init__((), schema, ())

    def sample(self, i: int, label: str = "") -> Sample:
        return Sample(f"[{i}]", label=label)

    def some(self, places: Sequence[int]) -> Gallery:
        return _Renumbered(self.schema, places)


class _Renumbered(Unknown):
    def __init__(self, schema: Schema, places: Sequence[int]) -> None:
        super().__init__(schema)
        self.places = places

    def sample(self, i: int, label: str = "") -> Sample:
        return Sample(f"[{self.places[i]}]", label=label)


def picture(image: Tensor, field: Field | None) -> Picture | None:
    """A thumbnail of an image (C, H, W) of 1 or 3 channels: bytes as they are, standardised numbers put back by the
    field's mean and std, others stretched from their smallest to their largest. None for what is no image.
    """
    if image.ndim != 3 or image.shape[0] not in (1, 3) or min(image.shape[1:]) < 4:
        return None
    pixels = image.detach().cpu().float()
    if image.dtype == torch.uint8:
        pixels = pixels / 255
    elif field is not None and field.mean and len(field.mean) in (1, image.shape[0]):
        pixels = pixels * torch.tensor(field.std).view(-1, 1, 1) + torch.tensor(field.mean).view(-1, 1, 1)
    else:
        low, high = pixels.aminmax()
        pixels = (pixels - low) / (high - low).clamp(min=1e-12)
    values = (pixels.nan_to_num().clamp(0, 1) * 255).round().byte().numpy()
    made = Image.fromarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0))
    made.thumbnail((SIDE, SIDE))
    lossless = max(made.size) <= LOSSLESS
    buffer = io.BytesIO()
    made.save(buffer, **({"format": "PNG"} if lossless else {"format": "JPEG", "quality": 75}))
    return Picture(buffer.getvalue(), "image/png" if lossless else "image/jpeg")


def _table_sample(schema: Schema, part: Any, i: int, where: str) -> Sample:
    """A table's row as stored: its images side by side, its other columns as column=value."""
    images = [f for f in schema.inputs if f.kind == "image"]
    stored = _stored(part, i)
    shown = picture(_side_by_side([x[0] for x in stored[: len(images)]]), None) if images else None
    return Sample(where, picture=shown, row=_cells(schema, stored[len(images) :]))


def _stored(part: Any, i: int) -> tuple[Tensor, ...]:
    """Row ``i`` of every stored tensor (1, …)."""
    if not isinstance(part, Columns):
        return tuple(part.stored(i))  # images that stay in their files
    row = torch.tensor([i]) if part.index is None else part.index[i : i + 1]
    return tuple(t.index_select(0, row) for t in part.tensors)


def _side_by_side(images: Sequence[Tensor]) -> Tensor:
    """Images (C, H, W) of bytes in a row, with a white gap."""
    gap = torch.full((*images[0].shape[:2], max(1, images[0].shape[2] // 16)), 255, dtype=torch.uint8)
    parts = [part for image in images for part in (image.cpu(), gap)][:-1]
    return torch.cat(parts, 2)


def _cells(schema: Schema, rest: Sequence[Tensor]) -> tuple[tuple[str, str], ...]:
    """A table's row as column=value, from what is stored of it beside images; a missing value is a dash."""
    stored = [t[0].tolist() for t in rest[:2] if t.ndim == 2]
    shown, numbers = {}, iter(stored[0] if stored else ())
    codes = iter(stored[1] if len(stored) > 1 and _has_codes(schema) else ())
    for f in schema.inputs:
        if f.kind == "number":
            value = float(next(numbers)) * (f.std[0] if f.std else 1.0) + (f.mean[0] if f.mean else 0.0)
            shown[f.name] = "–" if value != value else f"{value:,.6g}"
    for f in schema.inputs:
        if f.kind == "category":
            code = int(next(codes))  # 0: missing, or never seen in training
            shown[f.name] = f.classes[code - 1] if 0 < code <= len(f.classes) else "–"
    return tuple((f.name, shown[f.name]) for f in schema.inputs if f.name in shown)


def _has_codes(schema: Schema) -> bool:
    return any(f.kind == "category" for f in schema.inputs)
