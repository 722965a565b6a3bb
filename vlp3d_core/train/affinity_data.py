"""Volumes with instances in memory, patches of them to train on, and the pieces that validation looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.augment import augment
from vlp3d_core.train.manifest import Case, read_manifest
from vlp3d_core.train.variation import Variation
from vlp3d_core.volume.affinities import affinities_of
from vlp3d_core.volume.cut import cut
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.resample_labels import resample_labels

MARGIN = 8
"""Voxels around a patch that are cut with it, so that a deformation does not bring in what lies beyond its border."""


@dataclass(frozen=True)
class InstanceVolume:
    """One volume on the model's grid.

    Attributes:
        image: float16 (I, J, K), normalised.
        labels: (I, J, K), one value an instance, 0 unassigned.
    """

    case: Case
    image: NDArray[np.float16]
    labels: NDArray[np.unsignedinteger[Any]]


def read_instances(case: Case, spacing: Sequence[float], normalisation: Normalisation) -> InstanceVolume:
    """Read a volume and its instances.

    Raises:
        MedVLPError: no label map, one on another grid, or a file that cannot be read.
    """
    if case.label is None:
        raise MedVLPError(f"{case.image} has no instances.", 'Give its line a "label".')
    volume = read_volume(case.image, modality=case.modality or None)
    labels, affine = read_labels(case.label)
    i, j, k = labels.shape
    source = Grid.of(volume)
    if not source.matches(Grid((i, j, k), affine), tolerance=0.05):
        raise MedVLPError(
            f"The instances {case.label} do not lie on the grid of {case.image}.", "Resample them to it first."
        )
    grid = model_grid(source, spacing)
    image = normalisation.apply(resample(volume, grid, normalisation.fill).array)
    return InstanceVolume(case, image.astype(np.float16), resample_labels(labels, source, grid))


def instance_cases(manifest: Path) -> tuple[list[Case], list[Case]]:
    """Training and validation volumes with a label map.

    Raises:
        MedVLPError: the manifest cannot be used, or one of the splits is empty.
    """
    cases = [case for case in read_manifest(manifest) if case.label is not None]
    train, validation = ([c for c in cases if c.split == split] for split in ("train", "validation"))
    if not train or not validation:
        raise MedVLPError(
            f"{manifest} has {len(train)} volumes with instances for training and {len(validation)} for validation.",
            "Each needs one at least.",
        )
    return train, validation


def first_part(volume: InstanceVolume, part: float) -> InstanceVolume:
    """The first part of a volume along S, of one voxel at least."""
    depth = max(1, round(part * volume.image.shape[2]))
    return InstanceVolume(volume.case, volume.image[..., :depth], volume.labels[..., :depth])


class InstancePatches(Dataset[dict[str, Any]]):
    """An endless supply of patches; item n is the same for the same seed whatever was drawn before.

    A volume is drawn as often as it has voxels. Patches are flipped and their axes of equal spacing exchanged: EM shows
    no side. Then they are varied as any labelled scan, or, without a deformation, in their contrast alone.

    Args:
        patch: size in voxels, along R, A, S.
        spacing: decides which axes may change places.
        distances: see `affinities_of`.
        elastic: see `AffinityConfig`.
    """

    def __init__(
        self,
        volumes: Sequence[InstanceVolume],
        patch: Sequence[int],
        spacing: Sequence[float],
        length: int,
        seed: int,
        distances: Sequence[int] = (1,),
        elastic: float = 0.0,
    ) -> None:
        self.volumes, self.patch, self.length, self.seed = list(volumes), tuple(patch), length, seed
        self.distances = tuple(distances)
        finest = min(spacing)
        voxels = (spacing[0] / finest, spacing[1] / finest, spacing[2] / finest)
        self.variation = Variation(spacing=voxels, elastic=elastic)
        sizes = np.array([v.image.size for v in volumes], float)
        self.chances = sizes / sizes.sum()
        alike = list(zip(spacing, patch, strict=True))
        self.turns = [p for p in permutations(range(3)) if [alike[axis] for axis in p] == alike]

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = np.random.default_rng((self.seed, index))
        volume = self.volumes[int(rng.choice(len(self.volumes), p=self.chances))]
        shape, size = np.array(volume.image.shape), np.array(self.patch)
        room = np.maximum(shape - size, 0)
        centre = np.minimum(size, shape) // 2 + rng.integers(0, room + 1)
        turn = self.turns[int(rng.integers(len(self.turns)))]
        flips = tuple(slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(3))
        margin = MARGIN if self.variation.elastic else 0
        wide = [n + 2 * margin for n in self.patch]
        image = cut(volume.image, centre, wide, -1.0).transpose(turn)[flips].astype(np.float32)
        labels = cut(volume.labels, centre, wide, 0).transpose(turn)[flips]
        if margin:
            image, labels = self._varied(image, labels, rng)
            inner = tuple(slice(margin, -margin) for _ in range(3))
            return _item(volume.case, image[inner], labels[inner], self.distances)
        image = image * rng.uniform(0.8, 1.2) + rng.uniform(-0.15, 0.15)
        image += rng.normal(0, rng.uniform(0, 0.08), image.shape)
        return _item(volume.case, np.clip(image, -1, 1), labels, self.distances)

    def _varied(
        self, image: NDArray[np.float32], labels: NDArray[np.unsignedinteger[Any]], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        images = torch.from_numpy(np.ascontiguousarray(image))[None, None]
        numbers = torch.from_numpy(np.ascontiguousarray(labels, np.int32))[None]
        images, numbers = augment(images, numbers, [generator], variation=self.variation)
        return images[0, 0].numpy(), numbers[0].numpy()


class InstancePieces(Dataset[dict[str, Any]]):
    """Volumes cut into pieces of one size side by side, for validation; what is left over at the far ends is not seen,
    unless a volume is smaller than a piece."""

    def __init__(
        self, volumes: Sequence[InstanceVolume], patch: Sequence[int], distances: Sequence[int] = (1,)
    ) -> None:
        self.patch, self.distances = tuple(patch), tuple(distances)
        self.places = [
            (volume, np.array(corner) + np.array(patch) // 2)
            for volume in volumes
            for corner in product(
                *(range(0, max(n - p, 0) + 1, p) for n, p in zip(volume.image.shape, patch, strict=True))
            )
        ]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> dict[str, Any]:
        volume, centre = self.places[index]
        image = cut(volume.image, centre, self.patch, -1.0).astype(np.float32)
        return _item(volume.case, image, cut(volume.labels, centre, self.patch, 0), self.distances)


def _item(
    case: Case, image: NDArray[Any], labels: NDArray[np.integer[Any]], distances: Sequence[int]
) -> dict[str, Any]:
    together, known = affinities_of(labels, distances)
    return {
        "image": torch.from_numpy(np.ascontiguousarray(image, np.float32))[None],
        "together": torch.from_numpy(together),
        "known": torch.from_numpy(known),
        "subject": case.subject,
    }
