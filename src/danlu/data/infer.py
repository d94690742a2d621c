"""What a table's columns are: kind and role of each, the target and the task it poses, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from danlu.data.cells import GLANCE, TARGET_NAMES, decimal_commas, flat, is_text, to_numbers
from danlu.data.locate import image_columns, unfound
from danlu.data.profile import Profile
from danlu.data.table import Table
from danlu.data.table_task import DATE, decide_task
from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say
from danlu.settings import Settings
from danlu.types import Choice, Field, TaskName

_ID = re.compile(
    r"(?i:(^|[\W_])(id|uid|uuid|guid|idx|index|key|rowid|row|nr|no)$)"
    r"|[a-z]I[dD]$|^Unnamed: ?\d+$|(编号|序号|主键)$|[^\x00-\x7f](ID|id)$"
)


def infer(table: Table, settings: Settings) -> tuple[tuple[Field, ...], TaskName, tuple[Choice, ...]]:
    """The fields in the table's order, the task, and what was decided. Statistics come later, from training rows."""
    columns = {name: flat(table.columns.column(name)) for name in table.names}
    profiles = table.profiles
    ignored = named_columns(settings.ignore, table, profiles, "--ignore")
    asked = named_columns(settings.target, table, profiles, "--target")
    images = image_columns(table, profiles, (*ignored, *asked))
    targets, why_target = find_target(table, settings, profiles, (*ignored, *images))
    try:
        task, why_task, target_fields = decide_task(columns, profiles, targets, why_target, settings, table.path)
    except DanluError as error:
        raise (_odd_label(error, table, columns[targets[0]]) or error) from None
    fields: dict[str, Field] = {}
    for name in table.names:
        if name in target_fields:
            fields[name] = target_fields[name]
        elif name in ignored:
            fields[name] = Field(name, _kind(profiles[name]), "ignored", say("table.ignored.asked"))
        elif name in images:
            fields[name] = Field(name, "image", "input", images[name], dtype="uint8")
        elif images and (lost := unfound(name, table)):
            fields[name] = Field(name, "text", "ignored", lost)
        else:
            fields[name] = _input(name, profiles[name], first=name == table.names[0])
    if not any(f.role == "input" for f in fields.values()):
        for name, p in profiles.items():  # x = 1, 2, 3 … is all there is to learn from
            if fields[name].role == "id" and p.counting and not _named_id(name):
                fields[name] = Field(name, "number", "input", say("table.number.only"))
    if not any(f.role == "input" for f in fields.values()):
        for name, column in columns.items():
            if fields[name].role != "target" and (commas := _with_commas(name, column, table)):
                raise commas
        left = "; ".join(f"{f.name}: {f.why}" for f in fields.values() if f.role in ("ignored", "id"))
        raise DanluError("DL118", where=table.path, columns=left or say("table.none"))
    choices = [
        Choice("target", ", ".join(targets), why_target),
        Choice("task", task, why_task),
        *_describe(tuple(fields.values()), profiles),
        *(
            odd
            for name, f in fields.items()
            if name not in ignored and (odd := _nearly(f, columns[name], profiles[name], table))
        ),
    ]
    return tuple(fields.values()), task, tuple(choices)


def _odd_label(error: DanluError, table: Table, column: pa.Array) -> DanluError | None:
    """DL128 for a target that is no column of numbers because of a few cells: those are the mistake, not the column."""
    if commas := _with_commas(str(error.facts.get("column", "")), column, table):
        return commas
    if error.code != "DL114" or not is_text(column):
        return None
    values, wrong = to_numbers(column)
    count, good = int(wrong.sum()), int(np.isfinite(values).sum())
    if not 0 < count <= 0.1 * good:
        return None
    row = int(wrong.argmax())
    facts = {"column": error.facts["column"], "cell": column[row].as_py(), "count": count, "good": good}
    return DanluError("DL128", where=table.name(row), **facts)


def _with_commas(name: str, column: pa.Array, table: Table) -> DanluError | None:
    if not is_text(column) or not decimal_commas(column):
        return None
    return DanluError("DL129", where=table.path, column=name, cell=column.drop_null()[0].as_py(), path=table.path)


def _nearly(field: Field, column: pa.Array, p: Profile, table: Table) -> Choice | None:
    """Says it where a few cells keep a column from being numbers, or its decimal commas do."""
    if field.role == "target" or field.kind == "image" or not is_text(column) or p.kind == "number":
        return None
    what, taken = f"column {field.name}", field.kind if field.role == "input" else say("table.left_out")
    if decimal_commas(column):
        return Choice(what, taken, say("table.commas", cell=column.drop_null()[0]))
    if not np.isfinite(to_numbers(column[:GLANCE])[0]).any():
        return None
    values, wrong = to_numbers(column)
    count, good = int(wrong.sum()), int(np.isfinite(values).sum())
    if not 0 < count <= 0.05 * good:
        return None
    row = int(wrong.argmax())
    facts = {"count": count, "rows": len(column), "cell": column[row].as_py(), "where": table.name(row)}
    return Choice(what, taken, say("table.nearly", **facts))


def named_columns(
    wanted: str | Sequence[str] | None, table: Table, profiles: Mapping[str, Any], flag: str
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


def given_order(fields: Sequence[Field], table: Table, settings: Settings) -> tuple[str, ...]:
    """Several targets in the order that a person named them in; empty where the columns have it too."""
    columns = tuple(f.name for f in fields if f.role == "target")
    given = named_columns(settings.target, table, dict.fromkeys(table.names), "--target")
    return given if len(columns) > 1 and given != columns else ()


def find_target(
    table: Table, settings: Settings, profiles: dict[str, Profile], ignored: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """The columns to be predicted, none of them ``ignored``, and why; DL111 where nothing tells which."""
    if settings.target is not None:
        return named_columns(settings.target, table, profiles, "--target"), say("table.target.given")
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


def _describe(fields: Sequence[Field], profiles: dict[str, Profile]) -> list[Choice]:
    """One line a kind of input, and one for each reason to leave columns out."""
    out = [Choice(f"images: {f.name}", say("kind.image"), f.why) for f in fields if f.kind == "image"]
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


def without_target(table: Table) -> tuple[Field, ...]:
    """What each column would be as an input: for a table of which nobody has said yet what is to be predicted."""
    return tuple(_input(name, p, first=name == table.names[0]) for name, p in table.profiles.items())
