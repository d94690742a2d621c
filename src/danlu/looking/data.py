"""Data looked at as training would open them, except that nothing bad stops the looking."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from danlu.data import load_data, order
from danlu.data.columns import Columns, Data
from danlu.data.dataset import PROBED
from danlu.data.foreign import is_hub_table
from danlu.data.hub import saved_parts
from danlu.data.images import ImageFiles
from danlu.data.kinds import is_table
from danlu.data.paths import is_idx_pair, resolved, rows_of_path
from danlu.data.places import is_paths, located, table_files
from danlu.data.seeded import name_of
from danlu.device import kept_randomness
from danlu.doubts import Doubt
from danlu.errors import DanluError
from danlu.looking.doubtful import bad_rows, copies_in, doubts, skipping, suspects
from danlu.looking.folders import Pictures, open_pictures
from danlu.looking.found import Column, Fact, FoundData
from danlu.looking.training import chosen
from danlu.lookup import first_line, is_reference
from danlu.plan import Asked
from danlu.settings import Settings, changed, spell
from danlu.showing.samples import Gallery
from danlu.showing.texts import told
from danlu.types import Bad

if TYPE_CHECKING:  # tables import pandas on the way, which a folder of images need not wait for
    from danlu.data.table import Table

SAMPLES = 12
BINS = 24


def look_at_data(asked: Asked, *, whole: bool = False) -> FoundData:
    """Everything training would see in the data, and what keeps it from beginning; see ``danlu.look``.

    ``whole``: every image file is opened. Raises what training raises where there is nothing at all to look at.
    """
    path = _image_folder(asked.data)
    if path is not None:
        pictures = open_pictures(path, asked.test, asked.val, asked.settings, whole=whole)
        return _found(asked, pictures.data, pictures, pictures.errors, whole=whole)
    lenient = replace(asked.settings, on_bad="skip", bad_limit=1.0)
    errors: list[DanluError] = []
    data = _load(asked.data, asked.test, asked.val, lenient, errors)
    alone = asked.test is None and asked.val is None
    if data is None and not alone and errors[0].code != "DL111":  # that one is about the training table
        data = _load(asked.data, None, None, lenient, errors)
    if data is not None:
        found = _found(asked, data, None, tuple(errors), whole=whole)
        return _in_one(found) if errors else found
    table = _table(asked.data, lenient)
    if table is None:
        raise errors[0]
    return _of_columns(asked, table, errors[-1])


def _source(data: Any) -> str:
    """The data as they were given; of Python objects, their class."""
    return str(data) if isinstance(data, (str, Path)) else type(data).__name__


def _in_one(found: FoundData) -> FoundData:
    """Without the parts of a split that training would not make: its test rows could not be opened."""
    sums = tuple((sum(c),) for c in found.counts)
    choices = tuple(c for c in found.choices if c.what != "split")
    return replace(found, rows={"all": sum(found.rows.values())}, counts=sums, choices=choices)


def _load(data: Any, test: Any, val: Any, settings: Settings, errors: list[DanluError]) -> Data | None:
    try:
        return load_data(data, test, val, settings, layout="columns", own_model=False)
    except DanluError as error:
        errors.append(error)
        return None


def _image_folder(data: Any) -> Path | None:
    """The folder where ``data`` is one of images by class: of these only a sample is opened."""
    if not isinstance(data, (str, Path)) or is_reference(data):
        return None
    path = located(data)
    if not isinstance(path, Path) or not path.is_dir():
        return None
    return None if saved_parts(path)[0] or table_files(path) or rows_of_path(path) else path


def _table(data: Any, settings: Settings) -> Table | None:
    """The rows and columns of a table; None for what is none."""
    from danlu.data.table import Table, read_table

    data = resolved(data)
    source = data[0] if isinstance(data, tuple) and data and not is_idx_pair(data) else data
    named = is_paths(source) or isinstance(source, (str, Path))
    if not (named or is_table(source) or is_hub_table(source) or isinstance(source, Table)):
        return None
    try:
        return read_table(source, settings)
    except DanluError:
        return None


def _of_columns(asked: Asked, table: Table, error: DanluError) -> FoundData:
    """What a table holds, where training cannot begin: above all where nobody said what to predict."""
    from danlu.data.infer import without_target
    from danlu.looking.tables import columns_of

    source = _source(asked.data)
    columns = columns_of(table, without_target(table))
    bad = tuple(table.bad)
    name = Path(table.path).name.partition(".")[0] or "table"
    if is_reference(asked.data) and not table.path:  # the rows of an object stand in no file
        name, error = source.rpartition(":")[2], DanluError(error.code, source, **error.facts)
    fix = _commands(asked, source, len(bad), len(table) + len(bad), target=error.code == "DL111")
    rows = {"all": len(table)}
    return FoundData(name, source, "table", rows, columns=columns, bad=bad, findings=(error,), commands=fix)


def _found(
    asked: Asked, data: Data, pictures: Pictures | None, errors: tuple[DanluError, ...], *, whole: bool
) -> FoundData:
    source = _source(asked.data)
    schema = data.schema
    parts = {name: getattr(data, name) for name in ("train", "val", "test")}
    rows = {name: len(part) for name, part in parts.items() if part is not None and hasattr(part, "__len__")}
    made, broken = _samples(data, rows, whole=whole)
    bad = pictures.bad if pictures is not None else (*data.bad, *broken)
    columns, ids = _columns(data)
    targets = {name: None if schema.heads else data.targets(name) for name in rows}
    copies = copies_in(data, pictures, targets)
    left_out = 0 if pictures is not None else len(data.bad)  # the others are still counted in their parts
    total = sum(rows.values()) + left_out
    findings: list[Doubt | DanluError] = [*errors, *bad_rows(bad, total, asked.settings)]
    findings += doubts(asked.settings, data, pictures, targets.get("train"))
    findings += suspects(data, ids, copies)
    findings.sort(key=_loudness)
    facts = list(pictures.facts) if pictures is not None else []
    return FoundData(
        name=data.name,
        source=source,
        origin=schema.origin,
        rows=rows,
        task=schema.task,
        target=", ".join(f.name for f in schema.targets),
        classes=schema.classes,
        counts=_counts(schema.classes, targets),
        histogram=_histogram(data),
        columns=columns,
        facts=(*facts, *made, *_sizes(data)),
        choices=tuple(c for c in data.choices),
        chosen=chosen(data, asked.settings),
        bad=tuple(bad),
        copies=copies,
        findings=tuple(findings),
        gallery=_gallery(data, asked.settings, targets.get("train")),
        commands=_commands(asked, source, len(bad), total),
    )


def _loudness(finding: Doubt | DanluError) -> int:
    return 0 if isinstance(finding, DanluError) else 1 if finding.severity == "warning" else 2


# ---- what is in it


def _columns(data: Data) -> tuple[tuple[Column, ...], list[str]]:
    """What each column holds, and which of them look like ids."""
    if data.table is None:
        return _elements(data), []
    from danlu.looking.tables import columns_of, like_ids

    columns = columns_of(data.table, data.schema.fields)
    return columns, like_ids(columns, data.table.profiles)


def _elements(data: Data) -> tuple[Column, ...]:
    """The elements of a sample that is no table's row."""
    out = []
    for f in data.schema.fields:
        shape = " × ".join(map(str, f.shape))
        out.append(Column(f.name, f.kind, f.role, f.why, values=f"{f.dtype} {shape}".strip()))
    return tuple(out)


