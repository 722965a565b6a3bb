"""Batches joined across processes, so that a contrastive loss sees every pair of the step."""

from __future__ import annotations

import torch.distributed as dist
import torch.distributed.nn.functional as collective
from torch import Tensor, cat


def gather(rows: Tensor) -> Tensor:
    """(B, …) of this process → (B · processes, …) of all of them in the order of their ranks, with gradients.

    Every process computes the loss of the joined batch, so averaging the gradients over processes, as DDP does, gives
    the gradient of that one loss: the backward pass of the gathering sums what all processes sent back, and the mean
    divides by their number.
    """
    if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
        return rows
    return cat(collective.all_gather(rows))
