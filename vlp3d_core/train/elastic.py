"""Smooth random deformations, for crops that are posed with `grid_sample`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from vlp3d_core.train.perturb import uniform
from vlp3d_core.train.spline import controls_for, smooth_field

CONTROL = 24.0
"""Distance of the control points of a deformation, mm."""
FARTHEST = 2.0
"""Control points move by no more standard deviations than this, so that no deformation folds."""


def displacement(
    shape: Sequence[int], generator: Generator, spacing: Sequence[float], most: float, device: torch.device
) -> Tensor:
    """How far each voxel's place moves, to be added to a grid of `pose_grid`.

    Args:
        shape: (I, J, K).
        spacing: mm.
        most: highest standard deviation of the control points, mm; each deformation draws its own up to this. Most
            places move a third of it.

    Returns:
        (I, J, K, 3) for `grid_sample`, whose coordinates run from -1 to 1 along K, J and I.
    """
    counts = controls_for(shape, spacing, CONTROL)
    size = float(uniform(0, most, 1, generator))
    moves = torch.randn(3, *counts, generator=generator).clamp(-FARTHEST, FARTHEST) * size  # mm along I, J, K
    units = torch.tensor([2 / (n * mm) for n, mm in zip(shape, spacing, strict=True)])
    field = smooth_field((moves * units[:, None, None, None]).to(device), shape)
    return field.flip(0).permute(1, 2, 3, 0)
