"""A Parquet file with its images inside, read by danlu and by plain torch Datasets over the same file with Pillow.

Each contestant is a process of its own, in turn, round by round: seconds from opening the file to the end of the first
epoch of batches (nothing is trained), seconds of the second epoch, and the largest memory of the process. A table of a
few rows is read before, so that no import is measured.
"""

from __future__ import annotations

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Any

from common import headline, interleaved, mark, median, ratio, run_child, table

ROWS, WIDTH, HEIGHT, SIZE, BATCH = 2_000, 240, 180, 64, 64
CLASSES = ["a", "b", "c", "d"]


def write(path: Path, rows: int) -> None:
    """Photo-like JPEGs: smooth colours with some noise, each another; beside them a number, a word and a class."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet
    from PIL import Image

    draw = np.random.default_rng(0)
    cells = []
    for _ in range(rows):
        coarse = Image.fromarray(draw.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
        noisy = np.asarray(coarse) + draw.normal(0, 8, (HEIGHT, WIDTH, 3))
        file = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=90)
        cells.append({"bytes": file.getvalue(), "path": None})
    labels = [CLASSES[i % len(CLASSES)] for i in range(rows)]
    columns = {"image": cells, "price": draw.normal(size=rows), "colour": draw.choice(["red", "blue"], rows)}
    pa.parquet.write_table(pa.table({**columns, "label": labels}), path, row_group_size=100)


# ---- contestants: each gives the batches of an epoch, again and again


def danlu(path: str, cache: str) -> Callable[[], Iterable[Any]]:
    import danlu as d
    from danlu.data import load_data
    from danlu.settings import make_settings

    settings = make_settings({"size": SIZE, "cache": cache})
    data = load_data(path, None, None, settings, layout="columns", own_model=False)
    parts = (data.train, data.val, data.test)  # together every row, as the others read them
    return lambda: chain(*(d.Loader(part, batch_size=BATCH, shuffle=True, seed=0) for part in parts))


def plain(path: str, workers: int) -> Callable[[], Iterable[Any]]:
    import numpy as np
    import pyarrow.parquet
    import torch
    from PIL import Image

    class Rows(torch.utils.data.Dataset[Any]):
        def __init__(self) -> None:
            rows = pyarrow.parquet.read_table(path)
            self.cells = rows["image"].combine_chunks()
            self.prices = torch.tensor(rows["price"].to_pylist(), dtype=torch.float32)
            self.colours = torch.tensor([["red", "blue"].index(v) for v in rows["colour"].to_pylist()])
            self.labels = torch.tensor([CLASSES.index(v) for v in rows["label"].to_pylist()])

        def __len__(self) -> int:
            return len(self.labels)

        def __getitem__(self, i: int) -> Any:
            with Image.open(io.BytesIO(self.cells[i]["bytes"].as_py())) as file:
                made = file.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            x = torch.from_numpy(np.asarray(made).copy()).permute(2, 0, 1).float().div_(255).sub_(0.5).div_(0.25)
            return x, self.prices[i : i + 1], self.colours[i : i + 1], self.labels[i]

    rows = Rows()
    return lambda: torch.utils.data.DataLoader(rows, batch_size=BATCH, shuffle=True, num_workers=workers)


CONTESTANTS: dict[str, Callable[[str], Callable[[], Iterable[Any]]]] = {
    "danlu": lambda path: danlu(path, "auto"),
    "danlu, cache off": lambda path: danlu(path, "off"),
    "Dataset + Pillow": lambda path: plain(path, 0),
    "Dataset + Pillow, 2 workers": lambda path: plain(path, 2),
}


def measured(name: str, path: str) -> None:
    small = Path(path).with_name("few.parquet")
    for _ in CONTESTANTS[name](str(small))():  # what is imported on the way is not counted
        pass
    began = time.perf_counter()
    batches = CONTESTANTS[name](path)
    first = sum(len(batch[-1]) for batch in batches())
    between = time.perf_counter()
    second = sum(len(batch[-1]) for batch in batches())
    ended = time.perf_counter()
    assert first == second
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # MiB on Linux
    mark(rows=first, first=between - began, second=ended - between, memory=memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--measured", nargs=2, metavar=("CONTESTANT", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measured:
        measured(*given.measured)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        write(path, given.rows)
        write(path.with_name("few.parquet"), 40)

        def measure(name: str, _: int) -> dict[str, Any]:
            argv = [sys.executable, str(Path(__file__).resolve()), "--measured", name, str(path)]
            return run_child(argv).marks[0]

        found = interleaved(list(CONTESTANTS), given.rounds, measure)
        print(headline(["danlu"]))
        amount = path.stat().st_size / 2**20
        print(
            f"{given.rows:,} JPEGs of {WIDTH} x {HEIGHT} in {amount:.0f} MiB of Parquet, as {SIZE} x {SIZE}; ", end=""
        )
        print(f"medians of {given.rounds} interleaved rounds, ratios to the plain Dataset within a round")
    base = found["Dataset + Pillow"]
    rows = []
    for name, marks in found.items():
        cells = [name]
        for what in ("first", "second"):
            values = [m[what] for m in marks]
            speed = median([m["rows"] / m[what] for m in marks])
            cells += [f"{speed:,.0f}", f"{ratio([m[what] for m in base], values):.2f} x"]
        rows.append([*cells, f"{median([m['memory'] for m in marks]):,.0f}"])
    head = ["", "first epoch, images/s", "", "a later epoch, images/s", "", "largest memory, MiB"]
    table(head, rows)


if __name__ == "__main__":
    main()
