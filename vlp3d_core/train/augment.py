"""Augmentation of patches with labels, for a whole batch, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import avg_pool3d, grid_sample

from vlp3d_core.train.elastic import displacement
from vlp3d_core.train.perturb import bent, chance, coarse, noisy, pose_grid, random_map, smooth, uniform
from vlp3d_core.train.variation import NONE, Variation

STRUCTURES = 256
"""Label maps are uint8."""
THINNEST = 2
"""Slices of a slab."""


def augment(
    images: Tensor,
    labels: Tensor,
    generators: Sequence[Generator],
    strength: float = 1.0,
    variation: Variation = NONE,
) -> tuple[Tensor, Tensor]:
    """Random affine maps and changes of intensity, as nnU-Net has them; rotation moderate, for prompts have sides.

    Args:
        images: (B, 1, I, J, K) in [-1, 1]. What a pose brings in from outside is as the border is.
        labels: (B, I, J, K); their values stay what they are.
        generators: on the CPU, one for each patch; they decide everything, see `train.draws`.
        strength: how far every change goes; 0 leaves all as it is, but for the variation.
        variation: deformation and contrast on top.

    Returns:
        both, new.
    """
    with torch.autocast(images.device.type, enabled=False):
        images, labels = _pose(images, labels, generators, strength, variation)
        made = []
        for image, label, generator in zip(images.split(1), labels.split(1), generators, strict=True):
            if variation.contrast:
                image = _recoloured(image, label, generator, variation.contrast)
            image = _perturb(image, generator, strength).clamp(-1, 1)
            made.append(_shown(image, label, generator, variation))
        return torch.cat([image for image, _ in made]), torch.cat([label for _, label in made])


def _pose(
    images: Tensor, labels: Tensor, generators: Sequence[Generator], strength: float, variation: Variation
) -> tuple[Tensor, Tensor]:
    """Seven in ten are turned and scaled; all are deformed where a variation wants it."""
    shape, device = images.shape[2:], images.device
    moved, maps, fields = [], [], []
    for place, generator in enumerate(generators):
        turned = chance(0.7, generator)
        if turned or variation.elastic:
            moved.append(place)
            maps.append(random_map(generator, strength) if turned else torch.eye(3))
        if variation.elastic:
            fields.append(displacement(shape, generator, variation.spacing, variation.elastic, device))
    if not moved:
        return images, labels
    places = torch.tensor(moved, device=device)
    grid = pose_grid(torch.stack(maps), torch.zeros(len(maps), 3), shape, device)
    if fields:
        grid = grid + torch.stack(fields)
    image = grid_sample(images[places], grid, padding_mode="border", align_corners=False)
    whole = labels[places][:, None].float()  # exact below 2**24
    label = grid_sample(whole, grid, mode="nearest", padding_mode="border", align_corners=False)[:, 0].to(labels.dtype)
    return images.index_copy(0, places, image), labels.index_copy(0, places, label)


def _recoloured(image: Tensor, label: Tensor, generator: Generator, size: float) -> Tensor:
    """Every structure lighter or darker, as if there were more or less contrast medium in it; air stays air."""
    change = torch.randn(STRUCTURES, generator=generator).clamp(-2, 2) * size
    change[0] = 0
    shift = avg_pool3d(change.to(image.device)[label.long()][:, None], 3, stride=1, padding=1)
    return torch.where(image > -1, image + shift, image)


def _shown(image: Tensor, label: Tensor, generator: Generator, variation: Variation) -> tuple[Tensor, Tensor]:
    """All of it, or at most half of the slices: air beyond, and nothing to be found there."""
    if not (variation.slabs and chance(variation.slabs, generator)):
        return image, label
    slices = image.shape[-1]
    count = int(float(uniform(min(THINNEST, slices), max(slices / 2, THINNEST), 1, generator)))
    first = int(float(uniform(0, slices - count + 1, 1, generator)))
    seen = torch.zeros(slices, dtype=torch.bool, device=image.device)
    seen[first : first + count] = True
    return torch.where(seen, image, -1.0), torch.where(seen, label, 0)


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
