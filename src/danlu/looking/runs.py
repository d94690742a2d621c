"""A run looked at: from its run.toml and metrics.jsonl alone, without its data and without running anything."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu import record
from danlu import run as run_folder
from danlu.errors import DanluError
from danlu.lock import refuse_if_held
from danlu.looking.found import Curve, Fact, FoundRun
from danlu.lookup import is_reference
from danlu.metrics import HEADLINES
from danlu.report.layout import duration
from danlu.report.page.contents import Text
from danlu.rules import RULES
from danlu.run import RunFolder
from danlu.settings import read_toml
from danlu.showing.texts import both, told
from danlu.showing.verdict import how_good, judged

MOST_FILES = 40


def look_at_run(path: str | Path) -> FoundRun:
    """What the folder says of its run. DL400 where it is none, DL011 and DL012 where run.toml cannot be read."""
    named = Path(path)
    folder = run_folder.resolve(named.parent if named.name == record.FILE and named.is_file() else named)
    asked = read_toml(folder / record.FILE) if (folder / record.FILE).is_file() else {}
    events = [e for e in RunFolder(folder).events() if isinstance(e, dict)]
    begun = next((e for e in events if e.get("event") == "start"), {})
    epochs = [e for e in events if e.get("event") == "epoch" and isinstance(e.get("metrics"), dict)]
    done = next((e for e in reversed(events) if e.get("event") == "done"), None)
    ended = done is not None and events[-1].get("event") in ("done", "notice", "finding")
    results = _dict(done, "metrics") if done is not None and ended else {}
    best = _best(results, epochs)
    state = "finished" if ended else "training" if _held(folder) else "stopped" if epochs else "empty"
    findings = [{k: str(v) for k, v in e.items()} for e in events if e.get("event") == "finding"]
    page = folder / "report.html"
    return FoundRun(
        path=folder,
        state=state,  # type: ignore[arg-type]
        sentences=_sentences(str(begun.get("task", "")), results),
        facts=_facts(begun, epochs),
        metrics=results,
        best=best,
        epochs=len(epochs),
        curves=_curves(epochs, str(begun.get("task", ""))),
        settings=_settings(asked),
        chosen=_dict(asked, "chosen"),
        findings=tuple(_once(findings)),
        files=_files(folder),
        page=page if page.is_file() else None,
        commands=_commands(folder, asked, state, begun.get("epochs")),
    )


def _dict(source: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    found = (source or {}).get(name)
    return found if isinstance(found, dict) else {}


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What train was given besides its data: arguments, then settings; Python objects as run.toml describes them."""
    given = (*(name for name in record.PARTS if name not in ("data", "test")), *RULES)
    objects = _dict(asked, "objects")
    return {name: asked.get(name, objects.get(name)) for name in given if name in asked or name in objects}


