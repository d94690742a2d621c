"""What a model's answers rest on: the regions of a picture, and the columns of a table."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from danlu.batch import answer_of
from danlu.device import kept_randomness
from danlu.evaluate import evaluating
from danlu.metrics import Z
from danlu.types import Schema

Decode = Callable[[Tensor], Tensor]
Inputs = tuple[Tensor, ...]
Group = tuple[tuple[int, int], ...]  # columns that belong together, each as (which tensor, which column of it)

PASSES = 200  # most forward passes an image
NOISY = 25  # copies of an image that SmoothGrad averages over
NOISE = 0.15  # their noise, as a share of the image's range: within the 10 to 20 % the paper advises
SIDE = 192  # an overlaid picture is enlarged to at least so many pixels
FOR, AGAINST = (214, 62, 22), (20, 94, 184)  # orange and blue: apart for every kind of colour vision
BATCH = 64


@dataclass(frozen=True)
class Attribution:
    """Where in B pictures the answer comes from.

    ``maps`` is (B, H, W), each divided by its own largest absolute value, which ``peaks`` (B,) keeps: a map whose
    peak is small against the score shows nothing but noise. All zero where the answer depends on no pixel.
    """

    maps: Tensor
    peaks: Tensor
    classes: Tensor  # (B,) the output that is explained
    scores: Tensor  # (B,) the model's answer for it on the whole picture


# ---- pictures


def occlusion(
    model: nn.Module,
    images: Tensor,
    *,
    decode: Decode | None = None,
    classes: Tensor | None = None,
    fill: Tensor | float | None = None,
    batch_size: int = BATCH,
) -> Attribution:
    """How much the answer drops when a patch covers a place: maps in [−1, 1], positive where it speaks for the class.

    A square slides over the picture by half its side, so that every pixel is covered four times; a pixel's value is
    the mean of the four drops. The square is the smallest that needs at most ``PASSES`` passes an image (see
    ``patch_stride``). Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014.

    Args:
        images: (B, C, H, W), prepared as the model wants them.
        decode: the model's output → probabilities (N, C), or values (N, T); softmax if not given.
        classes: (B,) which of them to explain; by default each picture's most probable one.
        fill: what the patch holds, a number or one a channel; by default the mean of these images' channels.
    """
    decode = decode or _softmax
    device = _device(model)
    masks = _masks(images.shape[2], images.shape[3]).to(device)  # (P, H, W)
    images = images.to(device)
    grey = images.mean((0, 2, 3)) if fill is None else torch.as_tensor(fill, dtype=images.dtype, device=device)
    grey = grey.reshape(-1, 1, 1)
    covered = masks.double().sum(0)
    drops = []
    with kept_randomness(seed=0), evaluating(model):
        answers = torch.cat([decode(answer_of(model(part))) for part in images.split(batch_size)])
        chosen = answers.argmax(1) if classes is None else classes.to(device)
        scores = answers.gather(1, chosen[:, None])[:, 0].double()
        for image, index, score in zip(images, chosen.tolist(), scores):
            pieces = [torch.where(part[:, None], grey, image) for part in masks.split(batch_size)]
            hidden = torch.cat([decode(answer_of(model(piece)))[:, index] for piece in pieces])
            drops.append(torch.einsum("p,phw->hw", score - hidden.double(), masks.double()) / covered)
    return _attribution(torch.stack(drops), chosen, scores)


def patch_stride(height: int, width: int) -> int:
    """Half the patch's side, in pixels: the smallest with at most ``PASSES`` places on such an image."""
    stride = 1
    while (math.ceil(height / stride) + 1) * (math.ceil(width / stride) + 1) > PASSES:
        stride += 1
    return stride


def _masks(height: int, width: int) -> Tensor:
    """Every place of the patch, bool (P, H, W); the outer ones reach over the edge, so that all pixels count alike."""
    stride = patch_stride(height, width)

    def places(size: int) -> Tensor:  # (places, size)
        starts = torch.arange(-stride, size, stride)[:, None]
        pixels = torch.arange(size)
        return (pixels >= starts) & (pixels < starts + 2 * stride)

    rows, columns = places(height), places(width)
    return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)


