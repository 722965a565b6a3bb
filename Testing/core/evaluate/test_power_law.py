"""Laws of error: known ones are found again, intervals cover, and nothing is fitted to too little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from vlp3d_core.evaluate.power_law import Law, Laws, fit_laws

SIZES = np.array([5.0, 20, 80, 320, 1280])


def noisy(error: np.ndarray, sd: float, seed: int) -> np.ndarray:
    return error * np.exp(np.random.default_rng(seed).normal(0, sd, len(error)))


def covers(law: Law | None, name: str, value: float) -> bool:
    assert law is not None
    ends = law.interval95[name]
    assert ends is not None
    return bool(ends[0] - 1e-6 <= value <= ends[1] + 1e-6)


@settings(deadline=None)
@given(st.floats(0.05, 5), st.floats(-0.5, 2))
def test_a_known_power_law_is_found(a: float, b: float) -> None:
    law = fit_laws(SIZES[:3], a * SIZES[:3] ** -b, resamples=50).power
    assert law is not None
    assert law.values == pytest.approx({"a": a, "b": b, "c": 0}, rel=1e-6, abs=1e-9)
    assert covers(law, "a", a) and covers(law, "b", b) and law.scatter < 1e-6


@settings(max_examples=5, deadline=None)
@given(st.floats(0.3, 3), st.floats(0.25, 1.5), st.floats(0.05, 0.5), st.integers(0, 1000))
def test_a_known_saturating_law_is_found(a: float, b: float, c: float, seed: int) -> None:
    assume(a * 5**-b > 0.3 * c)  # else there is nothing but the floor to see
    law = fit_laws(SIZES, a * SIZES**-b + c, resamples=2).saturating
    assert law is not None
    assert law.values == pytest.approx({"a": a, "b": b, "c": c}, rel=0.02)
    n = np.tile(SIZES, 3)
    law = fit_laws(n, noisy(a * n**-b + c, 0.01, seed), resamples=2).saturating
    assert law is not None
    assert law(SIZES) == pytest.approx(a * SIZES**-b + c, rel=0.05)


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_the_plain_law_cover_as_often_as_they_say(seeds: int) -> None:
    n = np.tile(SIZES[:3], seeds)
    laws = [fit_laws(n, noisy(2 * n**-0.4, 0.1, run), seed=run).power for run in range(300)]
    for name, value in (("a", 2.0), ("b", 0.4)):
        assert 0.91 <= np.mean([covers(law, name, value) for law in laws]) <= 0.985


def test_intervals_of_the_saturating_law_cover() -> None:
    n = np.tile([5.0, 20, 60, 200], 3)
    laws = [fit_laws(n, noisy(2 * n**-0.6 + 0.15, 0.05, run), resamples=40).saturating for run in range(12)]
    for name, value in (("a", 2.0), ("b", 0.6), ("c", 0.15)):
        assert np.mean([covers(law, name, value) for law in laws]) >= 0.75


def test_the_interval_is_that_of_students_t() -> None:
    n = np.tile(SIZES[:3], 3)
    error = noisy(n**-0.3, 0.2, 3)
    line = stats.linregress(np.log(n), np.log(error))
    half = stats.t.ppf(0.975, len(n) - 2) * line.stderr
    law = fit_laws(n, error, resamples=20000).power
    assert law is not None
    assert law.interval95["b"] == pytest.approx((-line.slope - half, -line.slope + half), rel=0.05)


def test_the_same_runs_have_the_same_intervals() -> None:
    n = np.tile(SIZES[:4], 2)
    error = noisy(n**-0.3 + 0.1, 0.1, 1)
    one, other, another = (fit_laws(n, error, 50, seed) for seed in (0, 0, 1))

    def ends(laws: Laws) -> list:
        return [law.interval95 for law in (laws.power, laws.saturating) if law is not None]

    assert ends(one) == ends(other) != ends(another)


@pytest.mark.parametrize(
    ("n", "error", "said"),
    [
        ([], [], "there are 0"),
        ([10, 10, 20, 20], [0.5, 0.6, 0.4, 0.3], "needs 3 different n, and there are 2"),
        ([10, 20, 40], [0.5, 0.2, 0.0], "no logarithm"),
        ([10, 20, 40], [0.5, float("nan"), 0.1], "no logarithm"),
    ],
)
def test_no_law_is_made_up(n: list[float], error: list[float], said: str) -> None:
    laws = fit_laws(n, error)
    assert laws.power is None and laws.saturating is None
    assert said in laws.why[0]


def test_three_points_have_no_floor() -> None:
    laws = fit_laws([10, 20, 40], [0.5, 0.4, 0.3], 50)
    assert laws.power is not None and laws.saturating is None
    assert "no c: it needs 4" in laws.why[0]


def test_the_band_holds_the_law() -> None:
    n = np.tile(SIZES[:4], 3)
    law = fit_laws(n, noisy(n**-0.4 + 0.1, 0.05, 2), 100).saturating
    assert law is not None
    low, high = law.band(SIZES)
    assert (low < law(SIZES)).all() and (law(SIZES) < high).all()
