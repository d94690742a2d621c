"""The model card: README.md of a run, with the front-matter that Hugging Face's hub reads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from danlu.messages import language, say
from danlu.report.layout import number
from danlu.report.lines import metric_name
from danlu.types import Schema

TAGS = {
    ("classification", "images"): "image-classification",
    ("classification", "idx"): "image-classification",
    ("classification", "table"): "tabular-classification",
    ("regression", "table"): "tabular-regression",
}


def model_card(name: str, schema: Schema, config: Mapping[str, Any], results: Mapping[str, float]) -> str:
    """What the model is, how good it is with intervals beside the baseline, and how to use it."""
    tag = TAGS.get((schema.task, "images" if _only_images(schema) else schema.origin), "other")
    front = ["---", "library_name: danlu", f"pipeline_tag: {tag}", f"language: {language()}", "---", ""]
    model = config["model"].get("name") or config["model"].get("class", "?")
    inputs = [f.name for f in schema.inputs]
    listed = ", ".join(inputs[:12]) + (" …" if len(inputs) > 12 else "")
    body = [f"# {name}", "", say("card.what", model=model, task=say(f"task.{schema.task}"), inputs=listed), ""]
    if schema.heads:
        body += [
            say("card.heads", count=len(schema.heads)),
            "",
            *(_head_line(schema, name) for name in schema.heads),
            "",
        ]
    if schema.classes:
        names = ", ".join(schema.classes[:50]) + (" …" if len(schema.classes) > 50 else "")
        body += [say("card.classes", count=len(schema.classes), names=names), ""]
    known = [key for key in results if f"{key}_low" in results or f"{key}_baseline" in results]
    known.sort(key=lambda key: schema.heads.index(head) if (head := key.split("/")[1]) in schema.heads else -1)
    rows = [row(results, key) for key in known]
    rows = [line for line in rows if "_over_linear" not in line]
    if rows:
        body += [
            say("card.results", rows=f"{results['test/rows']:,.0f}"),
            "",
            say("card.head"),
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    body += [say("card.use"), "", "```python", "import danlu", 'model = danlu.load(".")']
    body += [f"model.predict([{example(schema)}])", "```", ""]
    return "\n".join(front + body)


def _head_line(schema: Schema, name: str) -> str:
    head = schema.head(name)
    task = say(f"task.{head.task}")
    names = ", ".join(head.classes[:20]) + (" …" if len(head.classes) > 20 else "")
    return say("card.head_line", name=name, task=say("line.note", text=task, note=names) if names else task)


def row(results: Mapping[str, float], key: str) -> str:
    low, high = results.get(f"{key}_low"), results.get(f"{key}_high")
    interval = f"{number(low)} – {number(high)}" if low is not None and high is not None else ""
    beside = [results.get(f"{key}_{part}") for part in ("baseline", "linear")]
    shown = " | ".join("" if value is None or math.isnan(value) else number(value) for value in beside)
    return f"| {metric_name(key)} | {number(results[key])} | {interval} | {shown} |"


def example(schema: Schema) -> str:
    if schema.origin in ("images", "idx") or _only_images(schema):
        return '"photo.jpg"'
    return '"new.csv"' if schema.origin == "table" else "x"


def _only_images(schema: Schema) -> bool:
    """Whether a table of nothing but images was trained on: its model takes them as one of a folder does."""
    return schema.origin == "table" and schema.layout == "image"
