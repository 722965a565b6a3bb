"""Averaged weights forget those that the averaging began with."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from vlp3d_core.train.averaging import warming_up


def averages(decay: float, values: list[float]) -> list[float]:
    """After each update with a weight of these values."""
    model = nn.Linear(1, 1, bias=False)
    averaged, seen = AveragedModel(model, avg_fn=warming_up(decay)), []
    for value in values:
        nn.init.constant_(model.weight, value)
        averaged.update_parameters(model)
        seen.append(averaged.module.weight.item())
    return seen


def test_the_untrained_weights_are_soon_forgotten() -> None:
    seen = averages(0.98, [100.0, *[1.0] * 50])
    assert seen[0] == 100 and seen[1] < 20, "an average of two is no average of many"
    assert seen[30] == pytest.approx(1, abs=1e-3), "0.98 ** 30 would leave 54 of the 100"


def test_later_the_decay_is_what_was_asked_for() -> None:
    seen = averages(0.9, [*[0.0] * 200, 1.0])
    assert seen[-1] == pytest.approx(0.1)


def test_whole_numbers_stay_whole() -> None:
    """Batch normalisation counts its batches in a buffer."""
    norm = nn.BatchNorm1d(2)
    averaged = AveragedModel(norm, avg_fn=warming_up(0.98), use_buffers=True)
    for _ in range(3):
        norm(torch.randn(4, 2))
        averaged.update_parameters(norm)
    count = averaged.module.num_batches_tracked
    assert count.dtype == torch.long and 0 < count.item() <= 3
