"""Records what a save does to the disk, and enumerates every state that a crash may legally leave there."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Op:
    """One call that changes the disk or waits for it; paths are relative to the recorded root ("" is the root)."""

    kind: str  # mkdir, create, write, fsync, rename, unlink, rmdir
    path: str
    other: str = ""  # a rename's new name
    data: bytes = b""


class Recorder:
    """Wraps the functions of ``os`` that change a disk and keeps each call inside ``root``, in order.

    ``before(op)`` runs ahead of each: it may raise what a broken disk would, or end the process.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, before: Callable[[Op], None] | None = None) -> None:
        self.root, self.ops, self.before = os.path.abspath(root), [], before
        self.files: dict[int, str] = {}  # descriptor -> path
        for name in ("mkdir", "open", "write", "fsync", "close", "rename", "replace", "unlink", "remove", "rmdir"):
            patch.setattr(os, name, getattr(self, f"make_{name}", self.make_simple(name))(getattr(os, name)))
        for name in ("truncate", "ftruncate", "link", "symlink", "pwrite", "writev", "sendfile"):
            patch.setattr(os, name, self.make_refused(name, getattr(os, name)))

    def inside(self, path: Any) -> str | None:
        relative = os.path.relpath(os.path.abspath(os.fspath(path)), self.root)
        return None if relative.startswith("..") else ("" if relative == "." else relative)

    def keep(self, op: Op) -> None:
        if self.before:
            self.before(op)
        self.ops.append(op)

    def make_simple(self, name: str) -> Any:
        def make(real: Any) -> Any:
            def call(path: Any, *args: Any, **kw: Any) -> Any:
                inside = self.inside(path)
                if inside is not None:
                    self.keep(Op("unlink" if name == "remove" else name, inside))
                return real(path, *args, **kw)

            return call

        return make

    def make_rename(self, real: Any) -> Any:
        def call(old: Any, new: Any, *args: Any, **kw: Any) -> Any:
            inside = self.inside(old), self.inside(new)
            if inside[0] is not None and inside[1] is not None:
                self.keep(Op("rename", inside[0], inside[1]))
            return real(old, new, *args, **kw)

        return call

    make_replace = make_rename

    def make_open(self, real: Any) -> Any:
        def call(path: Any, flags: int, *args: Any, **kw: Any) -> int:
            inside = self.inside(path)
            if inside is not None and flags & os.O_CREAT and not os.path.exists(path):
                self.keep(Op("create", inside))
            elif inside is not None and flags & os.O_TRUNC:
                raise AssertionError(f"the model has no truncation of a file that exists: {inside}")
            fd: int = real(path, flags, *args, **kw)
            if inside is not None:
                self.files[fd] = inside
            return fd

        return call

    def make_write(self, real: Any) -> Any:
        def call(fd: int, data: Any) -> Any:
            if fd in self.files:
                self.keep(Op("write", self.files[fd], data=bytes(data)))
            return real(fd, data)

        return call

    def make_fsync(self, real: Any) -> Any:
        def call(fd: int) -> Any:
            if fd in self.files:
                self.keep(Op("fsync", self.files[fd]))
            return real(fd)

        return call

    def make_close(self, real: Any) -> Any:
        def call(fd: int) -> Any:
            self.files.pop(fd, None)
            return real(fd)

        return call

    def make_refused(self, name: str, real: Any) -> Any:
        def call(*args: Any, **kw: Any) -> Any:
            assert args[0] not in self.files, f"the crash model does not know os.{name}"
            return real(*args, **kw)

        return call


# --- the disk --------------------------------------------------------------------------------------------------------


