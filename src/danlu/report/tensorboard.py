"""A run's scalars as TensorBoard event files, beside metrics.jsonl and made of the same events."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from danlu.errors import DanluError
from danlu.tensorfile import write_error

MOST_WAITING = 64  # scalars


class Scalars:
    """Writes into ``folder``; with None it does nothing.

    Losses are tensors on the device: they wait together and are read when they are written, as in metrics.jsonl.
    ``step``: where the run goes on. What an earlier process wrote from there on is made again, and TensorBoard is told
    to forget it (``purge_step``).
    """

    def __init__(self, folder: Path | None = None, step: int = 0) -> None:
        self.folder = folder
        self.rate: float | None = None  # the learning rate last written
        self._writer: Any = None
        self._waiting: list[tuple[str, Any, int, float]] = []
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            with self._telling():
                self._writer = SummaryWriter(folder, purge_step=step)

    def event(self, event: Mapping[str, Any], rate: Any = None) -> None:
        """An event of ``report.events``: a step's loss, with the learning rate of that update; an epoch's metrics.

        The mean loss of an epoch is train/epoch_loss here: train/loss has the single updates.
        """
        if self._writer is None:
            return
        if event["event"] == "step":
            self.rate = self.rate if rate is None else float(rate)
            self.scalar("train/loss", event["loss"], event["step"])
            self.scalar("lr", self.rate, event["step"])
        elif event["event"] == "epoch":
            for name, value in event["metrics"].items():
                self.scalar("train/epoch_loss" if name == "train/loss" else name, value, event["step"])

    def scalar(self, name: str, value: Any, step: int) -> None:
        """A number or a 0-d tensor; None (a NaN that went through JSON) is left out."""
        if self._writer is not None and value is not None:
            self._waiting.append((name, value, step, time.time()))
            if len(self._waiting) >= MOST_WAITING:
                self._write()

    def flush(self) -> None:
        """Everything so far is in the file when this returns: ahead of each checkpoint."""
        if self._writer is not None:
            self._write()
            with self._telling():
                self._writer.flush()

    def close(self) -> None:
        """Write what is left; an error of a training that ends with one is not covered by another."""
        if self._writer is not None:
            with suppress(DanluError, OSError):
                self._write()
                self._writer.close()
            self._writer = None

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        with self._telling():
            for name, value, step, when in waiting:
                self._writer.add_scalar(name, float(value), step, when)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self.folder or "", error) from error
