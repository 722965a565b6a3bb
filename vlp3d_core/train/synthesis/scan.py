"""What a scanner and a reader's window make of an image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from vlp3d_core.train.perturb import bent, chance, noisy, smooth, uniform
from vlp3d_core.train.spline import controls_for, smooth_field
from vlp3d_core.train.synthesis.settings import Synthesis

COIL = 80.0
"""Distance of the control points of a bias field, mm."""
SAMPLE = 65_536
"""Percentiles are taken from about this many voxels."""


def scanned(image: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """Bias field, slices and noise, gamma and normalisation, in this order.

    Args:
        image: (1, 1, I, J, K) greys or HU at `settings.maps`, see `appearance.painted`.

    Returns:
        the same at `settings.spacing`, in [-1, 1]; -1 is air.
    """
    mr = settings.look == "mr"
    if mr:
        image = image * bias_field(image, generator, settings)
    image = acquired(image, generator, settings)
    if mr:  # a magnitude
        image = image.abs()
        power = float(torch.exp(torch.randn(1, generator=generator) * settings.gamma))
        image = bent(image, power, 0.0, image.max())
    return normalised(image, generator, settings)


def bias_field(image: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """(1, 1, I, J, K) a smooth factor about 1, the exponential of a spline (Billot et al. 2023)."""
    counts = controls_for(image.shape[2:], settings.maps, COIL)
    size = float(uniform(0, settings.bias, 1, generator))
    controls = torch.randn(1, *counts, generator=generator) * size
    return torch.exp(smooth_field(controls.to(image.device), image.shape[2:]))[None]


def acquired(image: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """As if scanned with other voxels, often in thick slices along one axis, and brought to the images' grid.

    Noise is a scanner's: it is added to the voxels that were scanned. The blur of a voxel has 0.3 (a box) to 0.75
    (SynthSeg's) of its edge as standard deviation.
    """
    spacing = torch.tensor(settings.maps)
    voxel = spacing * (float(uniform(1, 1.6, 1, generator)) if chance(0.5, generator) else 1.0)
    if chance(0.5, generator):
        axis = int(torch.randint(3, (1,), generator=generator))
        voxel[axis] = max(float(voxel[axis]), float(uniform(float(spacing[axis]), settings.thickest, 1, generator)))
    ratios = voxel / spacing
    blurred = smooth(image, ratios * uniform(0.3, 0.75, 1, generator))
    shape = image.shape[2:]
    size = tuple(max(1, round(n / float(ratio))) for n, ratio in zip(shape, ratios, strict=True))
    few = _resized(blurred, size)
    few = noisy(few, float(uniform(0, settings.noise, 1, generator)) * settings.span, generator)
    return _resized(few, settings.image_shape(shape))


def _resized(image: Tensor, shape: tuple[int, ...]) -> Tensor:
    return image if shape == tuple(image.shape[2:]) else interpolate(image, shape, mode="trilinear")


def normalised(image: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """As `volume.Normalisation` does it at inference.

    A patch has other percentiles than the volume that it would be a part of, so both ends of theirs are moved by up to
    a tenth and a quarter of the range.
    """
    window = settings.window
    low, high = torch.tensor(window.low), torch.tensor(window.high)
    if window.kind == "percentile":
        sample = image.flatten()[:: max(1, image.numel() // SAMPLE)]
        shown = sample[sample > image.min()]
        if not len(shown):
            return torch.full_like(image, -1.0)
        low, high = torch.quantile(shown, torch.tensor([window.low, window.high], device=image.device) / 100)
        ends = uniform(0, 1, 2, generator) * torch.tensor([0.2, 0.5]) - torch.tensor([0.1, 0.25])
        low, high = low + (high - low) * float(ends[0]), high + (high - low) * float(ends[1])
    return ((image - low) / (high - low).clamp(min=1e-6) * 2 - 1).clamp(-1, 1)


def cropped(image: Tensor, label: Tensor, generator: Generator, settings: Synthesis) -> tuple[Tensor, Tensor]:
    """A field of view that ends within the patch, at up to a third of one axis: air beyond, and nothing to be found.

    Args:
        image: (1, 1, I, J, K) normalised.
        label: (1, I, J, K).

    Returns:
        both; new where something is cut off.
    """
    if not chance(settings.cropped, generator):
        return image, label
    axis, far = (int(torch.randint(n, (1,), generator=generator)) for n in (3, 2))
    length = image.shape[2 + axis]
    lost = int(float(uniform(0, length / 3, 1, generator)))
    beyond = torch.arange(length - lost, length) if far else torch.arange(lost)
    beyond = beyond.to(image.device)
    return image.index_fill(2 + axis, beyond, -1.0), label.index_fill(1 + axis, beyond, 0)
