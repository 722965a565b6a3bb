"""What a segmentation is, whoever made it: a label array and one row per structure."""

from __future__ import annotations

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
        """Voxels of one structure, shape (I, J, K). Raises KeyError for a structure that was not asked for."""
        value = next((s.value for s in self.segments if s.concept == concept), None)
        if value is None:
            raise KeyError(concept)
        return self.labels == value
