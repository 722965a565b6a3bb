"""From the answer on the model grid to labels on the volume's own grid, and one row per structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.predict.answer import Encoded, Stopwatch
from vlp3d_core.predict.postprocess import Labels, count_labels, sum_by_label
from vlp3d_core.progress import Tick, silent_tick
from vlp3d_core.volume.grid import Box, Grid
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.segmentation import Segment, Segmentation


def segmentation_of(
    bundle: Bundle, encoded: Encoded, wanted: Sequence[str], roi: Box | None, tick: Tick = silent_tick
) -> Segmentation:
    """The wanted structures on the volume's own grid, values 1…len(wanted) in that order, 0 outside the ROI."""
    watch = Stopwatch()
    volume = encoded.volume
    native = _to_native(bundle, encoded, wanted, tick)
    if roi is not None:
        _clear_outside(native, roi, Grid.of(volume))
    watch.lap("resample")
    rows = _rows(bundle, encoded, native, wanted)
    watch.lap("measure")
    report = {**encoded.report, "torch": torch.__version__}
    report["seconds"] = {**encoded.report["seconds"], **watch.seconds}
    return Segmentation(native, volume.affine, rows, bundle.name, volume.source, encoded.notes, report)


def _to_native(bundle: Bundle, encoded: Encoded, wanted: Sequence[str], tick: Tick) -> Labels:
    table = np.zeros(len(bundle.concepts) + 1, np.uint8 if len(wanted) < 256 else np.uint16)
    for value, concept in enumerate(wanted, 1):
        table[1 + bundle.concepts.index(concept)] = value
    target = Grid.of(encoded.volume)
    if not encoded.labels.any():
        return np.zeros(target.shape, table.dtype, order="F")
    # All of the model's structures are resampled: what a voxel on a border becomes must not depend on who was asked.
    native = resample_labels(encoded.labels, encoded.grid, target, tick)
    if wanted == bundle.concepts:
        return native
    for k in range(native.shape[2]):
        native[:, :, k] = table[native[:, :, k]]
    return native.astype(table.dtype, copy=False)


def _rows(bundle: Bundle, encoded: Encoded, native: Labels, wanted: Sequence[str]) -> tuple[Segment, ...]:
    counts = count_labels(native, len(wanted))
    voxels = count_labels(encoded.labels, len(bundle.concepts))
    sums = sum_by_label(encoded.labels, len(bundle.concepts), encoded.certainty)
    known, voxel_ml = bundle.structures, encoded.volume.voxel_ml
    out = []
    for value, name in enumerate(wanted, 1):
        index, found, concept = bundle.concepts.index(name), bool(counts[value]), known[name]
        inside = sums[index + 1] / max(1, voxels[index + 1]) / 255.0
        out.append(
            Segment(
                value=value,
                concept=name,
                name=concept.name,
                color=concept.color,
                category=concept.category,
                type=concept.type,
                modifier=concept.modifier,
                score=round(float(inside if found else encoded.peak[index]), 4),
                volume_ml=round(float(counts[value] * voxel_ml), 3),
                found=found,
            )
        )
    return tuple(out)


def _clear_outside(labels: Labels, roi: Box, grid: Grid) -> None:
    """Set voxels whose centre lies outside the box to 0; slab by slab, as coordinates of a whole volume are large."""
    low, high = np.array(roi[::2]), np.array(roi[1::2])
    i, j = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    plane = np.stack([i, j], axis=-1) @ grid.affine[:3, :2].T + grid.affine[:3, 3]
    for k in range(grid.shape[2]):
        place = plane + k * grid.affine[:3, 2]
        labels[:, :, k][~((place >= low) & (place <= high)).all(axis=-1)] = 0
