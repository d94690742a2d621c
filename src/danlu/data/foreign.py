"""Objects of packages that danlu does not import: Hugging Face datasets, known where their package is in use."""

from __future__ import annotations

import sys
from typing import Any


def hub_class(module: str, name: str) -> type:
    """A class of Hugging Face's ``datasets``, if it is imported: whoever holds such an object has imported it.

    A file of the user's may be called datasets.py too: therefore the module below.
    """
    found = getattr(sys.modules.get(f"datasets.{module}"), name, None)
    return found if isinstance(found, type) else type(None)


def _is(value: Any, *kinds: type) -> bool:
    return isinstance(value, kinds)


def is_hub_table(value: Any) -> bool:
    """A Hugging Face ``Dataset`` without a transform of the user's, which only its ``__getitem__`` would apply."""
    known = value is not None and _is(value, hub_class("arrow_dataset", "Dataset"))
    return known and bool(value.format["type"] != "custom")


def is_hub_dict(value: Any) -> bool:
    """A ``DatasetDict`` or ``IterableDatasetDict``."""
    kinds = (hub_class("dataset_dict", "DatasetDict"), hub_class("dataset_dict", "IterableDatasetDict"))
    return value is not None and _is(value, *kinds)
