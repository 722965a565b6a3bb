"""How an error falls with data or parameters: a·n^-b, and a·n^-b + c where there are enough different n.

The plain law is a straight line in log-log (Hestness et al. 2017, arXiv 1712.00409; Kaplan et al. 2020, arXiv
2001.08361) and is fitted there by least squares. The saturating one has an error c that no n takes away (Henighan et
al. 2020, arXiv 2010.14701); it is fitted to the same logarithms, so that both weigh relative errors.

Intervals are a parametric bootstrap (Efron & Tibshirani 1993, section 6.5): runs are drawn anew about the fitted law,
normal in the logarithm. How much they scatter is known from few runs only, so each sample draws that, too (residual sum
of squares over χ²): for the plain law the interval is then that of Student's t, and it is as wide for three runs as it
has to be. Drawing single runs or seeds again would give far too narrow ones with three seeds.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeWarning, curve_fit

from vlp3d_core.evaluate.bootstrap import RESAMPLES, SEED, interval

LEAST_POWER, LEAST_SATURATING = 3, 4
"""Different n that the forms need: one more than a line could always be drawn through, and one more for c."""
STEEPEST = 5.0
"""Limit of the saturating form's exponent: beyond it everything but the smallest n is c."""
MOST_STEPS = 60
"""Of a fit to a sample; one that goes on for longer has an exponent or a floor that the sample says nothing about."""
FAR = 30.0
"""Samples of few runs can lie absurdly far from the law; their logarithms are cut here."""
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """A fitted law.

    Attributes:
        form: "power", a·n^-b, or "saturating", a·n^-b + c.
        values: of a, b and c; c is 0 in the plain form.
        interval95: of each.
        scatter: standard deviation of the runs about the law, in natural logarithms (0.1 is about 10 %).
        runs, distinct: that it rests on; different n among them.
        samples: (resamples, 3), a, b and c of the bootstrap.
    """

    form: str
    values: dict[str, float]
    interval95: dict[str, tuple[float, float] | None]
    scatter: float
    runs: int
    distinct: int
    samples: Numbers

    def __call__(self, n: Numbers) -> Numbers:
        """The law's error at each n."""
        a, b, c = self.values.values()
        error: Numbers = a * n**-b + c
        return error

    def band(self, n: Numbers) -> tuple[Numbers, Numbers]:
        """95 % interval of the law (not of single runs) at each n."""
        a, b, c = (column[:, None] for column in self.samples.T)
        with np.errstate(over="ignore", invalid="ignore"):
            low, high = np.nanpercentile(a * n[None] ** -b + c, [2.5, 97.5], axis=0)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """Everything but the samples; an interval without end has None there."""
        found = self.interval95.items()
        ends = {k: None if v is None else [x if np.isfinite(x) else None for x in v] for k, v in found}
        names = ("a", "b") if self.form == "power" else ("a", "b", "c")
        return {
            "form": self.form,
            **{name: {"value": self.values[name], "ci95": ends[name]} for name in names},
            "scatter": self.scatter,
            "runs": self.runs,
            "distinct": self.distinct,
        }


@dataclass(frozen=True)
class Laws:
    """What could be fitted.

    Attributes:
        power, saturating: None where there are too few points.
        why: what was not fitted, and why not.
    """

    power: Law | None
    saturating: Law | None
    why: tuple[str, ...]


def fit_laws(n: Sequence[float], error: Sequence[float], resamples: int | None = None, seed: int = SEED) -> Laws:
    """Both forms, as far as the runs carry them.

    Args:
        n: of each run: subjects, or parameters; above 0.
        error: of each run; one of 0 has no logarithm and prevents a fit.
        resamples: of the bootstrap; None is 2000, and 200 for the saturating form, which is slow to fit.
        seed: of the bootstrap.
    """
    sizes, errors = np.asarray(n, float), np.asarray(error, float)
    distinct = len(np.unique(sizes))
    if distinct < LEAST_POWER:
        return Laws(None, None, (f"no law: it needs {LEAST_POWER} different n, and there are {distinct}",))
    if not (np.isfinite(errors).all() and (errors > 0).all()):
        return Laws(None, None, ("no law: an error is 0 or no number, and has no logarithm",))
    power = _fitted(_PowerForm(), sizes, errors, resamples, seed)
    if distinct < LEAST_SATURATING:
        return Laws(power, None, (f"no c: it needs {LEAST_SATURATING} different n, and there are {distinct}",))
    saturating = _fitted(_SaturatingForm(), sizes, errors, resamples, seed)
    return Laws(power, saturating, () if saturating else ("no c: its fit did not end",))