def smooth_gradient(
    model: nn.Module,
    images: Tensor,
    *,
    classes: Tensor | None = None,
    samples: int = NOISY,
    noise: float = NOISE,
    seed: int = 0,
) -> Attribution:
    """How strongly the output reacts to each pixel: maps in [0, 1].

    The gradient of the model's own output (a logit, not the probability: that is flat where the model is sure),
    averaged over noisy copies of the picture (SmoothGrad: Smilkov et al., 2017), of which the largest absolute value
    over the channels is taken (Simonyan, Vedaldi and Zisserman, 2014). It is not multiplied by the input: such maps
    show the picture's edges even for a model without training (Adebayo et al., Sanity Checks for Saliency Maps, 2018).

    Args:
        images: (B, C, H, W), prepared as the model wants them.
        classes: (B,) which output to explain; by default each picture's largest.
        samples: noisy copies an image; 0: the plain gradient. noise: their noise as a share of the image's range.
    """
    generator = torch.Generator().manual_seed(seed)
    images = images.to(_device(model))
    with kept_randomness(seed=0), evaluating(model), torch.inference_mode(False), torch.enable_grad():
        images = images.clone()  # a plain tensor, wherever this one was made
        outputs = _outputs(model, images).detach()
        chosen = outputs.argmax(1) if classes is None else classes.to(images.device)
        spread = noise * (images.amax((1, 2, 3)) - images.amin((1, 2, 3)))
        total = torch.zeros_like(images)
        for _ in range(max(1, samples)):
            draws = torch.randn(images.shape, generator=generator).to(images) if samples else torch.zeros_like(images)
            noisy = (images + spread[:, None, None, None] * draws).requires_grad_()
            picked = _outputs(model, noisy).gather(1, chosen[:, None]).sum()
            total += torch.autograd.grad(picked, noisy)[0]
        maps = total.div(max(1, samples)).abs().amax(1)
    return _attribution(maps, chosen, outputs.gather(1, chosen[:, None])[:, 0])


def _outputs(model: nn.Module, images: Tensor) -> Tensor:
    out: Tensor = answer_of(model(images))
    return out.reshape(len(images), -1)


def _attribution(maps: Tensor, classes: Tensor, scores: Tensor) -> Attribution:
    peaks = maps.abs().amax((1, 2))
    scaled = maps / peaks.where(peaks > 0, 1.0)[:, None, None]
    return Attribution(*(t.detach().cpu().clone() for t in (scaled.float(), peaks.double(), classes, scores.double())))


def _softmax(output: Tensor) -> Tensor:
    return output.float().softmax(1)


def _device(model: nn.Module) -> torch.device:
    return next((p.device for p in model.parameters()), torch.device("cpu"))


def overlay(
    image: Tensor,
    heat: Tensor,
    *,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    file_format: Literal["PNG", "JPEG"] = "PNG",
) -> bytes:
    """A picture file: the image in grey, orange over it where ``heat`` is positive, blue where it is negative.

    Args:
        image: (C, H, W) or (H, W): bytes, or numbers in [0, 1]; standardised ones with the ``mean`` and ``std``
            that were used (one a channel, in units of x / 255: those of a schema's field).
        heat: (H, W) in [−1, 1], as in ``Attribution.maps``.
    """
    pixels = (image[None] if image.ndim == 2 else image).cpu()
    pixels = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if mean:
        pixels = pixels * torch.tensor(std or (1.0,)).view(-1, 1, 1) + torch.tensor(mean).view(-1, 1, 1)
    grey = 0.35 + 0.6 * pixels[:3].mean(0).clamp(0, 1)  # lighter than the original, so that colour can be seen
    heat = heat.cpu().float().clamp(-1, 1)
    colour = torch.where((heat >= 0)[..., None], torch.tensor(FOR), torch.tensor(AGAINST)) / 255
    share = 0.75 * heat.abs()[..., None]
    mixed = (1 - share) * grey[..., None] + share * colour
    made = Image.fromarray((mixed * 255).round().byte().numpy())
    factor = math.ceil(SIDE / max(made.size))
    if factor > 1:
        made = made.resize((made.width * factor, made.height * factor), Image.Resampling.NEAREST)
    buffer = io.BytesIO()
    made.save(buffer, file_format)
    return buffer.getvalue()


# ---- tables


@dataclass(frozen=True)
class Importance:
    """What a column is worth: how much a metric gets worse when the column's values are dealt out at random."""

    name: str
    drop: float  # mean over the repeats, in the metric's own unit; positive: the model needs the column
    low: float  # 95 % interval of that mean over further repeats (Student's t); not over other test rows
    high: float
    drops: tuple[float, ...]


