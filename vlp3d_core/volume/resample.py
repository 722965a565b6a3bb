"""Images from one grid to another (label maps: `resample_labels`).

SimpleITK does the interpolation, on all cores. Both images get trivial geometry (spacing 1, origin 0) and the whole
relation of the grids goes into one affine transform of indices, so that oblique, sheared and left-handed grids are
the same case as any other. Along an axis where the target is at least twice as coarse, voxels are averaged in bins
first: linear interpolation alone would skip voxels and alias.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.volume.grid import Grid, index_map, nearest_axes
from vlp3d_core.volume.index_space import affine_transform, copy_exact
from vlp3d_core.volume.volume import Volume


def resample(volume: Volume, grid: Grid, fill: float) -> Volume:
    """The volume on another grid, linearly interpolated.

    Where the grids' voxels coincide (flips, permutations, crops) the result is an exact copy, or a view of the input
    where no voxel lies outside: do not write into it.

    Args:
        fill: value of voxels outside the input's field of view. In the outer half of the border voxels, which still
            is inside, the border's value continues.

    Returns:
        A volume of shape `grid.shape` (memory layout follows the input's), same modality and source.

    Raises:
        MedVLPError: the volume's matrix is singular.
    """
    matrix = index_map(Grid.of(volume), grid)
    exact = copy_exact(volume.array, matrix, grid.shape, fill)
    if exact is None:
        exact = _interpolate(volume.array, matrix, grid.shape, fill)
    return replace(volume, array=exact, affine=grid.affine)


def _interpolate(
    array: NDArray[np.float32], matrix: NDArray[np.float64], shape: tuple[int, int, int], fill: float
) -> NDArray[np.float32]:
    array, matrix = _crop(array, matrix, shape)
    if 0 in array.shape:
        return np.full(shape, fill, dtype=np.float32)
    array, matrix = _bin(array, matrix)
    # ITK walks fastest along its first axis; that should be the axis along which the input lies in memory.
    order = np.argsort([-abs(s) for s in array.strides], kind="stable")
    flipped = tuple(axis for axis in range(3) if array.strides[axis] < 0)
    array = np.flip(array, flipped)
    matrix = _flip_source(matrix, array.shape, flipped)
    axes = nearest_axes(matrix)
    target_order = [axes[axis] for axis in order]
    xyz, target_xyz = list(order[::-1]), target_order[::-1]
    image = sitk.GetImageFromArray(np.asarray(array.transpose(order), dtype=np.float32))
    out = sitk.Resample(
        image,
        [int(shape[axis]) for axis in target_xyz],
        affine_transform(matrix[:3, :3][np.ix_(xyz, target_xyz)], matrix[xyz, 3]),
        sitk.sitkLinear,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        np.eye(3).ravel().tolist(),
        float(fill),
    )
    del image
    result: NDArray[np.float32] = sitk.GetArrayFromImage(out)
    return result.transpose(np.argsort(target_order))


def _flip_source(matrix: NDArray[np.float64], shape: tuple[int, ...], axes: tuple[int, ...]) -> NDArray[np.float64]:
    matrix = matrix.copy()
    for axis in axes:
        matrix[axis] *= -1
        matrix[axis, 3] += shape[axis] - 1
    return matrix


def _crop(
    array: NDArray[np.float32], matrix: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Only what the target can see, with a margin that keeps interpolation and bins as they were."""
    ends = np.array(list(product(*((0, n - 1) for n in shape)))) @ matrix[:3, :3].T + matrix[:3, 3]
    bins = np.maximum(_factors(matrix), 1)
    first = np.clip(np.floor(ends.min(axis=0)) - 2 * bins, 0, array.shape).astype(int)
    stop = np.clip(np.ceil(ends.max(axis=0)) + 2 * bins + 1, first, array.shape).astype(int)
    # Whole bins are cut off at the end where the bins start (see `_bin`), so that a region sees the same bins.
    backward = _backward(matrix)
    first = np.where(backward, first, first - first % bins)
    stop = np.where(backward, stop + (array.shape - stop) % bins, stop)
    matrix = matrix.copy()
    matrix[:3, 3] -= first
    return array[tuple(slice(a, b) for a, b in zip(first, stop, strict=True))], matrix


def _backward(matrix: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which input axes run against the target's."""
    return np.asarray(matrix[range(3), nearest_axes(matrix)] < 0)


def _factors(matrix: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many input voxels lie in one target voxel along each input axis."""
    per_voxel = np.linalg.norm(np.linalg.inv(matrix[:3, :3]), axis=0)
    return np.floor(1 / per_voxel + 0.01).astype(np.int64)


def _bin(array: NDArray[np.float32], matrix: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Average the input in bins along the axes where the target is at least twice as coarse.

    The bins start at the same end of the patient however the array runs (numpy views and sums instead of
    sitk.BinShrink, which starts at index 0, drops the remainder, and needs a full copy of the input).
    """
    factors = np.where(_factors(matrix) >= 2, np.minimum(_factors(matrix), array.shape), 1)
    if (factors == 1).all():
        return array, matrix
    backward = tuple(np.flatnonzero(_backward(matrix)).tolist())
    array, matrix = np.flip(array, backward), _flip_source(matrix, array.shape, backward)
    for axis, factor in enumerate(factors):
        array = _bin_axis(array, axis, int(factor))
    matrix[:3] /= factors[:, None]
    matrix[:3, 3] -= (factors - 1) / (2 * factors)
    return array, matrix


def _bin_axis(array: NDArray[np.float32], axis: int, factor: int) -> NDArray[np.float32]:
    """Mean of `factor` neighbours along one axis; a last bin that is not full continues with its border voxel."""
    if factor == 1:
        return array
    count = -(-array.shape[axis] // factor)
    last = array.shape[axis] - 1
    out: NDArray[np.float32] | None = None
    for part in range(factor):
        step: list[slice] = [slice(None)] * 3
        step[axis] = slice(part, None, factor)
        piece = array[tuple(step)]
        if out is None:
            out = np.array(piece, dtype=np.float32, order="K")
            continue
        full: list[slice] = [slice(None)] * 3
        full[axis] = slice(0, piece.shape[axis])
        out[tuple(full)] += piece
        if piece.shape[axis] < count:
            out[(slice(None),) * axis + (-1,)] += array[(slice(None),) * axis + (last,)]
    assert out is not None
    out /= np.float32(factor)
    return out
