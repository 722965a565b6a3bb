"""Axial slices of a volume as a person or a captioner looks at them: gray, square pixels, radiological convention."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.volume.foreground import foreground_box
from vlp3d_core.volume.grid import Grid, model_grid, nearest_axes
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.volume import Volume

LARGEST = 512
"""Pixels along the longer edge: captioners see 224 to 448."""
COARSE = 64
"""Pixels of the slices in which the body's extent is looked for."""

SOFT_TISSUE = Normalisation("window", -160, 240)
"""CT, in HU: the window of the figures that captioners learned from."""
CONTRAST = Normalisation("percentile", 1, 99.5)
"""MR, EM, PET and what is unknown: between percentiles of what is not background."""


@dataclass(frozen=True)
class Slices:
    """Pictures of a volume.

    Attributes:
        images: uint8, shape (rows, columns) each; anterior is up and the patient's right on the left.
        crop: which slices they are, counted from the feet, from 1.
    """

    images: tuple[NDArray[np.uint8], ...]
    crop: str


def axial_slices(volume: Volume, count: int = 1) -> Slices:
    """`count` axial slices spread evenly through the body; 1 is the middle one. Fewer where there are not so many.

    Axial is what the affine says, not the order of the array; oblique volumes are resampled.

    Raises:
        MedVLPError: the volume's matrix is singular.
    """
    window, fill = _window(volume)
    grid = _grid(volume)
    chosen = _spread(_body(volume, grid, window, fill), count)
    images = []
    for number in chosen:
        affine = grid.affine.copy()
        affine[:3, 3] += affine[:3, 2] * number
        plane = resample(volume, Grid((grid.shape[0], grid.shape[1], 1), affine), fill)
        gray = (window.apply(plane.array[:, :, 0]) + 1) * 127.5
        images.append(np.ascontiguousarray(np.rint(gray).astype(np.uint8)[::-1, ::-1].T))
    which = ", ".join(str(number + 1) for number in chosen)
    return Slices(tuple(images), f"axial slice{'s' if len(chosen) > 1 else ''} {which} of {grid.shape[2]}")


def png(image: NDArray[np.uint8]) -> bytes:
    """A gray image, shape (rows, columns), as a PNG file without any other data in it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image).save(file, format="PNG")
    return file.getvalue()


def _window(volume: Volume) -> tuple[Normalisation, float]:
    """The same range for all slices, and the value of what lies outside the field of view."""
    if volume.modality == "CT":
        return SOFT_TISSUE, SOFT_TISSUE.low
    low, high = CONTRAST.limits(volume.array)
    least, most = float(volume.array.min()), float(volume.array.max())
    if not low < high:  # nearly all voxels are alike
        low, high = least, max(most, np.nextafter(least, np.inf))
    return Normalisation("window", low, high), least


def _grid(volume: Volume) -> Grid:
    """Axes along R, A and S, the volume's own distance of slices, square pixels of its finer in-plane spacing."""
    own = Grid.of(volume)
    spacing = np.array(volume.spacing)[list(nearest_axes(volume.affine))]
    size = np.diff(np.array(own.bounds).reshape(3, 2)).ravel()
    pixel = max(float(spacing[:2].min()), float(size[:2].max()) / LARGEST)
    return model_grid(own, (pixel, pixel, float(spacing[2])))


def _body(volume: Volume, grid: Grid, window: Normalisation, fill: float) -> slice:
    """The slices of `grid` in which there is more than air."""
    size = np.diff(np.array(grid.bounds).reshape(3, 2)).ravel()
    step = max(float(size[:2].max()) / COARSE, grid.spacing[0])
    columns, rows = (int(np.ceil(s / step)) for s in size[:2])
    affine = grid.affine.copy()
    affine[[0, 1], [0, 1]] = step
    affine[:2, 3] += (step - np.array(grid.spacing[:2])) / 2
    coarse = Grid((columns, rows, grid.shape[2]), affine)
    box = foreground_box(window.apply(resample(volume, coarse, fill).array), margin=0)
    return slice(0, grid.shape[2]) if box is None else box[2]


def _spread(body: slice, count: int) -> list[int]:
    """The middles of `count` equal parts, each slice once."""
    length = body.stop - body.start
    return sorted({body.start + int((2 * part + 1) * length / (2 * count)) for part in range(count)})
