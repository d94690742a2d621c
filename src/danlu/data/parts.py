"""Which part a folder, file or split is by its name: train, val or test, in English and Chinese."""

from __future__ import annotations

import re

PART_NAMES = {
    "train": ("train", "training", "trainset", "train_set", "训练集", "训练"),
    "val": ("val", "valid", "validation", "dev", "eval", "验证集", "验证"),
    "test": ("test", "testing", "testset", "test_set", "测试集", "测试"),
}
_NUMBERED = re.compile(r"^(?P<name>.*?)[-_.]\d+([-_.]of[-_.]\d+)?$")  # train-00000-of-00002, test_1


def part_of(name: object) -> str | None:
    """ "train", "val" or "test", also for a numbered piece such as ``train-00000-of-00002``; else None."""
    text = str(name).lower()
    cut = _NUMBERED.match(text)
    bare = cut["name"] if cut else text
    return next((part for part, names in PART_NAMES.items() if text in names or bare in names), None)
