"""Checkpoints: damaged, cut, killed, out of space, crashed at any instant - the newest or the one before is there."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import children
from children import tensors_of
from crashes import Folder, Op, Recorder, all_crashes, read_tree, write_tree
from danlu import checkpoint, tensorfile
from danlu.checkpoint import TENSORS, Checkpoint, Saver, damage, latest, load_step, save, verify
from danlu.errors import DanluError, reason


def put(folder: Path, step: int, **kw: Any) -> Path:
    return save(folder, step, tensors_of(step), {"step": step}, **kw)


def is_whole(found: Checkpoint | None, step: int) -> bool:
    """Every value of the state that was saved at ``step``."""
    wanted = tensors_of(step)
    return (
        found is not None
        and found.step == step
        and found.values == {"step": step}
        and found.tensors.keys() == wanted.keys()
        and all(torch.equal(found.tensors[k], wanted[k]) and found.tensors[k].dtype == wanted[k].dtype for k in wanted)
    )


def names(folder: Path) -> list[str]:
    return sorted(p.name.rsplit("-", 1)[0] for p in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


# --- what is written and kept ----------------------------------------------------------------------------------------


def test_the_safetensors_library_reads_the_file(folder: Path) -> None:
    kinds = [
        torch.float32,
        torch.float64,
        torch.bfloat16,
        torch.float16,
        torch.int64,
        torch.int8,
        torch.uint8,
        torch.bool,
    ]
    tensors = {f"t{i}": torch.arange(i + 3).to(kind) for i, kind in enumerate(kinds)}
    tensors |= {"empty": torch.zeros(0, 4), "scalar": torch.tensor(2.5), "中文 name": torch.ones(2, 2)}
    tensors["strided"] = torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1)
    path = save(folder, 1, tensors, {})
    theirs = load_file(path / TENSORS)
    assert theirs.keys() == tensors.keys()
    for name, t in tensors.items():
        assert theirs[name].dtype == t.dtype and torch.equal(theirs[name], t), name


def test_dtypes_outside_the_format_come_back(folder: Path) -> None:
    tensors = {"c128": torch.randn(3, 2, dtype=torch.complex128), "conj": torch.randn(4, dtype=torch.complex64).conj()}
    save(folder, 1, tensors, {})
    found = latest(folder)
    assert found is not None
    for name, t in tensors.items():
        assert found.tensors[name].dtype == t.dtype and torch.equal(found.tensors[name], t), name


@pytest.mark.parametrize("bad", [torch.eye(3).to_sparse(), torch.empty(3, device="meta")], ids=["sparse", "meta"])
def test_a_tensor_without_plain_values_is_named(folder: Path, bad: torch.Tensor) -> None:
    with pytest.raises(DanluError, match=r"layer\.7") as caught:
        save(folder, 1, {"layer.7": bad}, {})
    assert caught.value.code == "DL413"
    assert list(folder.iterdir()) == []


def test_the_newest_two_and_pinned_ones_stay(folder: Path) -> None:
    for step in range(1, 8):
        put(folder, step, pinned={3})
    assert names(folder) == ["step-3", "step-6", "step-7"]
    put(folder, 8, keep=3, pinned={6})
    assert names(folder) == ["step-6", "step-7", "step-8"]
    found = load_step(folder, 6)
    assert is_whole(found, 6)
    assert load_step(folder, 3) is None


def test_steps_are_ordered_as_numbers(folder: Path) -> None:
    for step in (9, 10, 100):
        put(folder, step, keep=5)
    assert is_whole(latest(folder), 100)


def test_nothing_saved_is_none_and_not_an_error(folder: Path) -> None:
    assert latest(folder) is None
    folder.mkdir()
    (folder / "step-1.tmp-0123abcd").mkdir()
    (folder / "step-x").mkdir()
    assert latest(folder) is None


def test_saving_the_same_state_again_keeps_it(folder: Path) -> None:
    assert put(folder, 5) == put(folder, 5)
    assert names(folder) == ["step-5"]
    save(folder, 5, tensors_of(5), {"step": 5, "again": True})
    found = latest(folder)
    assert names(folder) == ["step-5"] and found is not None and found.values["again"]


def test_a_damaged_one_of_the_same_name_is_moved_aside(folder: Path) -> None:
    put(folder, 4)
    path = put(folder, 5)
    (path / TENSORS).write_bytes(b"broken")
    assert put(folder, 5) == path
    assert is_whole(latest(folder), 5)
    assert sum(".bad-" in p.name for p in folder.iterdir()) == 1
    put(folder, 6)
    assert is_whole(latest(folder), 6)


def test_damaged_ones_do_not_count_as_kept(folder: Path) -> None:
    put(folder, 1)
    path = put(folder, 2)
    (path / "values.json").unlink()
    put(folder, 3)
    assert names(folder) == ["step-1", "step-3"]


def test_nan_in_values_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(ValueError):
        save(folder, 1, {}, {"x": float("nan")})
    assert not folder.exists()


# --- bits and bytes --------------------------------------------------------------------------------------------------


def flip(path: Path, position: int, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << bit
    path.write_bytes(data)


def damaged_are_found(folder: Path, flips: int, cuts: int) -> None:
    put(folder, 1)
    newest = put(folder, 2)
    files = sorted(newest.iterdir())
    good = {file: file.read_bytes() for file in files}
    rng = random.Random(0)
    skipped: list[tuple[Path, str]] = []
    for i in range(flips + cuts):
        file = files[i % len(files)]
        if i < flips:
            flip(file, rng.randrange(len(good[file])), rng.randrange(8))
        else:
            file.write_bytes(good[file][: rng.randrange(len(good[file]))])
        assert is_whole(latest(folder, on_skip=lambda p, why: skipped.append((p, why))), 1), (file.name, i)
        file.write_bytes(good[file])
    assert len(skipped) == flips + cuts
    assert {p for p, _ in skipped} == {newest} and all(why for _, why in skipped)
    assert is_whole(latest(folder), 2)


def test_every_flipped_bit_and_cut_is_found(folder: Path) -> None:
    damaged_are_found(folder, 600, 150)


@pytest.mark.long
def test_twenty_thousand_flipped_bits(folder: Path) -> None:
    damaged_are_found(folder, 20_000, 4_000)


@pytest.mark.parametrize("name", [TENSORS, "values.json", "manifest.json"])
def test_a_missing_or_longer_file_is_found(folder: Path, name: str) -> None:
    put(folder, 1)
    path = put(folder, 2)
    with open(path / name, "ab") as file:
        file.write(b"\n")
    assert not verify(path) and is_whole(latest(folder), 1)
    (path / name).unlink()
    assert name in damage(path) and is_whole(latest(folder), 1)


def test_all_damaged_is_said_not_started_over(folder: Path) -> None:
    for step in (1, 2):
        flip(put(folder, step) / TENSORS, 200, 3)
    with pytest.raises(DanluError, match="all 2 checkpoints") as caught:
        latest(folder)
    assert caught.value.code == "DL405"


@pytest.mark.parametrize(
    "manifest",
    [b"[" * 100_000, b"{}", b"null", b'{"format": 1, "step": 3, "files": []}', b'{"files": {"../../x": {"size": 1}}}'],
)
def test_a_forged_manifest_is_skipped(folder: Path, manifest: bytes) -> None:
    import hashlib

    put(folder, 1)
    forged = folder / f"step-3-{hashlib.sha256(manifest).hexdigest()[:16]}"
    forged.mkdir()
    (forged / "manifest.json").write_bytes(manifest)
    (forged / TENSORS).write_bytes(b"")
    (forged / "values.json").write_bytes(b"{}")
    assert is_whole(latest(folder), 1)


# --- crashes ---------------------------------------------------------------------------------------------------------


def scenario_two_before(folder: Path) -> tuple[Callable[[], Any], int | None]:
    put(folder, 1), put(folder, 2)
    return lambda: put(folder, 3), 2


def scenario_first(folder: Path) -> tuple[Callable[[], Any], int | None]:
    return lambda: put(folder, 3), None


def scenario_moved_aside(folder: Path) -> tuple[Callable[[], Any], int | None]:
    put(folder, 1), put(folder, 2)
    flip(put(folder, 3, keep=3) / TENSORS, 300, 1)
    return lambda: put(folder, 3), 2


def scenario_leftovers(folder: Path) -> tuple[Callable[[], Any], int | None]:
    put(folder, 1), put(folder, 2)
    for name in ("step-3.tmp-00000000", "step-1-0123456789abcdef.del-00000000"):
        (folder / name).mkdir()
        (folder / name / TENSORS).write_bytes(b"half")

    def run() -> None:
        saver = Saver(folder)
        saver.snapshot(3, tensors_of(3), {"step": 3})
        saver.wait()

    return run, 2


SCENARIOS = [scenario_two_before, scenario_first, scenario_moved_aside, scenario_leftovers]


def recorded(root: Path, run: Callable[[], Any]) -> list[Op]:
    with pytest.MonkeyPatch.context() as patch:
        recorder = Recorder(root, patch)
        run()
    return recorder.ops


def violations(tmp_path: Path, start: Folder, ops: list[Op], before: int | None) -> tuple[int, str]:
    """Crash states tried, and the first where neither the newest nor the one before is there, whole."""
    tried, seen = 0, {}
    for done, tree in all_crashes(start, ops):
        key = json.dumps(tree, default=lambda b: b.hex(), sort_keys=True)
        if key not in seen:
            place = tmp_path / "crashed"
            write_tree(place, tree)
            try:
                state = latest(place / "checkpoints")
            except DanluError:
                state = Checkpoint(-1, {}, {}, place)
            seen[key] = 0 if state is None else state.step if is_whole(state, state.step) else -1
            shutil.rmtree(place)
        step = seen[key] or None
        tried += 1
        if step not in ({3} if done == len(ops) else {3, before}):
            return tried, f"after call {done} of {len(ops)}: step {step}"
    return tried, ""


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_legal_crash_state_has_a_whole_checkpoint(
    tmp_path: Path, scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensorfile, "CHUNK", 2048)  # several writes a file, as a large state has
    root = tmp_path / "run"
    root.mkdir()
    run, before = scenario(root / "checkpoints")
    start = read_tree(root)
    ops = recorded(root, run)
    assert {"mkdir", "create", "write", "fsync", "rename"} <= {op.kind for op in ops}
    tried, found = violations(tmp_path, start, ops, before)
    assert found == ""
    assert tried > 200


@pytest.mark.parametrize("left_out", ["the files' fsync", "the new folder's fsync", "the parent's fsync", "order"])
def test_the_crash_test_sees_a_broken_protocol(tmp_path: Path, left_out: str) -> None:
    root = tmp_path / "run"
    root.mkdir()
    run, before = scenario_two_before(root / "checkpoints")
    start = read_tree(root)
    ops = recorded(root, run)
    if left_out == "order":  # the older ones deleted before the new one has its name
        first = next(i for i, op in enumerate(ops) if op.kind == "rename")
        deletions = [op for op in ops if ".del-" in op.path + op.other]
        both = [
            Op(op.kind, op.path.replace("step-1", "step-2"), op.other.replace("step-1", "step-2")) for op in deletions
        ]
        old = next(p.name for p in (root / "checkpoints").iterdir() if p.name.startswith("step-2"))
        gone = [Op("rename", f"checkpoints/{old}", f"checkpoints/{old}.del-00000000")]
        assert both
        ops = ops[:first] + gone + ops[first:]
    else:
        depth = {"the files' fsync": 2, "the new folder's fsync": 1, "the parent's fsync": 0}[left_out]
        ops = [op for op in ops if not (op.kind == "fsync" and op.path.count("/") == depth)]
    assert violations(tmp_path, start, ops, before)[1]


def test_the_recorder_misses_nothing(tmp_path: Path) -> None:
    """Python's audit events tell of every file opened, renamed and removed, however it was called."""
    root = tmp_path / "run"
    root.mkdir()
    run, _ = scenario_two_before(root / "checkpoints")
    events: list[tuple[str, str]] = []
    active = True
    kinds = {"os.mkdir": "mkdir", "os.rename": "rename", "os.remove": "unlink", "os.rmdir": "rmdir", "open": "create"}

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if active and event in kinds and str(args[0]).startswith(str(root)):
            writes = event != "open" or (isinstance(args[2], int) and args[2] & os.O_CREAT)
            if writes:
                events.append((kinds[event], os.path.relpath(str(args[0]), root)))

    sys.addaudithook(hook)
    ops = recorded(root, run)
    active = False
    assert events == [(op.kind, op.path) for op in ops if op.kind in kinds.values()]


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_the_kernel_sees_the_same_calls(tmp_path: Path) -> None:
    """The system calls of a real save, in order, are those that the recorder keeps."""
    root = tmp_path / "run"
    root.mkdir()
    run, _ = scenario_two_before(root / "checkpoints")
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    ops = [op.kind for op in recorded(root, run)]
    log = tmp_path / "strace.txt"
    code = (
        f"from pathlib import Path; import children as c; from danlu.checkpoint import save; p = Path({str(copy)!r})\n"
    )
    code += "save(p / 'checkpoints', 3, c.tensors_of(3), {'step': 3})"
    calls = "mkdir,mkdirat,openat,write,pwrite64,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir"
    done = subprocess.run(
        ["strace", "-f", "-y", "-o", str(log), "-e", f"trace={calls},ftruncate,fallocate", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.path.dirname(__file__)},
        timeout=120,
    )
    if "PTRACE" in done.stderr or "ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stderr
    seen = []
    for line in log.read_text().splitlines():
        if str(copy) not in line or re.search(r"= -1 E", line):
            continue
        call = re.search(r"\d+ +(\w+)\(", line)
        kind = re.sub(r"at2?$", "", call[1]) if call else ""
        kind = {"pwrite64": "write", "fdatasync": "fsync"}.get(kind, kind)
        if kind == "unlink" and "AT_REMOVEDIR" in line:
            kind = "rmdir"
        if call and call[1] == "openat":
            if "O_CREAT" not in line:
                continue
            kind = "create"
        seen.append(kind)
    assert seen == ops


