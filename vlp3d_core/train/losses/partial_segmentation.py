"""Dice plus cross-entropy for label maps in which some structures were never contoured."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

ENTROPY_WEIGHT = 10.0
"""A structure fills about 0.1 % of a patch, so its mean cross-entropy is two orders below its Dice loss; this brings
both to the same order."""
MISS_WEIGHT = 0.2
"""For a structure that the network never reports, probabilities near 0 leave neither Dice nor the mean cross-entropy a
gradient to speak of: an esophagus was still at 0.005 everywhere after 3,000 steps. The cross-entropy over its own
voxels has one. Left on, it makes every structure too large, so it fades with the square of what is still missed."""


def partial_dice_bce(logits: Tensor, label: Tensor, known: Tensor, smooth: float = 1.0) -> Tensor:
    """Soft Dice loss plus `ENTROPY_WEIGHT` times binary cross-entropy, over the structures known in each image, plus
    `MISS_WEIGHT` times the cross-entropy over the voxels of each structure alone, as far as it is missed.

    Dice and the last term are computed per structure over the whole batch (voxels of all images in which it is known),
    which keeps them stable when a patch holds only a corner of a structure; after Milletari et al. (V-Net, 2016) for
    the soft Dice. A structure unknown in an image gets no gradient from it.

    A voxel has one structure or none, so only two sums need all scores; all others need the score of a voxel's own
    structure. Masks of all structures took most of a training step on a CPU.

    Args:
        logits: (B, K, *grid).
        label: (B, *grid) whole numbers: 1 + the structure, or 0.
        known: (B, K), 1 where structure k was contoured in image b, else 0.
        smooth: added to numerator and denominator; a structure absent from the batch then costs little when empty.

    Returns:
        scalar; 0 when nothing is known.
    """
    scores, number = logits.flatten(2), label.flatten(1).long()
    weight = known.to(scores.dtype)
    own = scores.gather(1, (number - 1).clamp(min=0)[:, None])[:, 0]

    def sums(values: Tensor) -> Tensor:
        """(B, N) values of voxels → (B, K) their sum over each structure's own ones."""
        empty = values.new_zeros(len(values), scores.shape[1] + 1)
        return empty.scatter_add(1, number, values)[:, 1:]

    entropy = (softplus(scores).sum(2) - sums(own)) / number.shape[1]
    overlap = (sums(own.sigmoid()) * weight).sum(0)
    voxels = (sums(torch.ones_like(own)) * weight).sum(0)
    total = (scores.sigmoid().sum(2) * weight).sum(0) + voxels
    dice = 1 - (2 * overlap + smooth) / (total + smooth)
    pull = (sums(softplus(-own)) * weight).sum(0) / voxels.clamp(min=1)
    missed = (1 - overlap / voxels.clamp(min=1)).detach() ** 2
    return (
        ENTROPY_WEIGHT * _mean(entropy, weight)
        + MISS_WEIGHT * _mean(missed * pull, (voxels > 0).to(weight.dtype))
        + _mean(dice, weight.amax(0))
    )


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Of the values with weight 1; 0 when there are none."""
    return (values * weight).sum() / weight.sum().clamp(min=1)
