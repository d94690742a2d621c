"""The run folder: its name, its lock, its log, and finding it again."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import children
from danlu import lock, run
from danlu.errors import DanluError
from danlu.run import RunFolder

posix = pytest.mark.skipif(sys.platform == "win32", reason="fork and signals")


# --- making and finding ----------------------------------------------------------------------------------------------


def test_a_new_folder_is_named_by_data_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "strftime", lambda form: "0131-0905")
    made = [run.make("photos").path for _ in range(3)]
    assert [str(p) for p in made] == ["runs/photos-0131-0905", "runs/photos-0131-0905-2", "runs/photos-0131-0905-3"]
    assert all(p.is_dir() for p in made)


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("../../etc/x y", "etc-x-y"),
        ("照片", "照片"),
        ("...", "run"),
        ("", "run"),
        ("a\0b/c", "a-b-c"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_name_stays_inside_runs(name: str, clean: str) -> None:
    path = run.make(name).path
    assert path.parent == Path("runs") and path.name.startswith(f"{clean}-")


def test_two_processes_never_get_the_same_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: run.make("same").path, range(24)))
    assert len(set(made)) == 24


def test_runs_is_a_file() -> None:
    Path("runs").write_text("")
    for make in (lambda: run.make("x"), lambda: run.at("runs/x")):
        with pytest.raises(DanluError) as caught:
            make()
        assert caught.value.code == "DL402"


def finished(path: str) -> RunFolder:
    folder = run.at(path)
    (folder.path / "run.toml").write_text("")
    return folder


@pytest.mark.parametrize("links", [True, False])
def test_latest_points_to_the_newest(links: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not links:  # as on Windows without developer mode
        monkeypatch.setattr(Path, "symlink_to", lambda *a, **k: (_ for _ in ()).throw(OSError(1314, "privilege")))
    for name in ("a", "b"):
        finished(f"runs/{name}").point_latest()
        assert Path("runs/latest").is_symlink() == links
        assert run.resolve() == Path("runs") / name
        assert run.resolve("runs/latest") == Path("runs") / name
    finished("elsewhere/c").point_latest()
    assert run.resolve().samefile("elsewhere/c")
    assert not list(Path("runs").glob(".latest*"))


def test_a_folder_called_latest_is_left_alone() -> None:
    finished("runs/latest")
    finished("runs/a").point_latest()
    assert run.resolve() == Path("runs/latest") and not Path("runs/latest").is_symlink()


def test_finding_nothing_is_answered() -> None:
    cases = {"runs/photos-1": "no runs in runs", "runs/latest": "no runs in runs"}
    for path, words in cases.items():
        with pytest.raises(DanluError, match=words) as caught:
            run.resolve(path)
        assert caught.value.code == "DL400"
    finished("runs/photos-0101-0000").point_latest()
    with pytest.raises(DanluError, match="did you mean 'photos-0101-0000'"):
        run.resolve("runs/photo-0101-0000")
    shutil.rmtree("runs/photos-0101-0000")
    with pytest.raises(DanluError):  # latest dangles
        run.resolve()
    Path("empty").mkdir()
    with pytest.raises(DanluError, match=r"holds none of run\.toml"):
        run.resolve("empty")


def test_the_model_folder_of_a_run_or_its_copy() -> None:
    folder = finished("runs/a")
    folder.point_latest()
    assert run.model_folder("runs/latest") == Path("runs/a/model")
    Path("copied").mkdir()
    Path("copied/config.json").write_text("{}")
    assert run.model_folder("copied") == Path("copied")


# --- the lock --------------------------------------------------------------------------------------------------------


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Any]:
    """Starts processes that hold a lock; none outlives the test."""
    started: list[Any] = []
    orphans: list[Path] = []

    def start(folder: Path, with_child: bool = False) -> Any:
        ready = tmp_path / f"ready{len(started)}"
        child = children.server().Process(target=children.hold_lock, args=(str(folder), str(ready), with_child))
        child.start()
        started.append(child)
        orphans.append(Path(f"{ready}.child"))
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert child.is_alive() and time.monotonic() < deadline
            time.sleep(0.005)
        return child

    yield start
    for child in started:
        child.kill()
        child.join()
    for orphan in orphans:
        if orphan.exists():
            os.kill(int(orphan.read_text()), signal.SIGKILL)


def test_a_second_process_is_refused_at_once_and_told_who_has_it(tmp_path: Path, holder: Any) -> None:
    child = holder(tmp_path)
    began = time.monotonic()
    with pytest.raises(DanluError) as caught:
        RunFolder(tmp_path).lock()
    assert time.monotonic() - began < 1
    assert caught.value.code == "DL403" and f"process {child.pid} on" in caught.value.what


@posix
def test_a_killed_holders_lock_is_taken_over_even_with_its_workers_alive(tmp_path: Path, holder: Any) -> None:
    child = holder(tmp_path, with_child=True)
    worker = int(next(tmp_path.glob("*.child")).read_text())
    child.kill()
    child.join()
    os.kill(worker, 0)  # alive
    began = time.monotonic()
    folder = RunFolder(tmp_path)
    folder.lock()
    assert time.monotonic() - began < 1
    assert json.loads((tmp_path / ".lock").read_bytes())["pid"] == os.getpid()  # drops our lock: nothing follows
    folder.close()


@posix
def test_a_worker_that_ends_does_not_drop_the_lock(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock()
    pid = os.fork()
    if pid == 0:  # as a DataLoader worker: it closes what it inherited
        folder.close()
        os._exit(0)
    os.waitpid(pid, 0)
    assert children.run_child(children.lock_once, str(tmp_path)) == 3
    folder.close()
    assert children.run_child(children.lock_once, str(tmp_path)) == 0


def test_the_same_process_cannot_lock_twice_and_keeps_its_lock(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.lock()
    link = tmp_path.parent / "link"
    link.symlink_to(tmp_path)
    for path in (tmp_path, link):
        with pytest.raises(DanluError) as caught:
            RunFolder(path).lock()
        assert caught.value.code == "DL403" and f"process {os.getpid()}" in str(caught.value)
    assert children.run_child(children.lock_once, str(tmp_path)) == 3
    folder.close()
    folder.lock()
    folder.close()


def test_a_lock_file_of_rubbish_is_taken_over(tmp_path: Path) -> None:
    for content in (b"", b"{", b"[]", b'{"pid": "x"}', b"\xff" * 9000):
        (tmp_path / ".lock").write_bytes(content)
        folder = RunFolder(tmp_path)
        folder.lock()
        folder.close()


def test_a_folder_without_locks_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(fd: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", none)
    with pytest.raises(DanluError, match=os.strerror(errno.ENOLCK)) as caught:
        RunFolder(tmp_path).lock()
    assert caught.value.code == "DL402"


# --- logs and settings -----------------------------------------------------------------------------------------------


def test_events_are_appended_counted_and_cut(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    events = [{"event": "step", "step": i, "loss": i / 3, "名": "é\n"} for i in range(5)]
    for event in events:
        folder.log(event)
    assert folder.lines == 5 and list(folder.events()) == events
    folder.cut(2)
    folder.log({"event": "new"})
    folder.sync()
    folder.close()
    again = RunFolder(tmp_path)
    assert again.lines == 3
    assert list(again.events()) == [*events[:2], {"event": "new"}]
    again.cut(99)
    assert again.lines == 3
    again.close()


def test_what_json_lacks_becomes_null(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"a": float("nan"), "b": [1.5, float("inf")], "c": {"d": (-float("inf"), True)}})
    assert list(folder.events()) == [{"a": None, "b": [1.5, None], "c": {"d": [None, True]}}]
    folder.close()


def test_a_line_cut_short_by_a_crash_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_bytes(b'{"a": 1}\n{"a": 2')
    folder = RunFolder(tmp_path)
    assert list(folder.events()) == [{"a": 1}]
    assert (tmp_path / "metrics.jsonl").read_bytes().endswith(b"2")  # reading changes nothing
    folder.log({"a": 3})
    assert list(folder.events()) == [{"a": 1}, {"a": 3}] and folder.lines == 2
    folder.close()


def test_a_full_disk_names_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    folder.log({"a": 1})

    def full(fd: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(DanluError, match=r"metrics\.jsonl") as caught:
            folder.log({"a": 2})
    assert caught.value.code == "DL401"
    folder.close()


@posix
def test_links_in_a_strange_run_folder_are_not_written_through(tmp_path: Path) -> None:
    """A folder from elsewhere may hold ``log.txt -> ~/.bashrc``."""
    victim = tmp_path / "bashrc"
    victim.write_text("alias x=y\n")
    for name in ("log.txt", "metrics.jsonl", ".lock", "run.toml", "env.json", "README.md"):
        folder = tmp_path / name.strip(".")
        folder.mkdir()
        (folder / name).symlink_to(victim)
        attacked = RunFolder(folder)
        for write in (
            lambda f=attacked: f.note("evil"),
            lambda f=attacked: f.log({"evil": 1}),
            lambda f=attacked: f.lock(),
            lambda f=attacked: f.write_settings({"evil": 1}),
            lambda f=attacked: f.write_env({"evil": 1}),
            lambda f=attacked: f.write_text("README.md", "evil"),
        ):
            try:
                write()
            except DanluError as error:
                assert error.code == "DL402"
        attacked.close()
        assert victim.read_text() == "alias x=y\n", name


def test_settings_and_environment_come_back(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    values = {"data": "照片/", "lr": 0.001, "seed": 3, "target": ["a", "b"], "chosen": {"batch_size": 64}}
    folder.write_settings(values, "how this run was made")
    assert folder.read_settings() == values
    assert (tmp_path / "run.toml").read_text("utf-8").startswith("# how this run was made\n")
    assert folder.read_env() == {}
    now = run.environment("cpu", 2)
    folder.write_env(now)
    assert folder.read_env() == now and run.changes(folder.read_env(), now) == []
    assert run.changes(now, {**now, "torch": "9.9", "threads": 4}) == [f"torch {now['torch']} → 9.9", "threads 2 → 4"]
    (tmp_path / "env.json").write_text("[1]")
    assert folder.read_env() == {}
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["env.json", "run.toml"]


def test_notes_are_dated_and_never_stop_a_training(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.note("Traceback …\n")
    folder.note("zweite")
    lines = (tmp_path / "log.txt").read_text("utf-8").splitlines()
    assert [line.split(" ", 2)[2] for line in lines] == ["Traceback …", "zweite"]
    time.strptime(lines[0][:19], "%Y-%m-%d %H:%M:%S")
    RunFolder(tmp_path / "not there").note("nothing")


def test_space_is_looked_at_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder(tmp_path)
    folder.check_space(1000)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=3999))
    folder.check_space(999)
    with pytest.raises(DanluError, match="3,999 bytes free, checkpoints need 4,000") as caught:
        folder.check_space(1000)
    assert caught.value.code == "DL404"
    assert not any(p.is_file() for p in tmp_path.iterdir())
    with pytest.raises(DanluError) as caught:
        RunFolder(tmp_path / "not there").check_space(1)
    assert caught.value.code == "DL402" and "not there" in caught.value.what


def test_the_resume_line_can_be_pasted() -> None:
    assert RunFolder("runs/a-1").resume_line() == "danlu resume runs/a-1"
    if os.name != "nt":
        assert RunFolder("my runs/a$1").resume_line() == "danlu resume 'my runs/a$1'"


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    folder = run.at(tmp_path / "runs" / "x")
    folder.lock()
    folder.checkpoints.mkdir()
    folder.discard()
    assert not folder.path.exists()
    other = run.at(tmp_path / "mine")
    (other.path / "notes.txt").write_text("mine")
    other.lock()
    other.discard()
    assert [p.name for p in other.path.iterdir()] == ["notes.txt"]


def test_the_newest_run_is_offered_where_no_name_is_near() -> None:
    for name in ("photos-1", "photos-2"):
        finished(f"runs/{name}")
    os.utime("runs/photos-1/run.toml", (1, 1))
    Path("runs/not-a-run").mkdir()
    with pytest.raises(DanluError, match="holds 2 runs, the newest is photos-2") as caught:
        run.resolve("runs/xyz")
    assert caught.value.fix == "runs/photos-2"


def test_step_losses_wait_but_are_never_lost_or_out_of_order(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for i in range(70):
        folder.log_later({"step": i, "loss": torch.tensor(i / 2)})
    written = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert len(written) == 64
    folder.log({"epoch": 1})
    assert [e.get("step") for e in folder.events()] == [*range(70), None]
    folder.log_later({"step": 70, "loss": torch.tensor(float("nan"))})
    assert folder.lines == 72  # what a checkpoint counts is on the disk
    assert list(folder.events())[-1] == {"step": 70, "loss": None}
    folder.log_later({"step": 71})
    folder.cut(72)
    folder.log_later({"step": 71, "loss": 1.0})
    folder.close()
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 73
