"""Barlow Twins: two views of the same things agree, and no two dimensions say the same (Zbontar et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from vlp3d_core.train.losses.gather import gather


def barlow_twins(one: Tensor, other: Tensor, off_diagonal: float = 0.0051, standardise: bool = True) -> Tensor:
    """½ · [Σᵢ (Cᵢᵢ − 1)² + off_diagonal · Σᵢ≠ⱼ Cᵢⱼ²], with C = z₁ᵀ z₂ / B over the batches of all processes.

    Args:
        one, other: (B, D), B of at least 2.
        standardise: give each dimension mean 0 and standard deviation 1 over the batch first, as published; GTGM's
            released code leaves that out.
    """
    a, b = (gather(x.float()) for x in (one, other))
    if standardise:
        a, b = ((x - x.mean(0)) / x.std(0, correction=0).clamp(min=1e-6) for x in (a, b))
    correlation = a.T @ b / len(a)
    diagonal = torch.diagonal(correlation)
    apart = correlation.square().sum() - diagonal.square().sum()
    return ((diagonal - 1).square().sum() + off_diagonal * apart) / 2
