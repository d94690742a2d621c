"""Reads danlu's own source for the guards: its imports, and what it says and raises."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from conftest import ROOT

SRC = ROOT / "src"


@dataclass(frozen=True)
class Module:
    name: str  # "danlu.data.table"
    path: Path
    tree: ast.Module
    imports: frozenset[str] = field(default_factory=frozenset)  # danlu's own modules


@cache
def modules() -> dict[str, Module]:
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = (path, ast.parse(path.read_text("utf-8"), str(path)))
    out = {}
    for name, (path, tree) in found.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        hits = {t for t in imported(tree, package, set(found)) if t.partition(".")[0] == "danlu"}
        out[name] = Module(name, path, tree, frozenset(hits - {name}))
    return out


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only type checkers see."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from (n for part in node.orelse for n in [part, *running_nodes(part)])
            continue
        yield node
        yield from running_nodes(node)


def imported(tree: ast.AST, package: str, known: set[str]) -> Iterator[str]:
    """The modules named by import statements anywhere in ``tree``, inside functions too."""
    for node in running_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(above + ([base] if base else []))
            for alias in node.names:
                submodule = f"{base}.{alias.name}"
                yield submodule if submodule in known else base


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if (isinstance(called, ast.Name) and called.id == name) or (
                isinstance(called, ast.Attribute) and called.attr == name
            ):
                yield node


def first_text(call: ast.Call) -> str | None:
    """The call's first argument where it is a literal string."""
    if call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str):
        return call.args[0].value
    return None


def keywords(call: ast.Call) -> set[str] | None:
    """The call's keyword names; None where ``**facts`` hides some."""
    names = {k.arg for k in call.keywords}
    return None if None in names else {n for n in names if n}
