"""Maps of models whose reasons are known: one patch, a linear function, nothing at all."""

from __future__ import annotations

import io
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from danlu.explain import AGAINST, FOR, occlusion, overlay, patch_stride, smooth_gradient


class Spot(nn.Module):
    """The second class is as probable as one square is bright; nothing else is looked at."""

    def __init__(self, top: int, left: int, side: int, slope: float = 4.0) -> None:
        super().__init__()
        self.top, self.left, self.side, self.slope = top, left, side, slope
        self.weight = nn.Parameter(torch.ones(()))
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        square = x[:, :, self.top : self.top + self.side, self.left : self.left + self.side]
        bright = self.slope * self.weight * square.mean((1, 2, 3))
        return self.drop(torch.stack([-bright, bright], 1)) + 0 * torch.randn(()) * random.random()

    def inside(self, height: int, width: int) -> Tensor:
        mask = torch.zeros(height, width, dtype=torch.bool)
        mask[self.top : self.top + self.side, self.left : self.left + self.side] = True
        return mask


def pictures(n: int, channels: int, height: int, width: int) -> Tensor:
    return torch.randn(n, channels, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 8, 1), (28, 28, 1), (32, 48, 3), (96, 64, 3)])
def test_occlusion_finds_the_one_patch_that_counts(height: int, width: int, channels: int) -> None:
    net = Spot(height // 2, width // 4, height // 4).train()
    mask = net.inside(height, width)
    x = pictures(3, channels, height, width)
    x[:2, :, mask] = 1.0  # bright: class 1
    x[2, :, mask] = -1.0  # dark: class 0
    found = occlusion(net, x, fill=0.0)
    assert found.classes.tolist() == [1, 1, 0]
    assert torch.allclose(found.scores, torch.tensor(8.0).sigmoid().double().expand(3))
    reach = 2 * patch_stride(height, width) - 1  # a patch over a pixel reaches so far
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    near = torch.zeros_like(mask)
    near[max(0, rows[0] - reach) : rows[-1] + reach + 1, max(0, columns[0] - reach) : columns[-1] + reach + 1] = True
    for heat in found.maps:
        assert heat.max() == 1.0
        assert bool((heat[~near] == 0).all()), "a place the model does not look at has no colour at all"
        assert bool((heat[mask] > 0).all())
        assert mask.flatten()[heat.argmax()]
    assert bool((found.peaks > 0).all())


def test_occlusion_is_the_mean_drop_of_the_patches_over_a_pixel() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(2 * 6 * 9, 4)).eval()
    x = pictures(2, 2, 6, 9)
    stride = patch_stride(6, 9)
    grey = x.mean((0, 2, 3))
    found = occlusion(net, x, batch_size=7)
    with torch.no_grad():
        whole = net(x).softmax(1)
        for b in range(2):
            best = int(whole[b].argmax())
            sums, counts = torch.zeros(6, 9), torch.zeros(6, 9)
            for top in range(-stride, 6, stride):
                for left in range(-stride, 9, stride):
                    rows, columns = slice(max(0, top), top + 2 * stride), slice(max(0, left), left + 2 * stride)
                    hidden = x[b].clone()
                    hidden[:, rows, columns] = grey[:, None, None]
                    sums[rows, columns] += whole[b, best] - net(hidden[None]).softmax(1)[0, best]
                    counts[rows, columns] += 1
            assert bool((counts == 4).all())
            heat = sums / counts
            assert found.classes[b] == best
            assert float(found.peaks[b]) == pytest.approx(float(heat.abs().max()), rel=1e-4)
            assert torch.allclose(found.maps[b], heat / heat.abs().max(), atol=1e-4)


def test_occlusion_shows_what_speaks_against_a_class() -> None:
    net = Spot(0, 0, 4)
    x = torch.zeros(1, 1, 8, 8)
    x[:, :, :4, :4] = 0.5
    for_it, against = occlusion(net, x, fill=0.0), occlusion(net, x, fill=0.0, classes=torch.tensor([0]))
    assert against.maps.min() == -1.0 and torch.allclose(against.maps, -for_it.maps, atol=1e-5)


@given(st.integers(1, 600), st.integers(1, 600))
def test_occlusion_needs_at_most_two_hundred_passes_and_no_coarser_patch_than_that(height: int, width: int) -> None:
    def passes(stride: int) -> int:
        return (-(-height // stride) + 1) * (-(-width // stride) + 1)

    stride = patch_stride(height, width)
    assert passes(stride) <= 200 and (stride == 1 or passes(stride - 1) > 200)


@pytest.mark.parametrize("samples", [0, 8])
def test_the_gradient_is_zero_outside_the_patch(samples: int) -> None:
    net = Spot(2, 3, 4).train()
    found = smooth_gradient(net, pictures(2, 3, 10, 12), samples=samples)
    mask = net.inside(10, 12)
    assert bool((found.maps[:, ~mask] == 0).all())
    assert torch.allclose(found.maps[:, mask], torch.ones(2, 16))


def test_the_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 5, 3), nn.Tanh(), nn.Flatten(), nn.Linear(5 * 3 * 4, 3)).double()
    x = pictures(1, 2, 5, 6).double()
    found = smooth_gradient(net, x, samples=0)
    best = int(net(x).argmax())
    slope = torch.zeros(2, 5, 6, dtype=torch.float64)
    with torch.no_grad():
        for at in np.ndindex(2, 5, 6):
            step = torch.zeros_like(x)
            step[(0, *at)] = 1e-5
            slope[at] = (net(x + step)[0, best] - net(x - step)[0, best]) / 2e-5
    heat = slope.abs().amax(0)
    assert float(found.peaks[0]) == pytest.approx(float(heat.max()), rel=1e-6)
    assert torch.allclose(found.maps[0].double(), heat / heat.max(), atol=1e-6)


