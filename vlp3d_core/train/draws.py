"""What is random in a step, by its number: a resumed run draws what an unbroken one draws."""

from __future__ import annotations

import lightning.pytorch as pl
from torch import Generator

from vlp3d_core.train.settings import RunSettings


def draws(module: pl.LightningModule, run: RunSettings, index: int) -> Generator:
    """A generator of its own for each batch of each process.

    Args:
        index: the batch's number, as `training_step` gets it.
    """
    batch = module.global_step * run.accumulate + index % run.accumulate
    return Generator().manual_seed(run.seed * 1_000_003 + batch * run.processes + module.global_rank)
