"""A folder with a sub-folder for each class, with or without train, validation and test on top."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from danlu.data.arrays import some
from danlu.data.columns import Data
from danlu.data.files import Files, open_files
from danlu.data.images import SUFFIXES, ImageFiles, is_image
from danlu.data.places import PART_NAMES, contents, existing, is_hidden, sub_folders
from danlu.errors import DanluError, did_you_mean
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Choice

# ---- what lies in the folder


def open_folder(path: Path, test: Any, val: Any, settings: Settings) -> Data:
    """The data of an image folder; ``test`` and ``val`` may be folders of their own."""
    folders, choices = part_folders(path)
    parts = {part: scan(folder) for part, folder in folders.items()}
    for part, given in (("test", test), ("val", val)):
        if given is not None:
            folder = _as_folder(given)
            parts[part] = scan(folder)
            if not parts[part].paths:
                raise no_images(folder, part)
    train = parts.pop("train")
    if not train.paths:
        raise no_images(path)
    names = class_order(train.classes)
    if len(names) < 2:
        raise DanluError("DL154", where=str(path), name=names[0], rows=len(train.paths))
    for files in parts.values():
        check_classes(files, names)
    empty = empty_folders(folders["train"], names)
    if empty:
        choices.append(Choice("ignored", some(empty), say("data.folder.no_images")))
    choices.append(Choice("classes", f"{len(names)}: {some(names, 8)}", say("data.classes.folders")))
    opened = open_files({"train": train, **parts}, names, settings)
    rows = opened.parts
    return Data(
        path.resolve().name,
        rows["train"],
        rows.get("val"),
        rows.get("test"),
        opened.schema,
        (*choices, *opened.choices),
        tuple(opened.bad),
        labels={part: files.labels.numpy() for part, files in rows.items() if isinstance(files, ImageFiles)},
    )


def part_folders(path: Path) -> tuple[dict[str, Path], list[Choice]]:
    """The folders of train, val and test; all is train where there is no folder so named with classes in it."""
    inner = sub_folders(path)
    found: dict[str, Path] = {}
    for part, names in PART_NAMES.items():
        folder = next((f for f in inner if f.name.lower() in names), None)
        if folder is not None and _has_images_below(folder):
            found[part] = folder
    if "train" not in found:
        while len(inner) == 1 and not _has_images_below(path, deep=False):  # photos/photos/cat, as archives unpack
            deeper = sub_folders(inner[0])
            if not any(_has_images_below(f) or _direct_images(f) for f in deeper) or _direct_images(inner[0]):
                break
            return part_folders(inner[0])
        return {"train": path}, []
    plain = [f for f in inner if f not in found.values() and _direct_images(f)]
    choices = [Choice("parts", ", ".join(f"{k}: {v.name}" for k, v in found.items()), say("data.parts.folders"))]
    if plain:
        choices.append(Choice("ignored", some([f.name for f in plain]), say("data.parts.unsorted")))
    named = {name for names in PART_NAMES.values() for name in names}
    empty = [f.name for f in inner if f not in found.values() and f not in plain and f.name.lower() in named]
    if empty:
        choices.append(Choice("ignored", some(empty), say("data.folder.no_images")))
    return found, choices


def empty_folders(path: Path, names: Sequence[str]) -> list[str]:
    """The folders beside those of the classes ``names``: they hold no image."""
    return [f.name for f in sub_folders(path) if f.name not in names]


def _named_image(name: str) -> bool:
    """``is_image`` of a bare name that is not hidden: a Path for each of 100,000 would take a second."""
    return name[name.rfind(".") :].lower() in SUFFIXES


def _direct_images(folder: Path) -> bool:
    return any(is_image(p) for p in folder.iterdir())


def _has_images_below(folder: Path, *, deep: bool = True) -> bool:
    """Whether a sub-folder of ``folder`` holds images."""
    return any(_direct_images(f) or (deep and _has_images_below(f)) for f in sub_folders(folder))


def scan(folder: Path) -> Files:
    """Every image below each class folder, in name order; the class is the first folder's name."""
    paths: list[str] = []
    classes: list[str] = []
    for sub in sub_folders(folder):
        seen: set[str] = set()
        for root, folders, files in os.walk(sub, followlinks=True):
            real = os.path.realpath(root)
            if real in seen:  # a link that leads back
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(f for f in folders if not is_hidden(f))
            inside = os.path.join(root, "")
            images = [inside + f for f in sorted(files) if _named_image(f) and not is_hidden(f)]
            paths += images
            classes += [sub.name] * len(images)
    return Files(tuple(paths), tuple(classes))


def _as_folder(given: Any) -> Path:
    if not isinstance(given, (str, Path)):
        raise DanluError("DL179", where=str(given)[:80], type=type(given).__name__)
    path = existing(given)
    if not path.is_dir():
        raise DanluError("DL179", where=str(given), type=path.suffix or "file")
    return path


def no_images(path: Path, part: str = "") -> DanluError:
    """The error for a folder without class folders of images; ``part``: what it was to be, "test" or "val"."""
    where = f"{part}: {path}" if part else str(path)
    images = [p for p in path.iterdir() if is_image(p)]
    if images:
        return DanluError("DL153", where=where, path=path, count=len(images), example=images[0].name)
    found = contents(f for _, _, files in os.walk(path) for f in files)
    if found:
        why = say("data.folder.holds", found=found)
    else:
        why = say("data.folder.no_files" if sub_folders(path) else "data.folder.empty")
    return DanluError("DL152", where=where, path=path, found=why)


def class_order(classes: Sequence[str]) -> tuple[str, ...]:
    """Names in sorted order; in order of number when all are whole numbers."""
    names = set(classes)
    numbers = all(n.lstrip("-").isdecimal() for n in names)
    return tuple(sorted(names, key=(lambda n: (int(n), n)) if numbers else None))


def check_classes(files: Files, names: Sequence[str]) -> None:
    """DL155 when a part has a class that the training folder has not."""
    counts = Counter(files.classes)
    new = sorted(counts.keys() - set(names))
    if new:
        first = files.paths[files.classes.index(new[0])]
        folder: Any = first
        if isinstance(first, str):
            folder = next((p for p in Path(first).parents if p.name == new[0]), Path(first).parent)
        near = did_you_mean(new[0], names)
        raise DanluError("DL155", where=str(folder), name=new[0], count=counts[new[0]], near=near)
