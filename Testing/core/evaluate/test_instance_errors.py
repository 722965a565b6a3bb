"""The largest error of an instance map, on maps that are made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vlp3d_core.evaluate.instance_errors import largest_error


@pytest.fixture
def reference() -> np.ndarray:
    """Four bars along the first axis, of 10 × 2 × 6 voxels each, with a gap of unassigned voxels before each."""
    labels = np.zeros((10, 12, 6), np.uint16)
    for number in range(4):
        labels[:, 3 * number + 1 : 3 * number + 3] = 7 * (number + 1)
    return labels


def test_nothing_is_wrong(reference: np.ndarray) -> None:
    """Other numbers and other borders are no error."""
    found = np.where(reference > 0, 100 - reference, 0)
    assert largest_error(found, reference) is None
    found[reference == 0] = 93
    assert largest_error(found, reference) is None
    assert largest_error(np.zeros_like(reference), reference) is None


def test_a_wrong_join_where_most_of_it_is(reference: np.ndarray) -> None:
    found = reference.copy()
    found[reference == 14] = 7
    found[reference == 21] = 7
    found[2:, :, 4][reference[2:, :, 4] == 28] = 7
    found[4:, :, 2][reference[4:, :, 2] == 28] = 99
    error = largest_error(found, reference)
    assert error is not None and error.merged and error.parts == 4
    assert np.array_equal(error.mask, found == 7)
    assert error.slice == 4 and error.wrong == pytest.approx(256 / 376)
    assert error.words.startswith("one found instance joins 4 of the reference, 68%")


def test_a_wrong_cut(reference: np.ndarray) -> None:
    found = reference.copy()
    found[:4][reference[:4] == 21] = 50
    found[:, :, 5][reference[:, :, 5] == 21] = 51
    error = largest_error(found, reference)
    assert error is not None and not error.merged and error.parts == 3
    assert np.array_equal(error.mask, reference == 21)
    assert error.slice == 5 and error.wrong == pytest.approx((4 * 2 * 5 + 20) / 120)
    assert error.words.startswith("one of the reference was cut into 3, 50%")
