"""Tables and arrays looked at: counts by pandas, planted leaks, ids, copies and contradictions, bad rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import Dataset

import danlu
from danlu.errors import DanluError
from danlu.looking import FoundData
from danlu.looking.found import one
from danlu.looking.leaks import leaks
from looked import codes, fact, found_in


def column(found: FoundData, name: str) -> tuple[str, str, int | None, int | None, str]:
    c = next(c for c in found.columns if c.name == name)
    return c.role, c.kind, c.missing, c.distinct, one(c.values)


def test_counts_are_those_of_pandas(penguins: Path) -> None:
    frame = pd.read_csv(penguins, keep_default_na=False)
    numbers = pd.read_csv(penguins)
    found = found_in(penguins, target="species")
    assert sum(found.rows.values()) == len(frame)
    totals = dict(zip(found.classes, map(sum, found.counts)))
    assert totals == frame["species"].value_counts().to_dict()
    for name in ("bill_length_mm", "body_mass_g"):
        role, kind, missing, distinct, values = column(found, name)
        values_of = numbers[name]
        assert (role, kind) == ("input", "number")
        assert missing == values_of.isna().sum() and distinct == values_of.nunique()
        low, high = values.split(",")[0].split(" to ") if "," not in values.split(" to ")[0] else ("", "")
        assert float(low) == values_of.min() and float(high) == values_of.max()
    _, _, missing, distinct, values = column(found, "island")
    assert missing == 0 and distinct == frame["island"].nunique()
    most = frame["island"].value_counts(normalize=True)
    assert values.startswith(f"{most.index[0]} {100 * most.iloc[0]:.0f} %")


def test_without_a_target_the_columns_are_shown_and_the_choice_is_asked_for(penguins: Path) -> None:
    found = found_in(penguins)
    assert codes(found) == ["DL111"] and found.rows == {"all": 344}
    assert len(found.columns) == 8 and found.commands == (f"danlu train {penguins} --target COLUMN",)


def frame_with(**more: object) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 400)
    return pd.DataFrame({"a": rng.normal(size=400), "b": rng.integers(0, 9, 400).astype(str), "label": label} | more)


def test_planted_leaks_are_found_and_good_columns_are_not() -> None:
    frame = frame_with()
    label = frame["label"].to_numpy()
    rng = np.random.default_rng(1)
    frame["coded"] = np.array(["x", "y", "z"])[label]
    frame["scaled"] = label * 10 + rng.normal(size=400) * 0.01
    frame["helpful"] = label + rng.normal(size=400) * 0.4  # telling, but no more than a good feature is
    found = found_in(frame)
    told = [f.told.place for f in found.findings if not isinstance(f, DanluError) and f.told.code == "DL343"]
    assert sorted(told) == ["coded", "scaled"]


def test_leaks_of_numbers_are_found() -> None:
    rng = np.random.default_rng(0)
    price = rng.normal(size=1_000)
    columns = {
        "in_euros": price * 0.9 + 3,
        "noisy": price + rng.normal(size=1_000) * 0.3,
        "rank": np.argsort(np.argsort(price)).astype(np.float64),
        "other": rng.normal(size=1_000),
    }
    assert [leak.column for leak in leaks(columns, price, classes=False)] == ["in_euros", "rank"]


def test_a_column_missing_exactly_where_the_class_is_gives_it_away() -> None:
    label = np.arange(200) % 2
    column = np.where(label == 1, np.nan, np.random.default_rng(0).normal(size=200))
    found = leaks({"seen": column, "kind": np.zeros(200, dtype=np.int64)}, label, classes=True)
    assert [leak.column for leak in found] == ["seen"] and found[0].score == 1


def test_few_rows_prove_nothing() -> None:
    label = np.arange(20) % 2
    assert leaks({"same": label.astype(np.float64)}, label, classes=True) == []


def test_ids_that_are_not_called_so_are_pointed_out() -> None:
    rng = np.random.default_rng(0)
    found = found_in(frame_with(ticket=rng.permutation(400) * 7 + 1000))
    assert codes(found) == ["DL344"]
    assert column(found, "ticket")[0] == "input"


def test_copies_and_contradictions_are_those_of_pandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.permutation(300), "w": rng.normal(size=300).round(4), "label": ["p", "q"] * 150})
    again = frame.iloc[[5, 9, 9]].copy()
    other = frame.iloc[[20, 31]].copy()
    other["label"] = other["label"].map({"p": "q", "q": "p"})
    frame = pd.concat([frame, again, other], ignore_index=True)
    frame.to_csv(tmp_path / "rows.csv", index=False)
    found = found_in(tmp_path / "rows.csv")
    # a contradiction may be split apart: with test rows given, every row of the file is a training or validation row
    part = pd.read_csv(tmp_path / "rows.csv")
    assert part.duplicated(["x", "w"]).sum() == 5
    assert sum(found.copies.inside.values()) <= 5
    one_part = found_in(tmp_path / "rows.csv", tmp_path / "rows.csv", val=str(tmp_path / "rows.csv"))
    assert one_part.copies.inside == {"train": 5, "val": 5, "test": 5}
    assert one_part.copies.conflicts == 3 * 2
    assert codes(one_part).count("DL336") == 2  # val and test are the training rows


def test_all_bad_rows_are_listed_with_their_lines(tmp_path: Path) -> None:
    lines = ["a,b,label"] + [f"{i},{i * 2},{'no' if i % 2 else 'yes'}" for i in range(60)]
    lines[10] = "3,oops,"  # no label
    lines[20] = "5,6,"
    lines[41] = "1,2,"
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    found = found_in(tmp_path / "rows.csv")
    assert [int(b.where.rpartition(":")[2]) for b in found.bad] == [11, 21, 42]
    assert "DL346" in codes(found) and "--on-bad skip" in found.commands[0]
    with pytest.raises(DanluError) as stopped:
        danlu.train(tmp_path / "rows.csv", epochs=1)
    assert stopped.value.code == "DL115"


def test_a_test_table_with_unknown_classes_leaves_the_rest_to_be_seen(tmp_path: Path) -> None:
    frame = frame_with()
    frame["label"] = frame["label"].map({0: "cat", 1: "dog", 2: "cow"})
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.replace("dog", "dogg").to_csv(tmp_path / "test.csv", index=False)
    found = found_in(tmp_path / "train.csv", tmp_path / "test.csv")
    assert codes(found)[0] == "DL117" and found.rows == {"all": 400}
    assert dict(zip(found.classes, map(sum, found.counts))) == frame["label"].value_counts().to_dict()


def test_settings_change_what_is_understood(penguins: Path) -> None:
    found = found_in(penguins, target="body_mass_g", ignore="year", task="regression", epochs=3, batch_size=7)
    assert found.task == "regression" and column(found, "year")[0] == "ignored"
    assert [(c.what, c.value) for c in found.chosen[1:]] == [("batch_size", "7"), ("epochs", "3")]
    counted = sum(n for _, _, n in found.histogram)
    assert counted == found.rows["train"]
    words = found.commands[0].split()
    given = ["--epochs", "3", "--batch-size", "7", "--target", "body_mass_g", "--task", "regression"]
    assert words[3:] == [*given, "--ignore", "year", "--on-bad", "skip", "--bad-limit", "0.006"]  # 2 of 344 rows


def test_what_training_would_choose_is_what_it_chooses(penguins: Path, digits: Path) -> None:
    for data, target in ((penguins, "species"), (digits, None)):
        found = found_in(data, target=target)
        run = danlu.train(data, target=target, epochs=1, run=f"runs/{data.stem}")
        import tomllib

        made = tomllib.loads((run.dir / "run.toml").read_text())["chosen"]
        shown = {c.what: c.value for c in found.chosen}
        count = sum(p.numel() for p in run.model.parameters())
        assert shown["model"] == f"{made['model']}, {count:,} parameters"
        assert shown["batch_size"] == str(made["batch_size"])


class Own(Dataset[tuple[torch.Tensor, int]]):
    classes = ("甲", "乙")

    def __init__(self) -> None:
        self.targets = [i % 2 for i in range(100)]

    def __len__(self) -> int:
        return 100

    def __getitem__(self, i: int) -> tuple[torch.Tensor, int]:
        if i in (41, 77):
            raise ValueError(f"sample {i} is broken")
        return torch.randn(3), i % 2


def test_a_users_dataset_is_made_whole_only_when_asked_and_randomness_stays() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    found = found_in(Own())
    assert fact(found, "opened").startswith("8 of 100 samples") and found.bad == ()
    whole = found_in(Own(), whole=True)
    assert [b.where for b in whole.bad] == ["[41]", "[77]"]
    assert torch.equal(before, torch.random.get_rng_state())
    assert dict(zip(found.classes, map(sum, found.counts))) == {"甲": 50, "乙": 50}


def test_arrays_and_idx_are_counted(digits: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(90, 4)), np.arange(90) % 3
    found = found_in((x, y))
    assert sum(found.rows.values()) == 90 and [sum(c) for c in found.counts] == [30, 30, 30]
    assert sum(found_in(digits).rows.values()) == 1_797


def test_a_stream_has_no_counts() -> None:
    class Stream(torch.utils.data.IterableDataset[tuple[torch.Tensor, int]]):
        def __iter__(self) -> object:  # type: ignore[override]
            return iter([(torch.zeros(2), i % 2) for i in range(10)])

    found = found_in(Stream())
    assert found.rows == {} and found.counts == ()


def test_a_table_is_looked_at_without_importing_what_it_does_not_need(penguins: Path, workdir: Path) -> None:
    program = "import sys\nfrom danlu.cli import main\nmain(['look', sys.argv[1], '--target', 'species'])"
    program += "\nprint('\\0', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", program, str(penguins)], capture_output=True, text=True, timeout=120)
    imported = set(done.stdout.rpartition("\0")[2].split())
    assert "240" in done.stdout and "pyarrow" in imported, done.stdout[:2000] + done.stderr
    assert imported & {"pandas", "triton", "torch._dynamo", "torchvision", "sklearn", "polars", "datasets"} == set()


def test_an_object_of_a_file_keeps_its_name_where_nothing_is_to_be_predicted(workdir: Path) -> None:
    code = "import pandas as pd\nframe = pd.DataFrame({'a': [1.5, 2.5, 4.0] * 9, 'b': list('xyz') * 9})\n"
    (workdir / "mine.py").write_text(code + "def made(): return frame\n")
    for given in ("mine.py:frame", "mine.py:made"):
        looked = danlu.look(given)
        assert isinstance(looked.found, FoundData) and codes(looked.found) == ["DL111"]
        assert looked.found.findings[0].where == given  # type: ignore[union-attr]
        assert (looked.found.name, looked.found.rows) == (given.partition(":")[2], {"all": 27})
        assert [c.name for c in looked.found.columns] == ["a", "b"]
        assert looked.found.commands == (f"danlu train {given} --target COLUMN",)
    trained = found_in("mine.py:frame", target="b")
    assert column(trained, "a")[2:4] == (0, 3)  # its cells are counted, as those of a file