def _samples(data: Data, rows: Mapping[str, int], *, whole: bool) -> tuple[list[Fact], list[Bad]]:
    """Of a user's own Dataset: how many samples were made, and with ``whole`` those that cannot be."""
    own = [name for name in rows if not isinstance(getattr(data, name), (Columns, ImageFiles))]
    total = sum(rows[name] for name in own)
    if not own:
        return [], []
    if not whole:
        some = min(PROBED, total)
        return [Fact("opened", told("look.opened.samples", some=f"{some:,}", all=f"{total:,}"))], []
    bad = []
    with kept_randomness(seed=0):
        for part in (getattr(data, name) for name in own):
            for i in range(len(part)):
                try:
                    part[i]
                except Exception as error:  # whatever the user's code raises
                    bad.append(Bad(name_of(part, i), first_line(error)))
    return [Fact("opened", told("look.opened.every", all=f"{total:,}"))], bad


def _sizes(data: Data) -> list[Fact]:
    image = next((f for f in data.schema.inputs if f.kind == "image" and len(f.shape) == 3), None)
    if image is None:
        return []
    channels, height, width = image.shape
    return [Fact("model_sees", told("look.model_sees", width=width, height=height, channels=channels))]


def _counts(classes: tuple[str, ...], targets: Mapping[str, Tensor | None]) -> tuple[tuple[int, ...], ...]:
    """Rows of each class in each part; empty where some part's labels are not known without reading it."""
    known = [t for t in targets.values() if t is not None]
    if not classes or not known or len(known) < len(targets):
        return ()
    if all(t.ndim == 2 and t.shape[1] == len(classes) for t in known):  # several labels a row
        sums = [(t > 0.5).sum(0).tolist() for t in known]
        return tuple(tuple(int(s[k]) for s in sums) for k in range(len(classes)))
    if any(t.ndim != 1 or t.is_floating_point() for t in known):
        return ()
    counted = [torch.bincount(t[t >= 0], minlength=len(classes)).tolist() for t in known]
    return tuple(tuple(int(c[k]) for c in counted) for k in range(len(classes)))


