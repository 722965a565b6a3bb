"""Affinities of instances: whether neighbouring voxels belong together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def affinities_of(labels: NDArray[np.integer[Any]]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Nearest-neighbour affinities of an instance map.

    Args:
        labels: (I, J, K), one value an instance, 0 for what nobody has assigned.

    Returns:
        affinities, (3, I, J, K): whether a voxel and its predecessor along R, A or S are the same instance;
        known, the same shape: whether both are assigned. In the first plane of each axis neither is true.
    """
    together = np.zeros((3, *labels.shape), bool)
    known = np.zeros_like(together)
    assigned = labels != 0
    for axis in range(3):
        here, before = sides(axis)
        known[axis][here] = assigned[here] & assigned[before]
        together[axis][here] = (labels[here] == labels[before]) & known[axis][here]
    return together, known


def sides(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the voxels that have a predecessor along the axis lie, and where these predecessors lie."""
    here, before = [slice(None)] * 3, [slice(None)] * 3
    here[axis], before[axis] = slice(1, None), slice(None, -1)
    return tuple(here), tuple(before)
