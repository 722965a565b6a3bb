"""Random numbers by item: the same for one process as for several, and for a run that was resumed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.draws import item_draws


def seeds(config: FinetuneConfig, step: int, index: int, rank: int = 0) -> list[int]:
    module: Any = SimpleNamespace(global_step=step, global_rank=rank)
    return [g.initial_seed() for g in item_draws(module, config, index, config.batch)]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_processes_share_the_items_of_one(settings: Callable[..., FinetuneConfig], accumulate: int) -> None:
    """Process r of p takes every p-th item, as the loader gives them out."""
    one, two = settings(batch=4, accumulate=accumulate), settings(batch=2, devices=2, accumulate=accumulate)
    for index in range(2 * accumulate):
        step = index // accumulate
        whole, first, second = seeds(one, step, index), seeds(two, step, index), seeds(two, step, index, 1)
        assert whole[::2] == first and whole[1::2] == second


def test_every_item_of_a_run_has_its_own(settings: Callable[..., FinetuneConfig]) -> None:
    config = settings(accumulate=2, batch=3)
    drawn = [seed for index in range(20) for seed in seeds(config, index // 2, index)]
    assert len(set(drawn)) == 60
    assert drawn[:6] == seeds(config, 0, 10) + seeds(config, 0, 11), "a resumed run counts its batches anew"
    assert not set(drawn) & {seed for index in range(20) for seed in seeds(settings(seed=1, batch=3), index, index)}
