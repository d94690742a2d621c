"""Which regions of a picture an answer rests on: maps by hiding places and by gradients, laid over the picture."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from PIL import Image
from torch import Tensor, nn

from danlu.batch import answer_of
from danlu.device import kept_randomness
from danlu.evaluate import evaluating

Decode = Callable[[Tensor], Tensor]

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
        chosen = outputs.argmax(1) if classes is None or outputs.shape[1] == 1 else classes.to(images.device)
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
