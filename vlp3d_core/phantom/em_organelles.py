"""What lies in and between the cells of a block: mitochondria and torn membranes; em_synapses.py has the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, label

from vlp3d_core.phantom.canvas import Box
from vlp3d_core.phantom.em_block import Block, Mask
from vlp3d_core.phantom.em_neurites import Courses
from vlp3d_core.phantom.shapes import Vector

VISIBLE = 40
"""Voxels that a mitochondrion, cloud or density must have to be told from noise."""
TRIES = 40


@dataclass
class Organelles:
    """What was put into a block, for the greys and the facts.

    Attributes:
        mitochondria: box and voxels of each.
        vesicles: centres in nm, shape (V, 3).
        gaps: box and voxels of each torn membrane.
        nucleus: voxels of the nucleus, or None.
    """

    mitochondria: list[tuple[Box, Mask]] = field(default_factory=list)
    vesicles: list[Vector] = field(default_factory=list)
    gaps: list[tuple[Box, Mask]] = field(default_factory=list)
    nucleus: Mask | None = None


def put_mitochondria(
    block: Block, table: dict[str, Any], courses: Courses, of: NDArray[np.int64], into: Organelles
) -> None:
    """Sausages along neurites that are wide enough, and some in the cell body."""
    rng, rows = block.stream("mitochondria"), table["mitochondria"]
    wanted = max(1, round(block.um3 / rng.uniform(*rows["volume_each"])))
    soma = np.flatnonzero(of < 0) + 1
    for _ in range(TRIES * wanted):
        if len(into.mitochondria) >= wanted:
            break
        start = rng.uniform(0, 1, 3) * block.extent
        here = block.voxel(start)
        cell = int(block.cells[here])
        if not cell or block.labels[here] not in (block.values["neurite"], block.values["cell_body"]):
            continue
        body = cell in soma
        if body and rng.random() < 0.5:
            continue
        half = rng.uniform(*rows["half"])
        line = _straight(rng, start, half) if body else _stretch(courses, int(of[cell - 1]), start, half)
        thick = rng.uniform(*rows["radius"])
        found = _sausage(block, cell, line, thick, rows["radius"][0], into.nucleus, rng)
        if found is not None:
            box, mask = found
            block.labels[box][mask] = block.values["mitochondrion"]
            into.mitochondria.append(found)


def _straight(rng: Generator, start: Vector, half: float) -> Vector:
    way = rng.normal(size=3)
    line: Vector = start + np.linspace(-half, half, 16)[:, None] * way / np.linalg.norm(way)
    return line


def _stretch(courses: Courses, number: int, start: Vector, half: float) -> Vector:
    """The part of a course about its point nearest to a place."""
    points, _ = courses.along(number)
    middle = int(np.argmin(np.linalg.norm(points - start, axis=1)))
    way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    at = np.linspace(way[middle] - half, way[middle] + half, 24)
    at = at[(at >= 0) & (at <= way[-1])]
    return np.stack([np.interp(at, way, points[:, a]) for a in range(3)], axis=1)


def _sausage(
    block: Block, cell: int, line: Vector, thick: float, thin: float, nucleus: Mask | None, rng: Generator
) -> tuple[Box, Mask] | None:
    """Balls along a line within one cell, as thick as there is room; None where that is too thin or touches another."""
    line = line[block.inside(line)]
    if len(line) < 3:
        return None
    depth = np.array([block.depth[block.voxel(p)] if block.cells[block.voxel(p)] == cell else 0 for p in line])
    taper = np.sqrt(np.clip(1 - np.linspace(-1, 1, len(line)) ** 4, 0.05, 1))
    radii = (
        np.minimum(depth * 0.85 - 6, thick * (1 + 0.12 * np.sin(np.linspace(0, rng.uniform(4, 9), len(line))))) * taper
    )
    keep = radii > 0.6 * thin
    if keep.sum() < 3 or float(np.median(radii[keep])) < max(thin, 2.0 * float(block.step[:2].max())):
        return None
    painted = block.balls(line[keep], radii[keep])
    if painted is None:
        return None
    box, mask = painted
    free = (block.labels[box] == block.values["neurite"]) | (block.labels[box] == block.values["cell_body"])
    mask &= (block.cells[box] == cell) & free & (block.depth[box] > 14)
    pieces, count = label(mask)
    if not count:
        return None
    mask = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    if mask.sum() < VISIBLE or touches(block, box, mask, "mitochondrion"):
        return None
    if nucleus is not None and (binary_dilation(mask, iterations=3) & nucleus[box]).any():
        return None
    return box, mask


def touches(block: Block, box: Box, mask: Mask, concept: str, far: int = 2) -> bool:
    """Whether something of this concept lies within `far` voxels."""
    wide = tuple(slice(max(s.start - far, 0), min(s.stop + far, n)) for s, n in zip(box, block.shape, strict=True))
    padded = np.zeros([w.stop - w.start for w in wide], bool)
    padded[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(box, wide, strict=True))] = mask
    near = binary_dilation(padded, np.ones((3, 3, 3)), iterations=far)
    return bool((near & (block.labels[wide] == block.values[concept])).any())


def largest(mask: Mask) -> Mask:
    """Its largest connected piece."""
    pieces, count = label(mask)
    if count < 2:
        return mask
    kept: Mask = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return kept


def tear_membranes(block: Block, table: dict[str, Any], into: Organelles) -> None:
    """Holes in membranes between two cells, as poor fixation leaves them."""
    rng, rows = block.stream("gaps"), table["gaps"]
    if rng.random() >= rows["chance"]:
        return
    wanted = int(rng.integers(1, rows["most"] + 1))
    border = np.argwhere((block.depth <= 0) & (block.labels == block.values["membrane"]))
    for _ in range(TRIES * wanted):
        if len(into.gaps) >= wanted or not len(border):
            break
        centre = block.place(border[rng.integers(len(border))])
        radius = rng.uniform(*rows["radius"])
        box = block.box(centre, 1.5 * radius)
        hole = largest((block.distance(centre, box) < radius) & (block.labels[box] == block.values["membrane"]))
        others = np.isin(block.labels[box], [block.values["synapse"], block.values["extracellular_space"]])
        if others.any() or hole.sum() < VISIBLE or len(np.unique(block.cells[box][hole])) != 2:
            continue
        if any(
            all(a.start < b.stop and b.start < a.stop for a, b in zip(box, old, strict=True)) for old, _ in into.gaps
        ):
            continue
        block.labels[box][hole] = block.values["neurite"]
        into.gaps.append((box, hole))
