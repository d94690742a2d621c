"""file.py:name: what it finds, what it leaves alone, and how worker processes find it again."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from danlu import lookup
from danlu.errors import DanluError
from danlu.lookup import is_reference, optional, resolve, where_raised


@pytest.fixture(autouse=True)
def modules_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("DANLU_USER_FILES", raising=False)
    names, paths = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - names:
        del sys.modules[name]
    sys.path[:] = paths
    os.environ.pop("DANLU_USER_FILES", None)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def refused(reference: str) -> DanluError:
    with pytest.raises(DanluError) as caught:
        resolve(reference)
    return caught.value


@pytest.mark.parametrize(
    ("text", "yes"),
    [
        ("my.py:Net", True),
        ("a/b.py:Outer.inner", True),
        (r"C:\my.py:Net", True),
        ("my.py", True),
        ("photos/", False),
        ("x.csv", False),
        ("python", False),
        (3, False),
        (Path("my.py"), False),
    ],
)
def test_what_a_reference_is(text: object, yes: bool) -> None:
    assert is_reference(text) is yes


def test_finds_names_and_names_inside(tmp_path: Path) -> None:
    write(tmp_path / "holds_outer.py", "class Outer:\n    inner = 7\n")
    assert resolve(f"{tmp_path}/holds_outer.py:Outer.inner") == 7
    assert resolve(f"{tmp_path}/holds_outer.py:Outer") is sys.modules["holds_outer"].Outer


def test_imports_beside_the_file_work_and_nothing_is_written(tmp_path: Path) -> None:
    write(tmp_path / "beside_it.py", "size = 5\n")
    write(tmp_path / "uses_it.py", "from beside_it import size\ndouble = 2 * size\n")
    assert resolve(f"{tmp_path}/uses_it.py:double") == 10
    assert not list(tmp_path.rglob("uses_it*.pyc"))


def test_runs_once_and_again_when_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "counted.py", "items = []\n")
    first = resolve(f"{path}:items")
    assert resolve(f"{path}:items") is first
    write(path, "items = [1]\n")
    assert resolve(f"{path}:items") == [1]


def test_a_name_already_taken_is_left_alone(tmp_path: Path) -> None:
    import random

    write(tmp_path / "random.py", "mine = True\n")
    write(tmp_path / "a" / "twin.py", "which = 'a'\n")
    write(tmp_path / "b" / "twin.py", "which = 'b'\n")
    assert resolve(f"{tmp_path}/random.py:mine") is True
    assert sys.modules["random"] is random
    assert resolve(f"{tmp_path}/a/twin.py:which") == "a"
    assert resolve(f"{tmp_path}/b/twin.py:which") == "b"
    assert resolve(f"{tmp_path}/a/twin.py:which") == "a"


def test_a_file_whose_name_is_no_identifier(tmp_path: Path) -> None:
    write(tmp_path / "my-data 2.py", "n = 3\n")
    assert resolve(f"{tmp_path}/my-data 2.py:n") == 3


CLASS = "class Thing:\n    def __init__(self, n): self.n = n\n    def __eq__(self, other): return self.n == other.n\n"


@pytest.mark.parametrize("name", ["things_of_mine.py", "random.py", "日本 things.py"])
def test_spawned_processes_unpickle_the_users_objects(name: str, tmp_path: Path) -> None:
    path = write(tmp_path / name, CLASS)
    thing = resolve(f"{path}:Thing")(5)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        first = pool.apply_async(lookup.first_line, (ValueError("x"),))
        assert first.get(timeout=60) == "ValueError: x"  # danlu is imported there
        assert pool.apply_async(_n_of, (thing,)).get(timeout=60) == 5


def _n_of(thing: object) -> int:
    return thing.n  # type: ignore[attr-defined,no-any-return]


def test_pickles_survive_into_another_process(tmp_path: Path) -> None:
    path = write(tmp_path / "random.py", CLASS)
    data = pickle.dumps(resolve(f"{path}:Thing")(6))
    code = f"import danlu.lookup, pickle; print(pickle.loads({data!r}).n)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "6\n"


def test_the_running_script_is_not_run_again(tmp_path: Path) -> None:
    script = write(
        tmp_path / "script.py",
        "print('ran')\nfrom danlu.lookup import resolve\nx = 3\nprint(resolve(__file__ + ':x'))\n",
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout == "ran\n3\n"


def test_missing_file_names_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "train_set.py", "x = 1\n")
    error = refused(f"{tmp_path}/trainset.py:x")
    assert error.code == "DL020"
    assert "train_set.py" in error.why
    assert refused(f"{tmp_path}/none/x.py:x").why == f"there is no folder {tmp_path}/none"
    (tmp_path / "empty").mkdir()
    assert "no .py file" in refused(f"{tmp_path}/empty/x.py:x").why


def test_a_file_without_a_name_lists_its_names_without_running_it(tmp_path: Path) -> None:
    path = write(tmp_path / "many.py", "import sys\nsys.exit('ran')\na, b = 1, 2\ndef f(): ...\nclass C: ...\n_x = 1\n")
    error = refused(str(path))
    assert (error.code, error.why) == ("DL021", "it defines: a, b, f, C")
    assert error.fix == f"{path}:a"


def test_missing_name_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "nets.py", "class Network: ...\n")
    error = refused(f"{path}:Netwrk")
    assert error.code == "DL022"
    assert error.fix == f"{path}:Network"
    assert refused(f"{path}:Network.sizes").code == "DL022"


def test_an_exception_names_the_users_line(tmp_path: Path) -> None:
    path = write(tmp_path / "broken.py", "def load():\n    return {}['cats']\n\ndata = load()\n")
    error = refused(f"{path}:data")
    assert error.code == "DL023"
    assert error.what == "broken.py stopped with KeyError: 'cats'"
    assert error.where.endswith("broken.py:2: return {}['cats']")
    assert isinstance(error.__cause__, KeyError)
    assert "broken" not in sys.modules  # a half-made module is not kept


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    path = write(tmp_path / "typo.py", "x = 1\ny = (\n")
    error = refused(f"{path}:x")
    assert error.code == "DL023"
    assert "typo.py:2: y = (" in error.where


def test_a_script_that_exits(tmp_path: Path) -> None:
    path = write(tmp_path / "exits.py", "import sys\nx = 1\nsys.exit(2)\n")
    error = refused(f"{path}:x")
    assert error.code == "DL024"
    assert error.where.endswith("exits.py:3: sys.exit(2)")


def test_the_users_line_comes_before_the_librarys() -> None:
    try:
        import json

        json.loads("{")
    except ValueError as error:
        line = _line_of('json.loads("{")')
        assert where_raised(error).endswith(f'test_lookup.py:{line}: json.loads("{{")')
    assert where_raised(ValueError("never raised")) == ""


def _line_of(text: str) -> int:
    lines = Path(__file__).read_text("utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if line.strip() == text)


def test_optional_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert optional("json", "text") is sys.modules["json"]
    with pytest.raises(DanluError) as caught:
        optional("no_such_package_of_ours", "text")
    assert (caught.value.code, caught.value.fix) == ("DL030", 'pip install "danlu[text]"')
    write(tmp_path / "made_for_another.py", "raise RuntimeError('operator torchvision::nms does not exist')\n")
    write(tmp_path / "lacks_one.py", "import no_such_package_of_ours\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(DanluError) as caught:
        optional("made_for_another", "vision")
    assert caught.value.code == "DL031"
    assert "nms" in caught.value.why
    with pytest.raises(DanluError) as caught:
        optional("lacks_one", "vision")
    assert caught.value.fix == "pip install no_such_package_of_ours"
