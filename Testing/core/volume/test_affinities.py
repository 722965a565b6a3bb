"""Affinities of instances, voxel by voxel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vlp3d_core.volume.affinities import affinities_of, ends


@given(st.integers(0, 10_000), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_against_a_loop(seed: int, distances: list[int]) -> None:
    """Also for distances beyond the volume's edge."""
    labels = np.random.default_rng(seed).integers(0, 3, (4, 3, 5))
    together, known = affinities_of(labels, distances)
    assert together.shape == known.shape == (3 * len(distances), 4, 3, 5)
    for number, distance in enumerate(distances):
        for axis in range(3):
            for place in np.ndindex(labels.shape):
                other = tuple(n - distance * (axis == m) for m, n in enumerate(place))
                pair = (labels[place], labels[other]) if min(other) >= 0 else (0, 0)
                assert known[(3 * number + axis, *place)] == (pair[0] > 0 and pair[1] > 0)
                assert together[(3 * number + axis, *place)] == (pair[0] > 0 and pair[0] == pair[1])


@given(st.integers(0, 10_000))
def test_ends_against_a_loop(seed: int) -> None:
    edges = np.random.default_rng(seed).random((3, 4, 3, 5)) < 0.2
    expected = np.zeros(edges.shape[1:], bool)
    for axis, *place in np.argwhere(edges).tolist():
        other = tuple(n - (axis == m) for m, n in enumerate(place))
        if min(other) >= 0:  # the first plane has no edges
            expected[tuple(place)] = expected[other] = True
    assert np.array_equal(ends(edges), expected)
