"""Telling a label map from an image, so that nobody segments a segmentation by mistake."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError

_MAX_LABEL = 65535
_SLICES = 32
_COHERENCE = 0.3
"""Chance that a voxel's neighbour has the same value, averaged over the values. A constant background is one value of
many in an image, so only label maps are coherent throughout: at most 0.08 in the images and at least 0.42 in the label
maps of the development data."""


def check_not_labels(path: Path, array: NDArray[np.float32], integer: bool) -> list[str]:
    """Refuse an obvious label map; return a note about a possible one.

    An image has the look of a label map when all voxels are whole numbers from 0 to 65535 and coherent
    (see `_COHERENCE`), or when it stores integers and has fewer than eight values, all up to 30. It is refused when
    its values are also numbered like labels: fewer than eight values up to 30, or 255 alone, or at least eight values
    that fill 5 % of their range. Values stored as floating point need two labels to be refused. Everything else with
    that look gets a note, because a drawn test image has it too.

    Args:
        array: shape (I, J, K), finite, not constant.
        integer: the file stores integers.

    Raises:
        MedVLPError: this is a label map.
    """
    sample = array[:, :, :: max(1, array.shape[2] // _SLICES)]
    if not _whole_numbers(sample):
        return []
    few = integer and float(array.max()) <= 30 and _whole_numbers(array) and len(_values(array)) < 8
    if not few and (_coherence(sample) < _COHERENCE or not _whole_numbers(array)):
        return []
    values = _values(array)
    if few or (_numbered_like_labels(values) and (integer or len(values) >= 2)):
        raise MedVLPError(
            f"{path} is a label map ({len(values)} label{'s'[: len(values) > 1]}, highest {values[-1]}), not an image.",
            "Give the image that the labels were drawn on.",
        )
    return [f"The image looks like a label map ({len(values)} values besides 0); results may be meaningless."]


def _whole_numbers(part: NDArray[np.float32]) -> bool:
    if float(part.min()) < 0 or float(part.max()) > _MAX_LABEL:
        return False
    return all(bool(np.all(part[:, :, k] == np.rint(part[:, :, k]))) for k in range(part.shape[2]))


def _coherence(array: NDArray[np.float32]) -> float:
    """Mean over the non-zero values of the chance that the neighbour before, along i or along j, has the same value."""
    equal = np.zeros(_MAX_LABEL + 1, dtype=np.int64)
    total = np.zeros_like(equal)
    for k in range(array.shape[2]):
        part = array[:, :, k].astype(np.uint16)
        for here, before in ((part[1:], part[:-1]), (part[:, 1:], part[:, :-1])):
            equal += np.bincount(here[here == before], minlength=equal.size)
            total += np.bincount(here.ravel(), minlength=total.size)
    seen = total[1:] > 0
    return float(np.mean(equal[1:][seen] / total[1:][seen])) if seen.any() else 0.0


def _values(array: NDArray[np.float32]) -> list[int]:
    """The distinct non-zero values of a whole-number array, ascending."""
    seen = np.zeros(_MAX_LABEL + 1, dtype=bool)
    for k in range(array.shape[2]):
        seen[array[:, :, k].astype(np.uint16)] = True
    return [int(v) for v in np.flatnonzero(seen) if v]


def _numbered_like_labels(values: list[int]) -> bool:
    if len(values) < 8:
        return values[-1] <= 30 or values == [255]
    return len(values) >= 0.05 * values[-1]
