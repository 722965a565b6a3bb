"""Implicit shapes in body millimetres: superellipsoids, tapered tubes along splines, lofts of cross-sections.

Every shape has `distance(x, y, z)`: about the signed distance to its surface in mm, negative inside. It is exact for
round tubes and measured along the ray from the centre for the others (smooth, and exact in sign everywhere).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline, PchipInterpolator

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Move:
    """A small change of size, pose and place about a pivot: p → pivot + shift + scale · turn · (p − pivot)."""

    pivot: Vector
    turn: Vector
    scale: float
    shift: Vector

    @property
    def still(self) -> bool:
        """Whether it changes nothing."""
        return self.scale == 1 and not self.shift.any() and np.allclose(self.turn, np.eye(3))

    def point(self, points: Vector) -> Vector:
        """Points of shape (..., 3) in mm, moved."""
        return (points - self.pivot) @ self.turn.T * self.scale + self.pivot + self.shift


class Shape(Protocol):
    """What the canvas needs to know about a shape."""

    def bounds(self) -> tuple[Vector, Vector]:
        """Lowest and highest corner of a box around the shape, mm."""
        ...

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        """Signed distance in mm at every point, negative inside."""
        ...

    def moved(self, move: Move) -> Shape:
        """The same shape in another size, pose and place."""
        ...


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """|x/a|ᵖ + |y/b|ᵖ + |z/c|ᵖ = 1, turned; p = 2 is an ellipsoid, p = 4 nearly a box (Barr 1981)."""

    center: Vector
    radii: Vector
    power: float
    turn: Vector

    def bounds(self) -> tuple[Vector, Vector]:
        reach = np.abs(self.turn) @ self.radii if self.power > 2 else np.sqrt((self.turn**2) @ (self.radii**2))
        return self.center - reach, self.center + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        offset = (x - np.float32(self.center[0]), y - np.float32(self.center[1]), z - np.float32(self.center[2]))
        total = np.zeros(x.shape, np.float32)
        for axis in range(3):
            column = self.turn[:, axis].astype(np.float32) / np.float32(self.radii[axis])
            along = offset[0] * column[0] + offset[1] * column[1] + offset[2] * column[2]
            total += along * along if self.power == 2 else np.abs(along) ** np.float32(self.power)
        rho = np.maximum(total ** np.float32(1 / self.power), np.float32(1e-3))
        length = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2)
        distance: Floats = length * (1 - 1 / rho)
        return distance

    def moved(self, move: Move) -> Ellipsoid:
        return replace(self, center=move.point(self.center), radii=self.radii * move.scale, turn=move.turn @ self.turn)


@dataclass(frozen=True, eq=False)
class Cone:
    """A tapered piece of tube from `start` to `end` with round ends, its space stretched along the body's axes."""

    start: Vector
    end: Vector
    radii: tuple[float, float]
    stretch: Vector

    def bounds(self) -> tuple[Vector, Vector]:
        reach = max(self.radii) * self.stretch
        return np.minimum(self.start, self.end) - reach, np.maximum(self.start, self.end) + reach

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        scale = (1 / self.stretch).astype(np.float32)
        start = (self.start / self.stretch).astype(np.float32)
        line = (self.end / self.stretch).astype(np.float32) - start
        px, py, pz = x * scale[0] - start[0], y * scale[1] - start[1], z * scale[2] - start[2]
        norm = max(float(line @ line), 1e-6)
        along = np.clip((px * line[0] + py * line[1] + pz * line[2]) / np.float32(norm), 0, 1)
        px -= along * line[0]
        py -= along * line[1]
        pz -= along * line[2]
        taper = np.float32(self.radii[0]) + along * np.float32(self.radii[1] - self.radii[0])
        distance: Floats = np.sqrt(px * px + py * py + pz * pz) - taper
        return distance

    def moved(self, move: Move) -> Cone:
        radii = (self.radii[0] * move.scale, self.radii[1] * move.scale)
        return replace(self, start=move.point(self.start), end=move.point(self.end), radii=radii)


