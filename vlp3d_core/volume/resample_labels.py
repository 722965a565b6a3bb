"""Label maps from one grid to another, with smooth boundaries and at a cost that does not grow with the labels.

Multi-label linear interpolation gives every target voxel the label with the largest summed trilinear weight among its
eight neighbours. Inside a structure all eight agree and the nearest neighbour is the same answer, so only voxels in
cells where the eight differ are voted on. Nearly all of those hold just two labels: their vote is one trilinear
function of the cell, looked up by the pattern of its corners. Cells with three or more labels get the full vote.

Neighbours' votes may weigh differently, so that a border comes nearer to the one that is less sure of its label. The
difference of the votes for two labels is one trilinear function of the cell, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.progress import Tick, silent_tick
from vlp3d_core.volume.cell import COEFFICIENTS, CORNERS, corner_weights, value
from vlp3d_core.volume.foreground import Slices, box_of
from vlp3d_core.volume.grid import Grid, index_map
from vlp3d_core.volume.index_space import affine_transform, copy_exact

Labels = NDArray[np.unsignedinteger[Any]]

SLAB = 1_000_000
"""Target voxels, or cells, that are worked on at a time: bounds the memory beside the result."""

MANY = np.uint8(255)
"""Pattern of a cell with three or more labels. (A cell of two never has all eight corners at the larger one.)"""
TIE = np.float32(1e-4)


def resample_labels(
    labels: Labels,
    source: Grid,
    target: Grid,
    tick: Tick = silent_tick,
    lead: NDArray[np.float16] | None = None,
) -> Labels:
    """A label map on another grid: the label with the largest trilinear weight; outside the source it is 0.

    Equal weights go to the larger label value. Voxels that coincide (flips, permutations, crops) are copied exactly.

    Args:
        labels: uint8 or uint16, shape `source.shape`.
        tick: told before each slab of the target.
        lead: shape `source.shape`, 0 and above: what each voxel's vote weighs; None: all the same.

    Returns:
        Same dtype, shape `target.shape`, the first index fastest in memory (as NIfTI and NRRD files want it).

    Raises:
        MedVLPError: the matrix of `source` is singular.
    """
    matrix = index_map(source, target)
    exact = copy_exact(labels, matrix, target.shape, 0)
    if exact is not None:
        return np.array(exact, order="F")
    out = np.zeros(target.shape, dtype=labels.dtype, order="F")
    used = _used(labels)
    if used is None:
        return out
    matrix[:3, 3] -= [s.start for s in used]
    cells = _Cells.of(np.asfortranarray(labels[used]), lead[used] if lead is not None else None)
    box = _seen(cells.shape, matrix, target.shape)
    depth = max(1, SLAB // max(1, box[0][1] * box[1][1]))
    (i0, ni), (j0, nj), (k0, nk) = box
    for k in range(k0, k0 + nk, depth):
        tick((k - k0) / nk)
        first, size = (i0, j0, k), (ni, nj, min(depth, k0 + nk - k))
        if min(size) > 0:
            region = tuple(slice(a, a + n) for a, n in zip(first, size, strict=True))
            out[region] = cells.sample(matrix, first, size)
    return out


def _used(labels: Labels) -> Slices | None:
    """The part of the array that holds labels, with one voxel of margin."""
    box = box_of(labels)
    if box is None:
        return None
    i, j, k = (slice(max(s.start - 1, 0), s.stop + 1) for s in box)
    return i, j, k


def _seen(shape: tuple[int, ...], matrix: NDArray[np.float64], target: tuple[int, int, int]) -> list[tuple[int, int]]:
    """(first, count) along each target axis of the voxels that can lie in a source of this shape."""
    ends = np.array([[*p, 1.0] for p in product(*((-0.5, n - 0.5) for n in shape))])
    index = ends @ np.linalg.inv(matrix).T
    low = np.clip(np.floor(index[:, :3].min(axis=0)), 0, target).astype(int)
    high = np.clip(np.ceil(index[:, :3].max(axis=0)) + 1, low, target).astype(int)
    return [(int(a), int(b - a)) for a, b in zip(low, high, strict=True)]


@dataclass(frozen=True)
class _Cells:
    """A label map and, per cell of 2×2×2 neighbours, what a vote in it needs.

    Attributes:
        shape: of the label map.
        nearest: the label map as an image with trivial geometry.
        padded: the label map with its border repeated once on every side, so that cell (a, b, c) spans the
            neighbours (a-1..a, b-1..b, c-1..c) and border voxels have cells too; first index fastest.
        low, pattern: smallest label of each cell; bit c is set where corner c holds the larger of two labels.
        high: largest label of each cell.
        mixed: image that is 1 in cells whose neighbours differ.
        lead: of the voxels of `padded`, if they weigh differently.
        shares: with it (n, 8): the polynomial of the larger label's votes less those of the other, in cells of two.
        row: of each cell in `shares`.
    """

    shape: tuple[int, int, int]
    nearest: sitk.Image
    padded: Labels
    low: Labels
    high: Labels
    pattern: NDArray[np.uint8]
    mixed: sitk.Image
    lead: NDArray[np.float16] | None
    shares: NDArray[np.float16]
    row: NDArray[np.int32]

    @staticmethod
    def of(labels: Labels, lead: NDArray[np.float16] | None) -> _Cells:
        padded = np.asfortranarray(np.pad(labels, 1, mode="edge"))
        low, high = padded, padded
        for axis in range(3):
            a = tuple(slice(0, -1) if axis == b else slice(None) for b in range(3))
            b = tuple(slice(1, None) if axis == b else slice(None) for b in range(3))
            low, high = np.minimum(low[a], low[b]), np.maximum(high[a], high[b])
        mixed = low != high
        pattern = np.zeros(low.shape, dtype=np.uint8, order="F")
        many = np.zeros(low.shape, dtype=bool, order="F")
        for bit, corner in enumerate(CORNERS):
            value = padded[tuple(slice(c, n - 1 + c) for c, n in zip(corner, padded.shape, strict=True))]
            larger = value == high
            pattern |= larger.view(np.uint8) << np.uint8(bit)
            many |= ~larger & (value != low)
        pattern[many] = MANY
        shares, row = np.zeros((0, 8), np.float16), np.zeros(0, np.int32)
        if lead is not None:
            lead, two = np.asfortranarray(np.pad(lead, 1, mode="edge")), mixed & ~many
            row = np.cumsum(two.ravel(order="F"), dtype=np.int32) - np.int32(1)
            shares = _shares(lead, pattern, two)
        return _Cells(
            lead=lead.ravel(order="K") if lead is not None else None,
            shares=shares,
            row=row,
            shape=labels.shape,
            nearest=sitk.GetImageFromArray(labels.T),
            padded=padded.ravel(order="K"),
            low=low.ravel(order="K"),
            high=high.ravel(order="K"),
            pattern=pattern.ravel(order="K"),
            mixed=sitk.GetImageFromArray(mixed.view(np.uint8).T),
        )

    def sample(self, matrix: NDArray[np.float64], first: tuple[int, int, int], size: tuple[int, int, int]) -> Labels:
        """Labels of the target voxels first … first + size - 1; `matrix` takes a target index to a source index."""
        offset = matrix[:3, :3] @ np.array(first) + matrix[:3, 3]
        out = np.array(_nearest(self.nearest, size, matrix, offset))
        # Cell (a, b, c) is centred half a voxel below the neighbour with its own index.
        voted = np.flatnonzero(_nearest(self.mixed, size, matrix, offset + 0.5))
        if voted.size:
            flat = out.reshape(-1)
            flat[voted] = self._vote(voted, matrix, offset, size, flat[voted])
        return out.T

    def _vote(
        self,
        voxels: NDArray[np.intp],
        matrix: NDArray[np.float64],
        offset: NDArray[np.float64],
        size: tuple[int, int, int],
        nearest: Labels,
    ) -> Labels:
        """Labels of some voxels of a slab, given by their position in it (first index fastest)."""
        rest, i = np.divmod(voxels.astype(np.int32), np.int32(size[0]))
        k, j = np.divmod(rest, np.int32(size[1]))
        cell = np.zeros(voxels.size, dtype=np.int32)
        corner = np.zeros(voxels.size, dtype=np.int32)
        inside = np.ones(voxels.size, dtype=bool)
        weights = []
        stride = padded_stride = 1
        for axis, n in enumerate(self.shape):
            place = np.full(voxels.size, offset[axis], dtype=np.float64)
            for row, index in zip(matrix[axis, :3], (i, j, k), strict=True):
                if row:
                    place += (row * np.arange(index.max() + 1))[index]
            inside &= (place >= -0.5) & (place < n - 0.5)
            lower = np.clip(np.floor(place), -1, n - 1)
            weights.append(np.clip(place - lower, 0, 1).astype(np.float32))
            lower += 1
            cell += lower.astype(np.int32) * np.int32(stride)
            corner += lower.astype(np.int32) * np.int32(padded_stride)
            stride, padded_stride = stride * (n + 1), padded_stride * (n + 2)
        pattern = self.pattern[cell]
        if self.lead is None:
            higher = value([table[pattern] for table in COEFFICIENTS], weights) >= 0.5 - TIE
        else:
            higher = value(list(self.shares[self.row[cell]].astype(np.float32).T), weights) > 0
        result = np.where(higher, self.high[cell], self.low[cell])
        many = np.flatnonzero(pattern == MANY)
        if many.size:
            result[many] = self._vote_many(corner[many], [w[many] for w in weights])
        return np.where(inside, result, nearest)

    def _vote_many(self, corner: NDArray[np.int32], weights: list[NDArray[np.float32]]) -> Labels:
        """The full vote of eight neighbours, for cells with three labels or more."""
        n, m = self.shape[0] + 2, (self.shape[0] + 2) * (self.shape[1] + 2)
        places = [corner + np.int32(c[0] + n * c[1] + m * c[2]) for c in CORNERS]
        label, weight = [self.padded[place] for place in places], corner_weights(weights)
        if self.lead is not None:
            weight = [w * self.lead[place] for w, place in zip(weight, places, strict=True)]
        best, best_weight = label[0], np.full(corner.size, -1, dtype=np.float32)
        for candidate in label:
            total = np.zeros(corner.size, dtype=np.float32)
            for other, w in zip(label, weight, strict=True):
                total += w * (other == candidate)
            better = (total > best_weight + TIE) | ((total > best_weight - TIE) & (candidate > best))
            best = np.where(better, candidate, best)
            best_weight = np.where(better, total, best_weight)
        return best


def _shares(lead: NDArray[np.float16], pattern: NDArray[np.uint8], two: NDArray[np.bool_]) -> NDArray[np.float16]:
    """See `_Cells`; some planes at a time, to bound the memory beside the result."""
    shares = np.zeros((1 + int(two.sum()), 8), np.float16)  # one more, for cells of three ask for one, too
    # A corner counts by its weight, which is a polynomial of its own: that of the pattern of this corner alone.
    polynomials, done = COEFFICIENTS[:, [1 << bit for bit in range(8)]].T, 0
    i, j, planes = two.shape
    depth = max(1, SLAB // (i * j))
    for first in range(0, planes, depth):
        part = slice(first, min(first + depth, planes))
        index = np.flatnonzero(two[:, :, part].ravel(order="F"))
        corners = pattern[:, :, part].ravel(order="F")[index]
        votes = np.empty((index.size, 8), np.float32)
        for bit, (a, b, c) in enumerate(CORNERS):
            own = lead[a : a + i, b : b + j, part.start + c : part.stop + c].ravel(order="F")[index]
            votes[:, bit] = np.where(corners >> np.uint8(bit) & 1, own, -own)
        shares[done : done + index.size] = votes @ polynomials
        done += index.size
    return shares


def _nearest(
    image: sitk.Image, size: tuple[int, int, int], matrix: NDArray[np.float64], offset: NDArray[np.float64]
) -> Labels:
    """Nearest neighbours, shape (K, J, I); 0 outside the image."""
    out = sitk.Resample(
        image, size, affine_transform(matrix[:3, :3], offset), sitk.sitkNearestNeighbor,
        (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), np.eye(3).ravel().tolist(), 0,
    )  # fmt: skip
    result: Labels = sitk.GetArrayFromImage(out)
    return result
