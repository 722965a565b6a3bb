"""The cells of a block: courses of neurites that push each other apart, and the space divided among them.

A neurite is a course (points along a curve, each with a radius). Courses start at random; then points of different
courses that overlap push each other away while every course is kept smooth, so that they bend around each other as
real ones do. Each course's core is painted, and a voxel belongs to the core nearest to it: a Voronoi diagram of tubes
with additive weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects, label
from scipy.spatial import cKDTree

from vlp3d_core.phantom.appearance import correlated
from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.em_block import Block
from vlp3d_core.phantom.shapes import Vector

SPACING = 45.0
"""Between the points of a course, nm."""
RIND = 40.0
"""A core is thinner than its neurite by this, nm: what lies between two cores is divided in the middle."""
ROUNDS = 40
THINNEST = 4.0
"""Radius of a neurite in voxels, at least."""
SMALLEST = 60
"""A piece of a cell with fewer voxels goes to its neighbours."""


@dataclass
class Courses:
    """All courses of a block, their points in one list.

    Attributes:
        points: shape (N, 3), nm.
        radii: shape (N,), nm.
        of: shape (N,), number of the course; −1 is the cell body.
    """

    points: Vector
    radii: Vector
    of: NDArray[np.int64]

    def along(self, number: int) -> tuple[Vector, Vector]:
        """Points and radii of one course."""
        here = self.of == number
        return self.points[here], self.radii[here]


def draw_courses(block: Block, axis: int | None, body: tuple[Vector, float] | None) -> Courses:
    """Courses that fill the block.

    Args:
        axis: 0, 1 or 2 when neurites run along x, y or z; None for any direction.
        body: centre and radius of a cell body in nm, which they run around.
    """
    rng, rows = block.stream("courses"), table("em")["neurites"]
    points, radii, of = [], [], []
    filled, wanted = 0.0, rows["filled"] * float(np.prod(block.extent))
    number = 0
    if body is not None:
        points, radii, of = [body[0][None]], [np.array([body[1]])], [np.array([-1])]
        wanted *= 0.8
    while filled < wanted and number < rows["most"]:
        kind = rng.choice(("thin", "middle", "thick"), p=rows["share"])
        # What is thinner than a few voxels would be a row of crumbs.
        radius = max(rng.uniform(*rows[kind]), THINNEST * block.fine)
        course = _course(block, rng, axis)
        held = block.inside(course)
        if held.sum() < 3:
            continue
        width = _width(rng, len(course), radius, kind == "thin" and rng.random() < rows["bouton"])
        points.append(course)
        radii.append(width)
        of.append(np.full(len(course), number))
        filled += float((np.pi * width[held] ** 2).sum()) * SPACING
        number += 1
    courses = Courses(np.concatenate(points), np.concatenate(radii), np.concatenate(of))
    _push_apart(courses)
    return courses


def _course(block: Block, rng: Generator, axis: int | None) -> Vector:
    """A wavy line through the block and a little beyond."""
    way = rng.normal(size=3)
    if axis is not None:
        way *= 0.22
        way[axis] = 1.0
    way /= np.linalg.norm(way)
    reach = 0.5 * float(np.linalg.norm(block.extent)) + 250
    at = np.arange(-reach, reach, SPACING)
    line = rng.uniform(-50, block.extent + 50) + at[:, None] * way
    for length in (2400, 1300, 700):
        swing = rng.normal(size=3) * length * (0.05 if axis is None else 0.03)
        line = line + swing * np.sin(2 * np.pi * at[:, None] / length + rng.uniform(0, 2 * np.pi))
    return line[((line > -250) & (line < block.extent + 250)).all(axis=1)]


def _width(rng: Generator, count: int, radius: float, bouton: bool) -> Vector:
    """Radius along a course: it swells and narrows, and a thin one may have a bouton."""
    at = np.arange(count) * SPACING
    width = radius * (1 + 0.22 * np.sin(2 * np.pi * at / rng.uniform(500, 1200) + rng.uniform(0, 2 * np.pi)))
    if bouton and count:
        middle = rng.uniform(0, at[-1])
        width = width + rng.uniform(1.0, 2.2) * radius * np.exp(-(((at - middle) / rng.uniform(150, 280)) ** 2))
    return width


def _push_apart(courses: Courses) -> None:
    """Move overlapping points of different courses away from each other, thin ones further than thick ones."""
    inner = np.flatnonzero((courses.of[1:-1] == courses.of[:-2]) & (courses.of[1:-1] == courses.of[2:])) + 1
    fixed = courses.of < 0
    large = courses.radii > np.quantile(courses.radii, 0.9)
    for _ in range(ROUNDS):
        tree = cKDTree(courses.points)
        reach = 2 * float(courses.radii[~large].max(initial=0))
        pairs = tree.query_pairs(reach, output_type="ndarray")
        if large.any():
            pairs = np.concatenate([pairs, _pairs_of_large(courses, np.flatnonzero(large), tree)])
        i, j = pairs[courses.of[pairs[:, 0]] != courses.of[pairs[:, 1]]].T
        apart = courses.points[i] - courses.points[j]
        far = np.maximum(np.linalg.norm(apart, axis=1), 1e-3)
        over = courses.radii[i] + courses.radii[j] - far
        hit = over > 0
        i, j, apart, far, over = i[hit], j[hit], apart[hit], far[hit], over[hit]
        push = apart / far[:, None] * over[:, None]
        share = courses.radii[j] ** 2 / (courses.radii[i] ** 2 + courses.radii[j] ** 2)
        move = np.zeros_like(courses.points)
        for a in range(3):
            move[:, a] = np.bincount(i, push[:, a] * share, len(move)) - np.bincount(
                j, push[:, a] * (1 - share), len(move)
            )
        count = np.bincount(i, minlength=len(move)) + np.bincount(j, minlength=len(move))
        move *= (0.9 / np.maximum(count, 1) ** 0.5)[:, None]
        long = np.linalg.norm(move, axis=1, keepdims=True)
        move *= np.minimum(1, 60 / np.maximum(long, 1e-6))
        move[fixed] = 0
        courses.points += move
        courses.points[inner] += 0.5 * (
            (courses.points[inner - 1] + courses.points[inner + 1]) / 2 - courses.points[inner]
        )


def _pairs_of_large(courses: Courses, large: NDArray[np.int64], tree: cKDTree) -> NDArray[np.int64]:
    """Pairs of each thick point with all that may touch it."""
    typical = float(np.quantile(courses.radii, 0.9))
    near = tree.query_ball_point(courses.points[large], courses.radii[large] + typical)
    first = np.repeat(large, [len(n) for n in near])
    return np.stack([first, np.concatenate([np.asarray(n, np.int64) for n in near])], axis=1)


def fill_cells(block: Block, courses: Courses, gap: float | None) -> NDArray[np.int64]:
    """Divide the block among the courses; sets `cells` and `depth`.

    Args:
        gap: with a loose packing, how far from its core a cell ends, in nm beyond the rind; None: no space is left.

    Returns:
        For each cell from 1 the course that it comes from, shape (C,).
    """
    cores = np.zeros(block.shape, np.int32)
    thick = {int(n): float(courses.radii[courses.of == n].mean()) for n in np.unique(courses.of)}
    for number in sorted(thick, key=lambda n: -thick[n]):
        points, radii = courses.along(number)
        fine, wide = _dense(points, np.maximum(radii - RIND, 0.35 * radii), float(block.step.min()))
        painted = block.balls(fine, np.maximum(wide, 0.75 * float(block.step.max())))
        if painted is not None:
            box, mask = painted
            cores[box][mask & (cores[box] == 0)] = number + 2
    far, nearest = distance_transform_edt(cores == 0, sampling=block.step, return_indices=True)
    of = cores[tuple(nearest)]
    if gap is not None:
        of[far > RIND + gap] = 0
    of = _uneven(block, of, table("em")["neurites"]["uneven"])
    pieces, source = _connected(of, far, gap is None, block)
    block.cells = pieces
    block.depth = distance_transform_edt(~borders(block), sampling=block.step).astype(np.float32)
    return source - 2


def _uneven(block: Block, of: NDArray[np.int32], rows: tuple[float, float]) -> NDArray[np.int32]:
    """The same map with borders that bulge and dent by some nm, as no membrane is flat."""
    rng = block.stream("uneven")
    height = float(rng.uniform(rows[0], rows[1]))
    index = []
    for axis, size in enumerate(block.shape):
        bulge = correlated(rng, block.shape, [50 / s for s in block.step])
        line = np.arange(size, dtype=np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        moved = line + np.float32(height / block.step[axis]) * bulge
        index.append(np.clip(np.rint(moved), 0, size - 1).astype(np.int32))
    uneven: NDArray[np.int32] = of[tuple(index)]
    return uneven


def _dense(points: Vector, radii: Vector, step: float) -> tuple[Vector, Vector]:
    """The same course with a point every other voxel, at least."""
    count = len(points)
    if count < 2:
        return points, radii
    at = np.linspace(0, count - 1, int((count - 1) * max(1, round(SPACING / (2.0 * step)))) + 1)
    old = np.arange(count)
    return np.stack([np.interp(at, old, points[:, a]) for a in range(3)], axis=1), np.interp(at, old, radii)


def _connected(
    of: NDArray[np.int32], far: NDArray[np.float64], full: bool, block: Block
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Every connected piece becomes a cell of its own; crumbs go to the nearest cell."""
    cells = np.zeros(of.shape, np.uint16)
    source: list[int] = []
    for value, box in enumerate(find_objects(of), 1):
        if box is None:
            continue
        pieces, count = label(of[box] == value)
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        for piece in range(1, count + 1):
            if sizes[piece] >= SMALLEST:
                source.append(value)
                cells[box][pieces == piece] = len(source)
    crumbs = (cells == 0) & ((of > 0) | full)
    if crumbs.any() and source:
        nearest = distance_transform_edt(cells == 0, sampling=block.step, return_distances=False, return_indices=True)
        cells[crumbs] = cells[tuple(nearest)][crumbs]
    return cells, np.array(source)


def borders(block: Block) -> NDArray[np.bool_]:
    """Voxels beside another cell; along a coarse axis a border lies between the slices and is not seen."""
    border = np.zeros(block.shape, bool)
    for axis in range(3):
        if not block.coarse[axis]:
            low, high = ([slice(None)] * 3 for _ in range(2))
            low[axis], high[axis] = slice(None, -1), slice(1, None)
            differs = block.cells[tuple(low)] != block.cells[tuple(high)]
            border[tuple(low)] |= differs
            border[tuple(high)] |= differs
    return border
