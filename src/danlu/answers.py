"""Predictions written down: one row an input, in order, as CSV, JSON lines, Parquet, or lines on the terminal."""

from __future__ import annotations

import csv
import errno
import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from danlu.errors import DanluError, reason
from danlu.messages import say
from danlu.types import Prediction, Schema

Row = dict[str, Any]
SUFFIXES = (".csv", ".jsonl", ".parquet")


class Writer:
    """Rows go to a file as they come; the file has its name only when all of them are there."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix not in SUFFIXES:
            raise DanluError("DL315", where=str(path), suffix=self.path.suffix, known=", ".join(SUFFIXES))
        if not self.path.parent.is_dir():
            line = f"mkdir -p {shlex.quote(str(self.path.parent))}"
            raise DanluError(
                "DL317", str(path), path=path, reason=say("answers.no_folder", path=self.path.parent), line=line
            )
        self.temporary = self.path.with_name(f".{self.path.name}.part")
        self._file: IO[str] | None = None
        self._parquet: Any = None
        self._put: Callable[[Sequence[Row]], None] | None = None
        self.rows = 0

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.close()
        else:
            self._drop()

    def write(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self.rows += len(rows)
        with self._to_disk():
            if self._put is None:
                self._put = {".csv": self._open_csv, ".jsonl": self._open_jsonl, ".parquet": self._open_parquet}[
                    self.path.suffix
                ](rows[0])
            self._put(rows)

    def close(self) -> None:
        """All rows are there: give the file its name."""
        with self._to_disk():
            if self._put is None:
                self.path.write_text("", encoding="utf-8")
                return
            if self._file is not None:
                self._file.close()
            if self._parquet is not None:
                self._parquet.close()
            self.temporary.replace(self.path)

    @contextmanager
    def _to_disk(self) -> Iterator[None]:
        """DL317 for a disk that is full or a file that may not be written; nothing half-written stays."""
        try:
            yield
        except OSError as error:
            self._drop()
            line = "df -h ." if error.errno == errno.ENOSPC else f"-o answers{self.path.suffix}"
            raise DanluError("DL317", str(self.path), path=self.path, reason=reason(error), line=line) from error

    def _drop(self) -> None:
        for file in (self._file, self._parquet):
            with suppress(OSError):  # what is still in its buffer does not fit either
                if file is not None:
                    file.close()
        with suppress(OSError):  # nor can a disk that only reads take anything away
            self.temporary.unlink(missing_ok=True)

    def _open_csv(self, first: Row) -> Callable[[Sequence[Row]], None]:
        self._file = open(self.temporary, "w", encoding="utf-8-sig", newline="")  # noqa: SIM115 - closed by close(); Excel reads UTF-8 only with a BOM
        writer = csv.DictWriter(self._file, list(first))
        writer.writeheader()
        return lambda rows: writer.writerows([{k: _cell(v) for k, v in row.items()} for row in rows])

    def _open_jsonl(self, first: Row) -> Callable[[Sequence[Row]], None]:
        file = self._file = open(self.temporary, "w", encoding="utf-8")  # noqa: SIM115 - closed by close()
        return lambda rows: file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def _open_parquet(self, first: Row) -> Callable[[Sequence[Row]], None]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        labels = pa.list_(pa.string())  # said, not guessed: the first row may have none
        schema = pa.schema([(k, labels if isinstance(v, list) else pa.scalar(v).type) for k, v in first.items()])
        self._parquet = pq.ParquetWriter(self.temporary, schema)
        return lambda rows: self._parquet.write_table(pa.Table.from_pylist(list(rows), schema=schema))


class Lines:
    """The same on stdout: a table for people's eyes, or JSON lines."""

    def __init__(self, json: bool) -> None:
        self.json = json
        self.rows = 0

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *rest: object) -> None:
        sys.stdout.flush()

    def write(self, rows: Sequence[Row]) -> None:
        self.rows += len(rows)
        for row in rows:
            if self.json:
                sys.stdout.write(json.dumps({"event": "prediction", **row}, ensure_ascii=False) + "\n")
            else:
                sys.stdout.write("\t".join(_shown(k, v) for k, v in row.items() if not k.startswith("p(")) + "\n")


def _shown(name: str, value: Any) -> str:
    if name == "score" or (name.endswith("_score") and isinstance(value, float)):
        return f"{value:.3f}"
    return f"{value:.6g}" if isinstance(value, float) else str(_cell(value))


def names_of_columns(head: str) -> tuple[str, str, str]:
    """The columns of truth, answer and score: those of a head have its name."""
    return (f"{head}_truth", head, f"{head}_score") if head else ("truth", "prediction", "score")


def row_of(key: str, answer: Prediction, schema: Schema) -> Row:
    """``input``, then ``prediction`` and ``score`` and every class's probability, or one number for each target.

    Of several heads each has a column of its name: ``kind``, ``kind_score``, ``p(kind=cat)``, ``price``.
    """
    if answer.heads:
        return _row_of_heads(key, answer, schema)
    if answer.label is not None:
        label = answer.label if isinstance(answer.label, str) else list(answer.label)
        row: Row = {"input": key, "prediction": label}
        if answer.score is not None:
            row["score"] = round(answer.score, 6)
        return row | {f"p({name})": round(p, 6) for name, p in answer.scores.items()}
    values = answer.value if isinstance(answer.value, tuple) else (answer.value,)
    names = [f.name for f in schema.targets]
    if len(names) != len(values):
        names = [f"{names[0] if names else 'value'}[{i}]" for i in range(len(values))]
    return {"input": key, **{f"prediction({n})" if len(values) > 1 else "prediction": v for n, v in zip(names, values)}}


def _row_of_heads(key: str, answer: Prediction, schema: Schema) -> Row:
    row: Row = {"input": key}
    for name, one in answer.heads.items():
        _, prediction, score = names_of_columns(name)
        for column, value in row_of(key, one, schema.head(name)).items():
            if column != "input":
                inside = column.removeprefix("p(") if column.startswith("p(") else ""
                called = f"p({name}={inside}" if inside else {"score": score}.get(column, prediction)
                row[called if called != "input" else f"prediction({called})"] = value
    return row


def _cell(value: Any) -> Any:
    return ";".join(map(str, value)) if isinstance(value, list) else value
