"""Learning to tell findings from whole volumes, of which not all is known."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from vlp3d_core.errors import UsageError
from vlp3d_core.model.classifier import Classifier
from vlp3d_core.model.encoders import channels_last
from vlp3d_core.train.classification_config import ClassificationConfig
from vlp3d_core.train.diverged import check_loss
from vlp3d_core.train.draws import draws
from vlp3d_core.train.finding_data import mean_auroc
from vlp3d_core.train.optimiser import adamw_with_cosine
from vlp3d_core.train.views import view


class FindingClassification(pl.LightningModule):
    """All of the network is trained, on views as pretraining makes them: not mirrored, for findings have sides.

    Raises:
        UsageError: the network cannot take patches of that size.
    """

    def __init__(self, config: ClassificationConfig, model: Classifier) -> None:
        super().__init__()
        self.config, self.model = config, model
        channels_last(model)
        model.encoder.recompute = config.activation_checkpointing
        if any(n % model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {model.stride}.", "Correct the recipe.")
        self._validated: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        image = view(batch["image"], draws(self, self.config, index)).contiguous(memory_format=torch.channels_last_3d)
        loss = masked_cross_entropy(self.model(image).float(), batch["target"])
        check_loss(self, loss, batch["subject"])
        self.log("loss", loss, batch_size=len(image))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        image = batch["image"].contiguous(memory_format=torch.channels_last_3d)
        self._validated.append((self.model(image).float().cpu(), batch["target"].cpu()))

    def validation_score(self) -> float | None:
        """Mean AUROC over findings of the validation that ends."""
        if not self._validated:
            return None
        logits, targets = (torch.cat(parts).numpy() for parts in zip(*self._validated, strict=True))
        return mean_auroc(logits, targets)

    def on_validation_epoch_end(self) -> None:
        logits, targets = (torch.cat(parts) for parts in zip(*self._validated, strict=True))
        self.log("val_loss", masked_cross_entropy(logits, targets))
        self.log("val_auroc", mean_auroc(logits.numpy(), targets.numpy()))
        self._validated.clear()

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)


def masked_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy over what is known; 0, with a gradient of 0, where nothing is.

    Args:
        logits: (B, F).
        targets: (B, F): 1 there, 0 not there, NaN unknown.
    """
    known = torch.isfinite(targets)
    loss = binary_cross_entropy_with_logits(logits, targets.nan_to_num(0.0), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)
