"""The toy head, and where its structures lie."""

from __future__ import annotations

import numpy as np

from Testing.core.tiny import BANDS, toy_grid, toy_labels

TIMEOUT = 120
"""Seconds that a run of the worker may take."""
NAMES = list(BANDS)
TURN = np.array([[0.0, -1, 0, 30], [1, 0, 0, -20], [0, 0, 1, 10], [0, 0, 0, 1]])


def expected(concept: str) -> np.ndarray:
    """World positions of the structure's voxels in the toy head, sorted."""
    grid = toy_grid()
    index = np.argwhere(toy_labels(grid) == NAMES.index(concept) + 1)
    place = index @ grid.affine[:3, :3].T + grid.affine[:3, 3]
    return place[np.lexsort(np.round(place, 2).T)]
