"""Contrastive alignment where every pair is a question of its own (SigLIP)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, normalize
from torch.utils.checkpoint import checkpoint

from vlp3d_core.train.losses.gather import gather

CHUNK = 256
"""Rows of the similarity matrix that are held at a time."""


class SigLIP(nn.Module):
    """−1/B · Σ_ij log σ(z_ij · (t · cos(one_i, other_j) + b)), z = 1 for i = j and −1 elsewhere (Zhai et al. 2023).

    No row needs the sum over the others, so the batch may be large; it is computed some rows at a time, and again in
    the backward pass: memory grows with B · D. Over the batches of all processes, as `losses.info_nce` does it.

    Scale t and bias b are learned; they begin at 10 and −10, as published: at first every pair is held for a wrong one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """(B, D) and (B, D), row n of both belonging together → scalar."""
        a, b = (gather(normalize(x.float(), dim=1)) for x in (one, other))
        first, parts = 0, []
        for chunk in a.split(CHUNK):
            parts.append(checkpoint(self._part, chunk, b, first, use_reentrant=False))
            first += len(chunk)
        return torch.stack(parts).sum() / len(a)

    def _part(self, chunk: Tensor, b: Tensor, first: int) -> Tensor:
        """The part of the rows from `first` on."""
        logits = chunk @ b.T * self.log_scale.exp() + self.bias
        sign = torch.full_like(logits, -1.0)
        sign.diagonal(first).fill_(1.0)
        return -logsigmoid(sign * logits).sum()
