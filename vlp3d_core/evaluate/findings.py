"""How well scores tell the volumes with a finding from those without: AUROC and average precision, by finding.

A volume in which nobody looked for a finding is left out of that finding's numbers. Intervals are bootstrapped by
subject. An AUROC of 0.5 is chance; the average precision of chance is the part of the volumes that have the finding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import drawn_subjects, interval

Floats = NDArray[np.float64]
Interval = tuple[float, float] | None


@dataclass(frozen=True)
class FindingScore:
    """One finding, or the mean over findings.

    Attributes:
        finding: its name, or "mean".
        positives, negatives: volumes with it and without it; for the mean the sums.
        auroc, average_precision: in these volumes; for the mean each finding weighs the same.
        auroc95, average_precision95: 95 % interval, bootstrap by subject; None where no resample has both.
    """

    finding: str
    positives: int
    negatives: int
    auroc: float
    auroc95: Interval
    average_precision: float
    average_precision95: Interval

    @property
    def prevalence(self) -> float:
        """What the average precision of a random order would be."""
        return self.positives / (self.positives + self.negatives)


@dataclass(frozen=True)
class FindingScores:
    """All findings that can be scored, their mean, and the names of those that cannot.

    Attributes:
        left_out: findings without a volume that has them, or without one that does not.
    """

    findings: tuple[FindingScore, ...]
    mean: FindingScore
    volumes: int
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers."""
        rows = [{**asdict(row), "prevalence": row.prevalence} for row in self.findings]
        mean = {**asdict(self.mean), "prevalence": float(np.mean([row.prevalence for row in self.findings]))}
        return {"volumes": self.volumes, "mean": mean, "findings": rows, "left_out": list(self.left_out)}


def score_findings(
    names: Sequence[str], scores: Floats, truth: Floats, subjects: Sequence[str], seed: int = 0
) -> FindingScores:
    """Score every finding that has volumes with it and without it.

    Args:
        names: of the findings, (F).
        scores: (N, F), the higher the likelier; only their order counts.
        truth: (N, F): 1 there, 0 not there, NaN unknown.
        subjects: of the volumes, (N).

    Raises:
        MedVLPError: no finding can be scored.
    """
    counts = drawn_subjects(subjects, seed=seed)
    rows, samples, left_out = [], [], []
    for column, name in enumerate(names):
        known = np.isfinite(truth[:, column])
        there, score = truth[known, column] > 0, scores[known, column]
        if there.all() or not there.any():
            left_out.append(name)
            continue
        sampled = _auroc(there, score, counts[:, known]), _average_precision(there, score, counts[:, known])
        samples.append(sampled)
        area, precision = float(roc_auc_score(there, score)), float(average_precision_score(there, score))
        count = int(there.sum())
        rows.append(
            FindingScore(name, count, len(there) - count, area, interval(sampled[0]), precision, interval(sampled[1]))
        )
    if not rows:
        raise MedVLPError(
            "No finding has both volumes with it and volumes without it.", 'Add "findings" to the manifest\'s lines.'
        )
    return FindingScores(tuple(rows), _mean(rows, np.array(samples)), len(scores), tuple(left_out))


def truth_of(findings: Sequence[Mapping[str, bool]], names: Sequence[str]) -> Floats:
    """What a manifest's lines say, as (N, F): 1 there, 0 not there, NaN unknown."""
    return np.array([[float(row[name]) if name in row else np.nan for name in names] for row in findings], float)


def _mean(rows: list[FindingScore], samples: Floats) -> FindingScore:
    """Over findings; a resample without both kinds of volumes of a finding takes the mean over the others."""
    present = np.isfinite(samples).sum(0)
    means = np.where(present > 0, np.nansum(samples, 0) / np.maximum(present, 1), np.nan)
    return FindingScore(
        "mean",
        sum(row.positives for row in rows),
        sum(row.negatives for row in rows),
        float(np.mean([row.auroc for row in rows])),
        interval(means[0]),
        float(np.mean([row.average_precision for row in rows])),
        interval(means[1]),
    )


def _auroc(there: NDArray[np.bool_], score: Floats, counts: Floats) -> Floats:
    """AUROC of each resample, (R); scikit-learn's with sample weights, for all resamples at once.

    Args:
        counts: (R, N), how often each volume is in a resample.
    """
    above = np.sign(score[there][:, None] - score[~there][None, :]) / 2 + 0.5  # ties count half
    with_it, without = counts[:, there], counts[:, ~there]
    pairs = with_it.sum(1) * without.sum(1)
    won = ((with_it @ above) * without).sum(1)
    return np.where(pairs > 0, won / np.maximum(pairs, 1), np.nan)


def _average_precision(there: NDArray[np.bool_], score: Floats, counts: Floats) -> Floats:
    """Average precision of each resample, (R), as `_auroc`: precision at each threshold by the recall gained there."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # equal scores share a threshold
    weights = counts[:, order]
    hits = np.cumsum(weights * there[order], axis=1)[:, last]
    taken = np.cumsum(weights, axis=1)[:, last]
    gained = np.diff(hits, axis=1, prepend=0) * hits / np.maximum(taken, 1)
    total = hits[:, -1]
    return np.where((total > 0) & (taken[:, -1] > total), gained.sum(1) / np.maximum(total, 1), np.nan)


def findings_table(scores: FindingScores) -> list[list[str]]:
    """Rows of text, the head first: finding, numbers of volumes, AUROC and average precision with intervals."""
    grid = [["finding", "with", "without", "AUROC", "average precision", "(chance)"]]
    chance = float(np.mean([row.prevalence for row in scores.findings]))
    for row in (*scores.findings, scores.mean):
        by_chance = chance if row is scores.mean else row.prevalence
        cells = [_with(row.auroc, row.auroc95), _with(row.average_precision, row.average_precision95)]
        grid.append([row.finding, str(row.positives), str(row.negatives), *cells, f"({by_chance:.2f})"])
    return grid


def _with(value: float, bounds: Interval) -> str:
    return f"{value:.2f}" + (f" [{bounds[0]:.2f}, {bounds[1]:.2f}]" if bounds else "")
