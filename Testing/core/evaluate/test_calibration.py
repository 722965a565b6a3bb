"""Counts by hand, and models whose calibration is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.calibration import COUNTED_AT, LEVELS, Counts, calibrate, counted


def drawn(temperature: float, subjects: int = 4, voxels: int = 200_000) -> list[Counts]:
    """Two structures; what is claimed with logit x is right with the probability of x / temperature."""
    rng, made = np.random.default_rng(0), []
    for subject in range(subjects):
        level = rng.integers(LEVELS // 2 + 1, LEVELS - 1, voxels)
        right = rng.random(voxels) < expit(COUNTED_AT * logit(level / (LEVELS - 1)) / temperature)
        labels = rng.integers(1, 3, voxels)
        reference = np.where(right, labels, 0)
        made.append(counted(f"s{subject}", labels, level.astype(np.uint8), reference, (True, True)))
    return made


def test_counts_by_hand() -> None:
    labels = np.array([[0, 1, 1, 2, 3]])
    certainty = np.array([[250, 200, 200, 130, 255]], np.uint8)
    reference = np.array([[1, 1, 0, 3, 3]])
    counts = counted("anna", labels, certainty, reference, (True, True, False))
    assert counts.tries[0, 200] == 2 and counts.hits[0, 200] == 1, "background is not judged"
    assert counts.tries[1, 130] == 1 and counts.hits[1].sum() == 0
    assert counts.tries[2].sum() == 0, "nobody looked for it"
    result = calibrate([counts], ("Liver", "Spleen", "Heart"), COUNTED_AT)
    assert result.ece95 is None and result.voxels == 3
    assert [(one.name, one.voxels, one.right) for one in result.structures] == [("Liver", 2, 0.5), ("Spleen", 1, 0.0)]
    gaps = 2 * (200 / 255 - 0.5) + 130 / 255
    assert result.ece == pytest.approx(gaps / 3, abs=1e-6)


def test_a_model_that_means_what_it_says() -> None:
    result = calibrate(drawn(1.0), ("Liver", "Spleen"))
    assert result.ece < 0.005 and result.best == pytest.approx(1.0, abs=0.02)
    assert result.ece95 is not None and result.ece95[0] <= result.ece95[1] < 0.01
    assert len(result.bins) == 10 and all(abs(one.claimed - one.right) < 0.02 for one in result.bins)


@pytest.mark.parametrize("temperature", [0.6, 2.5])
def test_too_sure_and_not_sure_enough(temperature: float) -> None:
    result = calibrate(drawn(temperature), ("Liver", "Spleen"))
    assert result.best == pytest.approx(temperature, rel=0.05)
    assert result.ece > 0.03 and calibrate(drawn(temperature), ("Liver", "Spleen"), result.best).ece < 0.01
    sign = np.sign(temperature - 1)
    assert all(sign * (one.claimed - one.right) > 0 for one in result.bins[1:-1])


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_every_judged_voxel_is_counted_once(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, reference = rng.integers(0, 4, (2, size))
    known = tuple(rng.random(3) < 0.5)
    counts = counted("s", labels, rng.integers(128, 256, size).astype(np.uint8), reference, known)
    judged = sum(int((labels == k + 1).sum()) for k in range(3) if known[k])
    assert counts.tries.sum() == judged and np.all(counts.hits <= counts.tries)
    assert counts.hits.sum() == sum(int(((labels == k + 1) & (reference == k + 1)).sum()) for k in range(3) if known[k])


def test_nothing_was_found() -> None:
    with pytest.raises(MedVLPError, match="found nothing"):
        calibrate([counted("s", np.zeros(3, int), np.zeros(3, np.uint8), np.ones(3, int), (True,))], ("Liver",))
