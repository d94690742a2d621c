"""Every image model of torchvision and timm by name: made for the data's classes and channels, and its hub weights."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.lookup import first_line, optional

LIBRARIES = ("torchvision", "timm")
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HUB = {  # danlu's own models whose tensors have the names of a library's: where "default" weights come from
    "resnet18": "torchvision/resnet18",
    "resnet34": "torchvision/resnet34",
    "resnet50": "torchvision/resnet50",
    "convnext_tiny": "torchvision/convnext_tiny",
    "vit_tiny": "timm/deit_tiny_patch16_224",
}
_INCEPTIONS = ("googlenet", "inception_v3")  # they rescale ImageNet's normalisation inside, and have helper heads


@dataclass(frozen=True)
class Expected:
    """How the images looked that weights were trained on."""

    mean: tuple[float, ...]  # a channel, in units of x / 255
    std: tuple[float, ...]
    size: int = 0  # side in pixels; 0: not known


def in_library(name: str) -> bool:
    """Whether a model's name is written as "torchvision/…" or "timm/…"."""
    return name.partition("/")[0] in LIBRARIES and "/" in name


def names(library: str) -> list[str]:
    """The classification models of a library; DL030 where it is not installed."""
    module = optional(library, "vision")
    if library == "timm":
        return list(module.list_models())
    return list(module.models.list_models(module=module.models))


def everywhere() -> list[str]:
    """All names of the libraries that are installed, as danlu spells them."""
    found: list[str] = []
    for library in LIBRARIES:
        if importlib.util.find_spec(library) is not None:
            try:
                found += [f"{library}/{name}" for name in names(library)]
            except DanluError:  # broken: the error that is being made is about something else
                continue
    return found


def check(name: str) -> None:
    """DL270 where the library has no such model, DL030 where it is not installed."""
    library, _, model = name.partition("/")
    known = names(library)
    if model in known or (library == "timm" and "." in model and _is_tagged(model)):
        return
    plain = model.partition(".")[0]  # timm: the architecture without the name of its weights
    line = f"{library}/{nearest(plain, known) or known[0]}"
    raise DanluError("DL270", where=f"model={name!r}", name=name, near=did_you_mean(plain, known), line=line)


def _is_tagged(model: str) -> bool:
    """Whether timm knows "resnet18.a1_in1k": an architecture and which of its weights."""
    return model in optional("timm", "vision").list_pretrained()


def build(name: str, *, channels: int, outputs: int, size: tuple[int, int]) -> nn.Module:
    """The model with random weights. ``size``: (height, width), for those made for one size only."""
    library, _, model = name.partition("/")
    made = _torchvision if library == "torchvision" else _timm
    try:
        return made(model, channels, outputs, (size[0], size[1]))
    except (DanluError, NotImplementedError):  # the latter: not on the meta device, see fit.built
        raise
    except Exception as error:  # each model has its own conditions on the size
        shape = f"{size[1]} x {size[0]}"
        raise DanluError("DL281", where=f"model={name!r}", name=name, size=shape, reason=first_line(error)) from error


def _torchvision(model: str, channels: int, outputs: int, size: tuple[int, int]) -> nn.Module:
    builder = optional("torchvision", "vision").models.get_model_builder(model)
    options: dict[str, Any] = {"num_classes": outputs}
    if model in _INCEPTIONS:
        options |= {"aux_logits": False, "transform_input": channels == 3, "init_weights": True}
    if model.startswith("vit_"):
        options["image_size"] = _side(size)
    if model.startswith("maxvit_"):
        options["input_size"] = size
    return with_channels(builder(weights=None, **options), channels)


def _side(size: tuple[int, int]) -> int:
    if size[0] != size[1]:
        raise ValueError("height ≠ width")
    return size[0]


def _timm(model: str, channels: int, outputs: int, size: tuple[int, int]) -> nn.Module:
    timm = optional("timm", "vision")
    options = {"img_size": size} if _of_one_size(timm, model) else {}
    made: nn.Module = timm.create_model(model, pretrained=False, num_classes=outputs, in_chans=channels, **options)
    return made


