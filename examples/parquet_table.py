"""A table in Parquet: as danlu reads it, and as Hugging Face's ``datasets`` gives it, if that is installed."""

from importlib.util import find_spec
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet

import danlu

PENGUINS = Path(danlu.__file__).parent / "demo" / "penguins.csv"


def main() -> list[danlu.Run]:
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(PENGUINS, convert_options=options), "penguins.parquet")
    runs = [danlu.train("penguins.parquet", target="species", epochs=20, run="file_run")]

    if find_spec("datasets"):  # pip install datasets
        from datasets import load_dataset

        rows = load_dataset("parquet", data_files="penguins.parquet", split="train", cache_dir="hf_cache")
        runs.append(danlu.train(rows.to_pandas(), target="species", epochs=20, run="hf_run"))
    for run in runs:
        print(run.dir, "accuracy", run.metrics["test/accuracy"], "a guess:", run.metrics["test/accuracy_baseline"])
    return runs


if __name__ == "__main__":
    main()
