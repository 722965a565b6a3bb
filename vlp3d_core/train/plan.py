"""From facts about volumes to the settings of a segmentation, in the spirit of nnU-Net's fingerprint (Isensee 2021).

Spacing is the median of the data, coarsened from the finest axis on until a patch that a computer can hold sees enough
of the labelled region. Nothing is read here, and the same facts make the same plan.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.train.case_facts import CaseFacts, Triple

CONTEXT = 1.25
"""The patch sees the labelled region and an eighth more on either side."""

LEAST_VOXELS = 64
"""The smallest structure keeps this many voxels, 4 along each edge, even where the patch then sees only a part."""

STEP = 1.02
"""Spacing is coarsened by 2 % until it does: finer steps would change no patch."""

PERCENTILES = {"MR": (1.0, 99.5), "EM": (0.5, 99.5), "PT": (1.0, 99.9)}
"""For values without a scale, of the voxels above background; what is hot in PET is small."""

SHOWN = 6
"""Names that a sentence lists."""

CT_RANGE = (-1000.0, 3000.0)
LEAST_WINDOW, MARGIN = 300.0, 100.0
"""HU: of a whole window, and on either side of the structures' values."""


@dataclass(frozen=True)
class Budget:
    """What a run can hold, of a template's `plan`.

    Attributes:
        patch_voxels: of one patch, at most.
        volume_voxels: of the largest volume, which is validated as a whole.
        seen: part of the labelled region that a patch should see, by volume.
    """

    patch_voxels: int
    volume_voxels: int
    seen: float


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Attributes:
        settings: concepts, modality, spacing, normalisation and patch.
        text: what it was decided from, in one paragraph.
    """

    settings: dict[str, Any]
    text: str


def plan(
    facts: Sequence[CaseFacts],
    validated: Sequence[Triple],
    modality: str,
    budget: Budget,
    stride: int,
    given: Mapping[str, Any] | None = None,
) -> Plan:
    """Settings for the structures that the facts show.

    Args:
        facts: of the training cases, one at least with a structure.
        validated: extents in mm of the volumes to validate on.
        modality: of all of them.
        budget: what a run can hold; the patch may go beyond it only where two strides of the encoder do.
        stride: of the encoder: the patch's edges are multiples of it, two at least.
        given: settings that are decided already, as they shall be; the others are planned to fit them.

    Raises:
        MedVLPError: the facts show no structure.
        UsageError: a given patch that the encoder cannot take.
    """
    given = given or {}
    sizes = _sizes(facts)
    if not sizes:
        raise MedVLPError("No label map of the training volumes shows a structure.", "Check the manifest's labels.")
    field = _field(facts)
    if "patch" in given:
        patch = tuple(given["patch"])
        if any(n % stride for n in patch):
            raise UsageError(f"The setting patch must have multiples of {stride}.", "Correct it, or leave it out.")
        budget = Budget(math.prod(patch), budget.volume_voxels, budget.seen)
    median = _median([f.spacing for f in facts])
    if "spacing" in given:
        spacing = tuple(given["spacing"])
    else:
        largest = [max(edges) for edges in zip(*(f.extent for f in facts), *validated, strict=True)]
        spacing = _spacing(median, field, largest, min(sizes.values()), budget)
    if "patch" not in given:
        patch = fit_patch([edge / mm for edge, mm in zip(field, spacing, strict=True)], stride, budget.patch_voxels)
    settings = {
        "modality": modality,
        "concepts": list(given.get("concepts", sizes)),
        "spacing": list(spacing),
        "normalisation": given.get("normalisation") or _normalisation(facts, modality),
        "patch": list(patch),
    }
    return Plan(settings, _text(facts, settings, median, field, sizes))


def fit_patch(wanted: Sequence[float], stride: int, most: int) -> tuple[int, int, int]:
    """The patch that covers `wanted` voxels, of at most `most`, else as much of each edge as of the others.

    Edges are multiples of `stride`, two at least: less would leave nothing to normalise at the coarsest stage.
    """
    edges = [max(2, math.ceil(n / stride - 1e-6)) for n in wanted]
    while math.prod(edges) * stride**3 > most and max(edges) > 2:
        longest = max((n for n in range(3) if edges[n] > 2), key=lambda n: (edges[n] * stride / wanted[n], -n))
        edges[longest] -= 1
    i, j, k = (n * stride for n in edges)
    return i, j, k


def _spacing(median: Triple, field: Triple, largest: Sequence[float], smallest: float, budget: Budget) -> Triple:
    """The finest spacing, the data's or coarser, that keeps the budget; see the constants above.

    Args:
        field, largest: in mm, what a patch should see, and a box that holds every volume.
        smallest: mm³ of the smallest structure.
    """
    finest = [_rounded_up(mm) for mm in median]
    limit, spacing = min(finest), finest
    while True:
        # A structure of the size of a few voxels stops the coarsening, but memory does not ask what is small.
        seen = _voxels(field, spacing) * budget.seen <= budget.patch_voxels
        small = math.prod(spacing) * STEP**3 * LEAST_VOXELS > smallest
        if (seen or small) and _voxels(largest, spacing) <= budget.volume_voxels:
            r, a, s = spacing
            return r, a, s
        limit *= STEP
        spacing = [max(mm, _rounded_up(limit)) for mm in finest]


def _voxels(extent: Sequence[float], spacing: Sequence[float]) -> int:
    return math.prod(math.ceil(edge / mm) for edge, mm in zip(extent, spacing, strict=True))


def _normalisation(facts: Sequence[CaseFacts], modality: str) -> dict[str, Any]:
    """Percentiles, or for CT the window that holds each structure with a margin."""
    if modality != "CT":
        low, high = PERCENTILES[modality]
        return {"kind": "percentile", "low": low, "high": high}
    ranges: dict[str, list[tuple[float, float]]] = {}
    for case in facts:
        for name, one in case.structures.items():
            if one.low is not None and one.high is not None:
                ranges.setdefault(name, []).append((one.low, one.high))
    if not ranges:
        return {"kind": "window", "low": CT_RANGE[0], "high": 1000.0}
    middle = [np.median(values, axis=0) for values in ranges.values()]
    low, high = float(min(m[0] for m in middle)), float(max(m[1] for m in middle))
    # What surrounds the structures must not all look alike, and noise must not fill the window.
    more = max(MARGIN, (LEAST_WINDOW - (high - low)) / 2)
    low, high = (float(np.clip(v, *CT_RANGE)) for v in (low - more, high + more))
    low, high = min(low, CT_RANGE[1] - LEAST_WINDOW), max(high, CT_RANGE[0] + LEAST_WINDOW)
    return {"kind": "window", "low": math.floor(low / 10) * 10, "high": math.ceil(high / 10) * 10}


def _field(facts: Sequence[CaseFacts]) -> Triple:
    """What a patch should see, in mm: the labelled region of most volumes with its surroundings, not more than they."""
    region = _median([f.labelled for f in facts if f.labelled is not None])
    whole = _median([f.extent for f in facts])
    r, a, s = (min(CONTEXT * edge, most) for edge, most in zip(region, whole, strict=True))
    return r, a, s


def _sizes(facts: Sequence[CaseFacts]) -> dict[str, float]:
    """Median mm³ of each structure, by name."""
    names = sorted({name for case in facts for name in case.structures})
    return {n: float(np.median([case.structures[n].mm3 for case in facts if n in case.structures])) for n in names}


def _median(triples: Sequence[Triple]) -> Triple:
    r, a, s = (float(mm) for mm in np.median(np.array(triples), axis=0))
    return r, a, s


def _rounded_up(mm: float) -> float:
    """To four digits, never finer; what comes from a header in single precision is as short as it was written."""
    digits = 3 - math.floor(math.log10(mm))
    return float(f"{math.ceil(mm * 10.0**digits * (1 - 1e-7)) / 10.0**digits:.4g}")


def _text(
    facts: Sequence[CaseFacts],
    settings: Mapping[str, Any],
    median: Triple,
    field: Triple,
    sizes: Mapping[str, float],
) -> str:
    spacing, patch, names = settings["spacing"], settings["patch"], settings["concepts"]
    looked = sum(bool(f.structures) for f in facts)
    several = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    finer = any(mm > 1.01 * own for mm, own in zip(spacing, median, strict=True))
    covered = by([n * mm for n, mm in zip(patch, spacing, strict=True)])
    normalisation = settings["normalisation"]
    text = (
        f"Planned from {len(facts)} volumes of {settings['modality']} and {looked} label maps: "
        f"{', '.join(names[:SHOWN])}{several}; {by(spacing)} mm (volumes: {by(median) if finer else 'the same'}); "
        f"patches of {by(patch)} voxels, {covered} mm (labelled region with its surroundings: {by(field)}); "
        f"{normalisation.get('kind')} {normalisation.get('low')} to {normalisation.get('high')}."
    )
    coarse = [name for name in names if 0 < sizes.get(name, 0.0) < LEAST_VOXELS / 4 * math.prod(spacing)]
    if coarse:
        text += f" At this spacing few voxels are left of {', '.join(coarse)}; spacing=[…] makes it finer."
    return text


def by(values: Sequence[float]) -> str:
    """ "1.5 x 1.5 x 3" """
    return " x ".join(f"{v:.3g}" for v in values)
