"""A table with a column of image files beside a column of numbers: neither alone knows the answer."""

import csv
import gzip
from pathlib import Path

import numpy as np
from PIL import Image

import danlu

DIGITS = Path(danlu.__file__).parent / "demo" / "digits"


def make_table(folder: Path) -> Path:
    """sums.csv: a handwritten digit, a number to add to it, and whether the sum has two digits."""
    read = {
        kind: np.frombuffer(gzip.decompress((DIGITS / f"train-{kind}-ubyte.gz").read_bytes()), np.uint8)
        for kind in ("images-idx3", "labels-idx1")
    }
    images, digits = read["images-idx3"][16:].reshape(-1, 8, 8), read["labels-idx1"][8:]
    added = np.random.default_rng(0).integers(0, 10, len(digits))
    (folder / "images").mkdir(parents=True, exist_ok=True)
    with open(folder / "sums.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["photo", "plus", "label"])
        for i, (image, digit, plus) in enumerate(zip(images, digits, added)):
            Image.fromarray(image).save(folder / "images" / f"{i:04}.png")
            table.writerow([f"images/{i:04}.png", plus, "two digits" if int(digit) + plus >= 10 else "one digit"])
    return folder / "sums.csv"


def main() -> danlu.Run:
    table = make_table(Path("sums"))
    run = danlu.train(table, epochs=4, run="sums_run")
    print(run.metrics["test/accuracy"], "where a guess reaches", run.metrics["test/accuracy_baseline"])

    model = danlu.load(run.dir)
    with Image.open("sums/images/0000.png") as photo:  # a row may hold a path or the image itself
        for answer in model.predict([{"photo": photo, "plus": 0}, {"photo": "sums/images/0000.png", "plus": 9}]):
            print(answer.label, answer.score)
    return run


if __name__ == "__main__":
    main()
