"""What a segmentation is, whoever made it: a label array and one row per structure, or per instance of a structure."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.volume.volume import Source

Code = tuple[str, str, str]
"""A coded term: (coding scheme, code value, meaning), for example ("SCT", "10200004", "Liver")."""


@dataclass(frozen=True)
class Segment:
    """One structure of a segmentation.

    Attributes:
        value: its value in the label array, 1 and above.
        concept: concept id ("kidney_left").
        name: display name ("Left kidney").
        color: RGB, 0 to 255.
        category, type: terminology codes; `modifier` is None where the term has none (sidedness otherwise).
        score: mean probability inside the found region, 0 to 1; the highest probability seen when nothing was found.
        volume_ml: volume on the label array's grid.
        found: False when the model found nothing; the value then does not occur in the label array.
        instance: number among the instances of the concept, 1 is the largest; 0 where there is but one of it.
        centre: of an instance, RAS mm.
    """

    value: int
    concept: str
    name: str
    color: tuple[int, int, int]
    category: Code
    type: Code
    modifier: Code | None = None
    score: float = 0.0
    volume_ml: float = 0.0
    found: bool = False
    instance: int = 0
    centre: tuple[float, float, float] | None = None

    @property
    def id(self) -> str:
        """The concept id, of an instance with its number: what no other segment of the segmentation has."""
        return f"{self.concept}_{self.instance}" if self.instance else self.concept


@dataclass(frozen=True)
class Segmentation:
    """Labels on the grid of the volume that they were made from.

    Attributes:
        labels: uint8 or uint16, shape (I, J, K), 0 is background.
        affine: float64 (4, 4), index → RAS in mm.
        segments: every structure that was asked for, found or not.
        model: name of the model, "" when a person made the labels.
        source: where the segmented volume came from (DICOM SEG needs its files).
        notes: what the user should know ("tile reduced to 96 because of memory", ...).
        report: measured facts of the run (device, seconds per stage, tile, ...), ready for JSON.
    """

    labels: NDArray[np.unsignedinteger[Any]]
    affine: NDArray[np.float64]
    segments: tuple[Segment, ...]
    model: str = ""
    source: Source = field(default_factory=Source)
    notes: tuple[str, ...] = ()
    report: dict[str, Any] = field(default_factory=dict)

    def mask(self, concept: str) -> NDArray[np.bool_]:
        """Voxels of one structure, of all its instances, (I, J, K). Raises KeyError for one that was not asked for."""
        values = [s.value for s in self.segments if s.concept == concept]
        if not values:
            raise KeyError(concept)
        return self.labels == values[0] if len(values) == 1 else np.isin(self.labels, values)


FEW = 200
"""Instances that become segments unless more are asked for: what a person can look through, and a viewer can show."""
UM3 = 1e12
"""Cubic micrometres in a millilitre."""
CELL_ML = 1e-6
"""A cube of 0.1 mm; what is smaller is told in cubic micrometres."""


def rounded_ml(millilitres: float) -> float:
    """A volume to three digits behind the point; to four significant ones where that would be nothing (cells)."""
    return round(float(millilitres), 3) or float(f"{millilitres:.4g}")


def volume_text(millilitres: float) -> str:
    """ "12.3 ml"; what is smaller than `CELL_ML` in cubic micrometres."""
    if 0 < millilitres < CELL_ML:
        return f"{UM3 * millilitres:.3g} µm³"
    return f"{millilitres:.0f} ml" if millilitres >= 100 else f"{millilitres:.1f} ml"


def instance_color(number: int) -> tuple[int, int, int]:
    """A colour, far in hue from those of the numbers around it: by the golden angle, in two shades."""
    red, green, blue = colorsys.hsv_to_rgb(
        number * 0.618034 % 1.0, 0.55 + 0.3 * (number // 2 % 2), 0.95 - 0.2 * (number % 2)
    )
    return round(255 * red), round(255 * green), round(255 * blue)
