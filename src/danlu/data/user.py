"""Looking at a user's own Dataset: a few samples, its labels, and errors that name the user's line."""

from __future__ import annotations

import random
import sys
import sysconfig
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Subset, TensorDataset

from danlu.data.labels import is_labels, label_name
from danlu.errors import DanluError

GIVEN_UP = 1_000  # broken samples one after the other: an iterable that fails for ever
TARGET_KEYS = ("label", "labels", "target", "targets", "y", "class")


# ---- errors in the user's code


def user_error(index: int | None, error: BaseException) -> DanluError:
    """DL170 for an exception in a user's dataset: the sample's index, and first the user's own source line."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if _is_users(f.filename)]
    frame = own[-1] if own else frames[-1] if frames else None
    where = f"{frame.filename}:{frame.lineno} ({frame.name})" if frame else ""
    line = (frame.line or "") if frame else ""
    what = f"{type(error).__name__}: {error}"
    return DanluError("DL170", where=where, index="?" if index is None else index, error=what, line=line)


_NOT_USERS = tuple(
    str(Path(p).resolve())
    for p in (
        str(Path(__file__).parents[1]),
        str(Path(torch.__file__).parent),
        *(sysconfig.get_path(k) for k in ("stdlib", "purelib")),
    )
)


def _is_users(filename: str) -> bool:
    """Whether a source file is the user's: not danlu, torch, the standard library or an installed package."""
    if filename.startswith("<frozen"):
        return False
    path = str(Path(filename).resolve()) if not filename.startswith("<") else filename
    return not path.startswith(_NOT_USERS) and "site-packages" not in path and "dist-packages" not in path


@contextmanager
def generators_restored() -> Iterator[Callable[[], tuple[str, ...]]]:
    """Looking at samples leaves torch's, numpy's and Python's generators as they were.

    Yields a function that names the generators that have moved since.
    """
    numpy_random = sys.modules.get("numpy.random")
    before = torch.get_rng_state(), random.getstate(), numpy_random.get_state() if numpy_random else None

    def moved() -> tuple[str, ...]:
        names = [] if torch.equal(torch.get_rng_state(), before[0]) else ["torch"]
        names += [] if random.getstate() == before[1] else ["random"]
        if numpy_random and before[2]:
            now = numpy_random.get_state()
            names += [] if now[2] == before[2][2] and np.array_equal(now[1], before[2][1]) else ["numpy"]
        return tuple(names)

    try:
        yield moved
    finally:
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        if numpy_random and before[2]:
            numpy_random.set_state(before[2])


# ---- reading samples


def each_sample(dataset: Any, indices: Iterable[int] | None, *, skip: bool = False) -> Generator[tuple[int, Any]]:
    """The samples at ``indices`` with their index; None: of an iterable dataset, with their place.

    An exception in the dataset becomes DL170. ``skip``: such samples are left out here (the loader will tell them),
    unless there are no others. An iterable's error right before its end is taken for the reason of the end.
    """
    source: Iterator[Any] | None = None
    failed: DanluError | None = None
    given = in_a_row = 0
    try:
        for i in count() if indices is None else indices:
            try:
                if indices is None:
                    source = iter(dataset) if source is None else source
                    sample = next(source)
                else:
                    sample = dataset[i]
            except Exception as error:
                ended = indices is None and isinstance(error, StopIteration)
                if ended and not in_a_row:
                    return
                failed = failed if ended else error if isinstance(error, DanluError) else user_error(i, error)
                assert failed is not None
                in_a_row += 1
                final = ended or isinstance(error, MemoryError) or (indices is None and source is None)
                if final or not skip or in_a_row > GIVEN_UP:
                    raise failed from (None if failed is error else error)
            else:
                given, in_a_row = given + 1, 0
                yield i, sample
        if failed is not None and not given:
            raise failed
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


def read_samples(dataset: Any, indices: Iterable[int] | None, n: int, *, skip: bool) -> dict[int, Any]:
    """Up to ``n`` samples by index, see ``each_sample``; an iterable dataset's iterator is closed again."""
    with closing(each_sample(dataset, indices, skip=skip)) as samples:
        return dict(islice(samples, n))


