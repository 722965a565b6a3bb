"""Clean-up of each structure by what anatomy says of it: one piece, no holes, on its own side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.progress import Tick, silent_tick

Labels = NDArray[np.unsignedinteger[Any]]

SIDE_TOLERANCE_MM = 10.0
"""The centre of a left structure may lie this far to the right of its twin's before one of the two is removed."""


def postprocess(
    labels: Labels,
    rules: Sequence[Mapping[str, Any]],
    twins: Mapping[int, int],
    right_mm: float,
    tick: Tick = silent_tick,
) -> None:
    """Clean labels in place.

    Args:
        labels: (R, A, S) on the model grid, first axis towards the patient's right; values 1…K.
        rules: for value v the rules of `rules[v - 1]`: `largest_component`, `fill_holes` (both off by default).
        twins: value of each left structure → value of the same structure on the right.
        right_mm: spacing along the first axis.
        tick: told before each structure.
    """
    for value, box in enumerate(ndimage.find_objects(labels, max_label=len(rules)), 1):
        tick((value - 1) / len(rules))
        if box is None:
            continue
        view = labels[box]
        if rules[value - 1].get("largest_component"):
            _keep_largest(view, value)
        if rules[value - 1].get("fill_holes"):
            _fill(view, value)
    for left, right in twins.items():
        _check_sides(labels, left, right, SIDE_TOLERANCE_MM / right_mm)


def count_labels(labels: Labels, top: int) -> NDArray[np.int64]:
    """Voxels of each value 0…top."""
    return sum_by_label(labels, top).astype(np.int64)


def sum_by_label(labels: Labels, top: int, values: NDArray[np.uint8] | None = None) -> NDArray[np.float64]:
    """Sum of `values` (1 when None) over the voxels of each label 0…top.

    Plane by plane along the axis that is slowest in memory, because `np.bincount` makes eight bytes of every voxel.
    """
    axis = int(np.argmax(np.abs(labels.strides)))
    planes = np.moveaxis(labels, axis, 0)
    weights = None if values is None else np.moveaxis(values, axis, 0)
    total = np.zeros(top + 1)
    for n, plane in enumerate(planes):
        # Both in the memory order of the labels' plane, which need not be that of the values.
        flat = plane.T if plane.strides[0] < plane.strides[-1] else plane
        weight = None if weights is None else (weights[n].T if flat is not plane else weights[n]).ravel()
        total += np.bincount(flat.ravel(), weights=weight, minlength=top + 1)
    return total


def _keep_largest(view: Labels, value: int) -> None:
    pieces, count = ndimage.label(view == value)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        view[(pieces > 0) & (pieces != sizes.argmax())] = 0


def _fill(view: Labels, value: int) -> None:
    """Enclosed background becomes the structure; other structures inside it stay.

    Background that does not reach the faces of the structure's bounding box is enclosed: one labelling, where
    `binary_fill_holes` dilates from outside step by step.
    """
    outside, count = ndimage.label(view != value)
    reached = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            reached[outside.take(end, axis=axis)] = True
    if not reached.all():
        view[~reached[outside] & (view == 0)] = value


def _check_sides(labels: Labels, left: int, right: int, tolerance: float) -> None:
    """Left lies left of right: where a pair is the wrong way round, the smaller of the two is dropped.

    A network that sees one parotid gland alone can take it for the other one; keeping both would draw a structure
    on the wrong side of the patient.
    """
    slices = ndimage.find_objects(labels, max_label=max(left, right))
    if slices[left - 1] is None or slices[right - 1] is None:
        return
    centres, sizes = {}, {}
    for value in (left, right):
        box = slices[value - 1]
        mask = labels[box] == value
        sizes[value] = int(mask.sum())
        centres[value] = box[0].start + np.average(np.arange(mask.shape[0]), weights=mask.sum(axis=(1, 2)))
    if centres[left] > centres[right] + tolerance:
        loser = min(sizes, key=lambda v: sizes[v])
        view = labels[slices[loser - 1]]
        view[view == loser] = 0
