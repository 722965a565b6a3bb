"""What is said when a loss is no number any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import lightning.pytorch as pl
import torch
from torch import Tensor

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.checkpoints import last_good


def check_loss(
    module: pl.LightningModule, loss: Tensor, subjects: Sequence[str], terms: Mapping[str, Tensor] | None = None
) -> None:
    """Go on while the loss is finite.

    Args:
        subjects: whose volumes are in the batch.
        terms: what the loss is the sum of.

    Raises:
        MedVLPError: it is not; names the step, the terms, the subjects and the checkpoint to go back to.
    """
    if torch.isfinite(loss):
        return
    parts = "".join(f"{name} {value.item():g}, " for name, value in (terms or {}).items()).removesuffix(", ")
    raise MedVLPError(
        f"Training diverged: the loss of step {module.global_step} is {loss.item()} "
        f"({parts}{'; ' if parts else ''}subjects {', '.join(subjects)}).",
        f"{last_good(module.trainer.default_root_dir)} Check these volumes, or start a new run with a lower "
        "learning_rate.",
    )
