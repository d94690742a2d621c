"""Models of torchvision and timm by name: sizes, channels, names, absence, and the weights of their hubs."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torch import nn

from danlu.errors import DanluError
from danlu.fit import built
from danlu.models import arguments, build, check_name, library
from danlu.types import Field, Schema

CLASSES = Field("y", "category", "target", classes=("a", "b", "c"))


def images(channels: int, height: int, width: int) -> Schema:
    return Schema((Field("x", "image", "input", shape=(channels, height, width)), CLASSES), "classification", "image")


def made(name: str, schema: Schema) -> nn.Module:
    return build(name, json.loads(json.dumps(arguments(name, schema))))


@pytest.mark.parametrize(
    ("name", "channels", "side"),
    [
        ("torchvision/squeezenet1_1", 1, 64),
        ("torchvision/shufflenet_v2_x0_5", 4, 48),
        ("torchvision/googlenet", 3, 96),
        ("torchvision/mobilenet_v3_small", 3, 32),
        ("timm/mobilenetv3_small_050", 1, 48),
        ("timm/test_vit", 3, 64),
        ("timm/resnet10t.c3_in1k", 2, 64),
    ],
)
def test_a_librarys_model_is_made_for_the_datas_classes_channels_and_size(name: str, channels: int, side: int) -> None:
    pytest.importorskip(name.partition("/")[0])
    model = made(name, images(channels, side, side)).train()
    output = model(torch.randn(2, channels, side, side))
    assert output.shape == (2, 3)
    output.sum().backward()  # no helper heads: one tensor comes out in training too


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("torchvision/efficientnet_b9", "torchvision/efficientnet_b"),
        ("timm/mobilenetv3_smal_100", "timm/mobilenetv3_small_100"),
        ("timm/resnet18.no_such_weights", "timm/resnet18"),
        ("efficientnet_b0", "torchvision/efficientnet_b0"),  # danlu has none, but knows who has
        ("mobilenetv3_small_100", "timm/mobilenetv3_small_100"),
        ("resnet19", "resnet1"),  # its own first
    ],
)
def test_a_name_that_is_not_there_is_answered_with_one_that_is(name: str, near: str) -> None:
    pytest.importorskip("torchvision")
    pytest.importorskip("timm")
    with pytest.raises(DanluError) as error:
        check_name(name)
    assert error.value.code == "DL270"
    assert f"model='{near}" in error.value.fix
    check_name(error.value.fix.split("'")[1])


def test_names_outside_the_libraries_lists_are_never_built() -> None:
    """timm would take a hub's address as a name."""
    pytest.importorskip("timm")
    for name in ("timm/hf-hub:somebody/model", "timm/hf_hub:somebody/model", "torchvision/fcn_resnet50", "timm/"):
        with pytest.raises(DanluError, match="DL270"):
            build(name, {"channels": 3, "outputs": 2, "size": [32, 32]})


@pytest.mark.parametrize("name", ["torchvision", "timm"])
def test_a_library_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DanluError) as error:
        check_name(f"{name}/resnet18")
    assert error.value.code == "DL030" and "danlu[vision]" in error.value.fix
    assert not any(known.startswith(name) for known in library.everywhere())
    check_name("resnet50")  # danlu's own need neither


def test_on_the_meta_device_or_not_a_saved_model_is_made_again() -> None:
    """RegNets compute their widths with tensors, which the meta device does not have."""
    pytest.importorskip("torchvision")
    schema = images(3, 64, 64)
    for name in ("torchvision/regnet_y_400mf", "torchvision/squeezenet1_1"):
        model = made(name, schema)
        again = built(lambda name=name: made(name, schema), model.state_dict())  # type: ignore[misc]
        assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values()))


def test_a_size_that_a_model_cannot_have_is_said() -> None:
    pytest.importorskip("torchvision")
    with pytest.raises(DanluError) as error:
        made("torchvision/vit_b_16", images(3, 50, 50))
    assert error.value.code == "DL281" and "50 x 50" in str(error.value) and "--size 224" in error.value.fix
    with pytest.raises(DanluError, match="DL281"):
        made("torchvision/vit_b_16", images(3, 32, 64))


@pytest.mark.parametrize(
    ("name", "mean", "size"),
    [
        ("torchvision/efficientnet_b1", 0.485, 240),
        ("torchvision/squeezenet1_1", 0.485, 224),
        ("timm/vit_base_patch16_224.augreg_in21k", 0.5, 224),
        ("timm/resnet18.a1_in1k", 0.485, 224),
    ],
)
def test_what_images_the_weights_expect(name: str, mean: float, size: int) -> None:
    """Numbers from the two libraries' published tables."""
    pytest.importorskip(name.partition("/")[0])
    found = library.expected(name)
    assert found is not None and found.mean[0] == mean and found.size == size and len(found.std) == 3


def test_default_weights_come_by_the_librarys_own_code(monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("torchvision.models")
    theirs = models.squeezenet1_1().state_dict()
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", lambda url, **_: theirs)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = library.hub_tensors("torchvision/squeezenet1_1")
    assert found.keys() == theirs.keys() and all(torch.equal(found[k], theirs[k]) for k in theirs)
    assert torch.equal(torch.get_rng_state(), before)  # what they were loaded into drew no number from the run's


@pytest.mark.parametrize("name", ["torchvision/squeezenet1_1", "timm/test_vit", "timm/resnet10t.c3_in1k"])
def test_without_network_the_fix_is_a_local_file(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(name.partition("/")[0])

    def offline(*_: Any, **__: Any) -> None:
        raise URLError("Name or service not known")

    places = ["torchvision.models._api.load_state_dict_from_url"]
    if name.startswith("timm"):
        places = [f"timm.models._builder.load_state_dict_from_{place}" for place in ("url", "hf")]
    for place in places:
        monkeypatch.setattr(place, offline)
    with pytest.raises(DanluError) as error:
        library.hub_tensors(name)
    assert error.value.code == "DL282" and "Name or service not known" in error.value.why
    assert "weights=" in error.value.fix
    assert ".pth" in error.value.fix or "timm/test_vit" in error.value.fix  # where to get it from


def test_files_are_brought_to_a_models_own_names_and_sizes() -> None:
    models = pytest.importorskip("torchvision.models")
    old = {name.replace("norm1.", "norm.1.").replace("conv1.", "conv.1."): t for name, t in DENSE.items()}
    dense = models.densenet121(num_classes=2)
    assert library.adapted(dense, old).keys() == DENSE.keys()
    vit = models.VisionTransformer(32, 8, 1, 2, 16, 16, num_classes=2)
    larger = models.VisionTransformer(64, 8, 1, 2, 16, 16, num_classes=2).state_dict()
    assert library.adapted(vit, larger)["encoder.pos_embedding"].shape == vit.encoder.pos_embedding.shape
    plain = {"a": torch.ones(2)}
    assert library.adapted(nn.Linear(2, 2), plain) == plain


DENSE = {
    f"features.denseblock1.denselayer1.{name}": torch.zeros(1)
    for name in ("norm1.weight", "norm1.running_mean", "conv1.weight", "norm2.bias", "conv2.weight")
}