class File:
    """Bytes that were synced, and the writes since then."""

    def __init__(self, data: bytes = b"") -> None:
        self.durable, self.pending = data, []

    def states(self) -> list[bytes]:
        """What may be found after a crash: any part of the unsynced writes, in any order, whole or torn, or zeros."""
        found = {self.durable}
        spans, end = [], len(self.durable)
        for data in self.pending:
            spans.append((end, data))
            end += len(data)
        for chosen in itertools.product((0, 1, 2), repeat=min(len(spans), 4)):  # lost, torn, whole
            out = bytearray(self.durable)
            for how, (start, data) in zip(chosen, spans):
                part = data[: len(data) * how // 2]
                if part:
                    out += bytes(max(0, start - len(out)))  # a hole of zeros where an earlier write was lost
                    out[start : start + len(part)] = part
            found.add(bytes(out))
        if self.pending:
            found.add(self.durable + bytes(end - len(self.durable)))  # the size is there, the data is not
        return sorted(found)


class Folder:
    """Names that were synced, and the changes since then: each a dict of name -> node, or None for gone."""

    def __init__(self, names: dict[str, File | Folder] | None = None) -> None:
        self.now = dict(names or {})
        self.durable = dict(self.now)
        self.pending: list[dict[str, File | Folder | None]] = []

    def change(self, what: dict[str, File | Folder | None]) -> None:
        self.pending.append(what)
        for name, node in what.items():
            if node is None:
                self.now.pop(name, None)
            else:
                self.now[name] = node

    def states(self) -> Iterator[dict[str, File | Folder]]:
        """What may be found after a crash: any of the unsynced changes happened, a rename always as a whole."""
        for chosen in itertools.product((False, True), repeat=len(self.pending)):
            names = dict(self.durable)
            for take, what in zip(chosen, self.pending):
                for name, node in what.items() if take else ():
                    if node is None:
                        names.pop(name, None)
                    else:
                        names[name] = node
            yield names


Tree = dict[str, Any]  # name -> bytes | Tree


def read_tree(root: Path) -> Folder:
    """A folder as it lies on the disk, all of it synced."""
    return Folder({p.name: read_tree(p) if p.is_dir() else File(p.read_bytes()) for p in sorted(root.iterdir())})


def write_tree(root: Path, tree: Tree) -> None:
    root.mkdir()
    for name, node in tree.items():
        if isinstance(node, bytes):
            (root / name).write_bytes(node)
        else:
            write_tree(root / name, node)


def node_at(root: Folder, path: str) -> File | Folder:
    node: File | Folder = root
    for part in path.split("/") if path else ():
        assert isinstance(node, Folder)
        node = node.now[part]
    return node


def apply(root: Folder, op: Op) -> None:
    """What the call does, in the strictest reading of POSIX: nothing is durable before its own fsync."""
    if op.kind in ("write", "fsync"):
        node = node_at(root, op.path)
        if op.kind == "write":
            assert isinstance(node, File)
            node.pending.append(op.data)
        elif isinstance(node, File):
            node.durable += b"".join(node.pending)
            node.pending = []
        else:
            node.durable, node.pending = dict(node.now), []
        return
    parent, name = os.path.split(op.path)
    folder = node_at(root, parent)
    assert isinstance(folder, Folder)
    if op.kind == "rename":
        target, new = os.path.split(op.other)
        assert target == parent, "a rename between folders is not modelled"
        node = folder.now[name]
        assert op.other == "" or new not in folder.now or isinstance(folder.now[new], File)
        folder.change({name: None, new: node})
    elif op.kind == "mkdir":
        folder.change({name: Folder()})
    elif op.kind == "create":
        folder.change({name: File()})
    elif op.kind in ("unlink", "rmdir"):
        folder.change({name: None})
    else:
        raise AssertionError(op.kind)


def crash_states(root: Folder) -> Iterator[Tree]:
    """Every tree that may be found after a crash now."""

    def expand(node: File | Folder) -> list[Any]:
        if isinstance(node, File):
            return list(node.states())
        found = []
        for names in node.states():
            parts = [[(name, state) for state in expand(child)] for name, child in sorted(names.items())]
            found += [dict(combination) for combination in itertools.product(*parts)]
        return found

    yield from expand(root)


def frozen(tree: Any) -> Any:
    """A tree as something to put in a set."""
    return tree if isinstance(tree, bytes) else tuple((k, frozen(v)) for k, v in sorted(tree.items()))


def all_crashes(start: Folder, ops: Sequence[Op]) -> Iterator[tuple[int, Tree]]:
    """``(calls made before the crash, tree)`` for a crash before, between and after the calls; each tree once."""
    for done in range(len(ops) + 1):
        seen = set()
        for tree in crash_states(start):
            key = hash(frozen(tree))
            if key not in seen:
                seen.add(key)
                yield done, tree
        if done < len(ops):
            apply(start, ops[done])
