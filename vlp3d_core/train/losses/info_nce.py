"""Contrastive alignment of two views of the same things (InfoNCE)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize
from torch.utils.checkpoint import checkpoint

from vlp3d_core.train.losses.gather import gather

CHUNK = 256
"""Rows of the similarity matrix that are held at a time; a batch of that size is computed at once."""


def info_nce(one: Tensor, other: Tensor, temperature: float = 0.07) -> Tensor:
    """Symmetric InfoNCE: row n of `one` belongs to row n of `other` and to no other row.

    S = cos(one_i, other_j) / temperature; ½ · [CE(S, diagonal) + CE(Sᵀ, diagonal)], over the batches of all processes
    (van den Oord et al. 2018; CLIP, Radford et al. 2021). GTGM sums the two directions: that is twice this value.
    Large batches are computed some rows at a time, and again in the backward pass, so that memory grows with B · D.

    Args:
        one, other: (B, D), any length.

    Returns:
        scalar; log(B) where nothing is told apart.
    """
    a, b = (gather(normalize(x.float(), dim=1)) for x in (one, other))
    if len(a) > CHUNK:
        return _in_chunks(a, b, temperature)
    similarity = a @ b.T / temperature
    target = torch.arange(len(a), device=a.device)
    return (cross_entropy(similarity, target) + cross_entropy(similarity.T, target)) / 2


def _in_chunks(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """CE(S, diagonal) is the mean of log Σ_j exp S_ij − S_ii; the sums over columns add up over the chunks."""
    rows, columns = [], []
    for chunk in a.split(CHUNK):
        by_row, by_column = checkpoint(_sums, chunk, b, temperature, use_reentrant=False)
        rows.append(by_row)
        columns.append(by_column)
    diagonal = (a * b).sum(1).mean() / temperature
    return (torch.cat(rows).mean() + torch.stack(columns).logsumexp(0).mean()) / 2 - diagonal


def _sums(chunk: Tensor, b: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    similarity = chunk @ b.T / temperature
    return similarity.logsumexp(1), similarity.logsumexp(0)
