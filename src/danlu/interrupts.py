"""Ctrl-C and SIGTERM as a flag that the loop looks at between steps; a second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Stop:
    """``signal`` is the number of the first signal that came, or 0."""

    signal: int = 0


@contextmanager
def caught_signals() -> Iterator[Stop]:
    """Inside, the first SIGINT or SIGTERM only sets the flag. Other threads than the main one cannot catch signals."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.signal:
            raise KeyboardInterrupt
        stop.signal = number

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
