""" "file.py:name" to the object it names, and optional packages, each with a useful error."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import linecache
import os
import re
import sys
import traceback
import zlib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from danlu.errors import DanluError, did_you_mean, nearest
from danlu.messages import say

_FILES = "DANLU_USER_FILES"  # environment: {module name: path}, so that spawned workers find the modules again


def is_reference(text: object) -> bool:
    """Whether ``text`` is written as "file.py:name" (or only "file.py", which resolve answers with the names there)."""
    return isinstance(text, str) and re.search(r"\.py(:[\w.]*)?$", text) is not None


def resolve(reference: str) -> Any:
    """The object that "path/to/file.py:name" names; "file.py:Outer.inner" works too.

    The file is run once, with its folder on sys.path as ``python file.py`` has it, under a name that worker
    processes can import again. A file that has changed since is run anew.
    """
    path, name = _split(reference)
    if not path.is_file():
        raise DanluError("DL020", reference, path=path, **_no_file(path, name))
    if not name:
        names = _public_names(path)
        line = f"{path}:{names[0]}" if names else f"{path}:NAME"
        raise DanluError("DL021", reference, path=path, why=", ".join(names), line=line)
    found: Any = _module(path)
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n in vars(found) if not n.startswith("_")] if hasattr(found, "__dict__") else []
            mine = _public_names(path) if isinstance(found, ModuleType) else names
            near = nearest(part, mine) or nearest(part, names)
            line = reference[: len(reference) - len(name)] + name.replace(part, near) if near else ""
            raise DanluError("DL022", reference, name=part, path=path, why=did_you_mean(part, mine), line=line)
        found = getattr(found, part)
    return found


def optional(module: str, extra: str) -> ModuleType:
    """An optional package; absent, the error has the line that installs it, broken, the reason."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != module.split(".")[0]:
            raise DanluError("DL031", module, module=module, reason=error, line=f"pip install {error.name}") from error
        raise DanluError("DL030", module, module=module, extra=extra) from None
    except Exception as error:  # a wheel for another torch fails in any way it likes
        line = f'pip install --force-reinstall "danlu[{extra}]"'
        raise DanluError("DL031", module, module=module, reason=first_line(error), line=line) from error


def where_raised(error: BaseException, root: Path | None = None) -> str:
    """``file:line: source`` of the deepest frame in the user's code (below ``root``, if given), or an empty string.

    The user's code is what lies neither in Python's own folders nor in danlu.
    """
    if isinstance(error, SyntaxError) and error.filename:
        return f"{_short(error.filename)}:{error.lineno}: {(error.text or '').strip()}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        mine = Path(frame.filename).is_relative_to(root) if root else _is_users(frame.filename)
        if mine:
            source = (frame.line or linecache.getline(frame.filename, frame.lineno or 0)).strip()
            return f"{_short(frame.filename)}:{frame.lineno}: {source}"
    return ""


def first_line(error: BaseException) -> str:
    """``ValueError: what it says``, on one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


def _is_users(filename: str) -> bool:
    ours = (str(Path(__file__).parent), *_PYTHON)
    return not filename.startswith("<") and not filename.startswith(ours) and "site-packages" not in filename


_PYTHON = (str(Path(os.__file__).parent), str(Path(sys.prefix) / "lib"))


def _short(filename: str) -> str:
    """Relative to the working folder where that is shorter."""
    try:
        return min(os.path.relpath(filename), filename, key=len)
    except ValueError:  # another drive on Windows
        return filename


def _split(reference: str) -> tuple[Path, str]:
    path, colon, name = reference.rpartition(":")
    if not colon or not path.endswith(".py"):  # "C:\my.py" has a colon of its own
        path, name = reference, ""
    return Path(path).expanduser(), name


def _no_file(path: Path, name: str) -> dict[str, str]:
    folder = path.parent
    if not folder.is_dir():
        return {"why": say("lookup.no_folder", folder=folder), "line": ""}
    stems = [p.stem for p in folder.glob("*.py")]  # the ending they share would make any two look alike
    if not stems:
        return {"why": say("lookup.no_python_file", folder=folder.resolve()), "line": ""}
    near = nearest(path.stem, stems)
    files = [f"{near}.py"] if near else [f"{stem}.py" for stem in stems]
    line = str(folder / files[0]) + (f":{name}" if name else "") if near else ""
    return {
        "why": did_you_mean(path.name, files) if near else say("lookup.files", names=", ".join(sorted(files)[:8])),
        "line": line,
    }


def _public_names(path: Path) -> list[str]:
    """Names a file defines at its top level, read without running it."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.append(node.target.id)
    return [n for n in dict.fromkeys(names) if not n.startswith("_")]


