"""Lesions one by one: which were found, which are false, how large they are together.

A lesion is a connected piece of a mask (26 neighbours); pieces below `min_ml` do not count on either side. One of the
reference is found where the prediction covers a tenth of it, and a predicted one is right where the reference covers a
tenth of it: the overlap of the MS lesion challenge of 2016 (Commowick et al., Scientific Reports 8, 2018), without its
second condition on predictions that reach far beyond.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import RESAMPLES, SEED
from vlp3d_core.evaluate.labelmap import aligned
from vlp3d_core.evaluate.metrics import Status
from vlp3d_core.evaluate.segmentation import Pair, contoured_in
from vlp3d_core.evaluate.summary import Row, StructureSummary, summarise
from vlp3d_core.progress import Progress, silent

COVERED = 0.1
MIN_ML = 0.003
"""3 mm³, the challenge's smallest lesion."""
METRICS = ("f1", "sensitivity", "precision", "volume_error_ml")


@dataclass(frozen=True)
class LesionScore:
    """One kind of lesion in one case. None where a number would have no meaning.

    Attributes:
        status: MISSED where nothing was predicted, FALSE_ALARM where there is nothing, ABSENT where both agree on that.
        expected, found: lesions of the reference, and those of them that were found.
        predicted, right: predicted lesions, and those of them that are some.
        sensitivity, precision, f1: found / expected, right / predicted, and their harmonic mean.
        volume_error_ml: of all lesions together, prediction minus reference.
    """

    status: Status
    expected: int = 0
    found: int = 0
    predicted: int = 0
    right: int = 0
    sensitivity: float | None = None
    precision: float | None = None
    f1: float | None = None
    volume_error_ml: float | None = None
    reference_ml: float = 0.0
    prediction_ml: float = 0.0


@dataclass(frozen=True)
class LesionScores:
    """The result of an evaluation: a row for each kind of lesion and case, and a summary of each kind."""

    rows: tuple[Row[LesionScore], ...]
    structures: tuple[StructureSummary, ...]
    min_ml: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`."""
        return {
            "kind": "lesions",
            "covered": COVERED,
            "min_ml": self.min_ml,
            "structures": [asdict(summary) for summary in self.structures],
            "rows": [
                {"subject": row.subject, "case": row.case, "structure": row.structure} | asdict(row.score)
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def score_lesions(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], voxel_ml: float, min_ml: float = MIN_ML
) -> LesionScore:
    """Compare two masks of one shape, lesion by lesion."""
    (guesses, predicted), (truths, expected) = (_pieces(mask, voxel_ml, min_ml) for mask in (prediction, reference))
    found, right = _covered(truths, expected, guesses > 0), _covered(guesses, predicted, truths > 0)
    volumes = [float(np.count_nonzero(pieces) * voxel_ml) for pieces in (truths, guesses)]
    kinds = {(True, True): Status.SCORED, (True, False): Status.MISSED, (False, True): Status.FALSE_ALARM}
    status = kinds.get((expected > 0, predicted > 0), Status.ABSENT)
    if status is Status.ABSENT:
        return LesionScore(status)
    sensitivity = found / expected if expected else None
    precision = right / predicted if predicted else None
    both = (sensitivity or 0.0) + (precision or 0.0)
    f1 = 2 * (sensitivity or 0.0) * (precision or 0.0) / both if both else 0.0
    return LesionScore(
        status, expected, found, predicted, right, sensitivity, precision, f1, volumes[1] - volumes[0], *volumes
    )


def evaluate_lesions(
    pairs: Iterable[Pair],
    structures: Collection[str] = (),
    min_ml: float = MIN_ML,
    *,
    total: int,
    notes: Sequence[str] = (),
    progress: Progress = silent,
) -> LesionScores:
    """Score every contoured kind of lesion in every pair.

    Args:
        structures: score only these; none = all that were contoured.
        total: number of pairs, for the progress.

    Raises:
        MedVLPError: nothing was contoured that could be scored.
    """
    rows = []
    for number, pair in enumerate(pairs, 1):
        prediction = aligned(pair.prediction, pair.reference)
        for concept in contoured_in(pair):
            if structures and concept not in structures:
                continue
            found, truth = (np.isin(one.labels, one.values_of(concept)) for one in (prediction, pair.reference))
            score = score_lesions(found, truth, pair.reference.voxel_ml, min_ml)
            rows.append(Row(pair.subject, pair.name, concept, score))
        progress("scoring", number / max(total, number))
    if not rows:
        raise MedVLPError("No reference has any of these lesions.", "Check the names of --structures and the manifest.")
    summaries, _ = summarise(rows, RESAMPLES, SEED, METRICS)
    return LesionScores(tuple(rows), summaries, min_ml, tuple(notes))


def _pieces(mask: NDArray[np.bool_], voxel_ml: float, min_ml: float) -> tuple[NDArray[np.int32], int]:
    """The lesions of a mask, numbered from 1, and how many there are."""
    pieces, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = np.bincount(pieces.ravel())
    keep = sizes * voxel_ml >= min_ml - 1e-9
    keep[0] = False
    numbers = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    return numbers[pieces], int(keep.sum())


def _covered(pieces: NDArray[np.int32], count: int, other: NDArray[np.bool_]) -> int:
    """How many pieces lie in the other mask with a tenth at least."""
    whole = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
    shared = np.bincount(pieces[other], minlength=count + 1)[1:]
    return int(np.count_nonzero(shared >= COVERED * whole))
