"""Summaries against counts by hand, and that looking at a model changes nothing in it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from danlu.summary import Row, Summary, summarise


def row(summary: Summary, name: str) -> Row:
    (found,) = [r for r in summary.rows if r.name == name]
    return found


def names(summary: Summary) -> list[str]:
    return [r.name for r in summary.rows]


def test_a_convolutional_net_by_hand() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 6 * 5, 10))
    net[0].weight.requires_grad_(False)
    found = summarise(net, (torch.randn(4, 3, 6, 5), torch.zeros(4, dtype=torch.long)))
    assert names(found) == ["", "0", "1", "2", "3"]
    assert [r.kind for r in found.rows] == ["Sequential", "Conv2d", "ReLU", "Flatten", "Linear"]
    assert [r.shapes for r in found.rows[1:]] == [
        (("", (4, 8, 6, 5)),),
        (("", (4, 8, 6, 5)),),
        (("", (4, 240)),),
        (("", (4, 10)),),
    ]
    conv, linear = 2 * 4 * (6 * 5) * 8 * (3 * 3 * 3), 2 * 4 * 240 * 10
    assert [r.flops for r in found.rows] == [0, conv, 0, 0, linear]
    assert [r.parameters for r in found.rows] == [0, 8 * 27 + 8, 0, 0, 2410]
    assert row(found, "0").trainable == 8
    assert (found.parameters, found.trainable, found.flops) == (224 + 2410, 8 + 2410, conv + linear)
    assert (found.bytes, found.samples) == (4 * 2634, 4)


def test_flops_are_those_of_torchs_counter_and_columns_add_up() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    net = nn.Sequential(nn.Linear(8, 16), nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(16, 3))
    x = torch.randn(5, 7, 8)
    with FlopCounterMode(display=False) as counter:
        net.train()(x)  # with gradients: neither a shortcut nor inference mode
    found = summarise(net, x)
    assert found.flops == counter.get_total_flops() > 0
    assert found.flops == sum(r.flops or 0 for r in found.rows)
    assert found.parameters == sum(p.numel() for p in net.parameters()) == sum(r.parameters for r in found.rows)
    uncalled = row(found, "1.layers.0.self_attn.out_proj")  # attention uses its weights without calling it
    assert (uncalled.calls, uncalled.shapes, uncalled.parameters) == (0, (), 16 * 16 + 16)
    assert names(found).index("1.layers.0.self_attn.out_proj") == names(found).index("1.layers.0.self_attn") + 1
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers_meet_all_their_matrices_at_every_step(kind: type[nn.RNNBase]) -> None:
    net = kind(6, 9, num_layers=2, bidirectional=True, batch_first=True)
    found = summarise(net, torch.randn(4, 11, 6))
    matrices = sum(p.numel() for p in net.parameters() if p.ndim == 2)
    assert found.flops == 2 * 4 * 11 * matrices
    assert found.rows[0].shapes[0] == ("0", (4, 11, 18))


@pytest.mark.parametrize(("name", "weights"), [("resnet18", "ResNet18"), ("mobilenet_v3_small", "MobileNet_V3_Small")])
def test_parameters_and_multiply_adds_are_those_torchvision_publishes(name: str, weights: str) -> None:
    models = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    told = getattr(models, f"{weights}_Weights").IMAGENET1K_V1.meta
    found = summarise(getattr(models, name)(), torch.randn(1, 3, 224, 224))
    assert found.parameters == told["num_params"]
    assert found.flops is not None
    assert found.flops / 2e9 == pytest.approx(told["_ops"], abs=0.001)


class Tied(nn.Module):
    """One embedding under two names, a head with the embedding's own weight, and a layer that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.alias = self.embed
        self.block = nn.Linear(8, 8)
        self.head = nn.Linear(8, 20, bias=False)
        self.head.weight = self.embed.weight
        self.unused = nn.Linear(3, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.block(self.block(self.alias(tokens)))
        out: Tensor = self.head(x)
        return out


def test_shared_modules_and_tied_weights_count_once_and_repeats_are_told() -> None:
    net = Tied()
    found = summarise(net, torch.randint(0, 20, (3, 5)))
    assert names(found) == ["", "embed", "block", "head", "unused"]
    assert [r.parameters for r in found.rows] == [0, 160, 72, 0, 8]
    assert [r.calls for r in found.rows] == [1, 1, 2, 1, 0]
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert row(found, "block").flops == 2 * (2 * 15 * 8 * 8)
    assert row(found, "head").flops == 2 * 15 * 8 * 20
    assert found.bytes == 4 * 240


@dataclass
class Answer:
    logits: Tensor
    note: str


class Talkative(nn.Module):
    """Sub-modules that return dicts, tuples, dataclasses, and no tensor at all."""

    class Dict(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"a": x, "more": (x[:, :1], None, {"b": x.T})}

    class Words(nn.Module):
        def forward(self, x: Tensor) -> str:
            return f"{len(x)} rows"

    class Record(nn.Module):
        def forward(self, x: Tensor) -> Answer:
            return Answer(x, "fine")

    def __init__(self) -> None:
        super().__init__()
        self.dict, self.words, self.record = Talkative.Dict(), Talkative.Words(), Talkative.Record()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.words(x)
        return self.dict(x)["a"], self.record(x).logits


def test_outputs_of_every_shape() -> None:
    found = summarise(Talkative(), torch.randn(4, 2))
    assert found.rows[0].shapes == (("0", (4, 2)), ("1", (4, 2)))
    assert row(found, "dict").shapes == (("a", (4, 2)), ("more.0", (4, 1)), ("more.2.b", (2, 4)))
    assert row(found, "words").shapes == ()
    assert row(found, "record").shapes == (("logits", (4, 2)),)


def test_a_batch_by_name_finds_its_arguments() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 2)

        def forward(self, left: Tensor, right: Tensor) -> Tensor:
            out: Tensor = self.layer(left + right)
            return out

    x = torch.randn(6, 3)
    found = summarise(Two(), {"right": x, "left": x, "label": torch.zeros(6)})
    assert found.samples == 6 and row(found, "layer").shapes == (("", (6, 2)),)
    assert summarise(Two(), (x, x, torch.zeros(6))) == found


