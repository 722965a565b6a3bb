"""Other patients from one map: a pose and a smooth elastic deformation, one for tissues and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample, interpolate

from vlp3d_core.train.elastic import displacement
from vlp3d_core.train.perturb import pose_grid, random_map
from vlp3d_core.train.synthesis.settings import Synthesis


def deformed(
    tissues: Tensor, labels: Tensor, generators: Sequence[Generator], settings: Synthesis
) -> tuple[Tensor, Tensor]:
    """Both maps turned, scaled and deformed alike, by nearest neighbour; what comes in is as the border is.

    Args:
        tissues: (B, I, J, K) whole numbers, at `settings.maps`.
        labels: (B, I, J, K).

    Returns:
        both, new, in their types; labels at `settings.spacing`.
    """
    shape, device = tissues.shape[1:], tissues.device
    drawn = [
        (random_map(generator), displacement(shape, generator, settings.maps, settings.elastic, device))
        for generator in generators
    ]
    grid = pose_grid(torch.stack([m for m, _ in drawn]), torch.zeros(len(drawn), 3), shape, device)
    grid = grid + torch.stack([field for _, field in drawn])
    image_shape = settings.image_shape(shape)
    image_grid = grid if image_shape == tuple(shape) else _resized(grid, image_shape)
    return _sampled(tissues, grid), _sampled(labels, image_grid)


def _resized(grid: Tensor, shape: Sequence[int]) -> Tensor:
    return interpolate(grid.movedim(-1, 1), shape, mode="trilinear").movedim(1, -1)


def _sampled(array: Tensor, grid: Tensor) -> Tensor:
    values = array.float()[:, None]  # exact for the values of a uint8
    moved = grid_sample(values, grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved[:, 0].to(array.dtype)
