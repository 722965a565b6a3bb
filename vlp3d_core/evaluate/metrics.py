"""How well one mask matches another: overlap, surface distance and volume, in mm and ml.

Definitions, all on the crop around both masks plus an empty margin, so that the border of the image counts as surface:

* Dice: 2 |P ∩ R| / (|P| + |R|).
* HD95: the larger of the two directed 95th percentiles of the distances between surface voxels (MONAI).
* Surface Dice at a tolerance: the part of both surfaces, weighted by area, that lies within the tolerance of the
  other surface. Nikolov et al. 2018, arXiv:1809.04430; the sub-voxel surface elements are theirs.
* Volume error: prediction minus reference, so that too small is negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from vlp3d_core.errors import UsageError

if TYPE_CHECKING:
    import torch

TOLERANCE_MM = 2.0
"""Default tolerance of the surface Dice: about what two people who contour the same organ on CT differ by."""

METRICS = (
    "dice",
    "surface_dice",
    "hd95_mm",
    "volume_error_ml",
    "volume_error_relative",
    "volume_error_absolute",
)


class Status(StrEnum):
    """What a score is about.

    SCORED: both masks hold something. MISSED: the prediction is empty. FALSE_ALARM: the reference is empty.
    ABSENT: both are empty; nothing is scored. NOT_OFFERED: no prediction of the run knows the structure; not scored.
    """

    SCORED = "scored"
    MISSED = "missed"
    FALSE_ALARM = "false alarm"
    ABSENT = "absent"
    NOT_OFFERED = "not offered"


@dataclass(frozen=True)
class MaskScore:
    """Scores of one structure in one case. None where a number would have no meaning.

    A missed structure and a false alarm have Dice and surface Dice 0 and no HD95. A false alarm has no relative
    volume error, because there is no reference volume to relate it to.

    Attributes:
        dice, surface_dice: 0 to 1.
        hd95_mm: 95 % Hausdorff distance.
        volume_error_ml, volume_error_relative: prediction minus reference; relative to the reference (-1 = missed).
        volume_error_absolute: size of the relative error, without its sign.
        reference_ml, prediction_ml: the two volumes.
    """

    status: Status
    dice: float | None = None
    surface_dice: float | None = None
    hd95_mm: float | None = None
    volume_error_ml: float | None = None
    volume_error_relative: float | None = None
    volume_error_absolute: float | None = None
    reference_ml: float = 0.0
    prediction_ml: float = 0.0


def score_masks(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    spacing: Sequence[float],
    voxel_ml: float | None = None,
    tolerance: float = TOLERANCE_MM,
) -> MaskScore:
    """Compare two masks on the same grid.

    Args:
        prediction, reference: bool, shape (I, J, K).
        spacing: distance of neighbouring voxels along i, j and k in mm.
        voxel_ml: volume of a voxel; the product of the spacing where the axes are orthogonal (default).
        tolerance: of the surface Dice, in mm.

    Raises:
        UsageError: the tolerance is negative or not finite.
    """
    check_tolerance(tolerance)
    voxel_ml = float(np.prod(spacing)) / 1000.0 if voxel_ml is None else voxel_ml
    in_prediction, in_reference = int(prediction.sum()), int(reference.sum())
    prediction_ml, reference_ml = in_prediction * voxel_ml, in_reference * voxel_ml
    if not in_prediction and not in_reference:
        return MaskScore(Status.ABSENT)
    relative = (in_prediction - in_reference) / in_reference if in_reference else None
    both = bool(in_prediction and in_reference)
    return MaskScore(
        status=Status.SCORED if both else Status.MISSED if in_reference else Status.FALSE_ALARM,
        dice=2.0 * int((prediction & reference).sum()) / (in_prediction + in_reference),
        surface_dice=surface_dice(prediction, reference, spacing, tolerance) if both else 0.0,
        hd95_mm=hd95(prediction, reference, spacing) if both else None,
        volume_error_ml=prediction_ml - reference_ml,
        volume_error_relative=relative,
        volume_error_absolute=None if relative is None else abs(relative),
        reference_ml=reference_ml,
        prediction_ml=prediction_ml,
    )


def check_tolerance(tolerance: float) -> None:
    """Raise UsageError for a tolerance that is negative or not finite."""
    if not (np.isfinite(tolerance) and tolerance >= 0):
        raise UsageError(f"A surface tolerance of {tolerance} mm makes no sense.", "Give a number of 0 or more.")


def hd95(prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float]) -> float:
    """95 % Hausdorff distance of two masks in mm. Both must hold something."""
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance

    return float(
        compute_hausdorff_distance(
            _channels(prediction),
            _channels(reference),
            include_background=True,
            percentile=95,
            spacing=_rounded(spacing),
        )
    )


def surface_dice(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing: Sequence[float], tolerance: float
) -> float:
    """Surface Dice of two masks, 0 to 1, at a tolerance in mm. Both must hold something."""
    (points_p, areas_p), (points_r, areas_r) = (_surface(mask, spacing) for mask in (prediction, reference))
    near_p = areas_p[_distances(points_p, points_r) <= tolerance].sum()
    near_r = areas_r[_distances(points_r, points_p) <= tolerance].sum()
    return float((near_p + near_r) / (areas_p.sum() + areas_r.sum()))


def _surface(mask: NDArray[np.bool_], spacing: Sequence[float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Surface elements of a mask: centres in mm, shape (N, 3), and areas in mm², shape (N,).

    An element lies between eight voxels that are not all alike; which of them are inside gives its area. The table is
    MONAI's; its `compute_surface_dice` gives the same number, but from float images at many times the memory.
    """
    from monai.metrics.utils import get_code_to_measure_table

    steps = _rounded(spacing)
    table, weights = (tensor.numpy() for tensor in get_code_to_measure_table(steps))
    padded = np.pad(mask, 1).view(np.uint8)
    code = np.zeros([size - 1 for size in padded.shape], dtype=np.uint8)
    for (i, j, k), weight in np.ndenumerate(weights.reshape(2, 2, 2).astype(np.uint8)):
        code += padded[i : i + code.shape[0], j : j + code.shape[1], k : k + code.shape[2]] * weight
    cells = np.nonzero((code > 0) & (code < 255))
    return np.stack(cells, axis=1) * np.asarray(steps), table[code[cells]].astype(np.float64)


def _distances(points: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance of every point to the nearest of the others, in mm; float32, so that 3 · 0.1 is within 0.3."""
    distances, _ = KDTree(others).query(points)
    return np.asarray(distances, dtype=np.float32)


def _rounded(spacing: Sequence[float]) -> list[float]:
    """Spacing as the scanner meant it: a stored 2.0000002 mm must not fall out of a tolerance of 2 mm."""
    return [float(f"{step:.6g}") for step in spacing]


def _channels(mask: NDArray[np.bool_]) -> torch.Tensor:
    """(I, J, K) → torch bool (1, 1, I, J, K), as MONAI's metrics want it; MONAI crops and pads by itself."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(mask))[None, None]
