"""Batches joined across processes, so that a contrastive loss sees every pair of the step."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.distributed.nn.functional as collective
from torch import Tensor, cat


def gather(rows: Tensor) -> Tensor:
    """(B, …) of this process → (B · processes, …) of all of them in the order of their ranks, with gradients.

    Every process computes the loss of the joined batch, so averaging the gradients over processes, as DDP does, gives
    the gradient of that one loss: the backward pass of the gathering sums what all processes sent back, and the mean
    divides by their number.
    """
    return cat(collective.all_gather(rows)) if _joined() else rows


def same_length(rows: Tensor) -> Tensor:
    """(B, S, …) → the same with zeros at the end of axis 1, as long there as the longest of all processes."""
    if not _joined():
        return rows
    longest = torch.tensor(rows.shape[1], device=rows.device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    missing = rows.new_zeros(len(rows), int(longest) - rows.shape[1], *rows.shape[2:])
    return cat([rows, missing], dim=1)


def _joined() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
