"""Spine and ribs, which follow rules rather than tables of shapes: one vertebra per level, ribs on the chest's wall."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from vlp3d_core.phantom.canvas import Part
from vlp3d_core.phantom.shapes import Ellipsoid, Loft, Shape, Vector, rotation, tube

Entry = dict[str, Any]
Point = tuple[float, float, float, float]


def skeleton_concepts(data: Entry) -> list[str]:
    """Concept ids of everything that `skeleton_parts` paints."""
    ribs = [f"rib_{side}_{n}" for n in range(1, 13) for side in ("left", "right")]
    return ["spinal_cord", *(f"vertebrae_{row[0]}" for row in data["spine"]["rows"]), *ribs, "costal_cartilages"]


def skeleton_parts(data: Entry, chest: Loft, over: tuple[str, ...]) -> list[Part]:
    """Discs, vertebrae, cord, ribs and costal cartilages, in the order of painting."""
    spine = data["spine"]["rows"]
    path = CubicSpline([r[1] for r in spine][::-1], [r[2] for r in spine][::-1])
    bone = (*over, "disc", "bone")
    result = [Part("discs", "", "disc", tuple(_discs(spine)), over)]
    result += [Part(f"vertebra {r[0]}", f"vertebrae_{r[0]}", "bone", tuple(_vertebra(r, path)), bone) for r in spine]
    result.append(Part("canal", "spinal_cord", "cord", tuple(_canal(data["canal"], spine)), bone))
    for number in range(1, 13):
        for side, sign in (("left", -1.0), ("right", 1.0)):
            shapes = tuple(_rib(data, number, sign, chest))
            result.append(Part(f"rib {side} {number}", f"rib_{side}_{number}", "bone", shapes, over))
    cartilage = tuple(shape for sign in (-1.0, 1.0) for shape in _cartilages(data, sign, chest))
    result.append(Part("cartilages", "costal_cartilages", "cartilage", cartilage, over))
    return result


def _discs(spine: list[list[Any]]) -> Iterator[Shape]:
    for upper, lower in zip(spine[1:], [*spine[2:], ["S1", -160, -42, 26, 17, 13, 0, 0]], strict=True):
        center = (np.array([0.0, upper[2], upper[1]]) + np.array([0.0, lower[2], lower[1]])) / 2
        width, depth = (upper[3] + lower[3]) / 2 - 1, (upper[4] + lower[4]) / 2 - 1
        yield Ellipsoid(center, np.array([width, depth, 7.0]), 3, np.eye(3))


def _vertebra(row: list[Any], path: CubicSpline) -> Iterator[Shape]:
    """Body, pedicles and laminae around the canal, transverse and spinous processes."""
    name, z, y, width, depth, height, spinous, transverse = row
    tilt = float(np.degrees(np.arctan(path(z, 1))))
    turn = rotation((-tilt, 0, 0))
    yield Ellipsoid(np.array([0.0, y, z]), np.array([1.04 * width, 1.04 * depth, 1.03 * height]), 4, turn)
    if name == "C2":
        yield from tube([(0, y, z, 6), (0, y + 5, z + 20, 5)])
    back = _canal_offset(depth)
    ring = back + 9.0 + 0.05 * spinous
    thick = 3.0 + 0.12 * height
    tall = (1, 1, 1.0 + 0.05 * height)
    drop = 0.25 * height if name[0] in "TL" else 0.0
    for sign in (-1.0, 1.0):
        side = 12.0 + 0.2 * width * 0.5
        arch = [
            (sign * (width - 4 if name != "C1" else 8), y - depth + 3, z + 2, thick),
            (sign * side, y - back, z + 1, thick),
            (sign * 7, y - ring, z - drop, thick),
            (0, y - ring - 2, z - drop - 1, thick),
        ]
        yield from tube(arch, tall)
        root = (sign * side, y - back, z, thick + 0.5)
        lift = 4.0 if name[0] == "T" else 0.0
        swing = -12.0 if name[0] == "T" else 2.0
        yield from tube([root, (sign * transverse, y - back + swing, z + lift, thick - 0.5)], (1, 1, 1.3))
    tip = y - back - 0.25 * depth - spinous
    sag = {"C": 6.0, "T": 16.0, "L": 5.0}[name[0]] * (0.3 if name == "C1" else 1.0)
    if name == "C1":
        yield from tube([(-10, y + 6, z, 3.5), (0, y + 10, z, 3.5), (10, y + 6, z, 3.5)], (1, 1, 1.4))
        return
    yield from tube([(0, y - ring, z - drop, thick - 0.5), (0, tip + 12, z - sag, 3.0)], (1, 1, tall[2] + 0.6))


def _canal_offset(depth: float) -> float:
    """From the centre of a vertebral body back to the centre of its canal, mm."""
    return depth + 9.5


def _canal(data: Entry, spine: list[list[Any]]) -> Iterator[Shape]:
    radius = np.asarray(data["radius"], float)
    points: list[Point] = []
    for _name, z, y, _width, depth, *_rest in reversed(spine):
        if z >= data["end"]:
            points.append((0.0, y - _canal_offset(depth), z, float(np.interp(z, radius[:, 0], radius[:, 1]))))
    points.append((0.0, -25.0, 426.0, float(radius[-1, 1])))
    yield from tube(points)


def _wall(chest: Loft, angle: float, z: float, sign: float, out: float) -> Vector:
    """A point `out` mm outside the chest cavity; angle in degrees: 0 at the back, 90 at the side, 180 in front."""
    center, half, front, back = (float(v[0]) for v in chest.sections(np.array([z], np.float32)))
    radians, power = np.deg2rad(angle), 2 / chest.power
    u, v = np.sin(radians) ** power, abs(np.cos(radians)) ** power
    reach = front if angle > 90 else back
    return np.array([sign * u * (half + out), center + (v if angle > 90 else -v) * (reach + out), z])


def _rib(data: Entry, number: int, sign: float, chest: Loft) -> Iterator[Shape]:
    row = next(r for r in data["spine"]["rows"] if r[0] == f"T{number}")
    _name, z, y, width, depth, *_rest = row
    descent, end = data["ribs"]["rows"][number - 1]
    radius = data["ribs"]["radius"] * (1.0 if number < 11 else 0.85)
    points: list[Point] = [(sign * (width + 3), y - 0.7 * depth, z + 4, radius)]
    start = 32.0
    for angle in np.linspace(start, end, max(4, int((end - start) / 14))):
        part = (angle - start) / (end - start)
        level = z + 2 - descent * (0.25 * part + 0.75 * part * part * (3 - 2 * part))
        points.append((*_wall(chest, float(angle), level, sign, 4.5), radius))
    yield from tube(points, (1, 1, data["ribs"]["tall"]))


def _cartilages(data: Entry, sign: float, chest: Loft) -> Iterator[Shape]:
    for number, (x, y, z) in enumerate(data["ribs"]["cartilage"], start=1):
        descent, end = data["ribs"]["rows"][number - 1]
        top = next(r[1] for r in data["spine"]["rows"] if r[0] == f"T{number}")
        rib = _wall(chest, end, top + 2 - descent, sign, 4.0)
        middle = (rib + np.array([sign * x, y, z])) / 2 + np.array([0.0, 3.0, -6.0 if number > 5 else 0.0])
        yield from tube([(*rib, 4.5), (*middle, 4.5), (sign * x, y, z, 4.0)], (1, 1, 1.4))
