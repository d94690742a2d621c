"""A model looked at: run once on a batch of noughts of the size it takes, and written down layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from danlu import models
from danlu.errors import DanluError
from danlu.looking.found import FoundModel
from danlu.lookup import first_line
from danlu.models import library
from danlu.report.page.contents import Text
from danlu.showing.texts import told
from danlu.summary import Summary, summarise
from danlu.types import Field, Schema

CLASSES = 10  # assumed where nothing says how many there are
LENGTH = 32  # of a sequence
SIDES = (224, 32, 28, 64, 96, 128, 8)  # of images that are tried
WIDTHS = (16, 64, 128, 256, 784)
COLUMNS = 16  # numbers that a table's model is built for


def is_model_name(name: str) -> bool:
    return name in models.MODELS or library.in_library(name)


def look_at_name(name: str, size: int | None) -> FoundModel:
    """One of danlu's own models or a library's, built for images of ``size`` (a table's: for 16 numbers)."""
    models.check_name(name)
    schema, inputs = _assumed(name, size)
    built = models.build(name, models.arguments(name, schema))
    sample = _batch_of(schema)
    if schema.origin == "table":
        command = f"danlu train rows.csv --target COLUMN --model {name}"
    else:
        command = f"danlu train photos/ --model {name}" + (f" --size {size}" if size else "")
    return FoundModel(name, summarise(built, sample), inputs, commands=(command,))


def look_at_module(module: nn.Module, *, name: str, schema: Schema | None, sample: Any, size: int | None) -> FoundModel:
    """A module, run on ``sample`` (a batch, as its forward takes it), on what ``schema`` says, or on a guess."""
    if sample is not None:
        return FoundModel(name, _summary(module, sample, name), told("look.input.yours", what=_shapes(sample)))
    if schema is not None and schema.inputs:
        batch = _batch_of(schema)
        inputs = batch[:-1] if isinstance(batch, tuple) else batch
        return FoundModel(name, _summary(module, batch, name), told("look.input.data", what=_shapes(inputs)))
    last: Exception | None = None
    for batch in _guesses(module, size):
        try:
            return FoundModel(name, summarise(module, batch), told("look.input.guess", what=_shapes(batch)))
        except Exception as error:  # whatever the user's forward raises
            last = error
    raise DanluError("DL349", where=name, reason=first_line(last) if last else "", model=name) from last


def _summary(module: nn.Module, batch: Any, name: str) -> Summary:
    try:
        return summarise(module, batch)
    except DanluError:
        raise
    except Exception as error:
        raise DanluError("DL349", where=name, reason=first_line(error), model=name) from error


def made(given: Any, size: int | None) -> nn.Module:
    """A module; of a class, one made with the usual sizes where its arguments ask for some (3 channels, 10 classes);
    of a function, what it returns. DL307 for anything else.
    """
    if isinstance(given, type) and issubclass(given, nn.Module):
        return models.instantiate(given, _image_schema(size or 32))
    found = given if isinstance(given, nn.Module) or not callable(given) else given()
    if not isinstance(found, nn.Module):
        raise DanluError("DL307", where=str(given)[:80], got=type(found).__name__)
    return found


def _image_schema(side: int) -> Schema:
    image = Field("image", "image", "input", "", (3, side, side), "uint8")
    return Schema((image, _label()), "classification", "image", "images")


def _label() -> Field:
    return Field("label", "category", "target", classes=tuple(map(str, range(CLASSES))))


def _assumed(name: str, size: int | None) -> tuple[Schema, Text]:
    if name in ("tabular", "mlp") and size is None:
        fields = tuple(Field(f"x{i}", "number", "input", mean=(0.0,), std=(1.0,)) for i in range(COLUMNS))
        layout: Any = "columns" if name == "tabular" else "matrix"
        schema = Schema((*fields, _label()), "classification", layout, "table")
        return schema, told("look.input.columns", n=COLUMNS, classes=CLASSES)
    side = size or (32 if name == "cnn" else 224)
    return _image_schema(side), told("look.input.images", side=side, classes=CLASSES)


# ---- a batch of one


def _batch_of(schema: Schema) -> Any:
    """A batch of one row, of noughts, as training hands it to the model; beside several inputs stands a target."""
    if schema.layout == "columns":
        numbers = [f for f in schema.inputs if f.kind == "number"]
        flags = sum(f.missing > 0 for f in numbers)
        categories = sum(f.kind == "category" for f in schema.inputs)
        return torch.zeros(1, len(numbers) + flags), torch.zeros(1, categories, dtype=torch.int64), torch.zeros(1)
    if schema.layout == "matrix":
        return torch.zeros(1, models.user.input_width(schema))
    batch = tuple(torch.zeros(1, *f.shape, dtype=_dtype(f, schema)) for f in schema.inputs)
    return batch[0] if len(batch) == 1 else (*batch, torch.zeros(1))


def _dtype(field: Field, schema: Schema) -> torch.dtype:
    """Stored bytes of danlu's own sources become floats on their way."""
    if field.dtype == "uint8" and schema.origin != "dataset":
        return torch.float32
    found = getattr(torch, field.dtype, torch.float32)
    return found if isinstance(found, torch.dtype) else torch.float32


def _guesses(module: nn.Module, size: int | None) -> Iterator[Tensor]:
    """Batches of one that the first layer with a size of its own could take."""
    first = next((m for m in module.modules() if _takes(m) is not None), None)
    if first is None:
        first = nn.Linear(COLUMNS, 1)
    make = _takes(first)
    assert make is not None
    yield from make(size)


def _takes(layer: nn.Module) -> Callable[[int | None], Iterator[Tensor]] | None:
    kinds: dict[type[nn.Module], Callable[[Any, int | None], Iterator[Tensor]]] = {
        nn.Conv2d: lambda m, size: (torch.zeros(1, m.in_channels, s, s) for s in ([size] if size else SIDES)),
        nn.Conv1d: lambda m, size: (torch.zeros(1, m.in_channels, s) for s in ([size] if size else (128, 1024, 16000))),
        nn.Conv3d: lambda m, size: (torch.zeros(1, m.in_channels, s, s, s) for s in ([size] if size else (16, 32))),
        nn.Embedding: lambda m, size: iter([torch.zeros(1, size or LENGTH, dtype=torch.int64)]),
        nn.RNNBase: lambda m, size: iter([torch.zeros(1, size or LENGTH, m.input_size)]),
        nn.Linear: _flat_or_image,
        nn.LazyLinear: lambda m, size: iter([torch.zeros(1, size or WIDTHS[0])]),
        nn.LazyConv2d: lambda m, size: (torch.zeros(1, c, size or 32, size or 32) for c in (3, 1)),
    }
    for kind in kinds:
        if isinstance(layer, kind):
            return lambda size, make=kinds[kind], m=layer: make(m, size)  # type: ignore[misc]
    return None


def _flat_or_image(layer: Any, size: int | None) -> Iterator[Tensor]:
    """For a first Linear: so many numbers, or the square image that has as many pixels."""
    width = layer.in_features
    yield torch.zeros(1, width)
    for channels in (1, 3):
        side = round((width / channels) ** 0.5)
        if channels * side * side == width:
            yield torch.zeros(1, channels, side, side)
    yield torch.zeros(1, size or LENGTH, width)


def _shapes(batch: Any) -> str:
    if isinstance(batch, Tensor):
        return f"{' × '.join(map(str, batch.shape))} {str(batch.dtype).removeprefix('torch.')}"
    if isinstance(batch, dict):
        return ", ".join(f"{k}: {_shapes(v)}" for k, v in batch.items())
    if isinstance(batch, (list, tuple)):
        return ", ".join(_shapes(v) for v in batch)
    return type(batch).__name__
