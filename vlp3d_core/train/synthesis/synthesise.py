"""From maps of tissues to images with labels, for a batch, on the device that trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from vlp3d_core.train.augment import augment
from vlp3d_core.train.synthesis.appearance import painted
from vlp3d_core.train.synthesis.deform import deformed
from vlp3d_core.train.synthesis.lesions import with_lesions
from vlp3d_core.train.synthesis.scan import cropped, scanned
from vlp3d_core.train.synthesis.settings import Synthesis
from vlp3d_core.train.variation import NONE, Variation


def synthesise(
    tissues: Tensor, labels: Tensor, generators: Sequence[Generator], settings: Synthesis
) -> tuple[Tensor, Tensor]:
    """An image of each map as SynthSeg makes them (Billot et al., Medical Image Analysis 86, 2023).

    The order: pose and deformation, lesions, a grey for every tissue, bias field, slices and noise, gamma,
    normalisation, field of view.

    Args:
        tissues: (B, I, J, K) whole numbers from 0 (air) to 255, at `settings.maps`.
        labels: (B, I, J, K) what is to be learnt, of up to 255 values.
        generators: on the CPU, one for each item; they decide everything, see `train.draws`.

    Returns:
        images, float32 (B, 1, *grid) in [-1, 1], and labels (B, *grid) in their type; both new, at `settings.spacing`.
    """
    with torch.autocast(tissues.device.type, enabled=False):
        tissues, labels = deformed(tissues, labels, generators, settings)
        made = []
        for one, label, generator in zip(tissues.split(1), labels.split(1), generators, strict=True):
            one, label = with_lesions(one, label, generator, settings)
            image = scanned(painted(one, generator, settings), generator, settings)
            made.append(cropped(image, label, generator, settings))
        return torch.cat([image for image, _ in made]), torch.cat([label for _, label in made])


def shown(
    images: Tensor,
    labels: Tensor,
    made: Tensor,
    generators: Sequence[Generator],
    settings: Synthesis | None,
    variation: Variation = NONE,
) -> tuple[Tensor, Tensor]:
    """A batch as the network sees it: scans are augmented, and images are made where there are tissues.

    With maps finer than images, a batch holds nothing else.

    Args:
        images: (B, 1, I, J, K) scans in [-1, 1], or tissues.
        labels: (B, I, J, K).
        made: (B,) bool: these are tissues; with any, there are `settings`.
        variation: of the scans.

    Returns:
        as `synthesise` does.
    """
    flags = made.tolist()
    if all(flags):
        assert settings is not None
        return synthesise(images[:, 0], labels, generators, settings)
    images, labels = images.to(torch.float32, copy=True), labels.clone()
    for flag in set(flags):
        places = [place for place, one in enumerate(flags) if one == flag]
        own = [generators[place] for place in places]
        if flag:
            assert settings is not None
            new = synthesise(images[places][:, 0], labels[places], own, settings)
        else:
            new = augment(images[places], labels[places], own, variation=variation)
        images[places], labels[places] = new
    return images, labels
