"""The borders between fragments, and the joining of fragments over them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.progress import Tick, silent_tick
from vlp3d_core.volume.affinities import sides

QUANTILE = 0.65
"""Of a border's affinities: how fragments hang together (as Funke et al. 2019). Within a neurite, noise and what lies
in it cut some of the faces between two fragments, which draws the mean and the median down; much higher quantiles join
what touches at a corner that the watershed has cut askew."""
BINS = 64
"""Of a border's histogram, by which a joined border is the sum of two."""
TELL = 1000
"""Joins between two ticks."""


@dataclass(frozen=True)
class BorderGraph:
    """Which fragments touch, and how.

    Attributes:
        sizes: voxels of each fragment; number 0 is no fragment.
        ends: (n, 2), the two fragments of each border.
        histograms: (n, BINS), the affinities of its faces.
    """

    sizes: NDArray[np.int64]
    ends: NDArray[np.int64]
    histograms: NDArray[np.int32]

    def join(self, threshold: float, smallest: int = 0, tick: Tick = silent_tick) -> NDArray[np.int64]:
        """For each fragment the number of the one that it has become part of.

        Args:
            threshold: fragments are joined while a border's affinity is above it, the highest one first.
            smallest: what has fewer voxels after that goes over its best border, the smallest first.
        """
        joining = _Joining(self)
        joining.above(threshold, tick)
        joining.absorb(smallest)
        return joining.owners()


def border_graph(pieces: NDArray[np.int32], affinities: NDArray[np.floating[Any]]) -> BorderGraph:
    """The graph of fragments (numbers from 1; 0 belongs to none) in the affinities (3, I, J, K) between voxels."""
    count = int(pieces.max()) + 1
    keys, bins = [], []
    for axis in range(3):
        here, before = sides(axis)
        one, other = pieces[here], pieces[before]
        faces = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one[faces], other[faces]), np.maximum(one[faces], other[faces])
        keys.append(low.astype(np.int64) * count + high)
        bins.append(np.clip(affinities[axis][here][faces].astype(np.float32) * BINS, 0, BINS - 1).astype(np.int64))
    unique, place = np.unique(np.concatenate(keys), return_inverse=True)
    histograms = np.bincount(place * BINS + np.concatenate(bins), minlength=len(unique) * BINS)
    ends = np.stack(np.divmod(unique, count), axis=1)
    return BorderGraph(np.bincount(pieces.ravel()), ends, histograms.reshape(-1, BINS).astype(np.int32))


def strength(histogram: NDArray[np.int32]) -> float:
    """The affinity of a border, in the middle of a bin."""
    below = histogram.cumsum()
    return (int(np.searchsorted(below, QUANTILE * below[-1])) + 0.5) / BINS


class _Joining:
    """A graph that shrinks. A border that changes gets a new number, by which what the queue says of it is outdated."""

    def __init__(self, graph: BorderGraph) -> None:
        self.sizes = graph.sizes.tolist()
        self.parent = np.arange(len(self.sizes))
        self.ends: list[tuple[int, int]] = [(int(a), int(b)) for a, b in graph.ends]
        self.histograms: list[NDArray[np.int32] | None] = list(graph.histograms)
        self.borders: list[dict[int, int]] = [{} for _ in self.sizes]
        for number, (one, other) in enumerate(self.ends):
            self.borders[one][other] = self.borders[other][one] = number

    def strength(self, number: int) -> float:
        histogram = self.histograms[number]
        assert histogram is not None, "a border that is there"
        return strength(histogram)

    def above(self, threshold: float, tick: Tick) -> None:
        queue = [(-self.strength(number), number) for number in range(len(self.ends))]
        heapq.heapify(queue)
        joins = 0
        while queue and -queue[0][0] > threshold:
            number = heapq.heappop(queue)[1]
            one, other = self.ends[number]
            if self.borders[one].get(other) != number:
                continue
            for changed in self.join(one, other):
                heapq.heappush(queue, (-self.strength(changed), changed))
            joins += 1
            if joins % TELL == 0:
                tick(joins / len(self.sizes))

    def absorb(self, smallest: int) -> None:
        queue = [(size, piece) for piece, size in enumerate(self.sizes) if 0 < size < smallest]
        heapq.heapify(queue)
        while queue:
            size, piece = heapq.heappop(queue)
            if self.parent[piece] != piece or self.sizes[piece] != size or not self.borders[piece]:
                continue  # outdated, or an island
            best = max(self.borders[piece], key=lambda other: self.strength(self.borders[piece][other]))
            self.join(piece, best)
            kept = best if self.parent[piece] == best else piece
            if self.sizes[kept] < smallest:
                heapq.heappush(queue, (self.sizes[kept], kept))

    def join(self, one: int, other: int) -> list[int]:
        """Make one of two; returns the new numbers of its borders."""
        if len(self.borders[one]) < len(self.borders[other]):
            one, other = other, one
        self.parent[other] = one
        self.sizes[one] += self.sizes[other]
        self._drop(one, other)
        changed = []
        for neighbour in list(self.borders[other]):
            histogram = self._drop(other, neighbour)
            if neighbour in self.borders[one]:
                histogram = histogram + self._drop(one, neighbour)
            number = len(self.ends)
            self.ends.append((one, neighbour))
            self.histograms.append(histogram)
            self.borders[one][neighbour] = self.borders[neighbour][one] = number
            changed.append(number)
        return changed

    def _drop(self, one: int, other: int) -> NDArray[np.int32]:
        number = self.borders[one].pop(other)
        del self.borders[other][one]
        histogram, self.histograms[number] = self.histograms[number], None
        assert histogram is not None, "dropped once"
        return histogram

    def owners(self) -> NDArray[np.int64]:
        owner: NDArray[np.int64] = self.parent
        while True:
            further = owner[owner]
            if np.array_equal(further, owner):
                return owner
            owner = further
