"""What users ran into: odd but honest uses that once crashed, counted wrong rows or were explained wrongly."""

from __future__ import annotations

import errno
import json
import math
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    default_collate,
)

import danlu
from danlu import run as run_folder
from danlu.answers import Writer
from danlu.cli import main
from danlu.loop import step
from danlu.tensorfile import write_error


def rows(n: int = 48) -> TensorDataset:
    x = torch.randn(n, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(x, (x.sum(1) > 0).long())


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def code(caught: pytest.ExceptionInfo[danlu.DanluError]) -> str:
    return caught.value.code


def test_another_default_dtype() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        model = nn.Linear(4, 2)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        loss = step(model, (torch.ones(3, 4), torch.tensor([0, 1, 0])), nn.CrossEntropyLoss(), optimizer)
        assert math.isfinite(float(loss))
    finally:
        torch.set_default_dtype(torch.float32)


class Half(Sampler[int]):
    """A sampler that keeps indices and gives half of them."""

    def __init__(self) -> None:
        self.indices = list(range(20))

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices[::2])

    def __len__(self) -> int:
        return 10


def test_a_sampler_is_asked_and_not_looked_into() -> None:
    run = danlu.train(rows(), DataLoader(rows(), 4, sampler=Half()), model=net(), loss="CrossEntropyLoss", epochs=1)
    assert run.metrics["test/rows"] == 10
    assert run.test(DataLoader(rows(), 4, sampler=Half()))["test/rows"] == 10
    assert run.test(DataLoader(rows(), batch_sampler=BatchSampler(Half(), 4, False)))["test/rows"] == 10


def test_an_own_collate_sees_batches_of_its_own_size() -> None:
    sizes: list[int] = []

    def collate(samples: list[Any]) -> Any:
        sizes.append(len(samples))
        return default_collate(samples)

    val = DataLoader(rows(), batch_size=8, collate_fn=collate)
    danlu.train(rows(), val=val, model=net(), loss="CrossEntropyLoss", epochs=1)
    assert sizes
    assert max(sizes) == 8


def test_a_sampler_that_names_rows_that_are_not_there() -> None:
    val = DataLoader(rows(), sampler=SubsetRandomSampler([3, 5000]))
    with pytest.raises(danlu.DanluError, match="5000") as caught:
        danlu.train(rows(), val=val, model=net(), loss="CrossEntropyLoss", epochs=1)
    assert code(caught) == "DL184"


def test_a_loader_with_code_of_its_own_beside_a_file_of_arrays() -> None:
    data = rows()
    np.savez("a.npz", x=data.tensors[0].numpy(), y=data.tensors[1].numpy())
    val = DataLoader(data, collate_fn=lambda samples: default_collate(samples))
    with pytest.raises(danlu.DanluError, match="collate_fn") as caught:
        danlu.train("a.npz", val=val, model="mlp", epochs=1)
    assert code(caught) == "DL185"
    picked = DataLoader(data, sampler=SubsetRandomSampler([1, 2, 3]))
    assert danlu.train("a.npz", picked, val=data, model="mlp", epochs=1).metrics["test/rows"] == 3


def test_images_of_unequal_size_one_by_one() -> None:
    class Images(Dataset[Any]):
        def __len__(self) -> int:
            return 12

        def __getitem__(self, i: int) -> Any:
            return torch.full((1, 8 + i % 3, 8), i / 12), i % 2

    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    run = danlu.train(DataLoader(Images(), batch_size=1), model=model, loss="CrossEntropyLoss", epochs=1)
    assert run.history
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(Images(), model=model, loss="CrossEntropyLoss", epochs=1, batch_size=4)
    assert code(caught) == "DL171"


@pytest.mark.parametrize("first", [torch.bfloat16, torch.complex64])
def test_accumulated_gradients_are_divided_in_their_own_precision(first: torch.dtype) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Parameter(torch.ones(4, dtype=first))
            self.b = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            own = (x.to(first) * self.a).sum(1)
            return (x * self.b).sum(1) + (own.abs() if own.is_complex() else own).float()

    grads: list[Tensor] = []

    def run(accumulate: int, batch: int) -> Tensor:
        torch.manual_seed(0)
        x, model = torch.randn(514, 4), Mixed()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
        loader = DataLoader(TensorDataset(x, x.sum(1)), batch)
        for _ in danlu.steps(model, loader, nn.MSELoss(), optimizer, steps=1, accumulate=accumulate):
            grads.append(model.b.grad.clone())
        return grads[-1]

    assert torch.allclose(run(2, 257), run(1, 514), rtol=1e-5)


