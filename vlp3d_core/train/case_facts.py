"""What the volumes of a manifest are like, as far as a plan needs it: grids from headers, labels of a few of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from vlp3d_core.errors import MedVLPError
from vlp3d_core.progress import Progress, silent
from vlp3d_core.train.manifest import Case
from vlp3d_core.volume.grid import Grid, nearest_axes
from vlp3d_core.volume.read import read_grid, read_volume
from vlp3d_core.volume.read_labels import read_labels

Triple = tuple[float, float, float]

FEW = 12
"""This many label maps, evenly spread over the cases, say how large structures are; more only to see every name."""

VOXELS = 100_000
"""Intensities of a structure are taken from about this many of its voxels."""


@dataclass(frozen=True)
class Structure:
    """One structure in one volume.

    Attributes:
        mm3: its size.
        low, high: percentiles 5 and 95 of the raw values in it, so that an airway's air or a tooth's filling does not
            count; None where the image was not opened.
    """

    mm3: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CaseFacts:
    """One volume.

    Attributes:
        spacing, extent: of a voxel and of the whole grid in mm, along the grid's axes next to R, A and S.
        modality: of the manifest, or of the file where the image was opened; "" for not known.
        labelled: edges of the box around all wanted structures in mm, along the same axes; None where the label map was
            not opened or shows none.
        structures: by concept; {} where the label map was not opened.
    """

    spacing: Triple
    extent: Triple
    modality: str = ""
    labelled: Triple | None = None
    structures: Mapping[str, Structure] = field(default_factory=dict)


def labelled_in(case: Case) -> dict[int, str]:
    """Label value → name of the structures that somebody looked for and may have drawn in this case."""
    if case.label is None:
        return {}
    return {v: name for v, name in case.labels.items() if case.contoured is None or name in case.contoured}


def case_facts(cases: Sequence[Case], concepts: Collection[str], progress: Progress = silent) -> list[CaseFacts]:
    """Facts of each case, in their order, the same for the same files.

    Images are opened only beside a label map, and only where their values count: those of CT, which have a scale, and
    those whose modality nobody wrote down.

    Args:
        concepts: the wanted structures.

    Raises:
        MedVLPError: a file cannot be read, or a label map does not lie on its image's grid.
    """
    facts = {n: from_header(case) for n, case in enumerate(cases)}
    unseen = {name for case in cases for name in labelled_in(case).values()} & set(concepts)
    for opened, n in enumerate(_spread([n for n, case in enumerate(cases) if case.label is not None])):
        names = {v: name for v, name in labelled_in(cases[n]).items() if name in concepts}
        if opened >= FEW and unseen.isdisjoint(names.values()):
            continue
        facts[n] = _with_labels(cases[n], facts[n], names)
        unseen -= set(facts[n].structures)
        progress("looking through", (opened + 1) / len(cases))
    return [facts[n] for n in range(len(cases))]


def _spread(indices: Sequence[int]) -> Iterable[int]:
    """All indices, `FEW` evenly spread ones first."""
    first = [indices[i] for i in sorted({round(x) for x in np.linspace(0, len(indices) - 1, FEW)})] if indices else []
    return dict.fromkeys([*first, *indices])


def from_header(case: Case) -> CaseFacts:
    """What is known without opening a voxel; raises MedVLPError for a header that cannot be read."""
    grid = read_grid(case.image)
    return CaseFacts(_along(grid, grid.spacing), _along(grid, _edges(grid)), case.modality)


def _with_labels(case: Case, facts: CaseFacts, names: Mapping[int, str]) -> CaseFacts:
    assert case.label is not None
    labels, affine = read_labels(case.label)
    i, j, k = labels.shape
    grid = Grid((i, j, k), affine)
    image, modality = None, case.modality
    if case.modality in ("CT", ""):
        volume = read_volume(case.image, modality=case.modality or None)
        image, modality = volume.array, volume.modality
        if image.shape != labels.shape:
            raise MedVLPError(
                f"The label map {case.label} does not lie on the grid of {case.image}.",
                "Resample it to the image's grid first.",
            )
    boxes = find_objects(labels)  # those of value 1, 2, …; None for a value that does not occur
    found = {v: boxes[v - 1] for v in sorted(names) if v <= len(boxes) and boxes[v - 1] is not None}
    structures: dict[str, Structure] = {}
    for value, box in found.items():
        inside = labels[box] == value
        values = None if image is None else image[box][inside]
        one = _structure(int(inside.sum()) * grid.voxel_ml * 1000, values)
        before = structures.get(names[value])  # two values may have one name
        structures[names[value]] = one if before is None or one.mm3 > before.mm3 else before
    if not found:
        return CaseFacts(facts.spacing, facts.extent, modality)
    first, last = ([[getattr(s, end) for s in box] for box in found.values()] for end in ("start", "stop"))
    edges = (np.max(last, axis=0) - np.min(first, axis=0)) * np.array(grid.spacing)
    return CaseFacts(facts.spacing, facts.extent, modality, _along(grid, edges), structures)


def _structure(mm3: float, values: NDArray[np.float32] | None) -> Structure:
    if values is None:
        return Structure(mm3)
    low, high = np.percentile(values[:: max(1, len(values) // VOXELS)], [5, 95])
    return Structure(mm3, float(low), float(high))


def _edges(grid: Grid) -> NDArray[np.float64]:
    return np.array(grid.spacing) * np.array(grid.shape)


def _along(grid: Grid, values: Sequence[float] | NDArray[np.floating[Any]]) -> Triple:
    """What is said of the array's axes, in the order R, A, S."""
    r, a, s = (float(values[axis]) for axis in nearest_axes(grid.affine))
    return r, a, s