@dataclass(frozen=True, eq=False)
class Loft:
    """Cross-sections stacked along z.

    `rows` has columns z, centre y, half width (x), reach to the front and to the back (y), all in mm; between rows the
    values follow a monotone cubic. Sections are superellipses |u|ᵖ + |v|ᵖ = 1 about x = `middle`.
    """

    rows: Vector
    power: float
    middle: float = 0.0

    def bounds(self) -> tuple[Vector, Vector]:
        z, cy, a, front, back = self.rows.T
        return (
            np.array([self.middle - a.max(), (cy - back).min(), z[0]]),
            np.array([self.middle + a.max(), (cy + front).max(), z[-1]]),
        )

    def sections(self, z: Floats) -> list[Floats]:
        """Centre y, half width, front and back reach at every z (clamped to the ends)."""
        bottom, top, steps = self.rows[0, 0], self.rows[-1, 0], 2047
        fine = np.linspace(bottom, top, steps + 1)
        table = PchipInterpolator(self.rows[:, 0], self.rows[:, 1:])(fine).astype(np.float32)
        place = np.clip((z - np.float32(bottom)) * np.float32(steps / (top - bottom)), 0, steps).astype(np.int16)
        return [table[:, column][place] for column in range(4)]

    def distance(self, x: Floats, y: Floats, z: Floats) -> Floats:
        cy, a, front, back = self.sections(z)
        dx, dy = x - np.float32(self.middle), y - cy
        power = np.float32(self.power)
        u, v = np.abs(dx) / a, np.abs(dy) / np.where(dy > 0, front, back)
        rho = np.maximum((u**power + v**power) ** (1 / power), np.float32(1e-3))
        side = np.hypot(dx, dy) * (1 - 1 / rho)
        ends = np.maximum(np.float32(self.rows[0, 0]) - z, z - np.float32(self.rows[-1, 0]))
        distance: Floats = np.maximum(side, ends).astype(np.float32)
        return distance

    def moved(self, move: Move) -> Loft:
        rows = self.rows.copy()
        rows[:, 0] += move.shift[2]
        rows[:, 1] += move.shift[1]
        rows[:, 2:] *= move.scale
        return replace(self, rows=rows, middle=self.middle + float(move.shift[0]))


def tube(
    points: Sequence[Sequence[float]], stretch: Sequence[float] = (1, 1, 1), wave: Sequence[float] = ()
) -> list[Cone]:
    """A tube along a spline through `points` (x, y, z, radius in mm), as tapered pieces.

    Args:
        stretch: cross-section stretched along x, y, z (a ribbon has one of them at 2 or more).
        wave: (depth as a part of the radius, wavelength in mm): bulges along the way, as a colon's haustra.
    """
    knots = np.asarray(points, float)
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots[:, :3], axis=0), axis=1))])
    step = max(6.0, 0.6 * float(knots[:, 3].mean()))
    if wave:
        step = min(step, wave[1] / 4)
    at = np.linspace(0, way[-1], max(2, int(np.ceil(way[-1] / step)) + 1))
    place = (
        CubicSpline(way, knots[:, :3])(at)
        if len(knots) > 2
        else np.stack([np.interp(at, way, knots[:, c]) for c in range(3)], axis=1)
    )
    radius = np.interp(at, way, knots[:, 3])
    if wave:
        radius = radius * (1 + wave[0] * np.sin(2 * np.pi * at / wave[1]))
    scale = np.asarray(stretch, float)
    return [Cone(place[n], place[n + 1], (float(radius[n]), float(radius[n + 1])), scale) for n in range(len(at) - 1)]


def sheet(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]], step: float = 5.0) -> list[Cone]:
    """A curved plate ruled between two edges (points x, y, z, half thickness in mm), as tapered rods side by side."""
    edges = [np.asarray(edge, float) for edge in (first, second)]
    length = max(float(np.linalg.norm(np.diff(e[:, :3], axis=0), axis=1).sum()) for e in edges)
    at = np.linspace(0, 1, max(2, int(length / step) + 1))
    a, b = (CubicSpline(np.linspace(0, 1, len(e)), e)(at) for e in edges)
    round_ = np.ones(3)
    return [Cone(p[:3], q[:3], (float(p[3]), float(q[3])), round_) for p, q in zip(a, b, strict=True)]


def rotation(degrees: Sequence[float] | Vector) -> Vector:
    """Rotation matrix (3, 3) by degrees about x, then y, then z."""
    cx, cy, cz = np.cos(np.deg2rad(degrees))
    sx, sy, sz = np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turn: Vector = about_z @ about_y @ about_x
    return turn
