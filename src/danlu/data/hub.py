"""Hugging Face datasets: their splits as train, validation and test, and folders that ``save_to_disk`` wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.foreign import is_hub_dict, is_hub_table
from danlu.data.places import part_of
from danlu.data.typed import features_of, kind_of
from danlu.errors import DanluError
from danlu.messages import say
from danlu.types import Choice

Parts = dict[str, Any]


def split_up(data: Any, test: Any, val: Any) -> tuple[Any, Any, Any, list[Choice]]:
    """(data, test, val) with the splits of a ``DatasetDict`` in their places, and what was decided.

    Parts that were given by themselves come first. DL146 where no split is the one to train on.
    """
    said: list[Choice] = []
    if is_hub_dict(data):
        parts, said = by_part(data, "DatasetDict")
        data = parts["train"]
        test, val = (parts.get(p) if given is None else given for p, given in (("test", test), ("val", val)))
    test, val = (_only(given, part) if is_hub_dict(given) else given for part, given in (("test", test), ("val", val)))
    return data, test, val, said


def _only(splits: Mapping[str, Any], part: str) -> Any:
    """Of a dict given as one part: the split of that name, else the only one."""
    found = next((splits[name] for name in splits if part_of(name) == part), None)
    if found is None and len(splits) > 1:
        raise DanluError("DL146", where=part, wanted=part, names=", ".join(map(str, splits)), line=f"{part}=splits[…]")
    return next(iter(splits.values())) if found is None else found


def by_part(splits: Mapping[str, Any], where: str) -> tuple[Parts, list[Choice]]:
    """The splits by part: "train", and "val" and "test" where there are such; what was taken and left out is said."""
    names: dict[str, str] = {}
    for name in splits:
        if (part := part_of(name)) and part not in names:
            names[part] = name
    if len(splits) == 1:
        names = {"train": next(iter(splits))}
    if "train" not in names:
        listed = ", ".join(map(str, splits))
        raise DanluError("DL146", where=where, wanted="train", names=listed, line="danlu.train(splits['…'])")
    said: list[Choice] = []
    if "test" in names and not _has_labels(splits[names["test"]]):
        said.append(Choice("left out", names["test"], say("hub.no_labels")))
        del names["test"]
    taken = ", ".join(f"{part}: {name}" for part, name in names.items())
    said.insert(0, Choice("parts", taken, say("hub.parts")))
    rest = [str(n) for n in splits if part_of(n) is None and n not in names.values()]
    if rest:
        said.append(Choice("left out", ", ".join(rest), say("hub.other")))
    return {part: splits[name] for part, name in names.items()}, said


def _has_labels(part: Any) -> bool:
    """False where every class of every row is -1, as benchmarks publish tests whose answers they keep."""
    if isinstance(part, Path):
        part = read_saved(part)
    if isinstance(part, pa.Table):
        features, column = features_of(part), part.column
    elif is_hub_table(part):
        features, column = part.features, part.with_format("arrow").__getitem__
    else:
        return True
    labels = [n for n, f in features.items() if kind_of(f) == "ClassLabel" or type(f).__name__ == "ClassLabel"]
    largest = [pc.max(column(name)[:] if not isinstance(part, pa.Table) else column(name)).as_py() for name in labels]
    return not labels or any(most is not None and most >= 0 for most in largest)


# ---- folders


def saved_parts(folder: Path) -> tuple[Parts, list[Choice]]:
    """What ``save_to_disk`` wrote there: ``{"train": folder}`` of a Dataset, its parts of a DatasetDict; else empty."""
    if is_saved(folder):
        return {"train": folder}, []
    listed = folder / "dataset_dict.json"
    if not listed.is_file():
        return {}, []
    names = _json(listed).get("splits", [])
    absent = [n for n in names if not is_saved(folder / str(n))]
    if absent or not names:
        reason = say("hub.no_split", name=", ".join(map(str, absent)) or "-")
        raise DanluError("DL145", where=str(folder), reason=reason, path=str(folder))
    return by_part({str(n): folder / str(n) for n in names}, str(folder))


def saved_test(folder: Path) -> Path:
    """Of a saved ``DatasetDict`` its test split, else its first, for answers: whether it has labels is all the same."""
    return next((p for p in (folder / "test", *sorted(folder.iterdir())) if is_saved(p)), folder)


def is_saved(folder: Path) -> bool:
    """Whether ``Dataset.save_to_disk`` wrote this folder."""
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def read_saved(folder: Path) -> pa.Table:
    """The rows of a saved Dataset, memory-mapped; DL145 for a file that is missing or damaged."""
    files: Sequence[Any] = _json(folder / "state.json").get("_data_files") or []
    tables = [_read_arrow(folder, folder / str(f.get("filename"))) for f in files]
    if not tables:
        raise DanluError("DL102", where=str(folder))
    return pa.concat_tables(tables).replace_schema_metadata(tables[0].schema.metadata)


def _read_arrow(folder: Path, path: Path) -> pa.Table:
    try:
        file = pa.memory_map(str(path))
        try:
            return pa.ipc.open_stream(file).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_file(file).read_all()
    except (OSError, pa.ArrowException) as error:
        reason = f"{path.name}: {str(error).splitlines()[0]}"
        raise DanluError("DL145", where=str(path), reason=reason, path=str(folder)) from error


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DanluError("DL145", where=str(path), reason=str(error), path=str(path.parent)) from error
    return found if isinstance(found, dict) else {}
