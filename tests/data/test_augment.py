"""Varied images: the same as drawn one by one, by any grouping, with the spread that is promised."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from danlu.data import load_data
from danlu.data.augment import STRENGTHS, Augment
from danlu.data.columns import Columns
from danlu.data.images import ImageFiles
from danlu.data.loader import Loader
from danlu.data.order import AUGMENT, sample_seed, uniforms
from danlu.settings import Settings
from pictures import photos

STRONG = Augment(mirror=True, shift=0.2, zoom=0.3, stretch=0.1)


def mirrored_back(i: int, side: int) -> int:
    """Places beyond an edge stand for those before it: -1 → 0, -2 → 1, side → side - 1."""
    i %= 2 * side
    return i if i < side else 2 * side - 1 - i


def one_by_one(augment: Augment, x: Tensor, seed: int, epoch: int, position: int) -> Tensor:
    """A picture (C, H, W) varied pixel by pixel in float64."""
    flip, zoom, stretch, right, down = (2 * uniforms(seed, epoch, torch.tensor([position]), 5, AUGMENT)[0] - 1).tolist()
    sign = -1 if augment.mirror and flip < 0 else 1
    size, stretch = 1 + augment.zoom * zoom, augment.stretch * stretch
    _, height, width = x.shape
    out = torch.zeros(x.shape, dtype=torch.float64)
    for i in range(height):
        for j in range(width):
            v = (i + 0.5 - height / 2) * size * (1 - stretch) + height / 2 + augment.shift * height * down - 0.5
            u = (j + 0.5 - width / 2) * size * (1 + stretch) * sign + width / 2 + augment.shift * width * right - 0.5
            top, left = math.floor(v), math.floor(u)
            for a, weight_a in ((top, 1 - (v - top)), (top + 1, v - top)):
                for b, weight_b in ((left, 1 - (u - left)), (left + 1, u - left)):
                    seen = x[:, mirrored_back(a, height), mirrored_back(b, width)].double()
                    out[:, i, j] += weight_a * weight_b * seen
    return out


@pytest.mark.parametrize("shape", [(3, 12, 12), (1, 9, 14)])
def test_a_batch_is_what_each_picture_alone_would_be(shape: tuple[int, ...]) -> None:
    x = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([0, 1, 2, 77, 10_000, 2**33])
    found = STRONG(x, 5, 3, positions)
    for i, place in enumerate(positions.tolist()):
        expected = one_by_one(STRONG, x[i], 5, 3, place)
        assert torch.allclose(found[i].double(), expected, atol=2e-4), i


@pytest.mark.parametrize("side", [8, 28, 33, 64])
def test_any_grouping_and_any_number_of_threads_give_the_same_bits(side: int) -> None:
    x = torch.randn(70, 3, side, side, generator=torch.Generator().manual_seed(1))
    at = torch.arange(70) + 1000
    whole, threads = STRONG(x, 1, 2, at), torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            for size in (1, 7, 32):
                parts = [STRONG(a, 1, 2, b) for a, b in zip(x.split(size), at.split(size))]
                assert torch.equal(torch.cat(parts), whole)
    finally:
        torch.set_num_threads(threads)


def test_nothing_is_changed_by_a_strength_of_nothing_and_a_mirror_is_a_mirror() -> None:
    x = torch.randn(200, 3, 16, 16)
    assert torch.allclose(Augment()(x, 0, 0, torch.arange(200)), x, atol=1e-5)
    found = Augment(mirror=True)(x, 0, 0, torch.arange(200))
    same = (found - x).abs().amax((1, 2, 3)) < 1e-4
    turned = (found - x.flip(3)).abs().amax((1, 2, 3)) < 1e-4
    assert bool((same ^ turned).all())
    assert 70 <= int(turned.sum()) <= 130  # 4 sigma of 200 fair coins


def test_moves_and_zooms_are_spread_as_far_as_is_said() -> None:
    n, side = 4000, 33
    ramp = ((torch.arange(side) + 0.5) / side).expand(n, 1, side, side).contiguous()  # a picture of its own columns
    at = torch.arange(n)
    moved = Augment(shift=0.125)(ramp, 3, 0, at)[:, 0, 16, 16] - ramp[0, 0, 16, 16]
    assert float(moved.abs().max()) <= 0.125 + 1e-4 and abs(float(moved.mean())) < 6 * 0.125 / math.sqrt(3 * n)
    assert float(moved.std()) == pytest.approx(0.125 / math.sqrt(3), rel=0.05)
    zoomed = Augment(zoom=0.2)(ramp, 3, 0, at)[:, 0, 16]
    slope = (zoomed[:, 20] - zoomed[:, 12]) / (8 / side)
    assert float(slope.min()) >= 0.8 - 1e-3 and float(slope.max()) <= 1.2 + 1e-3
    assert float(slope.std()) == pytest.approx(0.2 / math.sqrt(3), rel=0.05)


def test_epochs_seeds_and_positions_have_draws_of_their_own() -> None:
    x = torch.randn(1, 3, 16, 16)
    found = [
        STRONG(x, seed, epoch, torch.tensor([at])) for seed, epoch, at in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    ]
    assert all(not torch.equal(a, b) for i, a in enumerate(found) for b in found[:i])
    assert len({sample_seed(0, 0, 0, stream) for stream in range(7)}) == 7  # its stream is no other's


# ---- in a loader


def columns(rows: int = 50) -> Columns:
    g = torch.Generator().manual_seed(2)
    return Columns((torch.randn(rows, 3, 10, 10, generator=g), torch.arange(rows)))


def loader(data: Any, batch_size: int = 8, augment: Augment | None = STRONG, **more: Any) -> Loader:
    made = Loader(data, batch_size, shuffle=True, seed=4, **more)
    made.augment = augment
    return made


def epochs_of(made: Loader, count: int = 2) -> list[list[Tensor]]:
    return [[torch.cat(parts) for parts in zip(*made)] for _ in range(count)]


def test_batches_of_any_size_are_the_same_pictures_in_the_same_order() -> None:
    expected = epochs_of(loader(columns()))
    for size in (1, 7, 50):
        for (x, y), (wanted_x, wanted_y) in zip(epochs_of(loader(columns(), size)), expected):
            assert torch.equal(x, wanted_x) and torch.equal(y, wanted_y)
    assert not torch.equal(expected[0][0].sort(0).values, expected[1][0].sort(0).values)


def test_a_row_is_varied_by_its_position_in_the_epoch() -> None:
    data, made = columns(), loader(columns())
    for epoch in (0, 1):
        rows = made.indices(epoch, 0, 50)
        plain = data.gather(torch.tensor(rows))[0]
        assert torch.equal(epochs_of(made, 1)[0][0], STRONG(plain, 4, epoch, torch.arange(50)))


def test_off_is_bit_for_bit_what_it_was() -> None:
    data, made = columns(), loader(columns(), augment=None)
    for epoch in (0, 1):
        rows = torch.tensor(made.indices(epoch, 0, 50))
        x, y = epochs_of(made, 1)[0]
        assert torch.equal(x, data.gather(rows)[0]) and torch.equal(y, rows)


def test_stopping_inside_an_epoch_changes_nothing() -> None:
    whole = [b[0] for b in loader(columns())]
    first = loader(columns())
    passing = iter(first)
    begun = [next(passing)[0] for _ in range(3)]
    second = loader(columns())
    second.load_state_dict(first.state_dict())
    rest = [b[0] for b in second]
    assert all(torch.equal(a, b) for a, b in zip([*begun, *rest], whole, strict=True))


def test_a_sampler_of_ones_own_has_positions_too() -> None:
    data = columns()
    made = Loader(data, 8, sampler=[3, 3, 1, 9, 20, 4, 5, 6, 7, 8], seed=4)
    made.augment = STRONG
    x = epochs_of(made, 1)[0][0]
    assert torch.equal(x, STRONG(data.gather(torch.tensor([3, 3, 1, 9, 20, 4, 5, 6, 7, 8]))[0], 4, 0, torch.arange(10)))


@pytest.mark.parametrize("workers", [0, 2])
def test_files_read_one_by_one_are_varied_as_those_in_memory(tmp_path: Path, workers: int) -> None:
    photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    found = []
    for cache in ("auto", "off"):
        data = load_data(tmp_path / "pets", None, None, Settings(cache=cache), layout="columns", own_model=False)
        assert isinstance(data.train, Columns if cache == "auto" else ImageFiles)
        found.append(epochs_of(loader(data.train, num_workers=workers if cache == "off" else 0)))
    for (x, y), (other_x, other_y) in zip(*found):
        assert torch.equal(x, other_x) and torch.equal(y, other_y)


def test_samples_left_out_do_not_move_the_others_draws(tmp_path: Path) -> None:
    photos(tmp_path / "pets", {"cat": 20, "dog": 20})
    data = load_data(tmp_path / "pets", None, None, Settings(cache="off"), layout="columns", own_model=False)
    whole = loader(data.train)
    expected, rows = epochs_of(whole, 1)[0][0], whole.indices(0, 0, len(data.train))
    gone = rows[5]
    Path(data.train.paths[gone]).write_bytes(b"nothing")
    x = epochs_of(loader(data.train, on_bad="skip", bad_limit=0.5), 1)[0][0]
    assert torch.equal(x, torch.cat((expected[:5], expected[6:])))


def test_strengths_have_names() -> None:
    assert list(STRENGTHS) == ["off", "jitter", "zoom", "zoom+mirror"] and STRENGTHS["off"] is None
    assert [s.mirror for s in STRENGTHS.values() if s] == [False, False, True]


def test_only_the_images_of_a_row_are_varied_and_all_alike() -> None:
    x, numbers = torch.rand(4, 3, 12, 12), torch.rand(4, 2)
    augment = Augment(shift=0.1, zoom=0.2, parts=(1, 2))
    found = augment.batch([numbers, x, x.clone(), torch.arange(4)], 0, 1, torch.arange(4))
    assert found[0] is numbers and torch.equal(found[1], found[2]) and not torch.equal(found[1], x)
    assert torch.equal(found[1], augment(x, 0, 1, torch.arange(4)))
