"""What each tissue looks like in an image: a grey of its own, drawn anew for every image."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from vlp3d_core.train.perturb import chance, uniform
from vlp3d_core.train.synthesis.settings import Synthesis, hounsfield, usual_greys, usual_shares
from vlp3d_core.train.synthesis.tissues import MOST

MEANS, DEVIATIONS = (25, 225), (5, 25)
"""Of the tissues in an MR, of 255: SynthSeg's (Billot et al. 2023)."""
APART, FINE = 10.0, (3, 12)
"""Standard deviation of a tissue's mean about that of a usual contrast, and the deviations within it."""
DARK = (15, 5)
"""Highest mean and standard deviation of air in an MR that is not blanked there."""


def painted(tissues: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """Every voxel drawn from the normal distribution of its tissue.

    Args:
        tissues: (1, I, J, K) whole numbers from 0 (air) to 255.

    Returns:
        (1, 1, I, J, K) greys of about 0 to 255 for the look "mr", HU for "ct".
    """
    if settings.outside and chance(settings.stripped, generator):
        tissues = torch.where(tissues >= settings.outside, 0, tissues)
    means, deviations = (_mr if settings.look == "mr" else _ct)(generator, settings)
    index = tissues.long()[:, None]
    texture = torch.randn(index.shape, generator=generator).to(index.device)
    return means.to(index.device)[index] + deviations.to(index.device)[index] * texture


def _mr(generator: Generator, settings: Synthesis) -> tuple[Tensor, Tensor]:
    """A usual contrast, or any there could be and most that there are not; air is blanked in half of the images."""
    means, deviations = uniform(*MEANS, MOST + 1, generator), uniform(*DEVIATIONS, MOST + 1, generator)
    dark = uniform(0, 1, 2, generator) * torch.tensor(DARK) * float(chance(0.5, generator))
    means[0], deviations[0] = dark
    if settings.usual and chance(settings.usual, generator):
        greys = usual_greys()
        shares = {n: s for n, s in usual_shares().items() if not settings.contrasts or n in settings.contrasts}
        drawn = int(torch.multinomial(torch.tensor(list(shares.values())), 1, generator=generator))
        contrast = list(usual_shares()).index(list(shares)[drawn])
        named = {number: greys[name][contrast] for number, name in enumerate(settings.tissues, 1) if name}
        numbers = torch.tensor(list(named))
        means[numbers] = torch.tensor(list(named.values())) + torch.randn(len(named), generator=generator) * APART
        deviations[numbers] = uniform(*FINE, len(named), generator)
    return means, deviations


def _ct(generator: Generator, settings: Synthesis) -> tuple[Tensor, Tensor]:
    """The HU of the named tissues, between those of a patient without and with contrast medium; the rest is air."""
    rows = [hounsfield()[name] for name in ("air", *settings.tissues)]
    table = torch.tensor([*rows, *[rows[0]] * (MOST + 1 - len(rows))])
    low, high, deviation = table.unbind(1)
    return low + (high - low) * uniform(0, 1, len(table), generator), deviation * uniform(
        0.5, 1.5, len(table), generator
    )
