"""Where the patient is: everything else (air) need not be looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

AIR = -0.99
"""Normalised values up to this one are the floor of the window: air, or outside the field of view."""

Slices = tuple[slice, slice, slice]


def foreground_box(normalised: NDArray[np.floating], margin: int = 4) -> Slices | None:
    """The smallest box around what is not air, ignoring specks, or None for a volume of air only.

    Args:
        normalised: (I, J, K) values as `Normalisation.apply` gives them, -1 is air.
        margin: voxels of air to keep on every side.
    """
    mask = normalised > AIR
    # Opening removes noise specks and thin wires that would blow the box up to the whole field of view.
    opened = ndimage.binary_opening(mask, iterations=1)
    if not opened.any():
        opened = mask
    if not opened.any():
        return None
    out = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        hit = np.flatnonzero(opened.any(axis=others))
        out.append(slice(max(0, int(hit[0]) - margin), min(mask.shape[axis], int(hit[-1]) + 1 + margin)))
    return out[0], out[1], out[2]
