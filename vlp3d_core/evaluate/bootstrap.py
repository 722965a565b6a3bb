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
    # How often each subject is drawn when as many are drawn, with replacement, as there are.
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = (drawn @ sums) / (drawn @ counts)
    return means


def interval(samples: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float] | None:
    """Percentile interval of bootstrap samples of a mean; None where none of them holds a value."""
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        return None
    tail = 100 * (1 - confidence) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