def calls_of_a_save(tmp_path: Path) -> int:
    folder = tmp_path / "count" / "checkpoints"
    put(folder, 1), put(folder, 2)
    return len(recorded(folder.parent, lambda: put(folder, 3)))


def test_kill_at_every_call_of_a_save(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    put(folder, 1), put(folder, 2)
    newest, killed = 2, 0
    for call in range(calls_of_a_save(tmp_path) + 1):
        code = children.run_child(children.save_until_call, str(folder), newest + 1, call)
        found = latest(folder)
        assert found is not None and found.step in (newest, newest + 1) and is_whole(found, found.step), call
        assert code == -9 or found.step == newest + 1
        killed += code == -9
        newest = found.step
    assert killed >= 12


def kills_at_random(folder: Path, count: int) -> int:
    rng, newest, inside = random.Random(1), 0, 0
    for _ in range(count):
        child = children.server().Process(target=children.save_for_ever, args=(str(folder), newest + 1))
        child.start()
        deadline = time.monotonic() + 30
        while not (found := list(folder.glob(f"step-{newest + 1}-*"))) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.03)
        child.kill()
        child.join()
        inside += any(".tmp-" in p.name or ".del-" in p.name for p in folder.iterdir())
        state = latest(folder)
        assert found and state is not None and state.step > newest and is_whole(state, state.step)
        newest = state.step
    return inside


