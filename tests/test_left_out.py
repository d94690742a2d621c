"""Samples that cannot be read and are left out: told, counted once, and never mistaken for others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

import danlu
from danlu.cli import main


class Some(Dataset[Any]):
    """Row i is its own number; some cannot be read."""

    def __init__(self, n: int, bad: tuple[int, ...] = (), start: int = 0) -> None:
        self.n, self.bad, self.start = n, bad, start

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i in self.bad:
            raise OSError(f"sample {i} is broken")
        x = torch.full((4,), float(self.start + i)) / 100
        return x, int(i % 3 == 0)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


class Numbers(nn.Module):
    """Answers with its input's number, so that an answer tells which row it is of."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] * 100 + 0 * self.unused


class Value(Some):
    """A regression on the row's own number."""

    def __getitem__(self, i: int) -> Any:
        x, _ = super().__getitem__(i)
        return x, x[:1] * 100


class Backwards(Sampler[int]):
    def __init__(self, n: int) -> None:
        self.n = n

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n - 1, -1, -1))

    def __len__(self) -> int:
        return self.n


def bad_events(run: str) -> list[str]:
    events = [json.loads(line) for line in Path(run, "metrics.jsonl").read_text("utf-8").splitlines()]
    return [e["where"] for e in events if e["event"] == "bad"]


