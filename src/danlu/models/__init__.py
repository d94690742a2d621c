"""Models by name: builders that take plain JSON arguments, and what a schema says those are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, Literal

from torch import nn

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.models import library
from danlu.models.cnn import cnn
from danlu.models.convnext import convnext_tiny
from danlu.models.heads import Heads
from danlu.models.mixed import WIDTH, mixed
from danlu.models.mlp import mlp
from danlu.models.resnet import SMALL, resnet18, resnet34, resnet50
from danlu.models.resnet_small import resnet_small
from danlu.models.tabular import tabular
from danlu.models.user import image_shape, input_width, instantiate
from danlu.models.vit import patch_for, vit_tiny
from danlu.types import Schema

__all__ = [
    "MODELS",
    "arguments",
    "asked_by",
    "build",
    "check_name",
    "default_name",
    "instantiate",
    "layout_of",
    "named",
]

MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "cnn": cnn,
    "resnet_small": resnet_small,
    "resnet18": resnet18,
    "resnet34": resnet34,
    "resnet50": resnet50,
    "convnext_tiny": convnext_tiny,
    "vit_tiny": vit_tiny,
    "tabular": tabular,
    "mixed": mixed,
}


GREY = 32  # pixels: up to here images that are not coloured are drawings of a few strokes, as digits are


def default_name(schema: Schema) -> tuple[str, str]:
    """The model for this kind of input when none is named, and why."""
    if schema.layout == "columns":
        return "tabular", say("model.tabular")
    if schema.layout == "mixed":
        return "mixed", say("model.mixed", trunk=default_name(_one_image(schema))[0])
    image = image_shape(schema)
    if image is not None:
        channels, side = image[0], max(image[1:])
        if channels != 3 and side <= GREY:
            return "cnn", say("model.cnn", side=side, limit=GREY)
        return "resnet_small", say("model.resnet_small", channels=channels, side=side)
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
    if schema.layout == "mixed":
        return _mixed(name, schema)
    if name == "mixed":
        raise DanluError("DL272", where=f"model={name!r}", name=name, kinds=_kinds(schema))
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
    if name in ("cnn", "resnet_small"):
        return {"channels": channels, "outputs": outputs, "size": max(height, width)}
    if library.in_library(name):
        return {"channels": channels, "outputs": outputs, "size": [height, width]}
    if name == "vit_tiny":
        patch = patch_for(max(height, width))
        return {"channels": channels, "outputs": outputs, "size": [height, width], "patch": patch}
    return {"channels": channels, "outputs": outputs, "small": max(height, width) <= SMALL}


def named(name: str, schema: Schema) -> tuple[str, dict[str, Any]]:
    """What ``build`` takes for a name that a person gave: of a table with images, an image model is the trunk."""
    found = arguments(name, schema)
    return ("mixed" if schema.layout == "mixed" else name), found


def build(name: str, arguments: dict[str, Any]) -> nn.Module:
    """The model of that name. Equal arguments and an equal state of torch's generator give equal weights."""
    check_name(name)
    own = {k: v for k, v in arguments.items() if k != "heads"}
    model = _build(name, own)
    return Heads(model, arguments["heads"]) if "heads" in arguments else model


def _build(name: str, arguments: dict[str, Any]) -> nn.Module:
    if library.in_library(name):
        return library.build(name, **arguments)
    if name == "mixed":
        trunk = build(arguments["trunk"], arguments["trunk_arguments"])
        rest = {k: v for k, v in arguments.items() if not k.startswith("trunk")}
        return mixed(trunk, **rest)
    return MODELS[name](**arguments)


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


def asked_by(model: str | nn.Module | type | None) -> tuple[tuple[str, bool], ...]:
    """The parameters of the forward of a user's own model: name, and whether it must be given. Empty where unknown."""
    if not isinstance(model, nn.Module | type) or not hasattr(model, "forward"):
        return ()
    cls = type(model) if isinstance(model, nn.Module) else model
    parameters = list(inspect.signature(cls.forward).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return ()
    usual = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return tuple((p.name, p.default is p.empty) for p in usual)


def check_name(name: str) -> None:
    """DL270 where no model is called that, DL030 where its library is not installed."""
    if library.in_library(name):
        library.check(name)
    elif name not in MODELS:
        raise DanluError("DL270", where=f"model={name!r}", name=name, **_near(name))


def _near(name: str) -> dict[str, str]:
    """What a name that danlu does not have may stand for: one of its own, or a library's, which has its prefix."""
    own = nearest(name, MODELS)
    theirs = {full.partition("/")[2]: full for full in reversed(library.everywhere())}  # torchvision before timm
    if own and name not in theirs:
        return {"near": did_you_mean(name, MODELS), "line": own}
    near = theirs.get(name) or theirs.get(nearest(name, theirs), "")
    if near:
        return {"near": did_you_mean(near, [near]), "line": near}
    return {"near": did_you_mean(name, MODELS) + say("model.libraries"), "line": "cnn"}


def _kinds(schema: Schema) -> str:
    return ", ".join(f"{f.name}: {say(f'kind.{f.kind}')}{list(f.shape) if f.shape else ''}" for f in schema.inputs[:6])


def _one_image(schema: Schema) -> Schema:
    """The same with the first image as the only input: what the trunk of all images is made for."""
    first = next(f for f in schema.inputs if f.kind == "image")
    return replace(schema, fields=(first, *schema.targets), layout="image")


def _mixed(name: str, schema: Schema) -> dict[str, Any]:
    if name in ("tabular", "mlp"):
        raise DanluError("DL272", where=f"model={name!r}", name=name, kinds=_kinds(schema))
    alone = _one_image(schema)
    trunk = default_name(alone)[0] if name == "mixed" else name
    images = sum(f.kind == "image" for f in schema.inputs)
    table = _table("mixed", replace(schema, layout="columns"))
    inner = {**_arguments(trunk, alone), "outputs": WIDTH}
    return {"trunk": trunk, "trunk_arguments": inner, "images": images, **table, "outputs": schema.outputs}


def _table(name: str, schema: Schema) -> dict[str, Any]:
    numbers = [f for f in schema.inputs if f.kind == "number"]
    categories = [f for f in schema.inputs if f.kind == "category"]
    if schema.layout != "columns":
        if len(schema.inputs) != 1 or len(schema.inputs[0].shape) != 1:
            raise DanluError("DL272", where=f"model={name!r}", name=name, kinds=_kinds(schema))
        return {"numbers": prod(schema.inputs[0].shape), "flags": 0, "categories": []}
    flags = sum(f.missing > 0 for f in numbers)
    return {"numbers": len(numbers), "flags": flags, "categories": [len(f.classes) + 1 for f in categories]}