def _module(path: Path) -> ModuleType:
    full = path.resolve()
    main = sys.modules.get("__main__")
    if main is not None and _same_file(getattr(main, "__file__", None), full):
        return main  # the script that is running: running it a second time would never end
    _add_to_path(full.parent)
    name = _module_name(full)
    stat = full.stat()
    stamp = (stat.st_mtime_ns, stat.st_size)
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__danlu_stamp__", stamp) == stamp:
        return known
    return _execute(name, full, stamp)


def _add_to_path(folder: Path) -> None:
    """The folder first, as for a script; last where a random.py in it would replace Python's own in every worker."""
    if str(folder) not in sys.path:
        shadows = any(entry.stem in sys.stdlib_module_names for entry in folder.glob("*.py"))
        sys.path.insert(len(sys.path) if shadows else 0, str(folder))


def _execute(name: str, path: Path, stamp: tuple[int, int]) -> ModuleType:
    spec = _spec(name, str(path))
    module = importlib.util.module_from_spec(spec)
    vars(module)["__danlu_stamp__"] = stamp
    before = sys.modules.get(name)
    sys.modules[name] = module  # before it runs: dataclasses and pickling look themselves up there
    try:
        spec.loader.exec_module(module)  # type: ignore[union-attr]  # _spec gives one
    except (Exception, SystemExit) as error:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
        if isinstance(error, DanluError):
            raise
        facts = {"path": path.name, "error": first_line(error)}
        if isinstance(error, SystemExit):
            raise DanluError("DL024", where_raised(error, path.parent) or str(path), **facts) from error
        raise DanluError("DL023", where_raised(error, path.parent) or str(path), **facts) from error
    return module


def _module_name(path: Path) -> str:
    """The file's stem if that is free: spawned workers import it by sys.path. Else a name only our finder knows."""
    stem = path.stem
    known = sys.modules.get(stem)
    free = known is None and stem not in sys.builtin_module_names and stem not in sys.stdlib_module_names
    if stem.isidentifier() and ((free and _finds(stem, path)) or _same_file(getattr(known, "__file__", None), path)):
        return stem
    name = f"danlu_user_{stem if stem.isidentifier() else ''}_{zlib.crc32(os.fsencode(path)):08x}"
    os.environ[_FILES] = json.dumps(_user_files() | {name: str(path)})
    return name


def _finds(stem: str, path: Path) -> bool:
    importlib.invalidate_caches()  # the file may have been written a moment ago
    try:
        spec = importlib.util.find_spec(stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and _same_file(spec.origin, path)


def _same_file(file: str | None, path: Path) -> bool:
    return file is not None and os.path.realpath(file) == os.path.realpath(path)


def _user_files() -> dict[str, str]:
    files: dict[str, str] = json.loads(os.environ.get(_FILES, "{}"))
    return files


class _Source(SourceFileLoader):
    """Runs the source as it is now: no __pycache__ beside the user's files, no stale bytecode."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _spec(name: str, file: str) -> ModuleSpec:
    spec = importlib.util.spec_from_file_location(name, file, loader=_Source(name, file))
    assert spec is not None
    return spec


class _UserFiles:
    """Finds modules of files whose own name was taken, in this process and in spawned workers."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        file = _user_files().get(name) if name.startswith("danlu_user_") else None
        return _spec(name, file) if file else None


if not any(isinstance(finder, type) and finder.__name__ == "_UserFiles" for finder in sys.meta_path):
    sys.meta_path.append(_UserFiles)
