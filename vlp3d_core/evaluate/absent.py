"""Volumes that do not show a structure: the larger part of a scan above or below it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.volume import Volume

MARGIN, LEAST = 15.0, 60.0
"""mm: how far from the structure a scan is cut, and how much of it must be left."""


def without(volume: Volume, grid: Grid, mask: NDArray[np.bool_]) -> Volume | None:
    """The larger part of a volume above or below a structure; None where neither is large enough.

    Args:
        grid: of the mask; its third axis runs along S.
        mask: (I, J, K), where the structure is; not empty.
    """
    high = grid.affine[2, 3] + grid.spacing[2] * np.flatnonzero(mask.any(axis=(0, 1)))[[0, -1]]
    axis = int(np.abs(volume.affine[2, :3]).argmax())
    middle = (np.array(volume.array.shape) - 1) / 2
    middle[axis] = 0
    start = float(volume.affine[2, :3] @ middle + volume.affine[2, 3])
    places = start + volume.affine[2, axis] * np.arange(volume.array.shape[axis])
    parts = [np.flatnonzero(kept) for kept in (places < high[0] - MARGIN, places > high[1] + MARGIN)]
    part = max(parts, key=len)
    if len(part) * abs(volume.affine[2, axis]) < LEAST:
        return None
    return volume.part(axis, int(part[0]), int(part[-1]) + 1)
