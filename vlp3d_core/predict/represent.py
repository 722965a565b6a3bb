"""A volume as one vector in the space that a pretrained model shares with reports."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.model.pretrained import Pretrained
from vlp3d_core.volume.cut import cut
from vlp3d_core.volume.foreground import foreground_box
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.volume import Volume


def image_vector(pretrained: Pretrained, volume: Volume) -> NDArray[np.float32]:
    """(D,), of length 1: of the middle of what is not air, as large a piece as the model saw in training."""
    normalisation = pretrained.normalisation
    grid = model_grid(Grid.of(volume), pretrained.spacing)
    image = normalisation.apply(resample(volume, grid, normalisation.fill).array)
    box = foreground_box(image) or (slice(None),) * 3
    return crop_vector(pretrained, middle_crop(pretrained, image[box]))


def middle_crop(pretrained: Pretrained, body: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """What the network looks at of a normalised volume at its spacing that is cut to what is not air."""
    crop: NDArray[np.float32] = cut(body, np.array(body.shape) // 2, pretrained.field, -1.0).astype(np.float32)
    return crop


def crop_vector(pretrained: Pretrained, crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """(D,), of length 1: of a `middle_crop`."""
    with torch.inference_mode():
        vector = pretrained.model.image(torch.from_numpy(crop)[None, None])[0]
    return _unit(vector.numpy())


def text_vector(pretrained: Pretrained, sentences: NDArray[np.float32]) -> NDArray[np.float32]:
    """(S, T) sentence vectors of a report (`text.report.vectors`) → (D,), of length 1."""
    with torch.inference_mode():
        vector = pretrained.model.text(torch.from_numpy(sentences)[None], torch.ones(1, len(sentences)))[0]
    return _unit(vector.numpy())


def mean_text_vector(pretrained: Pretrained, sentences: NDArray[np.float32]) -> NDArray[np.float32]:
    """(S, T) vectors of wordings of one statement, each taken as a report of its own → (D,), of length 1."""
    with torch.inference_mode():
        vectors = pretrained.model.text(torch.from_numpy(sentences)[:, None], torch.ones(len(sentences), 1))
    return _unit(torch.nn.functional.normalize(vectors, dim=1).mean(0).numpy())


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return unit
