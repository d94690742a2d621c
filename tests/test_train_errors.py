"""Each mistake while setting up or training: its code, its place, its fix."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import danlu
from danlu import api
from danlu.device import pick_device
from danlu.guard import Guard, _guards
from danlu.trial import few_batches, one_batch, range_test


def rows(n: int = 64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 6, generator=generator)
    return x, (x.sum(1) > 0).long()


def net(inputs: int = 6, outputs: int = 2) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(inputs, 8), nn.ReLU(), nn.Linear(8, outputs))


def code_of(error: pytest.ExceptionInfo[danlu.DanluError]) -> str:
    assert len(str(error.value).splitlines()) <= 8
    return error.value.code


def test_a_device_that_is_not_there() -> None:
    with pytest.raises(danlu.DanluError) as caught:
        pick_device("cuda:7")
    assert code_of(caught) == "DL240" and "--device cuda:7" in caught.value.where


def test_a_layer_that_does_not_fit_is_named_with_both_sizes() -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(rows(), model=net(inputs=5), epochs=1)
    assert code_of(caught) == "DL242"
    assert "0 (Linear)" in caught.value.where and "(32, 6)" in caught.value.why and "5" in caught.value.why


def test_a_forward_that_takes_something_else() -> None:
    class Needy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(6, 2)

        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return self.last(x * mask)

    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(rows(), model=Needy(), epochs=1)
    assert code_of(caught) == "DL243" and "mask" in caught.value.why


def test_a_range_test_without_any_finite_loss() -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loader = danlu.Loader(TensorDataset(*rows()), batch_size=16, seed=0)
    from danlu.device import Precision

    def broken(output: Tensor, target: Tensor) -> Tensor:
        return output.sum() * float("nan")

    with pytest.raises(danlu.DanluError) as caught:
        range_test(model, optimizer, few_batches(loader, 4), broken, Precision())
    assert code_of(caught) == "DL306"


@pytest.mark.parametrize("model", [3, lambda: "text"])
def test_something_that_is_no_model(model: Any) -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(rows(), model=model, epochs=1)
    assert code_of(caught) == "DL307"


def test_an_unreadable_input_of_predict(tmp_path: Path, digits: Path) -> None:
    run = danlu.train(str(digits), steps=3, precision="fp32")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    with pytest.raises(danlu.DanluError) as caught:
        run.predict([str(broken)])
    assert code_of(caught) == "DL308" and str(broken) in caught.value.where
    with pytest.raises(danlu.DanluError) as caught:
        api.predict_files(run.dir, [str(broken)], tmp_path / "out.xyz")
    assert code_of(caught) == "DL315"
    assert not list(tmp_path.glob(".out*"))


def test_a_custom_loss_has_outputs_but_no_names() -> None:
    def distance(output: Tensor, target: Any) -> Tensor:
        return (output - target["a"]).square().mean()

    class Pairs(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 64

        def __getitem__(self, i: int) -> Any:
            return rows()[0][i], {"a": rows()[0][i, :2], "b": 1.0}

    run = danlu.train(Pairs(), model=net(), loss=distance, epochs=1)
    with pytest.raises(danlu.DanluError) as caught:
        run.predict(rows()[0][:2])
    assert code_of(caught) == "DL309"
    assert run.predictor is not None
    assert run.predictor.outputs([rows()[0][:2]]).shape == (2, 2)


def test_an_unknown_metric_to_watch() -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(rows(), model=net(), monitor="acuracy", epochs=1)
    assert code_of(caught) == "DL310" and "accuracy" in caught.value.why


def test_a_run_without_test_data_cannot_be_tested_again(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "import torch\nfrom torch.utils.data import TensorDataset\n"
        "x = torch.randn(64, 6)\ndata = TensorDataset(x, (x.sum(1) > 0).long())\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n        self.l = torch.nn.Linear(6, 2)\n"
        "    def forward(self, x):\n        return self.l(x)\n"
    )
    own = str(tmp_path / "own.py")
    run = danlu.train(f"{own}:data", model=f"{own}:Net", epochs=1)
    with pytest.raises(danlu.DanluError) as caught:
        danlu.test(run.dir, model=f"{own}:Net")
    assert code_of(caught) == "DL313"


class Labelled(torch.utils.data.Dataset[Any]):
    """A user's dataset with one label that the model has no output for."""

    def __init__(self, carried: bool) -> None:
        self.x, labels = rows(400)
        labels[237] = 5
        if carried:
            self.targets = labels
        else:
            self.hidden = labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> Any:
        return self.x[i], int((self.targets if hasattr(self, "targets") else self.hidden)[i])


