"""Affinities of a whole volume, tile by tile."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.model.affinity_model import SavedAffinityModel
from vlp3d_core.model.devices import Device
from vlp3d_core.predict.encode import embedded_tiles
from vlp3d_core.progress import Cancel, Progress, never, silent
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.volume import Volume

TILE = (128, 128, 128)


def predict_affinities(
    saved: SavedAffinityModel,
    volume: Volume,
    device: Device,
    progress: Progress = silent,
    cancel: Cancel = never,
) -> tuple[NDArray[np.float16], Grid]:
    """Probabilities, (3, I, J, K), and the grid that they lie on: axes along R, A, S at the model's spacing.

    Half precision: the affinities of a volume are three times as large as it, and two digits are enough.
    """
    normalisation = saved.normalisation
    grid = model_grid(Grid.of(volume), saved.spacing)
    image = normalisation.apply(resample(volume, grid, normalisation.fill).array)
    out = np.zeros((3, *image.shape), np.float16)
    model = saved.model.to(device.torch)
    for tile, logits in embedded_tiles(model, device, image, TILE, progress, cancel):
        out[(slice(None), *tile.core)] = torch.sigmoid(logits.float()).cpu().numpy()
    return out, grid