def test_sparse_gradients_are_told_before_the_first_step() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(50, 4, sparse=True)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.table(x).mean(1))

    words = TensorDataset(torch.randint(50, (40, 6)), torch.randint(2, (40,)))
    for name in (None, "sgd", "sparseadam"):
        with pytest.raises(danlu.DanluError, match="table") as caught:
            danlu.train(words, model=Words(), loss="CrossEntropyLoss", optimizer=name, epochs=1)
        assert code(caught) == "DL258"
    assert danlu.train(words, model=Words(), loss="CrossEntropyLoss", optimizer="adagrad", epochs=1).history


@pytest.mark.parametrize("optimizer", ["adamw", "muon", "sgd"])
def test_a_layer_that_is_thawed_later_is_trained(optimizer: str) -> None:
    class Thawing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.mid, self.last = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 2)
            self.mid.requires_grad_(False)
            self.seen = 0

        def forward(self, x: Tensor) -> Tensor:
            self.seen += self.training
            self.mid.requires_grad_(self.seen > 3)
            return self.last(self.mid(self.first(x).relu()).relu())

    model = Thawing()
    before = model.mid.weight.clone()
    danlu.train(rows(), model=model, loss="CrossEntropyLoss", optimizer=optimizer, epochs=4)
    assert not torch.equal(model.mid.weight, before)


def test_a_bad_row_in_a_later_batch_of_an_update_is_named() -> None:
    data = rows()
    data.tensors[0][37, 2] = math.nan
    model = net()
    loader = danlu.Loader(data, batch_size=8)
    with pytest.raises(danlu.DanluError) as caught:
        list(
            danlu.steps(
                model,
                loader,
                nn.CrossEntropyLoss(),
                torch.optim.SGD(model.parameters(), lr=0.1),
                epochs=1,
                accumulate=3,
            )
        )
    assert code(caught) == "DL301"
    assert caught.value.where.endswith("37]")
    assert "weights are still good" in caught.value.why


def test_weights_that_are_gone_are_not_called_good() -> None:
    model = nn.Linear(4, 1)
    data = TensorDataset(rows().tensors[0] * 1e3, torch.zeros(48, 1))
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(data, model=model, loss="MSELoss", optimizer="sgd", lr=1e36, epochs=9, schedule="constant")
    assert code(caught) == "DL301"
    assert not all(torch.isfinite(p).all() for p in model.parameters())  # the update before was finite, and too far
    assert "weights are still good" not in caught.value.why
    assert "no longer finite" in caught.value.why


def test_float_labels_for_a_class_loss() -> None:
    x = rows().tensors[0]
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(TensorDataset(x, torch.rand(48)), model=net(), loss=nn.CrossEntropyLoss(), epochs=1)
    assert code(caught) == "DL245"
    assert "long()" in caught.value.fix


