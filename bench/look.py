"""How long `danlu look` takes, process and all, warm: a table of 100,000 rows, and 100,000 image files."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import headline, interleaved, median, run_child, table
from PIL import Image

COMPILED = {"PYTHONDONTWRITEBYTECODE": ""}  # as pip leaves a package: nothing is compiled again at each start
PROGRAM = "import sys\nfrom danlu.cli import main\nmain(['look', *sys.argv[1:]])"


def make_table(path: Path, rows: int) -> Path:
    draw = np.random.default_rng(0)
    numbers, codes = draw.normal(size=(rows, 10)), draw.integers(0, 12, (rows, 6))
    names = [*(f"number{i}" for i in range(10)), *(f"category{i}" for i in range(5)), "label"]
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(names) + "\n")
        for x, c in zip(numbers.tolist(), codes.tolist()):
            file.write(",".join([*(f"{v:.4f}" for v in x), *(f"v{k}" for k in c)]) + "\n")
    return path


def make_folder(path: Path, files: int) -> Path:
    draw = np.random.default_rng(0)
    for i in range(files):
        folder = path / f"class{i % 100:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(folder / f"{i:06d}.jpg", quality=80)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=100_000)
    given = parser.parse_args()
    print(headline([]))
    with tempfile.TemporaryDirectory() as folder:
        sources = {
            f"a table of {given.count:,} rows": make_table(Path(folder) / "rows.csv", given.count),
            f"{given.count:,} image files": make_folder(Path(folder) / "photos", given.count),
        }

        cpu: dict[str, list[float]] = {}

        def measure(name: str, _: int) -> float:
            code = [PROGRAM, str(sources[name])] if name in sources else ["import danlu.api"]
            child = run_child([sys.executable, "-c", *code], env=COMPILED)
            cpu.setdefault(name, []).append(child.cpu)
            return child.wall

        run_child([sys.executable, "-c", "import danlu.api, danlu.cli, danlu.looking, danlu.data.tables"], env=COMPILED)
        found = interleaved(["import danlu.api", *sources], given.rounds, measure)
    rows = [[name, f"{median(v):.2f}", f"{min(v):.2f}", f"{median(cpu[name]):.2f}"] for name, v in found.items()]
    table(["danlu look", "median, s", "fastest, s", "CPU, s"], rows)


if __name__ == "__main__":
    main()
