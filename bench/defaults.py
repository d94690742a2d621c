"""What danlu reaches with no setting but the data, the target and the model: mean of three seeds on real data."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from common import ROOT, data_folder, headline, interleaved, mark, median, run_child, spread, table

ADULT = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation", "relationship",
    "race", "sex", "capital_gain", "capital_loss", "hours_per_week", "native_country", "income",
]  # fmt: skip


def clean_adult(source: Path, folder: Path) -> tuple[str, str]:
    """UCI's files as plain CSV: a header, without the test file's comment line and the dots behind its labels."""
    paths = []
    for part in ("data", "test"):
        rows = csv.reader((source / f"adult.{part}").read_text().splitlines(), skipinitialspace=True)
        path = folder / f"adult_{part}.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(ADULT)
            writer.writerows([*row[:-1], row[-1].rstrip(".")] for row in rows if len(row) == len(ADULT))
        paths.append(str(path))
    return paths[0], paths[1]


def fashion(seed: int) -> dict[str, Any]:
    import danlu

    return danlu.train(str(data_folder() / "images_idx_fashion"), model="cnn", seed=seed, run="run").metrics


def adult(seed: int) -> dict[str, Any]:
    import danlu

    train, test = clean_adult(data_folder() / "tabular_adult", Path.cwd())
    return danlu.train(train, test, target="income", seed=seed, run="run").metrics


def california(seed: int) -> dict[str, Any]:
    import danlu

    source = data_folder() / "tabular_california" / "housing.csv"
    return danlu.train(str(source), target="median_house_value", seed=seed, run="run").metrics


def digits(seed: int) -> dict[str, Any]:
    import danlu

    return danlu.train(str(ROOT / "src" / "danlu" / "demo" / "digits"), seed=seed, run="run").metrics


JOBS = {  # job -> function, metric, what we want of it
    "images_idx_fashion, cnn": (fashion, "test/accuracy", 0.885),
    "tabular_adult": (adult, "test/accuracy", 0.850),
    "tabular_california": (california, "test/r2", 0.78),
    "demo digits": (digits, "test/accuracy", 0.97),
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="jobs, separated by semicolons")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        function, metric, _ = JOBS[given.child]
        mark(value=function(given.seed)[metric])
        raise SystemExit

    def one(job: str, seed: int) -> tuple[float, float]:
        argv = [sys.executable, str(Path(__file__).resolve()), "--child", job, "--seed", str(seed)]
        child = run_child(argv)
        return child.marks[0]["value"], child.wall

    print(headline([]))
    jobs = [job for job in JOBS if not given.only or job in given.only.split(";")]
    found = interleaved(jobs, given.seeds, one, warm=False)
    table(
        ["defaults", "metric", "mean ± std", "wanted", "start → end, s"],
        [
            [job, JOBS[job][1], spread([v for v, _ in runs]), f"{JOBS[job][2]}", f"{median([w for _, w in runs]):.0f}"]
            for job, runs in found.items()
        ],
    )
