"""The grid that a model sees: covers the field of view, the same for flips and permutations, sharp where it can be."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from vlp3d_core.errors import MedVLPError, UsageError
from vlp3d_core.volume.grid import Grid, index_map, model_grid, nearest_axes

BASE = Grid((10, 12, 7), np.array([[1.2, 0, 0, -30], [0, 0.9, 0, 12], [0, 0, 3.0, 100], [0, 0, 0, 1.0]]))


def reordered(grid: Grid, axes: tuple[int, ...], flips: tuple[bool, ...]) -> Grid:
    """The grid of `np.flip(array.transpose(axes), flips)`: other indices, same places."""
    affine = grid.affine[:, [*axes, 3]].copy()
    shape = tuple(grid.shape[a] for a in axes)
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (shape[axis] - 1)
            affine[:3, axis] *= -1
    return Grid(shape, affine)  # type: ignore[arg-type]


ORDERS = [(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]


@pytest.mark.parametrize(("axes", "flips"), ORDERS)
def test_flips_and_permutations_give_the_same_model_grid(axes: tuple[int, ...], flips: tuple[bool, ...]) -> None:
    expected = model_grid(BASE, (2.0, 2.0, 2.0))
    assert model_grid(reordered(BASE, axes, flips), (2.0, 2.0, 2.0)).matches(expected, 1e-9)


@settings(max_examples=50, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.5, 6)] * 3),
    model=st.tuples(*[st.floats(0.7, 5)] * 3),
    left_handed=st.booleans(),
)
def test_covers_the_field_of_view(
    angles: tuple[float, ...], spacing: tuple[float, ...], model: tuple[float, ...], left_handed: bool
) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ np.diag(spacing)
    if left_handed:
        affine[:3, 0] *= -1
    grid = Grid((5, 8, 6), affine)
    result = model_grid(grid, model)
    inner, outer = np.array(grid.bounds), np.array(result.bounds)
    slack = 0.002 * max(model) + 0.1 * max(spacing)
    assert (outer[::2] <= inner[::2] + slack).all()
    assert (outer[1::2] >= inner[1::2] - slack).all()
    assert (np.diag(result.affine)[:3] > 0).all()
    assert np.allclose(result.affine[:3, :3], np.diag(result.spacing))


def test_same_spacing_keeps_the_voxel_centres() -> None:
    result = model_grid(BASE, (1.205, 0.9, 2.99))
    assert result.matches(BASE)


def test_one_axis_may_keep_its_centres_alone() -> None:
    result = model_grid(BASE, (2.4, 0.9, 3.0))
    assert result.shape == (5, 12, 7)
    assert result.affine[1, 3] == pytest.approx(12)
    assert result.affine[2, 3] == pytest.approx(100)


def test_box_cuts_the_same_lattice() -> None:
    whole = model_grid(BASE, (2.0, 2.0, 2.0))
    part = model_grid(BASE, (2.0, 2.0, 2.0), box=(-28.0, -22.0, 13.0, 18.0, 99.0, 110.0))
    offset = index_map(whole, part)[:3, 3]
    assert np.allclose(offset, np.round(offset))
    assert all(p < w for p, w in zip(part.shape, whole.shape, strict=True))
    low, high = np.array(part.bounds)[::2], np.array(part.bounds)[1::2]
    assert (low <= [-28, 13, 99]).all() and (high >= [-22, 18, 110]).all()
    assert (low > [-30.1, 10.9, 96.9]).all() and (high < [-19.9, 20.1, 112.1]).all()


def test_box_larger_than_the_volume_is_the_volume() -> None:
    whole = model_grid(BASE, (2.0, 2.0, 2.0))
    assert model_grid(BASE, (2.0, 2.0, 2.0), box=(-999, 999, -999, 999, -999, 999)).matches(whole)


@pytest.mark.parametrize("box", [(0, 0, 0, 1, 0, 1), (5, 1, 0, 1, 0, 1), (500, 600, 0, 20, 90, 110)])
def test_bad_boxes_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(UsageError, match="region"):
        model_grid(BASE, (2.0, 2.0, 2.0), box=box)  # type: ignore[arg-type]


def test_singular_matrix_is_refused() -> None:
    with pytest.raises(MedVLPError, match="singular"):
        model_grid(Grid((3, 3, 3), np.diag([1.0, 1.0, 0.0, 1.0])), (1, 1, 1))
    flat = np.array([[1.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(MedVLPError, match="singular"):
        index_map(Grid((3, 3, 3), flat), BASE)


def test_tiny_spacing_is_not_singular() -> None:
    em = Grid((250, 250, 250), np.diag([8e-6, 8e-6, 8e-6, 1.0]))
    assert model_grid(em, (8e-6, 8e-6, 8e-6)).matches(em)


def test_bounds_hold_half_voxels() -> None:
    assert BASE.bounds == pytest.approx((-30.6, -18.6, 11.55, 22.35, 98.5, 119.5))


def test_nearest_axes_is_a_permutation() -> None:
    affine = np.array([[0, 0, -2.0, 0], [1.1, 0.1, 0, 0], [0, 3, 0.2, 0], [0, 0, 0, 1]])
    assert nearest_axes(affine) == (2, 0, 1)
