"""A block of tissue under the electron microscope: its grid in nm, its arrays, and where a ball of nm lies in it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from vlp3d_core.phantom.canvas import Box
from vlp3d_core.phantom.shapes import Floats, Vector

Mask = NDArray[np.bool_]
SECTION = 20.0
"""Nanometres from which an axis may be one of sections."""


@dataclass(eq=False)
class Block:
    """What is painted, part by part.

    Attributes:
        seed: decides all; every part draws from its own stream of it.
        shape: voxels along x, y and z.
        step: voxel size in nm.
        values: concept → label value.
        cells: uint16, instance of a cell at every voxel, 0 is between cells.
        labels: uint8, what a voxel belongs to.
        depth: nm to the nearest cell's border.
    """

    seed: int
    shape: tuple[int, int, int]
    step: Vector
    values: Mapping[str, int]
    cells: NDArray[np.uint16] = field(init=False)
    labels: NDArray[np.uint8] = field(init=False)
    depth: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.cells = np.zeros(self.shape, np.uint16)
        self.labels = np.zeros(self.shape, np.uint8)
        self.depth = np.zeros(self.shape, np.float32)

    @property
    def extent(self) -> Vector:
        """Edge lengths in nm."""
        lengths: Vector = np.array(self.shape) * self.step
        return lengths

    @property
    def coarse(self) -> tuple[bool, ...]:
        """Which axes are of sections: steps of more than `SECTION` nm, and more than twice the finest."""
        return tuple(bool(s > SECTION and s > 2 * self.step.min()) for s in self.step)

    @property
    def fine(self) -> float:
        """Voxel size in the plane where it is seen best, nm."""
        return float(np.sort(self.step)[1])

    @property
    def um3(self) -> float:
        """Volume in cubic micrometres."""
        return float(np.prod(self.extent)) * 1e-9

    def stream(self, name: str) -> Generator:
        """Random numbers of one part: one part more changes no other."""
        return np.random.default_rng([self.seed, zlib.crc32(f"em {name}".encode())])

    def place(self, index: NDArray[np.int64]) -> Vector:
        """Centres of voxels in nm, shape (..., 3)."""
        centres: Vector = (index + 0.5) * self.step
        return centres

    def voxel(self, place: Vector) -> tuple[int, int, int]:
        """The voxel nearest to a place in nm."""
        i, j, k = np.clip((place / self.step).astype(int), 0, np.array(self.shape) - 1)
        return int(i), int(j), int(k)

    def inside(self, places: Vector) -> Mask:
        """Which places, shape (N, 3) in nm, lie in the block."""
        held: Mask = np.all((places >= 0) & (places < self.extent), axis=-1)
        return held

    def box(self, centre: Vector, radius: float) -> Box:
        """Index box around a ball, cut to the block; may be empty."""
        low = np.clip(np.floor((centre - radius) / self.step), 0, self.shape).astype(int)
        high = np.clip(np.ceil((centre + radius) / self.step), 0, self.shape).astype(int)
        return slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])

    def distance(self, centre: Vector, box: Box) -> Floats:
        """Distance of a box's voxels from a place, nm."""
        lines = []
        for axis, s in enumerate(box):
            line = (np.arange(s.start, s.stop) + 0.5) * self.step[axis] - centre[axis]
            lines.append(line.reshape([-1 if a == axis else 1 for a in range(3)]))
        far: Floats = np.sqrt(lines[0] ** 2 + lines[1] ** 2 + lines[2] ** 2).astype(np.float32)
        return far

    def balls(self, centres: Vector, radii: Vector) -> tuple[Box, Mask] | None:
        """Union of balls, in the box that comes with it; None when none is in the block."""
        low = np.clip(np.floor((centres - radii[:, None]).min(axis=0) / self.step), 0, self.shape).astype(int)
        high = np.clip(np.ceil((centres + radii[:, None]).max(axis=0) / self.step), 0, self.shape).astype(int)
        if (high <= low).any():
            return None
        whole = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        mask = np.zeros(high - low, bool)
        for centre, radius in zip(centres, radii, strict=True):
            box = self.box(centre, radius)
            if all(s.stop > s.start for s in box):
                inner = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, whole, strict=True))
                mask[inner] |= self.distance(centre, box) < radius
        return whole, mask
