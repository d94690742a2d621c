"""Trained weights as a beginning: found, laid into a model as far as they fit, and told; what images they expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from danlu.errors import DanluError
from danlu.fit import Fit, fit_report, listed, unwrapped
from danlu.freeze import last_layer
from danlu.messages import say
from danlu.models import check_name, library
from danlu.models.library import IMAGENET_MEAN, IMAGENET_STD, Expected
from danlu.types import Choice, Schema
from danlu.weights import load_model_files, load_weights

LEAST = 0.5  # share of a model's tensors that its weights must fill
_IMAGENET_CLASSES, _IMAGENET_SIZE = 1000, 224


@dataclass(frozen=True)
class Pretrained:
    """Trained tensors by name, where they are from, and the images they expect (None: nothing tells)."""

    source: str
    tensors: Mapping[str, Tensor]
    expected: Expected | None
    why: str  # what tells of the images
    classes: tuple[str, ...] = ()  # what the outputs stand for, where something tells


def find(model: Any, weights: str | None) -> Pretrained | None:
    """The weights of a setting: a library's own, a run's, or a file's.

    DL282 no network, DL283 no default weights, DL285 no model named; DL42x where a file is not good.
    """
    if weights is None:
        return None
    if model is None:
        raise DanluError("DL285", where=f"weights={weights!r}")
    name = model if isinstance(model, str) else ""
    if weights == "default":
        hub = library.HUB.get(name, name if library.in_library(name) else "")
        if not hub:
            raise DanluError(
                "DL283", where="weights='default'", name=name or getattr(model, "__name__", type(model).__name__)
            )
        check_name(hub)
        return Pretrained(hub, library.hub_tensors(hub), library.expected(hub), say("normalise.library", name=hub))
    path = Path(weights).expanduser()
    if path.is_dir():
        _, schema, tensors = load_model_files(path)
        return Pretrained(str(path), tensors, _of_run(schema), say("normalise.run", path=path), schema.classes)
    tensors = load_weights(path)
    expected, why = _assumed(name, tensors)
    return Pretrained(path.name, tensors, expected, why)


def _of_run(schema: Schema) -> Expected | None:
    images = [f for f in schema.inputs if f.kind == "image" and len(f.shape) == 3]
    if len(images) != 1 or schema.origin == "dataset":
        return None
    channels, height, width = images[0].shape
    mean, std = images[0].mean or (0.0,) * channels, images[0].std or (1.0,) * channels
    return Expected(mean, std, width if height == width else 0)


def _assumed(name: str, tensors: Mapping[str, Tensor]) -> tuple[Expected | None, str]:
    """A file says nothing of its images; its model, or the 1,000 classes of ImageNet, may."""
    if library.in_library(name):
        check_name(name)
        return library.expected(name), say("normalise.file_library", name=name)
    if name in library.HUB and any(t.ndim == 2 and len(t) == _IMAGENET_CLASSES for t in tensors.values()):
        return Expected(IMAGENET_MEAN, IMAGENET_STD, _IMAGENET_SIZE), say("normalise.imagenet")
    return None, say("normalise.unknown")


# ---- into the model


@dataclass(frozen=True)
class Filled:
    """What became of the weights: how many tensors were taken, what did not fit, which parameters stay random."""

    taken: int
    all: int
    fit: Fit
    new: frozenset[str]
    head: str  # "kept", or why it is new: "shape", "unknown"
    channels: tuple[str, ...]  # convolutions over colours that were brought to another number of channels

    def choice(self, source: str) -> Choice:
        """What is told of it."""
        parts = [source]
        shapes = [f"{name} {theirs} → {own}" for name, theirs, own in self.fit.mismatched]
        missing = [name for name in self.fit.missing if not name.endswith("num_batches_tracked")]
        told = {"channels": self.channels, "shape": shapes, "new": missing, "unused": self.fit.unexpected}
        for key, names in told.items():
            if names:
                parts.append(say(f"pretrained.{key}", count=len(names), names=listed(names, 4)))
        return Choice("weights", say("pretrained.taken", taken=self.taken, all=self.all), "; ".join(parts))


def fill_in(module: nn.Module, pretrained: Pretrained, classes: tuple[str, ...]) -> Filled:
    """Copy every tensor that fits by name and shape into ``module``; DL284 where fewer than half do.

    Wrappers' prefixes are dropped, a first convolution is brought to the module's channels, positions to its size.
    The head stays random, even where its shape fits, unless the weights are known to be for the same ``classes``:
    one that tells other classes apart is sure of wrong answers, and takes longer to unlearn than a new one to learn.
    """
    tensors = _renamed(unwrapped(pretrained.tensors, module), module)
    tensors = library.adapted(module, tensors)
    own = {n: t for n, t in module.state_dict(keep_vars=True).items() if isinstance(t, Tensor)}
    changed = {n: new for n, t in tensors.items() if n in own and (new := _to_channels(t, own[n])) is not t}
    tensors = {**tensors, **changed}
    fit = fit_report(module, tensors)
    wrong = {name for name, _, _ in fit.mismatched}
    taken = {name: t for name, t in tensors.items() if name in own and name not in wrong}
    counted = [name for name in own if name in taken or not name.endswith("num_batches_tracked")]
    if len(taken) < LEAST * len(counted):
        names = {"own": listed(list(own), 3), "theirs": listed(list(pretrained.tensors), 3)}
        facts: dict[str, Any] = {"matched": len(taken), "all": len(counted), "model": type(module).__qualname__}
        raise DanluError("DL284", where=pretrained.source, own=names["own"], theirs=names["theirs"], **facts)
    head = [name for name in taken if name.rpartition(".")[0] in last_layer(module)]
    kept = bool(classes) and pretrained.classes == classes
    if not kept:
        taken = {name: t for name, t in taken.items() if name not in head}
    module.load_state_dict(taken, strict=False)
    random = frozenset(name for name, _ in module.named_parameters() if name not in taken)
    return Filled(len(taken), len(counted), fit, random, _head(bool(head), kept), tuple(changed))


def _head(fits: bool, kept: bool) -> str:
    return "shape" if not fits else "kept" if kept else "unknown"


def _renamed(tensors: Mapping[str, Tensor], module: nn.Module) -> Mapping[str, Tensor]:
    """Without the name that a training's wrapper put before every tensor: "model.conv1.weight" → "conv1.weight"."""
    own = {name.partition(".")[0] for name in module.state_dict(keep_vars=True)}
    while True:
        firsts = {name.partition(".")[0] for name in tensors}
        first = firsts.pop() if len(firsts) == 1 else ""
        if not first or first in own or not all("." in name for name in tensors):
            return tensors
        tensors = {name.partition(".")[2]: t for name, t in tensors.items()}


