"""Nothing moves: what lies somewhere in the patient lies there on every grid."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from vlp3d_core.volume.grid import Grid, index_map, model_grid
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.resample_labels import resample_labels
from vlp3d_core.volume.volume import Volume

ORDERS = [(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]
AFFINE = np.array([[1.5, 0, 0, -30], [0, 1.1, 0, 12], [0, 0, 2.5, 100], [0, 0, 0, 1.0]])


def reordered(array: NDArray, affine: NDArray, axes: tuple[int, ...], flips: tuple[bool, ...]) -> tuple:
    array, affine = array.transpose(axes), affine[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    return array, affine


@st.composite
def grids(draw: st.DrawFn, extent: float = 60.0) -> Grid:
    """A grid around the origin of RAS: any rotation, anisotropic, either handedness, sometimes sheared."""
    rotation = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    spacing = np.array([draw(st.floats(1.0, 3.5)) for _ in range(3)])
    linear = rotation @ np.diag(spacing)
    linear[:, draw(st.integers(0, 2))] *= draw(st.sampled_from([1, -1]))
    linear = linear[:, list(draw(st.permutations(range(3))))]
    linear = linear + draw(st.sampled_from([0.0, 0.2])) * np.roll(linear, 1, axis=1) * [1, 0, 0]
    shape = tuple(int(np.ceil(extent / s)) for s in np.linalg.norm(linear, axis=0))
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) - 1) / 2
    return Grid(shape, affine)  # type: ignore[arg-type]


def positions(grid: Grid) -> NDArray:
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    return index @ grid.affine[:3, :3].T + grid.affine[:3, 3]


def marked(grid: Grid, centre: NDArray, half: float) -> NDArray:
    return (np.abs(positions(grid) - centre) <= half).all(axis=-1)


@pytest.mark.parametrize("kind", [np.int16, np.uint8])
@pytest.mark.parametrize("fill", [0.0, -1000.0, -350.5, 1e6])
@pytest.mark.parametrize(
    "target",
    [
        Grid((9, 9, 9), AFFINE),
        Grid((14, 9, 20), AFFINE @ np.diag([-1.0, 1, 1, 1])),
        Grid((7, 7, 7), AFFINE @ np.diag([3.0, 2, 1, 1])),
        Grid((12, 12, 12), np.array([[1.3, 0.2, 0, -32], [0, 1.7, 0, 10], [0, 0, 2.1, 95], [0, 0, 0, 1]])),
    ],
    ids=["crop", "flip with a border", "bins", "oblique"],
)
def test_integers_give_what_their_float32_copy_gives(kind: type, fill: float, target: Grid) -> None:
    array = np.random.default_rng(4).integers(0, 250, (12, 13, 14)).astype(kind)
    whole = resample(Volume(array.astype(np.float32), AFFINE), target, fill).array
    assert np.array_equal(resample(Volume(array, AFFINE), target, fill).array, whole)


@settings(max_examples=30, deadline=None)
@given(source=grids(), target=grids(extent=40.0), centre=st.tuples(*[st.floats(-8, 8)] * 3))
def test_marked_cube_stays_where_it_is(source: Grid, target: Grid, centre: tuple[float, float, float]) -> None:
    place = np.array(centre)
    soft = np.clip(9.0 - np.abs(positions(source) - place).max(axis=-1), 0, 4).astype(np.float32)
    result = resample(Volume(soft, source.affine), target, fill=0.0)
    assert result.array.shape == target.shape
    weight = result.array[..., None]
    found = (positions(target) * weight).sum(axis=(0, 1, 2)) / weight.sum()
    here = (positions(source) * soft[..., None]).sum(axis=(0, 1, 2)) / soft.sum()
    assert np.abs(found - here).max() <= 0.5 * max(*source.spacing, *target.spacing)


@settings(max_examples=30, deadline=None)
@given(source=grids(), target=grids(extent=40.0), centre=st.tuples(*[st.floats(-8, 8)] * 3))
def test_marked_label_stays_where_it_is(source: Grid, target: Grid, centre: tuple[float, float, float]) -> None:
    place = np.array(centre)
    labels = marked(source, place, 8.0).astype(np.uint8) * 7
    result = resample_labels(labels, source, target)
    assert result.dtype == np.uint8 and set(np.unique(result)) == {0, 7}
    voxel = max(*source.spacing, *target.spacing)
    assert (result[marked(target, place, 8.0 - 1.8 * voxel)] == 7).all()
    assert (result[~marked(target, place, 8.0 + 1.8 * voxel)] == 0).all()


@pytest.mark.parametrize("spacing", [(1.5, 1.1, 2.5), (2.0, 2.0, 2.0), (3.3, 4.0, 2.5)])
def test_flips_and_permutations_give_the_same_image(spacing: tuple[float, float, float]) -> None:
    array = np.random.default_rng(0).normal(size=(13, 11, 9)).astype(np.float32)
    grid = model_grid(Grid(array.shape, AFFINE), spacing)
    expected = resample(Volume(array, AFFINE), grid, 0.0).array
    for axes, flips in ORDERS:
        other, affine = reordered(array, AFFINE, axes, flips)
        again = model_grid(Grid(other.shape, affine), spacing)
        assert np.allclose(resample(Volume(other, affine), again, 0.0).array, expected, atol=1e-4)


def test_linear_interpolation_agrees_with_scipy() -> None:
    array = np.random.default_rng(1).normal(size=(14, 12, 10)).astype(np.float32)
    source = Grid(array.shape, AFFINE)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix() * 1.3
    turned[:3, 3] = (-25, 12, 105)
    target = Grid((12, 9, 11), turned)
    index = np.moveaxis(positions(target), -1, 0)
    matrix = np.linalg.inv(source.affine)
    index = np.tensordot(matrix[:3, :3], index, axes=1) + matrix[:3, 3][:, None, None, None]
    expected = ndimage.map_coordinates(array, index, order=1, mode="nearest")
    ends = np.array(array.shape)[:, None, None, None] - 0.5
    outside = ((index < -0.5) | (index >= ends)).any(axis=0)
    expected[outside] = -5
    assert 0.1 < outside.mean() < 0.9
    for layout in (array, np.asfortranarray(array), np.ascontiguousarray(array[::-1])[::-1]):
        assert np.allclose(resample(Volume(layout, AFFINE), target, -5.0).array, expected, atol=1e-4)


def test_exact_copy_with_fill_outside() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    target = Grid((4, 5, 6), np.array([[0, 0, 1.0, -1], [1, 0, 0, -1], [0, -1, 0, 3], [0, 0, 0, 1]]))
    result = resample(Volume(array, np.eye(4)), target, -1.0).array
    for index in product(*(range(n) for n in target.shape)):
        i, j, k = np.round(target.affine @ [*index, 1]).astype(int)[:3]
        inside = 0 <= i < 2 and 0 <= j < 3 and 0 <= k < 4
        assert result[index] == (array[i, j, k] if inside else -1)


def test_a_region_sees_the_same_voxels_as_the_whole() -> None:
    array = np.random.default_rng(2).normal(size=(40, 36, 30)).astype(np.float32)
    affine = AFFINE @ np.diag([-1, 1, -1, 1])
    volume = Volume(array, affine)
    spacing = (4.0, 2.6, 7.0)
    whole = model_grid(Grid.of(volume), spacing)
    part = model_grid(Grid.of(volume), spacing, box=(-70, -50, 20, 40, 60, 90))
    first = np.round(index_map(whole, part)[:3, 3]).astype(int)
    region = tuple(slice(a, a + n) for a, n in zip(first, part.shape, strict=True))
    expected = resample(volume, whole, 0.0).array[region]
    assert np.allclose(resample(volume, part, 0.0).array, expected, atol=1e-5)


def test_coarser_grid_averages() -> None:
    checker = (np.indices((12, 12, 12)).sum(axis=0) % 2).astype(np.float32)
    grid = model_grid(Grid(checker.shape, np.eye(4)), (2.0, 2.0, 2.0))
    assert np.allclose(resample(Volume(checker, np.eye(4)), grid, 0.0).array, 0.5)


def test_odd_counts_continue_the_border_in_the_last_bin() -> None:
    ones = np.full((7, 5, 9), 3.0, dtype=np.float32)
    grid = model_grid(Grid(ones.shape, np.eye(4)), (2.0, 3.0, 4.0))
    assert np.allclose(resample(Volume(ones, np.eye(4)), grid, 0.0).array, 3.0)


def test_grid_elsewhere_is_all_fill() -> None:
    away = np.eye(4) * 1.3
    away[:3, 3], away[3, 3] = 500, 1
    result = resample(Volume(np.ones((4, 4, 4), dtype=np.float32), np.eye(4)), Grid((3, 4, 5), away), -1024.0)
    assert result.array.shape == (3, 4, 5) and (result.array == -1024).all()
    assert not resample_labels(np.ones((4, 4, 4), np.uint8), Grid((4, 4, 4), np.eye(4)), Grid((3, 4, 5), away)).any()


def trilinear(labels: NDArray, value: int, index: NDArray) -> NDArray:
    """Trilinear weight of one label at some source indices."""
    return ndimage.map_coordinates((labels == value).astype(np.float64), index, order=1, mode="nearest")


@settings(max_examples=25, deadline=None)
@given(source=grids(extent=20.0), target=grids(extent=24.0), seed=st.integers(0, 1000), kinds=st.integers(2, 12))
def test_every_label_has_the_largest_weight(source: Grid, target: Grid, seed: int, kinds: int) -> None:
    labels = np.random.default_rng(seed).integers(0, kinds, source.shape).astype(np.uint16) * 50
    result = resample_labels(labels, source, target)
    index = np.moveaxis(positions(target), -1, 0) - source.affine[:3, 3][:, None, None, None]
    index = np.tensordot(np.linalg.inv(source.affine[:3, :3]), index, axes=1)
    beyond = np.maximum(-0.5 - index, index - np.array(labels.shape)[:, None, None, None] + 0.5).max(axis=0)
    weights = {value: trilinear(labels, value, index) for value in np.unique(labels)}
    chosen = np.choose(result // 50, [weights.get(v * 50, np.zeros(target.shape)) for v in range(kinds)])
    inside = beyond < -1e-6  # on the border itself rounding decides
    assert result.dtype == np.uint16
    assert (chosen[inside] >= np.max(list(weights.values()), axis=0)[inside] - 1e-3).all()
    assert (result[beyond > 1e-6] == 0).all()


def test_labels_of_many_slabs_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.random.default_rng(3).integers(0, 4, (9, 8, 7)).astype(np.uint8)
    source = Grid(labels.shape, AFFINE)
    target = Grid((31, 29, 37), AFFINE @ np.diag([0.29, 0.27, 0.19, 1]))
    whole = resample_labels(labels, source, target)
    monkeypatch.setattr("vlp3d_core.volume.resample_labels.SLAB", 1000)
    assert np.array_equal(resample_labels(labels, source, target), whole)


def test_labels_of_the_same_grid_are_copied_exactly() -> None:
    labels = np.random.default_rng(4).integers(0, 9, (6, 5, 4)).astype(np.uint8)
    for axes, flips in ORDERS:
        other, affine = reordered(labels, AFFINE, axes, flips)
        back = resample_labels(other, Grid(other.shape, affine), Grid(labels.shape, AFFINE))
        assert np.array_equal(back, labels) and not np.shares_memory(back, labels)


def test_flips_and_permutations_give_the_same_labels() -> None:
    source = Grid((9, 8, 7), AFFINE)
    labels = np.random.default_rng(5).integers(0, 4, source.shape).astype(np.uint8)
    native = np.zeros((18, 17, 12), np.uint8)
    matrix = AFFINE @ np.diag([0.5, 0.5, 0.6, 1])
    expected = resample_labels(labels, source, Grid(native.shape, matrix))
    for axes, flips in ORDERS:
        other, affine = reordered(native, matrix, axes, flips)
        result = resample_labels(labels, source, Grid(other.shape, affine))
        assert np.array_equal(result, reordered(expected, matrix, axes, flips)[0])


def test_labels_round_trip_through_the_model_grid() -> None:
    grid = Grid((40, 36, 30), AFFINE)
    centre = positions(grid).mean(axis=(0, 1, 2))
    ball = (np.linalg.norm(positions(grid) - centre, axis=-1) < 15).astype(np.uint8)
    model = model_grid(grid, (2.0, 2.0, 2.0))
    back = resample_labels(resample_labels(ball, grid, model), model, grid)
    dice = 2 * np.count_nonzero(ball & back) / (ball.sum() + back.sum())
    assert dice > 0.95


def test_single_slices_have_labels_too() -> None:
    labels = np.zeros((6, 5, 1), np.uint8)
    labels[2:4, 1:4] = 3
    fine = model_grid(Grid(labels.shape, AFFINE), (0.75, 0.55, 0.5))
    result = resample_labels(labels, Grid(labels.shape, AFFINE), fine)
    assert (result == 3).sum() == pytest.approx((labels == 3).sum() * 20, rel=0.3)
