"""Results as the engine makes them, without the engine: labels drawn by the test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.text.concepts import concepts
from vlp3d_core.volume.segmentation import Segment, Segmentation
from vlp3d_core.volume.volume import Volume


def segmentation_of(volume: Volume, labels: NDArray[Any], names: list[str], model: str = "test-model") -> Segmentation:
    """Labels 1, 2, 3 … for the named concepts; one whose value does not occur was not found."""
    counts = np.bincount(labels.ravel(), minlength=len(names) + 1)
    rows = []
    for value, name in enumerate(names, 1):
        c, n = concepts()[name], int(counts[value])
        rows.append(
            Segment(
                value, name, c.name, c.color, c.category, c.type, c.modifier, 0.9 if n else 0.2,
                n * volume.voxel_ml, n > 0,
            )
        )  # fmt: skip
    return Segmentation(labels, volume.affine, tuple(rows), model)


def two_boxes(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Labels 1 and 3, not symmetric in any axis; 2 does not occur."""
    labels = np.zeros(shape, np.uint8)
    labels[1:5, 2:4, 1:3] = 1
    labels[6:9, 5:9, 2:7] = 3
    labels[6, 5, 2] = 0
    return labels


NAMES = ["liver", "spleen", "kidney_left"]
