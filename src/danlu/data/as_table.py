"""A table given to a model of one image that was trained on a folder or on arrays: which columns it has to read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from danlu.data.cells import flat
from danlu.data.infer import find_target
from danlu.data.locate import image_columns
from danlu.data.profile import profile
from danlu.data.table import Table, read_table
from danlu.settings import Settings
from danlu.types import Field, Schema


def images_of(schema: Schema, source: Any) -> tuple[Schema, Table] | None:
    """A table with images, and the schema by which it is read for answers; None where there is none for this model."""
    table = read_table(source, Settings(on_bad="skip", bad_limit=1.0))
    found = as_table(schema, table, None)
    return None if found is None else (found, table)


def as_table(schema: Schema, table: Table, settings: Settings | None) -> Schema | None:
    """The schema with its image and its target under the table's names, as of a model trained on such a table.

    The image is the column of its name, else the first that holds images or names their files. ``settings`` say what
    the target is; None where nobody asks for it. None for a model of other things and for a table without images.
    """
    image = schema.inputs[0]
    if len(schema.inputs) != 1 or image.kind != "image" or image.dtype != "uint8":
        return None
    profiles = {name: profile(flat(table.columns.column(name))) for name in table.names}
    found = image_columns(table, profiles, ())
    if not found:
        return None
    fields: tuple[Field, ...] = (replace(image, name=image.name if image.name in found else next(iter(found))),)
    if settings is not None:
        (target,) = schema.targets if len(schema.targets) == 1 else (None,)
        if target is None or target.shape not in ((), (len(target.classes),)) or target.kind == "tensor":
            return None
        if target.kind == "category" and target.dtype != "int64":  # a user's own loss wants them in another form
            return None
        others = [name for name in table.names if name not in found]
        name = target.name if target.name in others else others[0] if len(others) == 1 else ""
        if not name:
            (name, *_), _ = find_target(table, settings, profiles, tuple(found))
        fields = (*fields, replace(target, name=name))
    return Schema(fields, schema.task, "image", "table")
