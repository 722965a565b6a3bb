"""Scores of instances against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp3d_core.errors import MedVLPError
from vlp3d_core.evaluate.instances import border_dice, membrane_dice, score_instances


def line(*values: int) -> np.ndarray:
    return np.array(values).reshape(-1, 1, 1)


def test_by_hand() -> None:
    whole, halves = line(7, 7, 7, 7), line(1, 1, 2, 2)
    split, merged = score_instances(halves, whole), score_instances(whole, halves)
    assert (split.voi_split, split.voi_merge, split.found, split.expected) == (1, 0, 2, 1)
    assert (merged.voi_split, merged.voi_merge, merged.found, merged.expected) == (0, 1, 1, 2)
    # Pairs that belong together: 2 in both maps, 6 in one of them; precision 1, recall 1/3.
    assert split.arand == pytest.approx(1 - 2 * (1 / 3) / (1 + 1 / 3)) == merged.arand
    # Reference 1 1 1 2, found 1 1 2 2: H(found | reference) = 3/4 H(1/3), H(reference | found) = 1/2 H(1/2).
    mixed = score_instances(line(1, 1, 2, 2), line(1, 1, 1, 2))
    entropy = -(1 / 3) * np.log2(1 / 3) - (2 / 3) * np.log2(2 / 3)
    assert mixed.voi_split == pytest.approx(0.75 * entropy) and mixed.voi_merge == pytest.approx(0.5)
    # One pair together in both, two in found, three in the reference.
    assert mixed.arand == pytest.approx(1 - 2 * 1 / (2 + 3))


def test_unassigned_voxels_count_nowhere() -> None:
    found, reference = line(1, 1, 2, 9, 9), line(5, 5, 6, 0, 0)
    scores = score_instances(found, reference)
    assert (scores.voi, scores.arand, scores.found, scores.expected) == (0, 0, 2, 2)
    assert score_instances(line(1, 1, 0, 9), line(5, 5, 5, 0)).found == 2, "what was not assigned is one more piece"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=30), st.integers(1, 1000))
def test_names_do_not_matter_and_bounds_hold(pairs: list[tuple[int, int]], shift: int) -> None:
    found, reference = (line(*(pair[n] for pair in pairs)) for n in (0, 1))
    if np.count_nonzero(reference) < 2:
        with pytest.raises(MedVLPError, match="assigns no voxels"):
            score_instances(found, reference)
        return
    scores = score_instances(found, reference)
    renamed = score_instances(found * 7 + shift, np.where(reference, reference * 11 + shift, 0))
    assert renamed == scores
    assert 0 <= scores.arand <= 1 and 0 <= scores.voi_split <= 2 and 0 <= scores.voi_merge <= 2
    perfect = score_instances(reference, reference)
    assert perfect.voi == pytest.approx(0, abs=1e-12)


def test_membranes_by_hand() -> None:
    reference = line(1, 1, 2, 2, 0)
    affinities = np.ones((3, 5, 1, 1))
    affinities[0, 2] = 0.1  # right
    assert membrane_dice(affinities, reference) == 1
    affinities[0, 1] = 0.1  # a cut too many
    affinities[0, 4] = 0.1  # nobody knows
    assert membrane_dice(affinities, reference) == pytest.approx(2 / 3)
    assert np.isnan(membrane_dice(np.ones((3, 2, 1, 1)), line(1, 1)))


def test_borders_by_hand() -> None:
    reference = line(1, 1, 2, 2, 0)
    affinities = np.ones((3, 5, 1, 1))
    affinities[0, 2] = 0.1  # right: the second and third voxel
    assert border_dice(affinities, reference) == 1
    affinities[0, 4] = 0.1  # the fourth too, and one that nobody has assigned
    assert border_dice(affinities, reference) == pytest.approx(2 * 2 / (3 + 2))
    assert np.isnan(border_dice(np.ones((3, 2, 1, 1)), line(1, 1)))


def test_other_shapes() -> None:
    with pytest.raises(MedVLPError, match="one grid"):
        score_instances(line(1, 2), line(1, 2, 3))
