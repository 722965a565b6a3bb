"""From affinities to instances: fragments by a watershed, joined where they hang together.

An affinity says how likely a voxel and its predecessor along an axis belong to one instance (Turaga et al. 2010).
Fragments come from a seeded watershed on the mean affinity, and are then joined, the pair with the highest affinity
over their common border first, until none is above a threshold (Lee et al. 2017).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.errors import UsageError
from vlp3d_core.predict.borders import border_graph
from vlp3d_core.progress import Tick, silent_tick
from vlp3d_core.volume.affinities import sides

SMOOTHING = 1.0
"""Standard deviation, in voxels, by which the distance is smoothed, so that a noisy ridge has one peak."""

Labels = NDArray[np.int32]
Affinities = NDArray[np.floating[Any]]


class Fragments:
    """The fragments of a volume and their borders, to be joined at one threshold or several.

    Args:
        affinities: (3, I, J, K) in [0, 1]; `affinities[a]` is between a voxel and its predecessor along axis a, and
            its first plane along that axis says nothing.

    Raises:
        UsageError: affinities of another shape.
    """

    def __init__(self, affinities: Affinities, tick: Tick = silent_tick) -> None:
        if affinities.ndim != 4 or len(affinities) != 3:
            raise UsageError(f"Affinities of shape {affinities.shape} are none.", "Give an array (3, I, J, K).")
        self.pieces = fragments(affinities, tick)
        tick(0.5)
        self.graph = border_graph(self.pieces, affinities)

    def joined(self, threshold: float, smallest: int = 0, tick: Tick = silent_tick) -> Labels:
        """Instances from 1, the largest first, on the affinities' grid; all 0 where no voxel is inside an instance.

        Args:
            threshold: fragments are joined while the affinity over their border is above it.
            smallest: an instance of fewer voxels goes to the neighbour that it hangs together with most.
        """
        owner = self.graph.join(threshold, smallest, tick)
        sizes = np.bincount(owner, self.graph.sizes, len(owner))
        sizes[0] = 0  # no piece
        rank = np.zeros(len(owner), np.int32)
        order = np.argsort(-sizes, kind="stable")
        rank[order] = np.where(sizes[order] > 0, np.arange(1, len(order) + 1), 0)
        joined: Labels = rank[owner][self.pieces]
        return joined


def agglomerate(affinities: Affinities, threshold: float, smallest: int = 0) -> Labels:
    """Instances of affinities at once, see `Fragments`."""
    return Fragments(affinities).joined(threshold, smallest)


def fragments(affinities: Affinities, tick: Tick = silent_tick) -> Labels:
    """Pieces of instances, from 1: every voxel belongs to one, unless no voxel is inside an instance.

    Seeds are the peaks of the distance to the next boundary, which is where the weakest of a voxel's edges is below one
    half; the mean of its edges would hide a flat boundary, which cuts one edge in six. They are flooded by the mean:
    there the two sides of a boundary meet between its voxels. Flooded by the distance, which is 0 on both sides, a
    fragment reaches over by a voxel, and its border lies within the other instance, where affinities are high.
    """
    mean, weakest = edges(affinities)
    tick(0.1)
    distance = ndimage.distance_transform_edt(weakest > 0.5).astype(np.float32)
    del weakest
    tick(0.2)
    height = ndimage.gaussian_filter(distance, SMOOTHING)
    peaks = (height == ndimage.maximum_filter(height, size=3)) & (distance > 0)
    del height, distance
    seeds, _ = ndimage.label(peaks, structure=np.ones((3, 3, 3)))
    if not seeds.any():
        return np.zeros(seeds.shape, np.int32)
    tick(0.3)
    # ITK's axes run the other way, which matters to neither of them.
    flood = sitk.MorphologicalWatershedFromMarkers(
        sitk.GetImageFromArray(1 - mean), sitk.GetImageFromArray(seeds.astype(np.uint32)), False, False
    )
    return sitk.GetArrayFromImage(flood).astype(np.int32)


def edges(affinities: Affinities) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(I, J, K) each: the mean and the smallest affinity of a voxel to its up to six neighbours."""
    total, count = np.zeros(affinities.shape[1:], np.float32), np.zeros(affinities.shape[1:], np.float32)
    weakest = np.ones(affinities.shape[1:], np.float32)
    for axis in range(3):
        here, before = sides(axis)
        edge = affinities[axis][here].astype(np.float32)
        for end in (here, before):
            total[end] += edge
            count[end] += 1
            np.minimum(weakest[end], edge, out=weakest[end])
    mean = np.divide(total, np.maximum(count, 1), dtype=np.float32)
    return mean, weakest
