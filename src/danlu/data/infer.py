"""What a table's columns are: kind and role of each, the target and the task it poses, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.cells import (
    TARGET_NAMES,
    flat,
    is_list,
    is_text,
    looks_dated,
    looks_numeric,
    sort_classes,
    split_labels,
    to_days,
    to_labels,
    to_numbers,
)
from danlu.data.table import Table
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Choice, Field, TaskName

DATE = "datetime64[D]"  # a Field's dtype: a number read from ISO dates, in days since 1970-01-01
FEW_NUMBERS = 20  # whole numbers with at most so many values are classes

_ID = re.compile(
    r"(?i:(^|[\W_])(id|uid|uuid|guid|idx|index|key|rowid|row|nr|no)$)"
    r"|[a-z]I[dD]$|^Unnamed: ?\d+$|(编号|序号|主键)$|[^\x00-\x7f](ID|id)$"
)


@dataclass(frozen=True)
class Profile:
    """What a column holds, before anybody says what it is for."""

    kind: Literal["number", "date", "text", "bool", "list", "other"]
    rows: int
    missing: int
    distinct: int
    whole: bool = False  # every number is a whole one
    counting: bool = False  # each number is the one before plus 1
    length: float = 0.0  # mean number of characters
    words: float = 0.0  # mean number of words
    longest: int = 0
    examples: str = ""

    @property
    def unique(self) -> bool:
        return self.distinct == self.rows and not self.missing


def profile(column: pa.Array) -> Profile:
    """Looks at every cell of one column."""
    rows, kind = len(column), column.type
    shown = dict.fromkeys(str(v)[:24] for v in column[:200].to_pylist() if v not in (None, ""))
    examples = ", ".join(list(shown)[:3])
    if is_list(column):
        return Profile("list", rows, column.null_count, 0, examples=examples)
    if pa.types.is_boolean(kind):
        return Profile("bool", rows, column.null_count, len(pc.drop_null(column).unique()), examples=examples)
    if looks_dated(column):
        days, _ = to_days(column)
        return Profile(
            "date", rows, int(np.isnan(days).sum()), len(np.unique(days[~np.isnan(days)])), examples=examples
        )
    if looks_numeric(column):
        values, _ = to_numbers(column)
        seen = values[~np.isnan(values)]
        whole = bool((seen == np.floor(seen)).all())
        counting = whole and len(seen) == rows > 1 and bool((np.diff(seen) == 1).all())
        return Profile("number", rows, rows - len(seen), len(np.unique(seen)), whole, counting, examples=examples)
    if not is_text(column):
        return Profile("other", rows, column.null_count, 0, examples=str(kind))
    cells = column.filter(pc.not_equal(column, "")).drop_null()
    if not len(cells):
        return Profile("text", rows, rows, 0)
    lengths = pc.utf8_length(cells)
    words = pc.add(pc.count_substring_regex(cells, r"\s+"), 1)
    return Profile(
        "text",
        rows,
        rows - len(cells),
        len(cells.unique()),
        length=float(pc.mean(lengths).as_py()),
        words=float(pc.mean(words).as_py()),
        longest=int(pc.max(lengths).as_py()),
        examples=examples,
    )


def infer(table: Table, settings: Settings) -> tuple[tuple[Field, ...], TaskName, tuple[Choice, ...]]:
    """The fields in the table's order, the task, and what was decided. Statistics come later, from training rows."""
    columns = {name: flat(table.columns.column(name)) for name in table.names}
    profiles = {name: profile(column) for name, column in columns.items()}
    ignored = _named(settings.ignore, table, profiles, "--ignore")
    targets, why_target = _find_target(table, settings, profiles, ignored)
    task, why_task, target_fields = _decide_task(columns, profiles, targets, why_target, settings, table.path)
    fields: dict[str, Field] = {}
    for name in table.names:
        if name in target_fields:
            fields[name] = target_fields[name]
        elif name in ignored:
            fields[name] = Field(name, _kind(profiles[name]), "ignored", say("table.ignored.asked"))
        else:
            fields[name] = _input(name, profiles[name], first=name == table.names[0])
    if not any(f.role == "input" for f in fields.values()):
        for name, p in profiles.items():  # x = 1, 2, 3 … is all there is to learn from
            if fields[name].role == "id" and p.counting and not _named_id(name):
                fields[name] = Field(name, "number", "input", say("table.number.only"))
    if not any(f.role == "input" for f in fields.values()):
        left = "; ".join(f"{f.name}: {f.why}" for f in fields.values() if f.role in ("ignored", "id"))
        raise DanluError("DL118", where=table.path, columns=left or say("table.none"))
    choices = [
        Choice("target", ", ".join(targets), why_target),
        Choice("task", task, why_task),
        *_describe(tuple(fields.values()), profiles),
    ]
    return tuple(fields.values()), task, tuple(choices)


