"""A shaded view of labels from the front, drawn by looking along the depth of a turned grid; no mesh, no VTK.

The surface is where a smoothed density passes one half; its gradient gives the normals (Höhne and Bernstein 1986,
"Shading 3D-images from CT using gray-level gradients", IEEE TMI 5:45-47).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.volume.foreground import box_of
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.resample_labels import Labels, resample_labels

AZIMUTH, ELEVATION = 28.0, 12.0
"""Degrees: the eye stands in front of the patient, turned to the left side, and looks down a little."""
SMOOTHING = 0.5
"""Standard deviation of the density's smoothing in voxels of the labels: enough to hide their steps."""

Rgb = tuple[int, int, int]
Floats = NDArray[np.float32]


def render(labels: Labels, grid: Grid, colors: Mapping[int, Rgb], size: int) -> Floats | None:
    """Draw labels as surfaces, in parallel projection.

    Args:
        labels: (I, J, K) on `grid`, any orientation.
        colors: RGB 0 to 255 for the label values.
        size: pixels of the longer side.

    Returns:
        (rows, columns, 4) RGBA 0 to 1, transparent where nothing is; None when there is no label.
    """
    used = box_of(labels)
    if used is None:
        return None
    view = _view_grid(used, grid, size)
    seen = resample_labels(labels, grid, view)
    blur = max(1.2, SMOOTHING * (1000 * grid.voxel_ml) ** (1 / 3) / view.spacing[0])
    density = ndimage.gaussian_filter((seen > 0).astype(np.float32), blur, truncate=2.5)
    solid = density >= 0.5
    hit = solid.argmax(axis=2)
    covered = solid.any(axis=2)
    normals = _normals(density, hit)
    light = _light(normals)
    light = light * _occlusion(hit.astype(np.float32), covered, size)
    color = _color(seen, hit, colors)
    highlight = np.clip(normals @ _unit(-0.35, -0.55, -1.1), 0, 1) ** 30 * 0.35
    rgb = np.clip(color * light[..., None] + highlight[..., None], 0, 1)
    alpha = np.clip((density.max(axis=2) - 0.5) * 2.5 + 0.5, 0, 1) * ndimage.binary_dilation(covered)
    # Beyond the silhouette the nearest covered pixel's colour, so that soft edges do not fray into black.
    nearest = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    rgb = rgb[tuple(nearest)]
    picture: Floats = np.concatenate([rgb, alpha[..., None]], axis=2).transpose(1, 0, 2).astype(np.float32)
    return picture


def view_axes() -> NDArray[np.float64]:
    """Columns: across, down and into the picture, as unit vectors in RAS."""
    turn, tilt = np.radians(AZIMUTH), np.radians(ELEVATION)
    eye = np.array([-np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)])
    across = np.array([-np.cos(turn), -np.sin(turn), 0.0])
    return np.stack([across, np.cross(-eye, across), -eye], axis=1)


def _view_grid(box: tuple[slice, slice, slice], grid: Grid, size: int) -> Grid:
    """A cube of pixels around the labels, its third axis into the picture."""
    corners = np.array(np.meshgrid(*((b.start - 0.5, b.stop - 0.5) for b in box), indexing="ij")).reshape(3, 8).T
    axes = view_axes()
    projected = (corners @ grid.affine[:3, :3].T + grid.affine[:3, 3]) @ axes
    low, high = projected.min(axis=0), projected.max(axis=0)
    pixel = float((high - low)[:2].max()) / (size - 8)
    low -= 4 * pixel
    i, j, k = (int(n) for n in np.ceil((high - low) / pixel + 4))
    affine = np.eye(4)
    affine[:3, :3] = axes * pixel
    affine[:3, 3] = axes @ (low + pixel / 2)
    return Grid((i, j, k), affine)


def _normals(density: Floats, hit: NDArray[np.intp]) -> Floats:
    """Unit vectors out of the surface, (W, H, 3), along across, down and depth."""
    i, j = np.indices(hit.shape)
    places = np.stack([i, j, hit])
    step = np.eye(3, dtype=np.intp)[:, :, None, None]
    last = np.array(density.shape).reshape(3, 1, 1) - 1
    out = np.empty((*hit.shape, 3), np.float32)
    for axis in range(3):
        a, b = np.maximum(places - step[axis], 0), np.minimum(places + step[axis], last)
        out[..., axis] = density[a[0], a[1], a[2]] - density[b[0], b[1], b[2]]
    unit: Floats = out / np.maximum(np.linalg.norm(out, axis=2, keepdims=True), 1e-6)
    return unit


def _light(normals: Floats) -> Floats:
    """A key light from above and the left, a fill light from the right, and a little of everywhere."""
    key = np.clip(normals @ _unit(-0.6, -0.8, -1.0), 0, 1)
    fill = np.clip(normals @ _unit(0.9, 0.1, -0.7), 0, 1)
    light: Floats = 0.30 + 0.68 * key + 0.20 * fill
    return light


def _occlusion(depth: Floats, covered: NDArray[np.bool_], size: int) -> Floats:
    """Darker where the surroundings stand in front (unsharp masking of the depth, Luft et al. 2006)."""
    inside = covered.astype(np.float32)
    reach = size / 40
    weight = np.maximum(ndimage.gaussian_filter(inside, reach), 1e-3)
    mean = ndimage.gaussian_filter(np.where(covered, depth, 0.0).astype(np.float32), reach) / weight
    behind = np.clip((depth - mean) / (0.12 * size), 0, 1)
    shade: Floats = 1.0 - 0.55 * behind
    return shade


def _color(seen: Labels, hit: NDArray[np.intp], colors: Mapping[int, Rgb]) -> Floats:
    """The colour of the first label at or behind the surface, blended over a pixel at the borders."""
    i, j = np.indices(hit.shape)
    label = np.zeros(hit.shape, seen.dtype)
    for step in range(5):
        here = seen[i, j, np.minimum(hit + step, seen.shape[2] - 1)]
        label = np.where(label == 0, here, label)
    table = np.full((max(int(seen.max()), *colors) + 1, 3), 0.7, np.float32)
    for value, rgb in colors.items():
        table[value] = np.array(rgb, np.float32) / 255
    color: Floats = ndimage.gaussian_filter(table[label], (0.6, 0.6, 0))
    return color


def _unit(x: float, y: float, z: float) -> Floats:
    vector = np.array([x, y, z], np.float32)
    unit: Floats = vector / np.linalg.norm(vector)
    return unit
