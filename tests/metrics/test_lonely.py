"""A class of one test row: its mean over the classes has no interval, the shares of rows have theirs."""

from __future__ import annotations

import torch

from danlu.metrics.measured import CLASS_MEANS, measure


def test_means_over_classes_have_no_interval_where_one_row_is_a_whole_class() -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.arange(3000) % 2
    decoded = torch.rand(3000, 3, generator=generator, dtype=torch.float64)
    decoded /= decoded.sum(1, keepdim=True)
    whole = measure("classification", decoded, target, bootstrap=0)
    assert {*CLASS_MEANS} <= {*whole.intervals}
    target[7] = 2
    found = measure("classification", decoded, target, bootstrap=0)
    assert not {*CLASS_MEANS} & {*found.intervals} and {"accuracy", "log_loss"} <= {*found.intervals}
