"""Preprocessed volumes on disk, in blocks, so that a patch is read without opening a NIfTI file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.progress import Progress, silent
from vlp3d_core.train.chunks import open_chunks, write_chunks
from vlp3d_core.train.manifest import Case
from vlp3d_core.train.settings import RunSettings
from vlp3d_core.train.synthesis.tissues import read_tissues
from vlp3d_core.volume.foreground import foreground_box
from vlp3d_core.volume.grid import Grid, model_grid
from vlp3d_core.volume.normalise import Normalisation
from vlp3d_core.volume.read import read_volume
from vlp3d_core.volume.read_labels import read_labels_on
from vlp3d_core.volume.resample import resample
from vlp3d_core.volume.resample_labels import resample_labels


class Voxels(Protocol):
    """What a loader needs of an array on disk; numpy arrays have it, too."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    def __getitem__(self, index: Any, /) -> Any: ...


@dataclass(frozen=True)
class Stored:
    """One preprocessed case.

    Attributes:
        image: float16 (I, J, K), normalised to [-1, 1], at model spacing, axes along R, A, S, cut to the body; uint8
            where it is a map of tissues, which may be finer.
        label: uint8 (I, J, K): 1 + index in the model's concepts, 0 elsewhere.
            Both lie on disk in blocks; indexing them gives numpy arrays.
        known: bool (len(concepts),): contoured in this patient.
    """

    case: Case
    image: Voxels
    label: Voxels
    known: NDArray[np.bool_]


def preprocess(
    cases: Sequence[Case],
    folder: Path,
    concepts: Sequence[str],
    spacing: Sequence[float],
    normalisation: Normalisation,
    progress: Progress = silent,
    maps: Sequence[float] | None = None,
) -> list[Stored]:
    """Bring every case to the model's grid once; later calls with the same settings only open the files.

    Args:
        maps: spacing of maps of tissues, mm; None: as of scans.

    Raises:
        MedVLPError: a volume cannot be read, or a label map does not lie on its image's grid.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = Settings(tuple(concepts), tuple(spacing), normalisation)
    of_maps = replace(settings, spacing=tuple(maps or spacing))

    def stored_of(case: Case) -> Stored:
        return _stored(case, folder, of_maps if case.made_from else settings)

    out = []
    with ThreadPoolExecutor(2) as pool:
        try:
            for number, stored in enumerate(pool.map(stored_of, cases), 1):
                out.append(stored)
                progress(f"preparing {number} of {len(cases)}", number / len(cases))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # an error shall not wait for all the other cases
            raise
    return out


def preprocess_images(
    cases: Sequence[Case], folder: Path, config: RunSettings, progress: Progress = silent
) -> list[Stored]:
    """The same without labels, for a run that does not look at them."""
    bare = [replace(case, label=None, labels={}) for case in cases]
    return preprocess(bare, folder, (), config.spacing, Normalisation.from_json(config.normalisation), progress)


@dataclass(frozen=True)
class Settings:
    """What decides how a case is stored."""

    concepts: tuple[str, ...]
    spacing: tuple[float, ...]
    normalisation: Normalisation


def _stored(case: Case, folder: Path, settings: Settings) -> Stored:
    stem = _key(case, settings)
    image_file, label_file = folder / f"{stem}-image.b2nd", folder / f"{stem}-label.b2nd"
    if not (image_file.exists() and label_file.exists()):
        image, label = _prepare(case, settings)
        for file, array in ((image_file, image), (label_file, label)):
            write_chunks(file, array)
    label = open_chunks(label_file)
    if case.contoured is None:
        present = np.unique(label[:])
        known = [value in present for value in range(1, len(settings.concepts) + 1)]
    else:
        known = [concept in case.contoured for concept in settings.concepts]
    return Stored(case, open_chunks(image_file), label, np.array(known))


def _prepare(case: Case, settings: Settings) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    image, source, grid = (_tissues if case.made_from else _scan)(case, settings)
    label = np.zeros(image.shape, np.uint8) if case.label is None else labels_on(case, source, grid, settings.concepts)
    box = foreground_box((image > 0) - np.float32(1) if case.made_from else image) or (slice(None),) * 3
    kind = np.uint8 if case.made_from else np.float16
    return np.ascontiguousarray(image[box], kind), np.ascontiguousarray(label[box])


def _scan(case: Case, settings: Settings) -> tuple[NDArray[Any], Grid, Grid]:
    """The normalised image, the file's grid and its own."""
    volume = read_volume(case.image, modality=case.modality or None)
    source, normalisation = Grid.of(volume), settings.normalisation
    grid = model_grid(source, settings.spacing)
    return normalisation.apply(resample(volume, grid, normalisation.fill).array), source, grid


def _tissues(case: Case, settings: Settings) -> tuple[NDArray[Any], Grid, Grid]:
    """The tissues, the file's grid and their own."""
    volume = read_tissues(case.image)
    source = Grid.of(volume)
    grid = model_grid(source, settings.spacing)
    return resample_labels(volume.array.astype(np.uint8), source, grid), source, grid


def labels_on(case: Case, source: Grid, target: Grid, concepts: Sequence[str]) -> NDArray[np.uint8]:
    """A case's label map on another grid, in numbers of `concepts`: 1 + index, 0 for everything else.

    Args:
        source: the grid of the case's image, on which its label map must lie.

    Raises:
        MedVLPError: it lies elsewhere, or cannot be read.
    """
    assert case.label is not None
    labels = read_labels_on(case.label, source, case.image)
    table = np.zeros(max(int(labels.max()), *case.labels, 0) + 1, np.uint8)
    for value, concept in case.labels.items():
        if concept in concepts:
            table[value] = 1 + concepts.index(concept)
    return resample_labels(table[labels], source, target)


def _key(case: Case, settings: Settings) -> str:
    """A name that changes with the files and with everything that decides how they are stored."""
    files = [f for f in (case.image, case.label) if f is not None]
    stamps = [(str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    concepts, spacing = list(settings.concepts), list(settings.spacing)
    parts = [stamps, sorted(case.labels.items()), concepts, spacing, settings.normalisation.to_json()]
    parts += [case.made_from] if case.made_from else []  # scans keep the names that they had
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
