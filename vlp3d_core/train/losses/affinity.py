"""The loss of affinities: few edges are cut, and those are what matters."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def balanced_affinity_loss(logits: Tensor, together: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy, in which cut and uncut edges weigh the same, and 1 − Dice of the cut edges.

    Args:
        logits: (B, 3, I, J, K), of belonging together.
        together, known: bool, the same shape; what is not known is left out.
    """
    uncut, cut = (together & known).float(), (~together & known).float()
    entropy = binary_cross_entropy_with_logits(logits, uncut, reduction="none")
    balanced = sum((entropy * side).sum() / side.sum().clamp(min=1) for side in (uncut, cut)) / 2
    guess = (1 - logits.sigmoid()) * known
    dice = (2 * (guess * cut).sum() + 1) / (guess.sum() + cut.sum() + 1)
    return balanced + 1 - dice
