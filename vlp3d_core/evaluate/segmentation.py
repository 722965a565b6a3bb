"""The protocol of a segmentation score: which structures of which cases count, and what the numbers rest on.

* A structure that was not contoured in a case is left out of that case, whatever was predicted there. Contoured are
  the concepts that the case lists or, without a list, those whose values occur in its reference.
* A structure that no prediction of the run knows is not scored and is named in the notes; one that some predictions
  know counts as missed where it is not there. Structures that the caller asks for always count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import ndimage

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import RESAMPLES, SEED
from vlp3d_core.evaluate.labelmap import LabelMap, aligned
from vlp3d_core.evaluate.metrics import TOLERANCE_MM, MaskScore, Status, check_tolerance, score_masks
from vlp3d_core.evaluate.summary import Row, StructureSummary, summarise
from vlp3d_core.progress import Cancel, Progress, check, never, silent

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Pair:
    """A prediction and its reference.

    Attributes:
        subject: the patient; what the bootstrap draws.
        prediction, reference: label maps on the same voxels, axes may be flipped or permuted.
        contoured: concepts that were looked for when the reference was drawn; None = those that occur in it.
        case: name of the case where a subject has several; the subject by default.
    """

    subject: str
    prediction: LabelMap
    reference: LabelMap
    contoured: Collection[str] | None = None
    case: str = ""

    @property
    def name(self) -> str:
        return self.case or self.subject


@dataclass(frozen=True)
class SegmentationScores:
    """The result of an evaluation.

    Attributes:
        rows: one per case and contoured structure.
        structures: summary of each structure, sorted by name.
        mean: over structures, each with the same weight.
        tolerance_mm: of the surface Dice.
        cases, subjects: how many were evaluated.
        resamples, seed: of the bootstrap.
        notes: what a reader of the numbers should know.
    """

    rows: tuple[Row[MaskScore], ...]
    structures: tuple[StructureSummary, ...]
    mean: StructureSummary
    tolerance_mm: float
    cases: int
    subjects: int
    resamples: int
    seed: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for `json.dumps`; numbers without meaning are null."""
        return {
            "kind": "segmentation",
            "cases": self.cases,
            "subjects": self.subjects,
            "tolerance_mm": self.tolerance_mm,
            "interval": {"confidence": 0.95, "method": "percentile bootstrap by subject"}
            | {"resamples": self.resamples, "seed": self.seed},
            "mean": asdict(self.mean),
            "structures": [asdict(summary) for summary in self.structures],
            "rows": [
                {"subject": row.subject, "case": row.case, "structure": row.structure} | asdict(row.score)
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def evaluate_cases(
    pairs: Iterable[Pair],
    structures: Collection[str] | None = None,
    tolerance: float = TOLERANCE_MM,
    *,
    total: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    notes: Collection[str] = (),
    progress: Progress = silent,
    cancel: Cancel = never,
) -> SegmentationScores:
    """Score every contoured structure of every pair.

    Args:
        pairs: read one at a time, so that a generator keeps only one case in memory.
        structures: score only these, whether predictions know them or not; None = all that predictions know.
        tolerance: of the surface Dice in mm.
        total: number of pairs, for the progress; taken from `pairs` where it has a length.
        resamples, seed: of the bootstrap.
        notes: what the caller already knows that a reader should.

    Raises:
        MedVLPError: no pairs, the same case twice, other grids, nothing in common.
        UsageError: a tolerance that is no tolerance.
    """
    check_tolerance(tolerance)
    total = total if total is not None else len(pairs) if isinstance(pairs, Collection) else 0
    rows: list[Row[MaskScore]] = []
    seen: dict[str, str] = {}
    offered: set[str] = set()
    for pair in pairs:
        check(cancel)
        if pair.name in seen:
            raise MedVLPError(f"The case {pair.name} is there twice.", "Give every case one prediction and reference.")
        seen[pair.name] = pair.subject
        offered.update(pair.prediction.concepts)
        rows.extend(score_pair(pair, structures, tolerance))
        progress("scoring", len(seen) / max(total, len(seen)))
    if not seen:
        raise MedVLPError("There is nothing to evaluate.", "Check the manifest and the split.")
    if structures is None:
        rows, unknown = _without_unknown(rows, offered)
        notes = [*notes, *unknown]
    summaries, mean = summarise(rows, resamples, seed)
    if not summaries:
        raise MedVLPError(
            "Predictions and references have no structure in common.",
            f"Check the concept names; the predictions offer {', '.join(sorted(offered)[:8]) or 'none'}.",
        )
    return SegmentationScores(
        tuple(rows), summaries, mean, tolerance, len(seen), len(set(seen.values())), resamples, seed, tuple(notes)
    )


def score_pair(
    pair: Pair, structures: Collection[str] | None = None, tolerance: float = TOLERANCE_MM
) -> Iterator[Row[MaskScore]]:
    """One row per structure that was contoured in this pair, sorted by name.

    The masks are cut out around the structure first, so the cost follows the structures and not the image.
    """
    reference = pair.reference
    prediction = aligned(pair.prediction, reference)
    in_reference, in_prediction = _boxes(reference), _boxes(prediction)
    unnamed = in_prediction.keys() - set(prediction.values)
    if unnamed:
        raise MedVLPError(
            f"{prediction.name} holds the value {min(unnamed)}, and nothing says what it means.",
            "Keep a prediction and its JSON file together, and write both again.",
        )
    for concept in contoured_in(pair):
        if structures is not None and concept not in structures:
            continue
        values, painted = reference.values_of(concept), prediction.values_of(concept)
        boxes = [in_reference[value] for value in values if value in in_reference]
        boxes += [in_prediction[value] for value in painted if value in in_prediction]
        if not boxes:
            yield Row(pair.subject, pair.name, concept, MaskScore(Status.ABSENT))
            continue
        box = _union(boxes)
        masks = np.isin(prediction.labels[box], painted), np.isin(reference.labels[box], values)
        score = score_masks(*masks, reference.spacing, reference.voxel_ml, tolerance)
        yield Row(pair.subject, pair.name, concept, score)


def contoured_in(pair: Pair) -> list[str]:
    """The concepts that were looked for in a pair's reference, sorted.

    Raises:
        MedVLPError: one of them has no value there.
    """
    if pair.contoured is None:
        there = np.flatnonzero(np.bincount(pair.reference.labels.ravel()))
        return sorted({pair.reference.values[value] for value in there.tolist() if value in pair.reference.values})
    without = set(pair.contoured) - set(pair.reference.values.values())
    if without:
        raise MedVLPError(
            f"{min(without)} is listed as contoured in {pair.name}, but no label value is given for it.",
            "Add its value to the labels of the case, or take it off the list.",
        )
    return sorted(set(pair.contoured))


def _boxes(labels: LabelMap) -> dict[int, Box]:
    """Bounding box of every value that occurs: one pass over the image, however many values there are."""
    found = ndimage.find_objects(labels.labels)
    return {value: box for value, box in enumerate(found, start=1) if box is not None}


def _union(boxes: list[Box]) -> Box:
    i, j, k = (slice(min(box[axis].start for box in boxes), max(box[axis].stop for box in boxes)) for axis in range(3))
    return i, j, k


def _without_unknown(rows: list[Row[MaskScore]], offered: set[str]) -> tuple[list[Row[MaskScore]], list[str]]:
    """Take the score from structures that no prediction knows, and say so."""
    unknown = sorted({row.structure for row in rows} - offered)
    kept = [
        replace(row, score=MaskScore(Status.NOT_OFFERED, reference_ml=row.score.reference_ml))
        if row.structure in unknown
        else row
        for row in rows
    ]
    notes = [f"Not scored, because no prediction knows them: {', '.join(unknown)}."] if unknown else []
    return kept, notes
