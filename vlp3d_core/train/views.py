"""Two views of the same crops: made for a whole batch, on the device that trains."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from vlp3d_core.train.perturb import bent, coarse, noisy, pose_grid, rotation, uniform


def view(images: Tensor, generator: Generator) -> Tensor:
    """A random pose for each image and exactly one perturbation of its intensities, as GTGM has it.

    Not mirrored: the texts speak of left and right.

    Args:
        images: (B, 1, I, J, K) in [-1, 1]; -1 is what lies outside.
        generator: on the CPU; decides everything.
    """
    with torch.autocast(images.device.type, enabled=False):
        moved = _pose(images, generator)
        kinds = torch.randint(4, (len(images),), generator=generator)
        out = [_PERTURBATIONS[int(k)](image[None], generator) for k, image in zip(kinds, moved, strict=True)]
        return torch.cat(out).clamp(-1, 1)


def _pose(images: Tensor, generator: Generator) -> Tensor:
    """Turned by up to 8 degrees about the long axis, scaled by up to 8 % and moved by up to 8 % of half the field."""
    count = len(images)
    angles = torch.zeros(count, 3)
    angles[:, 2] = -torch.deg2rad(uniform(-8, 8, count, generator))
    scale = uniform(0.92, 1.08, count, generator)
    shift = uniform(-0.08, 0.08, 3 * count, generator).view(count, 3).flip(1)
    grid = pose_grid(rotation(angles) * scale[:, None, None], shift, images.shape[2:], images.device)
    return grid_sample(images + 1, grid, align_corners=False) - 1  # outside is 0 for grid_sample, -1 for us


def _contrast(image: Tensor, generator: Generator) -> Tensor:
    factor, offset = (float(uniform(*r, 1, generator)) for r in ((0.8, 1.2), (-0.1, 0.1)))
    return image * factor + offset


def _noise(image: Tensor, generator: Generator) -> Tensor:
    return noisy(image, float(uniform(0.02, 0.12, 1, generator)), generator)


def _blur(image: Tensor, generator: Generator) -> Tensor:
    return coarse(image, float(uniform(0.5, 0.9, 1, generator)), "trilinear")


def _gamma(image: Tensor, generator: Generator) -> Tensor:
    return bent(image, float(uniform(0.75, 1.35, 1, generator)), -1.0, 1.0)


_PERTURBATIONS = (_contrast, _noise, _blur, _gamma)
