"""White matter lesions, as multiple sclerosis and diseases of small vessels leave them, drawn into maps of tissues."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from vlp3d_core.train.perturb import chance, smooth, uniform
from vlp3d_core.train.spline import controls_for, smooth_field
from vlp3d_core.train.synthesis.settings import GREY_MATTER, LESION, WHITE_MATTER, Synthesis

APART = (6.0, 24.0)
"""Distance of the control points of the field whose peaks are lesions, mm: from small and many to large and few."""
LOAD = (0.001, 0.15)
"""Part of the white matter that they take: up to about 60 ml, which is a severe case."""
DEEP, AROUND = 3.0, 8.0
"""How much more of them lie deep, by the ventricles, than under the cortex: up to so many standard deviations of the
field for the grey matter within about so many mm."""


def with_lesions(tissues: Tensor, labels: Tensor, generator: Generator, settings: Synthesis) -> tuple[Tensor, Tensor]:
    """Lesions in the white matter of some maps; where they are learnt, what is of their tissue is also labelled so.

    Args:
        tissues: (1, I, J, K) whole numbers, at `settings.maps`.
        labels: (1, I, J, K), at `settings.spacing`.

    Returns:
        both; new where something was drawn.
    """
    if not settings.lesions and not settings.lesion_label:
        return tissues, labels
    number = settings.tissues.index(LESION) + 1
    if chance(settings.lesions, generator):
        white, grey = (_of(name, tissues, settings) for name in (WHITE_MATTER, GREY_MATTER))
        drawn = _peaks(white, grey, generator, settings)
        tissues = torch.where(drawn, number, tissues)
    if not settings.lesion_label:
        return tissues, labels
    shown = tissues == number
    if shown.shape != labels.shape:  # most of a voxel
        shown = interpolate(shown.float()[None], labels.shape[1:], mode="trilinear")[0] > 0.5
    return tissues, torch.where(shown, settings.lesion_label, labels)


def _of(kind: str, tissues: Tensor, settings: Synthesis) -> Tensor:
    """(1, I, J, K) bool."""
    numbers = [place for place, name in enumerate(settings.tissues, 1) if name == kind]
    return torch.isin(tissues, torch.tensor(numbers, dtype=tissues.dtype, device=tissues.device))


def _peaks(where: Tensor, grey: Tensor, generator: Generator, settings: Synthesis) -> Tensor:
    """Where a smooth random field is highest among the voxels of `where`, (1, I, J, K) bool; `grey` pulls it down."""
    shape = where.shape[1:]
    apart = float(uniform(*APART, 1, generator))
    controls = torch.randn(1, *controls_for(shape, settings.maps, apart), generator=generator)
    load = math.exp(float(uniform(math.log(LOAD[0]), math.log(LOAD[1]), 1, generator)))
    inside = int(where.sum())
    taken = max(1, round(load * inside))
    if taken >= inside:
        return torch.zeros_like(where)
    field = smooth_field(controls.to(where.device), shape)
    near = _around(grey, settings.maps)
    field = field - float(uniform(0, DEEP, 1, generator)) * near / near[where].std().clamp(min=1e-6) * field.std()
    return where & (field >= field[where].kthvalue(inside - taken + 1).values)


def _around(where: Tensor, spacing: Sequence[float]) -> Tensor:
    """How much of the surroundings is `where`, (1, I, J, K): blurred by `AROUND`, on a coarse grid."""
    shape = where.shape[1:]
    few = [max(1, round(2 * n * mm / AROUND)) for n, mm in zip(shape, spacing, strict=True)]
    voxels = torch.tensor([n * mm / less for n, mm, less in zip(shape, spacing, few, strict=True)])
    blurred = smooth(interpolate(where[None].float(), few, mode="area"), AROUND / voxels)
    return interpolate(blurred, shape, mode="trilinear")[0]
