"""Does a model's probability mean what it says? Of the voxels that it gives to a structure with 0.8, 80 % should be.

Counted are voxels that the model gives to a structure, where somebody has contoured that structure. The score that
users see is the mean of these probabilities, so it is what is judged here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.bootstrap import drawn_subjects, interval

LEVELS = 256
"""Probabilities are kept as whole numbers, 255 times."""
BINS = 10
"""Of equal width from 0.5, below which nothing is given to a structure, to 1."""
HOTTEST = 20.0
"""Temperatures from its reciprocal to this are tried."""
COUNTED_AT = 4.0
"""The temperature of the probabilities that are counted: 256 levels at a temperature of 1 cannot tell a logit of 7 from
one of 20, and a fit to them stops too early; at 4 they reach to 22."""
Histogram = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """One case.

    Attributes:
        tries: (K, LEVELS) voxels given to each of K structures, by 255 times their probability at `COUNTED_AT`.
        hits: (K, LEVELS) those of them that the reference gives to it, too.
    """

    subject: str
    tries: Histogram
    hits: Histogram


@dataclass(frozen=True)
class Bin:
    """Voxels with probabilities that are alike, or of one structure.

    Attributes:
        name: of the structure; "" for a range of probabilities.
        claimed: their mean probability.
        right: the part of them that the reference agrees with.
        voxels: how many.
    """

    name: str
    claimed: float
    right: float
    voxels: int


@dataclass(frozen=True)
class Calibration:
    """The result.

    Attributes:
        temperature: by which logits are divided here.
        ece: expected calibration error: |claimed − right|, averaged over voxels (Naeini et al., AAAI 2015).
        ece95: its 95 % interval, bootstrap by subject; None for one subject.
        best: the temperature that fits best (Guo et al., ICML 2017); above `temperature`: the model is too sure of
            itself.
        bins, structures: where it errs.
    """

    cases: int
    voxels: int
    temperature: float
    ece: float
    ece95: tuple[float, float] | None
    best: float
    bins: tuple[Bin, ...]
    structures: tuple[Bin, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def counted(
    subject: str,
    labels: NDArray[np.integer[Any]],
    certainty: NDArray[np.uint8],
    reference: NDArray[np.integer[Any]],
    known: Sequence[bool],
) -> Counts:
    """The voxels of a case.

    Args:
        labels: 0 or 1 + the number of the structure that each voxel was given to.
        certainty: 255 times the probability of that at a temperature of `COUNTED_AT`.
        reference: what is right, in the same numbers, same shape.
        known: of each structure, whether somebody contoured it here.
    """
    taken = (labels > 0) & np.concatenate([[False], known])[labels]
    place = (labels[taken].astype(np.int64) - 1) * LEVELS + certainty[taken]
    right = reference[taken] == labels[taken]
    size, shape = len(known) * LEVELS, (len(known), LEVELS)
    tries, hits = (np.bincount(where, minlength=size).reshape(shape) for where in (place, place[right]))
    return Counts(subject, tries, hits)


def calibrate(counts: Sequence[Counts], names: Sequence[str], temperature: float = 1.0) -> Calibration:
    """Judge the probabilities at a temperature; all cases together, and each voxel counts the same.

    Raises:
        MedVLPError: no voxel was given to a structure that is contoured.
    """
    tries, hits = (np.stack([getattr(one, name).sum(0) for one in counts]) for name in ("tries", "hits"))
    all_tries, all_hits = tries.sum(0), hits.sum(0)
    if not all_tries.sum():
        raise MedVLPError("The model has found nothing that is contoured in these volumes.", "Check model and split.")
    drawn = drawn_subjects([one.subject for one in counts])
    several = len({one.subject for one in counts}) > 1
    samples = [_error(t, h, temperature) for t, h in zip(drawn @ tries, drawn @ hits, strict=True)] if several else None
    claims = _claims(temperature)
    per_structure = [sum(getattr(one, name) for one in counts) for name in ("tries", "hits")]
    return Calibration(
        len(counts),
        int(all_tries.sum()),
        temperature,
        _error(all_tries, all_hits, temperature),
        interval(np.array(samples)) if samples is not None else None,
        _temperature(all_tries, all_hits),
        tuple(one for one in _bins(all_tries, all_hits, temperature) if one.voxels),
        tuple(_bin(name, t, h, claims) for name, t, h in zip(names, *per_structure, strict=True) if t.sum()),
    )


def _claims(temperature: float) -> NDArray[np.float64]:
    """(LEVELS,) the probability that each level stands for."""
    middle = np.clip(np.arange(LEVELS) / (LEVELS - 1), 1e-3, 1 - 1e-3)
    claims: NDArray[np.float64] = np.clip(expit(COUNTED_AT * logit(middle) / temperature), 1e-9, 1 - 1e-9)
    return claims


def _error(tries: NDArray[Any], hits: NDArray[Any], temperature: float) -> float:
    gaps = [one.voxels * abs(one.claimed - one.right) for one in _bins(tries, hits, temperature) if one.voxels]
    return float(sum(gaps) / tries.sum()) if tries.sum() else float("nan")


def _bins(tries: NDArray[Any], hits: NDArray[Any], temperature: float) -> list[Bin]:
    claims = _claims(temperature)
    place = np.clip(np.floor((claims - 0.5) * 2 * BINS), 0, BINS - 1)
    return [_bin("", tries * (place == n), hits * (place == n), claims) for n in range(BINS)]


def _bin(name: str, tries: NDArray[Any], hits: NDArray[Any], claims: NDArray[np.float64]) -> Bin:
    voxels = tries.sum()
    if not voxels:
        return Bin(name, float("nan"), float("nan"), 0)
    return Bin(name, float(tries @ claims / voxels), float(hits.sum() / voxels), int(voxels))


def _temperature(tries: Histogram, hits: Histogram) -> float:
    """The one with the least cross-entropy."""

    def loss(log_temperature: float) -> float:
        claims = _claims(float(np.exp(log_temperature)))
        return float(-(hits @ np.log(claims) + (tries - hits) @ np.log1p(-claims)))

    found = minimize_scalar(loss, bounds=(-np.log(HOTTEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))
