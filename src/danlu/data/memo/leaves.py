"""A sample taken apart: its structure, and the values at its leaves, each with what it takes to make it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

PLAIN_MODES = ("L", "RGB", "RGBA", "LA")  # Pillow's modes of one byte a channel without a palette


class Unkept(Exception):
    """A value that cannot be taken apart; ``args[0]`` names its type."""


@dataclass(frozen=True)
class Node:
    """The structure of a sample: containers down to numbered leaves."""

    kind: str  # "leaf", "tuple", "list", "dict", "named", "dataclass"
    parts: tuple[Node, ...] = ()
    keys: tuple[Any, ...] = ()  # of a dict; the fields of a dataclass
    made: Any = None  # the class of a dict, named tuple or dataclass
    leaf: int = -1


@dataclass(frozen=True)
class Kind:
    """What a leaf is: how it is stored and made again. Rows of one kind may still differ in shape."""

    what: str  # "tensor", "array", "image", "int", "float", "bool", "str", "bytes", "none", or "other": not kept
    dtype: Any = None  # a torch or numpy dtype; an image's mode; a tensor's class if it is not torch's own
    ndim: int = 0


def taken_apart(value: Any, *, also: type | tuple[type, ...] = ()) -> tuple[Node, list[Any]]:
    """The structure of a sample and its leaves in order; values of the classes ``also`` are leaves in any case."""
    leaves: list[Any] = []

    def walk(part: Any) -> Node:
        kind = type(part)
        if not issubclass(kind, also or ()):
            if kind in (tuple, list):
                return Node("tuple" if kind is tuple else "list", tuple(map(walk, part)))
            if issubclass(kind, Mapping) and kind in (dict,):
                return Node("dict", tuple(map(walk, part.values())), tuple(part), kind)
            if issubclass(kind, tuple) and hasattr(kind, "_fields"):
                return Node("named", tuple(map(walk, part)), made=kind)
            if is_dataclass(kind):
                names = tuple(f.name for f in fields(part))
                return Node("dataclass", tuple(walk(getattr(part, n)) for n in names), names, kind)
        leaves.append(part)
        return Node("leaf", leaf=len(leaves) - 1)

    return walk(value), leaves


def put_together(node: Node, leaves: Sequence[Any]) -> Any:
    """The sample again."""
    if node.kind == "leaf":
        return leaves[node.leaf]
    parts = [put_together(p, leaves) for p in node.parts]
    if node.kind == "tuple":
        return tuple(parts)
    if node.kind == "dict":
        return dict(zip(node.keys, parts))
    if node.kind == "named":
        return node.made(*parts)
    return node.made(**dict(zip(node.keys, parts))) if node.kind == "dataclass" else parts


def kind_of(value: Any) -> Kind:
    """How a leaf is stored; Unkept for what danlu does not store."""
    kind = type(value)
    if value is None:
        return Kind("none")
    if kind in (bool, int, float, str, bytes):
        return Kind(kind.__name__)
    if isinstance(value, Tensor):
        if kind is not Tensor or not _plain(value):
            raise Unkept(f"{kind.__module__}.{kind.__name__}")
        return Kind("tensor", value.dtype, value.ndim)
    if kind is np.ndarray or isinstance(value, np.generic):
        if value.dtype.kind not in "iufb":
            raise Unkept(f"numpy {value.dtype}")
        return Kind("array" if kind is np.ndarray else "scalar", value.dtype, value.ndim)
    if isinstance(value, Image.Image):
        if value.mode not in PLAIN_MODES:
            raise Unkept(f"image of mode {value.mode}")
        return Kind("image", value.mode, 3)
    raise Unkept(f"{kind.__module__}.{kind.__name__}")


def _plain(t: Tensor) -> bool:
    return (
        t.layout is torch.strided and t.device.type == "cpu" and not (t.requires_grad or t.is_quantized or t.is_conj())
    )


def stored(value: Any, kind: Kind) -> np.ndarray:
    """A leaf as an array; images are planar, (C, H, W)."""
    if kind.what == "tensor":
        return raw(value)
    if kind.what == "image":
        pixels = np.asarray(value)
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if kind.what == "str":
        return np.frombuffer(value.encode("utf-8", "surrogatepass"), np.uint8)
    if kind.what == "bytes":
        return np.frombuffer(value, np.uint8)
    if kind.what == "none":
        return np.zeros((0,), np.uint8)
    return np.asarray(value, dtype={"int": np.int64, "float": np.float64, "bool": np.bool_}.get(kind.what))


def raw(t: Tensor) -> np.ndarray:
    """A tensor's memory as numpy knows it: bfloat16 as the 16 bits that it is."""
    t = t.detach()
    return (t.view(torch.int16) if t.dtype is torch.bfloat16 else t).numpy()


def made_again(cells: np.ndarray, kind: Kind) -> Any:
    """The leaf that ``stored`` made this of, with memory of its own."""
    if kind.what == "tensor":
        t = torch.from_numpy(np.array(cells, copy=True, order="C"))
        return t.view(torch.bfloat16) if kind.dtype is torch.bfloat16 else t
    if kind.what == "image":
        pixels = cells[0] if len(cells) == 1 else np.ascontiguousarray(cells.transpose(1, 2, 0))
        return Image.fromarray(pixels, kind.dtype) if len(cells) == 1 else Image.fromarray(pixels)
    if kind.what == "str":
        return cells.tobytes().decode("utf-8", "surrogatepass")
    if kind.what == "bytes":
        return cells.tobytes()
    if kind.what == "none":
        return None
    if kind.what in ("int", "float", "bool"):
        return cells.item()
    return cells[()].copy() if kind.what == "array" else cells[()]


def same(a: Any, b: Any) -> bool:
    """Whether two samples are the same bit for bit, their classes included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        if a.dtype != b.dtype or a.shape != b.shape or not (_plain(a) and _plain(b)):
            return False
        return raw(a.as_subclass(Tensor)).tobytes() == raw(b.as_subclass(Tensor)).tobytes()
    if isinstance(a, np.ndarray):
        return bool(a.dtype == b.dtype and a.shape == b.shape and a.dtype != object and a.tobytes() == b.tobytes())
    if isinstance(a, Image.Image):
        return (a.mode, a.size) == (b.mode, b.size) and a.tobytes() == b.tobytes() and a.getpalette() == b.getpalette()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes()
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if is_dataclass(a):
        return all(same(getattr(a, f.name), getattr(b, f.name)) for f in fields(a))
    if isinstance(a, np.generic):
        return bool(a.tobytes() == b.tobytes())
    return bool(a == b)


def collated(node: Node, column: Callable[[int], Any]) -> Any:
    """What ``default_collate`` makes of many samples of this structure; ``column`` gives a leaf of all of them."""
    if node.kind == "leaf":
        return column(node.leaf)
    parts = [collated(p, column) for p in node.parts]
    if node.kind == "dict":
        return dict(zip(node.keys, parts))
    return node.made(*parts) if node.kind == "named" else parts


def collates_alike(node: Node) -> bool:
    """Whether ``collated`` knows what torch's collate function makes of the structure."""
    return node.kind != "dataclass" and all(map(collates_alike, node.parts))


def column_of(values: Sequence[Any]) -> Any:
    """Leaves of many samples as ``default_collate`` makes a batch of them."""
    return default_collate(list(values))
