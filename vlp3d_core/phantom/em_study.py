"""An EM study: a block of neuropil, the facts that are measured in its labels, and a report that says them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects, label

from vlp3d_core.phantom.atlas import table
from vlp3d_core.phantom.em import NM, EMPhantom, make_em
from vlp3d_core.phantom.em_block import Mask
from vlp3d_core.phantom.study import OMIT, Study
from vlp3d_core.text.report import Finding, StudyFacts, write_report
from vlp3d_core.text.report.kinds import kinds

LOOSE = 0.02
"""Part of a block that is extracellular space, from which its neurites are loosely packed."""
ALIGNED, MIXED = 0.65, 0.5
"""How much of the neurites' course lies along one axis (mean squared cosine; a third in all directions alike) to be
called aligned, and below which there is no preferred orientation."""
AXES = "xyz"


def make_em_study(
    seed: int, spacing: Sequence[float] | None = None, omit: float = OMIT, size: Sequence[int] | None = None
) -> Study:
    """An EM block with a report, the same for the same arguments.

    Every count, size and orientation in the facts is measured in the labels and instances.

    Args:
        seed, spacing, size: as for `make_em`.
        omit: part of the absent that the report leaves unsaid.

    Raises:
        UsageError: a seed, spacing or size that makes no block.
    """
    phantom = make_em(seed, spacing, size)
    shown = {name: phantom.labels == value for value, name in phantom.values.items()}
    findings = [f for f in (_packing(phantom, shown), *_counted(phantom, shown)) if f is not None]
    along = orientation(phantom)
    if along.max() >= ALIGNED:
        findings.append(Finding("neurite_orientation", density=f"{AXES[int(along.argmax())]}-aligned"))
    if "cell_body" in shown:
        findings.append(Finding("cell_body"))
    found = {f.kind for f in findings}
    none = {name for name, kind in kinds().items() if "EM" in kind.modalities and name not in found}
    if sorted(phantom.volume.spacing)[1] / NM > table("em")["finest"]:  # voxels too large to look for them
        none -= {"vesicle_cloud", "synapse", "membrane_gap"}
    if along.max() >= MIXED:  # neither aligned nor mixed: nothing is said
        none.discard("neurite_orientation")
    regions = {"neuropil"} | ({"perikaryon"} if "cell_body" in shown else set())
    facts = StudyFacts.of("EM", regions=regions, findings=findings, none=none)
    marks, drawn = _marks(phantom, shown, facts)
    return Study(phantom, marks, drawn, facts, write_report(facts, seed, omit=omit))


def _packing(phantom: EMPhantom, shown: dict[str, Mask]) -> Finding | None:
    """How many neurites there are, and how dense they lie."""
    count = len(set(np.unique(phantom.instances).tolist()) - {0, *phantom.bodies})
    space = float(shown["extracellular_space"].mean()) if "extracellular_space" in shown else 0.0
    density = "loosely packed" if space >= LOOSE else "densely packed"
    return Finding("neurite", count=count, density=density) if count else None


def _counted(phantom: EMPhantom, shown: dict[str, Mask]) -> list[Finding]:
    """What is counted by its connected pieces; mitochondria are measured as well."""
    findings = []
    for kind in ("mitochondrion", "vesicle_cloud", "synapse"):
        pieces, count = label(shown[kind]) if kind in shown else (None, 0)
        if pieces is None or not count:
            continue
        size = max(_longest(pieces, phantom)) if kind == "mitochondrion" else 0
        findings.append(Finding(kind, count=count, size_nm=round(size)))
    if gaps := int(phantom.gaps.max()):
        findings.append(Finding("membrane_gap", count=gaps))
    return findings


def _longest(pieces: NDArray[Any], phantom: EMPhantom) -> list[float]:
    """Longest diameter of each piece in nm: the widest of its projections on 200 directions, voxels included."""
    step = np.array(phantom.volume.spacing) / NM
    number = np.arange(200) + 0.5
    height, turn = 1 - number / 200, np.pi * (1 + 5**0.5) * number  # a spiral over the half sphere
    flat = np.sqrt(1 - height**2)
    ways = np.stack([flat * np.cos(turn), flat * np.sin(turn), height], axis=1)
    sizes = []
    for value, box in enumerate(find_objects(pieces), 1):
        points = np.argwhere(pieces[box] == value) * step
        sizes.append(float((np.ptp(points @ ways.T, axis=0) + np.abs(ways) @ step).max()))
    return sizes


def orientation(phantom: EMPhantom) -> NDArray[np.float64]:
    """Squared cosine of the neurites' main axes with x, y and z, the mean over their volume; adds up to 1."""
    step = np.array(phantom.volume.spacing) / NM
    total, weight = np.zeros(3), 0.0
    for value, box in enumerate(find_objects(phantom.instances.astype(np.int32)), 1):
        if box is None or value in phantom.bodies:
            continue
        points = np.argwhere(phantom.instances[box] == value) * step
        centred = points - points.mean(axis=0)
        axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        total += axis**2 * len(points)
        weight += len(points)
    mean: NDArray[np.float64] = total / weight if weight else np.full(3, 1 / 3)
    return mean


def _marks(phantom: EMPhantom, shown: dict[str, Mask], facts: StudyFacts) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Where each finding is that has a place of its own."""
    marks = np.zeros(phantom.labels.shape, np.uint8)
    masks = {**shown, "membrane_gap": phantom.gaps > 0}
    drawn = [f.kind for f in facts.findings if f.kind in masks and f.kind != "neurite"]
    for number, kind in enumerate(drawn, 1):
        marks[masks[kind]] = number
    return marks, tuple(drawn)
