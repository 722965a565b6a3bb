"""Averaged weights (EMA), Lightning's, with a decay that begins low, and what a finished run that is resumed needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor


class Averaging(EMAWeightAveraging):
    """Puts the averaged weights into the model at the end, also where there was nothing left to train."""

    trained = False

    def __init__(self, decay: float, **options: Any) -> None:
        super().__init__(decay=decay, **options)
        self._kwargs["avg_fn"] = warming_up(decay)  # Lightning has no other way to say it

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self.trained = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.trained:
            super().on_train_end(trainer, pl_module)


def warming_up(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """For `torch.optim.swa_utils.AveragedModel`: the decay after n updates is min(decay, (1 + n) / (10 + n)).

    A constant one would keep much of the weights that the averaging began with, which are hardly trained, through a
    short run: at 0.98 a third of them after 50 updates. (The rule is that of TensorFlow's ExponentialMovingAverage.)
    """

    def average(averaged: Tensor, current: Tensor, updates: Tensor) -> Tensor:
        rate = ((1 + updates) / (10 + updates)).clamp(max=decay)
        return averaged * rate + current * (1 - rate)

    return average
