"""The loss of affinities: few edges are cut, and those are what matters."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def balanced_affinity_loss(logits: Tensor, together: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy, in which cut and uncut edges weigh the same, and 1 − Dice of the cut edges; the mean over
    distances.

    Args:
        logits: (B, 3 N, I, J, K), of belonging together, for N distances.
        together, known: bool, the same shape; what is not known is left out.
    """
    parts = zip(*(one.split(3, dim=1) for one in (logits, together, known)), strict=True)
    losses = [_of_one_distance(*part) for part in parts]
    return torch.stack(losses).mean()


def _of_one_distance(logits: Tensor, together: Tensor, known: Tensor) -> Tensor:
    uncut, cut = (together & known).float(), (~together & known).float()
    entropy = binary_cross_entropy_with_logits(logits, uncut, reduction="none")
    balanced = sum((entropy * side).sum() / side.sum().clamp(min=1) for side in (uncut, cut)) / 2
    guess = (1 - logits.sigmoid()) * known
    dice = (2 * (guess * cut).sum() + 1) / (guess.sum() + cut.sum() + 1)
    return balanced + 1 - dice
