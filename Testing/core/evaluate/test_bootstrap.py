"""Bootstrap intervals: do they cover, and is it patients that are drawn?"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from vlp3d_core.evaluate.bootstrap import interval, resampled_means


def bounds(values: np.ndarray, subjects: list[str], **options: int) -> tuple[float, float]:
    found = interval(resampled_means(values[:, None], subjects, **options)[:, 0])
    assert found is not None
    return found


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(7)
    subjects = [str(i) for i in range(25)]
    hits = 0
    for run in range(300):
        low, high = bounds(rng.normal(0.7, 0.1, 25), subjects, resamples=400, seed=run)
        hits += low <= 0.7 <= high
    assert 0.88 <= hits / 300 <= 0.98


def test_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).beta(8, 2, 30)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=4000, rng=np.random.default_rng(2))
    ours = bounds(values, [str(i) for i in range(30)], resamples=4000)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)


def test_same_seed_same_interval() -> None:
    values = np.arange(10.0)
    subjects = list("abcdefghij")
    assert bounds(values, subjects) == bounds(values, subjects)
    assert bounds(values, subjects, seed=1) != bounds(values, subjects)


def test_more_images_of_the_same_patients_are_no_more_evidence() -> None:
    values = np.random.default_rng(3).normal(size=12)
    subjects = [str(i) for i in range(12)]
    once, five_times = bounds(values, subjects), bounds(np.tile(values, 5), subjects * 5)
    assert five_times == pytest.approx(once)


def test_what_was_not_scored_is_left_out() -> None:
    values = np.array([[0.5, np.nan], [0.7, np.nan], [0.6, np.nan]])
    means = resampled_means(values, ["a", "b", "c"])
    assert interval(means[:, 1]) is None
    assert ((means[:, 0] >= 0.5) & (means[:, 0] <= 0.7)).all()
