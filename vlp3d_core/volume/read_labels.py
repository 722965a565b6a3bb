"""Reading a label map: whole numbers, in the smallest unsigned type that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.read import read_image


def read_labels(path: str | Path) -> tuple[NDArray[np.unsignedinteger[Any]], NDArray[np.float64]]:
    """A label map and its matrix.

    Returns:
        labels, uint8 or uint16, shape (I, J, K); affine, index → RAS in mm.

    Raises:
        MedVLPError: the file cannot be read or holds negative, fractional or too large values.
    """
    image = read_image(path)
    low, top = float(image.array.min()), float(image.array.max())
    if low < 0 or top > np.iinfo(np.uint16).max:
        raise MedVLPError(
            f"{path} is not a label map: it holds values from {low:g} to {top:g}.",
            "Label values are whole numbers from 0 to 65535.",
        )
    kind = np.uint8 if top <= np.iinfo(np.uint8).max else np.uint16
    labels: NDArray[np.unsignedinteger[Any]] = image.array.astype(kind)
    if not np.array_equal(labels, image.array):
        raise MedVLPError(f"{path} is not a label map: it holds fractional values.", "Label values are whole numbers.")
    return labels, image.affine


def read_labels_on(path: Path, grid: Grid, image: Path) -> NDArray[np.unsignedinteger[Any]]:
    """A label map that must lie on the grid of its image.

    Args:
        image: for the message.

    Returns:
        as `read_labels` does, without the affine.

    Raises:
        MedVLPError: it lies elsewhere, or cannot be read.
    """
    labels, affine = read_labels(path)
    i, j, k = labels.shape
    # Headers keep matrices in single precision, so "the same grid" is within a few hundredths of a voxel.
    if not grid.matches(Grid((i, j, k), affine), tolerance=0.05):
        raise MedVLPError(
            f"The label map {path} does not lie on the grid of {image}.", "Resample it to the image's grid first."
        )
    return labels
