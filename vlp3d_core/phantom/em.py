"""A block of neuropil as an electron microscope shows it, with the truth about every voxel.

A drawing by formulas, as all phantoms: tubes that fill a block, with membranes, mitochondria and synapses. It is not
a nervous system; what is learned on it is no evidence of performance on tissue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import UsageError
from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.em_block import Block
from vlp3d_core.phantom.em_grey import greys
from vlp3d_core.phantom.em_neurites import draw_courses, fill_cells
from vlp3d_core.phantom.em_organelles import Organelles, put_mitochondria, tear_membranes
from vlp3d_core.phantom.em_synapses import put_synapses
from vlp3d_core.phantom.facts import measure
from vlp3d_core.phantom.phantom import Phantom, seed_number
from vlp3d_core.phantom.shapes import Vector
from vlp3d_core.volume import Volume

NM = 1e-6
"""Millimetres in a nanometre."""
STEPS = (2.0, 60.0)
"""Voxel sizes that make a block, nm."""
MOST_VOXELS = 512**3


@dataclass(frozen=True)
class EMPhantom(Phantom):
    """A made-up EM volume with its truth.

    Attributes:
        instances: uint16, the volume's grid: which cell a voxel belongs to (its organelles included), 0 between cells;
            every instance is one connected piece. All instances together are the concept "neuron".
        bodies: instances that are cell bodies.
        gaps: uint16, 1 and up where a membrane is torn, 0 elsewhere.
    """

    instances: NDArray[np.uint16] = None  # type: ignore[assignment]
    bodies: tuple[int, ...] = ()
    gaps: NDArray[np.uint16] = None  # type: ignore[assignment]


def em_values() -> dict[str, int]:
    """Concept → label value, the same in every EM phantom."""
    return {name: value for value, name in enumerate(table("em")["concepts"], start=1)}


def make_em(seed: int, spacing: Sequence[float] | None = None, size: Sequence[int] | None = None) -> EMPhantom:
    """A procedural EM block, the same for the same arguments.

    Args:
        seed: any whole number from 0.
        spacing: voxel size in mm (8 nm are 8e-6); None: drawn, about 10 nm in all axes or sections of 40 nm. An axis
            of more than 20 nm that is twice as coarse as the others is one of sections.
        size: number of voxels along x, y and z; None: what the drawn microscope has (128×128×128 or 192×192×32).

    Raises:
        UsageError: a seed, spacing or size that makes no block.
    """
    block = Block(seed_number(seed), *_grid(seed, spacing, size), em_values())
    rows, rng = table("em"), block.stream("block")
    axis = int(rng.integers(3)) if rng.random() < rows["aligned"] else None
    gap = float(rng.uniform(0, 12)) if rng.random() < rows["loose"] else None
    body = _body(block, rows["cell_body"])
    courses = draw_courses(block, axis, body)
    of = fill_cells(block, courses, gap)
    soma = np.flatnonzero(of < 0) + 1
    organelles = Organelles()
    _first_labels(block, soma, rows["membrane"])
    if body is not None and len(soma):
        organelles.nucleus = _nucleus(block, body, soma)
    put_mitochondria(block, rows, courses, of, organelles)
    if block.fine <= rows["finest"]:
        put_synapses(block, rows, of, organelles)
        tear_membranes(block, rows, organelles)
    sections = any(block.coarse)
    affine = np.diag([*(block.step * NM), 1.0])
    affine[:3, 3] = block.step * NM / 2
    volume = Volume(greys(block, rows, soma, organelles, sections), affine, "EM")
    present = set(np.unique(block.labels).tolist())
    values = {value: name for name, value in em_values().items() if value in present}
    gaps = np.zeros(block.shape, np.uint16)
    for number, (box, hole) in enumerate(organelles.gaps, 1):
        gaps[box][hole] = number
    facts = measure(volume, block.labels, values)
    return EMPhantom(volume, block.labels, values, facts, "", block.cells, tuple(int(s) for s in soma), gaps)


def _grid(
    seed: int, spacing: Sequence[float] | None, size: Sequence[int] | None
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Shape and voxel size in nm."""
    rng = np.random.default_rng([seed, 8])
    scans: list[dict[str, Any]] = table("em")["scans"]
    scan = scans[int(rng.choice(len(scans), p=[s["chance"] for s in scans]))]
    drawn = np.array([rng.uniform(*step) for step in scan["step"]])
    drawn = np.round(np.full(3, drawn[0]) if scan["isotropic"] else np.array([drawn[0], drawn[0], drawn[2]]), 1)
    step = drawn if spacing is None else np.asarray(spacing, float) / NM
    count = np.asarray(size if size is not None else scan["size"])
    if spacing is not None and size is None:
        count = np.array(scans[1]["size"] if step.max() > 2 * step.min() else scans[0]["size"])
    if (
        step.shape != (3,)
        or not np.isfinite(step).all()
        or (step < STEPS[0] - 1e-6).any()
        or (step > STEPS[1] + 1e-6).any()
    ):
        raise UsageError(f"{spacing!r} is no spacing of an EM phantom.", "Give three voxel sizes from 2e-6 to 6e-5 mm.")
    if count.shape != (3,) or count.dtype.kind not in "iu" or (count < 8).any() or count.prod() > MOST_VOXELS:
        raise UsageError(
            f"{size!r} is no size of an EM phantom.", "Give three whole numbers from 8, 512³ voxels at most."
        )
    return (int(count[0]), int(count[1]), int(count[2])), np.round(step, 6)


def _body(block: Block, rows: dict[str, Any]) -> tuple[Vector, float] | None:
    """Centre and radius of a cell body that reaches into the block from a corner or side; None for most blocks."""
    rng = block.stream("cell body")
    if rng.random() >= rows["chance"]:
        return None
    radius, share = rng.uniform(*rows["radius"]), rng.uniform(*rows["share"])
    way = rng.choice([-1.0, 1.0], 3) * rng.uniform(0.3, 1.0, 3)
    way /= np.linalg.norm(way)
    middle = block.extent / 2
    index = np.stack(np.meshgrid(*[(np.arange(16) + 0.5) / 16] * 3, indexing="ij"), -1).reshape(-1, 3) * block.extent
    # The distance at which it fills its share of the block, by bisection.
    low, high = 0.0, radius + float(np.linalg.norm(block.extent))
    for _ in range(30):
        far = (low + high) / 2
        part = float((np.linalg.norm(index - (middle + far * way), axis=1) < radius).mean())
        low, high = (far, high) if part > share else (low, far)
    return middle + high * way, radius


def _first_labels(block: Block, soma: NDArray[np.int64], membrane: float) -> None:
    """Neurites, the cell body, the membranes between them and the space where there is none."""
    values = block.values
    block.labels[block.cells > 0] = values["neurite"]
    block.labels[np.isin(block.cells, soma)] = values["cell_body"]
    block.labels[(block.depth <= membrane) & (block.cells > 0)] = values["membrane"]
    block.labels[block.cells == 0] = values["extracellular_space"]


def _nucleus(block: Block, body: tuple[Vector, float], soma: NDArray[np.int64]) -> NDArray[np.bool_] | None:
    """A part of the cell body, which it is labelled as."""
    whole = (slice(0, block.shape[0]), slice(0, block.shape[1]), slice(0, block.shape[2]))
    inside: NDArray[np.bool_] = (block.distance(body[0], whole) < 0.68 * body[1]) & np.isin(block.cells, soma)
    return inside if inside.sum() > 200 else None