def test_kill_at_random_times(folder: Path) -> None:
    assert kills_at_random(folder, 30) >= 3
    put(folder, 10**6)
    Saver(folder).snapshot(10**6 + 1, {}, {})


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_a_thousand_kills(folder: Path) -> None:
    assert kills_at_random(folder, 1000) >= 100


# --- disk full -------------------------------------------------------------------------------------------------------


class FullDisk:
    """``os.write`` as on a disk with ``room`` bytes left: a short write, then ENOSPC."""

    def __init__(self, room: int, patch: pytest.MonkeyPatch) -> None:
        self.room, self.real = room, os.write
        patch.setattr(os, "write", self.write)

    def write(self, fd: int, data: Any) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        n = self.real(fd, bytes(data)[: self.room])
        self.room -= n
        return n


def bytes_of_a_save(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def test_disk_full_anywhere_keeps_the_old_checkpoint(folder: Path) -> None:
    put(folder, 1), put(folder, 2)
    total = bytes_of_a_save(put(folder.parent / "other", 3))
    positions = [total * i // 20 for i in range(20)] + [total - 1]
    for room in positions:
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(room, patch)
            with pytest.raises(DanluError) as caught:
                put(folder, 3)
        error = caught.value
        assert error.code == "DL401" and str(folder) in error.what, room
        assert f"{error.facts['done']:,} were written" in error.what and error.facts["done"] <= room
        assert error.facts["total"] > error.facts["done"]
        assert names(folder) == ["step-1", "step-2"] and is_whole(latest(folder), 2), room
    put(folder, 3)
    assert is_whole(latest(folder), 3)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file size limit")
def test_a_file_size_limit_of_the_system_keeps_the_old_checkpoint(folder: Path) -> None:
    put(folder, 1), put(folder, 2)
    size = (put(folder.parent / "other", 3) / TENSORS).stat().st_size
    for i in range(20):
        assert children.run_child(children.save_with_limit, str(folder), 3, size * i // 20) == 3
        assert names(folder) == ["step-1", "step-2"] and is_whole(latest(folder), 2), i
    assert children.run_child(children.save_with_limit, str(folder), 3, size) == 0
    assert is_whole(latest(folder), 3)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_any_call_that_fails_keeps_a_whole_checkpoint(tmp_path: Path, number: int) -> None:
    folder = tmp_path / "checkpoints"
    put(folder, 1), put(folder, 2)
    failed = 0
    for call in range(calls_of_a_save(tmp_path)):
        left = [call]

        def fail(op: Op, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == -1:
                raise OSError(number, os.strerror(number))

        before = latest(folder)
        assert before is not None
        with pytest.MonkeyPatch.context() as patch:
            Recorder(tmp_path, patch, fail)
            try:
                put(folder, before.step + 1)
            except DanluError as error:
                failed += 1
                assert error.code == ("DL401" if number == errno.ENOSPC else "DL402")
                assert error.code == "DL401" or reason(OSError(number, os.strerror(number))) in str(error)
                assert str(folder) in str(error)
        found = latest(folder)
        assert found is not None and found.step in (before.step, before.step + 1) and is_whole(found, found.step)
    assert failed >= 10


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DanluError) as caught:
        put(tmp_path / "file" / "checkpoints", 1)
    assert caught.value.code == "DL402"


# --- in the background -----------------------------------------------------------------------------------------------


def test_a_snapshot_is_the_moment_it_was_taken(folder: Path) -> None:
    state = tensors_of(1) | {
        "strided": torch.arange(12.0).reshape(3, 4).t(),
        "bf16": torch.ones(5, dtype=torch.bfloat16),
    }
    wanted = {name: t.clone() for name, t in state.items()}
    values = {"list": [1]}
    gate = threading.Event()
    saver = Saver(folder, before=gate.wait)  # type: ignore[arg-type]
    saver.snapshot(1, state, values)
    assert saver.busy
    for t in state.values():
        t.add_(1)
    values["list"].append(2)
    gate.set()
    assert saver.wait() == saver.saved
    found = latest(folder)
    assert found is not None and found.values == {"list": [1]}
    assert all(torch.equal(found.tensors[name], t) for name, t in wanted.items())


def test_snapshots_of_other_shapes_and_sizes_follow_each_other(folder: Path) -> None:
    saver = Saver(folder)
    for step, shapes in enumerate([[(3,)], [(3,), (400, 5)], [(7, 7)], [], [(3,), (400, 5)]]):
        state = {f"t{i}": torch.full(shape, float(step)) for i, shape in enumerate(shapes)}
        saver.snapshot(step, state, {"step": step})
        saver.wait()
        found = latest(folder)
        assert found is not None and found.tensors.keys() == state.keys()
        assert all(torch.equal(found.tensors[k], state[k]) for k in state)


def test_a_failure_in_the_background_is_raised_by_the_next_call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saver = Saver(folder)
    saver.snapshot(1, tensors_of(1), {"step": 1})
    saver.wait()
    with pytest.MonkeyPatch.context() as patch:
        FullDisk(100, patch)
        saver.snapshot(2, tensors_of(2), {"step": 2})
        while saver.busy:
            time.sleep(0.001)
    with pytest.raises(DanluError) as caught:
        saver.snapshot(3, tensors_of(3), {"step": 3})
    assert caught.value.code == "DL401"
    saver.snapshot(4, tensors_of(4), {"step": 4})
    saver.wait()
    assert is_whole(latest(folder), 4)


def test_leftovers_of_killed_saves_are_swept_and_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    put(folder, 1)
    mine = tmp_path / "precious"
    mine.mkdir()
    (mine / "thesis.tex").write_text("x")
    (folder / "step-2.tmp-00000000").mkdir()
    (folder / "step-2.tmp-00000000" / "x").write_text("x")
    (folder / "step-3.tmp-00000001").symlink_to(mine)
    (folder / "step-0-0123456789abcdef").symlink_to(mine)
    (folder / "notes.tmp-00000002").mkdir()
    saver = Saver(folder)
    saver.snapshot(5, tensors_of(5), {"step": 5})
    saver.wait()
    assert sorted(p.name[:9] for p in folder.iterdir()) == [
        "notes.tmp",
        *(p.name[:9] for p in sorted(folder.glob("step-[15]-*"))),
    ]
    assert (mine / "thesis.tex").read_text() == "x"


def test_windows_has_no_folder_to_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Windows:
        name = "nt"

        def __getattr__(self, what: str) -> Any:
            return getattr(os, what)

        def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
            if os.path.isdir(path):
                raise PermissionError(errno.EACCES, "a folder cannot be opened", str(path))
            return os.open(path, flags, mode)

    monkeypatch.setattr(tensorfile, "os", Windows())
    monkeypatch.setattr(checkpoint, "os", Windows())
    put(folder, 1)
    assert is_whole(latest(folder), 1)
