"""Restoring what was taken out of an image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool3d, interpolate


def corrupt(images: Tensor, generator: Generator, block: int = 8, part: float = 0.4) -> Tensor:
    """Images with blocks masked, blurred or drowned in noise, a third of the chosen blocks each.

    Args:
        images: (B, 1, I, J, K) in [-1, 1], edges multiples of `block`.
        generator: on the CPU; decides everything.
        block: edge of a block in voxels.
        part: of the blocks that are spoiled.
    """
    cells = [n // block for n in images.shape[2:]]
    draw = torch.rand((len(images), 1, *cells), generator=generator)
    field = interpolate(draw, images.shape[2:], mode="nearest").to(images.device)
    blurred = interpolate(avg_pool3d(images, 4, ceil_mode=True), images.shape[2:], mode="trilinear")
    noise = torch.randn(images.shape, generator=generator).to(images.device) * 0.5
    out = torch.where(field < part / 3, torch.zeros_like(images), images)
    out = torch.where((field >= part / 3) & (field < 2 * part / 3), blurred, out)
    return torch.where((field >= 2 * part / 3) & (field < part), (images + noise).clamp(-1, 1), out)


def restoration(restored: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference, T3D's restoration loss; scalar."""
    return (restored.float() - images.float()).abs().mean()
