"""How much room embeddings use: a collapsed space has a rank near 1."""

from __future__ import annotations

import torch
from torch import Tensor


def effective_rank(vectors: Tensor) -> Tensor:
    """exp of the entropy of the normalised singular values of centred (N, D) vectors (Roy and Vetterli 2007)."""
    values = torch.linalg.svdvals((vectors - vectors.mean(0)).float())
    part = values / values.sum().clamp(min=1e-12)
    return torch.exp(-(part * part.clamp(min=1e-12).log()).sum())
