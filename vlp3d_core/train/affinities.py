"""Learning affinities from instances, as GTGM's evaluation on EM does (arXiv 2306.04811)."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from vlp3d_core.errors import UsageError
from vlp3d_core.model.affinity_model import AffinityModel
from vlp3d_core.model.encoders import channels_last
from vlp3d_core.train.affinity_config import AffinityConfig
from vlp3d_core.train.diverged import check_loss
from vlp3d_core.train.losses.affinity import balanced_affinity_loss
from vlp3d_core.train.optimiser import adamw_with_cosine


class AffinityLearning(pl.LightningModule):
    """Batches come from `train.affinity_data`; the score of a validation is the Dice of the edges that are cut.

    Raises:
        UsageError: the network cannot take patches of that size.
    """

    def __init__(self, config: AffinityConfig) -> None:
        super().__init__()
        self.config = config
        self.model = AffinityModel(config.encoder, config.encoder_options, len(config.distances))
        channels_last(self.model)
        self.model.encoder.recompute = config.activation_checkpointing
        if any(n % self.model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {self.model.stride}.", "Correct the recipe.")
        self._counts: list[Tensor] = []

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        loss = balanced_affinity_loss(self._logits(batch), batch["together"], batch["known"])
        check_loss(self, loss, batch["subject"])
        self.log("loss", loss, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        together, known = batch["together"][:, :3], batch["known"][:, :3]
        cut, expected = (self._logits(batch)[:, :3] < 0) & known, ~together & known
        self._counts.append(torch.stack([(cut & expected).sum(), cut.sum() + expected.sum()]))

    def validation_score(self) -> float | None:
        """Dice of the cut edges over all of validation; NaN where no edge is cut."""
        if not self._counts:
            return None
        both, sides = torch.stack(self._counts).sum(0).tolist()
        return 2 * both / sides if sides else float("nan")

    def on_validation_epoch_end(self) -> None:
        score = self.validation_score()
        self._counts.clear()
        self.log("val_membranes", float("nan") if score is None else score)

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)

    def _logits(self, batch: dict[str, Any]) -> Tensor:
        image = batch["image"].contiguous(memory_format=torch.channels_last_3d)
        logits: Tensor = self.model(image).float()
        return logits
