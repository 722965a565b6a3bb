"""Reading a label map: whole numbers, in the smallest unsigned type that holds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
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
