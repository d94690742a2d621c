"""Weights in files: other programs read ours, we read theirs, and nothing that a file holds is ever run."""

from __future__ import annotations

import errno
import json
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from safetensors.torch import save_file as their_save
from torch import Tensor, nn

import hostile
from crashes import Op, Recorder
from danlu.errors import DanluError
from danlu.fit import built, fill, fit_report
from danlu.types import Schema
from danlu.weights import load_model_files, load_weights, save_model, save_weights

CODE_EVENTS = (
    "compile",
    "exec",
    "import",
    "os.",
    "subprocess.",
    "socket.",
    "ctypes.",
    "shutil.",
    "pty.",
    "webbrowser.",
)
HARMLESS = ("os.scandir", "os.listdir", "os.fspath", "os.getxattr")  # looking, not doing


class Watch:
    """What the interpreter was asked to do while a file was read; audit hooks cannot be taken out again."""

    on = False
    seen: ClassVar[list[str]] = []

    @classmethod
    def hook(cls, event: str, args: tuple[Any, ...]) -> None:
        if not cls.on:
            return
        runs = event.startswith(CODE_EVENTS) and event not in HARMLESS
        writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if runs or writes:
            cls.seen.append(f"{event} {args!r:.200}")


sys.addaudithook(Watch.hook)


@contextmanager
def nothing_runs(folder: Path) -> Iterator[None]:
    Watch.seen, Watch.on = [], True
    try:
        yield
    finally:
        Watch.on = False
    assert Watch.seen == []
    assert not list(folder.rglob("PWNED")) and not (folder.parent / "PWNED").exists()
    assert "antigravity" not in sys.modules


