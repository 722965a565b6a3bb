"""How fast a run is, with and without what its data takes."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback

WHOLE, ALONE = "items_per_s", "items_per_s_without_loading"


class Speed(Callback):
    """Logs items a second of all processes since the last row of the metrics: from step to step, and without the waits
    for batches. Validations and checkpoints are left out. If both agree, loading costs nothing.

    Args:
        items: of a batch, over all processes.
    """

    def __init__(self, items: int) -> None:
        self.items = items
        self._begun = 0.0
        self._ended: float | None = None
        self._forget()

    def on_train_batch_start(self, *_: Any) -> None:
        self._begun = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        now = time.perf_counter()
        if self._ended is not None:
            self._batches += 1
            self._whole += now - self._ended
            self._alone += now - self._begun
        self._ended = now
        if self._batches and trainer.global_step % trainer.log_every_n_steps == 0:
            done = self.items * self._batches
            self.log_dict({WHOLE: done / self._whole, ALONE: done / self._alone}, batch_size=self.items)
            self._forget()

    def on_validation_start(self, *_: Any) -> None:
        self._ended = None

    def _forget(self) -> None:
        self._batches, self._whole, self._alone = 0, 0.0, 0.0
