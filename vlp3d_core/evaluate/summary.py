"""From scores of cases to what is known about a structure: mean, spread, interval, and how many it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.evaluate.bootstrap import RESAMPLES, SEED, interval, resampled_means
from vlp3d_core.evaluate.metrics import METRICS, Status


class Score(Protocol):
    """Metrics of one structure in one case, as attributes; None where one has no meaning."""

    @property
    def status(self) -> Status: ...


AnyScore = TypeVar("AnyScore", bound=Score, covariant=True)


@dataclass(frozen=True)
class Row(Generic[AnyScore]):
    """One structure in one case."""

    subject: str
    case: str
    structure: str
    score: AnyScore


@dataclass(frozen=True)
class Statistic:
    """One metric over cases.

    Attributes:
        n: cases that the mean rests on. For HD95 these are the cases in which the structure was found at all.
        subjects: patients among them.
        mean: over cases; None when n is 0.
        sd: sample standard deviation over cases; None when n < 2.
        low, high: 95 % bootstrap interval of the mean by patient; None with fewer than two patients.
    """

    n: int = 0
    subjects: int = 0
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class StructureSummary:
    """All metrics of one structure, or of the mean over structures (then `sd` is the spread over structures).

    Attributes:
        structure: concept id, or "mean".
        n: cases scored: those with the structure contoured or, where the reference says it is absent, painted; for
            the mean over structures the sum.
        missed, false_alarms: how many of them have an empty prediction, an empty reference.
        absent: further cases in which reference and prediction agree that there is nothing; they have no score.
        metrics: by name, see `METRICS`.
    """

    structure: str
    n: int
    missed: int
    false_alarms: int
    absent: int
    metrics: dict[str, Statistic]


def summarise(
    rows: Sequence[Row[Any]], resamples: int = RESAMPLES, seed: int = SEED, metrics: Sequence[str] = METRICS
) -> tuple[tuple[StructureSummary, ...], StructureSummary]:
    """Per structure, sorted by name, and the mean over structures, in which each structure weighs the same.

    Args:
        metrics: attributes of the rows' scores.
    """
    rows = [row for row in rows if row.score.status is not Status.NOT_OFFERED]
    structures = sorted({row.structure for row in rows})
    cases = sorted({(row.case, row.subject) for row in rows})
    subjects = [subject for _, subject in cases]
    columns: dict[str, list[Statistic]] = {}
    mean: dict[str, Statistic] = {}
    for metric in metrics:
        table = _table(rows, metric, [case for case, _ in cases], structures)
        samples = resampled_means(table, subjects, resamples, seed) if rows else np.empty((0, 0))
        columns[metric] = [
            _statistic(table[:, column], samples[:, column], subjects) for column in range(len(structures))
        ]
        mean[metric] = _mean_over_structures(columns[metric], table, samples, subjects)
    summaries = tuple(
        _counted(name, [row for row in rows if row.structure == name], {m: columns[m][i] for m in metrics})
        for i, name in enumerate(structures)
    )
    return summaries, _counted("mean", rows, mean)


def _table(rows: Sequence[Row[Any]], metric: str, cases: list[str], structures: list[str]) -> NDArray[np.float64]:
    """One metric as (cases, structures), NaN = not scored."""
    table = np.full((len(cases), len(structures)), np.nan)
    at_case = {name: index for index, name in enumerate(cases)}
    at_structure = {name: index for index, name in enumerate(structures)}
    for row in rows:
        value = getattr(row.score, metric)
        if value is not None:
            table[at_case[row.case], at_structure[row.structure]] = value
    return table


def _statistic(values: NDArray[np.float64], samples: NDArray[np.float64], subjects: Sequence[str]) -> Statistic:
    scored = np.isfinite(values)
    n = int(scored.sum())
    if n == 0:
        return Statistic()
    patients = _patients(subjects, values)
    low, high = (interval(samples) if patients > 1 else None) or (None, None)
    sd = float(values[scored].std(ddof=1)) if n > 1 else None
    return Statistic(n, patients, float(values[scored].mean()), sd, low, high)


def _mean_over_structures(
    columns: list[Statistic], table: NDArray[np.float64], samples: NDArray[np.float64], subjects: Sequence[str]
) -> Statistic:
    means = [column.mean for column in columns if column.mean is not None]
    if not means:
        return Statistic()
    patients = _patients(subjects, table)
    # A sample without any case of a structure takes the mean over the other structures.
    filled = samples[np.isfinite(samples).any(axis=1)]
    low, high = (interval(np.nanmean(filled, axis=1)) if patients > 1 else None) or (None, None)
    sd = float(np.std(means, ddof=1)) if len(means) > 1 else None
    return Statistic(sum(column.n for column in columns), patients, float(np.mean(means)), sd, low, high)


def _patients(subjects: Sequence[str], values: NDArray[np.float64]) -> int:
    """Patients with a score; `values` is one metric of each case, shape (cases,) or (cases, structures)."""
    scored = np.isfinite(values.reshape(len(subjects), -1)).sum(axis=1)
    return len({subject for subject, count in zip(subjects, scored, strict=True) if count})


def _counted(name: str, rows: Sequence[Row[Any]], metrics: dict[str, Statistic]) -> StructureSummary:
    counts = Counter(row.score.status for row in rows)
    scored = len(rows) - counts[Status.ABSENT]
    return StructureSummary(
        name, scored, counts[Status.MISSED], counts[Status.FALSE_ALARM], counts[Status.ABSENT], metrics
    )
