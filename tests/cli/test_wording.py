"""Settings in the words of the command line."""

from __future__ import annotations

import pytest

from danlu.cli import main
from danlu.cli.argv import parse
from danlu.cli.wording import as_flags


@pytest.mark.parametrize(
    ("python", "flags"),
    [
        ("model='cnn', or a class of yours: model='my.py:Net'", "--model cnn, or a class of yours: --model my.py:Net"),
        ('class_weights="balanced"', "--class-weights balanced"),
        ("accumulate=1, or one callable", "--accumulate 1, or one callable"),
        ("use epochs=10.", "use --epochs 10."),
        ("loss='HuberLoss' (it is robust), or loss='MSELoss'", "--loss HuberLoss (it is robust), or --loss MSELoss"),
        ("target='the label'", "--target 'the label'"),
        ('danlu.train(x, target="label")', 'danlu.train(x, target="label")'),  # a call stays Python
        ("model=Net()", "model=Net()"),
        ("for each head, such as price=0.5,kind=1", "for each head, such as price=0.5,kind=1"),
        ("--loss-weights size=2,kind=1", "--loss-weights size=2,kind=1"),  # columns, not settings
        ("loss={'a': 'MSELoss'}", "loss={'a': 'MSELoss'}"),
        ("requires_grad=True, dim=1", "requires_grad=True, dim=1"),
        ("loss.mean(), or reduction='mean'", "loss.mean(), or reduction='mean'"),
    ],
)
def test_plain_values_become_flags(python: str, flags: str) -> None:
    assert as_flags(python) == flags


def test_the_flags_are_ones_the_command_line_takes() -> None:
    line = as_flags("model='cnn' loss='MSELoss' optimizer='sgd' class_weights='balanced' batch_size=3 lr=auto")
    call = parse(["train", "x", *line.split()])
    assert not isinstance(call, str)
    assert call.arguments | {"data": "x"} == {
        "data": "x", "model": "cnn", "loss": "MSELoss", "optimizer": "sgd", "class_weights": "balanced",
        "batch_size": 3, "lr": "auto",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flag", "wrong", "meant"),
    [("--model", "cnnn", "cnn"), ("--optimizer", "adamm", "adam"), ("--loss", "CrossEntrpyLoss", "CrossEntropyLoss")],
)
def test_a_misspelt_name_is_told_before_the_data_is_looked_for(
    flag: str, wrong: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "there/is/no/such.csv", flag, wrong]) == 2
    said = capsys.readouterr().err
    assert f"where  {flag} {wrong}" in said
    assert f"fix    {flag} {meant}" in said
