"""A structure of one patient is shown, and looked for in another: is what comes first the same structure?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import interval, resampled_means


@dataclass(frozen=True)
class Shown:
    """One structure of one patient, looked for in another one.

    Attributes:
        subject: the patient in whom it was looked for.
        hit: what came first overlaps this structure, and none of the others that are contoured more.
        iou: of what came first with the reference; 0 where nothing was found.
        named: the same for what the model finds by the structure's name.
    """

    subject: str
    structure: str
    hit: bool
    iou: float
    named: float


@dataclass(frozen=True)
class AlikeRow:
    """A structure over pairs of patients, or all of them.

    Attributes:
        hit: rate, with its 95 % interval, bootstrap by the patient in whom it was looked for.
        iou, named: medians.
    """

    structure: str
    pairs: int
    hit: float
    hit95: tuple[float, float] | None
    iou: float
    named: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def summarise_alike(shown: Sequence[Shown], order: Sequence[str]) -> list[AlikeRow]:
    """By structure, in that order, and "all".

    Raises:
        MedVLPError: no structure is contoured in two patients.
    """
    if not shown:
        raise MedVLPError("No structure is contoured in two of the volumes.", "Evaluate more volumes.")
    groups = [(name, [one for one in shown if one.structure == name]) for name in order]
    return [_row(name, rows) for name, rows in [*groups, ("all", list(shown))] if rows]


def _row(name: str, rows: Sequence[Shown]) -> AlikeRow:
    hits = np.array([[float(row.hit)] for row in rows])
    samples = resampled_means(hits, [row.subject for row in rows])[:, 0]
    medians = [float(np.median([getattr(row, measure) for row in rows])) for measure in ("iou", "named")]
    return AlikeRow(name, len(rows), float(hits.mean()), interval(samples), *medians)
