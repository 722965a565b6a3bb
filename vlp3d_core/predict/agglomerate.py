"""From affinities to instances: fragments by a watershed, joined where they hang together.

An affinity says how likely a voxel and its predecessor along an axis belong to one instance (Turaga et al. 2010).
Fragments come from a seeded watershed on the mean affinity, and are then joined, the pair with the highest mean
affinity over their common border first, until no mean is above a threshold (Lee et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.graph import RAG, merge_hierarchical
from skimage.segmentation import watershed

from vlp3d_core.errors import UsageError
from vlp3d_core.volume.affinities import sides

SMOOTHING = 1.0
"""Standard deviation, in voxels, by which the distance is smoothed, so that a noisy ridge has one peak."""

Labels = NDArray[np.int32]
Affinities = NDArray[np.floating[Any]]


def agglomerate(affinities: Affinities, threshold: float) -> Labels:
    """Instances from 1, on the affinities' grid; 0 only where no voxel anywhere is inside an instance.

    Args:
        affinities: (3, I, J, K) in [0, 1]; `affinities[a]` is between a voxel and its predecessor along axis a, and
            its first plane along that axis says nothing.
        threshold: fragments are joined while the mean affinity over their border is above it.
    """
    return next(agglomerate_at(affinities, (threshold,)))


def agglomerate_at(affinities: Affinities, thresholds: Sequence[float]) -> Iterator[Labels]:
    """`agglomerate` for several thresholds, with the fragments made once.

    Raises:
        UsageError: affinities of another shape.
    """
    if affinities.ndim != 4 or len(affinities) != 3:
        raise UsageError(f"Affinities of shape {affinities.shape} are none.", "Give an array (3, I, J, K).")
    pieces = fragments(affinities)
    if not pieces.any():
        yield from (pieces for _ in thresholds)
        return
    graph = border_graph(pieces, affinities)
    for threshold in thresholds:
        joined = merge_hierarchical(pieces, graph, 1 - threshold, True, True, _nothing, _mean_weight)
        yield (joined + 1).astype(np.int32)


def fragments(affinities: Affinities) -> Labels:
    """Pieces of instances, from 1: every voxel belongs to one, unless no voxel is inside an instance.

    Seeds are the peaks of the distance to the next boundary, which is where the weakest of a voxel's edges is below one
    half; the mean of its edges would hide a flat boundary, which cuts one edge in six. They are flooded by the mean:
    there the two sides of a boundary meet between its voxels. Flooded by the distance, which is 0 on both sides, a
    fragment reaches over by a voxel, and its border lies within the other instance, where affinities are high.
    """
    mean, weakest = edges(affinities)
    distance = ndimage.distance_transform_edt(weakest > 0.5).astype(np.float32)
    height = ndimage.gaussian_filter(distance, SMOOTHING)
    peaks = (height == ndimage.maximum_filter(height, size=3)) & (distance > 0)
    seeds, _ = ndimage.label(peaks, structure=np.ones((3, 3, 3)))
    if not seeds.any():
        return np.zeros(height.shape, np.int32)
    pieces: Labels = watershed(1 - mean, seeds).astype(np.int32)
    return pieces


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


def border_graph(pieces: Labels, affinities: Affinities) -> RAG:
    """Which fragments touch: an edge's weight is 1 minus the mean affinity over its faces, `count` their number."""
    firsts, seconds, values = [], [], []
    for axis in range(3):
        here, before = sides(axis)
        one, other = pieces[here], pieces[before]
        differ = one != other
        firsts.append(np.minimum(one, other)[differ])
        seconds.append(np.maximum(one, other)[differ])
        values.append(affinities[axis][here][differ])
    pairs = np.concatenate(firsts).astype(np.int64) * (int(pieces.max()) + 1) + np.concatenate(seconds)
    unique, place, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    means = np.bincount(place, np.concatenate(values).astype(np.float64), len(unique)) / counts
    graph = RAG()
    graph.add_nodes_from((int(label), {"labels": [int(label)]}) for label in np.unique(pieces))
    ends = np.divmod(unique, int(pieces.max()) + 1)
    for low, high, mean, count in zip(*ends, means, counts, strict=True):
        graph.add_edge(int(low), int(high), weight=1 - float(mean), count=int(count))
    return graph


def _nothing(graph: RAG, source: int, target: int) -> None:
    """scikit-image asks what else a merge changes."""


def _mean_weight(graph: RAG, source: int, target: int, neighbour: int) -> dict[str, float]:
    """The border of two joined fragments with a third: the mean over the faces of both."""
    nothing = {"weight": 0.0, "count": 0}
    one, other = (graph[node].get(neighbour, nothing) for node in (source, target))
    count = one["count"] + other["count"]
    return {"count": count, "weight": (one["weight"] * one["count"] + other["weight"] * other["count"]) / count}
