"""Which structures change places in a mirror."""

from __future__ import annotations

from collections.abc import Sequence


def mirror_pairs(concepts: Sequence[str]) -> dict[int, int]:
    """What a mirror makes of each structure that has a side.

    Returns:
        label value (1 + place in `concepts`) → value of the same structure on the other side, 0 where `concepts` lacks
        it; structures without side are left out.
    """
    values = {concept: value for value, concept in enumerate(concepts, 1)}
    swapped = {"left": "right", "right": "left"}
    twins = {concept: "_".join(swapped.get(part, part) for part in concept.split("_")) for concept in concepts}
    return {values[concept]: values.get(twin, 0) for concept, twin in twins.items() if twin != concept}