class _PowerForm:
    """log error = α - b·x."""

    name, parameters, resamples = "power", 2, RESAMPLES

    def fit(self, x: Numbers, y: Numbers) -> Numbers:
        """(α, b, c) of the logarithms y, (runs,) or (runs, samples) → (3,) or (samples, 3)."""
        design = np.stack([np.ones_like(x), -x], axis=1)
        found = np.linalg.lstsq(design, y, rcond=None)[0]
        return np.stack([*found, np.zeros_like(found[0])], axis=-1)

    def samples(self, x: Numbers, drawn: Numbers, start: Numbers) -> Numbers:
        return self.fit(x, drawn.T)


class _SaturatingForm:
    """log error = log(exp(α - b·x) + c), by bounded least squares from several starts."""

    name, parameters, resamples = "saturating", 3, 200

    def fit(self, x: Numbers, y: Numbers) -> Numbers | None:
        error = np.exp(y)
        floors = [part * error.min() for part in (0, 0.5, 0.9)]
        guesses = [np.array([np.log(error - c).mean(), b, c]) for b in (0.3, 1.0) for c in floors]
        found = [p for guess in guesses if (p := _least_squares(x, y, guess)) is not None]
        return min(found, default=None, key=lambda p: float(((_log_law(x, *p) - y) ** 2).sum()))

    def samples(self, x: Numbers, drawn: Numbers, start: Numbers) -> Numbers:
        found = [_least_squares(x, y, start, MOST_STEPS) for y in drawn]
        return np.stack([np.full(3, np.nan) if p is None else p for p in found])


def _least_squares(x: Numbers, y: Numbers, guess: Numbers, steps: int | None = None) -> Numbers | None:
    most = float(np.exp(y).max())
    inside = np.array([guess[0], np.clip(guess[1], 1e-6, STEEPEST - 1e-6), np.clip(guess[2], 0, most * (1 - 1e-6))])
    bounds = ([-np.inf, 0, 0], [np.inf, STEEPEST, most])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", OptimizeWarning)  # of the covariance, which nobody asks for
            how = {"method": "dogbox", "ftol": 1e-6, "xtol": 1e-6, "max_nfev": steps}
            found = curve_fit(_log_law, x, y, inside, bounds=bounds, jac=_slopes, **how)
            return np.asarray(found[0], float)
    except RuntimeError:  # no end within the allowed number of steps
        return None


def _log_law(x: Numbers, alpha: float, b: float, c: float) -> Numbers:
    with np.errstate(divide="ignore"):
        logarithm: Numbers = np.logaddexp(alpha - b * x, np.log(c))
    return logarithm


def _slopes(x: Numbers, alpha: float, b: float, c: float) -> Numbers:
    """Of `_log_law` by its parameters, (runs, 3)."""
    total = _log_law(x, alpha, b, c)
    share = np.exp(alpha - b * x - total)
    return np.stack([share, -x * share, np.exp(-total)], axis=1)


def _fitted(
    form: _PowerForm | _SaturatingForm, n: Numbers, error: Numbers, resamples: int | None, seed: int
) -> Law | None:
    resamples = resamples or form.resamples
    y = np.log(error)
    centre = float(np.log(n).mean())
    x = np.log(n) - centre
    found = form.fit(x, y)
    if found is None:
        return None
    law = _log_law(x, *found)
    freedom = len(y) - form.parameters
    scatter = float(np.sqrt(((y - law) ** 2).sum() / freedom))
    rng = np.random.default_rng(seed)
    scale = scatter * np.sqrt(freedom / rng.chisquare(freedom, resamples))
    departures = scale[:, None] * rng.standard_normal((resamples, len(y)))
    samples = _in_n(form.samples(x, law + np.clip(departures, -FAR, FAR), found), centre)
    values = dict(zip("abc", map(float, _in_n(found[None], centre)[0]), strict=True))
    intervals = {name: interval(samples[:, k]) for k, name in enumerate("abc")}
    return Law(form.name, values, intervals, scatter, len(y), len(np.unique(n)), samples)


def _in_n(found: Numbers, centre: float) -> Numbers:
    """(α, b, c) about the middle of log n → (a, b, c)."""
    with np.errstate(over="ignore"):
        return np.stack([np.exp(found[:, 0] + found[:, 1] * centre), found[:, 1], found[:, 2]], axis=1)
