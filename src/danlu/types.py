"""The nouns everyone shares: schema and fields, choices, and the events of the loop."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # importing danlu, its settings or its command line never imports torch
    from torch import Tensor

Kind = Literal["image", "number", "category", "multilabel", "text", "tensor"]
Role = Literal["input", "target", "id", "weight", "ignored"]
TaskName = Literal["classification", "multilabel", "regression", "custom", "multitask"]
TASK_OF: dict[str, TaskName] = {"category": "classification", "multilabel": "multilabel", "number": "regression"}


@dataclass(frozen=True)
class Field:
    """One column, or one element of a sample.

    ``shape`` is that of one sample's tensor (an image: ``(C, H, W)``; a number: ``()``).
    ``classes`` are the names of a category in index order. ``mean`` and ``std`` are those of the
    training rows, one a channel of an image, one for a number; empty means "values are used as they are".
    """

    name: str
    kind: Kind
    role: Role
    why: str = ""
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    missing: int = 0  # training rows without a value


@dataclass(frozen=True)
class Schema:
    """What a sample is: its fields in order, and the task they pose. Saved with the model as JSON."""

    fields: tuple[Field, ...]
    task: TaskName
    layout: Literal["image", "columns", "matrix", "mixed", "tensor"] = "tensor"  # how inputs reach the model
    origin: str = ""  # "table" | "images" | "idx" | "arrays" | "dataset": which reader predict uses for raw input
    parts: tuple[str, ...] = ()  # layout "mixed": what the model gets, in order; see data.mixed
    order: tuple[str, ...] = ()  # of several targets, where it is not that of the fields

    def role(self, role: Role) -> tuple[Field, ...]:
        return tuple(f for f in self.fields if f.role == role)

    @property
    def inputs(self) -> tuple[Field, ...]:
        return self.role("input")

    @property
    def targets(self) -> tuple[Field, ...]:
        """In the order that a person gave them in; the fields have that of the columns."""
        found, order = self.role("target"), self.order
        return tuple(sorted(found, key=lambda f: order.index(f.name) if f.name in order else len(order)))

    @property
    def heads(self) -> tuple[str, ...]:
        """Names of the targets that are answered each by a head of its own; empty for a single task."""
        return tuple(f.name for f in self.targets) if self.task == "multitask" else ()

    def head(self, name: str) -> Schema:
        """The same sample with one target alone, and the task that this target poses by its kind."""
        fields = tuple(f for f in self.fields if f.role != "target" or f.name == name)
        kind = next(f.kind for f in self.targets if f.name == name)
        return replace(self, fields=fields, task=TASK_OF.get(kind, "custom"))

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names of the (first) target, in index order; empty for regression and for several heads."""
        if self.task == "multitask":
            return ()
        return self.targets[0].classes if self.targets else ()

    @property
    def outputs(self) -> int:
        """How many numbers the model answers with: classes, labels, target columns, or all heads' together."""
        if self.task == "multitask":
            return sum(self.head(name).outputs for name in self.heads)
        if self.task == "regression":
            size = 0
            for f in self.targets:
                n = 1
                for s in f.shape:
                    n *= s
                size += n
            return size
        return len(self.classes)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(value: dict[str, Any]) -> Schema:
        def field_of(entry: dict[str, Any]) -> Field:
            plain: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
            return Field(**plain)

        fields = tuple(field_of(entry) for entry in value["fields"])
        parts, order = (tuple(value.get(name, ())) for name in ("parts", "order"))
        return Schema(fields, value["task"], value["layout"], value["origin"], parts, order)


@dataclass(frozen=True)
class Choice:
    """Something danlu decided by itself, with the reason; printed, and kept in metrics.jsonl and run.toml."""

    what: str
    value: str
    why: str


@dataclass(frozen=True)
class Bad:
    """A row or file that could not be used."""

    where: str  # path, or path:row
    why: str


@dataclass(frozen=True, slots=True)
class Stepped:
    """One update was made (or, with gradient accumulation, one update of several batches).

    ``loss`` is a 0-d tensor on the device: reading it waits for the device, so read it rarely.
    """

    step: int  # updates made so far, this one included
    epoch: int  # epochs finished so far
    loss: Tensor
    rows: int  # samples in this update


@dataclass(frozen=True, slots=True)
class Epoch:
    """The loader came to the end of its data."""

    epoch: int  # epochs finished so far, this one included
    step: int
    loss: float  # mean over this epoch's samples
    rows: int
    seconds: float
    waited: float  # seconds of them spent waiting for data


@dataclass(frozen=True)
class Prediction:
    """The answer for one input: ``label`` is a class name (classification), a tuple of names (multi-label) or None.

    Of several heads, ``heads`` has the answer of each by its name; the whole has then no label and no value.
    """

    label: str | tuple[str, ...] | None
    value: float | tuple[float, ...] | None  # regression: the number(s), in the target's own unit
    score: float | None = None  # probability of ``label``
    scores: dict[str, float] = field(default_factory=dict)  # every class's probability
    heads: dict[str, Prediction] = field(default_factory=dict)
