"""Contrastive alignment of two views of the same things (InfoNCE)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from vlp3d_core.train.losses.gather import gather


def info_nce(one: Tensor, other: Tensor, temperature: float = 0.07) -> Tensor:
    """Symmetric InfoNCE: row n of `one` belongs to row n of `other` and to no other row.

    S = cos(one_i, other_j) / temperature; ½ · [CE(S, diagonal) + CE(Sᵀ, diagonal)], over the batches of all processes
    (van den Oord et al. 2018; CLIP, Radford et al. 2021). GTGM sums the two directions: that is twice this value.

    Args:
        one, other: (B, D), any length.

    Returns:
        scalar; log(B) where nothing is told apart.
    """
    a, b = (gather(normalize(x.float(), dim=1)) for x in (one, other))
    similarity = a @ b.T / temperature
    target = torch.arange(len(a), device=a.device)
    return (cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2
