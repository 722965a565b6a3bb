"""CREMI: three volumes of an adult fly's brain in serial-section electron microscopy, one HDF5 file each.

Layout (cremi.org/data): `volumes/raw`, `volumes/labels/neuron_ids`, `volumes/labels/clefts`, each (z, y, x) with an
attribute `resolution` in nm; in padded files the labels have an `offset` (z, y, x) in nm within raw, and raw is cut to
them. Test files (sample_A+...) have no labels.

Written as .nrrd: the grey values; the clefts as the label map, 1 = "synapse"; and `...-neurons.nrrd`, the neurons
numbered from 1, which no manifest line names, because an instance has no concept. Nothing is known about how the
samples lie in the fly. All come from one species; whether from one animal is not said. A "subject" here is a sample.

Not verified on the real files: the number that means "no cleft" (taken to be 2^64 - 1, with the few values below it
reserved, as third-party code has it).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vlp3d_core.errors import MedVLPError
from vlp3d_core.train.collect import Collected
from vlp3d_core.train.importers.convert import converted, write_slices
from vlp3d_core.train.importers.request import Request, some, volumes_below
from vlp3d_core.train.importers.splits import labelled_splits
from vlp3d_core.train.manifest import Case

RAW, NEURONS, CLEFTS = "volumes/raw", "volumes/labels/neuron_ids", "volumes/labels/clefts"
RESERVED = np.uint64(2**64 - 10)
"""Ids from here on mean "nothing" or "not labelled"."""

NM_PER_MM = 1e6


@dataclass(frozen=True)
class Sample:
    """Where the grey values and labels of a file lie.

    Attributes:
        spacing: along x, y, z, mm.
        box: the labelled part of raw.
        neurons, clefts: whether the file has them.
    """

    spacing: tuple[float, float, float]
    box: tuple[slice, ...]
    neurons: bool
    clefts: bool


def read(request: Request) -> Collected:
    """Convert every sample. The labelled ones are split by seed, one of each for three; others are "test"."""
    files = volumes_below(request.folder, ".hdf", ".h5", ".hdf5")
    subjects = {name: _subject(name) for name in files}
    # A padded file repeats the voxels of its cropped one.
    twice = [name for name in files if "padded" in name and list(subjects.values()).count(subjects[name]) > 1]
    files = {name: path for name, path in files.items() if name not in twice}
    if not files:
        raise request.misfit("there is no HDF5 file (.hdf, .h5, .hdf5) in it")
    cases, notes = [], []
    for number, (name, path) in enumerate(files.items(), 1):
        with _opened(path) as file:
            sample = _sample(file, path)
        target = partial(_target, request.out, path)
        image = converted(path, target("raw"), partial(_write, path, RAW, sample))
        label = converted(path, target("clefts"), partial(_write, path, CLEFTS, sample)) if sample.clefts else None
        if sample.neurons:
            neurons = converted(path, target("neurons"), partial(_write, path, NEURONS, sample))
            notes.append(f"{name}: neurons are in {neurons}, which the manifest does not name.")
        values, contoured = ({1: "synapse"}, ("synapse",)) if label else ({}, None)
        cases.append(Case(image, subjects[name], "train", label, values, contoured, "EM"))
        request.step(number, len(files))
    if twice:
        notes.append(f"Left out, because the same sample is there without padding: {some(twice)}.")
    return Collected(tuple(labelled_splits(cases, request.seed)), tuple(notes))


def _subject(name: str) -> str:
    """ "cremi-A" of sample_A_20160501.hdf and sample_A_padded_20160501.hdf."""
    parts = name.split(".")[0].split("_")
    return f"cremi-{parts[1]}" if parts[0] == "sample" and len(parts) > 1 else name.split(".")[0]


def _target(out: Path, path: Path, part: str) -> Path:
    return out / f"{path.stem}-{part}.nrrd"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, KeyError, RuntimeError) as error:
        raise MedVLPError(
            f"{path} cannot be read as HDF5 ({' '.join(str(error).split())[:120]}).", "Download the file again."
        ) from error


def _sample(file: Any, path: Path) -> Sample:
    if RAW not in file:
        raise MedVLPError(f"{path} has no data set {RAW}.", "Give CREMI's own files.")
    raw = file[RAW]
    resolution = np.asarray(raw.attrs.get("resolution", ()), float)
    if raw.ndim != 3 or resolution.shape != (3,) or not (resolution > 0).all():
        raise MedVLPError(
            f"{RAW} in {path} has no resolution in nm along z, y and x.",
            "Give CREMI's own files; spacing is not guessed.",
        )
    there = [name for name in (NEURONS, CLEFTS) if name in file]
    start, shape = np.zeros(3, int), raw.shape
    if there:
        labels = file[there[0]]
        shape = labels.shape
        start = np.rint(np.asarray(labels.attrs.get("offset", (0, 0, 0)), float) / resolution).astype(int)
        if len(shape) != 3 or (start < 0).any() or (start + shape > raw.shape).any():
            raise MedVLPError(f"The labels in {path} do not lie within {RAW}.", "Download the file again.")
    box = tuple(slice(int(a), int(a + n)) for a, n in zip(start, shape, strict=True))
    z, y, x = (resolution / NM_PER_MM).tolist()
    return Sample((x, y, z), box, NEURONS in there, CLEFTS in there)


def _write(path: Path, name: str, sample: Sample, target: Path) -> None:
    with _opened(path) as file:
        data = file[name]
        slices = data[sample.box] if name == RAW else _binary(data) if name == CLEFTS else _numbered(data)
    write_slices(slices, sample.spacing, target)


def _binary(data: Any) -> NDArray[np.uint8]:
    """1 where there is a cleft, slice by slice: a whole volume of 64-bit ids is 1.6 GB."""
    return np.stack([((ids := data[k]) < RESERVED) & (ids > 0) for k in range(len(data))]).astype(np.uint8)


def _numbered(data: Any) -> NDArray[np.unsignedinteger[Any]]:
    """Ids numbered from 1 in their order; 0 where there is none."""
    known = np.unique(np.concatenate([np.unique(data[k]) for k in range(len(data))]))
    known = known[(known > 0) & (known < RESERVED)]
    kind = np.uint16 if len(known) <= np.iinfo(np.uint16).max else np.uint32
    out: NDArray[np.unsignedinteger[Any]] = np.zeros(data.shape, kind)
    for k in range(len(data)):
        ids = data[k]
        inside = (ids > 0) & (ids < RESERVED)
        out[k][inside] = 1 + np.searchsorted(known, ids[inside])
    return out
