"""How far labelled scans are varied beyond what every run does: the setting `variation` of a recipe.

Where a handful of patients is all there is, elastic deformation gives other shapes, and a grey of its own for every
structure gives other phases of contrast medium. Slabs are scans of few slices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vlp3d_core.train.settings import checked, require


@dataclass(frozen=True, kw_only=True)
class Variation:
    """Each crop draws its own values up to these; 0 leaves an effect out.

    Attributes:
        spacing: of the crops, mm.
        elastic: standard deviation of the control points of a deformation, mm; most places move a third of it.
        contrast: standard deviation of what is added to a structure's grey, of a range from -1 to 1.
        slabs: part of the crops of which a slab of axial slices is all that is seen, as in a scan of few slices.
    """

    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    elastic: float = 0.0
    contrast: float = 0.0
    slabs: float = 0.0

    def __post_init__(self) -> None:
        """Raises UsageError for a value that makes no sense."""
        for name in ("elastic", "contrast", "slabs"):
            require(getattr(self, name) >= 0, f"variation.{name}", "must not be negative")
        require(self.slabs <= 1, "variation.slabs", "must not be above 1")


NONE = Variation()


def variation_of(values: Mapping[str, Any], spacing: Sequence[float]) -> Variation:
    """The setting `variation` of a recipe, with the spacing of its crops.

    Raises:
        UsageError: an unknown setting or one that makes no sense.
    """
    return checked(Variation, {**values, "spacing": list(spacing)}, "The setting variation")
