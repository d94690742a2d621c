"""A text file's bytes as UTF-8, whatever it was written in: UTF-8, UTF-16 or GB18030, plain or gzip."""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from pathlib import Path

from danlu.errors import DanluError, reason
from danlu.messages import say
from danlu.types import Choice

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_EXCEL = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_PAIR = re.compile(rb"[\x81-\xfe][\x30-\x39\x40-\xfe]")


def read_bytes(path: Path) -> bytes:
    """The file's content, unpacked when it is gzip (told by its first bytes, not by its name)."""
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    except (OSError, EOFError, zlib.error) as e:  # BadGzipFile is an OSError
        raise DanluError("DL100", where=str(path), reason=reason(e)) from e


def to_utf8(raw: bytes, path: str) -> tuple[bytes, tuple[Choice, ...]]:
    """UTF-8 without BOM. A guess (GB18030) is made only where the bytes speak for it, and is said."""
    if not raw.strip():
        raise DanluError("DL102", where=path)
    if raw.startswith(_EXCEL):
        raise DanluError("DL125", where=path, name=path)
    for mark, name in _MARKS:
        if raw.startswith(mark):
            body = raw[len(mark) :]
            if not body.strip():
                raise DanluError("DL102", where=path)
            text = _decode(body, name, path)
            if name == "utf-8":
                return body, ()
            return text.encode(), (Choice("encoding", name.upper(), say("table.encoding.bom")),)
    if b"\x00" in raw[:65536]:
        raise DanluError("DL100", where=path, reason=say("table.binary"))
    try:
        raw.decode("utf-8")
        return raw, ()
    except UnicodeDecodeError as e:
        if not _looks_chinese(raw):
            raise _unknown(raw, e.start, path) from e
        text = _decode(raw, "gb18030", path)
        return text.encode(), (Choice("encoding", "GB18030", say("table.encoding.gb18030")),)


def _looks_chinese(raw: bytes) -> bool:
    """GB18030 accepts much of any Western text; true Chinese text has nearly all pairs in the GB2312 square.

    In GB2312 both bytes are at least 0xA1, while an accented letter of Latin-1 stands between ASCII letters.
    """
    sample = raw[:1_000_000]
    pairs = [p for p in _PAIR.findall(sample) if p[0] >= 0x81]
    if not pairs:
        return False
    return sum(1 for p in pairs if p[0] >= 0xA1 and p[1] >= 0xA1) >= 0.7 * len(pairs)


def _decode(raw: bytes, name: str, path: str) -> str:
    try:
        return raw.decode(name)
    except UnicodeDecodeError as e:
        raise _unknown(raw, e.start, path) from e


def _unknown(raw: bytes, at: int, path: str) -> DanluError:
    line = raw.count(b"\n", 0, at) + 1
    return DanluError("DL101", where=f"{path}:{line}", byte=f"0x{raw[at]:02X}", offset=at, name=path)
