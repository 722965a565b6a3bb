"""Patches from stored volumes, to be augmented for a batch at once, see `train.augment`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vlp3d_core.train.store import Stored
from vlp3d_core.volume.cut import cut

IMAGE, LABEL, MADE = "image", "label", "made"
"""Of an item; `MADE` says that its image is yet to be made from tissues, which stand where the image will be."""


class PatchDataset(Dataset[dict[str, Any]]):
    """An endless supply of patches; item n is the same for the same seed whatever was drawn before.

    Six in ten are centred near a random structure (each structure equally often, so that small ones are not
    forgotten), a tenth come from volumes without any (they teach to find nothing), the others from anywhere. Volumes
    are drawn by their weights. Half of the patches are mirrored along the left-right axis, which exchanges the labels
    of paired structures; it doubles the anatomy and teaches that "left" is a matter of place.

    Args:
        stored: preprocessed cases.
        patch: size in voxels.
        length: number of patches that count as one epoch.
        pairs: label value → value of its mirror image, 0 where the model does not have that one; see `mirror_pairs`.
        seed: with the index, decides the patch.
    """

    def __init__(
        self, stored: Sequence[Stored], patch: Sequence[int], length: int, pairs: Mapping[int, int], seed: int
    ) -> None:
        self.stored, self.patch, self.length, self.seed = list(stored), tuple(patch), length, seed
        self.concepts = len(stored[0].known)
        self.mirror = np.arange(self.concepts + 1, dtype=np.uint8)
        for value, other in pairs.items():
            self.mirror[value] = other
        self.voxels = [_places(case.label[:]) for case in stored]
        holders: list[list[int]] = [[] for _ in range(self.concepts)]
        for index, places in enumerate(self.voxels):
            for value in places:
                holders[value - 1] += [index] * stored[index].case.weight
        self.holders = [h for h in holders if h]
        self.values = [value for value, h in enumerate(holders, 1) if h]
        self.weighted = [index for index, case in enumerate(stored) for _ in range(case.case.weight)]
        self.empty = [index for index in self.weighted if not self.voxels[index]]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, index))
        case, centre = self._choose(rng)
        stored = self.stored[case]
        known, made = stored.known, bool(stored.case.made_from)
        air = 0 if made else -1.0
        item = {IMAGE: cut(stored.image, centre, self.patch, air), LABEL: cut(stored.label, centre, self.patch, 0)}
        if rng.random() < 0.5:
            item = {key: np.ascontiguousarray(value[::-1]) for key, value in item.items()}
            item[LABEL] = self.mirror[item[LABEL]]
            known = np.concatenate([[False], known])[self.mirror[1:]]
        return {
            IMAGE: torch.from_numpy(item[IMAGE].astype(np.float32))[None],
            LABEL: torch.from_numpy(item[LABEL].astype(np.uint8)),
            "known": torch.from_numpy(known.copy()),
            MADE: torch.tensor(made),
            "subject": stored.case.subject,
        }

    def _choose(self, rng: np.random.Generator) -> tuple[int, NDArray[np.intp]]:
        draw = rng.random()
        if self.values and draw < 0.6:
            which = int(rng.integers(len(self.values)))
            case = int(rng.choice(self.holders[which]))
            places = self.voxels[case][self.values[which]]
            jitter = rng.integers(-8, 9, size=3)
            return case, places[rng.integers(len(places))] + jitter
        case = int(rng.choice(self.empty if self.empty and draw > 0.9 else self.weighted))
        shape = np.array(self.stored[case].image.shape)
        half = np.minimum(np.array(self.patch) // 3, shape // 2)
        return case, np.array([rng.integers(h, max(h + 1, n - h)) for h, n in zip(half, shape, strict=True)])


def _places(label: NDArray[np.uint8], most: int = 2000) -> dict[int, NDArray[np.intp]]:
    """For each label value that occurs, up to about `most` of its voxels, evenly chosen."""
    voxels = np.argwhere(label)
    values = label[tuple(voxels.T)]
    out = {}
    for value in np.unique(values).tolist():
        own = voxels[values == value]
        out[value] = own[:: max(1, len(own) // most)]
    return out
