"""Poses and changes of intensity against MONAI's, which work on one image on the CPU."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import AdjustContrast, Affine, GaussianSmooth
from torch.nn.functional import grid_sample

from vlp3d_core.train.perturb import bent, coarse, noisy, pose_grid, rotation, smooth
from vlp3d_core.train.views import view

ANGLES = st.tuples(*[st.floats(-3, 3)] * 3)
SCALES = st.tuples(*[st.floats(0.6, 1.5)] * 3)
SHAPES = st.tuples(*[st.integers(3, 9)] * 3)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_image(shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 1, *shape, generator=generator(seed)) * 2 - 1


@settings(deadline=None, max_examples=40)
@given(angles=ANGLES, scales=SCALES, shape=SHAPES)
def test_a_pose_is_monais(angles: tuple[float, ...], scales: tuple[float, ...], shape: tuple[int, ...]) -> None:
    """On patches of unequal edges, too: voxels are turned and not parts of the field."""
    image = random_image(shape)
    other = Affine(rotate_params=angles, scale_params=scales, padding_mode="border", image_only=True)
    maps = rotation(torch.tensor([angles])) * torch.tensor(scales)
    grid = pose_grid(maps, torch.zeros(1, 3), shape, image.device)
    ours = grid_sample(image, grid, padding_mode="border", align_corners=False)
    assert torch.allclose(ours[0], torch.as_tensor(other(image[0])), atol=2e-3)


@settings(deadline=None)
@given(shape=SHAPES)
def test_a_shift_is_counted_in_half_fields(shape: tuple[int, ...]) -> None:
    image = random_image(shape)
    shift = torch.tensor([[2 / shape[0], 0, -4 / shape[2]]])  # 1 voxel along I, -2 along K
    moved = grid_sample(image, pose_grid(torch.eye(3)[None], shift, shape, image.device), align_corners=False)
    assert torch.allclose(moved[..., :-1, :, 2:], image[..., 1:, :, :-2], atol=1e-5)


@settings(deadline=None, max_examples=25)
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_nothing_changes_at_the_neutral_values(shape: tuple[int, ...], seed: int) -> None:
    image = random_image(shape, seed)
    grid = pose_grid(rotation(torch.zeros(1, 3)), torch.zeros(1, 3), shape, image.device)
    for same in (
        grid_sample(image, grid, padding_mode="border", align_corners=False),
        noisy(image, 0.0, generator()),
        smooth(image, torch.zeros(3)),
        coarse(image, 1.0, "nearest"),
        coarse(image, 1.0, "trilinear"),
        bent(image, 1.0, *image.aminmax()),
        bent(image, 1.0, -1.0, 1.0),
    ):
        assert torch.allclose(same, image, atol=1e-5)


def test_blur_and_power_law_are_monais() -> None:
    image = random_image((15, 14, 13))
    sigmas = torch.tensor([0.4, 0.6, 0.9])
    inner = (..., *[slice(4, -4)] * 3)  # MONAI takes what lies outside for 0, which is no air
    expected = torch.as_tensor(GaussianSmooth(sigmas.tolist())(image[0]))
    assert torch.allclose(smooth(image, sigmas)[0][inner], expected[inner], atol=1e-5)
    assert torch.allclose(bent(image, 1.4, *image.aminmax())[0], AdjustContrast(1.4)(image[0]), atol=1e-5)


def test_air_stays_air_at_the_border_of_a_blurred_image() -> None:
    assert torch.allclose(smooth(torch.full((1, 1, 6, 6, 6), -1.0), torch.full((3,), 0.9)), torch.tensor(-1.0))


@pytest.mark.parametrize("seed", range(4))
def test_autocast_does_not_blunt_a_pose(seed: int) -> None:
    """affine_grid multiplies matrices; in bfloat16 its coordinates would be wrong by a part of a voxel."""
    image = random_image((8, 8, 32), seed)
    plain = view(image, generator(seed))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(view(image, generator(seed)), plain)