def _named(
    wanted: str | Sequence[str] | None, table: Table, profiles: dict[str, Profile], flag: str
) -> tuple[str, ...]:
    """Column names a person gave: a list, one name, several separated by commas; numbers where there is no header."""
    if wanted is None:
        return ()
    if isinstance(wanted, str):
        wanted = [wanted] if wanted in profiles else [w.strip() for w in wanted.split(",")]
    found = []
    for name in (str(w) for w in wanted):
        if name not in profiles and not table.named and re.fullmatch(r"-?\d+", name):
            at = int(name) - (int(name) > 0)
            if -len(profiles) <= at < len(profiles):
                name = list(profiles)[at]
        if name not in profiles:
            near = nearest(name, profiles)
            raise DanluError(
                "DL110",
                where=table.path,
                name=name,
                hint=did_you_mean(name, profiles),
                flag=flag,
                near=near or list(profiles)[-1],
            )
        found.append(name)
    return tuple(dict.fromkeys(found))


def _find_target(
    table: Table, settings: Settings, profiles: dict[str, Profile], ignored: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    if settings.target is not None:
        return _named(settings.target, table, profiles, "--target"), say("table.target.given")
    free = [name for name in profiles if name not in ignored]
    named = [name for name in free if name.strip().casefold() in TARGET_NAMES]
    if len(named) == 1:
        return (named[0],), say("table.target.name")
    able = [n for n in free if _input(n, profiles[n], first=n == table.names[0]).role == "input"]
    if not named and len(able) == 1 and len(free) > 1:
        return (able[0],), say("table.target.only")
    listed = named or able or free
    lines = ", ".join(f"{n} ({profiles[n].examples})" for n in listed[-6:])
    raise DanluError("DL111", where=table.path, columns=lines if len(listed) <= 6 else f"…, {lines}", last=listed[-1])


def _kind(p: Profile) -> Literal["number", "category", "multilabel", "text"]:
    if p.kind in ("number", "date"):
        return "number"
    return "multilabel" if p.kind == "list" else "category" if p.kind == "bool" else "text"


def _named_id(name: str) -> bool:
    return bool(_ID.search(name))


def _input(name: str, p: Profile, first: bool) -> Field:
    """A column that is not the target: what it is, and whether a model can use it."""
    named_id = _named_id(name)
    if p.missing == p.rows:
        return Field(name, _kind(p), "ignored", say("table.empty"))
    if p.distinct == 1 and not p.missing and p.rows > 1:
        return Field(name, _kind(p), "ignored", say("table.constant", value=p.examples))
    if p.kind in ("list", "other"):
        return Field(name, _kind(p), "ignored", say("table.nested", type=p.examples))
    if p.kind == "date":
        return Field(name, "number", "input", say("table.date"), dtype=DATE)
    if p.kind == "bool":
        return Field(name, "category", "input", say("table.bool"))
    if p.kind == "number":
        if (p.counting and (named_id or first)) or (named_id and p.whole and p.unique):
            return Field(name, "number", "id", say("table.id.number"))
        if named_id and p.whole:
            return Field(name, "category", "input", say("table.id.repeats", count=p.distinct))
        return Field(name, "number", "input", say("table.number"))
    present = p.rows - p.missing
    if named_id and p.distinct == present:
        return Field(name, "text", "id", say("table.id.text"))
    often = p.distinct > 0.5 * present and present >= 20
    if p.length > 50 or (often and (p.words >= 3 or p.length > 20)):
        return Field(name, "text", "ignored", say("table.text", length=round(p.length)))
    if often:
        return Field(name, "text", "ignored", say("table.different", count=p.distinct, rows=present))
    return Field(name, "category", "input", say("table.category", count=p.distinct))


def _decide_task(
    columns: dict[str, pa.Array],
    profiles: dict[str, Profile],
    targets: Sequence[str],
    why: str,
    settings: Settings,
    path: str,
) -> tuple[TaskName, str, dict[str, Field]]:
    """The task by what the target holds, unless the settings name it; the target's fields with their classes."""
    wanted = settings.task
    found = [profiles[t] for t in targets]
    if len(targets) > 1:
        return _several(profiles, targets, why, wanted, path)
    name, p, column = targets[0], found[0], columns[targets[0]]
    if p.missing == p.rows:
        raise DanluError("DL115", where=path, column=name, count=p.rows, rows=say("table.all"))
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
        labels = pc.if_else(pa.array(missing_label(labels)), pa.scalar(None, pa.string()), labels)
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
    bare = pc.utf8_lower(pc.utf8_trim_whitespace(pc.fill_null(labels, "")))
    return np.asarray(pc.is_in(bare, pa.array(["", "nan"])).to_numpy(zero_copy_only=False), dtype=bool)


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


def _several(
    profiles: dict[str, Profile], targets: Sequence[str], why: str, wanted: str | None, path: str
) -> tuple[TaskName, str, dict[str, Field]]:
    """Several target columns: numbers to be predicted together, or one yes/no column a label."""
    found = [profiles[t] for t in targets]
    yes_no = all(p.kind in ("number", "bool") and p.distinct <= 2 and p.whole | (p.kind == "bool") for p in found)
    if yes_no and wanted in (None, "multilabel"):
        names = tuple(targets)
        return (
            "multilabel",
            say("table.task.yes_no", count=len(targets)),
            {t: Field(t, "multilabel", "target", why, classes=names) for t in targets},
        )
    wrong = [t for t, p in zip(targets, found) if p.kind not in ("number", "date")]
    if wrong or wanted not in (None, "regression", "custom"):
        raise DanluError("DL113", where=path, columns=", ".join(wrong or targets), first=(wrong or targets)[0])
    task: TaskName = "custom" if wanted == "custom" else "regression"
    fields = {
        t: Field(t, "number", "target", why, dtype=DATE if p.kind == "date" else "float32")
        for t, p in zip(targets, found)
    }
    return task, say("table.task.several", count=len(targets)), fields


def _describe(fields: Sequence[Field], profiles: dict[str, Profile]) -> list[Choice]:
    """One line a kind of input, and one for each reason to leave columns out."""
    out = []
    for kind in ("number", "category"):
        names = [f.name for f in fields if f.role == "input" and f.kind == kind]
        if names:
            missing = [n for n in names if profiles[n].missing]
            key = f"table.inputs.{kind}"
            why = say(f"{key}.missing", columns=_some(missing)) if missing else say(key)
            out.append(Choice(f"inputs: {kind}", _some(names), why))
    for f in fields:
        if f.role == "input" and (f.dtype == DATE or (profiles[f.name].kind == "number" and f.kind == "category")):
            out.append(Choice(f"column {f.name}", f.kind, f.why))
    reasons: dict[str, list[str]] = {}
    for f in fields:
        if f.role in ("ignored", "id"):
            reasons.setdefault(f.why, []).append(f.name)
    out += [Choice("left out", _some(names), why) for why, names in reasons.items()]
    return out


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)})" if len(names) > most else "")