class Restless(nn.Module):
    """Draws from every generator, and leaves traces wherever a forward can leave them, even in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.out = nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2)
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("replaced", torch.zeros(()))
        self.generator = torch.Generator().manual_seed(5)
        self.log: list[int] = []
        self.cache: dict[str, Tensor] = {}
        self.hidden: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = x + torch.randn(()) + float(np.random.randn()) + random.random()
        x = x + torch.randn((), generator=self.generator)
        self.seen += 1
        self.replaced = self.replaced + 1
        self.log.append(len(x))
        self.cache["x"] = self.hidden = self.new = x
        out: Tensor = self.out(self.drop(self.norm(x)))
        return out


def test_looking_leaves_no_trace() -> None:
    net = Restless().train()
    net.norm.eval()
    calls: list[int] = []
    net.out.register_forward_hook(lambda *_: calls.append(1))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    objects = {name: id(value) for name, value in net.state_dict(keep_vars=True).items()}
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate(), net.generator.get_state()
    summarise(net, torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))

    assert torch.equal(torch.get_rng_state(), states[0]) and torch.equal(net.generator.get_state(), states[3])
    assert np.array_equal(np.random.get_state()[1], states[1]) and random.getstate() == states[2]
    assert [m.training for m in net.modules()] == [True, False, True, True]
    assert {name: id(value) for name, value in net.state_dict(keep_vars=True).items()} == objects
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert (net.log, net.cache, net.hidden) == ([], {}, None) and not hasattr(net, "new")
    assert calls == [1], "the user's own hook is still there and ran once"
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in net.modules()] == [
        (0, 0),
        (0, 0),
        (0, 0),
        (1, 0),
    ]
    net(torch.randn(4, 4)).sum().backward()  # no inference tensor is left inside
    assert net.out.weight.grad is not None


def test_a_failing_model_is_put_back_too_and_its_error_comes_through() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 4), nn.Linear(5, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.second(self.first(x))
            return out

    net = Broken().train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        summarise(net, torch.randn(2, 3))
    assert all(m.training and not m._forward_hooks and not m._forward_pre_hooks for m in net.modules())
    assert not torch.is_inference_mode_enabled()


def test_an_error_that_a_parent_catches_does_not_confuse_the_rows() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("not today")

    class Tries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fails, self.works = Fails(), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            try:
                x = self.fails(x)
            except ValueError:
                x = F.linear(x, torch.eye(3))
            out: Tensor = self.works(x)
            return out

    found = summarise(Tries(), torch.randn(4, 3))
    assert row(found, "fails").shapes == () and row(found, "works").shapes == (("", (4, 2)),)
    assert row(found, "works").flops == 2 * 4 * 3 * 2
    assert found.flops == 2 * 4 * 3 * 2 + 2 * 4 * 3 * 3


def test_lazy_modules_stay_lazy_and_are_summarised() -> None:
    net = nn.Sequential(nn.LazyLinear(7), nn.ReLU(), nn.LazyBatchNorm1d(), nn.Linear(7, 2))
    state = torch.get_rng_state()
    found = summarise(net, (torch.randn(5, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(5)))
    assert [r.parameters for r in found.rows] == [0, 3 * 7 + 7, 0, 14, 16]
    assert isinstance(net[0], nn.LazyLinear) and isinstance(net[0].weight, nn.UninitializedParameter)
    assert torch.equal(torch.get_rng_state(), state)
    net(torch.randn(5, 3)).sum().backward()


def test_compiled_and_scripted_models() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    x = torch.randn(5, 3)
    plain = summarise(net, x)
    assert summarise(torch.compile(net), x) == plain
    traced = summarise(torch.jit.trace(net, x), x)
    assert (traced.parameters, traced.flops) == (plain.parameters, plain.flops)


def test_scripted_parts_take_no_hooks_and_count_for_what_they_are_in() -> None:
    inner = torch.jit.script(nn.Sequential(nn.Linear(3, 4), nn.ReLU()))
    net = nn.Sequential(inner, nn.Linear(4, 2))
    found = summarise(net, torch.randn(5, 3))
    assert (row(found, "0.0").calls, row(found, "0.0").parameters) == (0, 16)
    assert (row(found, "").flops, row(found, "1").flops) == (2 * 5 * 3 * 4, 2 * 5 * 4 * 2)
    alone = summarise(inner, torch.randn(5, 3))
    assert names(alone) == ["", "0"] and (alone.parameters, alone.flops) == (16, 2 * 5 * 3 * 4)


@pytest.mark.parametrize("made", ["weight_norm", "spectral_norm"])
def test_parametrised_layers_keep_their_state_and_count(made: str) -> None:
    from torch.nn.utils import parametrizations

    net = nn.Sequential(getattr(parametrizations, made)(nn.Linear(4, 6))).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    found = summarise(net, torch.randn(3, 4))
    assert row(found, "0").flops == 2 * 3 * 4 * 6
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    net(torch.randn(3, 4)).sum().backward()


def test_where_torchs_counter_fails_the_rest_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.utils import flop_counter

    def broken(*args: Any, **more: Any) -> int:
        raise AssertionError("no formula for this")

    monkeypatch.setitem(flop_counter.flop_registry, torch.ops.aten.addmm, broken)
    found = summarise(nn.Sequential(nn.Linear(3, 4)), torch.randn(5, 3))
    assert found.flops is None and [r.flops for r in found.rows] == [None, None]
    assert found.parameters == 16 and row(found, "0").shapes == (("", (5, 4)),)
