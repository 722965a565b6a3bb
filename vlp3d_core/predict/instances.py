"""Instances of a volume by a model of affinities: affinities tile by tile, then pieces that hang together, and what
lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from vlp3d_core.errors import MedVLPError
from vlp3d_core.model.affinity_model import AffinityModel
from vlp3d_core.model.devices import Device
from vlp3d_core.predict.agglomerate import Fragments, edges
from vlp3d_core.predict.encode import embedded_tiles
from vlp3d_core.progress import Progress, Tick, never, silent, silent_tick

TILE = (128, 128, 128)
MOST = int(np.iinfo(np.uint16).max)
"""Instances that a label map can hold."""


@dataclass(frozen=True)
class Instances:
    """What affinities say of each voxel, (I, J, K) each.

    Attributes:
        labels: from 1, the largest instance first; 0 where there is none.
        certainty: 255 × the mean affinity of a voxel to its neighbours.
        border: whether it lies between two instances: the weakest of its edges is below one half.
        border_certainty: 255 × how surely that edge is cut.
    """

    labels: NDArray[np.uint16]
    certainty: NDArray[np.uint8]
    border: NDArray[np.bool_]
    border_certainty: NDArray[np.uint8]


class Affinities:
    """Probabilities on the model grid, filled tile by tile.

    Half precision: the affinities of a volume are three times as large as it, and two digits are enough.

    Attributes:
        array: (3, I, J, K), see `volume.affinities`.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.array: NDArray[np.float16] = np.zeros((3, *shape), np.float16)
        self._seen: NDArray[np.bool_] = np.zeros(shape, bool)

    def add(self, logits: Tensor, where: tuple[slice, ...]) -> None:
        """Take a tile: logits (3 N, *core) in any number format at `where`, of which those of neighbours come first."""
        self.array[(slice(None), *where)] = torch.sigmoid(logits[:3].float()).cpu().numpy()
        self._seen[where] = True

    def instances(self, settings: Mapping[str, Any], tick: Tick = silent_tick) -> Instances:
        """The instances, and what lies between them.

        Args:
            settings: `instances` of the model's card.

        Raises:
            MedVLPError: more instances than a label map can hold.
        """
        if not self.array.any():  # no tile, or none with anything in it
            shape = self.array.shape[1:]
            return Instances(*(np.zeros(shape, kind) for kind in (np.uint16, np.uint8, bool, np.uint8)))
        joined = Fragments(self.array, tick).joined(settings["threshold"], settings["smallest_voxels"], tick)
        count = int(joined.max())
        if count > MOST:
            raise MedVLPError(
                f"The volume has {count:,} instances and a label map can hold {MOST:,}.",
                "Segment a part of it with a ROI.",
            )
        mean, weakest = edges(self.array)
        # The edges of a tile of air are 0 because nobody has looked at it, those between it and its neighbours too.
        weakest[~ndimage.binary_erosion(self._seen, border_value=1)] = 1
        if not count:  # nothing lies between no instances
            weakest[:] = 1
        return Instances(joined.astype(np.uint16), _byte(mean), weakest < 0.5, _byte(1 - weakest))


def _byte(probability: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * probability).astype(np.uint8)


def predict_affinities(
    network: AffinityModel, device: Device, image: NDArray[np.floating[Any]], progress: Progress = silent
) -> NDArray[np.float16]:
    """`Affinities.array` of a normalised image on the model's grid."""
    collector = Affinities(image.shape)
    whole = np.asarray(image, np.float32)
    for tile, logits in embedded_tiles(network.to(device.torch), device, whole, TILE, progress, never):
        collector.add(logits, tile.core)
    return collector.array