@pytest.fixture(scope="module", autouse=True)
def warm(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The readers import on first use; after this, an import is a finding."""
    folder = tmp_path_factory.mktemp("warm")
    for suffix in (".pth", ".safetensors"):
        load_weights(save_weights(nn.Linear(1, 1), folder / f"w{suffix}"))
    load_model_files(hostile.good_folder(folder))
    for maker in (hostile.pickled_system, hostile.cut_short, hostile.legacy_torch_file, hostile.torchscript):
        try:
            load_weights(maker(folder))
        except DanluError as error:
            str(error)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """What a file claims to need is not given: more than 2 GB on top of now fails at once."""
    if sys.platform != "linux":
        yield
        return
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def test_the_watch_sees_a_bomb_go_off(tmp_path: Path) -> None:
    path = hostile.pickled_system(tmp_path)
    with pytest.raises(AssertionError, match=r"os\.system"), nothing_runs(tmp_path):
        torch.load(path, weights_only=False)
    assert (tmp_path / "PWNED").exists()


ALL = [(m.__name__, m) for m in hostile.FILES] + [(f"safetensors: {k}", m) for k, m in hostile.SAFETENSORS.items()]


@pytest.mark.parametrize("maker", [m for _, m in ALL], ids=[name for name, _ in ALL])
def test_hostile_files_are_refused_and_nothing_runs(
    maker: Callable[[Path], Path], tmp_path: Path, little_memory: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # a user's setting does not open the door
    path = maker(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with nothing_runs(tmp_path), pytest.raises(DanluError) as caught:
            load_weights(path)
    text = str(caught.value)
    assert caught.value.code in ("DL420", "DL421", "DL422", "DL425")
    assert path.name in text and len(text.splitlines()) <= 8 and text.isprintable() is False  # newlines only
    assert all(line.isprintable() for line in text.splitlines())
    assert not any("root:" in line for line in text.splitlines())


@pytest.mark.parametrize("maker", hostile.FOLDERS.values(), ids=hostile.FOLDERS)
def test_hostile_model_folders_are_refused_and_nothing_runs(
    maker: Callable[[Path], Path], tmp_path: Path, little_memory: None
) -> None:
    path = maker(tmp_path)
    with nothing_runs(tmp_path), pytest.raises(DanluError) as caught:
        load_model_files(path)
    assert caught.value.code in ("DL420", "DL424")
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_codes_tell_what_is_wrong(tmp_path: Path) -> None:
    cases = {
        hostile.pickled_system: ("DL421", "system"),
        hostile.whole_module: ("DL421", "torch.nn.modules.linear.Linear"),
        hostile.zip_bomb: ("DL425", "300,0"),
        hostile.no_tensors: ("DL420", "no tensors by name"),
        hostile.web_page: ("DL420", "neither a safetensors file"),  # and not torch's advice to run what it holds
    }
    for maker, (code, words) in cases.items():
        folder = tmp_path / maker.__name__
        folder.mkdir()
        with pytest.raises(DanluError, match=words) as caught:
            load_weights(maker(folder))
        assert caught.value.code == code


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_random_damage_never_escapes_as_another_error(data: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("damage")
    kind = data.draw(st.sampled_from([".pth", ".safetensors"]))
    path = save_weights(nn.Linear(3, 2), folder / f"w{kind}")
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    try:
        tensors = load_weights(path)
    except DanluError as error:
        assert error.code in ("DL420", "DL421", "DL425")
    else:
        assert all(isinstance(t, Tensor) for t in tensors.values())


# --- reading and writing ---------------------------------------------------------------------------------------------


def tied_net() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 7, bias=False))
    net[3].weight = net[0].weight
    return net


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.bin", "w.safetensors", "W.PTH"])
def test_a_state_dict_comes_back_and_others_read_it(name: str) -> None:
    net = tied_net()
    path = save_weights(net, name)
    wanted = dict(net.state_dict())
    assert equal(load_weights(path), wanted)
    theirs = load_file(path) if name.endswith("s") else torch.load(path, weights_only=True)
    assert equal(theirs, wanted)
    other = tied_net()
    with torch.no_grad():
        for p in other.parameters():
            p.zero_()
    load_weights(path, other)
    assert equal(dict(other.state_dict()), wanted)


def test_we_read_what_others_wrote(tmp_path: Path) -> None:
    wanted = {"a": torch.randn(3, 2), "b": torch.arange(4), "c": torch.randn(2).bfloat16()}
    their_save(wanted, tmp_path / "t.safetensors")
    torch.save(wanted, tmp_path / "t.pth")
    torch.save(wanted, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "optimizer": {"state": {}}, "model_state_dict": wanted}, tmp_path / "wrapped.pth")
    torch.save({k: nn.Parameter(v, requires_grad=v.is_floating_point()) for k, v in wanted.items()}, tmp_path / "p.pth")
    (tmp_path / "no suffix").write_bytes((tmp_path / "t.safetensors").read_bytes())
    for name in ("t.safetensors", "t.pth", "old.pth", "wrapped.pth", "p.pth", "no suffix"):
        assert equal(load_weights(tmp_path / name), wanted), name
        assert not any(t.requires_grad for t in load_weights(tmp_path / name).values())


def test_wrappers_prefixes_are_dropped() -> None:
    net = nn.Linear(2, 3)
    save_weights({f"module._orig_mod.{k}": v for k, v in net.state_dict().items()}, "w.pth")
    other = nn.Linear(2, 3)
    load_weights("w.pth", other)
    assert equal(dict(other.state_dict()), dict(net.state_dict()))


def test_what_does_not_fit_is_listed_and_nothing_is_loaded() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    save_weights(
        {"0.weight": torch.zeros(3, 9), "0.bias": torch.zeros(3, dtype=torch.int64), "\x1b[2Jevil": torch.ones(1)},
        "w.pth",
    )
    before = {k: v.clone() for k, v in net.state_dict().items()}
    found = fit_report(net, load_weights("w.pth"))
    assert found.missing == ("1.weight", "1.bias") and found.unexpected == ("\x1b[2Jevil",) and not found.ok
    assert found.mismatched == (
        ("0.weight", "float32 (3, 9)", "float32 (3, 2)"),
        ("0.bias", "int64 (3,)", "float32 (3,)"),
    )
    with pytest.raises(DanluError) as caught:
        load_weights("w.pth", net)
    assert caught.value.code == "DL423" and "\x1b" not in str(caught.value)
    for words in (
        "missing in the file: 1.weight, 1.bias",
        "only in the file: '\\x1b[2Jevil'",
        "0.weight float32 (3, 9) ≠",
    ):
        assert words in str(caught.value)
    assert equal(dict(net.state_dict()), before)
    assert str(fit_report(net, before)) == ""


def test_half_precision_weights_fit_a_float_model() -> None:
    net = nn.Linear(2, 3)
    fill(net, {k: v.half() for k, v in net.state_dict().items()})
    assert net.weight.dtype == torch.float32


def test_unknown_endings_and_missing_files() -> None:
    with pytest.raises(DanluError) as caught:
        save_weights(nn.Linear(1, 1), "w.h5")
    assert caught.value.code == "DL426" and ".h5" in str(caught.value)
    save_weights(nn.Linear(1, 1), "weights.pth")
    with pytest.raises(DanluError, match=r"did you mean 'weights\.pth'") as caught:
        load_weights("weigths.pth")
    assert caught.value.code == "DL422"
    for path in ("nowhere/w.pth", "a\0b"):
        with pytest.raises(DanluError) as caught:
            load_weights(path)
        assert caught.value.code == "DL422"


def test_what_could_not_be_read_back_is_not_written() -> None:
    class Odd(nn.Linear):
        state: Any = None

        def get_extra_state(self) -> Any:
            return self.state

        def set_extra_state(self, state: Any) -> None:
            self.state = state

    net = Odd(1, 1)
    net.state = object()
    for name in ("w.pth", "w.safetensors"):
        with pytest.raises(DanluError) as caught:
            save_weights(net, name)
        assert caught.value.code == "DL412" and not os.path.exists(name)
    net.state = {"count": 3}
    with pytest.raises(DanluError):
        save_weights(net, "w.safetensors")
    save_weights(net, "w.pth")
    assert load_weights("w.pth", Odd(1, 1)).keys() == {"weight", "bias"}


def test_a_failing_write_keeps_the_old_file(tmp_path: Path) -> None:
    for name in ("w.safetensors", "w.pth"):
        path = save_weights({"a": torch.ones(3)}, tmp_path / name)
        old = path.read_bytes()
        for call in range(4):  # create, write, fsync, rename
            left = [call]

            def fail(op: Op, left: list[int] = left) -> None:
                left[0] -= 1
                if left[0] < 0 and op.kind != "unlink":
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            with pytest.MonkeyPatch.context() as patch:
                Recorder(tmp_path, patch, fail)
                with pytest.raises(DanluError) as caught:
                    save_weights({"a": torch.zeros(3)}, path)
            assert caught.value.code == "DL401" and name in str(caught.value)
            assert path.read_bytes() == old
        assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(name)) == [name]


def test_loaded_tensors_do_not_change_with_the_file(tmp_path: Path) -> None:
    path = save_weights({"a": torch.ones(1000)}, tmp_path / "w.safetensors")
    tensors = load_weights(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert torch.equal(tensors["a"], torch.ones(1000))


# --- model folders ---------------------------------------------------------------------------------------------------


def test_a_model_folder_comes_back(tmp_path: Path) -> None:
    net = tied_net()
    config = {"model": {"class": "__main__.Net"}, "scale": "logits", "monitor": "val/accuracy"}
    for _ in range(2):
        save_model(tmp_path / "run" / "model", net, config, hostile.SCHEMA)
    for path in (tmp_path / "run" / "model", tmp_path / "run"):
        found, schema, tensors = load_model_files(path)
        assert {k: found[k] for k in config} == config
        assert schema == hostile.SCHEMA and isinstance(schema, Schema)
        assert equal(tensors, dict(net.state_dict()))
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["model"]
    assert sorted(p.name for p in (tmp_path / "run" / "model").iterdir()) == [
        "config.json",
        "schema.json",
        "weights.safetensors",
    ]
    assert "3.weight" not in load_file(tmp_path / "run" / "model" / "weights.safetensors")  # tied: once


def test_changed_weights_are_found(tmp_path: Path) -> None:
    path = hostile.good_folder(tmp_path)
    save_weights({"weight": torch.zeros(2, 3), "bias": torch.zeros(2)}, path / "weights.safetensors")
    with pytest.raises(DanluError, match=r"not the file that config\.json names"):
        load_model_files(path)


def test_a_crash_at_any_call_leaves_one_model(tmp_path: Path) -> None:
    """As by kill -9 before each call that changes the disk: the old model or the new one, whole."""

    class Dead(BaseException):
        pass

    nets = [nn.Linear(3, 2), nn.Linear(3, 2)]
    folder = tmp_path / "run" / "model"
    save_model(folder, nets[0], hostile.CONFIG, hostile.SCHEMA)
    dead = 0
    for call in range(60):
        left = [call]

        def die(op: Op, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:  # dead: nothing after this happens either
                raise Dead

        with pytest.MonkeyPatch.context() as patch:
            Recorder(tmp_path, patch, die)
            try:
                save_model(folder, nets[(call + 1) % 2], hostile.CONFIG, hostile.SCHEMA)
            except Dead:
                dead += 1
        _, _, tensors = load_model_files(folder)
        assert any(equal(tensors, dict(net.state_dict())) for net in nets), call
    assert 12 <= dead < 60


def test_sizes_that_do_not_fit_the_weights_get_no_memory(little_memory: None) -> None:
    tensors = dict(nn.Linear(3, 2).state_dict())
    with pytest.raises(DanluError, match=r"weight float32 \(2, 3\) ≠ float32 \(1000000, 1000000\)") as caught:
        built(lambda: nn.Linear(10**6, 10**6), tensors)
    assert caught.value.code == "DL423"
    module = built(lambda: nn.Linear(3, 2), tensors)
    assert equal(dict(module.state_dict()), tensors) and not module.training


def test_json_is_for_people_too(tmp_path: Path) -> None:
    path = hostile.good_folder(tmp_path)
    text = (path / "schema.json").read_text("utf-8")
    assert json.loads(text)["fields"][1]["classes"] == ["cat", "dog"] and text.count("\n") > 20
