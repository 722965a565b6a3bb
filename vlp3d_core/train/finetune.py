"""Fine-tuning of the text-queried segmentation model on partially labelled volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from vlp3d_core.errors import UsageError
from vlp3d_core.model.vision_language import VisionLanguageModel
from vlp3d_core.train.config import FinetuneConfig
from vlp3d_core.train.diverged import check_loss
from vlp3d_core.train.draws import draws, item_draws
from vlp3d_core.train.losses.partial_segmentation import partial_dice_bce
from vlp3d_core.train.optimiser import adamw_with_cosine
from vlp3d_core.train.queries import QueryTexts
from vlp3d_core.train.synthesis.settings import synthesis_of
from vlp3d_core.train.synthesis.synthesise import shown
from vlp3d_core.train.variation import variation_of


class TextQueriedSegmentation(pl.LightningModule):
    """Voxel embeddings against the text vectors of each structure; a structure that nobody contoured is left out.

    Args:
        config: the run's settings.
        texts: text vectors of `config.concepts`, from the frozen text tower.

    Raises:
        UsageError: the network cannot take patches of that size.
    """

    def __init__(self, config: FinetuneConfig, texts: QueryTexts) -> None:
        super().__init__()
        self.config, self.texts = config, texts
        self.synthesis = synthesis_of(config.synthesis, config.spacing, config.normalisation, config.concepts)
        self.variation = variation_of(config.variation, config.spacing)
        self.model = VisionLanguageModel(
            config.encoder, config.encoder_options, config.dimension, texts.prototypes.shape[1], config.text_rank
        ).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.model.encoder.recompute = config.activation_checkpointing
        if any(n % self.model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {self.model.stride}.", "Correct the recipe.")
        self.dice: list[Tensor] = []

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        text = self.texts.draw(draws(self, self.config, index)).to(self.device)
        generators = item_draws(self, self.config, index, len(batch["image"]))
        image, label = shown(batch["image"], batch["label"], batch["made"], generators, self.synthesis, self.variation)
        logits = self.model(image.contiguous(memory_format=torch.channels_last_3d), text).float()
        loss = partial_dice_bce(logits, label, batch["known"])
        check_loss(self, loss, batch["subject"])
        self.log("loss", loss, batch_size=len(image))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        image, label, known = (batch[key] for key in ("image", "label", "known"))
        decided = decide(self.model(pad_to(image, self.model.stride), self.texts.prototypes.to(self.device)).float())
        decided = decided[tuple(slice(0, n) for n in label.shape)]
        self.dice.append(dice_per_structure(decided[0], label[0], known[0]))

    def validation_score(self) -> float | None:
        """Mean Dice over structures of the validation that ends; NaN where no volume shows any."""
        return float(torch.stack(self.dice).nanmean(0).nanmean()) if self.dice else None

    def on_validation_epoch_end(self) -> None:
        per_structure = torch.stack(self.dice).nanmean(0)
        self.dice.clear()
        self.log("val_dice", per_structure.nanmean())
        for concept, value in zip(self.config.concepts, per_structure, strict=True):
            self.log(f"val_dice/{concept}", value)

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)


def decide(logits: Tensor) -> Tensor:
    """(B, K, *grid) → (B, *grid): 1 + the structure with the highest logit where that is above 0, else 0."""
    best, index = logits.max(dim=1)
    return torch.where(best > 0, index + 1, torch.zeros_like(index))


def pad_to(image: Tensor, stride: int) -> Tensor:
    """Pad with air (-1) at the far ends, so that every edge is a multiple of `stride`."""
    pads: list[int] = []
    for n in reversed(image.shape[2:]):
        pads += [0, -n % stride]
    return torch.nn.functional.pad(image, pads, value=-1.0)


def dice_per_structure(decided: Tensor, label: Tensor, known: Sequence[bool] | Tensor) -> Tensor:
    """(K,) Dice; NaN where the structure is unknown or absent in this patient."""
    out = []
    for k, is_known in enumerate(known):
        a, b = decided == k + 1, label == k + 1
        out.append(2 * (a & b).sum() / (a.sum() + b.sum()) if bool(is_known) and bool(b.any()) else a.sum() * math.nan)
    return torch.stack(out).float()
