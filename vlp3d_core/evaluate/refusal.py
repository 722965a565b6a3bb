"""Does a model refuse what it was not made for? AUROC of its field score, volumes of its field against all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.findings import FindingScore, score_findings

ALL = "all others"


@dataclass(frozen=True)
class Judged:
    """One volume.

    Attributes:
        kind: of another volume; "" for one of the model's field.
        score: `Encoded.field_score`; 0 where the modality was refused.
        refused: nothing is reported of it.
        reason: "modality" or "content" for a refused one, else "".
    """

    name: str
    kind: str
    score: float
    refused: bool
    reason: str


@dataclass(frozen=True)
class Row:
    """All others, or those of a kind.

    Attributes:
        auroc95: 95 % interval, bootstrap by volume; None where no resample has both.
        refused: how many of them.
        by_modality: how many of them for their modality alone.
    """

    kind: str
    volumes: int
    auroc: float
    auroc95: tuple[float, float] | None
    refused: int
    by_modality: int


@dataclass(frozen=True)
class RefusalScores:
    """The result.

    Attributes:
        inside, kept: volumes of the field, and those of them that are not refused.
        rows: all others first, then each kind.
    """

    inside: int
    kept: int
    rows: tuple[Row, ...]
    volumes: tuple[Judged, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def score_refusal(volumes: Sequence[Judged]) -> RefusalScores:
    """Score all others together and each kind of them.

    Raises:
        MedVLPError: there are no volumes of the field, or no others.
    """
    kinds = sorted({one.kind for one in volumes} - {""})
    inside = [one for one in volumes if not one.kind]
    if not inside or not kinds:
        cause = f"There are {len(inside)} volumes of the model's field and {len(volumes) - len(inside)} others."
        raise MedVLPError(cause, "Both are needed: check manifest, split and --others.")
    names = [ALL, *kinds]
    truth = np.array([[_truth(one, name) for name in names] for one in volumes])
    scores = np.array([[one.score] * len(names) for one in volumes])
    found = {row.finding: row for row in score_findings(names, scores, truth, [one.name for one in volumes]).findings}
    rows = tuple(_row(found[name], [one for one in volumes if one.kind and name in (ALL, one.kind)]) for name in names)
    return RefusalScores(len(inside), sum(not one.refused for one in inside), rows, tuple(volumes))


def _truth(one: Judged, name: str) -> float:
    if not one.kind:
        return 1.0
    return 0.0 if name in (ALL, one.kind) else np.nan


def _row(score: FindingScore, others: Sequence[Judged]) -> Row:
    by_modality = sum(one.reason == "modality" for one in others)
    return Row(score.finding, len(others), score.auroc, score.auroc95, sum(one.refused for one in others), by_modality)


def best_limit(inside: Sequence[float], outside: Sequence[float]) -> float:
    """The limit with the best mean of what is rightly kept and rightly refused; of equals that in the widest gap."""
    levels = np.unique([0.0, *inside, *outside, 1.0])
    middles, gaps = (levels[1:] + levels[:-1]) / 2, np.diff(levels)
    kept, refused = (np.mean(np.asarray(s)[:, None] >= middles, axis=0) for s in (inside, outside))
    balanced = kept + 1 - refused
    best = np.flatnonzero(balanced >= balanced.max() - 1e-9)
    return float(middles[best[np.argmax(gaps[best])]])
