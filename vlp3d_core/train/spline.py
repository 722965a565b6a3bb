"""Smooth fields from a few control points: uniform cubic B-splines."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def controls_for(shape: Sequence[int], spacing: Sequence[float], distance: float) -> list[int]:
    """How many control points along each axis lie about `distance` mm apart, with those beyond the ends.

    Args:
        shape: in voxels.
        spacing: of voxels, mm.
    """
    return [max(1, round(n * mm / distance)) + 3 for n, mm in zip(shape, spacing, strict=True)]


def smooth_field(controls: Tensor, shape: Sequence[int]) -> Tensor:
    """The spline of control points: twice differentiable, and between the lowest and the highest of them.

    Args:
        controls: (C, A, B, D), evenly spread, the first and the last ones beyond the ends; A, B and D at least 4.
        shape: (I, J, K).

    Returns:
        (C, I, J, K), float32, on the device of the control points.
    """
    bases = [_basis(n, count).to(controls.device) for n, count in zip(shape, controls.shape[1:], strict=True)]
    field: Tensor = torch.einsum("cabd,kd->cabk", controls, bases[2])
    field = torch.einsum("cabk,jb->cajk", field, bases[1])
    return torch.einsum("cajk,ia->cijk", field, bases[0])


def _basis(count: int, controls: int) -> Tensor:
    """(count, controls): how much each control point weighs in each of the voxels."""
    # Voxels have their centres half a voxel within the ends of the field.
    place = 1 + (torch.arange(count) + 0.5) / count * (controls - 3)
    apart = (place[:, None] - torch.arange(controls)).abs()
    near, far = 2 / 3 - apart**2 + apart**3 / 2, (2 - apart).clamp(min=0) ** 3 / 6
    return torch.where(apart < 1, near, far)
