"""The groups of a sliced test as the page shows them: one metric, its interval, and which groups stand out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from danlu.metrics import HEADLINES
from danlu.report.page.contents import SliceRow, Slices, Text
from danlu.showing.texts import interval_of, name_of_metric, told, unit_of


def slices_of(task: str, results: Mapping[str, Any]) -> Slices | None:
    """The headline metric of every group; None where the test was not sliced."""
    found, name = results.get("test/slices"), HEADLINES.get(task, "")
    if not found:
        return None
    rows = tuple(
        SliceRow(
            s["column"],
            _group(s["group"]),
            s["rows"],
            s[name],
            interval_of(s, name),
            s.get(f"{name}_baseline"),
            told("slice.worse") if "worse" in s else told("slice.few") if "few" in s else "",
        )
        for s in found
        if name in s
    )
    compared = next((s["worse"]["compared"] for s in found if "worse" in s), 0)
    cut = list(dict.fromkeys(s["column"] for s in found if "quarter" in s))
    note = told("slice.note.cut", columns=", ".join(cut)) if cut else ""
    note = _joined(note, told("slice.note.worse", compared=compared)) if compared else note
    return Slices(name_of_metric(name), rows, results.get(f"test/{name}"), unit_of(name), note)


def _group(name: str) -> Text:
    """A group's name; danlu's own words for rows without a value, and for many small groups, in both languages."""
    count = re.search(r"[\d,]+", name)
    for pair in (told("slice.missing"), told("slice.others", count=count.group() if count else "")):
        if name in pair:
            return pair
    return name


def _joined(one: Text, other: Text) -> Text:
    first, second = ((t if isinstance(t, tuple) else (t, t)) for t in (one, other))
    return " ".join((first[0], second[0])).strip(), "".join((first[1], second[1]))
