"""A user's own model class: its conventional size arguments are filled in from the schema."""

from __future__ import annotations

import inspect
import traceback
from math import prod
from typing import Any

from torch import nn

from danlu.errors import DanluError
from danlu.types import Schema

MAX_CLASSES = 256  # a category with more is left out of the matrix layout

_WIDTH = """
in_features input_size input_dim num_features n_features num_inputs n_inputs in_dim d_in n_in inputs
"""
_CHANNELS = "in_channels input_channels num_channels n_channels channels in_chans"
_SIDE = "image_size img_size input_resolution"
_OUTPUTS = """
num_classes n_classes nb_classes classes num_labels n_labels out_features out_dim output_size output_dim
num_outputs n_outputs d_out n_out outputs
"""


def image_shape(schema: Schema) -> tuple[int, int, int] | None:
    """Channels, height and width of the one image among the inputs; None if there is no such input.

    Of a table with images it is what all of them have.
    """
    if schema.layout == "mixed":
        channels, height, width = next(f.shape for f in schema.inputs if f.kind == "image")
        return channels, height, width
    if len(schema.inputs) != 1 or len(schema.inputs[0].shape) != 3:
        return None
    channels, height, width = schema.inputs[0].shape
    if schema.inputs[0].kind != "image" and not 1 <= channels <= 4:
        return None
    return channels, height, width


def input_width(schema: Schema) -> int:
    """How many numbers one sample has: features of a matrix, or elements of an image or tensor."""
    width = 0
    for f in schema.inputs:
        if f.kind == "category":
            width += len(f.classes) if len(f.classes) <= MAX_CLASSES else 0
        else:
            width += prod(f.shape) + (f.kind == "number" and f.missing > 0)
    return width


def size_arguments(cls: type[nn.Module], schema: Schema) -> dict[str, Any]:
    """The arguments of ``cls`` that say how large inputs and outputs are, by their conventional names."""
    image = image_shape(schema)
    known: dict[str, Any] = dict.fromkeys(_WIDTH.split(), input_width(schema))
    if schema.outputs:
        known |= dict.fromkeys(_OUTPUTS.split(), schema.outputs)
    if image is not None:
        known |= dict.fromkeys(_CHANNELS.split(), image[0])
        if image[1] == image[2]:
            known |= dict.fromkeys(_SIDE.split(), image[1])
    if schema.layout == "mixed":
        numbers = [f for f in schema.inputs if f.kind == "number"]
        known["numbers"] = len(numbers) + sum(f.missing > 0 for f in numbers)
        known["categories"] = [len(f.classes) + 1 for f in schema.inputs if f.kind == "category"]
    found: dict[str, Any] = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in known and parameter.kind is not parameter.POSITIONAL_ONLY:
            found[name] = known[name]
        elif parameter.default is parameter.empty:
            raise DanluError(
                "DL273", where=_line(cls), cls=cls.__name__, argument=name, signature=inspect.signature(cls)
            )
    return found


def instantiate(cls: type[nn.Module], schema: Schema) -> nn.Module:
    """``cls`` made with the sizes of this data; a DanluError names an argument nobody can fill in."""
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise DanluError("DL274", where=repr(cls), got=type(cls).__name__)
    found = size_arguments(cls, schema)
    try:
        return cls(**found)
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((f for f in reversed(frames) if "torch" not in f.filename), frames[-1])
        given = ", ".join(f"{k}={v}" for k, v in found.items())
        reason = f"{type(error).__name__}: {error}"
        raise DanluError(
            "DL275", where=f"{last.filename}:{last.lineno}", cls=cls.__name__, given=given, reason=reason
        ) from error


def _line(cls: type) -> str:
    try:
        return f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        return cls.__name__