def _histogram(data: Data) -> tuple[tuple[float, float, int], ...]:
    """The training rows' target, where it is one column of numbers."""
    if data.schema.task != "regression" or not isinstance(data.train, Columns) or data.train.exact is None:
        return ()
    truth = data.train.truth(torch.arange(len(data.train)))
    if truth is None or truth.ndim != 2 or truth.shape[1] != 1:
        return ()
    values = truth[:, 0].numpy()
    counts, edges = np.histogram(values[np.isfinite(values)], BINS)
    return tuple((float(a), float(b), int(n)) for a, b, n in zip(edges, edges[1:], counts))


def _gallery(data: Data, settings: Settings, targets: Tensor | None) -> tuple[Any, ...]:
    if not hasattr(data.train, "__len__") or not hasattr(data.train, "__getitem__"):
        return ()
    gallery = Gallery(data.train, data.schema)
    rows = order.permutation(settings.seed, 0, len(gallery))[: 2 * SAMPLES].tolist()
    names = data.schema.classes
    whole = targets is not None and targets.ndim == 1 and not targets.is_floating_point() and bool(names)
    labels = [names[int(targets[i])] if whole and targets is not None else "" for i in rows]
    shown = (gallery.sample(i, label) for i, label in zip(rows, labels))
    return tuple(islice((s for s in shown if s.picture or s.row), SAMPLES))  # not those that cannot be read


# ---- what to type


def _commands(asked: Asked, source: str, bad: int, total: int, *, target: bool = False) -> tuple[str, ...]:
    """The line that trains on just this; nothing where the data are objects of a program."""
    given = [asked.data] if asked.test is None else [asked.data, asked.test]
    if not all(isinstance(g, (str, Path)) for g in given):
        return ()
    words = ["danlu", "train", shlex.quote(source), *(shlex.quote(str(g)) for g in given[1:])]
    if isinstance(asked.val, (str, Path)):
        words += ["--val", shlex.quote(str(asked.val))]
    settings = changed(asked.settings)
    settings.pop("lang", None)
    words += [_flag(name, value) for name, value in settings.items()]
    words += ["--target", "COLUMN"] if target else []
    words += [skipping(bad, total, asked.settings)] if bad and asked.settings.on_bad != "skip" else []
    return (" ".join(words),)


def _flag(name: str, value: Any) -> str:
    flag, space, rest = spell(name, value, "flag").partition(" ")
    return flag + space + (shlex.quote(rest) if rest else "")
