"""Feeds a run: items to train on, from where the run stands, and whole volumes to validate on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset

from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.stop import leave_signals
from vlp3d_core.train.store import Stored


class WholeVolumes(Dataset[dict[str, Any]]):
    """Validation cases as they are stored, one a batch."""

    def __init__(self, stored: Sequence[Stored]) -> None:
        self.stored = stored

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> dict[str, Any]:
        case = self.stored[index]
        return {
            "image": torch.from_numpy(case.image[:].astype("float32"))[None],
            "label": torch.from_numpy(case.label[:].astype("uint8")),
            "known": torch.from_numpy(case.known),
        }


class Loaders(pl.LightningDataModule):
    """One epoch is the whole run: step n takes items n·N to (n + 1)·N − 1 of `items`, N being `run.items_a_step`.

    Process r of p takes every p-th of them from the r-th on, so that the batches which p processes see together hold
    what one process with p times the batch would see.

    Lightning counts on from the checkpoint's step but starts every loader at its beginning. It asks for the loader
    after it has restored the step, so the loader can begin where the run was.

    Args:
        run: batch, accumulate, devices, nodes, steps and workers.
        items: as many as the run takes; item n is the same whatever was read before.
        validation: what is validated on, `together` a batch.
        collate: joins items into a batch; None joins tensors of equal shape.
    """

    def __init__(
        self,
        run: RunSettings,
        items: Dataset[dict[str, Any]],
        validation: Dataset[dict[str, Any]],
        together: int = 1,
        collate: Callable[[list[dict[str, Any]]], dict[str, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.run, self.items, self.validation, self.together, self.collate = run, items, validation, together, collate

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        assert self.trainer is not None
        assert self.trainer.world_size == self.run.processes
        first = self.trainer.global_step * self.run.items_a_step
        last = first + self.run.steps * self.run.items_a_step
        # As long as from the beginning: Lightning compares the length with the steps since the beginning.
        return DataLoader(
            self.items,
            self.run.batch,
            sampler=range(first + self.trainer.global_rank, last, self.run.processes),
            num_workers=self.run.workers,
            persistent_workers=self.run.workers > 0,
            worker_init_fn=leave_signals,
            collate_fn=self.collate,
        )

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        return DataLoader(self.validation, self.together, collate_fn=self.collate)
