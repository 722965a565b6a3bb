"""Connected regions of a structure that was found, and their voxels on the volume's own grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.model.bundle import Bundle
from vlp3d_core.predict.answer import Encoded
from vlp3d_core.predict.encode import cut_grid
from vlp3d_core.text.concepts import Concept
from vlp3d_core.volume.foreground import Slices, box_of
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.segmentation import rounded_ml

MIN_VOXELS = 8
"""Smaller pieces of a structure are not regions, unless the structure has no larger one."""
MAX_PIECES = 20


@dataclass(frozen=True)
class Region:
    """One connected region that answers a query.

    Attributes:
        concept: what it is.
        score: mean probability over the region, 0 to 1.
        centre: centre of mass in RAS mm.
        volume_ml: on the model grid.
        box: where on the model grid.
        core: its voxels in that box.
        value: its label there.
        encoded: the volume that it lies in.
    """

    concept: Concept
    score: float
    centre: tuple[float, float, float]
    volume_ml: float
    box: Slices
    core: NDArray[np.bool_]
    value: int
    encoded: Encoded = field(repr=False)

    def points(self, most: int) -> NDArray[np.float64]:
        """About `most` of its voxels' centres, evenly chosen, at least one: (n, 3) in RAS mm."""
        inside = np.flatnonzero(self.core)
        chosen = np.array(np.unravel_index(inside[:: max(1, len(inside) // most)], self.core.shape)).T
        affine = self.encoded.grid.affine
        return (chosen + [s.start for s in self.box]) @ affine[:3, :3].T + affine[:3, 3]

    def mask(self) -> NDArray[np.uint8]:
        """The region on the volume's own grid, (I, J, K), 1 inside."""
        native = Grid.of(self.encoded.volume)
        mask, box = self.cut_from(native)
        whole = np.zeros(native.shape, np.uint8, order="F")
        whole[box] = mask
        return whole

    def crop(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """`mask` cut to its own box, at a cost that does not grow with the volume.

        Returns:
            (i, j, k) mask, 1 inside, and the crop's affine, index → RAS mm. Where the volume's voxels are so coarse
            that none of them belongs to the region, it is the one voxel nearest to its centre, which is 0.
        """
        native = Grid.of(self.encoded.volume)
        mask, box = self.cut_from(native)
        return mask, cut_grid(native, box).affine

    def cut_from(self, native: Grid) -> tuple[NDArray[np.uint8], Slices]:
        """The mask of `crop` and where it lies on the volume's own grid."""
        grid = self.encoded.grid
        # One voxel of background around it, as far as there is any: a structure's surface lies between two voxels.
        i, j, k = (slice(max(b.start - 1, 0), min(b.stop + 1, n)) for b, n in zip(self.box, grid.shape, strict=True))
        around = (i, j, k)
        source = cut_grid(grid, around)
        inner = tuple(slice(b.start - a.start, b.stop - a.start) for a, b in zip(around, self.box, strict=True))
        own = np.zeros(source.shape, bool)
        own[inner] = self.core
        labels, lead = own * self.encoded.labels.dtype.type(self.value), None
        if self.encoded.lead is not None:
            # Its neighbours have a say in where it ends, but no other pieces of the structure, and nobody farther away.
            lead, others = self.encoded.lead[around], self.encoded.labels[around]
            heard = ndimage.maximum_filter(own, 3) & (others != self.value) & ~own
            np.copyto(labels, others, where=heard)
        seen = _within(native, source.corners)
        mask = resample_labels(labels, source, cut_grid(native, seen), lead=lead) == self.value
        used = box_of(mask)
        if used is None:
            seen = _within(native, np.array([self.centre]), 0)
            return np.zeros((1, 1, 1), np.uint8), tuple(slice(s.start, s.start + 1) for s in seen)  # type: ignore
        absolute = tuple(slice(s.start + u.start, s.start + u.stop) for s, u in zip(seen, used, strict=True))
        return mask[used].view(np.uint8), absolute  # type: ignore[return-value]


def regions_of(bundle: Bundle, encoded: Encoded, concept: Concept) -> list[Region]:
    """The connected pieces of a structure, largest first, or its instances."""
    encoded = encoded.answer_for(concept.id)
    values = encoded.labels_of(concept.id)
    if encoded.instances:
        # Connected as they are made.
        named = [(value, replace(concept, name=f"{concept.name} {value}")) for value in values[:MAX_PIECES]]
        boxed = [(one, value, encoded.boxes[value - 1]) for value, one in named]
        return [_region(encoded, one, value, box, encoded.labels[box] == value) for one, value, box in boxed if box]
    (value,) = values
    box = encoded.boxes[value - 1]
    if box is None:
        return []
    pieces, count = ndimage.label(encoded.labels[box] == value)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    rule: Mapping[str, Any] = bundle.card["concepts"][value - 1]
    least = min(max(MIN_VOXELS, rule.get("min_ml", 0.0) / encoded.grid.voxel_ml), int(sizes.max()))
    out = []
    slices = ndimage.find_objects(pieces)
    for piece in np.argsort(-sizes, kind="stable")[:MAX_PIECES]:
        if sizes[piece] < least:
            break
        part = slices[piece]
        absolute = tuple(slice(b.start + p.start, b.start + p.stop) for b, p in zip(box, part, strict=True))
        out.append(_region(encoded, concept, value, absolute, pieces[part] == piece + 1))  # type: ignore[arg-type]
    return out


def _region(encoded: Encoded, concept: Concept, value: int, box: Slices, core: NDArray[np.bool_]) -> Region:
    grid = encoded.grid
    index = np.array(ndimage.center_of_mass(core)) + [s.start for s in box]
    r, a, s = grid.affine[:3, :3] @ index + grid.affine[:3, 3]
    score = round(float(encoded.certainty[box][core].mean()) / 255.0, 4)
    volume_ml = rounded_ml(int(core.sum()) * grid.voxel_ml)
    return Region(concept, score, (float(r), float(a), float(s)), volume_ml, box, core, value, encoded)


def _within(grid: Grid, points: NDArray[np.float64], margin: int = 1) -> Slices:
    """The voxels of a grid between some points in RAS mm, (n, 3), with a margin; at least one voxel."""
    inverse = np.linalg.inv(grid.affine)
    index = points @ inverse[:3, :3].T + inverse[:3, 3]
    low = np.clip(np.round(index.min(axis=0)) - margin, 0, np.array(grid.shape) - 1).astype(int)
    high = np.clip(np.round(index.max(axis=0)) + margin, low, np.array(grid.shape) - 1).astype(int)
    i, j, k = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    return i, j, k
