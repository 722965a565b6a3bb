"""What an image without a modality tag is: decided only where the voxels leave no doubt."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import UsageError
from vlp3d_core.volume.volume import MODALITIES

_SAMPLE = 500_000
EM_SPACING_MM = 1e-3
"""Voxels of an electron microscope are smaller than that."""
_ALIASES = {"MRI": "MR", "PET": "PT", "CBCT": "CT"}


def parse_modality(name: str) -> str:
    """The modality's usual spelling ("ct" → "CT", "PET" → "PT").

    Raises:
        UsageError: not a modality that the engine knows.
    """
    upper = name.strip().upper()
    upper = _ALIASES.get(upper, upper)
    if upper not in MODALITIES:
        raise UsageError(f"Unknown modality '{name}'.", f"Use one of {', '.join(MODALITIES)}.")
    return upper


def guess_modality(array: NDArray[np.float32], spacing: tuple[float, float, float]) -> str:
    """Guess "EM" or "CT"; "" when unsure.

    * EM: every spacing is below 1 micrometre, which no clinical scanner reaches.
    * CT: `looks_like_ct`.
    * MR and PT have no scale of their own and are never guessed.
    """
    if max(spacing) < EM_SPACING_MM:
        return "EM"
    return "CT" if looks_like_ct(array) else ""


def looks_like_ct(array: NDArray[np.float32]) -> bool:
    """Whether the intensities, shape (I, J, K), can only be Hounsfield units.

    True when at least 1 voxel in 1,000 is air or padding (-8192 to -900), nothing lies below that, at least 1 voxel in
    1,000 is denser than air, and at least 30 % of the denser voxels are fat, water or soft tissue (-200 to 200).
    Measured on about 500,000 evenly spaced voxels.
    """
    step = max(1, round((array.size / _SAMPLE) ** (1 / 3)))
    sample = array[::step, ::step, ::step]
    if float(sample.min()) < -8192:
        return False
    air = sample <= -900
    dense = sample[~air]
    if air.mean() < 1e-3 or dense.size < 1e-3 * sample.size:
        return False
    return bool(np.mean((dense >= -200) & (dense <= 200)) >= 0.3)


def cannot_be_ct(array: NDArray[np.float32]) -> bool:
    """Whether the intensities, shape (I, J, K), cannot be Hounsfield units: fat and air are negative, so some must be.

    True when fewer than 1 voxel in 1,000 is below -20. An MR is like that; so is a CT stored with an offset of 1024,
    which a model that expects Hounsfield units would misread just as well.
    """
    return _below_zero(array) < 1e-3


def must_be_ct(array: NDArray[np.float32]) -> bool:
    """Whether the intensities, shape (I, J, K), cannot be those of an MR or a PET, which measure no negative amounts.

    True when at least 1 voxel in 20 is below -20. A crop of a CT that shows no air is like that; standardised MR is
    not, and what interpolation undershoots is rarer.
    """
    return _below_zero(array) >= 0.05


def _below_zero(array: NDArray[np.float32]) -> float:
    """The part of the voxels below -20, of about 500,000 evenly spaced ones."""
    step = max(1, round((array.size / _SAMPLE) ** (1 / 3)))
    return float(np.mean(array[::step, ::step, ::step] < -20))
