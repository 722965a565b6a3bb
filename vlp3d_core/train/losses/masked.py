"""Predicting what was masked: words from their text and the image, voxels from the image and the text."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from vlp3d_core.text.masking import IGNORED


def masked_language(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy over the masked tokens.

    Args:
        logits: (N, L, V).
        labels: (N, L), `IGNORED` where nothing was masked; at least one is not.
    """
    return cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED)


def sentence_alignment(predicted: Tensor, target: Tensor) -> Tensor:
    """MG-3D's SAL for its sentences, `mean [1 − cos(r_s, g_s)]`, without gradient into the target.

    Args:
        predicted, target: (N, D): projected means of the predicted token states, and of the unmasked ones.
    """
    return (1 - cosine_similarity(predicted.float(), target.detach().float(), dim=1)).mean()


def masked_image(restored: Tensor, images: Tensor, hidden: Tensor) -> Tensor:
    """Mean squared error over the hidden voxels only; 0 when there are none.

    Args:
        restored, images: (B, 1, I, J, K).
        hidden: the same shape, 1 where the voxel was masked.
    """
    weight = hidden.float()
    return ((restored.float() - images.float()).square() * weight).sum() / weight.sum().clamp(min=1)


def hide_blocks(images: Tensor, generator: torch.Generator, block: int, part: float = 0.5) -> tuple[Tensor, Tensor]:
    """Set blocks to zero.

    Args:
        images: (B, 1, I, J, K), edges multiples of `block`.
        generator: on the CPU.
        block: edge in voxels.
        part: of the blocks that is hidden, exactly to a block in each image.

    Returns:
        the images, and where they are hidden (bool, same shape).
    """
    cells = [n // block for n in images.shape[2:]]
    order = torch.rand((len(images), cells[0] * cells[1] * cells[2]), generator=generator).argsort(1).argsort(1)
    hidden = (order < round(part * order.shape[1])).view(len(images), 1, *cells).to(images.device)
    for axis in (2, 3, 4):
        hidden = hidden.repeat_interleave(block, dim=axis)
    return images.masked_fill(hidden, 0.0), hidden