def test_noise_takes_the_roughness_out_of_a_gradient() -> None:
    """y = mean |x − 0.1|: near the kink, the plain gradient jumps; averaged over noise it is the slope's mean."""

    class Kink(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x - 0.1).abs().sum((1, 2, 3))[:, None]

    x = torch.tensor([0.0, 0.05, 0.2, 10.0]).view(1, 1, 1, 4)
    plain = smooth_gradient(Kink(), x, samples=0)
    assert torch.equal(plain.maps.flatten(), torch.ones(4))
    smooth = smooth_gradient(Kink(), x, samples=800)
    inside = [
        abs(2 * 0.5 * (1 + torch.erf(torch.tensor((v - 0.1) / 1.5 / 2**0.5)).item()) - 1) for v in (0.0, 0.05, 0.2)
    ]
    assert smooth.maps.flatten().tolist() == pytest.approx([*inside, 1.0], abs=0.1)


def test_a_model_with_one_output_is_explained_by_it() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 1))
    x = pictures(2, 1, 4, 4)
    found = smooth_gradient(net, x, classes=torch.tensor([0, 1]), samples=0)
    weight = net[1].weight.detach().abs().view(4, 4)
    assert torch.allclose(found.maps, (weight / weight.max()).expand(2, 4, 4))

    def decode(output: Tensor) -> Tensor:  # as the task of two classes does
        p = output.sigmoid()
        return torch.cat([1 - p, p], 1)

    both = [occlusion(net, x, decode=decode, classes=torch.tensor([k, k])).maps for k in (0, 1)]
    assert torch.allclose(both[0], -both[1], atol=1e-5)


@pytest.mark.parametrize("explain", [occlusion, smooth_gradient])
def test_explaining_leaves_no_trace_and_is_repeatable(explain: Any) -> None:
    net = Spot(1, 1, 3).train()
    net.drop.eval()
    x = pictures(2, 1, 8, 8)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    first = explain(net, x)
    assert torch.equal(torch.get_rng_state(), states[0]) and random.getstate() == states[2]
    assert np.array_equal(np.random.get_state()[1], states[1])
    assert net.training and not net.drop.training and net.weight.grad is None
    torch.rand(3)
    again = explain(net, x)
    assert torch.equal(first.maps, again.maps) and torch.equal(first.peaks, again.peaks)
    assert not first.maps.is_inference() and not first.maps.requires_grad
    with torch.inference_mode():
        assert torch.equal(explain(net, x.clone()).maps, first.maps)


def test_an_answer_that_depends_on_nothing_has_empty_maps() -> None:
    class Stubborn(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.tensor([[2.0, 1.0]]).expand(len(x), 2) + 0 * x.sum((1, 2, 3))[:, None]

    for found in (occlusion(Stubborn(), pictures(2, 1, 8, 8)), smooth_gradient(Stubborn(), pictures(2, 1, 8, 8))):
        assert found.peaks.tolist() == [0, 0] and not found.maps.any()


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_an_overlay_is_grey_without_heat_and_coloured_where_it_is() -> None:
    image = torch.randint(0, 256, (3, 200, 220), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    heat = torch.zeros(200, 220)
    heat[:100, :110], heat[100:, 110:] = 1.0, -1.0
    made = opened(overlay(image, heat))
    assert made.shape == (200, 220, 3)
    plain = made[:100, 110:]
    assert np.ptp(plain, axis=-1).max() == 0, "no colour without heat"
    brightness = image[:, :100, 110:].double().mean(0).numpy()
    assert np.corrcoef(plain[..., 0].ravel(), brightness.ravel())[0, 1] > 0.999
    for_it, against = made[:100, :110].reshape(-1, 3).mean(0), made[100:, 110:].reshape(-1, 3).mean(0)
    assert np.argmax(for_it) == np.argmax(FOR) and np.argmax(against) == np.argmax(AGAINST)


def test_an_overlay_is_the_same_for_bytes_and_for_what_the_model_sees() -> None:
    image = torch.randint(0, 256, (3, 8, 9), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
    seen = (image / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    heat = torch.linspace(-1, 1, 72).view(8, 9)
    made = opened(overlay(image, heat))
    assert made.shape == (8 * 22, 9 * 22, 3), "small pictures are enlarged, every pixel to a square"
    assert np.abs(made - opened(overlay(seen, heat, mean=mean, std=std))).max() <= 1
    assert np.abs(opened(overlay(image[0], heat)) - opened(overlay(image[:1].float() / 255, heat))).max() <= 1
    assert overlay(image, heat, file_format="JPEG")[:3] == b"\xff\xd8\xff"
