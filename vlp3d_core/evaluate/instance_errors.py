"""The largest single error of an instance map: what was taken for one, or what one was cut into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class InstanceError:
    """One instance that should be several, or is several and should be one.

    Attributes:
        merged: it is one of the found (wrongly joined); else one of the reference (wrongly cut).
        mask: (I, J, K), its voxels.
        parts: how many of the other map have a fiftieth of it or more; 2 where only one has.
        wrong: part of its voxels outside the largest of those.
        slice: along the third axis, where most of its wrong voxels are.
    """

    merged: bool
    mask: NDArray[np.bool_]
    parts: int
    wrong: float
    slice: int

    @property
    def words(self) -> str:
        """What happened, as the end of a sentence."""
        where = f"{self.wrong:.0%} of its voxels outside the largest of them."
        if self.merged:
            return f"one found instance joins {self.parts} of the reference, {where}"
        return f"one of the reference was cut into {self.parts}, {where}"


PART = 0.02
"""Of an instance: what is smaller is no part of it but a border that was drawn elsewhere."""


def largest_error(found: Labels, reference: Labels) -> InstanceError | None:
    """The instance with the most wrong voxels, of both maps; None where each instance is one of the other map.

    Args:
        found, reference: (I, J, K); 0 is unassigned, and voxels unassigned in either do not count.
    """
    both = (found != 0) & (reference != 0)
    sides = [_worst(one[both], other[both]) for one, other in ((found, reference), (reference, found))]
    merged = sides[0][1] >= sides[1][1]
    one, other = (found, reference) if merged else (reference, found)
    worst, count = sides[0 if merged else 1]
    if count == 0:
        return None
    mask = one == worst
    partners, sizes = np.unique(other[mask & both], return_counts=True)
    wrong = mask & both & (other != partners[sizes.argmax()])
    where = int(wrong.sum(axis=(0, 1)).argmax())
    parts = max(2, int(np.count_nonzero(sizes >= PART * sizes.sum())))
    return InstanceError(merged, mask, parts, float(count / sizes.sum()), where)


def _worst(one: Labels, other: Labels) -> tuple[int, int]:
    """The instance with the most voxels outside its largest partner, and how many these are."""
    if one.size == 0:
        return 0, 0
    names, index = np.unique(one, return_inverse=True)
    _, partner = np.unique(other, return_inverse=True)
    # Only the pairs that occur: a table of all would be as large as both numbers together.
    pairs, counts = np.unique(index.astype(np.int64) * (int(partner.max()) + 1) + partner, return_counts=True)
    owner = pairs // (int(partner.max()) + 1)
    largest = np.zeros(len(names), np.int64)
    np.maximum.at(largest, owner, counts)
    wrong = np.bincount(index, minlength=len(names)) - largest
    return int(names[wrong.argmax()]), int(wrong.max())