def _to_channels(t: Tensor, own: Tensor) -> Tensor:
    """A convolution over 3 colours for another number of channels: summed up for one, so that a grey picture gives
    what its three equal colours gave; else the colours' mean, scaled to keep the size of the sum.
    """
    if (
        nn.parameter.is_lazy(own)
        or t.ndim != 4
        or own.ndim != 4
        or t.shape[1] != 3
        or own.shape[1] == 3
        or t[:, 0].shape != own[:, 0].shape
    ):
        return t
    channels = own.shape[1]
    return (t.sum(1, keepdim=True) / channels).expand(-1, channels, -1, -1).contiguous()


# ---- what is told


def tell_images(pretrained: Pretrained, schema: Schema, given: bool, tell: Callable[[Choice], None]) -> None:
    """How the images are scaled; ``given``: as the weights expect."""
    expected, ours = pretrained.expected, any(f.kind == "image" for f in schema.inputs)
    if expected is None:
        if ours:
            tell(Choice("normalise", say("normalise.kept"), pretrained.why))
        return
    mean, std = (", ".join(f"{v:.3g}" for v in values) for values in (expected.mean, expected.std))
    value = say("normalise.value", mean=mean, std=std)
    if given:
        tell(Choice("normalise", value, pretrained.why))
    else:
        tell(Choice("normalise", say("normalise.kept"), say("normalise.yours", value=value)))
