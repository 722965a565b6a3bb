"""Other patients from one map: a pose and a smooth elastic deformation, one for tissues and labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from vlp3d_core.train.perturb import pose_grid, random_map, uniform
from vlp3d_core.train.synthesis.settings import Synthesis
from vlp3d_core.train.synthesis.spline import controls_for, smooth_field

CONTROL = 24.0
"""Distance of the control points of a deformation, mm."""
FARTHEST = 2.0
"""Control points move by no more standard deviations than this, so that no deformation folds."""


def deformed(
    tissues: Tensor, labels: Tensor, generators: Sequence[Generator], settings: Synthesis
) -> tuple[Tensor, Tensor]:
    """Both maps turned, scaled and deformed alike, by nearest neighbour; what comes in is as the border is.

    Args:
        tissues: (B, I, J, K) whole numbers.
        labels: (B, I, J, K).

    Returns:
        both, new, in their types.
    """
    shape, device = tissues.shape[1:], tissues.device
    drawn = [(random_map(generator), _displacement(shape, generator, settings, device)) for generator in generators]
    grid = pose_grid(torch.stack([m for m, _ in drawn]), torch.zeros(len(drawn), 3), shape, device)
    grid = grid + torch.stack([field for _, field in drawn])
    both = torch.stack([tissues.float(), labels.float()], 1)  # exact for the values of a uint8
    moved = grid_sample(both, grid, mode="nearest", padding_mode="border", align_corners=False)
    return moved[:, 0].to(tissues.dtype), moved[:, 1].to(labels.dtype)


def _displacement(shape: Sequence[int], generator: Generator, settings: Synthesis, device: torch.device) -> Tensor:
    """(I, J, K, 3) for `grid_sample`, whose coordinates run from -1 to 1 along K, J and I."""
    counts = controls_for(shape, settings.spacing, CONTROL)
    size = float(uniform(0, settings.elastic, 1, generator))
    moves = torch.randn(3, *counts, generator=generator).clamp(-FARTHEST, FARTHEST) * size  # mm along I, J, K
    units = torch.tensor([2 / (n * mm) for n, mm in zip(shape, settings.spacing, strict=True)])
    field = smooth_field((moves * units[:, None, None, None]).to(device), shape)
    return field.flip(0).permute(1, 2, 3, 0)