def photos(folder: Path, n: int = 30) -> Path:
    for name, grey in (("dark", 40), ("light", 200)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            rows = np.random.default_rng(i).integers(grey - 30, grey + 30, (8, 8), dtype=np.uint8)
            Image.fromarray(rows).save(folder / name / f"{i:02}.png")
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


# ---- answers belong to their rows


@pytest.mark.parametrize("workers", [0, 2])
def test_answers_stand_beside_their_own_rows_where_samples_are_left_out(workers: int) -> None:
    test = Value(40, bad=(0, 5, 39))
    danlu.train(
        Value(60), test, model=Numbers(), loss="MSELoss", optimizer="sgd", lr=1e-9, epochs=1, on_bad="skip",
        bad_limit=0.2, workers=workers, run="r",
    )  # fmt: skip
    table = pq.read_table("r/predictions.parquet").to_pylist()
    assert [int(row["row"]) for row in table] == [i for i in range(40) if i not in (0, 5, 39)]
    for row in table:
        assert row["prediction"] == pytest.approx(int(row["row"]), abs=1e-3)
        assert row["truth"] == pytest.approx(int(row["row"]), abs=1e-3)


def test_answers_stand_beside_the_rows_that_a_sampler_picked() -> None:
    test = DataLoader(Value(40), 8, sampler=Backwards(40))
    danlu.train(Value(60), test, model=Numbers(), loss="MSELoss", optimizer="sgd", lr=1e-9, epochs=1, run="r")
    table = pq.read_table("r/predictions.parquet").to_pylist()
    assert [int(row["row"]) for row in table] == list(range(39, -1, -1))
    assert all(row["prediction"] == pytest.approx(int(row["row"]), abs=1e-3) for row in table)


def test_rows_that_a_collate_function_drops_leave_no_wrong_names() -> None:
    def odd_only(samples: list[Any]) -> Any:
        return default_collate([s for s in samples if int(s[1]) % 2] or samples)

    test = DataLoader(Value(40), 8, collate_fn=odd_only)
    danlu.train(Value(60), test, model=Numbers(), loss="MSELoss", optimizer="sgd", lr=1e-9, epochs=1, run="r")
    table = pq.read_table("r/predictions.parquet").to_pylist()
    assert len(table) == 20
    assert {row["row"] for row in table} == {None}


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_a_bad_image_takes_its_own_row_out_of_the_predictions(cache: str, tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    for i in range(30):
        cut(folder / "dark" / f"{i:02}.png") if i % 6 == 0 else None
    danlu.train(str(folder), epochs=1, on_bad="skip", bad_limit=0.2, cache=cache, run="r")
    table = pq.read_table("r/predictions.parquet").to_pylist()
    assert table
    for row in table:
        assert Path(row["row"]).parent.name == row["truth"]
        Image.open(row["row"]).load()


def test_a_bad_number_is_named_by_its_row_beside_samples_left_out() -> None:
    class Holed(Some):
        def __getitem__(self, i: int) -> Any:
            x, y = super().__getitem__(i)
            return (x * float("nan") if i == 6 else x), y

    loader = danlu.Loader(Holed(40, bad=(4, 5)), 8, on_bad="skip", bad_limit=0.1)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(danlu.DanluError, match=r"\[6\]") as caught:
        list(danlu.steps(model, loader, nn.CrossEntropyLoss(), optimizer, epochs=1))
    assert caught.value.code == "DL301"


# ---- told, once


def test_samples_left_out_are_told_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    danlu.train(
        Some(60, bad=(7, 20)), Some(20, bad=(3,)), val=Some(20, bad=(4,)), model=net(), loss="CrossEntropyLoss",
        epochs=3, on_bad="skip", bad_limit=0.1, run="r",
    )  # fmt: skip
    said = capsys.readouterr().err
    assert sorted(bad_events("r")) == ["[20]", "[7]", "test [3]", "val [4]"]
    assert said.count("sample 7 is broken") == 1
    assert "4" in said.rpartition("skipped")[2].splitlines()[0]


def test_images_left_out_of_a_folder_are_told_with_and_without_cache(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    for i in (3, 17, 29):
        cut(folder / "dark" / f"{i:02}.png")
    for cache in ("auto", "off"):
        danlu.train(str(folder), epochs=1, on_bad="skip", bad_limit=0.2, cache=cache, run=cache)
        assert sorted(Path(p).name for p in bad_events(cache)) == ["03.png", "17.png", "29.png"]


class Stopping(Some):
    """Ends the training once, in the middle of an epoch."""

    asked, after = 0, 10**9

    def __getitem__(self, i: int) -> Any:
        type(self).asked += 1
        if type(self).asked == type(self).after:
            raise KeyboardInterrupt
        return super().__getitem__(i)


@pytest.mark.parametrize("after", [60, 150, 260])
@pytest.mark.parametrize("every", [None, 2])
def test_a_resumed_run_tells_each_sample_once(after: int, every: int | None) -> None:
    def train(run: str) -> Any:
        return danlu.train(
            Stopping(60, bad=(7, 20, 33)), Some(20, bad=(3,)), val=Some(20, bad=(4,)), model=net(),
            loss="CrossEntropyLoss", epochs=4, batch_size=4, on_bad="skip", bad_limit=0.1, checkpoint_steps=every,
            run=run,
        )  # fmt: skip

    whole = train("whole")
    Stopping.asked, Stopping.after = 0, after
    with pytest.raises(KeyboardInterrupt):
        train("stopped")
    Stopping.after = 10**9
    again = train("stopped")
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))
    assert whole.metrics == again.metrics

    def log(run: str) -> list[Any]:
        text = Path(run, "metrics.jsonl").read_text("utf-8").replace(f"danlu test {run}", "danlu test RUN")
        events = [json.loads(line) for line in text.splitlines()]
        times = ("seconds", "waited", "memory", "run", "versions")
        return [{k: v for k, v in e.items() if k not in times} for e in events]

    assert log("stopped") == log("whole")
    assert len(bad_events("stopped")) == 5


# ---- the limit


def test_the_limit_is_one_for_all_parts_with_and_without_cache(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    for i in range(6):
        cut(folder / "dark" / f"{i:02}.png")  # 6 of 60
    for cache in ("auto", "off"):
        danlu.train(str(folder), epochs=1, on_bad="skip", bad_limit=0.1, cache=cache, run=f"fine_{cache}")
    for cache, code in (("auto", "DL158"), ("off", "DL194")):
        with pytest.raises(danlu.DanluError) as caught:
            danlu.train(str(folder), epochs=1, on_bad="skip", bad_limit=0.05, cache=cache, run=f"over_{cache}")
        assert caught.value.code == code
        assert "--bad-limit 0." in caught.value.fix
        assert float(caught.value.fix.partition("--bad-limit ")[2].split()[0]) > 0.05


def test_a_run_that_met_its_limit_goes_on_with_a_wider_one() -> None:
    def train(limit: float) -> Any:
        return danlu.train(
            Some(60, bad=(7, 20, 33)), Some(20), val=Some(20), model=net(), loss="CrossEntropyLoss", epochs=2,
            on_bad="skip", bad_limit=limit, run="r",
        )  # fmt: skip

    with pytest.raises(danlu.DanluError) as caught:
        train(0.01)
    assert caught.value.code == "DL194"
    train(0.05)
    assert sorted(bad_events("r")) == ["[20]", "[33]", "[7]"]


def test_one_bad_sample_may_always_be_left_out() -> None:
    for limit, fine in ((0.001, True), (0.0, False)):
        x, y = np.random.default_rng(0).normal(size=(60, 3)), np.arange(60) % 2
        x[4, 1] = np.nan
        if fine:
            danlu.train((x, y), epochs=1, on_bad="skip", bad_limit=limit)
        else:
            with pytest.raises(danlu.DanluError, match="1 of 60"):
                danlu.train((x, y), epochs=1, on_bad="skip", bad_limit=limit)


# ---- the samples looked at first


@pytest.mark.parametrize("bad", [(0,), (59,), (0, 8, 16, 25, 33, 42, 50, 59)])
def test_a_broken_sample_among_the_first_looked_at_is_left_out(bad: tuple[int, ...]) -> None:
    danlu.train(
        Some(60, bad=bad), model=net(), loss="CrossEntropyLoss", epochs=1, on_bad="skip", bad_limit=0.2, run="r"
    )
    assert sorted(bad_events("r")) == sorted(f"[{i}]" for i in bad)
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(Some(60, bad=bad), model=net(), loss="CrossEntropyLoss", epochs=1)
    assert caught.value.code == "DL170"


def test_danlus_own_model_counts_the_classes_without_the_broken_samples() -> None:
    run = danlu.train(Some(60, bad=(11,)), model="mlp", epochs=1, on_bad="skip", run="r")
    assert run.predictor is not None
    assert bad_events("r") == ["[11]"]


def test_a_data_set_of_broken_samples_is_refused() -> None:
    with pytest.raises(danlu.DanluError, match="broken") as caught:
        danlu.train(Some(20, bad=tuple(range(20))), model=net(), loss="CrossEntropyLoss", on_bad="skip", bad_limit=1.0)
    assert caught.value.code == "DL170"


def test_an_iterable_that_goes_on_after_a_broken_first_sample() -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Iterator[Any]:
            return map(Some(60, bad=(0,)).__getitem__, iter(range(60)))

    danlu.train(Stream(), model=net(), loss="CrossEntropyLoss", epochs=1, on_bad="skip", run="r", batch_size=4)
    assert bad_events("r") == ["[0]"]


# ---- files that stay on the disk


def test_an_image_that_does_not_open_is_told_before_training_without_cache(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.data.files.LOOKED_AT", 2)
    folder = photos(tmp_path / "photos")
    (folder / "dark" / "13.png").write_bytes(b"")
    assert main(["train", str(folder), "--epochs", "1", "--cache", "off", "--run", "r"]) == 1
    said = capsys.readouterr().err
    assert "DL156" in said
    assert "13.png" in said
    assert not Path("r").exists()


@pytest.mark.parametrize("cache", ["auto", "off"])
def test_a_runs_own_test_leaves_out_what_its_training_left_out(
    cache: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos(tmp_path / "photos")
    broken = [folder / "dark" / f"{i:02}.png" for i in range(0, 30, 3)]
    for path in broken:
        cut(path)
    run = danlu.train(str(folder), epochs=1, on_bad="skip", bad_limit=0.2, cache=cache, run="r")
    capsys.readouterr()
    again = danlu.test("r")
    assert again["test/rows"] == run.metrics["test/rows"]
    assert again["test/accuracy"] == run.metrics["test/accuracy"]
    told = capsys.readouterr().err
    assert cache == "auto" or any(str(path) in told for path in broken)


def test_the_flags_that_an_error_gives_are_enough(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    for name in ("03", "11", "20"):
        cut(folder / "dark" / f"{name}.png")
    lines = ["x,label", *(f"{i},{'' if i % 9 == 0 else 'ab'[i % 2]}" for i in range(90))]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    for data, code in ((str(folder), "DL156"), (str(tmp_path / "t.csv"), "DL115")):
        with pytest.raises(danlu.DanluError) as caught:
            danlu.train(data, epochs=1)
        found = re.search(r"--on-bad skip --bad-limit ([\d.]+)", caught.value.fix)
        assert caught.value.code == code and found is not None
        run = danlu.train(data, epochs=1, on_bad="skip", bad_limit=float(found[1]), run=f"r-{code}")
        assert run.metrics["test/rows"] > 0
