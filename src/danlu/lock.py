"""One process a run folder: a lock that the system drops when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

from danlu.errors import DanluError

_held: dict[tuple[int, int], tuple[int, int]] = {}  # (device, inode) -> (pid, descriptor)
_BEYOND = 1 << 30  # Windows locks bytes: one far behind the text, so that others can read who holds it


def acquire(path: Path, folder: Path) -> None:
    """Lock ``path`` for this process, or raise DL403 naming the process that has it. Never waits.

    ``lockf``, not ``flock``: a forked worker would keep an ``flock`` alive after its parent was killed.
    Its trap: any close of the file in this process drops the lock, so the descriptor stays here and
    nothing in this process opens the file a second time.
    """
    if _mine(path):
        raise DanluError("DL403", where=str(folder), path=str(folder), pid=os.getpid(), host=socket.gethostname())
    fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)  # a link could name any file
    try:
        _lock(fd)
    except OSError as error:
        holder = _holder(fd)
        os.close(fd)
        if error.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise
        raise DanluError("DL403", where=str(folder), path=str(folder), **holder) from None
    with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
        os.ftruncate(fd, 0)
        os.write(fd, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())
    info = os.fstat(fd)
    _held[info.st_dev, info.st_ino] = (os.getpid(), fd)


def refuse_if_held(folder: Path) -> None:
    """Raise DL403 at once when another process works in the run's folder; without importing anything heavy."""
    path = folder / ".lock"
    if os.path.exists(path):  # Path.exists raises where the name is too long
        acquire(path, folder)
        release(path)


def release(path: Path) -> None:
    """Give the lock back; without one of this process there, nothing happens."""
    if _mine(path):
        info = os.stat(path)
        os.close(_held.pop((info.st_dev, info.st_ino))[1])


def _mine(path: Path) -> bool:
    try:
        info = os.stat(path)
    except OSError:
        return False
    return _held.get((info.st_dev, info.st_ino), (0, 0))[0] == os.getpid()


def _holder(fd: int) -> dict[str, Any]:
    try:
        os.lseek(fd, 0, os.SEEK_SET)
        found = json.loads(os.read(fd, 4096))
        return {"pid": int(found["pid"]), "host": str(found["host"])}
    except (OSError, ValueError, KeyError, TypeError):  # the holder is about to write its name
        return {"pid": "?", "host": "?"}


def _lock(fd: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        os.lseek(fd, _BEYOND, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
