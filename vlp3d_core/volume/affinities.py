"""Affinities of instances: whether voxels beside each other, or some way apart, belong together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def affinities_of(
    labels: NDArray[np.integer[Any]], distances: Sequence[int] = (1,)
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Affinities of an instance map.

    Args:
        labels: (I, J, K), one value an instance, 0 for what nobody has assigned.
        distances: N of them, in voxels.

    Returns:
        affinities, (3 N, I, J, K): whether a voxel and the one so far before it along R, A or S are the same instance,
        the three axes of the first distance first; known, the same shape: whether both are assigned. In the first
        planes of each axis neither is true.
    """
    together = np.zeros((3 * len(distances), *labels.shape), bool)
    known = np.zeros_like(together)
    assigned = labels != 0
    for number, distance in enumerate(distances):
        for axis in range(3):
            here, before = sides(axis, distance)
            edges = 3 * number + axis
            known[edges][here] = assigned[here] & assigned[before]
            together[edges][here] = (labels[here] == labels[before]) & known[edges][here]
    return together, known


def ends(edges: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(I, J, K): the voxels at either end of edges between neighbours, (3, I, J, K) as the affinities are."""
    out = np.zeros(edges.shape[1:], bool)
    for axis in range(3):
        here, before = sides(axis)
        out[here] |= edges[axis][here]
        out[before] |= edges[axis][here]
    return out


def sides(axis: int, distance: int = 1) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the voxels lie that have one so far before them along the axis, and where those lie."""
    here, before = [slice(None)] * 3, [slice(None)] * 3
    here[axis], before[axis] = slice(distance, None), slice(None, -distance)
    return tuple(here), tuple(before)
