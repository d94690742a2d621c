"""What looking found as events: the lines of ``danlu look --json``."""

from __future__ import annotations

from pathlib import Path

from danlu.errors import DanluError
from danlu.looking.found import Found, FoundData, FoundModel, FoundRun, one
from danlu.report import events


def events_of(found: Found, html: Path | None) -> list[events.Event]:
    if isinstance(found, FoundData):
        return _data(found, html)
    return _run(found) if isinstance(found, FoundRun) else _model(found, html)


def _data(found: FoundData, html: Path | None) -> list[events.Event]:
    facts = {fact.name: one(fact.value) for fact in found.facts}
    copies = {"copies": dict(found.copies.inside), "conflicts": found.copies.conflicts}
    head: events.Event = {
        "event": "look",
        "what": "data",
        "name": found.name,
        "source": found.source,
        "kind": found.origin,
    }
    head |= {"rows": dict(found.rows), "task": found.task, "target": found.target, "classes": len(found.classes)}
    out: list[events.Event] = [head | facts | copies | ({"page": str(html)} if html else {})]
    for c in found.columns:
        row = {"name": c.name, "kind": c.kind, "role": c.role, "why": c.why, "missing": c.missing}
        out.append({"event": "column", **row, "distinct": c.distinct, "values": one(c.values)})
    for name, counts in zip(found.classes, found.counts):
        out.append({"event": "class", "name": name, "rows": dict(zip(found.rows, counts))})
    out += [events.choice(made) for made in (*found.choices, *found.chosen)]
    out += [events.bad(row) for row in found.bad]
    for finding in found.findings:
        raised = finding if isinstance(finding, DanluError) else finding.told
        severity = "error" if isinstance(finding, DanluError) else finding.severity
        out.append(events.finding(raised.code, severity, raised.where, raised.why, raised.fix, raised.what))
    return [*out, *_next(found.commands), *_note(one(found.note))]


def _run(found: FoundRun) -> list[events.Event]:
    head: events.Event = {
        "event": "look",
        "what": "run",
        "run": str(found.path),
        "state": found.state,
        "epochs": found.epochs,
    }
    head |= {"best_epoch": found.best, "metrics": dict(found.metrics), "settings": dict(found.settings)}
    head |= {"chosen": dict(found.chosen), "files": dict(found.files)}
    head |= {fact.name: one(fact.value) for fact in found.facts}
    out: list[events.Event] = [head | ({"page": str(found.page)} if found.page else {})]
    out += [{"event": "curve", "name": curve.name, "values": list(curve.values)} for curve in found.curves]
    out += [dict(finding) for finding in found.findings]
    return [*out, *_next(found.commands), *_note(one(found.note))]


def _model(found: FoundModel, html: Path | None) -> list[events.Event]:
    s = found.summary
    head: events.Event = {"event": "look", "what": "model", "name": found.name, "input": one(found.inputs)}
    head |= {"parameters": s.parameters, "trainable": s.trainable, "bytes": s.bytes, "flops": s.flops}
    out: list[events.Event] = [head | {"samples": s.samples} | ({"page": str(html)} if html else {})]
    for row in s.rows:
        shapes = {path: list(shape) for path, shape in row.shapes}
        numbers = {"parameters": row.parameters, "trainable": row.trainable, "flops": row.flops, "calls": row.calls}
        out.append({"event": "module", "name": row.name, "kind": row.kind, "shapes": shapes, **numbers})
    return [*out, *_next(found.commands), *_note(one(found.note))]


def _next(commands: tuple[str, ...]) -> list[events.Event]:
    return [{"event": "next", "commands": list(commands)}] if commands else []


def _note(text: str) -> list[events.Event]:
    return [events.notice(text)] if text else []
