"""Metrics of masks against hand calculation, MONAI and SimpleITK."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from vlp3d_core.errors import UsageError
from vlp3d_core.evaluate import Status, score_masks
from vlp3d_core.evaluate.metrics import hd95, surface_dice

SPACING = (1.0, 2.0, 3.0)


def box(shift: int = 0) -> np.ndarray:
    """6x5x4 voxels, moved along k."""
    mask = np.zeros((12, 11, 10), dtype=bool)
    mask[3:9, 3:8, 2 + shift : 6 + shift] = True
    return mask


def blob(seed: int, margin: int = 4) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(26, 22, 18))
    mask = ndimage.gaussian_filter(noise, 2.5) > 0.02
    inside = np.zeros_like(mask)
    inside[margin : 26 - margin, margin : 22 - margin, margin : 18 - margin] = True
    return mask & inside


def test_box_moved_by_one_voxel_of_three_mm() -> None:
    score = score_masks(box(1), box(), SPACING)
    assert score.status is Status.SCORED
    assert score.dice == pytest.approx(3 / 4)
    # 30 of the 96 surface voxels, the whole last layer, are one step of 3 mm away; nothing is farther.
    assert score.hd95_mm == pytest.approx(3.0)
    assert score.reference_ml == score.prediction_ml == pytest.approx(6 * 5 * 4 * 6 / 1000)
    assert score.volume_error_ml == score.volume_error_relative == 0


def test_surface_dice_of_the_moved_box_by_hand() -> None:
    # Elements sit between the voxel centres: flat faces, chamfered edges, cut corners.
    side_walls = 2 * (4 * 3) * (2 * 3) + 2 * (5 * 3) * (1 * 3) + 4 * 3 * 3 * math.hypot(0.5, 1.0)
    lid = 5 * 4 * (1 * 2)
    rim = 2 * 5 * 1 * math.hypot(1.0, 1.5) + 2 * 4 * 2 * math.hypot(0.5, 1.5)
    rim += 4 * 0.5 * math.sqrt((0.5 * 1.0) ** 2 + (1.0 * 1.5) ** 2 + (0.5 * 1.5) ** 2)
    # Below the smallest step only coinciding elements count: the walls and the rim that meets the other box's wall.
    expected = (side_walls + rim) / (side_walls + 2 * lid + 2 * rim)
    assert surface_dice(box(1), box(), SPACING, 0.5) == pytest.approx(expected, rel=1e-5)
    assert surface_dice(box(1), box(), SPACING, 2.99) < 1
    assert surface_dice(box(1), box(), SPACING, 3.0) == 1


def test_tolerance_survives_a_spacing_stored_in_single_precision() -> None:
    stored = (1.0, 2.0, float(np.nextafter(np.float32(2.0), np.float32(3))))
    assert surface_dice(box(1), box(), stored, 2.0) == 1


def test_one_far_voxel_does_not_change_hd95_but_the_volume() -> None:
    reference, prediction = box(), box()
    prediction[11, 10, 9] = True
    score = score_masks(prediction, reference, SPACING)
    assert score.hd95_mm == 0
    assert score.volume_error_ml == pytest.approx(0.006)
    assert score.volume_error_relative == score.volume_error_absolute == pytest.approx(1 / 120)


def test_empty_masks() -> None:
    empty = np.zeros_like(box())
    missed, alarm = score_masks(empty, box(), SPACING), score_masks(box(), empty, SPACING)
    assert (missed.status, missed.dice, missed.surface_dice, missed.hd95_mm) == (Status.MISSED, 0, 0, None)
    assert (missed.volume_error_ml, missed.volume_error_relative) == (pytest.approx(-0.72), -1)
    assert missed.volume_error_absolute == 1
    assert (alarm.status, alarm.dice, alarm.surface_dice, alarm.hd95_mm) == (Status.FALSE_ALARM, 0, 0, None)
    assert (alarm.volume_error_ml, alarm.volume_error_relative) == (pytest.approx(0.72), None)
    nothing = score_masks(empty, empty, SPACING)
    assert nothing.status is Status.ABSENT
    assert (nothing.dice, nothing.surface_dice, nothing.hd95_mm, nothing.volume_error_ml) == (None,) * 4


@pytest.mark.parametrize("tolerance", [-1.0, math.nan, math.inf])
def test_senseless_tolerance(tolerance: float) -> None:
    with pytest.raises(UsageError, match="tolerance"):
        score_masks(box(), box(), SPACING, tolerance=tolerance)


@pytest.mark.parametrize(("seed", "margin"), [(0, 4), (1, 4), (2, 0)])
@pytest.mark.filterwarnings("ignore")
def test_agrees_with_monai(seed: int, margin: int) -> None:
    import torch
    from monai.metrics import compute_dice, compute_surface_dice

    prediction, reference = blob(seed, margin), blob(seed + 10, margin)
    pair = [torch.from_numpy(mask)[None, None] for mask in (prediction, reference)]
    score = score_masks(prediction, reference, SPACING)
    assert score.dice == pytest.approx(float(compute_dice(*pair)), abs=1e-6)
    theirs = compute_surface_dice(*pair, [2.0], include_background=True, spacing=SPACING, use_subvoxels=True)
    assert score.surface_dice == pytest.approx(float(theirs), abs=1e-5)
    assert 0.05 < score.surface_dice < 0.95


@pytest.mark.parametrize("seed", [3, 4])
def test_agrees_with_simpleitk(seed: int) -> None:
    masks = blob(seed), blob(seed + 10)
    images = [sitk.GetImageFromArray(mask.T.astype(np.uint8)) for mask in masks]
    for image in images:
        image.SetSpacing(SPACING)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(images[1], images[0])
    score = score_masks(*masks, SPACING)
    assert score.dice == pytest.approx(overlap.GetDiceCoefficient(), abs=1e-9)
    surfaces = [sitk.BinaryContour(image, False) for image in images]
    directed = []
    for one, other in itertools.permutations(surfaces):
        distance = sitk.SignedMaurerDistanceMap(other, squaredDistance=False, useImageSpacing=True)
        at_surface = np.abs(sitk.GetArrayFromImage(distance))[sitk.GetArrayFromImage(one) > 0]
        directed.append(np.quantile(at_surface, 0.95))
    assert score.hd95_mm == pytest.approx(max(directed), abs=1e-4)


MASKS = arrays.arrays(bool, (5, 4, 6))
SPACINGS = st.tuples(*[st.floats(0.2, 6)] * 3)


@settings(deadline=None, max_examples=40)
@given(one=MASKS, other=MASKS, spacing=SPACINGS)
def test_symmetry_and_range(one: np.ndarray, other: np.ndarray, spacing: tuple[float, float, float]) -> None:
    forth, back = score_masks(one, other, spacing), score_masks(other, one, spacing)
    assert forth.dice == back.dice
    assert forth.hd95_mm == back.hd95_mm
    assert forth.surface_dice == pytest.approx(back.surface_dice)
    if forth.volume_error_ml is not None:
        assert forth.volume_error_ml == pytest.approx(-back.volume_error_ml)
        assert 0 <= forth.dice <= 1
        assert 0 <= forth.surface_dice <= 1 + 1e-9
    if forth.hd95_mm is not None:
        assert 0 <= forth.hd95_mm <= np.linalg.norm(np.multiply(spacing, (5, 4, 6)))


@settings(deadline=None, max_examples=30)
@given(mask=MASKS.filter(np.any), spacing=SPACINGS)
def test_identity(mask: np.ndarray, spacing: tuple[float, float, float]) -> None:
    score = score_masks(mask, mask, spacing, tolerance=0)
    assert (score.dice, score.hd95_mm, score.volume_error_ml) == (1, 0, 0)
    assert score.surface_dice == pytest.approx(1)


@settings(deadline=None, max_examples=30)
@given(one=MASKS.filter(np.any), other=MASKS.filter(np.any), spacing=SPACINGS, axes=st.permutations(range(3)))
def test_axis_order_and_empty_margin_change_nothing(
    one: np.ndarray, other: np.ndarray, spacing: tuple[float, float, float], axes: list[int]
) -> None:
    turned = [np.pad(np.flip(mask.transpose(axes), 1), 2) for mask in (one, other)]
    steps = [spacing[axis] for axis in axes]
    assert surface_dice(*turned, steps, 2.0) == pytest.approx(surface_dice(one, other, spacing, 2.0), abs=1e-5)
    assert hd95(*turned, steps) == pytest.approx(hd95(one, other, spacing), abs=1e-5)


def test_importing_evaluate_does_not_import_torch() -> None:
    code = "import sys, vlp3d_core.evaluate; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
