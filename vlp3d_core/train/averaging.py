"""Averaged weights (EMA), Lightning's, and what a finished run that is resumed needs."""

from __future__ import annotations

import lightning.pytorch as pl
from lightning.pytorch.callbacks import EMAWeightAveraging


class Averaging(EMAWeightAveraging):
    """Puts the averaged weights into the model at the end, also where there was nothing left to train."""

    trained = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self.trained = True

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self.trained:
            super().on_train_end(trainer, pl_module)
