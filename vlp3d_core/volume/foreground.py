"""Where the patient is: everything else (air) need not be looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AIR = -0.99
"""Normalised values up to this one are the floor of the window: air, or outside the field of view."""

SPECK = 4
"""Planes with no more voxels than this show noise, not the patient."""

Slices = tuple[slice, slice, slice]


def foreground_box(normalised: NDArray[np.floating[Any]], margin: int = 4) -> Slices | None:
    """The smallest box around what is not air, ignoring specks, or None for a volume of air only.

    Counting voxels plane by plane costs a hundredth of a morphological opening and does the same for specks. What
    tapers off (the tip of a nose) lies within the margin.

    Args:
        normalised: (I, J, K) values as `Normalisation.apply` gives them, -1 is air.
        margin: voxels of air to keep on every side.
    """
    mask = normalised > AIR
    counts = [np.count_nonzero(mask, axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
    if not counts[0].any():
        return None
    least = SPECK if all((c > SPECK).any() for c in counts) else 0
    out = []
    for count in counts:
        hit = np.flatnonzero(count > least)
        out.append(slice(max(0, int(hit[0]) - margin), min(len(count), int(hit[-1]) + 1 + margin)))
    return out[0], out[1], out[2]


def box_of(mask: NDArray[Any]) -> Slices | None:
    """The smallest box around what is not 0, None where there is nothing."""
    plane = np.any(mask, axis=2)
    hits = [np.flatnonzero(line) for line in (np.any(plane, axis=1), np.any(plane, axis=0), np.any(mask, axis=(0, 1)))]
    if not hits[0].size:
        return None
    i, j, k = (slice(int(hit[0]), int(hit[-1]) + 1) for hit in hits)
    return i, j, k
