"""Facts: what can be measured of each structure in a labelled volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.text import concepts
from vlp3d_core.volume import Volume

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Fact:
    """One structure, measured.

    Attributes:
        concept: concept id ("kidney_left").
        side: the patient's side, "left", "right" or "".
        kind: "structure" or "finding" of the concept.
        volume_ml: volume of its voxels.
        center_ras: centroid in mm, R, A and S positive.
        extent_mm: size of its bounding box along R, A and S.
        mean, sd: of the volume's values inside it; HU in CT, the scanner's own unit in MR, grey values in EM.
        cut: it touches the edge of the field of view, so its size may be incomplete.
    """

    concept: str
    side: str
    kind: str
    volume_ml: float
    center_ras: Triple
    extent_mm: Triple
    mean: float
    sd: float
    cut: bool


def measure(volume: Volume, labels: NDArray[np.unsignedinteger[Any]], values: Mapping[int, str]) -> list[Fact]:
    """Measure every labelled structure that is present, in the order of its values.

    Args:
        volume: the image; its affine gives places and sizes.
        labels: shape (I, J, K), the volume's grid.
        values: label value → concept id.
    """
    boxes = ndimage.find_objects(labels)
    known = concepts()
    result = []
    for value in sorted(values):
        box = boxes[value - 1] if value <= len(boxes) else None
        if box is None:
            continue
        mask = labels[box] == value
        inside = volume.array[box][mask].astype(np.float64)
        index = np.argwhere(mask) + [s.start for s in box]
        concept = known[values[value]]
        low, high = _reach(index, volume.affine)
        result.append(
            Fact(
                concept=concept.id,
                side=concept.side,
                kind=concept.kind,
                volume_ml=len(index) * volume.voxel_ml,
                center_ras=_triple(volume.affine[:3, :3] @ index.mean(axis=0) + volume.affine[:3, 3]),
                extent_mm=_triple(high - low),
                mean=float(inside.mean()),
                sd=float(inside.std()),
                cut=any(s.start == 0 or s.stop == n for s, n in zip(box, labels.shape, strict=True)),
            )
        )
    return result


def _reach(index: NDArray[np.int64], affine: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest RAS coordinates of the voxels with their full size."""
    points = index @ affine[:3, :3].T
    half = np.abs(affine[:3, :3]).sum(axis=1) / 2
    return points.min(axis=0) - half, points.max(axis=0) + half


def _triple(values: NDArray[np.float64]) -> Triple:
    x, y, z = (float(v) for v in values)
    return x, y, z