def _once(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    """A finding that a resumed run told again stands once."""
    return list({(f.get("code"), f.get("where")): f for f in findings}.values())


def _held(folder: Path) -> bool:
    """Whether some process trains there at this moment. A folder without a lock's file is left without one."""
    try:
        refuse_if_held(folder)
    except DanluError:
        return True
    except OSError:  # not ours to write to
        return False
    return False


def _best(results: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> int | None:
    if isinstance(results.get("best_epoch"), int):
        return int(results["best_epoch"])
    marked = [e["epoch"] for e in epochs if e.get("best") and isinstance(e.get("epoch"), int)]
    return marked[-1] if marked else None


def _sentences(task: str, results: Mapping[str, Any]) -> tuple[Text, ...]:
    """How good, and against what: the report's own sentences; of several heads over all of them."""
    if not results:
        return ()
    rows = _number(results.get("test/rows"))
    results = {k: v for k, v in results.items() if _number(v) is not None}
    heads = [k.removeprefix("test/").removesuffix("/rows") for k in results if k.endswith("/rows") and k.count("/") > 1]
    found = [judged(head, _task_of(own), own) for head in heads if (own := _of_head(results, head))]
    found = found or [judged("", task, results)]
    known = [one for one in found if one is not None]
    return how_good(known, int(rows)) if known and rows is not None else (told("showing.no_test"),)


def _of_head(results: Mapping[str, Any], head: str) -> dict[str, Any]:
    start = f"test/{head}/"
    return {f"test/{k.removeprefix(start)}": v for k, v in results.items() if k.startswith(start)}


def _task_of(results: Mapping[str, Any]) -> str:
    """The task that a head's metrics are of: nothing else in metrics.jsonl says it."""
    if "test/rmse" in results:
        return "regression"
    return "multilabel" if "test/exact_match" in results else "classification"


def _number(value: Any) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _facts(begun: Mapping[str, Any], epochs: Sequence[Mapping[str, Any]]) -> tuple[Fact, ...]:
    facts = []
    for name in ("data", "task"):
        if begun.get(name):
            facts.append(Fact(name, str(begun[name])))
    rows = {k: v for k, v in _dict(begun, "rows").items() if k in ("train", "val", "test") and isinstance(v, int) and v}
    if rows:
        facts.append(Fact("rows", both(lambda: " + ".join(_rows(k, v) for k, v in rows.items()))))
    if begun.get("model") and isinstance(begun.get("parameters"), int):
        facts.append(Fact("model", told("start.model", model=str(begun["model"]), n=f"{begun['parameters']:,}")))
    seconds = sum(_number(e.get("seconds")) or 0.0 for e in epochs)
    if seconds:
        facts.append(Fact("time", both(lambda: duration(seconds))))
    return tuple(facts)


def _rows(part: str, n: int) -> str:
    from danlu.messages import say

    return say(f"rows.{part}", n=f"{n:,}")


def _curves(epochs: Sequence[Mapping[str, Any]], task: str) -> tuple[Curve, ...]:
    """Both losses, and the metric that the task is judged by."""
    names = ["train/loss", "val/loss", f"val/{HEADLINES.get(task, '')}"]
    found = []
    for name in names:
        values = [_number(e["metrics"].get(name)) for e in epochs]
        if any(v is not None for v in values):
            found.append(Curve(name, tuple(math.nan if v is None else v for v in values)))
    return tuple(found)


def _files(folder: Path) -> tuple[tuple[str, int], ...]:
    """What lies in the folder, and how large it is: sub-folders as one line."""
    found = []
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return ()
    for entry in entries[:MOST_FILES]:
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            sizes = [os.lstat(os.path.join(root, f)).st_size for root, _, files in os.walk(entry) for f in files]
            found.append((f"{entry.name}/", sum(sizes)))
        else:
            found.append((entry.name, os.lstat(entry).st_size))
    return tuple(found)


def _commands(folder: Path, asked: Mapping[str, Any], state: str, epochs: Any) -> tuple[str, ...]:
    """Lines to paste: go on with what stopped; use, test or lengthen what is finished."""
    shown = shlex.quote(os.path.relpath(folder) if not folder.is_absolute() else str(folder))
    objects = [str(name) for name in _dict(asked, "objects")]
    if state in ("stopped", "empty", "training"):
        if state == "training":
            return ()
        if objects:
            return (f"danlu.train(…, run={str(folder)!r})",)
        return (f"danlu resume {shown}",)
    if objects:
        own = ", model=model" if "model" in objects else ""
        return (f"danlu.load({str(folder)!r}{own}).predict(x)",)
    model = asked.get("model")
    own = f" --model {shlex.quote(str(model))}" if is_reference(model) else ""
    data = asked.get("test", asked.get("data"))
    lines = [f"danlu predict {shown} {shlex.quote(str(data))}{own}"] if isinstance(data, str) else []
    lines.append(f"danlu test {shown}{own}")
    return (*lines, f"danlu resume {shown} --epochs {2 * epochs}") if isinstance(epochs, int) else tuple(lines)
