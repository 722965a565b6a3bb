"""Two views of the same crops: made for a whole batch, on the device that trains."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate


def view(images: Tensor, generator: Generator) -> Tensor:
    """A random pose for each image and exactly one perturbation of its intensities, as GTGM has it.

    Not mirrored: the texts speak of left and right.

    Args:
        images: (B, 1, I, J, K) in [-1, 1]; -1 is what lies outside.
        generator: on the CPU; decides everything.
    """
    moved = _pose(images, generator)
    kinds = torch.randint(4, (len(images),), generator=generator)
    out = [_PERTURBATIONS[int(k)](image[None], generator) for k, image in zip(kinds, moved, strict=True)]
    return torch.cat(out).clamp(-1, 1)


def _uniform(low: float, high: float, count: int, generator: Generator) -> Tensor:
    return torch.rand(count, generator=generator) * (high - low) + low


def _pose(images: Tensor, generator: Generator) -> Tensor:
    """Turned by up to 8 degrees about the long axis, scaled by up to 8 % and moved by up to 8 % of the field."""
    count = len(images)
    angle = torch.deg2rad(_uniform(-8, 8, count, generator))
    scale = _uniform(0.92, 1.08, count, generator)
    theta = torch.zeros(count, 3, 4)
    # grid_sample counts its coordinates from the last axis: x is K, y is J, z is I.
    theta[:, 0, 0] = scale
    theta[:, 1, 1] = theta[:, 2, 2] = scale * angle.cos()
    theta[:, 1, 2], theta[:, 2, 1] = -scale * angle.sin(), scale * angle.sin()
    theta[:, :, 3] = _uniform(-0.08, 0.08, 3 * count, generator).view(count, 3)
    grid = affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    return grid_sample(images + 1, grid, align_corners=False) - 1  # outside is 0 for grid_sample, -1 for us


def _contrast(image: Tensor, generator: Generator) -> Tensor:
    factor, offset = (float(_uniform(*r, 1, generator)) for r in ((0.8, 1.2), (-0.1, 0.1)))
    return image * factor + offset


def _noise(image: Tensor, generator: Generator) -> Tensor:
    noise = torch.randn(image.shape, generator=generator).to(image.device)
    return image + noise * float(_uniform(0.02, 0.12, 1, generator))


def _blur(image: Tensor, generator: Generator) -> Tensor:
    factor = float(_uniform(0.5, 0.9, 1, generator))
    small = interpolate(image, scale_factor=factor, mode="trilinear", recompute_scale_factor=False)
    return interpolate(small, image.shape[2:], mode="trilinear")


def _gamma(image: Tensor, generator: Generator) -> Tensor:
    power = float(_uniform(0.75, 1.35, 1, generator))
    return ((image + 1) / 2).clamp(0, 1) ** power * 2 - 1


_PERTURBATIONS = (_contrast, _noise, _blur, _gamma)