@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize("workers", [0, 2])
def test_labels_out_of_range_name_the_row(carried: bool, workers: int) -> None:
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(Labelled(carried), val=rows(), model=net(), loss="CrossEntropyLoss", epochs=1, workers=workers)
    if carried:  # six classes by the dataset's own array, two outputs: told before any batch is read
        assert caught.value.code == "DL202" and "out_features=2" in caught.value.where
    else:
        assert caught.value.code == "DL208" and "237" in caught.value.where


def test_a_model_with_too_few_outputs_is_told_the_layer() -> None:
    x, y = rows()
    y[37] = 5
    with pytest.raises(danlu.DanluError) as caught:
        danlu.train((x, y), val=rows(), model=net(), epochs=1)
    assert code_of(caught) == "DL202" and "out_features=2" in caught.value.where


def test_weights_go_back_to_the_last_checkpoint_where_nobody_could_skip_the_update() -> None:
    """A GPU with an optimizer that is not fused, played on the CPU."""
    x, y = rows(64)
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    _guards[optimizer] = Guard("later", torch.device("cpu"))
    calls = []

    def turning_bad(output: Tensor, target: Tensor) -> Tensor:
        calls.append(output.requires_grad)
        scale = float("nan") if sum(calls) > 6 else 1.0
        return nn.functional.cross_entropy(output, target) * scale

    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(
            (x, y), val=rows(), model=model, optimizer=optimizer, loss=turning_bad, epochs=3, batch_size=16,
            checkpoint_steps=1, run="r", check=False,
        )  # fmt: skip
    assert code_of(caught) == "DL302"
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_interrupt_from_python_saves_and_carries_the_folder() -> None:
    calls: list[int] = []

    class Interrupting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                calls.append(1)
                if len(calls) == 3:
                    signal.raise_signal(signal.SIGINT)
            return self.last(x)

    with pytest.raises(KeyboardInterrupt) as caught:
        danlu.train(rows(), model=Interrupting(), epochs=5, batch_size=16, run="r", precision="fp32")
    assert isinstance(caught.value, danlu.Interrupted) and caught.value.run == "r"
    assert caught.value.signal == signal.SIGINT
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = danlu.train(rows(), model=Interrupting(), epochs=5, batch_size=16, run="r", precision="fp32")
    assert again.history[-1]["epoch"] == 5


def test_one_batch_changes_nothing() -> None:
    model = net()
    model.append(nn.BatchNorm1d(2))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = torch.get_rng_state()
    one_batch(model, rows(), nn.CrossEntropyLoss(), torch.device("cpu"))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state) and model.training


def test_numbers_of_another_format_are_told_as_that() -> None:
    class Doubles(torch.utils.data.Dataset[Any]):
        def __len__(self) -> int:
            return 40

        def __getitem__(self, i: int) -> Any:
            return rows()[0][i].double(), 1

    with pytest.raises(danlu.DanluError) as caught:
        danlu.train(Doubles(), model=net(), epochs=1)
    assert code_of(caught) == "DL244" and "x.float()" in caught.value.fix and "float64" in caught.value.why


def test_a_second_process_is_refused_before_torch_is_imported(digits: Path, capsys: Any) -> None:
    """The command line looks at the lock first; here another process holds it."""
    holder = "import sys, time; from pathlib import Path; from danlu import lock; p = Path('r'); p.mkdir();"
    holder += "lock.acquire(p / '.lock', p); print('held', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        program = (
            "import sys; from danlu.cli import main; code = main(sys.argv[1:]); print(code, 'torch' in sys.modules)"
        )
        argv = [sys.executable, "-c", program, "train", str(digits), "--run", "r"]
        second = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        process.kill()
    assert second.stdout.split() == ["1", "False"]
    assert "DL403" in second.stderr and str(process.pid) in second.stderr
