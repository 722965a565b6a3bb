"""From the answer on the model grid to labels on the volume's own grid, and one row per structure or instance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.predict.answer import Encoded, Stopwatch
from vlp3d_core.predict.postprocess import Labels, count_labels, sum_by_label
from vlp3d_core.progress import Tick, silent_tick
from vlp3d_core.volume.grid import Box, Grid
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.segmentation import Segment, Segmentation, instance_color, rounded_ml

FEWER = "{count:,} instances were found; the {most:,} largest are kept, {share:.0%} of what all of them fill."
ON_TOP = (
    "{name}: left out, for it lies on top of the instances and one label map cannot hold both; it is written when it "
    "alone is asked for."
)


def segmentation_of(
    bundle: Bundle,
    encoded: Encoded,
    wanted: Sequence[str],
    roi: Box | None,
    most: int | None = None,
    tick: Tick = silent_tick,
) -> Segmentation:
    """The wanted structures on the volume's own grid, 0 outside the ROI; values are 1 and up in the order of `wanted`,
    of a structure with instances the largest first. What lies on top of others is left out beside them.

    Args:
        most: instances of a structure that are kept; None is all.
    """
    watch = Stopwatch()
    volume, notes = encoded.volume, list(encoded.notes)
    below = [name for name in wanted if name not in encoded.layers]
    if below:
        notes += [ON_TOP.format(name=bundle.structures[name].name) for name in wanted if name in encoded.layers]
    wanted = below or wanted[:1]
    encoded = encoded.answer_for(wanted[0])
    chosen: list[int] = []
    for name in wanted:
        values = encoded.labels_of(name)
        chosen += values[:most]
        if most is not None and len(values) > most:
            counts = count_labels(encoded.labels, len(encoded.meanings))[list(values)]
            notes.append(FEWER.format(count=len(values), most=most, share=counts[:most].sum() / counts.sum()))
    native = _to_native(encoded, chosen, tick)
    if roi is not None:
        _clear_outside(native, roi, Grid.of(volume))
    watch.lap("resample")
    rows = _instances(bundle, encoded, native, wanted, chosen) if encoded.instances else ()
    rows = rows or _rows(bundle, encoded, native, wanted)
    watch.lap("measure")
    report = {**encoded.report, "torch": torch.__version__}
    report["seconds"] = {**encoded.report["seconds"], **watch.seconds}
    return Segmentation(native, volume.affine, rows, bundle.name, volume.source, tuple(notes), report)


def _to_native(encoded: Encoded, chosen: Sequence[int], tick: Tick) -> Labels:
    """The chosen labels, numbered anew in their order."""
    table = np.zeros(len(encoded.meanings) + 1, np.uint8 if len(chosen) < 256 else np.uint16)
    table[list(chosen)] = np.arange(1, len(chosen) + 1)
    target = Grid.of(encoded.volume)
    if not encoded.labels.any():
        return np.zeros(target.shape, table.dtype, order="F")
    # All labels are resampled: what a voxel on a border becomes must not depend on who was asked.
    native = resample_labels(encoded.labels, encoded.grid, target, tick, encoded.lead)
    if list(chosen) == list(range(1, len(encoded.meanings) + 1)):
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
                volume_ml=rounded_ml(counts[value] * voxel_ml),
                found=found,
            )
        )
    return tuple(out)


def _instances(
    bundle: Bundle, encoded: Encoded, native: Labels, wanted: Sequence[str], chosen: Sequence[int]
) -> tuple[Segment, ...]:
    """One row for each instance that has voxels on the volume's own grid."""
    (concept,) = (bundle.structures[name] for name in wanted)
    counts, moments = count_labels(native, len(chosen)), _moments(native, len(chosen))
    voxels = count_labels(encoded.labels, len(encoded.meanings))
    sums = sum_by_label(encoded.labels, len(encoded.meanings), encoded.certainty)
    affine, out = encoded.volume.affine, []
    for value, label in enumerate(chosen, 1):
        if not counts[value]:
            continue
        r, a, s = affine[:3, :3] @ (moments[:, value] / counts[value]) + affine[:3, 3]
        out.append(
            Segment(
                value=value,
                concept=concept.id,
                name=f"{concept.name} {label}",
                color=instance_color(label),
                category=concept.category,
                type=concept.type,
                modifier=concept.modifier,
                score=round(float(sums[label] / voxels[label] / 255.0), 4),
                volume_ml=rounded_ml(counts[value] * encoded.volume.voxel_ml),
                found=True,
                instance=label,
                centre=(float(r), float(a), float(s)),
            )
        )
    return tuple(out)


def _moments(labels: Labels, top: int) -> NDArray[np.float64]:
    """(3, top + 1): the sum of the indices of each label's voxels along i, j and k, slice by slice."""
    i, j = (index.ravel(order="F") for index in np.indices(labels.shape[:2]))
    out = np.zeros((3, top + 1))
    for k in range(labels.shape[2]):
        plane = labels[:, :, k].ravel(order="F")
        for axis, weights in enumerate((i, j)):
            out[axis] += np.bincount(plane, weights, top + 1)
        out[2] += k * np.bincount(plane, minlength=top + 1)
    return out


def _clear_outside(labels: Labels, roi: Box, grid: Grid) -> None:
    """Set voxels whose centre lies outside the box to 0; slab by slab, as coordinates of a whole volume are large."""
    low, high = np.array(roi[::2]), np.array(roi[1::2])
    i, j = np.meshgrid(np.arange(grid.shape[0]), np.arange(grid.shape[1]), indexing="ij")
    plane = np.stack([i, j], axis=-1) @ grid.affine[:3, :2].T + grid.affine[:3, 3]
    for k in range(grid.shape[2]):
        place = plane + k * grid.affine[:3, 2]
        labels[:, :, k][~((place >= low) & (place <= high)).all(axis=-1)] = 0
