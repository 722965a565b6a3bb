"""How well an instance map agrees with a reference: variation of information, adapted Rand error, Dice of borders.

Voxels that the reference leaves unassigned (0) count nowhere. All are computed in float64.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import adapted_rand_error, variation_of_information

from vlp3d_core.errors import MedVLPError
from vlp3d_core.volume.affinities import affinities_of, ends

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class InstanceScores:
    """Scores of one volume.

    Attributes:
        voi_split: H(found | reference) in bits: what one instance was cut into (Meilă 2007).
        voi_merge: H(reference | found) in bits: what was taken for one instance.
        arand: adapted Rand error, 1 − F-score of pairs of voxels (Arganda-Carreras et al. 2015); 0 is perfect.
        found, expected: numbers of instances.
    """

    voi_split: float
    voi_merge: float
    arand: float
    found: int
    expected: int

    @property
    def voi(self) -> float:
        """Split and merge together; 0 is perfect."""
        return self.voi_split + self.voi_merge

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {**asdict(self), "voi": self.voi}


def score_instances(found: Labels, reference: Labels) -> InstanceScores:
    """Compare two instance maps of one shape.

    Args:
        found: 0 counts as one more instance.
        reference: 0 is unassigned.

    Raises:
        MedVLPError: other shapes, or a reference without two assigned voxels.
    """
    if found.shape != reference.shape:
        raise MedVLPError(
            f"The instances have the shape {found.shape}, the reference has {reference.shape}.",
            "Compare maps on one grid.",
        )
    assigned = reference != 0
    if np.count_nonzero(assigned) < 2:
        raise MedVLPError("The reference assigns no voxels to instances.", "Check the label map.")
    # Only what counts, numbered anew: tables are as large as the largest number.
    expected, truth = np.unique(reference[assigned], return_inverse=True)
    pieces, guess = np.unique(found[assigned], return_inverse=True)
    split, merge = variation_of_information(truth, guess)
    # A map in which no two voxels belong together has no pairs, and agrees with nothing.
    lonely = len(pieces) == truth.size or len(expected) == truth.size
    arand = 1.0 if lonely else float(adapted_rand_error(truth, guess, ignore_labels=())[0])
    return InstanceScores(max(float(split), 0.0), max(float(merge), 0.0), arand, len(pieces), len(expected))


def membrane_dice(affinities: NDArray[np.floating[Any]], reference: Labels) -> float:
    """Dice of the edges between voxels that are cut; NaN where neither side cuts any.

    Args:
        affinities: (3, I, J, K), see `volume.affinities`; an edge is cut below one half.
        reference: (I, J, K).
    """
    together, known = affinities_of(reference)
    return _dice((affinities < 0.5) & known, ~together & known)


def border_dice(affinities: NDArray[np.floating[Any]], reference: Labels) -> float:
    """Dice of the voxels that have a neighbour in another instance; arguments and NaN as in `membrane_dice`."""
    together, known = affinities_of(reference)
    assigned = reference != 0
    return _dice(ends(affinities < 0.5) & assigned, ends(~together & known))


def _dice(found: NDArray[np.bool_], expected: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(found)) + int(np.count_nonzero(expected))
    return 2 * int(np.count_nonzero(found & expected)) / total if total else float("nan")
