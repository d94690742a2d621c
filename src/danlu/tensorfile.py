"""Files that must survive a crash: tensors as safetensors, hashed and synced while they are written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu.errors import DanluError, reason
from danlu.messages import say

DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
CHUNK = 8 << 20  # bytes a write: large enough to release the GIL for long, small enough to stay in cache
MAX_HEADER = 100_000_000  # bytes; the safetensors library's own limit
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True)
class Written:
    """A file that is on the disk."""

    size: int  # bytes
    sha256: str


def as_bytes(tensor: Tensor) -> memoryview:
    """The values of a CPU tensor, row-major, without a copy where they already lie so."""
    flat = tensor.detach().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy())  # type: ignore[arg-type]  # numpy 2 arrays are buffers


def plan(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> tuple[bytes, list[str]]:
    """The safetensors header and the order of the tensors: widest element first, so that each lies aligned.

    A dtype the format lacks (complex128 …) is stored as its bytes; ``read`` gives it back.
    """
    foreign: dict[str, str] = {}
    entries: dict[str, Any] = {}
    offset = 0
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    for name in order:
        t = tensors[name]
        if t.layout != torch.strided or t.is_quantized or t.is_meta:
            raise DanluError(
                "DL413", where=name, name=name, kind=str(t.layout if t.layout != torch.strided else t.dtype)
            )
        size = t.numel() * t.element_size()
        code, shape = DTYPES.get(t.dtype), list(t.shape)
        if code is None:
            foreign[name] = str(t.dtype).removeprefix("torch.")
            code, shape = "U8", [*shape, t.element_size()]
        entries[name] = {"dtype": code, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    meta = dict(metadata or {})
    if foreign:
        meta["danlu.dtypes"] = json.dumps(foreign, sort_keys=True)
    head = json.dumps(({"__metadata__": meta} if meta else {}) | entries, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    return len(head).to_bytes(8, "little") + head, order


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> Written:
    """Write a safetensors file that the safetensors library opens; on the disk when this returns."""
    head, order = plan(tensors, metadata)
    total = len(head) + sum(t.numel() * t.element_size() for t in tensors.values())
    return write(path, _chunks(head, (as_bytes(tensors[name].cpu()) for name in order)), total)


def _chunks(head: bytes, parts: Iterable[memoryview]) -> Iterator[bytes | memoryview]:
    """Small tensors gathered, large ones cut, so that each piece is worth a system call."""
    small = bytearray(head)
    for part in parts:
        if len(part) < CHUNK // 64:
            small += part
            if len(small) < CHUNK // 8:
                continue
            part = memoryview(b"")
        if small:
            yield bytes(small)
            small = bytearray()
        for start in range(0, len(part), CHUNK):
            yield part[start : start + CHUNK]
    if small:
        yield bytes(small)


def write(path: Path, chunks: Iterable[bytes | memoryview], total: int) -> Written:
    """Write a new file, hash it on the way, and wait until it is on the disk.

    Raises DL401 (disk full, with path and bytes) or DL402 (any other reason).
    """
    digest, done = hashlib.sha256(), 0
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644)
        try:
            for chunk in chunks:
                left = memoryview(chunk)
                while left:
                    n = os.write(fd, left)
                    done += n
                    left = left[n:]
                digest.update(chunk)
            sync_file(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise write_error(path, error, total, done) from error
    return Written(done, digest.hexdigest())


def write_error(path: Path | str, error: OSError, total: int = 0, done: int = 0) -> DanluError:
    """The error a person can act on: disk full with path and bytes, or why the path cannot be written."""
    if error.errno in _FULL:
        facts = {"total": total, "done": done, "folder": _existing_folder(Path(path)), "again": _again(Path(path))}
        return DanluError("DL401", where=str(path), path=str(path), **facts)
    return DanluError("DL402", where=str(path), path=str(path), reason=reason(error))


def _existing_folder(path: Path) -> str:
    """A folder on the same disk that will still be there: not the one being written."""
    return str(next((folder for folder in path.parents if folder.is_dir() and ".tmp-" not in folder.name), path.parent))


def _again(path: Path) -> str:
    """How to go on once there is space: the run that the file belongs to, if it is a run's."""
    run = next((folder for folder in path.parents if (folder / "run.toml").is_file()), None)
    if run is None:
        return ""
    with contextlib.suppress(OSError, ValueError):
        if tomllib.loads((run / "run.toml").read_text(encoding="utf-8")).get("objects"):
            return say("disk.script", run=str(run))
    return say("disk.resume", run=run)


def sync_file(fd: int) -> None:
    if sys.platform == "darwin":  # there fsync alone stops at the drive's cache
        import fcntl

        fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
    else:
        os.fsync(fd)


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable; Windows has no such call and needs none for NTFS renames."""
    if os.name == "nt":  # pragma: no cover
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make ``folder`` with its parents, each name durable."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


def remove_folder(folder: Path, *, missing_ok: bool = False) -> None:
    """Delete a folder that holds files only."""
    try:
        if folder.is_symlink():  # somebody else's folder behind it is left alone
            os.unlink(folder)
            return
        for name in os.listdir(folder):
            os.unlink(folder / name)
        os.rmdir(folder)
    except OSError:
        if not missing_ok:
            raise


def replace_file(path: Path, data: bytes) -> None:
    """Replace a small file in one step: afterwards it is the old one or the new one, never a mixture."""
    replace_with(path, lambda temporary: write(temporary, [data], len(data)))


def replace_with(path: Path, make: Callable[[Path], object]) -> None:
    """Let ``make`` write and sync a file beside ``path``, then put it in its place in one step."""
    temporary = path.with_name(f"{path.name}.tmp-{secrets.token_hex(4)}")
    try:
        make(temporary)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def hash_file(path: Path) -> Written:
    """Size and sha256 of a file, read in pieces."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(CHUNK):
            digest.update(piece)
            size += len(piece)
    return Written(size, digest.hexdigest())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, each in memory of its own. DL420 says why a file cannot be read."""
    from safetensors import SafetensorError, safe_open

    try:
        with open(path, "rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if not 2 <= header <= min(MAX_HEADER, path.stat().st_size - 8):
            raise ValueError(f"header of {header} bytes")
        with safe_open(path, framework="pt", device="cpu") as file:
            foreign = json.loads((file.metadata() or {}).get("danlu.dtypes", "{}"))
            out = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - not a mapping
        for name, kind in foreign.items():
            out[name] = _from_bytes(out[name], kind)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, MemoryError, OSError) as e:
        raise DanluError("DL420", where=str(path), path=str(path), reason=f"{type(e).__name__}: {e}") from e
    return out


def _from_bytes(raw: Tensor, kind: str) -> Tensor:
    dtype = getattr(torch, kind) if kind.isidentifier() else None
    if not isinstance(dtype, torch.dtype):
        raise ValueError(f"dtype {kind!r}")
    return raw.view(dtype).reshape(raw.shape[:-1])
