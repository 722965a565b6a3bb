"""Slices: the right ones, the right way round, in the window of the modality."""

from __future__ import annotations

import io
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vlp3d_core.train.captioning.slices import LARGEST, axial_slices, png
from vlp3d_core.volume import Volume, read_volume


def marked(modality: str = "CT", low: float = -1000.0, body: float = 40.0, bright: float = 240.0) -> Volume:
    """A block of 24×20×30 mm in air, S from 10 to 40, with a bright mark at its right, anterior edge."""
    array = np.full((40, 30, 50), low, np.float32)
    array[8:32, 5:25, 10:40] = body
    array[26:32, 19:25, 10:40] = bright  # R+, A+
    return Volume(array, np.diag([1.0, 1.0, 1.0, 1.0]), modality)


def test_the_middle_of_the_body_in_radiological_convention() -> None:
    shown = axial_slices(marked())
    assert shown.crop == "axial slice 26 of 50"
    image = shown.images[0]
    assert image.dtype == np.uint8 and image.shape == (30, 40)
    rows, columns = np.nonzero(image == 255)
    assert rows.max() < 15 and columns.max() < 20, "anterior is up, and the patient's right on the left"
    assert image[15, 20] == round(200 / 400 * 255) and image[0, 0] == 0


def test_several_slices_spread_through_the_body() -> None:
    assert axial_slices(marked(), 3).crop == "axial slices 16, 26, 36 of 50"
    assert len(axial_slices(marked(), 500).images) == 30


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_affine_says_what_axial_is(order: tuple[int, int, int]) -> None:
    volume, whole = marked(), axial_slices(marked(), 2)
    for flips in product((False, True), repeat=3):
        array, affine = volume.array.transpose(order), volume.affine[:, [*order, 3]].copy()
        for axis in np.flatnonzero(flips):
            array = np.flip(array, axis)
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
        turned = axial_slices(Volume(np.ascontiguousarray(array), affine, "CT"), 2)
        assert turned.crop == whole.crop
        assert all(np.array_equal(a, b) for a, b in zip(turned.images, whole.images, strict=True))


def test_oblique_volumes_and_pixels_that_are_not_square() -> None:
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    volume = marked(low=-160.0)
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([1.0, 2.0, 1.0])
    image = axial_slices(Volume(volume.array, affine, "CT")).images[0]
    assert (image > 63).sum() == pytest.approx(24 * 40, rel=0.05), "24×40 mm of body, in pixels of 1 mm"


@pytest.mark.parametrize("modality", ["MR", "EM", "PT", ""])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e5])
def test_other_modalities_use_percentiles(modality: str, scale: float) -> None:
    image = axial_slices(marked(modality, 0.0, 100.0 * scale, 300.0 * scale)).images[0]
    assert image.max() == 255 and image[0, 0] == 0 and (image == 255).sum() == 36


def test_voxels_that_are_nearly_all_alike() -> None:
    volume = marked("MR", 0.0, 0.0, 7.0)
    assert axial_slices(volume).images[0].max() == 255


def test_large_slices_are_made_smaller() -> None:
    array = np.random.default_rng(0).normal(size=(1500, 700, 3)).astype(np.float32)
    image = axial_slices(Volume(array, np.diag([4e-6, 4e-6, 4e-5, 1.0]), "EM")).images[0]
    assert max(image.shape) == LARGEST and image.shape[0] == pytest.approx(LARGEST * 700 / 1500, abs=1)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    count=st.integers(1, 12),
    spacing=st.tuples(*[st.floats(1e-5, 50)] * 3),
    modality=st.sampled_from(["CT", "MR", "EM", ""]),
)
def test_any_volume_gives_pictures(
    shape: tuple[int, int, int], count: int, spacing: tuple[float, float, float], modality: str
) -> None:
    if max(spacing) > 200 * min(spacing):
        spacing = (spacing[0],) * 3
    array = np.random.default_rng(1).normal(size=shape).astype(np.float32) * 100
    shown = axial_slices(Volume(array, np.diag([*spacing, 1.0]), modality), count)
    assert 1 <= len(shown.images) <= min(count, shape[2])
    assert all(min(image.shape) >= 1 and max(image.shape) <= LARGEST + 1 for image in shown.images)


def test_png_holds_the_pixels_and_nothing_else() -> None:
    image = axial_slices(marked()).images[0]
    read = Image.open(io.BytesIO(png(image)))
    assert np.array_equal(np.asarray(read), image) and read.mode == "L" and not read.info


@pytest.mark.parametrize(
    ("file", "modality"),
    [
        ("totalsegmentator/example_ct_sm.nii.gz", "CT"),
        ("totalsegmentator/example_mr_sm.nii.gz", "MR"),
        ("open_ms/patient07_FLAIR.nii.gz", "MR"),
        ("em_fib25/train2_raw.nrrd", "EM"),
    ],
)
def test_real_volumes(shared_data: Path, file: str, modality: str) -> None:
    for image in axial_slices(read_volume(shared_data / file, modality), 3).images:
        assert image.std() > 10 and np.unique(image).size > 50
