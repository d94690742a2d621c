"""Model files and folders made to harm: each maker writes one into a folder and returns the path to load."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from danlu.types import Field, Schema
from danlu.weights import save_model

SCHEMA = Schema(
    (
        Field("x", "number", "input", shape=(3,)),
        Field("y", "category", "target", dtype="int64", classes=("cat", "dog")),
    ),
    "classification",
    "matrix",
    "table",
)
CONFIG = {"model": {"name": "mlp", "arguments": {"inputs": 3, "outputs": 2}}, "scale": "logits"}


class Bomb:
    """Unpickling it runs a command that leaves a trace."""

    def __init__(self, call: Any, *args: Any) -> None:
        self.call, self.args = call, args

    def __reduce__(self) -> Any:
        return self.call, self.args


def touch(folder: Path) -> str:
    return f"touch {folder / 'PWNED'}"


# --- weights files ---------------------------------------------------------------------------------------------------


def pickled_system(folder: Path) -> Path:
    torch.save({"w": Bomb(os.system, touch(folder))}, folder / "a.pth")
    return folder / "a.pth"


def pickled_exec(folder: Path) -> Path:
    code = f"open({str(folder / 'PWNED')!r}, 'w')"
    torch.save(Bomb(exec, code), folder / "a.bin")
    return folder / "a.bin"


def pickled_import(folder: Path) -> Path:
    torch.save({"w": Bomb(__import__, "antigravity")}, folder / "a.pt")
    return folder / "a.pt"


def bare_pickle(folder: Path) -> Path:
    (folder / "a.pth").write_bytes(pickle.dumps(Bomb(os.system, touch(folder))))
    return folder / "a.pth"


def old_protocol_pickle(folder: Path) -> Path:
    (folder / "a.pth").write_bytes(b"cos\nsystem\n(S'" + touch(folder).encode() + b"'\ntR.")
    return folder / "a.pth"


def legacy_torch_file(folder: Path) -> Path:
    torch.save({"w": Bomb(os.system, touch(folder))}, folder / "a.pth", _use_new_zipfile_serialization=False)
    return folder / "a.pth"


def pickle_named_safetensors(folder: Path) -> Path:
    return bare_pickle(folder).rename(folder / "a.safetensors")


def torch_archive_named_safetensors(folder: Path) -> Path:
    return pickled_system(folder).rename(folder / "a.safetensors")


def whole_module(folder: Path) -> Path:
    torch.save(nn.Linear(2, 2), folder / "a.pth")
    return folder / "a.pth"


def torchscript(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.pt", "w") as archive:
        archive.writestr("a/code/__torch__.py", "raise SystemExit")
        archive.writestr("a/constants.pkl", pickle.dumps(Bomb(os.system, touch(folder))))
        archive.writestr("a/data.pkl", pickle.dumps(Bomb(os.system, touch(folder))))
    return folder / "a.pt"


def setattr_through_build(folder: Path) -> Path:
    """BUILD on an allowed class, to change the class itself."""
    state = pickle.dumps(Bomb(setattr, torch.nn.Parameter, "__init__", print))
    (folder / "a.pth").write_bytes(state)
    return folder / "a.pth"


def zip_bomb(folder: Path) -> Path:
    torch.save({"w": torch.zeros(4)}, folder / "small.pth")
    with (
        zipfile.ZipFile(folder / "small.pth") as old,
        zipfile.ZipFile(folder / "a.pth", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            data = bytes(300_000_000) if entry.filename.endswith("data/0") else old.read(entry)
            new.writestr(entry.filename, data)
    return folder / "a.pth"


def overlapping_zip(folder: Path) -> Path:
    """Twenty entries that all lie at the same bytes."""
    path = folder / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("a/data/0", bytes(1 << 20))
        first = archive.infolist()[1]
        for i in range(1, 20):
            entry = zipfile.ZipInfo(f"a/data/{i}")
            entry.header_offset, entry.file_size, entry.compress_size, entry.CRC = (
                first.header_offset,
                first.file_size,
                first.compress_size,
                first.CRC,
            )
            archive.filelist.append(entry)
            archive.NameToInfo[entry.filename] = entry
    return path


def traversal_in_zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.pth", "w") as archive:
        archive.writestr("../../PWNED", b"x")
        archive.writestr("a/data.pkl", b"\x80\x02}q\x00.")
    return folder / "a.pth"


def huge_storage(folder: Path) -> Path:
    """A tensor that claims 2**60 numbers."""
    torch.save({"w": torch.zeros(4)}, folder / "small.pth")
    with zipfile.ZipFile(folder / "small.pth") as old, zipfile.ZipFile(folder / "a.pth", "w") as new:
        for entry in old.infolist():
            data = old.read(entry)
            if entry.filename.endswith("data.pkl"):
                data = data.replace(b"K\x04", b"\x8a\x08" + struct.pack("<q", 1 << 60))
            new.writestr(entry.filename, data)
    return folder / "a.pth"


def deep_pickle(folder: Path) -> Path:
    (folder / "a.pth").write_bytes(b"\x80\x02" + b"]" * 200_000 + b"a" * 199_999 + b".")
    return folder / "a.pth"


def no_tensors(folder: Path) -> Path:
    torch.save({"epoch": 3, "model": {"lr": 0.1}}, folder / "a.pth")
    return folder / "a.pth"


def cut_short(folder: Path) -> Path:
    torch.save({"w": torch.randn(100, 100)}, folder / "a.pth")
    data = (folder / "a.pth").read_bytes()
    (folder / "a.pth").write_bytes(data[: len(data) // 2])
    return folder / "a.pth"


def empty(folder: Path) -> Path:
    (folder / "a.pth").write_bytes(b"")
    return folder / "a.pth"


def web_page(folder: Path) -> Path:
    (folder / "a.pth").write_text("<!DOCTYPE html><html>404</html>")
    return folder / "a.pth"


def device_file(folder: Path) -> Path:
    (folder / "a.safetensors").symlink_to("/dev/zero")
    return folder / "a.safetensors"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "a.pth")
    return folder / "a.pth"


def link_loop(folder: Path) -> Path:
    (folder / "a.pth").symlink_to(folder / "b.pth")
    (folder / "b.pth").symlink_to(folder / "a.pth")
    return folder / "a.pth"


def link_to_secret(folder: Path) -> Path:
    (folder / "a.safetensors").symlink_to("/etc/passwd")
    return folder / "a.safetensors"


# --- safetensors -----------------------------------------------------------------------------------------------------


def raw(folder: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    head = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(head) if length is None else length
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", size) + head + data)
    return folder / "a.safetensors"


def entry(shape: list[Any], start: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


SAFETENSORS: dict[str, Callable[[Path], Path]] = {
    "huge header": lambda f: raw(f, {}, length=1 << 62),
    "header beyond the file": lambda f: raw(f, {}, length=5000),
    "header of 99 MB of blanks": lambda f: raw(f, b" " * 99_000_000),
    "overlapping": lambda f: raw(f, {"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "hole": lambda f: raw(f, {"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, bytes(20)),
    "beyond the end": lambda f: raw(f, {"a": entry([200], 0, 800)}, bytes(8)),
    "backwards": lambda f: raw(f, {"a": entry([2], 8, 0)}, bytes(8)),
    "negative": lambda f: raw(f, {"a": entry([-2], -8, 0)}, bytes(8)),
    "shape overflow": lambda f: raw(f, {"a": entry([1 << 40, 1 << 40], 0, 8)}, bytes(8)),
    "shape and size differ": lambda f: raw(f, {"a": entry([3], 0, 8)}, bytes(8)),
    "unknown dtype": lambda f: raw(f, {"a": entry([2], 0, 8, "PICKLE")}, bytes(8)),
    "numbers as text": lambda f: raw(f, {"a": entry(["2"], 0, 8)}, bytes(8)),
    "trailing bytes": lambda f: raw(f, {"a": entry([2], 0, 8)}, bytes(80)),
    "not JSON": lambda f: raw(f, b"{'a': __import__('os').system('true')}"),
    "list": lambda f: raw(f, []),
    "deep JSON": lambda f: raw(f, b"[" * 100_000),
    "bad UTF-8": lambda f: raw(f, b'{"\xff\xfe": 1}'),
    "metadata that names a function": lambda f: raw(
        f, {"__metadata__": {"danlu.dtypes": '{"a": "load"}'}, "a": entry([2], 0, 8)}, bytes(8)
    ),
    "metadata that names what is not there": lambda f: raw(
        f, {"__metadata__": {"danlu.dtypes": '{"b": "float32"}'}, "a": entry([2], 0, 8)}, bytes(8)
    ),
    "metadata of another shape": lambda f: raw(
        f, {"__metadata__": {"danlu.dtypes": '[["a"]]'}, "a": entry([2], 0, 8)}, bytes(8)
    ),
    "metadata with a dunder": lambda f: raw(
        f, {"__metadata__": {"danlu.dtypes": '{"a": "__class__"}'}, "a": entry([2], 0, 8)}, bytes(8)
    ),
}

FILES: list[Callable[[Path], Path]] = [
    pickled_system,
    pickled_exec,
    pickled_import,
    bare_pickle,
    old_protocol_pickle,
    legacy_torch_file,
    pickle_named_safetensors,
    torch_archive_named_safetensors,
    whole_module,
    torchscript,
    setattr_through_build,
    zip_bomb,
    overlapping_zip,
    traversal_in_zip,
    huge_storage,
    deep_pickle,
    no_tensors,
    cut_short,
    empty,
    web_page,
    device_file,
    pipe,
    link_loop,
    link_to_secret,
]
if sys.platform == "win32":
    FILES = [maker for maker in FILES if maker not in (device_file, pipe, link_loop, link_to_secret)]

# --- model folders ---------------------------------------------------------------------------------------------------


def good_folder(folder: Path) -> Path:
    save_model(folder / "model", nn.Linear(3, 2), CONFIG, SCHEMA)
    return folder / "model"


def edited(name: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = good_folder(folder)
        value = json.loads((path / name).read_text())
        new = change(value)
        (path / name).write_text(json.dumps(value if new is None else new))
        return path

    return make


def swapped_weights(maker: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """The weights file replaced, with config.json saying the right size and hash."""

    def make(folder: Path) -> Path:
        path = good_folder(folder)
        data = maker(folder).read_bytes()
        (path / "weights.safetensors").write_bytes(data)
        config = json.loads((path / "config.json").read_text())
        config["weights"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        (path / "config.json").write_text(json.dumps(config))
        return path

    return make


def replaced(name: str, how: Callable[[Path], Any]) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = good_folder(folder)
        (path / name).unlink()
        how(path / name)
        return path

    return make


def field(number: int, **entries: Any) -> Callable[[dict[str, Any]], None]:
    return lambda schema: schema["fields"][number].update(entries)


def config(**entries: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.update(entries)


FOLDERS: dict[str, Callable[[Path], Path]] = {
    "model names a file": edited("config.json", config(model={"name": "../evil.py:Net"})),
    "model names a module": edited("config.json", config(model={"name": "os.system", "arguments": {"command": "x"}})),
    "model is a path": edited("config.json", config(model="evil.py:Net")),
    "class is no text": edited("config.json", config(model={"class": ["os", "system"]})),
    "arguments are no names": edited("config.json", config(model={"name": "mlp", "arguments": ["__import__('os')"]})),
    "tied to what is not there": edited("config.json", config(tied={"a": "../../x"})),
    "tied to a list": edited("config.json", config(tied={"a": ["b"]})),
    "no hash": edited("config.json", config(weights=None)),
    "another file's hash": edited("config.json", config(weights={"file": "/etc/passwd", "size": 1})),
    "another format": edited("config.json", config(format=99)),
    "config is a list": edited("config.json", lambda value: ["x"]),
    "schema is text": edited("schema.json", lambda value: "x"),
    "schema without fields": edited("schema.json", lambda value: {"task": "regression"}),
    "unknown task": edited("schema.json", lambda value: value.update(task="os.system")),
    "task is a list": edited("schema.json", lambda value: value.update(task=["classification"])),
    "unknown kind": edited("schema.json", field(0, kind="pickle")),
    "more entries": edited("schema.json", field(0, __reduce__="x")),
    "classes are numbers": edited("schema.json", field(1, classes=[1, {"a": 2}])),
    "shape is huge": edited("schema.json", field(0, shape=[10**18])),
    "shape is negative": edited("schema.json", field(0, shape=[-1])),
    "mean is text": edited("schema.json", field(0, mean=["__import__('os')"])),
    "weights are a pickle": swapped_weights(bare_pickle),
    "weights are an archive": swapped_weights(pickled_system),
    "weights overlap": swapped_weights(SAFETENSORS["overlapping"]),
    "weights with a huge header": swapped_weights(SAFETENSORS["huge header"]),
    "config of deep JSON": replaced("config.json", lambda p: p.write_text("[" * 100_000)),
    "config of 65 MB": replaced("config.json", lambda p: p.write_text(" " * (65 << 20))),
    "config is not UTF-8": replaced("config.json", lambda p: p.write_bytes(b'{"\xff": 1}')),
    "schema of huge numbers": replaced("schema.json", lambda p: p.write_text('{"fields": [' + "9" * 6000 + "]}")),
    "config missing": replaced("config.json", lambda p: None),
    "schema missing": replaced("schema.json", lambda p: None),
    "weights missing": replaced("weights.safetensors", lambda p: None),
    "weights are a folder": replaced("weights.safetensors", lambda p: p.mkdir()),
    "only a pickle": lambda f: pickled_system(f).parent,
}
if sys.platform != "win32":
    FOLDERS |= {
        "weights link to a device": replaced("weights.safetensors", lambda p: p.symlink_to("/dev/zero")),
        "weights link to a secret": replaced("weights.safetensors", lambda p: p.symlink_to("/etc/passwd")),
        "config is a pipe": replaced("config.json", lambda p: os.mkfifo(p)),
        "config links in a circle": replaced("config.json", lambda p: p.symlink_to(p)),
        "schema links to a device": replaced("schema.json", lambda p: p.symlink_to("/dev/zero")),
    }
