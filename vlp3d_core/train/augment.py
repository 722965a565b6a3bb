"""Augmentation of patches with labels, for a whole batch, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import grid_sample

from vlp3d_core.train.perturb import bent, chance, coarse, noisy, pose_grid, random_map, smooth, uniform


def augment(
    images: Tensor, labels: Tensor, generators: Sequence[Generator], strength: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Random affine maps and changes of intensity, as nnU-Net has them; rotation moderate, for prompts have sides.

    Args:
        images: (B, 1, I, J, K) in [-1, 1]. What a pose brings in from outside is as the border is.
        labels: (B, I, J, K); their values stay what they are.
        generators: on the CPU, one for each patch; they decide everything, see `train.draws`.
        strength: how far every change goes; 0 leaves all as it is.

    Returns:
        both, new.
    """
    with torch.autocast(images.device.type, enabled=False):
        images, labels = _pose(images, labels, generators, strength)
        pairs = zip(images.split(1), generators, strict=True)
        return torch.cat([_perturb(image, generator, strength) for image, generator in pairs]).clamp(-1, 1), labels


def _pose(images: Tensor, labels: Tensor, generators: Sequence[Generator], strength: float) -> tuple[Tensor, Tensor]:
    """Seven in ten are moved."""
    moved, maps = [], []
    for place, generator in enumerate(generators):
        if chance(0.7, generator):
            moved.append(place)
            maps.append(random_map(generator, strength))
    if not moved:
        return images, labels
    places = torch.tensor(moved, device=images.device)
    grid = pose_grid(torch.stack(maps), torch.zeros(len(maps), 3), images.shape[2:], images.device)
    image = grid_sample(images[places], grid, padding_mode="border", align_corners=False)
    whole = labels[places][:, None].float()  # exact for the values of a uint8
    label = grid_sample(whole, grid, mode="nearest", padding_mode="border", align_corners=False)[:, 0].to(labels.dtype)
    return images.index_copy(0, places, image), labels.index_copy(0, places, label)


def _perturb(image: Tensor, generator: Generator, strength: float) -> Tensor:
    for probability, change in _CHANGES:
        if chance(probability, generator):
            image = change(image, generator, strength)
    return image


def _noise(image: Tensor, generator: Generator, strength: float) -> Tensor:
    return noisy(image, float(uniform(0, 0.08, 1, generator)) * strength, generator)


def _smooth(image: Tensor, generator: Generator, strength: float) -> Tensor:
    return smooth(image, uniform(0.4, 0.9, 3, generator) * strength)


def _scale(image: Tensor, generator: Generator, strength: float) -> Tensor:
    return image * (1 + float(uniform(-0.2, 0.2, 1, generator)) * strength)


def _shift(image: Tensor, generator: Generator, strength: float) -> Tensor:
    return image + float(uniform(-0.1, 0.1, 1, generator)) * strength


def _coarse(image: Tensor, generator: Generator, strength: float) -> Tensor:
    return coarse(image, 1 - float(uniform(0, 0.4, 1, generator)) * strength, "nearest")


def _gamma(image: Tensor, generator: Generator, strength: float) -> Tensor:
    """Keeps mean and standard deviation."""
    low, high = image.aminmax()
    out = bent(image, 1 + float(uniform(-0.3, 0.5, 1, generator)) * strength, low, high)
    return (out - out.mean()) / (out.std() + 1e-8) * image.std() + image.mean()


_CHANGES = ((0.2, _noise), (0.1, _smooth), (0.3, _scale), (0.3, _shift), (0.1, _coarse), (0.2, _gamma))
