"""Models by name: builders that take plain JSON arguments, and what a schema says those are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import prod
from typing import Any, Literal

from torch import nn

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.models import library
from danlu.models.cnn import cnn
from danlu.models.convnext import convnext_tiny
from danlu.models.heads import Heads
from danlu.models.mlp import mlp
from danlu.models.resnet import SMALL, resnet18, resnet34, resnet50
from danlu.models.tabular import tabular
from danlu.models.user import image_shape, input_width, instantiate
from danlu.models.vit import patch_for, vit_tiny
from danlu.types import Schema

__all__ = ["MODELS", "arguments", "build", "check_name", "default_name", "instantiate", "layout_of"]

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "convnext_tiny": convnext_tiny,
    "vit_tiny": vit_tiny,
    "tabular": tabular,
}


def default_name(schema: Schema) -> tuple[str, str]:
    """The model for this kind of input when none is named, and why."""
    if schema.layout == "columns":
        return "tabular", say("model.tabular")
    image = image_shape(schema)
    if image is not None:
        side = max(image[1:])
        small = side <= SMALL
        return ("cnn" if small else "resnet18"), say("model.cnn" if small else "model.resnet", side=side, limit=SMALL)
    return "mlp", say("model.mlp", width=input_width(schema))


def arguments(name: str, schema: Schema) -> dict[str, Any]:
    """What the builder of ``name`` takes for this schema: plain JSON values, kept with the model.

    ``heads`` among them: how many outputs each of several heads has.
    """
    made = _arguments(name, schema)
    heads = {head: schema.head(head).outputs for head in schema.heads}
    if any(size < 1 for size in heads.values()):
        raise DanluError("DL271", where=f"model={name!r}", name=name, task=schema.task)
    return made | ({"heads": heads} if heads else {})


def _arguments(name: str, schema: Schema) -> dict[str, Any]:
    check_name(name)
    outputs = schema.outputs
    if outputs < 1:
        raise DanluError("DL271", where=f"model={name!r}", name=name, task=schema.task)
    if name == "tabular":
        return {**_table(name, schema), "outputs": outputs}
    if name == "mlp":
        if any(f.kind not in ("number", "category", "image", "tensor") for f in schema.inputs):
            raise DanluError("DL272", where="model='mlp'", name=name, kinds=_kinds(schema))
        return {"inputs": input_width(schema), "outputs": outputs}
    image = image_shape(schema)
    if image is None:
        raise DanluError("DL272", where=f"model={name!r}", name=name, kinds=_kinds(schema))
    channels, height, width = image
    if name == "cnn":
        return {"channels": channels, "outputs": outputs, "size": max(height, width)}
    if library.in_library(name):
        return {"channels": channels, "outputs": outputs, "size": [height, width]}
    if name == "vit_tiny":
        patch = patch_for(max(height, width))
        return {"channels": channels, "outputs": outputs, "size": [height, width], "patch": patch}
    return {"channels": channels, "outputs": outputs, "small": max(height, width) <= SMALL}


def build(name: str, arguments: dict[str, Any]) -> nn.Module:
    """The model of that name. Equal arguments and an equal state of torch's generator give equal weights."""
    check_name(name)
    own = {k: v for k, v in arguments.items() if k != "heads"}
    model = library.build(name, **own) if library.in_library(name) else MODELS[name](**own)
    return Heads(model, arguments["heads"]) if "heads" in arguments else model


def layout_of(model: str | nn.Module | type | None) -> Literal["columns", "matrix"]:
    """How a table reaches the model: as (numbers, categories), or as one matrix."""
    if model is None or model == "tabular":
        return "columns"
    if isinstance(model, str):
        return "matrix"
    forward = getattr(model, "forward", None)
    if forward is None:
        return "matrix"
    names = list(inspect.signature(forward).parameters)
    return "columns" if {"numbers", "categories"} <= set(names) else "matrix"


def check_name(name: str) -> None:
    """DL270 where no model is called that, DL030 where its library is not installed."""
    if library.in_library(name):
        library.check(name)
    elif name not in MODELS:
        raise DanluError("DL270", where=f"model={name!r}", name=name, **_near(name))


def _near(name: str) -> dict[str, str]:
    """What a name that danlu does not have may stand for: one of its own, or a library's, which has its prefix."""
    own = nearest(name, MODELS)
    if own:
        return {"near": did_you_mean(name, MODELS), "line": own}
    theirs = {full.partition("/")[2]: full for full in reversed(library.everywhere())}  # torchvision before timm
    near = theirs.get(name) or theirs.get(nearest(name, theirs), "")
    if near:
        return {"near": did_you_mean(near, [near]), "line": near}
    return {"near": did_you_mean(name, MODELS) + say("model.libraries"), "line": "cnn"}


def _kinds(schema: Schema) -> str:
    return ", ".join(f"{f.name}: {say(f'kind.{f.kind}')}{list(f.shape) if f.shape else ''}" for f in schema.inputs[:6])


def _table(name: str, schema: Schema) -> dict[str, Any]:
    numbers = [f for f in schema.inputs if f.kind == "number"]
    categories = [f for f in schema.inputs if f.kind == "category"]
    if schema.layout != "columns":
        if len(schema.inputs) != 1 or len(schema.inputs[0].shape) != 1:
            raise DanluError("DL272", where=f"model={name!r}", name=name, kinds=_kinds(schema))
        return {"numbers": prod(schema.inputs[0].shape), "flags": 0, "categories": []}
    flags = sum(f.missing > 0 for f in numbers)
    return {"numbers": len(numbers), "flags": flags, "categories": [len(f.classes) + 1 for f in categories]}
