"""Learning to write reports: each piece is guessed from the volume and from the true pieces before it."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from vlp3d_core.errors import UsageError
from vlp3d_core.model.encoders import channels_last
from vlp3d_core.model.reporter import Reporter
from vlp3d_core.text.report.pieces import PAD
from vlp3d_core.train.diverged import check_loss
from vlp3d_core.train.draws import draws
from vlp3d_core.train.optimiser import adamw_with_cosine
from vlp3d_core.train.report_config import ReportConfig
from vlp3d_core.train.views import view


class ReportLearning(pl.LightningModule):
    """All of the network is trained, on views as pretraining makes them: not mirrored, for reports speak of sides.

    The score of a validation is the likelihood of a piece, the geometric mean over all of them (1 / perplexity).

    Raises:
        UsageError: the network cannot take patches of that size.
    """

    def __init__(self, config: ReportConfig, model: Reporter) -> None:
        super().__init__()
        self.config, self.model = config, model
        channels_last(model)
        model.encoder.recompute = config.activation_checkpointing
        if any(n % model.stride for n in config.patch):
            raise UsageError(f"The setting patch must have multiples of {model.stride}.", "Correct the recipe.")
        self._validated: list[Tensor] = []

    def training_step(self, batch: dict[str, Any], index: int) -> Tensor:
        drawn = draws(self, self.config, index)
        image = view(batch["image"], drawn)
        torch.manual_seed(
            drawn.initial_seed()
        )  # dropout has no generator of its own; a resumed run shall draw the same
        losses, count = self._losses(image, batch["pieces"])
        loss = losses / count
        check_loss(self, loss, batch["subject"])
        self.log("loss", loss, batch_size=len(image))
        return loss

    def validation_step(self, batch: dict[str, Any], index: int) -> None:
        self._validated.append(torch.stack(self._losses(batch["image"], batch["pieces"])).double().cpu())

    def validation_score(self) -> float | None:
        """Likelihood of a piece over all of validation."""
        if not self._validated:
            return None
        losses, count = torch.stack(self._validated).sum(0).tolist()
        return float(torch.exp(torch.tensor(-losses / count)))

    def on_validation_epoch_end(self) -> None:
        score = self.validation_score()
        self._validated.clear()
        self.log("val_likelihood", float("nan") if score is None else score)

    def configure_optimizers(self) -> Any:
        return adamw_with_cosine(self.parameters(), self.config)

    def _losses(self, image: Tensor, pieces: Tensor) -> tuple[Tensor, Tensor]:
        """Sum of the cross-entropies of all pieces after BEGIN, and their number."""
        logits = self.model(image.contiguous(memory_format=torch.channels_last_3d), pieces[:, :-1]).float()
        wanted = pieces[:, 1:]
        total = cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=PAD, reduction="sum")
        return total, (wanted != PAD).sum()
