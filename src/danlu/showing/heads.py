"""One of several heads on the page: its own results, its own rows, its name beside what is shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from danlu.evaluate import Evaluation
from danlu.showing.samples import Gallery
from danlu.tasks import Head


def tested_of(head: Head, tested: Evaluation) -> Evaluation | None:
    """What the test kept of a head; None where it has no metrics."""
    own = tested.heads.get(head.name) if head.name else tested
    return own if own is not None and own.decoded is not None and own.target is not None and len(own.target) else None


def rows_of_head(head: Head, tested: Evaluation, gallery: Gallery) -> tuple[Evaluation, Gallery]:
    """The tested rows that have this head's target, and the gallery that shows them."""
    own = tested_of(head, tested)
    assert own is not None
    some, rows = own.known() if head.name else (own, None)
    return (some, gallery) if rows is None else (some, gallery.some(rows.tolist()))


def results_of_head(results: Mapping[str, Any], head: Head) -> Mapping[str, Any]:
    """A head's results under the names that the only task would have: ``test/kind/accuracy`` as ``test/accuracy``."""
    if not head.name:
        return results
    start = f"test/{head.name}/"
    return {f"test/{k.removeprefix(start)}": v for k, v in results.items() if k.startswith(start)}
