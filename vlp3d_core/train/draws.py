"""What is random in a step, by its number: a resumed run draws what an unbroken one draws."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
from torch import Generator

from vlp3d_core.train.settings import RunSettings


def draws(module: pl.LightningModule, run: RunSettings, index: int) -> Generator:
    """A generator of its own for each batch of each process.

    Args:
        index: the batch's number, as `training_step` gets it.
    """
    batch = module.global_step * run.accumulate + index % run.accumulate
    return Generator().manual_seed(run.seed * 1_000_003 + batch * run.processes + module.global_rank)


def item_draws(module: pl.LightningModule, run: RunSettings, index: int, count: int) -> list[Generator]:
    """A generator of its own for each item of a batch: the item's number decides, see `train.loaders`, and not which
    process or batch it has come to.

    Args:
        index: the batch's number, as `training_step` gets it.
        count: of the batch's items.
    """
    batch = module.global_step * run.accumulate + index % run.accumulate
    first = batch * run.batch * run.processes + module.global_rank
    numbers = range(first, first + count * run.processes, run.processes)
    # A hash, for the seeds of `draws` are whole numbers that follow each other, too.
    seeds = (int(np.random.SeedSequence((run.seed, n)).generate_state(1, np.uint64)[0]) for n in numbers)
    return [Generator().manual_seed(seed) for seed in seeds]
