"""Confidence intervals by resampling patients.

Structures and images of one patient are not independent, so the patient is what is drawn (percentile bootstrap,
Efron & Tibshirani 1993, chapters 8 and 13).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
SEED = 0


def resampled_means(
    values: NDArray[np.float64], subjects: Sequence[str], resamples: int = RESAMPLES, seed: int = SEED
) -> NDArray[np.float64]:
    """Column means over bootstrap samples of the subjects.

    Args:
        values: shape (cases, columns); NaN = not scored, left out of the mean.
        subjects: subject of each case.
        resamples, seed: the same seed gives the same samples for every column and metric.

    Returns:
        Shape (resamples, columns); NaN where a sample holds no scored case of the column.
    """
    names, of_case = np.unique(np.asarray(subjects, dtype=object).astype(str), return_inverse=True)
    scored = np.isfinite(values)
    sums = np.zeros((len(names), values.shape[1]))
    counts = np.zeros_like(sums)
    np.add.at(sums, of_case, np.where(scored, values, 0.0))
    np.add.at(counts, of_case, scored)
    drawn = _drawn(len(names), resamples, seed)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (drawn @ sums) / (drawn @ counts)
    return means


def drawn_subjects(subjects: Sequence[str], resamples: int = RESAMPLES, seed: int = SEED) -> NDArray[np.float64]:
    """How often each case is in each bootstrap sample of the subjects: (resamples, cases)."""
    names, of_case = np.unique(np.asarray(subjects, dtype=object).astype(str), return_inverse=True)
    return _drawn(len(names), resamples, seed)[:, of_case].astype(np.float64)


def _drawn(subjects: int, resamples: int, seed: int) -> NDArray[np.int64]:
    """How often each subject is drawn when as many are drawn, with replacement, as there are."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(subjects, np.full(subjects, 1 / subjects), size=resamples)


def interval(samples: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of bootstrap samples of a mean; None where none of them holds a value."""
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        return None
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
