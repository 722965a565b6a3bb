"""Feeds a run: patches to train on, from where the run stands, and whole volumes to validate on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, Dataset

from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.data import PatchDataset
from vlp3d_core.train.mirror import mirror_pairs
from vlp3d_core.train.stop import default_signals
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
            "image": torch.from_numpy(case.image.astype("float32"))[None],
            "label": torch.from_numpy(case.label.astype("uint8")),
            "known": torch.from_numpy(case.known),
        }


class Loaders(pl.LightningDataModule):
    """One epoch is the whole run: step n takes patches n·batch to (n + 1)·batch − 1.

    Lightning counts on from the checkpoint's step but starts every loader at its beginning. It asks for the loader
    after it has restored the step, so the loader can begin where the run was.
    """

    def __init__(self, config: FinetuneConfig, train: Sequence[Stored], validation: Sequence[Stored]) -> None:
        super().__init__()
        self.config, self.validation = config, validation
        length = config.steps * config.batch
        self.patches = PatchDataset(train, config.patch, length, mirror_pairs(config.concepts), config.seed)

    def train_dataloader(self) -> DataLoader[dict[str, Any]]:
        assert self.trainer is not None
        first = self.trainer.global_step * self.config.batch
        # As long as from the beginning: Lightning compares the length with the steps since the beginning.
        return DataLoader(
            self.patches,
            self.config.batch,
            sampler=range(first, first + len(self.patches)),
            num_workers=self.config.workers,
            persistent_workers=self.config.workers > 0,
            worker_init_fn=default_signals,
        )

    def val_dataloader(self) -> DataLoader[dict[str, Any]]:
        return DataLoader(WholeVolumes(self.validation))
