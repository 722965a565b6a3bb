"""A whole volume through a network: as a vector in the space that it shares with reports, or as logits of findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vlp3d_core.model.classifier import SavedClassifier
from vlp3d_core.model.pretrained import Pretrained
from vlp3d_core.model.saved import Sees
from vlp3d_core.volume.cut import cut
from vlp3d_core.volume.foreground import foreground_box
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.volume import Volume


def image_vector(pretrained: Pretrained, volume: Volume) -> NDArray[np.float32]:
    """(D,), of length 1: of the middle of what is not air, as large a piece as the model saw in training."""
    return crop_vector(pretrained, seen_of(pretrained, volume))


def finding_logits(classifier: SavedClassifier, volume: Volume) -> NDArray[np.float32]:
    """(F,): the logit of each of the classifier's findings, from the same piece of the volume."""
    return crop_logits(classifier, seen_of(classifier, volume))


@dataclass(frozen=True)
class Piece:
    """What a network of whole volumes looks at.

    Attributes:
        image: float32, shape `field`, normalised; -1 where it reaches beyond the body.
        grid: the whole volume at the network's spacing.
        centre: of the piece, in voxels of that grid.
    """

    image: NDArray[np.float32]
    grid: Grid
    centre: NDArray[np.intp]


def piece_of(network: Sees, volume: Volume) -> Piece:
    """The middle of what is not air, as large a piece as the network saw in training."""
    normalisation = network.normalisation
    grid = model_grid(Grid.of(volume), network.spacing)
    image = normalisation.apply(resample(volume, grid, normalisation.fill).array)
    box = foreground_box(image) or (slice(0, None),) * 3
    body = image[box]
    centre = np.array(body.shape) // 2 + np.array([s.start for s in box])
    return Piece(middle_crop(network, body), grid, centre)


def seen_of(network: Sees, volume: Volume) -> NDArray[np.float32]:
    """The piece of a volume that a network of whole volumes looks at, (*field), normalised."""
    return piece_of(network, volume).image


def middle_crop(network: Sees, body: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """What a network looks at of a normalised volume at its spacing that is cut to what is not air."""
    crop: NDArray[np.float32] = cut(body, np.array(body.shape) // 2, network.field, -1.0).astype(np.float32)
    return crop


def crop_vector(pretrained: Pretrained, crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """(D,), of length 1: of a `middle_crop`."""
    with torch.inference_mode():
        vector = pretrained.model.image(torch.from_numpy(crop)[None, None])[0]
    return _unit(vector.numpy())


def crop_logits(classifier: SavedClassifier, crop: NDArray[np.float32]) -> NDArray[np.float32]:
    """(F,): the logit of each of the classifier's findings, of a `middle_crop`."""
    with torch.inference_mode():
        logits: NDArray[np.float32] = classifier.model(torch.from_numpy(crop)[None, None])[0].numpy()
    return logits


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