def spread(n: int, most: int) -> list[int]:
    """Up to ``most`` row numbers spread evenly over ``n``, the first and the last among them."""
    count = min(n, most)
    return [i * (n - 1) // max(1, count - 1) for i in range(count)]


def parts_of(sample: Any) -> dict[str, Any]:
    """A sample's elements by name; of a tuple the last one is "y". One element alone is "x"."""
    if isinstance(sample, Mapping):
        return {str(k): v for k, v in sample.items()}
    if is_dataclass(sample) and not isinstance(sample, type):
        return {f.name: getattr(sample, f.name) for f in dataclass_fields(sample)}
    if isinstance(sample, tuple) and hasattr(sample, "_fields"):
        return dict(zip(sample._fields, sample))
    if isinstance(sample, (tuple, list)):
        if len(sample) == 1:
            return {"x": sample[0]}
        if len(sample) == 2:
            return {"x": sample[0], "y": sample[1]}
        return {f"x{i}": v for i, v in enumerate(sample[:-1])} | {"y": sample[-1]}
    return {"x": sample}


def target_name(names: Sequence[str]) -> str | None:
    return next((n for n in reversed(names) if n.lower() in TARGET_KEYS), None)


def check_samples(indices: Sequence[int], samples: Sequence[Any]) -> None:
    """What torch's default collate would trip over.

    DL171: unequal shapes; DL172: things that are no numbers; DL176 and DL186: targets that are texts, lists of labels.
    """
    parts = [parts_of(s) for s in samples]
    target = target_name(list(parts[0]))
    labels: list[Any] = [p.get(target) for p in parts] if target is not None else []
    if all(isinstance(v, (list, tuple, set, frozenset)) for v in labels) and is_labels(labels):
        at, some = next((i, v) for i, v in zip(indices, labels) if len(v))
        raise DanluError("DL186", where=f"[{at}]", labels=", ".join(map(label_name, some)))
    for name, first in parts[0].items():
        for i, part in zip(indices, parts):
            if name not in part:
                raise DanluError("DL171", where=f"[{i}]", name=name, shapes=f"{indices[0]}: {name}; {i}: -")
            value = part[name]
            if value is None or not isinstance(
                value, (Tensor, np.ndarray, np.generic, int, float, str, list, tuple, dict)
            ):
                raise DanluError("DL172", where=f"[{i}]", name=name, type=_type_name(value), line=_cure(value))
        shapes = [tuple(np.shape(p[name])) if isinstance(p[name], (Tensor, np.ndarray)) else () for p in parts]
        other = next((k for k, s in enumerate(shapes) if s != shapes[0]), None)
        if other is not None:
            both = f"[{indices[0]}] {shapes[0]}, [{indices[other]}] {shapes[other]}"
            raise DanluError("DL171", where=f"[{indices[other]}]", name=name, shapes=both)
        if isinstance(first, str) and name == target:
            raise DanluError("DL176", where=f"[{indices[0]}]", label=first)


def _cure(value: Any) -> str:
    if hasattr(value, "getbands"):  # Pillow's images
        return "transform=torchvision.transforms.ToTensor()"
    return "DataLoader(dataset, collate_fn=…)" if value is not None else "return x, y"


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


# ---- what a dataset says about its labels


def proven_targets(dataset: Any, samples: Mapping[int, Any]) -> tuple[np.ndarray | None, str]:
    """``known_targets`` if the samples looked at, by index, hold the very same labels; else None and where they differ.

    A ``target_transform``, or a ``__getitem__`` that makes labels of its own, leaves the array as it was.
    """
    known = known_targets(dataset)
    if known is None or known.dtype.kind == "U":  # names: what numbers they become is the dataset's business
        return known, ""
    for i, sample in samples.items():
        parts = parts_of(sample)
        name = target_name(list(parts))
        if name is None:  # nothing to compare with
            return known, ""
        try:
            value = np.asarray(plain(parts[name]))
        except (ValueError, TypeError):
            value = None
        if value is None or value.size != 1 or value.dtype.kind not in "iubf":
            return None, ""
        if not np.isclose(float(value.reshape(())), float(known[i]), rtol=1e-3, equal_nan=True):  # float16 is welcome
            return None, f"[{i}] {known[i]} ≠ {value.reshape(()).item()}"
    return known, ""


def plain(value: Any) -> Any:
    """A tensor of floats as numpy knows them; anything else as it is."""
    return value.detach().cpu().float().numpy() if isinstance(value, Tensor) and value.is_floating_point() else value


def known_targets(dataset: Any) -> np.ndarray | None:
    """The labels a dataset carries as ``targets`` or ``labels``, one a row; None when it has none."""
    if isinstance(dataset, Subset):
        inner = known_targets(dataset.dataset)
        return None if inner is None else inner[np.asarray(dataset.indices)]
    if isinstance(dataset, ConcatDataset):
        parts = [known_targets(d) for d in dataset.datasets]
        return None if any(p is None for p in parts) else np.concatenate([p for p in parts if p is not None])
    if isinstance(dataset, TensorDataset):
        last = dataset.tensors[-1]
        return last.detach().cpu().numpy() if last.ndim == 1 and len(dataset.tensors) > 1 else None
    for name in ("targets", "labels", "_labels", "y"):
        value = getattr(dataset, name, None)
        if isinstance(value, (Tensor, np.ndarray, list, tuple)) and len(value) == len(dataset):
            array = value.detach().cpu().numpy() if isinstance(value, Tensor) else _array_or_none(value)
            if array is not None and array.ndim == 1 and array.dtype.kind in "iubfU":
                return array
    return None


def _array_or_none(value: Any) -> np.ndarray | None:
    try:
        return np.asarray(value)
    except ValueError:
        return None


def known_classes(dataset: Any) -> tuple[str, ...]:
    """The class names a dataset carries (``classes``), in index order."""
    while isinstance(dataset, (Subset, ConcatDataset)):
        dataset = dataset.dataset if isinstance(dataset, Subset) else dataset.datasets[0]
    names = getattr(dataset, "classes", None)
    return tuple(map(str, names)) if isinstance(names, (list, tuple)) and names else ()
