"""What ``danlu.look`` found in data, for tests that compare it with something else."""

from __future__ import annotations

import danlu
from danlu.errors import DanluError
from danlu.looking import FoundData
from danlu.looking.found import one


def found_in(*args: object, **settings: object) -> FoundData:
    found = danlu.look(*args, **settings).found  # type: ignore[arg-type]
    assert isinstance(found, FoundData)
    return found


def codes(found: FoundData) -> list[str]:
    return [f.code if isinstance(f, DanluError) else f.told.code for f in found.findings]


def fact(found: FoundData, name: str) -> str:
    return next(one(f.value) for f in found.facts if f.name == name)
