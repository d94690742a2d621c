"""Runs every program of examples/ and looks at what came out of it."""

from __future__ import annotations

import csv
import json
import os
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

import danlu
from conftest import ROOT

EXAMPLES = ROOT / "examples"


def result(name: str) -> Any:
    """What the ``main()`` of an example returns."""
    torch.manual_seed(1)  # an example seeds what it needs; what the tests before it drew must not matter
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)["main"]()


def beats_baseline(metrics: dict[str, Any], name: str = "accuracy") -> bool:
    """Even the low end of the interval is better than the answer of a model that learnt nothing."""
    return metrics[f"test/{name}_low"] > metrics[f"test/{name}_baseline"]


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


def epochs(run: Path) -> list[int]:
    return [e["epoch"] for e in events(run) if e["event"] == "epoch"]


def test_every_example_is_tested_and_runs_as_a_script() -> None:
    tests = Path(__file__).read_text("utf-8")
    for path in EXAMPLES.iterdir():
        assert f'"{path.stem}' in tests, f"{path.name} has no test"
        if path.suffix == ".py":
            assert path.read_text("utf-8").endswith('\n\nif __name__ == "__main__":\n    main()\n')


@pytest.mark.skipif(os.name == "nt", reason="a bash script")
def test_door_1_command_line(workdir: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", str(EXAMPLES / "door1_cli.sh")], env=os.environ | {"PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert epochs(workdir / "digits_run") == [1, 2, 3, 4, 5]
    finished = [e for e in events(workdir / "digits_run") if e["event"] == "done"]
    assert beats_baseline(finished[-1]["metrics"])
    with open(workdir / "answers.csv", encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 344
    assert {row["prediction"] for row in rows} == {"Adelie", "Chinstrap", "Gentoo"}


def test_door_2_files(capsys: pytest.CaptureFixture[str]) -> None:
    run = result("door2_files")
    assert beats_baseline(run.metrics)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == ["Chinstrap", "Gentoo"]


def test_door_3_own_objects() -> None:
    run = result("door3_own_objects")
    assert beats_baseline(run.metrics)
    assert not run.model.training
    assert run.predictor.schema.classes == tuple("0123456789")


def test_door_4_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert result("door4_steps") > 0.95
    losses = [float(line.split()[3]) for line in capsys.readouterr().out.splitlines()]
    assert losses[-1] < losses[0] / 3


def test_door_5_step() -> None:
    assert result("door5_step") > 0.95


def test_two_heads() -> None:
    right, error = result("two_heads")
    assert right > 0.9
    assert error < 0.02  # the mean ink is 0.305 with a standard deviation of 0.036


def test_multitask(workdir: Path) -> None:
    metrics = result("multitask").metrics
    assert beats_baseline(metrics, "species/accuracy")
    assert metrics["test/body_mass_g/rmse_high"] < metrics["test/body_mass_g/rmse_baseline"]


def test_regression_clipped() -> None:
    largest: list[float] = []

    def watch(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        largest.append(max(float(p.grad.abs().max()) for g in optimizer.param_groups for p in g["params"]))

    hook = register_optimizer_step_pre_hook(watch)
    try:
        run = result("regression_clipped")
    finally:
        hook.remove()
    assert len(largest) >= 10 * 3000 // 64  # every update of ten epochs
    assert max(largest) <= 0.5
    assert beats_baseline(run.metrics, "r2")
    assert run.metrics["test/r2"] > 0.9


def test_save_load_go_on(workdir: Path) -> None:
    run = result("save_load_go_on")
    assert beats_baseline(run.metrics)
    assert epochs(workdir / "penguins_run") == list(range(1, 16))
    weights = torch.load(workdir / "weights.pth", weights_only=True)
    assert torch.equal(weights["weight"], run.model.weight)


def test_loader_drop_in(capsys: pytest.CaptureFixture[str]) -> None:
    assert result("loader_drop_in") < 0.3  # of two classes: ln 2 = 0.69 without learning
    assert "the same 8 batches" in capsys.readouterr().out


def test_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    run = result("tensors")
    assert beats_baseline(run.metrics, "r2")
    assert torch.allclose(run.model.weight[0], torch.arange(1.0, 11), atol=1e-2)  # the rule that made the targets
    assert torch.allclose(run.model.bias, torch.tensor([3.0]), atol=1e-2)


def test_image_dataset() -> None:
    run = result("image_dataset")
    assert beats_baseline(run.metrics)
    assert run.metrics["test/rows"] == 360
    assert run.predictor.schema.inputs[0].shape == (3, 32, 32)


def test_mnist_loops(capsys: pytest.CaptureFixture[str]) -> None:
    losses, accuracy = result("mnist_loops")
    assert losses == sorted(losses, reverse=True)
    assert accuracy > 0.9  # a guess reaches 0.1


def test_the_handwritten_test_function_counts_samples(workdir: Path) -> None:
    """Against scikit-learn and one pass over all samples at once; the last batch is smaller than the others."""
    from sklearn.metrics import accuracy_score, log_loss

    part = runpy.run_path(str(EXAMPLES / "mnist_loops.py"), run_name="mnist_loops")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Dropout(0.5), torch.nn.Linear(784, 10))
    x, y = torch.randn(100, 1, 28, 28), torch.randint(0, 10, (100,))
    loader = danlu.Loader(torch.utils.data.TensorDataset(x, y), batch_size=32)
    loss, accuracy = part["test"](loader, model, torch.nn.CrossEntropyLoss())
    p = model.eval()(x).double().softmax(1).detach().numpy()
    assert loss == pytest.approx(log_loss(y, p, labels=range(10)), rel=1e-5)
    assert accuracy == pytest.approx(accuracy_score(y, p.argmax(1)))
    assert (part["Net"]()(x)).shape == (100, 10)


def text_model_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    run, loaded, texts = result("text_classes")
    assert beats_baseline(run.metrics)
    model, rows = run.model, range(20)
    with torch.inference_mode():
        alone = torch.cat([model(texts[i][0][None]) for i in rows])  # no padding at all
        together = model(torch.nn.utils.rnn.pad_sequence([texts[i][0] for i in rows], batch_first=True))
        again = loaded.module(torch.nn.utils.rnn.pad_sequence([texts[i][0] for i in rows], batch_first=True))
    torch.testing.assert_close(alone, together)
    assert torch.equal(together, again)


def test_text_classes(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DANLU_DATA", raising=False)
    text_model_is_right(capsys)


def test_text_classes_of_chinese_reviews(
    danlu_data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (danlu_data / "text_zh_hotel").is_dir():
        pytest.skip(f"no text_zh_hotel in {danlu_data}")
    monkeypatch.setenv("DANLU_DATA", str(danlu_data))
    text_model_is_right(capsys)
    assert "bad" in capsys.readouterr().out


def test_binary_two_ways() -> None:
    logits, probabilities = result("binary_two_ways")
    for run in (logits, probabilities):
        assert beats_baseline(run.metrics)
    assert probabilities.metrics["test/log_loss"] == pytest.approx(logits.metrics["test/log_loss"], abs=1e-3)


def test_saved_models(workdir: Path) -> None:
    script = EXAMPLES / "saved_models.py"  # a file that names a class can only be written by the program itself
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    refused = [line for line in done.stdout.splitlines() if line.startswith("DL421")]
    assert len(refused) == 2
    assert beats_baseline(next(e["metrics"] for e in events(workdir / "runs" / "latest") if e["event"] == "done"))
    for name in ("whole.pth", "strange.pth"):  # torch itself refuses them too, when it is told to
        with pytest.raises(Exception, match="Weights only load failed"):
            torch.load(workdir / name, weights_only=True)


def test_image_table(workdir: Path) -> None:
    run = result("image_table")
    assert beats_baseline(run.metrics)
    assert danlu.load(run.dir).schema.parts == ("photo", "numbers")


def test_parquet_table(workdir: Path) -> None:
    runs = result("parquet_table")
    for run in runs:
        assert beats_baseline(run.metrics)
        assert run.predictor.schema.classes == ("Adelie", "Chinstrap", "Gentoo")


@pytest.mark.skipif(find_spec("datasets") is None, reason="Hugging Face's datasets is not installed")
def test_the_same_table_by_way_of_hugging_face(workdir: Path) -> None:
    file, hub = result("parquet_table")
    assert hub.metrics == file.metrics