def _of_one_size(timm: Any, model: str) -> bool:
    """Whether a model of timm is made for one size of images, and can be told which."""
    config = timm.get_pretrained_cfg(model)
    if config is None or not config.fixed_input_size:
        return False
    module = sys.modules[timm.model_entrypoint(model).__module__]
    classes = [c for c in vars(module).values() if isinstance(c, type) and issubclass(c, nn.Module)]
    return any("img_size" in inspect.signature(c.__init__).parameters for c in classes)


def with_channels(module: nn.Module, channels: int) -> nn.Module:
    """``module`` with its first convolution over colours made anew for another number of channels."""
    if channels == 3:
        return module
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels == 3:
            parent, _, own = name.rpartition(".")
            shape = (layer.out_channels, layer.kernel_size, layer.stride, layer.padding, layer.dilation)
            new = nn.Conv2d(channels, *shape, bias=layer.bias is not None)  # type: ignore[arg-type]
            setattr(module.get_submodule(parent), own, new)
            return module
    raise ValueError("no convolution over 3 channels")


# ---- weights


def expected(name: str) -> Expected | None:
    """How the images of a library's default weights looked; None where it does not tell."""
    library, _, model = name.partition("/")
    if library == "timm":
        timm = optional("timm", "vision")
        config = timm.get_pretrained_cfg(model)
        if config is None:
            return None
        found = timm.data.resolve_data_config(pretrained_cfg=config.to_dict())
        return Expected(tuple(map(float, found["mean"])), tuple(map(float, found["std"])), int(found["input_size"][-1]))
    models = optional("torchvision", "vision").models
    preset = models.get_model_weights(model).DEFAULT.transforms()
    return Expected(tuple(preset.mean), tuple(preset.std), int(preset.crop_size[0]))


def hub_tensors(name: str) -> dict[str, Tensor]:
    """The library's own weights of a model, by its own loading code: from its cache, or from the network."""
    library, _, model = name.partition("/")
    state = torch.get_rng_state()
    try:
        if library == "timm":
            whole = optional("timm", "vision").create_model(model, pretrained=True)
        else:
            models = optional("torchvision", "vision").models
            whole = models.get_model(model, weights=models.get_model_weights(model).DEFAULT)
    except DanluError:
        raise
    except Exception as error:  # no network, a proxy, a mirror without the file: each library has its own errors
        where, reason = f"weights='default', model={name!r}", first_line(error)
        raise DanluError("DL282", where=where, name=name, reason=reason, place=_place(library, model)) from error
    finally:
        torch.set_rng_state(state)
    return dict(whole.state_dict())


def _place(library: str, model: str) -> str:
    """Where a library has its weights from."""
    if library == "torchvision":
        url: str = optional("torchvision", "vision").models.get_model_weights(model).DEFAULT.url
        return url
    config = optional("timm", "vision").get_pretrained_cfg(model)
    return "" if config is None else str(config.url or config.hf_hub_id or "")


def adapted(module: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``tensors`` under the names and sizes of ``module``: what its family's own loading code changes in a file.

    Position vectors are brought to the module's image size; names of older releases become today's.
    """
    own = getattr(module, "adapted", None)
    if callable(own):  # danlu's ViT
        return dict(own(tensors))
    home = sys.modules.get(type(module).__module__)
    if home is None or home.__name__.partition(".")[0] not in LIBRARIES:
        return dict(tensors)
    if type(module).__name__ == "DenseNet":  # torchvision's files are older than its names
        return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)", r"\1\2", name): t for name, t in tensors.items()}
    convert: Callable[..., Any] | None = getattr(home, "checkpoint_filter_fn", None)
    try:
        if convert is not None:
            return dict(convert(dict(tensors), module))
        if "encoder.pos_embedding" in tensors and hasattr(home, "interpolate_embeddings"):
            return dict(home.interpolate_embeddings(module.image_size, module.patch_size, dict(tensors)))
    except Exception:  # not a file of this family: the comparison of names and shapes says so
        return dict(tensors)
    return dict(tensors)