def test_a_name_that_is_too_long_for_the_disk(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text("\n".join(["a,b,label", *(f"{i},{i % 7},{'yn'[i % 2]}" for i in range(60))]))
    assert main(["train", "t.csv", "--epochs", "1", "--run", "r" * 300]) == 1
    assert "DL402" in capsys.readouterr().err


def test_a_disk_too_full_for_the_lock_is_told_where_it_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run_folder.at("full")

    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        folder.lock()
    assert (folder.path / ".lock").read_bytes() == b""
    with pytest.raises(danlu.DanluError) as caught:  # it holds all the same
        folder.lock()
    assert code(caught) == "DL403"
    folder.close()
    folder.lock()
    folder.close()


def test_no_space_to_begin_leaves_no_run_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type(shutil.disk_usage("."))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    for run in (None, "mine"):
        with pytest.raises(danlu.DanluError) as caught:
            danlu.train(rows(), model=net(), loss="CrossEntropyLoss", epochs=1, run=run)
        assert code(caught) == "DL404"
    assert not Path("mine").exists()
    assert not list(Path("runs").iterdir())


def test_a_full_disk_tells_how_to_go_on_with_this_run() -> None:
    full = OSError(errno.ENOSPC, "")
    for text, line in (("", "danlu resume r"), ('[objects]\nmodel = "Net"\n', "run the script again with run='r'")):
        Path("r/checkpoints/step-3.tmp-ab").mkdir(parents=True, exist_ok=True)
        Path("r/run.toml").write_text(text)
        fix = write_error(Path("r/checkpoints/step-3.tmp-ab/x"), full, 10, 3).fix
        assert line in fix
        assert "df -h r/checkpoints)" in fix


def test_nan_in_the_validation_rows_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    class Val(Dataset[Any]):
        def __len__(self) -> int:
            return 30

        def __getitem__(self, i: int) -> Any:
            x, y = rows()[i]
            return (x * math.nan if i == 20 else x), y

    danlu.train(rows(), val=Val(), model=net(), loss="CrossEntropyLoss", epochs=3)
    assert capsys.readouterr().err.count("validation loss is not a number") == 1


def test_a_bare_sequential_is_loaded_as_an_instance() -> None:
    run = danlu.train(rows(), model=net(), loss="CrossEntropyLoss", epochs=1)
    with pytest.raises(danlu.DanluError, match="model=net") as caught:
        danlu.load(run.dir)
    assert code(caught) == "DL314"
    assert danlu.load(run.dir, model=net()).predict(rows().tensors[0][:2])


def test_a_schedule_function_that_takes_nothing() -> None:
    with pytest.raises(danlu.DanluError, match="TypeError") as caught:
        danlu.train(rows(), model=net(), loss="CrossEntropyLoss", epochs=1, schedule=lambda: None)
    assert code(caught) == "DL352"


def test_the_header_counts_the_rows_a_sampler_gives(capsys: pytest.CaptureFixture[str]) -> None:
    train = DataLoader(rows(), 4, sampler=SubsetRandomSampler(range(30)))
    danlu.train(train, val=rows(), model=net(), loss="CrossEntropyLoss", epochs=1)
    assert "30 train + 48 val" in capsys.readouterr().err


def photos(folder: str = "photos", n: int = 12) -> Path:
    """Two classes of small grey pictures."""
    for name, low in (("cat", 0), ("dog", 128)):
        Path(folder, name).mkdir(parents=True)
        for i in range(n):
            pixels = np.random.default_rng(low + i).integers(low, low + 128, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(Path(folder, name, f"{i}.png"))
    return Path(folder)


def table(path: str = "t.csv", n: int = 60) -> Path:
    Path(path).write_text("\n".join(["a,b,label", *(f"{i},{i * i % 7},{'yn'[i % 2]}" for i in range(n))]))
    return Path(path)


@pytest.mark.parametrize("run", ["photos", "photos/run", "photos/cat/run", "."])
def test_a_run_folder_among_the_data_is_refused_and_nothing_is_written(run: str) -> None:
    photos()
    before = sorted(Path.cwd().rglob("*"))
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train("photos", epochs=1, run=run)
    assert code(caught) == "DL406"
    assert sorted(Path.cwd().rglob("*")) == before


def test_the_usual_run_folder_is_refused_inside_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos())
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(".", epochs=1)
    assert code(caught) == "DL406"
    assert not Path("runs").exists()
    run = re.search(r"--run (\S+)", caught.value.fix)
    assert run is not None
    assert danlu.train(".", epochs=1, run=run[1]).dir.is_dir()


def test_a_run_folder_beside_the_data_is_none_of_the_datas() -> None:
    Path("data").mkdir()
    table("data/t.csv")
    assert danlu.train("data/t.csv", epochs=1, run="data-run").dir.is_dir()


@pytest.mark.parametrize("lower", [{"epochs": 1}, {"steps": 1}, {"time": 0.001}])
def test_a_run_cannot_be_made_shorter_than_it_is(lower: dict[str, Any]) -> None:
    run = danlu.train(str(table()), epochs=2, run="tb")
    before = Path("tb/run.toml").read_bytes()
    with pytest.raises(danlu.DanluError) as caught:
        danlu.resume("tb", **lower)
    assert code(caught) == "DL318"
    assert Path("tb/run.toml").read_bytes() == before
    assert danlu.train("t.csv", epochs=2, run="tb").metrics == run.metrics  # the first command still continues it


class DropPath(nn.Module):
    """Rates as tutorials make them: read out of a tensor while the model is put together."""

    def __init__(self, in_features: int = 4, num_classes: int = 2) -> None:
        super().__init__()
        self.rates = [x.item() for x in torch.linspace(0, 0.1, 3)]
        self.scale = float(torch.ones(2).numpy().sum())
        self.head = nn.Linear(in_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("again", [DropPath, lambda: DropPath(), DropPath()])
def test_a_class_that_reads_tensors_while_it_is_made_is_loaded(again: Any) -> None:
    run = danlu.train(rows(), model=DropPath(), loss="CrossEntropyLoss", epochs=1)
    found = danlu.load(run.dir, model=again)
    for name, value in run.model.state_dict().items():
        assert torch.equal(found.module.state_dict()[name], value)


def test_answers_without_a_label_come_first_in_a_parquet_file() -> None:
    import pyarrow.parquet as pq

    with Writer("x.parquet") as writer:
        writer.write([{"input": "a", "prediction": [], "p(u)": 0.1}])
        writer.write([{"input": "b", "prediction": ["u", "v"], "p(u)": 0.9}])
    found = pq.read_table("x.parquet").to_pylist()
    assert [row["prediction"] for row in found] == [[], ["u", "v"]]


def test_a_disk_that_only_reads_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("ro").mkdir()

    def refuse(self: Path, *_: Any, **__: Any) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    for suffix in (".csv", ".jsonl", ".parquet"):
        writer = Writer(f"ro/o{suffix}")
        with monkeypatch.context() as patch, pytest.raises(danlu.DanluError) as caught:
            patch.setattr(Path, "unlink", refuse)
            patch.setattr(Writer, "_open_csv", refuse)
            patch.setattr(Writer, "_open_jsonl", refuse)
            patch.setattr(Writer, "_open_parquet", refuse)
            with writer:
                writer.write([{"input": "a", "prediction": 1.0}])
        assert code(caught) == "DL317"


def test_a_misspelt_monitor_is_told_before_there_is_a_run_folder() -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(str(table()), epochs=1, run="m", monitor="acuracy")
    assert code(caught) == "DL310"
    assert caught.value.fix == "monitor='accuracy'"
    assert not Path("m").exists()
    assert danlu.train("t.csv", epochs=1, run="m", monitor="accuracy").dir.is_dir()


@pytest.mark.parametrize("arguments", [{"inputs": 3}, {"sizes": 1}, {"inputs": "x", "outputs": None}, {}])
def test_a_config_that_builds_no_model_is_an_unusable_folder(arguments: dict[str, Any]) -> None:
    danlu.train(str(table()), epochs=1, run="m")
    config = json.loads(Path("m/model/config.json").read_text())
    config["model"]["arguments"] = arguments
    Path("m/model/config.json").write_text(json.dumps(config))
    with pytest.raises(danlu.DanluError) as caught:
        danlu.load("m")
    assert code(caught) == "DL424"
    assert "arguments" in caught.value.why


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_schema_whose_numbers_are_none_is_an_unusable_folder(value: float) -> None:
    danlu.train(str(table()), epochs=1, run="m")
    schema = json.loads(Path("m/model/schema.json").read_text())
    next(f for f in schema["fields"] if f["mean"])["mean"] = [value]
    Path("m/model/schema.json").write_text(json.dumps(schema))
    with pytest.raises(danlu.DanluError) as caught:
        danlu.load("m")
    assert code(caught) == "DL424"


def test_a_copied_model_folder_predicts_and_tests_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    danlu.train(str(table()), epochs=1, run="m")
    shutil.copytree("m/model", "m2")
    shutil.rmtree("m")
    shutil.rmtree("runs")
    capsys.readouterr()
    assert main(["predict", "m2", "t.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 60
    assert main(["test", "m2", "t.csv"]) == 0
    assert main(["test", "m2"]) == 1  # its own test rows are not in it
    told = capsys.readouterr().err
    assert "DL313" in told and "danlu test m2 DATA" in told


@pytest.mark.parametrize("words", [["--lang", "zh"], ["--lang=zh"]])
def test_the_language_before_the_verb_lasts_to_the_end(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "train", str(table()), "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    assert "第 1/1 轮" in said and "epoch 1/1" not in said
    assert main([*words, "help", "train"]) == 0
    assert main([*words, "--version"]) == 0


def test_a_test_path_that_is_not_there_names_the_nearest() -> None:
    photos()
    photos("photos_test")
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train("photos", "photos_tset", epochs=1)
    assert code(caught) == "DL150"
    assert "photos_test" in caught.value.fix
    table()
    Path("s").mkdir()
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train("t.csv", "s", epochs=1)
    assert code(caught) == "DL130"
    table("t2.csv")
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train("t.csv", "t3.csv", epochs=1)
    assert code(caught) == "DL126"
    assert "danlu train" not in caught.value.fix


def test_a_time_in_two_words_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(table()), "--time", "5", "min"]) == 2
    told = capsys.readouterr().err
    assert "DL010" in told and "--time 5min" in told
    assert main(["predict", "x", "--lang", "5", "min"]) == 2


def test_next_lines_can_be_pasted_whatever_the_names(capsys: pytest.CaptureFixture[str]) -> None:
    Path("my code").mkdir()
    Path("my code/nets.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n"
        " def __init__(self, in_features, num_classes):\n  super().__init__()\n"
        "  self.a = nn.Linear(in_features, num_classes)\n"
        " def forward(self, x):\n  return self.a(x)\n"
    )
    assert main(["train", str(table("my t.csv")), "--model", "my code/nets.py:Net", "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    lines = [line.strip().removeprefix("next").strip() for line in said.splitlines() if "danlu predict" in line]
    assert len(lines) == 1
    assert main([*shlex.split(lines[0])[1:], "-o", "o.csv"]) == 0
    with pytest.raises(danlu.DanluError) as caught:
        danlu.load("runs/latest")
    assert "--model 'my code/nets.py:Net'" in caught.value.fix


def test_a_damaged_picture_is_no_other_kind_of_input(capsys: pytest.CaptureFixture[str]) -> None:
    danlu.train(str(photos()), epochs=1, run="m")
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nxx")
    Path("words.txt").write_text("no picture")
    capsys.readouterr()
    assert main(["predict", "m", "broken.png"]) == 1
    told = capsys.readouterr().err
    assert "DL308" in told and "kind the model was trained on" not in told
    assert main(["predict", "m", "words.txt"]) == 1
    assert "kind the model was trained on" in capsys.readouterr().err


def test_a_part_without_classes_is_not_replaced_by_rows_of_train() -> None:
    photos()
    Path("empty").mkdir()
    Path("flat").mkdir()
    shutil.copy("photos/cat/0.png", "flat/0.png")
    for part in ("test", "val"):
        for folder, expected in (("empty", "DL152"), ("flat", "DL153")):
            with pytest.raises(danlu.DanluError) as caught:
                danlu.train("photos", epochs=1, **{part: folder})
            assert code(caught) == expected
            assert part in caught.value.where and folder in caught.value.where


def test_a_part_of_its_own_without_images_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    photos("all/train")
    Path("all/test/cat").mkdir(parents=True)
    danlu.train("all", epochs=1)
    assert re.search(r"ignored\s+test", capsys.readouterr().err)


def test_the_documented_number_of_epochs_is_the_one_chosen() -> None:
    for lang in ("en", "zh"):
        page = Path(__file__).parents[1] / "docs" / lang / "settings.md"
        said = next(line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `epochs`"))
        run = danlu.train(rows(), model=net(), loss="CrossEntropyLoss")  # so few rows take the most epochs
        assert [10, len(run.history)] == [int(n) for n in re.findall(r"\d+", said.split("|")[3])]


def test_settings_that_do_nothing_for_this_data_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    danlu.train(str(photos()), epochs=1, target="label", ignore="x")
    said = capsys.readouterr().err
    assert re.search(r"no effect\s+target, ignore", said)
    danlu.train(str(table()), epochs=1, size=32, max_pixels=5, target="label")
    assert re.search(r"no effect\s+size, max_pixels", capsys.readouterr().err)
    danlu.train("photos", epochs=1, size=16, max_pixels=10_000)
    danlu.train(rows(), model=net(), loss="CrossEntropyLoss", epochs=1)
    assert "no effect" not in capsys.readouterr().err


def test_categories_that_training_never_saw_are_counted_once(capsys: pytest.CaptureFixture[str]) -> None:
    def write(path: str, names: str) -> None:
        lines = (f"{i},{names[i % len(names)]},{'yn'[i % 2]}" for i in range(600))
        Path(path).write_text("\n".join(["a,colour,label", *lines]))

    write("t.csv", "rgb")
    write("new.csv", "rgbxz")
    danlu.train("t.csv", epochs=1, run="m")
    capsys.readouterr()
    for words in (["predict", "m", "new.csv"], ["test", "m", "new.csv"]):
        assert main(words) == 0
        told = [line for line in capsys.readouterr().err.splitlines() if "colour" in line]
        assert len(told) == 1 and "240" in told[0] and ("'x'" in told[0] or "'z'" in told[0])
        assert main([*words[:2], "t.csv"]) == 0
        assert "colour" not in capsys.readouterr().err


def test_infinity_is_among_the_marks_that_are_said_to_be_missing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("t.csv").write_text(
        "\n".join(["a,b,label", *(f"{'inf' if i == 3 else i},{i * i % 7},{'yn'[i % 2]}" for i in range(60))])
    )
    danlu.train("t.csv", epochs=1)
    assert "and inf count as missing, in: a" in capsys.readouterr().err
