"""Does `find` find what a phrase asks for, and does it refuse what it cannot know?

* **Resolved**: the text was understood as exactly the structures that it asks for; a text about a place: what is
  answered first is one of those that lie there.
* **A region is right** when its IoU with the reference of a structure that was asked for is above 0.5, or when none of
  the regions that the model has found of all its structures has a higher one. So a search is not blamed for a coarse
  contour, which the mean IoU tells of.
* **Recall@k**: of the structures that were asked for (of one, where one is answer enough), the part that the first k
  regions show; at most k can be shown, so that two regions are not expected of the first one.
* **IoU**: of the first region with the reference that it fits best among those asked for; 0 without a region.
* **Refused**: no region was given. The AUROC is that of the first region's score, 0 without one: how often a phrase
  with an answer has a higher one than a phrase without; equal scores count half.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import interval, resampled_means
from vlp3d_core.evaluate.search_queries import CONCEPT_KINDS, FREE_KINDS, REFUSED_KINDS, Query

MEASURES = ("resolved", "recall_1", "recall_5", "iou", "refused")
ENOUGH = 0.5
"""An IoU above this is right whatever else was found."""
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Found:
    """A region of an answer.

    Attributes:
        concept: id of what the model takes it for.
        overlaps: id of each structure of the reference → IoU with it.
    """

    concept: str
    score: float
    overlaps: Mapping[str, float]


@dataclass(frozen=True)
class Answer:
    """One phrase in one volume; measures that do not apply are NaN."""

    subject: str
    text: str
    kind: str
    half: str
    given: tuple[str, ...]
    score: float
    resolved: float = np.nan
    recall_1: float = np.nan
    recall_5: float = np.nan
    iou: float = np.nan
    refused: float = np.nan

    @property
    def answerable(self) -> bool:
        return np.isnan(self.refused)


@dataclass(frozen=True)
class SearchRow:
    """A kind of phrases, or several kinds together.

    Attributes:
        n, phrases: times that a phrase was asked, and different phrases.
        means: by name, of `MEASURES` that apply.
        intervals: 95 %, bootstrap by subject.
    """

    kind: str
    n: int
    phrases: int
    means: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class SearchScores:
    """The result; `auroc` is that of refusal."""

    volumes: int
    rows: tuple[SearchRow, ...]
    auroc: float
    auroc95: Interval

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def iou_with(
    box: tuple[slice, ...],
    core: NDArray[np.bool_],
    reference: NDArray[np.integer[Any]],
    sizes: NDArray[np.integer[Any]],
) -> NDArray[np.float64]:
    """(V,): IoU of a region with each value of a label map.

    Args:
        box, core: where the region is, and its voxels there.
        reference: values 0 to V − 1 on the same grid.
        sizes: (V,) voxels of each value in it.
    """
    shared = np.bincount(reference[box][core], minlength=len(sizes))
    overlaps: NDArray[np.float64] = shared / np.maximum(sizes + core.sum() - shared, 1)
    return overlaps


def judge(
    query: Query, subject: str, understood: Collection[str], found: Sequence[Found], best: Mapping[str, float]
) -> Answer:
    """What an answer is worth.

    Args:
        understood: ids of the concepts, of those that the model knows, that the text was taken to name.
        found: the regions, best first.
        best: id of each structure of the reference → the highest IoU that any of the model's regions has with it.
    """
    given = tuple(region.concept for region in found)
    score = found[0].score if found else 0.0
    row = Answer(subject, query.text, query.kind, query.half, given, score)
    if not query.concepts:
        return replace(row, refused=float(not found))
    named = set(given[:1] if query.kind == "place" else understood)
    resolved = named == {*query.concepts} or (query.one and bool(named) and named <= {*query.concepts})
    wanted = 1 if query.one else len(query.concepts)
    shown = [{c for c in query.concepts if _right(region, c, best)} for region in found]
    recall_1, recall_5 = (min(len(set().union(*shown[:k])), wanted, k) / min(wanted, k) for k in (1, 5))
    iou = max((found[0].overlaps.get(c, 0.0) for c in query.concepts), default=0.0) if found else 0.0
    return replace(row, resolved=float(resolved), iou=iou, recall_1=recall_1, recall_5=recall_5)


def _right(region: Found, concept: str, best: Mapping[str, float]) -> bool:
    overlap = region.overlaps.get(concept, 0.0)
    return overlap > ENOUGH or (overlap > 0 and overlap >= best.get(concept, 0.0))


def summarise_search(answers: Sequence[Answer]) -> SearchScores:
    """By kind, and by what kinds have in common.

    Raises:
        MedVLPError: no phrase with an answer, or none without, was asked.
    """
    from vlp3d_core.evaluate.findings import score_findings

    there = np.array([[answer.answerable] for answer in answers], float).reshape(-1, 1)
    if not answers or there.all() or not there.any():
        raise MedVLPError(
            "No volume shows what the phrases ask for.", "Evaluate volumes with label maps of the model's structures."
        )
    subjects = [answer.subject for answer in answers]
    scores = np.array([[answer.score] for answer in answers])
    refusal = score_findings(("answerable",), scores, there, subjects).mean
    volumes = len(set(subjects))
    return SearchScores(volumes, rows_by_kind(answers), refusal.auroc, refusal.auroc95)


def rows_by_kind(answers: Sequence[Answer]) -> tuple[SearchRow, ...]:
    """By kind, and by what kinds have in common; those that were asked."""
    kinds = (*CONCEPT_KINDS, *FREE_KINDS, *REFUSED_KINDS)
    groups: list[tuple[str, tuple[str, ...]]] = [(kind, (kind,)) for kind in kinds]
    groups += [("concept phrases", CONCEPT_KINDS), ("free phrases", FREE_KINDS), ("without an answer", REFUSED_KINDS)]
    rows = [_row(name, [a for a in answers if a.kind in members]) for name, members in groups]
    return tuple(row for row in rows if row.n)


def _row(name: str, answers: Sequence[Answer]) -> SearchRow:
    means: dict[str, float] = {}
    intervals: dict[str, Interval] = {}
    values = np.array([[getattr(a, measure) for measure in MEASURES] for a in answers]).reshape(-1, len(MEASURES))
    samples = resampled_means(values, [a.subject for a in answers]) if answers else values
    for column, measure in enumerate(MEASURES):
        if np.isfinite(values[:, column]).any():
            means[measure] = float(np.nanmean(values[:, column]))
            intervals[measure] = interval(samples[:, column])
    return SearchRow(name, len(answers), len({a.text for a in answers}), means, intervals)
