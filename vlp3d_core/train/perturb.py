"""What is done to crops on the device that trains: poses for a whole batch, changes of intensity image by image.

The numbers that decide come from generators on the CPU, so that every device sees the same ones. Callers switch
autocast off: in bfloat16 the coordinates of a turned grid are wrong by a fraction of a voxel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.layers import gaussian_1d, separable_filtering
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, interpolate


def uniform(low: float, high: float, count: int, generator: Generator) -> Tensor:
    """(count,) numbers between `low` and `high`."""
    return torch.rand(count, generator=generator) * (high - low) + low


def chance(probability: float, generator: Generator) -> bool:
    """True that often."""
    return float(torch.rand(1, generator=generator)) < probability


def random_map(generator: Generator, strength: float = 1.0) -> Tensor:
    """(3, 3) a map for `pose_grid`: turned by up to 15 degrees about I, 9 about J and K, axes scaled by up to 20 %."""
    angles = uniform(-1, 1, 3, generator) * torch.tensor([0.26, 0.15, 0.15]) * strength
    return rotation(angles[None])[0] * (1 + uniform(-0.2, 0.2, 3, generator) * strength)


def rotation(angles: Tensor) -> Tensor:
    """(B, 3) angles in radians about I, J, K → (B, 3, 3): about K first, then J, then I."""
    out = torch.eye(3).expand(len(angles), 3, 3)
    for axis in range(3):
        a, b = (axis + 1) % 3, (axis + 2) % 3
        turn = torch.eye(3).repeat(len(angles), 1, 1)
        turn[:, a, a] = turn[:, b, b] = angles[:, axis].cos()
        turn[:, b, a] = angles[:, axis].sin()
        turn[:, a, b] = -turn[:, b, a]
        out = out @ turn
    return out


def pose_grid(maps: Tensor, shift: Tensor, shape: Sequence[int], device: torch.device) -> Tensor:
    """Where the voxels of moved images come from, for `grid_sample` with align_corners=False.

    Args:
        maps: (B, 3, 3) from voxels of the result, counted from its middle along I, J, K, to voxels of the image.
        shift: (B, 3) how far the image's middle moves, as a part of half the field along I, J, K.
        shape: (I, J, K).

    Returns:
        (B, I, J, K, 3).
    """
    size = torch.tensor(shape, dtype=torch.float32)
    theta = torch.cat([maps * size[None, None, :] / size[None, :, None], shift[..., None]], dim=2)
    # grid_sample counts its coordinates from the last axis: x is K, y is J, z is I.
    theta = torch.cat([theta[:, :, :3].flip(1, 2), theta[:, :, 3:].flip(1)], dim=2)
    return affine_grid(theta.to(device), [len(maps), 1, *shape], align_corners=False)


def noisy(image: Tensor, deviation: float, generator: Generator) -> Tensor:
    """With Gaussian noise."""
    return image + torch.randn(image.shape, generator=generator).to(image.device) * deviation


def smooth(image: Tensor, sigmas: Tensor) -> Tensor:
    """Blurred by a Gaussian of (3,) standard deviations in voxels; what lies outside is as the border is.

    Args:
        image: (B, 1, I, J, K).
    """
    kernels = [gaussian_1d(sigma, truncated=4.0, approx="erf") for sigma in sigmas]
    blurred: Tensor = separable_filtering(image, kernels, mode="replicate")
    return blurred


def coarse(image: Tensor, factor: float, mode: str) -> Tensor:
    """As if scanned with voxels 1 / `factor` as large.

    Args:
        image: (B, 1, I, J, K).
        mode: of `interpolate`, for the way down; the way up is linear.
    """
    shape = image.shape[2:]
    small = interpolate(image, [max(1, round(n * factor)) for n in shape], mode=mode)
    return interpolate(small, shape, mode="trilinear")


def bent(image: Tensor, power: float, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Intensities between `low` and `high` by a power law that keeps both ends."""
    return ((image - low) / (high - low + 1e-7)).clamp(0, 1) ** power * (high - low) + low
