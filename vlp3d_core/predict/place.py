"""How well a region lies where a text says: left of, above, between or near others.

What lies straight in a direction fits fully, what lies at a right angle to it not at all. Two fuzzy relations meet in
their geometric mean: that to the best point of the anchor (Bloch, IEEE PAMI 21, 1999), which would find a gland behind
a jaw also below it, and the mean over all points (Miyajima and Ralescu, Fuzzy Sets and Systems 65, 1994), which would
find nothing beside a long spine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from vlp3d_core.predict.region import Region
from vlp3d_core.text.relation import BETWEEN, LATERAL, NEAR

DIRECTIONS = {
    "left": (-1, 0, 0),
    "right": (1, 0, 0),
    "anterior": (0, 1, 0),
    "posterior": (0, -1, 0),
    "superior": (0, 0, 1),
    "inferior": (0, 0, -1),
}
"""In RAS, of the patient."""
LEAST = 0.45
"""A region that fits less does not lie there."""
HALF, CLOSE = 100.0, 20.0
"""mm: of two regions that fit alike the nearer one comes first, by half at the former; what is "near" fits by half at
the latter."""
POINTS, FINE = 120, 5000
"""Voxels of a region that are looked at for directions (three regions of as many are a million angles) and gaps."""

Points = NDArray[np.float64]


def regions_at(kind: str, anchors: Sequence[Sequence[Region]], regions: Sequence[Region]) -> list[Region]:
    """Those that lie there, the best first.

    Args:
        kind: of `text.relation`.
        anchors: one group of regions, two for "between"; none of them is empty.
    """
    places = [_points(group, POINTS) for group in anchors]
    trees = [cKDTree(_points(group, FINE)) for group in anchors]
    ranked = []
    for region in regions:
        away = max(float(tree.query(region.points(FINE))[0].min()) for tree in trees)
        fits = 0.5 ** (away / CLOSE) if kind == NEAR else fit(kind, region.points(POINTS), places)
        if fits >= LEAST:
            ranked.append((fits * 0.5 ** (away / HALF), region))
    return [region for _rank, region in sorted(ranked, key=lambda one: -one[0])]


def fit(kind: str, points: Points, places: Sequence[Points]) -> float:
    """0 to 1: how well (n, 3) points in RAS mm lie in a direction from one place, at a side of it, or between two.

    A mean over the points, so that of a large structure most has to lie there.
    """
    ways = [points[:, None] - place[None] for place in places]
    ways = [way / np.maximum(np.linalg.norm(way, axis=-1, keepdims=True), 1e-6) for way in ways]
    if kind == BETWEEN:
        return float(_degree(-np.einsum("nad,nbd->nab", *ways).min(axis=(1, 2))).mean())
    if kind == LATERAL:
        return max(fit(side, points, places) for side in ("left", "right"))
    cosines = ways[0] @ np.array(DIRECTIONS[kind], float)
    return float(np.sqrt(_degree(cosines.max(axis=1)).mean() * _degree(cosines).mean()))


def _degree(cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 for no angle, falling to 0 at a right angle."""
    return np.clip(1 - 2 * np.arccos(np.clip(cosines, -1, 1)) / np.pi, 0, 1)


def _points(group: Sequence[Region], most: int) -> Points:
    return np.concatenate([region.points(max(1, most // len(group))) for region in group])
