"""GTGM: text made for a volume supervises its encoder; two views of it agree (arXiv 2306.04811).

Implemented from the formulas; nothing here reproduces the paper's numbers. What differs: sentences come from this
project's frozen text tower instead of BioBERT's [CLS] (`model.alignment`), and views are not mirrored, for the texts
speak of sides.
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.encoders import channels_last
from vlp3d_core.train.losses.barlow_twins import barlow_twins
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.optimiser import adamw_with_cosine
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.spread import effective_rank
from vlp3d_core.train.views import view


class GTGM(pl.LightningModule):
    """`L = L_clip(v₁, t) + L_clip(v₂, t) + 0.01 · L_bt(v₁, v₂)`, with L_clip the sum of both directions.

    Raises:
        UsageError: the encoder cannot take patches of that size.
    """

    def __init__(self, config: PretrainConfig, text_dimension: int) -> None:
        super().__init__()
        self.config = config
        self.model = AlignmentModel(config.encoder, config.encoder_options, text_dimension, config.dimension)
        channels_last(self.model)
        if any(n % self.model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {self.model.stride}.", "Correct the recipe.")
        self._vectors: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Any], step: int) -> Tensor:
        # A generator of its own, seeded by the step, so that a resumed run draws what an unbroken one draws.
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + self.global_step)
        one, other = (
            self.model.image(view(batch["image"], generator).contiguous(memory_format=torch.channels_last_3d))
            for _ in range(2)
        )
        text = self.model.text(batch["sentences"], batch["mask"])
        config = self.config
        clip = 2 * (info_nce(one, text, config.temperature) + info_nce(other, text, config.temperature))
        twins = barlow_twins(one, other, config.barlow_off_diagonal, config.standardise)
        loss = clip + config.barlow_weight * twins
        if not torch.isfinite(loss):
            raise MedVLPError(
                f"Training diverged: the loss of step {self.global_step} is {loss.item()} "
                f"(subjects {', '.join(batch['subject'])}).",
                "Check these volumes, or start a new run with a lower learning_rate.",
            )
        with torch.no_grad():
            values = {"loss": loss, "clip": clip / 4, "twins": twins, "rank_image": effective_rank(one)}
        self.log_dict({k: v.detach() for k, v in values.items()}, batch_size=len(one))
        return loss

    def validation_step(self, batch: dict[str, Any], step: int) -> None:
        image = batch["image"].contiguous(memory_format=torch.channels_last_3d)
        self._vectors.append((self.model.image(image), self.model.text(batch["sentences"], batch["mask"])))

    def on_validation_epoch_end(self) -> None:
        images, texts = (torch.nn.functional.normalize(torch.cat(v).float()) for v in zip(*self._vectors, strict=True))
        self._vectors.clear()
        rank = ((texts @ images.T) > (texts * images).sum(1, keepdim=True)).sum(1)
        self.log("val_recall10", (rank < 10).float().mean())
        self.log("val_rank_image", effective_rank(images))
        self.log("val_spread_image", images.std(0).mean())

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)
