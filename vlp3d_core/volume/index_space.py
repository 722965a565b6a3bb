"""Two grids related by one affine of their indices: the transform, and the copy where it only reorders voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from vlp3d_core.volume.grid import nearest_axes

EXACT = 1e-3
"""Grids whose voxels coincide to this fraction of a voxel are copied, not interpolated."""


def copy_exact(
    array: NDArray[Any], matrix: NDArray[np.float64], shape: tuple[int, int, int], fill: float
) -> NDArray[Any] | None:
    """The array on a grid whose voxels coincide with its own; None where they do not.

    Args:
        matrix: (4, 4), target index → index of `array`.
        shape: of the target.
    """
    axes = nearest_axes(matrix)  # axes[source axis] is the target axis along it
    signs = np.sign(matrix[range(3), axes]).astype(int)
    rounded = np.zeros((3, 4))
    rounded[range(3), axes] = signs
    rounded[:, 3] = np.round(matrix[:3, 3])
    worst = np.abs(matrix[:3] - rounded) @ np.array([*shape, 1.0])
    if (worst > EXACT).any():
        return None
    view = array
    where: list[slice] = [slice(None)] * 3
    inside = True
    for axis, (target, sign, offset) in enumerate(zip(axes, signs, rounded[:, 3].astype(int), strict=True)):
        # Source index = sign * target index + offset; both ends cut to what exists.
        n, m = array.shape[axis], shape[target]
        first, last = (offset, offset + m - 1) if sign > 0 else (offset - m + 1, offset)
        low, high = max(first, 0), min(last, n - 1)
        if high < low:
            return np.full(shape, fill, dtype=_type_for(array.dtype, fill))
        cut = [slice(None)] * 3
        cut[axis] = slice(low, high + 1)
        view = view[tuple(cut)]
        view = np.flip(view, axis) if sign < 0 else view
        begin = low - first if sign > 0 else last - high
        where[target] = slice(begin, begin + high - low + 1)
        inside = inside and high - low + 1 == m
    view = view.transpose(np.argsort(axes))
    if inside:
        return view
    out = np.full_like(view, fill, shape=shape, dtype=_type_for(array.dtype, fill))
    out[tuple(where)] = view
    return out


def _type_for(kind: np.dtype[Any], fill: float) -> np.dtype[Any]:
    """The array's own type where it has the fill value, else float32."""
    if kind.kind not in "iu" or (fill == int(fill) and np.iinfo(kind).min <= fill <= np.iinfo(kind).max):
        return kind
    return np.dtype(np.float32)


def affine_transform(linear: NDArray[np.float64], offset: NDArray[np.float64]) -> sitk.AffineTransform:
    """A SimpleITK transform from target index (x, y, z) to source index."""
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(linear.ravel().tolist())
    transform.SetTranslation(offset.tolist())
    return transform
