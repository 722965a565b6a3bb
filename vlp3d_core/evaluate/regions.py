"""Does a phrase point at its region? The pointing game (Zhang et al. 2016) and its chance.

A phrase has a map of similarities over the body, and a region. It hits where its largest similarity lies in the
region. `above` is how often a voxel of the region is more similar than one of the rest of the body (an AUROC; 0.5 is
chance): it asks the whole map and not one voxel. Organs lie at much the same place in everybody, so a map need not
look at the image to hit: compare with another study's image, and with the map of another phrase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import interval, resampled_means

MEASURES = ("hit", "hit_box", "above", "chance", "chance_box", "other_hit", "other_above")


@dataclass(frozen=True)
class Pointing:
    """One phrase in one volume.

    Attributes:
        phrase: what is looked for, as the table calls it.
        hit, hit_box: whether the maximum lies in the region, in its box.
        above: see the module.
        chance, chance_box: part of the body that the region, its box, takes up.
        other_hit, other_above: the same with the map of another phrase.
    """

    subject: str
    phrase: str
    hit: float
    hit_box: float
    above: float
    chance: float
    chance_box: float
    other_hit: float
    other_above: float


@dataclass(frozen=True)
class PointingScore:
    """A phrase over volumes, or the mean over phrases; each phrase weighs the same there.

    Attributes:
        n: volumes with the region.
        means: by name, of `MEASURES`.
        intervals: 95 %, bootstrap by subject.
    """

    phrase: str
    n: int
    means: dict[str, float]
    intervals: dict[str, tuple[float, float] | None]

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return asdict(self)


def point(
    subject: str,
    phrase: str,
    similarity: NDArray[np.floating[Any]],
    other: NDArray[np.floating[Any]],
    region: NDArray[np.bool_],
    body: NDArray[np.bool_],
) -> Pointing | None:
    """Score one map; None where the region has no voxel in the body, or takes up all of it.

    Args:
        similarity, other: (I, J, K), of this phrase and of another one.
        region, body: (I, J, K); only the body is searched.
    """
    inside = region & body
    if not inside.any() or inside.sum() == body.sum():
        return None
    corners = np.argwhere(inside)
    box = np.zeros_like(body)
    box[tuple(slice(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True))] = True
    maps = [np.where(body, values, -np.inf) for values in (similarity, other)]
    tops = [np.unravel_index(int(values.argmax()), values.shape) for values in maps]
    aboves = [_above(values[body], inside[body]) for values in maps]
    return Pointing(
        subject,
        phrase,
        float(inside[tops[0]]),
        float(box[tops[0]]),
        aboves[0],
        float(inside.sum() / body.sum()),
        float((box & body).sum() / body.sum()),
        float(inside[tops[1]]),
        aboves[1],
    )


def summarise_pointing(rows: Sequence[Pointing]) -> tuple[list[PointingScore], PointingScore]:
    """By phrase, and the mean over phrases.

    Raises:
        MedVLPError: no rows.
    """
    if not rows:
        raise MedVLPError(
            "No volume shows a structure that a phrase names.", "Evaluate volumes with label maps of organs."
        )
    phrases = sorted({row.phrase for row in rows})
    subjects = sorted({row.subject for row in rows})
    tables = {m: _table(rows, m, subjects, phrases) for m in MEASURES}
    samples = {m: resampled_means(table, subjects) for m, table in tables.items()}
    scores = []
    for column, phrase in enumerate(phrases):
        means = {m: float(np.nanmean(table[:, column])) for m, table in tables.items()}
        intervals = {m: interval(samples[m][:, column]) for m in MEASURES}
        scores.append(PointingScore(phrase, sum(row.phrase == phrase for row in rows), means, intervals))
    present = np.isfinite(samples["hit"]).any(axis=1)
    total = PointingScore(
        "mean",
        len(rows),
        {m: float(np.mean([score.means[m] for score in scores])) for m in MEASURES},
        {m: interval(np.nanmean(samples[m][present], axis=1)) for m in MEASURES},
    )
    return scores, total


def _above(values: NDArray[np.floating[Any]], inside: NDArray[np.bool_]) -> float:
    """How often a value inside is larger than one outside; ties count half (Mann and Whitney's U)."""
    count = int(inside.sum())
    ranks = float(rankdata(values)[inside].sum())
    return (ranks - count * (count + 1) / 2) / (count * (inside.size - count))


def _table(rows: Sequence[Pointing], measure: str, subjects: list[str], phrases: list[str]) -> NDArray[np.float64]:
    """(subjects, phrases): the mean where a subject has several; NaN where it has none."""
    sums = np.zeros((len(subjects), len(phrases)))
    counts = np.zeros_like(sums)
    for row in rows:
        at = subjects.index(row.subject), phrases.index(row.phrase)
        sums[at] += getattr(row, measure)
        counts[at] += 1
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
