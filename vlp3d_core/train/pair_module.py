"""What pretraining methods share: named losses that add up, checks, validation by retrieval, the optimiser."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Generator, Tensor

from vlp3d_core.errors import UsageError
from vlp3d_core.model.alignment import AlignmentModel
from vlp3d_core.model.encoders import channels_last
from vlp3d_core.train.diverged import check_loss
from vlp3d_core.train.draws import draws
from vlp3d_core.train.losses.info_nce import info_nce
from vlp3d_core.train.losses.siglip import SigLIP
from vlp3d_core.train.optimiser import adamw_with_cosine
from vlp3d_core.train.pretrain_config import PretrainConfig
from vlp3d_core.train.spread import effective_rank
from vlp3d_core.train.views import view

Batch = dict[str, Any]


class PairModule(pl.LightningModule):
    """A pretraining method on pairs of volumes and reports, see `train.pairs.join` for a batch.

    A method says in `losses` what it adds up, and may hold modules of its own; what is kept of a run is `model`.

    Raises:
        UsageError: the encoder cannot take patches of that size.
    """

    def __init__(self, config: PretrainConfig, text_dimension: int) -> None:
        super().__init__()
        self.config = config
        self.model = AlignmentModel(config.encoder, config.encoder_options, text_dimension, config.dimension)
        self.model.encoder.recompute = config.activation_checkpointing
        channels_last(self.model)
        if any(n % self.model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {self.model.stride}.", "Correct the recipe.")
        self.siglip = SigLIP() if config.contrast == "siglip" else None
        self._vectors: list[tuple[Tensor, Tensor]] = []

    @abstractmethod
    def losses(self, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        """Named terms, each with its weight already; their sum is the loss.

        Args:
            generator: decides everything random of this step.
        """

    def contrast(self, image: Tensor, text: Tensor) -> Tensor:
        """How far volumes and reports of a batch, (B, D) both, are from finding each other."""
        return info_nce(image, text, self.config.temperature) if self.siglip is None else self.siglip(image, text)

    def one_view(self, batch: Batch, generator: Generator) -> Tensor:
        """A view of each crop, laid out for fast convolutions."""
        return view(batch["image"], generator).contiguous(memory_format=torch.channels_last_3d)

    def views(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """Two views of each crop."""
        return self.one_view(batch, generator), self.one_view(batch, generator)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        terms = self.losses(batch, draws(self, self.config, index))
        loss = torch.stack(list(terms.values())).sum()
        check_loss(self, loss, batch["subject"], terms)
        self.log_dict(
            {"loss": loss.detach(), **{k: v.detach() for k, v in terms.items()}}, batch_size=len(batch["image"])
        )
        return loss

    def validation_step(self, batch: Batch, index: int) -> None:
        image = batch["image"].contiguous(memory_format=torch.channels_last_3d)
        self._vectors.append((self.model.image(image), self.model.text(batch["sentences"], batch["mask"])))

    def on_validation_epoch_end(self) -> None:
        images, texts = (torch.nn.functional.normalize(torch.cat(v).float()) for v in zip(*self._vectors, strict=True))
        self._vectors.clear()
        rank = ((texts @ images.T) > (texts * images).sum(1, keepdim=True)).sum(1)
        self.log("val_recall10", (rank < 10).float().mean())
        self.log("val_rank_image", effective_rank(images))
        self.log("val_rank_text", effective_rank(texts))
        self.log("val_spread_image", images.std(0).mean())

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)
