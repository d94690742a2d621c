"""The task a table's target column poses, and the target's classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import arrow
from danlu.data.cells import TARGET_NAMES, is_text, sort_classes, split_labels, to_labels
from danlu.data.profile import Profile
from danlu.errors import DanluError
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Field, TaskName

DATE = "datetime64[D]"  # a Field's dtype: a number read from ISO dates, in days since 1970-01-01
FEW_NUMBERS = 20  # whole numbers with at most so many values are classes
_NO_LABEL = arrow.texts(["", "nan"])


def decide_task(
    columns: dict[str, pa.Array],
    profiles: dict[str, Profile],
    targets: Sequence[str],
    why: str,
    settings: Settings,
    path: str,
) -> tuple[TaskName, str, dict[str, Field]]:
    """The task by what the target holds, unless the settings name it; the target's fields with their classes."""
    wanted = settings.task
    if len(targets) > 1 and wanted != "multitask":
        together = _together(profiles, targets, why, wanted)
        if together is not None:
            return together
        if wanted is not None:
            raise DanluError("DL113", where=path, columns=", ".join(targets), task=wanted)
    if len(targets) > 1:
        return _heads(columns, profiles, targets, why, path)
    wanted = None if wanted == "multitask" else wanted
    return _alone(columns[targets[0]], profiles[targets[0]], targets[0], why, wanted, path)


def _alone(
    column: pa.Array, p: Profile, name: str, why: str, wanted: str | None, path: str
) -> tuple[TaskName, str, dict[str, Field]]:
    """The task that one column poses."""
    if p.missing == p.rows:
        raise DanluError("DL115", where=path, column=name, count=p.rows, rows=say("table.all"), skip="--on-bad skip")
    if p.distinct == 1:
        raise DanluError("DL116", where=path, column=name, value=p.examples, rows=p.rows - p.missing)
    if wanted == "multilabel" or (wanted is None and (p.kind == "list" or _joined(column, p))):
        return _multilabel(name, column, why, path)
    if p.kind in ("list", "other"):
        raise DanluError("DL114", where=path, column=name, task=wanted or "?", holds=p.examples)
    if wanted == "regression" or (wanted in (None, "custom") and p.kind in ("number", "date") and not _few(name, p)):
        if p.kind not in ("number", "date"):
            raise DanluError("DL114", where=path, column=name, task="regression", holds=p.examples)
        dtype = DATE if p.kind == "date" else "float32"
        reason = say("table.task.numbers", name=name, count=p.distinct) if wanted is None else say("table.task.given")
        return wanted or "regression", reason, {name: Field(name, "number", "target", why, dtype=dtype)}  # type: ignore[return-value]
    if (p.kind == "text" and p.distinct > 0.5 * (p.rows - p.missing) and p.rows >= 20) or p.distinct == p.rows > 2:
        raise DanluError("DL114", where=path, column=name, task="classification", holds=p.examples)
    labels = to_labels(column, p.kind == "number")
    if p.kind == "text":
        labels = pc.if_else(arrow.flags(missing_label(labels)), arrow.NO_TEXT, labels)
    classes = sort_classes(labels.drop_null().unique().to_pylist())
    if len(classes) < 2:
        raise DanluError("DL116", where=path, column=name, value=", ".join(classes), rows=p.rows)
    why_task = say("table.task.given")
    if wanted is None:
        key = "table.task.whole" if p.kind == "number" else "table.task.texts"
        why_task = say(key, name=name, count=len(classes))
    task: TaskName = "custom" if wanted == "custom" else "classification"
    return task, why_task, {name: Field(name, "category", "target", why, dtype="int64", classes=classes)}


def missing_label(labels: pa.Array) -> np.ndarray:
    """Rows of a class column without a label. "NA" or "None" may be the name of a class; "" and "nan" are not."""
    bare = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(labels, arrow.EMPTY)))
    return np.asarray(arrow.values(pc.is_in(bare, _NO_LABEL)), dtype=bool)


def _few(name: str, p: Profile) -> bool:
    """Whether whole numbers are the numbers of classes: a few values, or 0…n-1 under a name such as "label"."""
    if not p.whole or p.kind == "date":
        return False
    often = p.distinct * 3 <= p.rows - p.missing or p.distinct <= 2
    return often and (p.distinct <= FEW_NUMBERS or (p.distinct <= 1000 and name.strip().casefold() in TARGET_NAMES))


def _joined(column: pa.Array, p: Profile) -> bool:
    """Whether cells are lists of labels in one text, such as ``Comedy|Drama``: the parts come again in other cells."""
    if p.kind != "text" or p.length > 200:
        return False
    several = pc.sum(pc.match_substring_regex(column, r"[^|;；]\s*[|;；]\s*[^|;；]")).as_py() or 0
    if several < 0.05 * p.rows:
        return False
    rows = split_labels(column, commas=False)
    parts = [part for row in rows for part in row or ()]
    names = set(parts)
    return len(names) < p.distinct and len(parts) >= 3 * len(names) and max(map(len, names)) <= 60


def _multilabel(name: str, column: pa.Array, why: str, path: str) -> tuple[TaskName, str, dict[str, Field]]:
    rows = split_labels(column, commas=False)
    if is_text(column) and all(len(r or ()) < 2 for r in rows):
        rows = split_labels(column, commas=True)
    labels = sort_classes(list({part for row in rows for part in row or ()}))
    if len(labels) < 2:
        raise DanluError("DL116", where=path, column=name, value=", ".join(labels), rows=len(rows))
    mean = sum(len(r or ()) for r in rows) / max(1, len(rows))
    reason = say("table.task.labels", name=name, count=len(labels), mean=f"{mean:.1f}")
    return "multilabel", reason, {name: Field(name, "multilabel", "target", why, classes=labels)}


def _together(
    profiles: dict[str, Profile], targets: Sequence[str], why: str, wanted: str | None
) -> tuple[TaskName, str, dict[str, Field]] | None:
    """Several target columns as one task: numbers to be predicted together, or one yes/no column a label."""
    found = [profiles[t] for t in targets]
    yes_no = all(p.kind in ("number", "bool") and p.distinct <= 2 and p.whole | (p.kind == "bool") for p in found)
    if yes_no and wanted in (None, "multilabel"):
        names = tuple(targets)
        return (
            "multilabel",
            say("table.task.yes_no", count=len(targets)),
            {t: Field(t, "multilabel", "target", why, classes=names) for t in targets},
        )
    if any(p.kind not in ("number", "date") for p in found) or wanted not in (None, "regression", "custom"):
        return None
    task: TaskName = "custom" if wanted == "custom" else "regression"
    fields = {
        t: Field(t, "number", "target", why, dtype=DATE if p.kind == "date" else "float32")
        for t, p in zip(targets, found)
    }
    return task, say("table.task.several", count=len(targets)), fields


def _heads(
    columns: dict[str, pa.Array], profiles: dict[str, Profile], targets: Sequence[str], why: str, path: str
) -> tuple[TaskName, str, dict[str, Field]]:
    """Target columns of different kinds: each poses its own task, and one model answers all of them."""
    fields: dict[str, Field] = {}
    told = []
    for name in targets:
        task, reason, alone = _alone(columns[name], profiles[name], name, why, None, path)
        fields |= alone
        if task == "classification" and profiles[name].kind == "number":  # --task would be for all of them
            reason = say("heads.whole", name=name, count=profiles[name].distinct)
        told.append(say("heads.one", name=name, task=say(f"task.{task}"), why=reason))
    return "multitask", say("table.task.heads", heads=say("list.parts").join(told)), fields
