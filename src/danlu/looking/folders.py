"""A folder of images looked at: all names and counts, sizes of all files, the headers and pixels of a sample."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from danlu.data.arrays import some, split_choice
from danlu.data.columns import Data
from danlu.data.files import LOOKED_AT, Files, digest, shape_of
from danlu.data.folder import check_classes, class_order, empty_folders, no_images, part_folders, scan
from danlu.data.images import DRAFT, Header, ImageFiles, decode, read_header, threaded
from danlu.data.places import existing
from danlu.data.prepare import prepare
from danlu.data.split import TEST_SHARE, VAL_SHARE, split
from danlu.data.user import spread
from danlu.errors import DanluError
from danlu.looking.found import Fact
from danlu.messages import say
from danlu.report.page.contents import Text
from danlu.settings import Settings
from danlu.showing.texts import told
from danlu.types import Bad, Choice, Field, Schema

PIXELS = 500_000_000  # decoded: a few seconds
HASHED = 10_000  # files whose bytes are read in search of copies


@dataclass(frozen=True)
class Pictures:
    """A folder opened as training would, except that only a sample of its files was read."""

    data: Data
    facts: tuple[Fact, ...]
    bad: tuple[Bad, ...]
    content: dict[str, Tensor]  # part -> a number for each row (N,): equal bytes, equal numbers
    errors: tuple[DanluError, ...]


def open_pictures(path: Path, test: Any, val: Any, settings: Settings, *, whole: bool) -> Pictures:
    """The folder's parts as ``ImageFiles``, split as training would split them. ``whole``: every file is opened.

    Raises DL152, DL153 and DL179 as training does: there is nothing to look at.
    """
    folders, choices = part_folders(path)
    parts = {part: scan(folder) for part, folder in folders.items()}
    for part, given in (("test", test), ("val", val)):
        if given is not None:
            parts[part] = scan(_folder(given))
    train = parts.pop("train")
    if not train.paths:
        raise no_images(path)
    names, errors = class_order(train.classes), []
    if len(names) < 2:
        errors.append(DanluError("DL154", where=str(path), name=names[0], rows=len(train.paths)))
    for part, files in list(parts.items()):
        try:
            check_classes(files, names)
        except DanluError as error:
            errors.append(error)
            known = [i for i, c in enumerate(files.classes) if c in set(names)]
            parts[part] = files.take(torch.tensor(known, dtype=torch.int64))
    empty = empty_folders(folders["train"], names)
    if empty:
        choices.append(Choice("ignored", some(empty), say("data.folder.no_images")))
    parts = {"train": train, **{part: files for part, files in parts.items() if files.paths}}
    every = [p for files in parts.values() for p in files.paths if isinstance(p, str)]  # all of them are
    sizes = [_bytes(p) for p in every]
    content, compared = _content(every, sizes, HASHED if not whole else len(every))
    headers = _headers(every, len(train.paths), whole=whole)
    of_train = (headers[i] for i in spread(len(train.paths), LOOKED_AT))
    shape, size_choice = shape_of([h for h in of_train if h is not None], settings)
    parts, numbers, split_choices = _split(parts, content, settings)
    plain = (0.0,) * shape[0], (1.0,) * shape[0]  # training takes its own over the pixels
    image = Field("image", "image", "input", size_choice[0].why, shape, "uint8", mean=plain[0], std=plain[1])
    label = Field("label", "category", "target", say("data.classes.folders"), (), "int64", names)
    schema = Schema((image, label), "classification", "image", "images")
    rows = {part: _image_files(schema, files, settings) for part, files in parts.items()}
    facts, bad = _opened(every, sizes, headers, shape, settings, whole=whole)
    if compared < len(every):
        facts.append(Fact("compared", told("look.compared", some=f"{compared:,}", all=f"{len(every):,}")))
    data = Data(
        path.resolve().name,
        rows["train"],
        rows.get("val"),
        rows.get("test"),
        schema,
        (*choices, *size_choice, *split_choices),
        labels={part: files.labels.numpy() for part, files in rows.items()},
    )
    return Pictures(data, tuple(facts), bad, numbers, tuple(errors))


def _folder(given: Any) -> Path:
    if not isinstance(given, (str, Path)):
        raise DanluError("DL179", where=str(given)[:80], type=type(given).__name__)
    found = existing(given)
    if not found.is_dir():
        raise DanluError("DL179", where=str(given), type=found.suffix or "file")
    return found


def _image_files(schema: Schema, files: Files, settings: Settings) -> ImageFiles:
    codes = {name: i for i, name in enumerate(schema.classes)}
    labels = torch.tensor([codes[c] for c in files.classes], dtype=torch.int64)
    ready = prepare(schema)
    assert ready is not None  # images are bytes
    return ImageFiles(files.paths, labels, schema.inputs[0].shape, ready, settings.max_pixels)


def _split(
    parts: dict[str, Files], content: Tensor, settings: Settings
) -> tuple[dict[str, Files], dict[str, Tensor], list[Choice]]:
    """The parts as training has them, the content of each, and what is said about a split that danlu makes."""
    ends = torch.tensor([len(files.paths) for files in parts.values()]).cumsum(0).tolist()
    numbers = dict(zip(parts, torch.tensor_split(content, ends[:-1])))
    val, test = (0.0 if part in parts else share for part, share in (("val", VAL_SHARE), ("test", TEST_SHARE)))
    if not val and not test:
        return parts, numbers, []
    train, known = parts["train"], numbers["train"]
    codes = {name: i for i, name in enumerate(sorted(set(train.classes)))}
    strata = torch.tensor([codes[c] for c in train.classes])
    try:
        rows = split(len(strata), strata=strata, content=known, seed=settings.seed, val=val, test=test)
    except DanluError:  # too few files: training says so
        return parts, numbers, []
    out, of_part = dict(parts), dict(numbers)
    for part, picked in zip(("train", "val", "test"), rows):
        if part == "train" or part not in parts:
            out[part], of_part[part] = train.take(picked), known[picked]
    return out, of_part, [split_choice(*(len(r) for r in rows), stratified=True)]


# ---- bytes


def _bytes(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:  # a broken link
        return -1


def _content(paths: Sequence[str], sizes: Sequence[int], most: int) -> tuple[Tensor, int]:
    """Equal numbers for files of equal bytes (N,) int64, and among how many files copies were looked for.

    Only files of equal size can be copies. Of more than ``most`` such files, the sizes that fewest share are read.
    """
    counts = Counter(sizes)
    shared = sorted((count, size) for size, count in counts.items() if count > 1 and size >= 0)
    wanted: set[int] = set()
    reading = 0
    for count, size in shared:
        if reading + count > most:
            break
        wanted.add(size)
        reading += count
    read = [i for i, size in enumerate(sizes) if size in wanted]
    numbers = list(range(len(paths)))
    first: dict[Any, int] = {}
    for i, bytes_ in zip(read, threaded(digest, [paths[i] for i in read]), strict=True):
        numbers[i] = first.setdefault((sizes[i], bytes_), i)
    unread = sum(count for count, size in shared if size not in wanted)
    return torch.tensor(numbers, dtype=torch.int64), len(paths) - unread


# ---- headers and pixels


def _headers(paths: Sequence[str], train: int, *, whole: bool) -> dict[int, Header | None]:
    """The headers of a sample of all files, and of one of the first ``train``, which decide on the size; by row."""
    rows = sorted({*spread(len(paths), len(paths) if whole else LOOKED_AT), *spread(train, LOOKED_AT)})
    return dict(zip(rows, threaded(read_header, [paths[i] for i in rows]), strict=True))


def _opened(
    paths: Sequence[str],
    sizes: Sequence[int],
    headers: Mapping[int, Header | None],
    shape: tuple[int, ...],
    settings: Settings,
    *,
    whole: bool,
) -> tuple[list[Fact], tuple[Bad, ...]]:
    """What the headers say, and the files that cannot be read: the empty ones of all, of a sample the others."""
    rows = spread(len(paths), len(paths) if whole else LOOKED_AT)
    seen = [headers[i] for i in rows]
    pixels, decoding = 0, list[int]()
    for i, header in zip(rows, seen, strict=True):
        area = _work(header, shape) if header else 0
        if not whole and decoding and pixels + area > PIXELS:
            continue
        pixels += area
        decoding.append(i)
    empty = [i for i, size in enumerate(sizes) if size <= 0]
    unread = {i for i, header in zip(rows, seen, strict=True) if header is None}
    trying = sorted({*decoding, *unread, *empty[:LOOKED_AT]})
    problems = threaded(lambda path: _problem(path, shape, settings), [paths[i] for i in trying])
    bad = tuple(problem for problem in problems if problem is not None)
    known = [h for h in seen if h is not None]
    facts = [
        Fact("sizes", _most_frequent(["{} × {}".format(*_stored(h)) for h in known])),
        Fact("modes", _most_frequent([f"{h.format} {h.mode}" for h in known])),
        Fact("opened", _how_many(len(rows), len(decoding), len(paths))),
    ]
    return facts, bad


def _stored(header: Header) -> tuple[int, int]:
    """Width and height as the file has them."""
    return (header.height, header.width) if header.turned else (header.width, header.height)


def _work(header: Header, shape: tuple[int, ...]) -> int:
    """Pixels to decode, as a measure of time: a JPEG much larger than wanted is decoded at a smaller scale."""
    width, height = _stored(header)
    scaled = header.format == "JPEG" and width >= 2 * DRAFT * shape[2] and height >= 2 * DRAFT * shape[1]
    return width * height // (4 if scaled else 1)


def _how_many(opened: int, decoded: int, all_: int) -> Text:
    if opened == decoded == all_:
        return told("look.opened.all", all=f"{all_:,}")
    key = "look.opened.some" if opened == decoded else "look.opened.decoded"
    return told(key, opened=f"{opened:,}", decoded=f"{decoded:,}", all=f"{all_:,}")


def _problem(path: str, shape: tuple[int, ...], settings: Settings) -> Bad | None:
    try:
        decode(path, shape, settings.max_pixels)
    except DanluError as error:
        return Bad(error.where, error.why or error.what)
    return None


def _most_frequent(values: Sequence[str], most: int = 4) -> Text:
    """ "640 × 480 (1,200), 480 × 640 (31), 12 others (57)"."""
    found = Counter(values).most_common()
    shown = [f"{value} ({count:,})" for value, count in found[:most]]
    rest = found[most:]
    if not rest:
        return ", ".join(shown)
    more = told("look.others", kinds=f"{len(rest):,}", count=f"{sum(c for _, c in rest):,}")
    sides = more if isinstance(more, tuple) else (more, more)
    return ", ".join([*shown, sides[0]]), "，".join([*shown, sides[1]])
