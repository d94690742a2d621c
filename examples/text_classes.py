"""Texts of different lengths: cut into words, numbered, padded by pad_sequence, and told apart by a small model."""

import csv
import inspect
import json
import os
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

import danlu

HOTEL = Path(os.environ.get("DANLU_DATA", "data")) / "text_zh_hotel" / "ChnSentiCorp_htl_all.csv"
PADDING, UNKNOWN = 0, 1


def texts() -> tuple[list[tuple[str, int]], list[str]]:
    """Chinese hotel reviews, bad or good; without them what numpy's and torch's functions say of themselves."""
    if HOTEL.exists():
        with open(HOTEL, encoding="utf-8-sig", newline="") as file:
            return [(row["review"], int(row["label"])) for row in csv.DictReader(file)], ["bad", "good"]
    found = {}
    for label, module in enumerate((np, torch)):
        for name in dir(module):
            text = inspect.getdoc(getattr(module, name)) or ""
            found |= {part: label for part in text.split("\n\n") if 60 < len(part) < 400 and ">>>" not in part}
    return list(found.items()), ["numpy", "torch"]


def words(text: str) -> list[str]:
    return re.findall(r"[\u4e00-\u9fff]|[a-z]+|\d", text.lower())  # each Chinese character is a word of its own


class Texts(torch.utils.data.Dataset[tuple[Tensor, int]]):
    def __init__(self, rows: list[tuple[str, int]], number: dict[str, int], classes: list[str]) -> None:
        self.ids = [torch.tensor([number.get(w, UNKNOWN) for w in words(text)] or [UNKNOWN]) for text, _ in rows]
        self.targets, self.classes = [label for _, label in rows], classes

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        return self.ids[i], self.targets[i]


def padded(samples: list[tuple[Tensor, int]]) -> tuple[Tensor, Tensor]:
    ids = pad_sequence([ids for ids, _ in samples], batch_first=True, padding_value=PADDING)
    return ids, torch.tensor([label for _, label in samples])


class MeanOfWords(nn.Module):
    def __init__(self, size: int, num_classes: int) -> None:
        super().__init__()
        self.words = nn.EmbeddingBag(size, 64, mode="mean", padding_idx=PADDING)  # padding does not count in the mean
        self.out = nn.Linear(64, num_classes)

    def forward(self, ids: Tensor) -> Tensor:  # (B, longest) -> (B, num_classes)
        return self.out(self.words(ids))


def main() -> tuple[danlu.Run, danlu.Predictor, Texts]:
    rows, classes = texts()
    random.Random(0).shuffle(rows)
    test_rows, train_rows = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    common = Counter(w for text, _ in train_rows for w in words(text)).most_common(5000)  # of the training texts only
    number = {word: i for i, (word, _) in enumerate(common, start=2)}
    train_set, test_set = Texts(train_rows, number, classes), Texts(test_rows, number, classes)

    torch.manual_seed(0)
    run = danlu.train(
        DataLoader(train_set, batch_size=64, shuffle=True, collate_fn=padded),
        DataLoader(test_set, batch_size=256, collate_fn=padded),
        model=MeanOfWords(len(number) + 2, len(classes)),
        lr=0.01,
        epochs=6,
    )
    (run.dir / "words.json").write_text(json.dumps(number), "utf-8")  # a model of texts is nothing without its numbers
    print("accuracy", run.metrics["test/accuracy"], "a guess reaches", run.metrics["test/accuracy_baseline"])

    number = json.loads((run.dir / "words.json").read_text("utf-8"))
    model = danlu.load(run.dir, model=MeanOfWords(len(number) + 2, len(classes)))
    test_set = Texts(test_rows, number, classes)
    ids, _ = padded([test_set[i] for i in range(8)])
    print([answer.label for answer in model.predict(ids)], "for", [classes[k] for k in test_set.targets[:8]])
    return run, model, test_set


if __name__ == "__main__":
    main()
