"""The averaged weights follow the formula, are swapped in and out bit for bit, and go on after a stop."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from danlu.ema import Ema


def moved(model: nn.Module, seed: int) -> None:
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=g).to(p.dtype))


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def test_the_average_follows_its_formula() -> None:
    model = net()
    ema = Ema(model, 0.5)
    expected = [p.detach().double().clone() for p in model.parameters()]
    for n in range(1, 21):
        moved(model, n)
        ema.update()
        d = min(0.5, (1 + n) / (10 + n))
        expected = [d * e + (1 - d) * p.detach().double() for e, p in zip(expected, model.parameters())]
    for average, e in zip(ema.averages, expected):
        torch.testing.assert_close(average.double(), e, rtol=1e-5, atol=1e-6)


def test_swapped_in_and_out_bit_for_bit() -> None:
    model = net()
    ema = Ema(model, 0.9)
    moved(model, 1)
    ema.update()
    own = {k: v.clone() for k, v in model.state_dict().items()}
    with ema.swapped():
        assert all(torch.equal(p, a) for p, a in zip(model.parameters(), ema.averages))
        assert torch.equal(model[1].running_mean, own["1.running_mean"])  # type: ignore[arg-type]
        held = ema.averages[0].clone()
    assert all(torch.equal(v, own[k]) for k, v in model.state_dict().items())
    assert torch.equal(ema.averages[0], held)


def test_the_models_own_weights_come_back_after_an_error() -> None:
    model = net()
    ema = Ema(model, 0.9)
    moved(model, 1)
    own = model[0].weight.detach().clone()
    with pytest.raises(RuntimeError), ema.swapped():
        raise RuntimeError
    assert torch.equal(model[0].weight, own)


def test_going_on_after_a_stop_is_exact() -> None:
    a, b = net(), net()
    first, second = Ema(a, 0.99), Ema(b, 0.5)
    for n in range(3):
        moved(a, n)
        first.update()
    b.load_state_dict(a.state_dict())
    saved = first.state()
    second.load({**saved, "averages": {k: v.clone() for k, v in saved["averages"].items()}})
    for n in range(3, 6):
        for model, ema in ((a, first), (b, second)):
            moved(model, n)
            ema.update()
    assert all(torch.equal(x, y) for x, y in zip(first.averages, second.averages))
    with pytest.raises(KeyError):
        second.load({**saved, "averages": {}})


def test_the_averages_can_stay() -> None:
    model = net()
    ema = Ema(model, 0.9)
    moved(model, 1)
    ema.copy_to_model()
    assert all(torch.equal(p, a) for p, a in zip(model.parameters(), ema.averages))


def test_frozen_weights_are_left_alone_and_half_ones_averaged_in_full() -> None:
    model = net().bfloat16()
    model[0].requires_grad_(False)
    ema = Ema(model, 0.999)
    assert ema.names == ["1.weight", "1.bias", "2.weight", "2.bias"]
    before = model[2].weight.detach().clone()
    with torch.no_grad():
        model[2].weight.add_(1e-2)
    for _ in range(50):
        ema.update()
    average = ema.averages[2]
    assert average.dtype is torch.float32 and bool((average > before.float()).all())
    with ema.swapped():
        assert model[2].weight.dtype is torch.bfloat16


def test_a_model_without_weights() -> None:
    ema = Ema(nn.ReLU(), 0.9)
    ema.update()
    with ema.swapped():
        assert ema.updates == 1