def permutation_importance(
    score: Callable[[Inputs], float],
    inputs: Inputs,
    groups: Mapping[str, Group],
    *,
    greater: bool = True,
    repeats: int = 10,
    seed: int = 0,
) -> tuple[Importance, ...]:
    """The worth of each group of columns, in the order of ``groups``.

    Each group is put into another order of rows, alone and as a whole, and the metric measured anew. Source: Breiman,
    Random Forests, 2001. Columns that tell the same stand in for each other, and then each alone seems worth little.

    Args:
        score: the metric on inputs like ``inputs``, whose targets stay where they are; see ``score_of``.
        inputs: tensors with a row each for every test row, ready for the model; each is (N, columns).
        groups: see ``groups_of`` and ``single_columns``. greater: whether more of the metric is better.
        repeats: at least 2; one order of rows for each, the same for all groups.
    """
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.randperm(len(inputs[0]), generator=generator) for _ in range(repeats)]
    whole = score(inputs)
    found = []
    for name, group in groups.items():
        drops = [whole - score(_shuffled(inputs, group, order)) for order in orders]
        found.append(_importance(name, [drop if greater else -drop for drop in drops]))
    return tuple(found)


def _shuffled(inputs: Inputs, group: Group, order: Tensor) -> Inputs:
    changed = list(inputs)
    for which in {which for which, _ in group}:
        columns = torch.tensor([column for other, column in group if other == which], device=inputs[which].device)
        moved = inputs[which].index_select(1, columns).index_select(0, order.to(columns.device))
        changed[which] = inputs[which].index_copy(1, columns, moved)
    return tuple(changed)


def _importance(name: str, drops: list[float]) -> Importance:
    mean = math.fsum(drops) / len(drops)
    half = t_quantile(len(drops) - 1) * float(np.std(drops, ddof=1)) / math.sqrt(len(drops))
    return Importance(name, mean, mean - half, mean + half, tuple(drops))


def t_quantile(freedom: int) -> float:
    """The 97.5 % point of Student's t: the expansion of Abramowitz and Stegun, 26.7.5; 1 % off at 3, exact at infinity."""
    z, n = Z, freedom
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / n**power for power, term in enumerate(terms, 1))


def score_of(
    model: nn.Module, target: Tensor, metric: Callable[[Tensor, Tensor], float], decode: Decode, *, batch_size: int = 1024
) -> Callable[[Inputs], float]:
    """``metric(decoded (N, …), target)`` of the model's answers to inputs, as ``permutation_importance`` asks for it."""
    device = _device(model)

    def score(inputs: Inputs) -> float:
        batches = zip(*(tensor.split(batch_size) for tensor in inputs))
        with kept_randomness(seed=0), evaluating(model):
            answers = [decode(answer_of(model(*(part.to(device) for part in batch)))).cpu() for batch in batches]
            return metric(torch.cat(answers), target)

    return score


def single_columns(x: Tensor, names: Sequence[str] = ()) -> dict[str, Group]:
    """Every column of one matrix (N, D) for itself."""
    return {(names[i] if names else str(i)): ((0, i),) for i in range(x.shape[1])}


def groups_of(schema: Schema) -> dict[str, Group]:
    """The columns of a table as its model sees them: a number with its missing flag, all parts of a one-hot category.

    For the layouts "columns" (numbers with flags behind them, category codes) and "matrix" (numbers, flags, one-hot
    categories); see ``danlu.data.encode.prepare_table``.
    """
    numbers = [f for f in schema.inputs if f.kind == "number"]
    flagged = [f.name for f in numbers if f.missing]
    groups: dict[str, Group] = {}
    for i, f in enumerate(numbers):
        flag = ((0, len(numbers) + flagged.index(f.name)),) if f.missing else ()
        groups[f.name] = ((0, i), *flag)
    start = len(numbers) + len(flagged)
    for i, f in enumerate(f for f in schema.inputs if f.kind == "category"):
        if schema.layout == "columns":
            groups[f.name] = ((1, i),)
        else:
            groups[f.name] = tuple((0, start + k) for k in range(len(f.classes)))
            start += len(f.classes)
    return {f.name: groups[f.name] for f in schema.inputs if f.name in groups}
