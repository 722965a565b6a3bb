"""Synapses of a block: a dark cleft between two cells, a density on one side, a cloud of vesicles on the other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from vlp3d_core.phantom.canvas import Box
from vlp3d_core.phantom.em_block import Block, Mask
from vlp3d_core.phantom.em_organelles import TRIES, VISIBLE, Organelles, largest, touches
from vlp3d_core.phantom.shapes import Vector


def put_synapses(block: Block, table: dict[str, Any], of: NDArray[np.int64], into: Organelles) -> None:
    """Contacts with a cleft, a density behind it and a cloud of vesicles before it; some clouds without a contact."""
    rng, rows = block.stream("synapses"), table["synapses"]
    wanted = max(1, round(block.um3 / rng.uniform(*rows["volume_each"])))
    soma = np.flatnonzero(of < 0) + 1
    border = np.argwhere((block.depth <= 0) & (block.cells > 0) & (block.labels != block.values["extracellular_space"]))
    made = 0
    for _ in range(TRIES * wanted):
        if made >= wanted or not len(border):
            break
        site = block.place(border[rng.integers(len(border))])
        if _synapse(block, table, site, rng.uniform(*rows["radius"]), rng, soma, into):
            made += 1
    for _ in range(round(wanted * rows["reserve"] * 2 * rng.random())):
        for _ in range(TRIES):
            here = np.array(block.voxel(rng.uniform(0, 1, 3) * block.extent))
            place = tuple(here)
            if block.depth[place] < 70 or block.cells[place] in soma or not block.cells[place]:
                continue
            centre = block.place(here)
            box = block.box(centre, 260)
            cell = block.cells[box] == block.cells[place]
            if _cloud(block, table, box, cell, centre, rng.uniform(90, 160), rng, into):
                break


def _synapse(
    block: Block, table: dict[str, Any], site: Vector, radius: float, rng: Generator, soma: NDArray[np.int64],
    into: Organelles,
) -> bool:  # fmt: skip
    """Both sides of one contact; False where the contact is too small or something is there already."""
    box = block.box(site, 3 * radius)
    cells, labels, values = block.cells[box], block.labels[box], block.values
    near = block.distance(site, box)
    sides = np.unique(cells[(near < 1.5 * float(block.step.max())) & (cells > 0)])
    sides = sides[~np.isin(sides, soma)]
    if len(sides) < 2:
        return False
    disc = near < radius
    rooms = {int(s): int(((cells == s) & (near < 2 * radius)).sum()) for s in sides}
    before, after = sorted(rooms, key=lambda s: -rooms[s])[:2]
    flat = [*block.step[:2], max(float(block.step[2]), 1e-3)]
    to_before = distance_transform_edt(cells != before, sampling=flat)
    to_after = distance_transform_edt(cells != after, sampling=flat)
    thin = float(max(table["cleft"], 1.01 * block.step[:2].max()))
    contact = disc & (((cells == before) & (to_after <= thin)) | ((cells == after) & (to_before <= thin)))
    plain = np.isin(labels, [values["neurite"], values["membrane"]])
    dense = disc & (cells == after) & ~contact & plain & (to_before <= thin + table["density"])
    dense &= near < radius * 0.95
    area = contact.sum() * float(np.prod(block.step)) / (2 * thin)
    if area < np.pi * (0.6 * radius) ** 2 or dense.sum() < VISIBLE or (contact & ~plain).any():
        return False
    contact, dense = largest(contact), largest(dense)
    if dense.sum() < VISIBLE or any(
        touches(block, box, mask, name) for mask in (contact, dense) for name in ("synapse", "postsynaptic_density")
    ):
        return False
    inward = site + _normal(block, box, (cells == before) & disc, site) * 0.9 * radius
    if not _cloud(block, table, box, (cells == before) & ~contact, inward, 1.25 * radius, rng, into):
        return False
    labels[contact] = values["synapse"]
    labels[dense & (labels != values["vesicle_cloud"])] = values["postsynaptic_density"]
    return True


def _normal(block: Block, box: Box, side: Mask, site: Vector) -> Vector:
    """Unit vector from a place into the middle of a mask."""
    if not side.any():
        return np.zeros(3)
    way = block.place(np.argwhere(side).mean(axis=0) + [s.start for s in box]) - site
    unit: Vector = way / max(float(np.linalg.norm(way)), 1e-6)
    return unit


def _cloud(
    block: Block, table: dict[str, Any], box: Box, cell: Mask, centre: Vector, reach: float, rng: Generator,
    into: Organelles,
) -> bool:  # fmt: skip
    """Vesicles about a place within a cell, and the label about them; False where there is no room for six."""
    size, apart = table["vesicle"]["radius"], table["vesicle"]["apart"]
    room = cell & (block.labels[box] == block.values["neurite"]) & (block.depth[box] > 8)
    inner = room & (block.depth[box] > size)
    lattice = np.stack(np.meshgrid(*[np.arange(-reach, reach + apart, apart)] * 3, indexing="ij"), -1).reshape(-1, 3)
    lattice = lattice + rng.uniform(-0.3, 0.3, lattice.shape) * apart
    lattice = centre + lattice[np.linalg.norm(lattice, axis=1) < reach * rng.uniform(0.85, 1.0, len(lattice))]
    low = np.array([s.start for s in box])
    index = np.floor(lattice / block.step).astype(int) - low
    fits = ((index >= 0) & (index < inner.shape)).all(axis=1)
    lattice, index = lattice[fits], index[fits]
    held = inner[tuple(index.T)]
    lattice = lattice[held & (rng.random(len(lattice)) < 0.9)]
    if len(lattice) < 6:
        return False
    mask = np.zeros(room.shape, bool)
    for place in lattice:
        part = block.box(place, 1.6 * size + float(block.step.max()) / 2)
        inside = tuple(
            slice(max(s.start, b.start) - b.start, min(s.stop, b.stop) - b.start)
            for s, b in zip(part, box, strict=True)
        )
        i, j, k = (slice(s.start + b.start, s.stop + b.start) for s, b in zip(inside, box, strict=True))
        mask[inside] |= block.distance(place, (i, j, k)) < 1.6 * size + float(block.step[:2].max()) / 2
    mask = largest(mask & room)
    if mask.sum() < VISIBLE or touches(block, box, mask, "vesicle_cloud"):
        return False
    index = np.floor(lattice / block.step).astype(int) - low
    lattice = lattice[mask[tuple(index.T)]]
    if len(lattice) < 6:
        return False
    block.labels[box][mask] = block.values["vesicle_cloud"]
    into.vesicles += list(lattice)
    return True
