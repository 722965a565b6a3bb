"""The canvas: labels, materials and depths on a grid, painted part by part in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.phantom.shapes import Floats, Loft, Shape, Vector

BLOCK = 4
FAR = np.float32(1e3)
KEEP = "keep"


@dataclass(frozen=True)
class Part:
    """One painted thing.

    Attributes:
        name: unique in the atlas; names its random stream.
        concept: concept id of its label, "" for tissue without a label, "keep" to leave the labels as they are.
        material: key of materials.json.
        shapes: united (smoothly when `blend` > 0, mm).
        over: the materials it may replace; () means all. So no organ leaves its cavity or enters another organ.
        on: if given, it replaces only voxels that carry one of these labels.
        planes: kept where nx·x + ny·y + nz·z ≤ c for each (nx, ny, nz, c).
        grow: offset of the surface in mm.
        ripple: rows (kx, ky, kz in 1/mm, phase, height in mm) that make the surface uneven.
    """

    name: str
    concept: str
    material: str
    shapes: tuple[Shape, ...]
    over: tuple[str, ...] = ()
    on: tuple[str, ...] = ()
    planes: tuple[tuple[float, float, float, float], ...] = ()
    grow: float = 0.0
    blend: float = 0.0
    ripple: Vector = field(default_factory=lambda: np.zeros((0, 5)))


Box = tuple[slice, slice, slice]


class Canvas:
    """A grid in body coordinates.

    Args:
        x, y, z: body coordinates of every voxel in mm, float32, shape (I, J, K).
        materials: material name → value.
        concepts: concept id → label value.
    """

    def __init__(
        self, coords: tuple[Floats, Floats, Floats], materials: dict[str, int], concepts: dict[str, int]
    ) -> None:
        self.coords = coords
        self.materials = materials
        self.concepts = concepts
        self.material: NDArray[np.uint8] = np.zeros(coords[0].shape, np.uint8)
        self.labels: NDArray[np.uint8] = np.zeros(coords[0].shape, np.uint8)
        self.depth: Floats = np.zeros(coords[0].shape, np.float32)
        self._lofts: dict[Loft, Floats] = {}
        self._low = np.stack([_blocks(np.minimum, c) for c in coords])
        self._high = np.stack([_blocks(np.maximum, c) for c in coords])

    def box(self, low: Vector, high: Vector, within: Box | None = None) -> Box | None:
        """The index box (inside `within`) of every voxel with body coordinates between two corners; None: no voxel."""
        start = [s.start // BLOCK for s in within or ()] or [0, 0, 0]
        part = (slice(None), *(slice(s.start // BLOCK, -(-s.stop // BLOCK)) for s in within or ()))
        far, near = self._high[part], self._low[part]
        hit = (far[0] >= low[0]) & (near[0] <= high[0])
        for axis in (1, 2):
            hit &= (far[axis] >= low[axis]) & (near[axis] <= high[axis])
        slices = []
        for axis, others in enumerate(((1, 2), (0, 2), (0, 1))):
            line = np.flatnonzero(hit.any(axis=others)) + start[axis]
            if not len(line):
                return None
            slices.append(slice(int(line[0]) * BLOCK, min((int(line[-1]) + 1) * BLOCK, self.labels.shape[axis])))
        return slices[0], slices[1], slices[2]

    def union(self, shapes: Sequence[Shape], margin: float, blend: float) -> tuple[Box, Floats] | None:
        """Signed distance to the union of shapes, right up to `margin` mm outside, in the box that comes with it."""
        found = []
        corners = [shape.bounds() for shape in shapes]
        reach = margin + blend
        low, high = np.min([c[0] for c in corners], axis=0), np.max([c[1] for c in corners], axis=0)
        around = self.box(low - reach, high + reach)
        for shape, (low, high) in zip(shapes, corners, strict=True):
            place = self.box(low - reach, high + reach, around) if around is not None else None
            if place is not None:
                found.append((shape, place))
        if not found:
            return None
        start = [min(p[a].start for _, p in found) for a in range(3)]
        stop = [max(p[a].stop for _, p in found) for a in range(3)]
        whole = (slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2]))
        total = np.full([e - s for s, e in zip(start, stop, strict=True)], FAR, np.float32)
        for shape, place in found:
            inner = tuple(slice(p.start - s, p.stop - s) for p, s in zip(place, start, strict=True))
            here = self._distance(shape, place)
            total[inner] = _join(total[inner], here, blend)
        return whole, total

    def _distance(self, shape: Shape, place: Box) -> Floats:
        """Distance in a box; that of a loft, which is large and used by several parts, is computed once."""
        if not isinstance(shape, Loft):
            return shape.distance(*(c[place] for c in self.coords))
        if shape not in self._lofts:
            self._lofts[shape] = shape.distance(*self.coords)
        return self._lofts[shape][place]

    def paint(self, part: Part) -> None:
        """Paint one part over what is there."""
        heights = float(np.abs(part.ripple[:, 4]).sum()) if len(part.ripple) else 0.0
        found = self.union(part.shapes, max(part.grow, 0) + heights, part.blend)
        if found is None:
            return
        box, distance = found
        x, y, z = (c[box] for c in self.coords)
        distance -= np.float32(part.grow)
        for kx, ky, kz, phase, height in part.ripple.astype(np.float32):
            distance += height * np.sin(kx * x + ky * y + kz * z + phase)
        inside = distance < 0
        for nx, ny, nz, limit in part.planes:
            inside &= nx * x + ny * y + nz * z <= limit
        self.fill(part, box, inside, distance)

    def fill(self, part: Part, box: Box, inside: NDArray[np.bool_], distance: Floats) -> None:
        """Give the voxels of a mask the part's material, label and depth, where it may paint."""
        if part.over:
            allowed = np.zeros(256, bool)
            allowed[[self.materials[m] for m in part.over]] = True
            inside = inside & allowed[self.material[box]]
        if part.on:
            inside = inside & np.isin(self.labels[box], [self.concepts[c] for c in part.on])
        self.material[box][inside] = self.materials[part.material]
        self.depth[box][inside] = -distance[inside]
        if part.concept != KEEP:
            self.labels[box][inside] = self.concepts[part.concept] if part.concept else 0


def _blocks(reduce: np.ufunc, values: Floats) -> Floats:
    for axis in range(3):
        values = reduce.reduceat(values, np.arange(0, values.shape[axis], BLOCK), axis=axis)
    return values


def _join(a: Floats, b: Floats, blend: float) -> Floats:
    """Minimum of two distances, rounded over `blend` mm (polynomial smooth minimum)."""
    if blend <= 0:
        return np.minimum(a, b)
    near = np.maximum(np.float32(blend) - np.abs(a - b), 0) / np.float32(blend)
    joined: Floats = np.minimum(a, b) - near * near * np.float32(blend / 4)
    return joined
