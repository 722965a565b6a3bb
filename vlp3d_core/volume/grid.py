"""A grid of voxels in the patient, and the grid that a model wants to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.placed import Placed
from vlp3d_core.volume.volume import Volume

SAME_SPACING = 0.01
"""Spacings that differ by less than this fraction count as the same, so that nothing is blurred for nothing."""

Box = tuple[float, float, float, float, float, float]
"""A box in the patient, in mm: (r0, r1, a0, a1, s0, s1), each first value the smaller one."""


@dataclass(frozen=True, eq=False)
class Grid(Placed):
    """Where the voxels of an array lie.

    Attributes:
        shape: number of voxels along i, j and k.
        affine: float64 (4, 4), index → RAS in mm; any invertible matrix (oblique, sheared, left-handed).
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    @staticmethod
    def of(volume: Volume) -> Grid:
        """The grid of a volume."""
        return Grid(volume.shape, volume.affine)

    @property
    def corners(self) -> NDArray[np.float64]:
        """The eight corners of the field of view in RAS mm, shape (8, 3); half a voxel beyond the outermost centres."""
        index = np.array(list(product(*((-0.5, n - 0.5) for n in self.shape))))
        return index @ self.affine[:3, :3].T + self.affine[:3, 3]

    @property
    def bounds(self) -> Box:
        """The smallest box with axes along R, A and S that holds the field of view, in mm."""
        low, high = self.corners.min(axis=0), self.corners.max(axis=0)
        return tuple(float(v) for pair in zip(low, high, strict=True) for v in pair)  # type: ignore[return-value]

    def matches(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Whether both grids have the same shape and every voxel the same place, within a fraction of a voxel."""
        if self.shape != other.shape:
            return False
        offset = float(np.abs(self.corners - other.corners).max())
        return offset <= tolerance * min(self.spacing)


def index_map(source: Grid, target: Grid) -> NDArray[np.float64]:
    """The (4, 4) matrix that takes an index of `target` to the (fractional) index of `source` at the same place.

    Raises:
        MedVLPError: the matrix of `source` is singular.
    """
    if not np.isfinite(source.affine).all() or not np.all(np.isfinite(target.affine)):
        raise MedVLPError("The volume's matrix holds NaN or infinite values.", "Repair the image header.")
    # Columns are scaled to unit length first: spacings of 8e-6 mm (EM) are small, not singular.
    lengths = np.array([*source.spacing, 1.0])
    if not lengths.all() or abs(np.linalg.det(source.affine[:3, :3] / lengths[:3])) < 1e-6:
        raise MedVLPError(
            "The volume's direction matrix is singular: its axes lie in one plane or have no length.",
            "Repair the spacing and direction in the image header.",
        )
    inverse = np.linalg.inv(source.affine / lengths) / lengths[:, None]
    matrix: NDArray[np.float64] = inverse @ target.affine
    return matrix


def nearest_axes(affine: NDArray[np.floating[Any]]) -> tuple[int, int, int]:
    """For R, A and S the array axis that runs closest to it: a permutation of (0, 1, 2)."""
    cosines = np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0))
    axes = max(
        ((a, b, 3 - a - b) for a, b in product(range(3), range(3)) if a != b),
        key=lambda p: sum(cosines[row, axis] for row, axis in enumerate(p)),
    )
    return axes


def model_grid(grid: Grid, spacing: Sequence[float], box: Box | None = None) -> Grid:
    """The grid on which a model sees what `grid` covers: axes along R, A and S, at the model's spacing.

    It covers the whole field of view (half voxels at the border included) and is centred on it, so exact flips and
    permutations of the same data give the same grid. Where the input runs along R, A and S (to a tenth of a voxel) and
    has the model's spacing along an axis within 1 %, that axis keeps the input's own voxel centres and spacing.

    Args:
        spacing: the model's spacing along R, A and S in mm.
        box: only the voxels that touch this box, cut from the same lattice.

    Raises:
        UsageError: the box is empty or lies outside the field of view.
        MedVLPError: the grid's matrix is singular.
    """
    index_map(grid, grid)
    step = np.asarray(spacing, dtype=np.float64)
    if step.shape != (3,) or not (np.isfinite(step).all() and (step > 0).all()):
        raise MedVLPError(f"{spacing} is not a voxel spacing.", "Give three positive numbers in mm.")
    bounds = np.array(grid.bounds).reshape(3, 2)
    extent = bounds[:, 1] - bounds[:, 0]
    count = np.maximum(np.ceil(extent / step - 1e-3), 1).astype(int)
    own = _own_axes(grid)
    if own is not None:
        own_step, own_count = own
        keep = np.abs(own_step / step - 1) <= SAME_SPACING
        step, count = np.where(keep, own_step, step), np.where(keep, own_count, count)
    first = bounds.mean(axis=1) - step * (count - 1) / 2
    if box is not None:
        start, stop = _inside(box, grid.bounds, first, step, count)
        first, count = first + start * step, stop - start
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = first
    return Grid((int(count[0]), int(count[1]), int(count[2])), affine)


def _own_axes(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Spacing and number of voxels along R, A and S; None where the grid is oblique by more than 0.1 voxel."""
    axes = list(nearest_axes(grid.affine))
    matrix = grid.affine[:3, :3][:, axes]
    count = np.array(grid.shape)[axes]
    off = np.abs(matrix - np.diag(np.diag(matrix))) * count
    if (off.sum(axis=1) > 0.1 * np.array(grid.spacing)[axes]).any():
        return None
    return np.abs(np.diag(matrix)), count


def _inside(
    box: Box, bounds: Box, first: NDArray[np.float64], step: NDArray[np.float64], count: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Index range of the lattice's voxels that touch the box."""
    edges = np.asarray(box, dtype=np.float64)
    if edges.shape != (6,) or not np.isfinite(edges).all() or (edges[1::2] <= edges[::2]).any():
        raise UsageError(
            f"The region {box} is empty or not a box.",
            "Give r0,r1,a0,a1,s0,s1 in mm (right, anterior, superior positive), each first value the smaller one.",
        )
    low, high = edges[::2], edges[1::2]
    start = np.clip(np.floor((low - first) / step + 0.5 + 1e-6).astype(int), 0, count)
    stop = np.clip(np.ceil((high - first) / step + 0.5 - 1e-6).astype(int), 0, count)
    if (stop <= start).any():
        raise UsageError(
            f"The region {tuple(float(v) for v in edges)} lies outside the volume.",
            "The volume spans " + ", ".join(f"{v:.1f}" for v in bounds) + " mm (r0,r1,a0,a1,s0,s1).",
        )
    return start, stop
