"""Which models may fit a volume, by what is known without a network: modality, spacing and field of view.

A model is a card, or a row of `service.catalogue`: both have "modality", "spacing" and "field".
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.text.concepts import concepts
from vlp3d_core.volume.grid import Grid
from vlp3d_core.volume.modality import cannot_be_ct, must_be_ct
from vlp3d_core.volume.volume import Volume

COARSER = 4.0
"""Voxels so many times larger than a model's show too little of what it knows; smaller ones are no hindrance."""
SLACK = 3.0
"""A volume may be this much smaller than the smallest, or larger than the largest, that a model's field was seen in;
along one axis it may be thinner still, for a slab shows a part of the field."""
FEWEST = 8
"""Voxels of the model along the longest edge of a volume."""
SOME = 4
"""Anchors that are named."""


@dataclass(frozen=True)
class Facts:
    """What is known of a volume.

    Attributes:
        modality: "" where neither the file nor its values say.
        spacing: in mm.
        extent: along R, A and S in mm.
        excluded: modalities that its values rule out.
    """

    modality: str
    spacing: tuple[float, ...]
    extent: tuple[float, ...]
    excluded: Collection[str] = ()

    @staticmethod
    def of(volume: Volume) -> Facts:
        """Of a volume in memory."""
        r0, r1, a0, a1, s0, s1 = Grid.of(volume).bounds
        out = () if volume.modality else excluded(volume.array)
        return Facts(volume.modality, volume.spacing, (r1 - r0, a1 - a0, s1 - s0), out)

    def text(self) -> str:
        """ "CT, spacing 1 x 1 x 3 mm, 250 x 250 x 180 mm"."""
        modality = self.modality or "modality not said"
        return f"{modality}, spacing {lengths(self.spacing)}, {lengths(self.extent)} in all"


def excluded(array: NDArray[Any]) -> tuple[str, ...]:
    """Modalities that the values of a volume, shape (I, J, K), rule out."""
    return ("CT",) if cannot_be_ct(array) else ("MR", "PT") if must_be_ct(array) else ()


def misfit(model: Mapping[str, Any], facts: Facts) -> str:
    """Why a model is not for a volume, in few words; "" where it may be."""
    modality, spacing = model["modality"], sorted(model["spacing"])
    if modality and (facts.modality or modality) != modality:
        return f"the volume is {facts.modality}"
    if modality in facts.excluded:
        return f"the volume's values are not those of {modality}"
    if sorted(facts.spacing)[1] > COARSER * spacing[1]:
        return "the volume's voxels are too large"
    if max(facts.extent) < FEWEST * spacing[1]:
        return "the volume is too small"
    extent = model["field"].get("extent")
    if extent and sum(e < least / SLACK for e, least in zip(facts.extent, extent["least"], strict=True)) > 1:
        return "the volume is too small"
    if extent and any(e > SLACK * most for e, most in zip(facts.extent, extent["most"], strict=True)):
        return "the volume shows far more"
    return ""


def needs(model: Mapping[str, Any]) -> str:
    """What a volume must be and show: "CT, about 3.9 x 3.9 x 2.5 mm, with brainstem, larynx or mandible"."""
    parts = [model["modality"] or "any modality", f"about {lengths(model['spacing'])}"]
    extent = model["field"].get("extent")
    if extent:
        parts.append(f"{lengths(extent['least'])} to {lengths(extent['most'])} in all")
    shown = shows(model)
    return ", ".join([*parts, shown] if shown else parts)


def shows(model: Mapping[str, Any]) -> str:
    """The region: the card's own words, else its anchors; "" for a model that takes everything."""
    field, known = model["field"], concepts()
    names = [known[name].name.lower() if name in known else name for name in field.get("anchors", ())]
    if field.get("text") or not names:
        return str(field.get("text", ""))
    some = names if len(names) <= SOME else [*names[:SOME], f"{len(names) - SOME} more"]
    return "with " + (f"{', '.join(some[:-1])} or {some[-1]}" if some[1:] else some[0])


def apart(one: Sequence[float], other: Sequence[float]) -> float:
    """How many times coarser or finer, as a logarithm: the order of the axes does not matter."""
    return float(np.abs(np.log(np.maximum(sorted(one), 1e-9) / np.maximum(sorted(other), 1e-9))).sum())


def lengths(values: Sequence[float]) -> str:
    """ "3.9 x 3.9 x 2.5 mm", or nm where millimetres would be all zeros."""
    factor, unit = (1e6, "nm") if max(values) < 1e-2 else (1, "mm")
    return " x ".join(f"{v:.0f}" if v >= 10 else f"{v:.2g}" for v in np.multiply(values, factor)) + f" {unit}"
