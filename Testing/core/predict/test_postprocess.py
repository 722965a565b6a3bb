"""One piece, no holes, left on the left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from vlp3d_core.predict.postprocess import count_labels, postprocess, sum_by_label

LARGEST, HOLES = {"largest_component": True}, {"fill_holes": True}


def test_only_the_largest_piece_stays() -> None:
    labels = np.zeros((10, 6, 6), np.uint8)
    labels[0:2, 0:2, 0:2] = 1
    labels[5:9, 1:5, 1:5] = 1
    labels[3, 3, 3] = 2
    labels[3, 5, 5] = 2
    postprocess(labels, [LARGEST, {}], {}, 4.0)
    assert (labels == 1).sum() == 64 and not labels[0:2].any()
    assert (labels == 2).sum() == 2, "a structure without the rule keeps its pieces"


def test_holes_are_filled_and_what_lies_in_them_stays() -> None:
    labels = np.zeros((9, 9, 9), np.uint16)
    labels[1:8, 1:8, 1:8] = 1
    labels[3:6, 3:6, 3:6] = 0
    labels[4, 4, 4] = 2
    labels[1, 4, 4] = 0
    postprocess(labels, [HOLES, {}], {}, 4.0)
    assert (labels == 2).sum() == 1 and labels[4, 4, 4] == 2
    assert labels[1, 4, 4] == 0, "a dent is no hole"
    assert (labels == 1).sum() == 7**3 - 2


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), density=st.floats(0.3, 0.9))
def test_holes_are_those_of_scipy(seed: int, density: float) -> None:
    mask = np.random.default_rng(seed).random((7, 8, 6)) < density
    labels = mask.astype(np.uint8)
    postprocess(labels, [HOLES], {}, 1.0)
    assert np.array_equal(labels > 0, ndimage.binary_fill_holes(mask))


@pytest.mark.parametrize(("left_at", "right_at", "kept"), [(2, 14, {1, 2}), (14, 2, {1}), (9, 8, {1, 2})])
def test_a_pair_the_wrong_way_round_loses_its_smaller_half(left_at: int, right_at: int, kept: set[int]) -> None:
    labels = np.zeros((20, 8, 8), np.uint8)
    labels[left_at : left_at + 2, 0:4, 0:4] = 1
    labels[right_at : right_at + 2, 5:8, 0:4] = 2
    postprocess(labels, [{}, {}], {1: 2}, 4.0)
    assert set(np.unique(labels)) - {0} == kept


def test_one_of_a_pair_alone_is_left_in_peace() -> None:
    labels = np.zeros((20, 4, 4), np.uint8)
    labels[15:18] = 1
    postprocess(labels, [{}, {}], {1: 2}, 4.0)
    assert (labels == 1).sum() == 3 * 16


@pytest.mark.parametrize("order", ["C", "F"])
def test_counts(order: str) -> None:
    rng = np.random.default_rng(0)
    labels = np.asarray(rng.integers(0, 4, (5, 6, 7)), np.uint8, order=order)  # type: ignore[call-overload]
    values = rng.integers(0, 256, (5, 6, 7)).astype(np.uint8)
    assert count_labels(labels, 5).tolist() == [int((labels == v).sum()) for v in range(6)]
    sums = sum_by_label(labels, 5, values)
    assert sums.tolist() == [float(values[labels == v].sum()) for v in range(6)]
