"""Label maps on a finer grid where some voxels are surer of their label than others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vlp3d_core.volume import Grid
from vlp3d_core.volume.resample_labels import Labels, resample_labels

SHAPE = (7, 6, 8)


def grid(shape: tuple[int, ...], step: float) -> Grid:
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = (step - 1) / 2  # all begin at the same edge
    i, j, k = shape
    return Grid((i, j, k), affine)


def finer(labels: Labels, times: int, lead: NDArray[np.float16] | None = None) -> Labels:
    target = grid(tuple(times * n for n in labels.shape), 1 / times)
    return resample_labels(labels, grid(labels.shape, 1.0), target, lead=lead)


@pytest.mark.parametrize(("sure", "unsure", "part"), [(3.0, 1.0, 0.75), (1.0, 1.0, 0.5), (1.0, 4.0, 0.2)])
def test_a_border_is_nearer_to_the_unsure_voxel(sure: float, unsure: float, part: float) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:3] = 5
    lead = np.where(labels > 0, sure, unsure).astype(np.float16)
    assert (finer(labels, 20, lead)[:, 50, 60] == 5).sum() == 20 * (2.5 + part)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), times=st.sampled_from([2, 4]), kinds=st.integers(2, 5))
def test_the_most_votes_win(seed: int, times: int, kinds: int) -> None:
    """Against torch's interpolation of the votes for each label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, kinds, SHAPE).astype(np.uint8)
    lead = rng.uniform(0.1, 4, SHAPE).astype(np.float16)
    votes = torch.from_numpy(np.stack([np.where(labels == k, lead, 0) for k in range(kinds)]).astype(np.float32))
    shape = [times * n for n in SHAPE]
    fine = torch.nn.functional.interpolate(votes[None], shape, mode="trilinear")[0]
    second, first = fine.sort(0).values[-2:]
    clear = (first - second > 0.02).numpy()  # shares are kept in half precision
    assert clear.mean() > 0.9
    assert np.array_equal(finer(labels, times, lead)[clear], fine.argmax(0).numpy()[clear])


def test_equal_votes_are_no_votes() -> None:
    labels = np.random.default_rng(0).integers(0, 4, SHAPE).astype(np.uint8)
    same = finer(labels, 3, np.ones(SHAPE, np.float16))
    assert (same == finer(labels, 3)).mean() > 0.99  # ties apart


def test_a_part_of_the_grid() -> None:
    """A box in the middle is decided as within the whole, but for its outermost half voxel."""
    rng = np.random.default_rng(0)
    labels, lead = rng.integers(0, 3, (9, 9, 9)).astype(np.uint8), rng.uniform(0.1, 4, (9, 9, 9)).astype(np.float16)
    box = (slice(2, 8), slice(1, 7), slice(3, 9))
    part, whole = finer(labels[box], 2, lead[box]), finer(labels, 2, lead)[4:16, 2:14, 6:18]
    assert np.array_equal(part[1:-1, 1:-1, 1:-1], whole[1:-1, 1:-1, 1:-1])
